//! What happens in the lives of sessions.

use std::sync::Arc;

use super::marks::{Reach, Subject};
use super::names::{Owner, RecordId, SessionId};
use super::refusal::{EndReason, InvalidationReason};
use super::time::Time;

/// Something that happened, as the rules tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Time,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Something about one session.
    Session {
        /// Whose session.
        owner: Owner,
        /// The id that it bears after the event.
        id: SessionId,
        /// Its record.
        record_id: RecordId,
        /// Its conversation.
        conversation: Option<Arc<str>>,
        /// The login behind it.
        provider_session_id: Option<Arc<str>>,
        /// Its revision after the event.
        revision: u64,
        /// What happened to it.
        change: Change,
    },
    /// A wide invalidation is in force.
    Revoked {
        /// Who is covered.
        subject: Subject,
        /// What is covered.
        reach: Reach,
        /// Why.
        reason: InvalidationReason,
    },
}

/// What happened to one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was made.
    Created,
    /// Its content changed.
    Updated,
    /// It got a new id.
    Rotated {
        /// The id until then.
        previous: SessionId,
        /// The login until then.
        previous_provider_session_id: Option<Arc<str>>,
    },
    /// It ended.
    Ended(EndReason),
}
