//! The use cases of those who run the service.

use std::time::Duration;

use parking_lot::Mutex;

use super::{Call, Error, Sessions};
use crate::session::names::NamespaceName;
use crate::session::refusal::Refusal;
use crate::session::time::Time;
use crate::store::status::Status;
use crate::store::{self, Answer};

/// A namespace and how much is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceUse {
    /// Its name.
    pub name: NamespaceName,
    /// Whether the configuration lists it.
    pub listed: bool,
    /// Sessions that have not been ended yet.
    pub sessions: usize,
    /// Those of them that have no user.
    pub anonymous: usize,
    /// Subjects that are under a mark.
    pub marks: usize,
}

/// How the store is, as this instance sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreStatus {
    /// What kind it is.
    pub kind: &'static str,
    /// Whether it answers.
    pub reachable: bool,
    /// What it says of itself.
    pub status: Status,
    /// Sessions and marks over all namespaces, if they could be counted.
    pub held: Option<(usize, usize)>,
    /// How late the last sweep was with what was due, and when it was.
    pub swept: Option<(Duration, Time)>,
}

/// What the sweeps of this instance have found lately.
#[derive(Debug, Default)]
pub(super) struct Swept(Mutex<Option<(Duration, Time)>>);

impl Sessions {
    /// Gives back what is over: [`Store::sweep`](store::Store::sweep).
    pub async fn sweep(&self, budget: usize) -> Answer<store::Swept> {
        let swept = self.store.sweep(budget).await?;
        *self.swept.0.lock() = Some((swept.lag, Time::from_system_clock()));
        Ok(swept)
    }

    /// Which namespaces there are, in the order of their names.
    pub async fn namespaces(&self, _call: &Call) -> Result<Vec<NamespaceUse>, Error> {
        let listed = self.namespaces.listed();
        let in_use = self.store.namespaces().await?;
        let unused = listed.iter().filter(|name| {
            let mut used = in_use.iter();
            !used.any(|namespace| namespace.name == **name)
        });
        let unused = unused.map(|name| NamespaceUse {
            name: name.clone(),
            listed: true,
            sessions: 0,
            anonymous: 0,
            marks: 0,
        });
        let mut found: Vec<_> = unused.collect();
        found.extend(in_use.into_iter().map(|namespace| NamespaceUse {
            listed: listed.contains(&namespace.name),
            name: namespace.name,
            sessions: namespace.sessions,
            anonymous: namespace.anonymous,
            marks: namespace.wide_marks,
        }));
        found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// How the store is. Answers also when it is away.
    pub async fn store_status(&self, _call: &Call) -> StoreStatus {
        let mut status = self.store.status().await;
        let answer = self.store.ping().await;
        if let Err(error) = &answer {
            status.trouble.push(error.to_string());
        }
        let in_use = self.store.namespaces().await.ok();
        let held = in_use.map(|namespaces| {
            let sums = namespaces.iter();
            sums.fold((0, 0), |(sessions, marks), one| {
                (sessions + one.sessions, marks + one.wide_marks)
            })
        });
        StoreStatus {
            kind: self.store.kind(),
            reachable: answer.is_ok(),
            status,
            held,
            swept: *self.swept.0.lock(),
        }
    }

    /// Which lines of the log are written.
    pub fn log_filter(&self, _call: &Call) -> Result<String, Error> {
        let log = self.log.as_ref().ok_or(Error::LogNotOwned)?;
        log.current().map_err(|_| Error::LogNotOwned)
    }

    /// Changes which lines of the log are written. Answers which were until now.
    pub fn set_log_filter(&self, call: &Call, filter: &str) -> Result<String, Error> {
        let previous = self.log_filter(call)?;
        let log = self.log.as_ref().ok_or(Error::LogNotOwned)?;
        if filter.is_empty() {
            return Err(
                Refusal::invalid("filter", "must not be empty: `info`, for instance").into(),
            );
        }
        log.set(filter)
            .map_err(|error| Refusal::invalid("filter", format!("{error:#}")))?;
        // Whatever the filter leaves through: who made the log quiet must stand in it.
        tracing::error!(
            target: "tenure::lifecycle",
            event = "log_filter_changed",
            filter,
            previous,
            caller = call.caller.name(),
            correlation_id = &*call.correlation_id,
        );
        Ok(previous)
    }
}
