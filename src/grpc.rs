//! gRPC: what travels on the wire, and how it becomes operations and answers.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::config;
use crate::sessions::Sessions;

pub mod raw;

/// The generated messages and services of `tenure.v1`.
#[expect(
    missing_docs,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated; the protos carry the comments"
)]
pub mod v1 {
    tonic::include_proto!("tenure.v1");
}

/// The descriptors of all services, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// All services on the port but health and reflection. `stopping` ends the streams.
pub fn routes(
    sessions: &Arc<Sessions>,
    config: &config::Grpc,
    stopping: &CancellationToken,
) -> Routes {
    let _ = (sessions, config, stopping);
    Routes::default()
}
