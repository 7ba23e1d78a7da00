//! What those see of sessions who run the service: many of them in slices, and one as a whole.

use crate::session::names::Owner;
use crate::session::record::Session;

/// A place among the sessions of a namespace. Opaque: only the store that made it can read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position(pub String);

/// A session that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whose it is.
    pub owner: Owner,
    /// The session, without state and MCP context.
    pub session: Session,
    /// How many bytes its state takes, and in how many keys.
    pub state: (usize, usize),
    /// How many sessions its owner has that have not been ended.
    pub of_owner: usize,
}

/// What was found in a slice of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// Those that are alive and meant, in no order.
    pub found: Vec<Found>,
    /// How many were looked at.
    pub looked: usize,
    /// Where the next slice begins; `None`: this was the last.
    pub next: Option<Position>,
}
