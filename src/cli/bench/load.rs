//! When calls are made.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::link::{Link, Target};
use super::tally::Tally;
use super::work::{Random, Sessions, Work};

/// The reason of calls that were given up.
const NO_ANSWER: &str = "NO_ANSWER";

/// How to make calls.
pub(super) struct Load {
    pub(super) target: Arc<Target>,
    pub(super) connections: usize,
    pub(super) in_flight: usize,
    pub(super) threads: usize,
    /// How long to wait for an answer.
    pub(super) patience: Duration,
}

/// What says when the next call begins.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pace {
    /// When the one before it is answered.
    Closed,
    /// When its time has come: one in each such span.
    Open(Duration),
}

/// How long to call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) warm_up: Duration,
    pub(super) duration: Duration,
}

/// What all callers of a run share.
struct Run {
    sessions: Arc<Sessions>,
    work: Work,
    turns: Turns,
    answered: AtomicU64,
    patience: Duration,
}

/// Who calls next, and when.
enum Turns {
    /// Each session once.
    Each { next: AtomicU64 },
    /// Whoever is free.
    WhenFree,
    /// Whoever is free when the time has come. The pacer puts in a permit for each call that is due.
    WhenDue {
        due: Semaphore,
        taken: AtomicU64,
        every: Duration,
    },
}

/// From when to when, once all connections are there.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    start: Instant,
    /// From when what happens counts.
    begin: Instant,
    /// `None`: until there are no more turns.
    end: Option<Instant>,
}

/// One turn of a caller.
struct Turn {
    intended: Instant,
    session: Option<u64>,
}

impl Turns {
    async fn next(&self, schedule: &Schedule, sessions: &Sessions) -> Option<Turn> {
        match self {
            Turns::Each { next } => {
                let number = next.fetch_add(1, Ordering::Relaxed);
                (number < sessions.count()).then(|| Turn {
                    intended: Instant::now(),
                    session: Some(number),
                })
            }
            Turns::WhenFree => {
                let now = Instant::now();
                schedule.end.is_some_and(|end| now < end).then_some(Turn {
                    intended: now,
                    session: None,
                })
            }
            Turns::WhenDue { due, taken, every } => {
                // It is closed when the time is over.
                due.acquire().await.ok()?.forget();
                let number = taken.fetch_add(1, Ordering::Relaxed);
                Some(Turn {
                    intended: time_of(schedule.start, *every, number),
                    session: None,
                })
            }
        }
    }
}

