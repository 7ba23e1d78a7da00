//! Tenure, the session store for MCP servers.
//!
//! Reading order: [`session`] (what a session is, and every rule about it), [`store`] (what keeps them),
//! [`sessions`] (the use cases), [`audit`] (the trail of what was done), then what carries calls to them:
//! [`grpc`], and [`server`] around it.

pub mod audit;
pub mod call;
pub mod callers;
pub mod cli;
pub mod config;
pub mod events;
pub mod grpc;
pub mod mint;
mod private;
pub mod server;
pub mod session;
pub mod sessions;
pub mod store;
pub mod telemetry;
pub mod vault;
mod visible;
