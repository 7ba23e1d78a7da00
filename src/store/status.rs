//! How a store is and how much is in it, for those who run it.

use std::time::Duration;

use crate::session::names::NamespaceName;

/// A namespace that has been used, and how much is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InUse {
    /// Its name.
    pub name: NamespaceName,
    /// Sessions that have not been ended yet: those that died since the last sweep are among them.
    pub sessions: usize,
    /// Those of them that have no user.
    pub anonymous: usize,
    /// Tenants, issuers and users who are under a mark now; and everybody, as one.
    pub wide_marks: usize,
}

/// How a store is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// How its servers hang together: `process`, `standalone`, `sentinel`, `cluster`.
    pub topology: &'static str,
    /// Whether calls are served now.
    pub ready: bool,
    /// Why not, or what is wrong although they are.
    pub trouble: Vec<String>,
    /// The bytes that it takes and may take, where it counts them itself.
    pub bytes: Option<(usize, usize)>,
    /// The sessions that it holds and may hold, where it counts them itself.
    pub sessions: Option<(usize, usize)>,
    /// The servers that have the data.
    pub servers: Vec<Server>,
}

/// A server that has data, or a share of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// Where it is.
    pub address: String,
    /// Whether it answered just now. If not, the rest is not known.
    pub reachable: bool,
    /// Its version.
    pub version: String,
    /// The bytes that it takes.
    pub memory: u64,
    /// The bytes that it may take; 0: as many as the machine has.
    pub max_memory: u64,
    /// What it does when they are taken.
    pub eviction: String,
    /// How many of its replicas are connected.
    pub replicas: u64,
    /// Since when it runs.
    pub uptime: Duration,
}

/// What a store knows of itself without asking anybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Glance {
    /// The bytes that it takes, where it counts them itself.
    pub bytes: Option<usize>,
    /// Servers that calls go to.
    pub closed_breakers: usize,
    /// Servers for which calls are refused at once, until they are found well again.
    pub open_breakers: usize,
    /// Whether it may evict what must stay: every call is refused.
    pub unsafe_eviction: bool,
    /// Whether its clock and ours are too far apart: only endings are accepted.
    pub clock_skew: bool,
}
