//! Tenure, the session store for MCP servers.
//!
//! Reading order: [`session`] (what a session is, and every rule about it), [`store`] (what keeps them),
//! [`sessions`] (the use cases), then what carries calls to them.

pub mod config;
pub mod events;
pub mod grpc;
pub mod session;
pub mod sessions;
pub mod store;
