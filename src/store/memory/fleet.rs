//! What the store keeps of a namespace beside its owners.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use hashbrown::HashMap;
use parking_lot::Mutex;

use super::event_log::EventLog;
use super::wide_marks::WideMarks;
use crate::session::event::Event;
use crate::session::marks::Mark;
use crate::session::names::{CallerTag, Owner};
use crate::session::owner_record::{Moment, Usage};
use crate::session::time::Time;
use crate::store::Namespace;
use crate::store::endings::Endings;
use crate::store::status::InUse;

/// A namespace that has been used.
#[derive(Debug)]
pub(super) struct Fleet {
    pub(super) namespace: Arc<Namespace>,
    pub(super) marks: WideMarks,
    pub(super) log: Arc<EventLog>,
    endings: Arc<Endings>,
    sessions: AtomicUsize,
    anonymous: AtomicUsize,
    /// Sessions per tenant, where the namespace limits them.
    tenants: Option<Mutex<HashMap<Box<str>, usize>>>,
    /// The latest creation that had to be dated behind a mark of its own millisecond. A wide mark raised
    /// later in that millisecond must reach it.
    latest_created: AtomicI64,
}

impl Fleet {
    pub(super) fn new(namespace: Arc<Namespace>, log: EventLog, endings: Arc<Endings>) -> Fleet {
        let limited = namespace.limits.sessions_per_tenant.is_some();
        Fleet {
            namespace,
            marks: WideMarks::default(),
            log: Arc::new(log),
            endings,
            sessions: AtomicUsize::new(0),
            anonymous: AtomicUsize::new(0),
            tenants: limited.then(Mutex::default),
            latest_created: AtomicI64::new(i64::MIN),
        }
    }

    /// Tells what happened, in this order.
    pub(super) fn tell(&self, events: Vec<Event>) {
        self.endings.tell_of(&self.namespace.name, &events);
        self.log.append(events);
    }

    /// How much the others have that share a limit with an owner.
    pub(super) fn usage(&self, owner: &Owner) -> Usage {
        let tenant = self.tenants.as_ref().map_or(0, |tenants| {
            tenants.lock().get(owner.tenant()).copied().unwrap_or(0)
        });
        Usage {
            tenant,
            anonymous: self.anonymous.load(Ordering::Relaxed),
        }
    }

    /// How many sessions the namespace has that have not been ended.
    pub(super) fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Relaxed)
    }

    /// How much is in it.
    pub(super) fn in_use(&self) -> InUse {
        InUse {
            name: self.namespace.name.clone(),
            sessions: self.sessions(),
            anonymous: self.anonymous.load(Ordering::Relaxed),
            wide_marks: self.marks.count(),
        }
    }

    /// Counts what an operation changed for an owner.
    pub(super) fn count(&self, owner: &Owner, before: usize, after: usize) {
        if before == after {
            return;
        }
        shift(&self.sessions, before, after);
        if owner.is_anonymous() {
            shift(&self.anonymous, before, after);
        }
        if let Some(tenants) = &self.tenants {
            let mut tenants = tenants.lock();
            let count = tenants.entry(owner.tenant().into()).or_default();
            *count = (*count + after).saturating_sub(before);
            if *count == 0 {
                tenants.remove(owner.tenant());
            }
        }
    }

    /// Keeps in mind a creation that was dated later than it happened.
    pub(super) fn created(&self, created_at: Time, now: Time) {
        if created_at > now {
            self.latest_created
                .fetch_max(created_at.as_millis(), Ordering::AcqRel);
        }
    }

    /// A moment that nothing made so far is later than.
    pub(super) fn everything_made_by(&self, now: Time) -> Time {
        now.max(Time::from_millis(
            self.latest_created.load(Ordering::Acquire),
        ))
    }
}

/// What an operation on an owner's record needs to know, but for the usage of others.
pub(super) fn moment<'a>(
    namespace: &'a Namespace,
    now: Time,
    by: CallerTag,
    marks: &'a [Mark],
) -> Moment<'a> {
    Moment {
        now,
        by,
        limits: &namespace.limits,
        marks,
        usage: Usage::default(),
    }
}

/// Moves a counter by the difference of two numbers.
pub(super) fn shift(counter: &AtomicUsize, before: usize, after: usize) {
    if after >= before {
        counter.fetch_add(after - before, Ordering::Relaxed);
    } else {
        counter.fetch_sub(before - after, Ordering::Relaxed);
    }
}
