//! Tenure, the session store for MCP servers.
//!
//! Reading order: [`session`] (what a session is, and every rule about it), [`store`] (what keeps them),
//! [`sessions`] (the use cases), then what carries calls to them: [`grpc`], and [`server`] around it.

pub mod cli;
pub mod config;
pub mod events;
pub mod grpc;
pub mod server;
pub mod session;
pub mod sessions;
pub mod store;
pub mod telemetry;
pub mod vault;
