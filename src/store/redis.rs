//! Sessions in Redis: standalone, behind Sentinel, or in a Cluster.
//!
//! Reading order: [`url`] (where Redis is and how to get in), [`link`] (how a script gets to the right server
//! and its answer back).

pub mod link;
pub mod url;