/// When a call of an open loop is due. It does not depend on how the others fare.
fn time_of(start: Instant, every: Duration, number: u64) -> Instant {
    let nanos = every.as_nanos() * u128::from(number);
    start + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

impl Load {
    /// Does something once with each session.
    pub(super) fn once(&self, sessions: &Arc<Sessions>, work: Work) -> anyhow::Result<Tally> {
        let next = AtomicU64::new(0);
        self.start(sessions, work, Turns::Each { next }, None, &mut |_, _| {})
    }

    /// Calls for a while. `each_second` is told the seconds since the measured part began, from 0 on, and
    /// how many calls have been answered.
    pub(super) fn run(
        &self,
        sessions: &Arc<Sessions>,
        work: Work,
        pace: Pace,
        span: Span,
        each_second: &mut dyn FnMut(u64, u64),
    ) -> anyhow::Result<Tally> {
        let turns = match pace {
            Pace::Closed => Turns::WhenFree,
            Pace::Open(every) => Turns::WhenDue {
                due: Semaphore::new(0),
                taken: AtomicU64::new(0),
                every,
            },
        };
        self.start(sessions, work, turns, Some(span), each_second)
    }

    fn start(
        &self,
        sessions: &Arc<Sessions>,
        work: Work,
        turns: Turns,
        span: Option<Span>,
        each_second: &mut dyn FnMut(u64, u64),
    ) -> anyhow::Result<Tally> {
        let run = Arc::new(Run {
            sessions: Arc::clone(sessions),
            work,
            turns,
            answered: AtomicU64::new(0),
            patience: self.patience,
        });
        let (announce, announced) = watch::channel(None);
        let (connected, connections) = mpsc::channel();
        thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads)
                .map(|thread| {
                    let (run, announced, connected) =
                        (Arc::clone(&run), announced.clone(), connected.clone());
                    scope.spawn(move || self.thread(thread, &run, announced, connected))
                })
                .collect();
            drop(connected);
            let ready = connections.iter().take(self.threads).count();
            if ready < self.threads {
                // Those that wait for the schedule go when nobody can announce it any more.
                drop(announce);
            } else {
                let start = Instant::now();
                let warm_up = span.map_or(Duration::ZERO, |span| span.warm_up);
                let schedule = Schedule {
                    start,
                    begin: start + warm_up,
                    end: span.map(|span| start + warm_up + span.duration),
                };
                announce.send_replace(Some(schedule));
                if let Turns::WhenDue { .. } = run.turns {
                    let run = Arc::clone(&run);
                    scope.spawn(move || pace(&run, &schedule));
                }
                tell_each_second(&run, &schedule, each_second);
            }
            let mut tally = Tally::default();
            for thread in threads {
                let of_thread = thread.join().map_err(|_| anyhow!("a thread died"))?;
                tally.add(of_thread?);
            }
            if let Turns::WhenDue { due, .. } = &run.turns {
                tally.unsent = due.available_permits() as u64;
            }
            Ok(tally)
        })
    }

    /// A thread's life: its share of the connections, each with its callers.
    fn thread(
        &self,
        thread: usize,
        run: &Arc<Run>,
        mut announced: watch::Receiver<Option<Schedule>>,
        connected: mpsc::Sender<()>,
    ) -> anyhow::Result<Tally> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start a runtime")?;
        runtime.block_on(async {
            let mut links = Vec::new();
            for number in (thread..self.connections).step_by(self.threads) {
                links.push(Arc::new(
                    Link::open(Arc::clone(&self.target), number).await?,
                ));
            }
            connected.send(())?;
            drop(connected);
            let Ok(schedule) = announced
                .wait_for(Option::is_some)
                .await
                .map(|found| *found)
            else {
                return Ok(Tally::default());
            };
            let schedule = schedule.context("nothing was announced")?;
            let tally = Arc::new(Mutex::new(Tally::since(schedule.begin)));
            let mut callers = JoinSet::new();
            for link in links {
                for _ in 0..self.in_flight {
                    let (link, run, tally) =
                        (Arc::clone(&link), Arc::clone(run), Arc::clone(&tally));
                    callers.spawn(async move { call(&link, &run, &schedule, &tally).await });
                }
            }
            callers.join_all().await;
            Ok(std::mem::take(&mut *tally.lock()))
        })
    }
}

/// A caller's life: one call after the other.
async fn call(link: &Link, run: &Run, schedule: &Schedule, tally: &Mutex<Tally>) {
    let mut random = Random::new();
    while let Some(turn) = run.turns.next(schedule, &run.sessions).await {
        let chosen = turn.session;
        let session = chosen.unwrap_or_else(|| run.sessions.choose(run.work, &mut random));
        let mut intended = turn.intended;
        for &rpc in run.work.calls(&mut random) {
            let request = run.sessions.request(rpc, session, &mut random);
            let answer = timeout(run.patience, link.call(rpc, request)).await;
            let outcome = answer.unwrap_or_else(|_| Err(NO_ANSWER.to_owned()));
            let ended = Instant::now();
            if outcome.is_ok() {
                run.answered.fetch_add(1, Ordering::Relaxed);
            }
            if intended >= schedule.begin {
                tally.lock().count(rpc, intended, ended, outcome);
            }
            intended = ended;
        }
    }
}

/// Lets calls begin as they become due.
fn pace(run: &Run, schedule: &Schedule) {
    let (Turns::WhenDue { due, every, .. }, Some(end)) = (&run.turns, schedule.end) else {
        return;
    };
    let mut released = 0;
    loop {
        let now = Instant::now();
        let mut permits = 0;
        let mut next = time_of(schedule.start, *every, released);
        while next <= now && next < end {
            released += 1;
            permits += 1;
            next = time_of(schedule.start, *every, released);
        }
        due.add_permits(permits);
        if next >= end {
            break;
        }
        // The kernel rounds up by about 50 us, and what is late counts as waited for.
        sleep_until(next);
    }
    sleep_until(end);
    due.close();
}

#[expect(
    clippy::disallowed_methods,
    reason = "on threads of its own, which have no runtime; and Tokio's timers know only whole milliseconds"
)]
fn sleep_until(time: Instant) {
    thread::sleep(time.saturating_duration_since(Instant::now()));
}

fn tell_each_second(run: &Run, schedule: &Schedule, each_second: &mut dyn FnMut(u64, u64)) {
    let Some(end) = schedule.end else {
        return;
    };
    let mut second = 0;
    loop {
        let next = schedule.begin + Duration::from_secs(second);
        if next > end {
            break;
        }
        sleep_until(next);
        each_second(second, run.answered.load(Ordering::Relaxed));
        second += 1;
    }
}
