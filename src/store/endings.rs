//! Telling of sessions that end otherwise than by their owner's own call.

use std::fmt;

use parking_lot::RwLock;

use crate::session::event::{Change, Event, What};
use crate::session::names::{NamespaceName, Owner, SessionId};
use crate::session::refusal::EndReason;
use crate::session::time::Time;

/// A session that was ended: in a sweep, to make room, or by an invalidation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Where.
    pub namespace: NamespaceName,
    /// Whose it was.
    pub owner: Owner,
    /// Its id.
    pub id: SessionId,
    /// Why it ended.
    pub reason: EndReason,
    /// When it was over. It may have been noticed later.
    pub at: Time,
}

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A session has ended.
    Known(Ended),
    /// Sessions of an owner may have: the store was asked, and nobody can say any more what it did.
    Unknown(NamespaceName, Owner),
}

/// Somebody who is told.
pub type Listener = Box<dyn Fn(Told) + Send + Sync>;

/// Where a store tells of endings. Nobody has to listen.
#[derive(Default)]
pub(super) struct Endings(RwLock<Option<Listener>>);

impl Endings {
    /// Has them told to somebody, and to nobody else.
    pub(super) fn tell_to(&self, listener: Listener) {
        *self.0.write() = Some(listener);
    }

    /// Tells of a session that a step has ended. Of those that their owner ended or that have another id
    /// now, the call itself tells.
    pub(super) fn tell(&self, reason: EndReason, ended: impl FnOnce() -> Ended) {
        let by_owner = matches!(reason, EndReason::Deleted | EndReason::Rotated);
        if by_owner {
            return;
        }
        if let Some(listener) = &*self.0.read() {
            listener(Told::Known(ended()));
        }
    }

    /// Tells that there may have been endings.
    pub(super) fn tell_unknown(&self, namespace: &NamespaceName, owner: &Owner) {
        if let Some(listener) = &*self.0.read() {
            listener(Told::Unknown(namespace.clone(), owner.clone()));
        }
    }

    /// Tells of the endings among events.
    pub(super) fn tell_of(&self, namespace: &NamespaceName, events: &[Event]) {
        for event in events {
            if let What::Session {
                owner,
                id,
                change: Change::Ended(reason),
                ..
            } = &event.what
            {
                self.tell(*reason, || Ended {
                    namespace: namespace.clone(),
                    owner: owner.clone(),
                    id: id.clone(),
                    reason: *reason,
                    at: event.at,
                });
            }
        }
    }
}

impl fmt::Debug for Endings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Endings")
    }
}
