//! Sessions in Redis: standalone, behind Sentinel, or in a Cluster.
//!
//! [`link`] is how a script gets to the right server
//! and its answer back.

pub mod link;
