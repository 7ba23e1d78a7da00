//! One session's story, for an admin who is asked about it.

use super::marks::Subject;
use super::names::{Owner, SessionId};
use super::record::{End, Life, Session};
use super::time::Time;

/// What is known of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// Whose it is.
    pub owner: Owner,
    /// The id that was asked for.
    pub id: SessionId,
    /// When and by whom it was made and last used.
    pub life: Life,
    /// How it ended; `None`: it is alive.
    pub end: Option<End>,
    /// Until when its owner is told how it ended, and this story is known.
    pub told_until: Option<Time>,
    /// The session, if it has not been ended yet: one that is dead waits for the sweep.
    pub kept: Option<Inside>,
    /// The id that it bears since it was rotated, if it lives on.
    pub lives_on_as: Option<SessionId>,
    /// The marks that its owner is under.
    pub marks: Vec<MarkSeen>,
}

/// A session as far as everybody may see it who looks after the service: no values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inside {
    /// The session without its state.
    pub session: Session,
    /// The keys of its state, with the length of each value, as it is not encrypted.
    pub state: Vec<(Box<str>, usize)>,
}

/// A mark, as seen from one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkSeen {
    /// Whom it is about; `None`: the owner alone.
    pub subject: Option<Subject>,
    /// Since when it holds, why, and by whom it was set.
    pub end: End,
    /// It covers all that was made up to then.
    pub made_until: Option<Time>,
    /// It covers all logins up to then.
    pub authenticated_until: Option<Time>,
    /// Whether it covers the session.
    pub covers: bool,
}
