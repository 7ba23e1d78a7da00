//! A load of creates, updates and endings over several instances, and what was acknowledged of it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream;
use tenure_client::{Code, Error, Selector, Sessions, Tenure};

use super::NAMESPACE;

/// A session, as its owner knows it.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) tenant: String,
    pub(super) user: String,
    pub(super) id: String,
}

impl Known {
    pub(super) fn owner(&self, tenure: &Tenure) -> Sessions {
        tenure.namespace(NAMESPACE).owner(&self.tenant, &self.user)
    }
}

/// How a session was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Ending {
    Delete,
    ById,
    ByOwner,
    ByTenant,
    Rotate,
}

/// What was acknowledged.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) ended: Mutex<Vec<(Known, Ending)>>,
    pub(super) kept: Mutex<Vec<(Known, Instant)>>,
    /// Values that a session's counter has had.
    pub(super) counted: Mutex<Vec<(Known, i64, Instant)>>,
    /// Calls that failed in another way than an outage may make them.
    pub(super) unexpected: Mutex<Vec<String>>,
    failed: AtomicUsize,
    next: AtomicUsize,
    stop: AtomicBool,
}

/// Polls are far apart compared with this; what loses calls in an outage must not be a busy loop.
const AFTER_A_FAILURE: Duration = Duration::from_millis(5);

impl Ledger {
    pub(super) fn endings(&self) -> usize {
        self.ended.lock().expect("no panic").len()
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(super) fn failures(&self) -> usize {
        self.failed.load(Ordering::Relaxed)
    }

    /// Somebody who has never been here.
    pub(super) fn stranger(&self) -> Known {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Known {
            tenant: format!("tenant-{number}"),
            user: format!("user-{number}"),
            id: String::new(),
        }
    }

    async fn create(&self, tenure: &Tenure) -> Result<Known, Error> {
        let who = self.stranger();
        let made = who.owner(tenure).create().set("n", 0).await?;
        let id = made.session.id;
        Ok(Known { id, ..who })
    }

    /// Makes a session and ends it.
    pub(super) async fn end_one(&self, tenure: &Tenure, ending: Ending) -> Result<(), Error> {
        let who = self.create(tenure).await?;
        self.end(tenure, who, ending).await
    }

    pub(super) async fn end(
        &self,
        tenure: &Tenure,
        who: Known,
        ending: Ending,
    ) -> Result<(), Error> {
        let namespace = tenure.namespace(NAMESPACE);
        let owner = who.owner(tenure);
        match ending {
            Ending::Delete => {
                owner.end(&who.id).await?;
            }
            Ending::ById => {
                let selector = Selector::SessionId(who.id.clone());
                namespace.invalidate(selector).await?;
            }
            Ending::ByOwner => {
                owner.invalidate().await?;
            }
            Ending::ByTenant => {
                let selector = Selector::Tenant(who.tenant.clone());
                namespace.invalidate(selector).await?;
            }
            Ending::Rotate => {
                owner.rotate(&who.id).await?;
            }
        }
        self.ended.lock().expect("no panic").push((who, ending));
        Ok(())
    }

    async fn keep_one(&self, tenure: &Tenure) -> Result<(), Error> {
        let who = self.create(tenure).await?;
        let now = Instant::now();
        self.kept.lock().expect("no panic").push((who, now));
        Ok(())
    }

    async fn count(&self, tenure: &Tenure, who: &Known) -> Result<(), Error> {
        let owner = who.owner(tenure);
        let updated = owner.update(&who.id).increment("n", 1).await?;
        let entry = (who.clone(), updated.increments["n"], Instant::now());
        self.counted.lock().expect("no panic").push(entry);
        Ok(())
    }

    /// Works until told to stop.
    pub(super) async fn work(&self, tenure: &Tenure, worker: usize) {
        let counter = loop {
            match self.create(tenure).await {
                Ok(counter) => break counter,
                Err(error) => self.note(&error).await,
            }
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
        };
        let mut turn = worker;
        while !self.stop.load(Ordering::Relaxed) {
            turn += 1;
            let outcome = match turn % 8 {
                0 | 5 => self.end_one(tenure, Ending::Delete).await,
                1 => self.end_one(tenure, Ending::ByOwner).await,
                2 => self.end_one(tenure, Ending::ById).await,
                3 => self.end_one(tenure, Ending::Rotate).await,
                4 => self.keep_one(tenure).await,
                // A write in each of 256 cells: not too many of them.
                6 if turn % 5 == 0 => self.end_one(tenure, Ending::ByTenant).await,
                _ => self.count(tenure, &counter).await,
            };
            if let Err(error) = outcome {
                self.note(&error).await;
            }
        }
    }

    async fn note(&self, error: &Error) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        // What was made a moment before a primary died may be gone.
        let may_be = matches!(error.code(), Code::Unavailable | Code::DeadlineExceeded);
        if !may_be && !error.is_not_found() {
            let text = format!("{:?} {}: {error}", error.code(), error.reason());
            self.unexpected.lock().expect("no panic").push(text);
        }
        tokio::time::sleep(AFTER_A_FAILURE).await;
    }

    /// The endings that are not in force.
    pub(super) async fn undone(&self, tenure: &Tenure) -> Vec<Ending> {
        let ended = self.ended.lock().expect("no panic").clone();
        let alive = stream::iter(ended)
            .map(async |(who, ending)| read(tenure, &who).await.is_some().then_some(ending))
            .buffer_unordered(64);
        alive.filter_map(std::future::ready).collect().await
    }

    /// How many creates and updates there were before a moment, and how many of them are lost.
    pub(super) async fn lost_before(&self, tenure: &Tenure, moment: Instant) -> (usize, usize) {
        let kept = self.kept.lock().expect("no panic").clone();
        let kept = kept.into_iter().filter(|(_, at)| *at < moment);
        let mut expected: Vec<_> = kept.map(|(who, _)| (who, 0)).collect();
        let counted = self.counted.lock().expect("no panic").clone();
        let counted = counted.into_iter().filter(|(_, _, at)| *at < moment);
        expected.extend(counted.map(|(who, value, _)| (who, value)));
        let all = expected.len();
        let lost = stream::iter(expected)
            .map(async |(who, value)| {
                let there = read(tenure, &who).await;
                usize::from(there.is_none_or(|there| there < value))
            })
            .buffer_unordered(64);
        (all, lost.fold(0, async |sum, lost| sum + lost).await)
    }
}

/// The counter of a session, if it is alive. Asks until it is answered.
pub(super) async fn read(tenure: &Tenure, who: &Known) -> Option<i64> {
    let until = Instant::now() + crate::support::redis::DEADLINE;
    loop {
        match who.owner(tenure).get(&who.id).peek().await {
            Ok(session) => {
                let state = session.state.expect("it was asked for");
                return Some(state["n"].as_i64().expect("a number"));
            }
            Err(error) if error.is_not_found() => return None,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
