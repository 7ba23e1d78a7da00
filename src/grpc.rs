//! gRPC: what travels on the wire, and how it becomes operations and answers.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use self::edge::{Answer, Departure, Edge, KnownCallers};
pub use self::peer::Peer;
use self::services::Services;
use crate::callers::Authenticator;
use crate::config;
use crate::sessions::Sessions;
use crate::telemetry::Metrics;

mod admin;
mod convert;
mod credential;
mod edge;
mod message;
mod peer;
pub mod raw;
mod redacted;
mod services;
mod session;
mod status;
mod watch;

/// The generated messages: their modules lie as their packages do, so that one finds the other.
#[expect(clippy::pedantic, reason = "generated; the protos carry the comments")]
mod tenure {
    /// `tenure.v1`
    pub mod v1 {
        tonic::include_proto!("tenure.v1");
    }
    pub(super) mod admin {
        /// `tenure.admin.v1`
        pub mod v1 {
            tonic::include_proto!("tenure.admin.v1");
        }
    }
}

pub use self::tenure::admin::v1 as admin_v1;
pub use self::tenure::v1;

/// The descriptors of all services, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// All services on the port but health and reflection, behind the edge. `stopping` ends the streams.
pub fn edge(
    sessions: &Arc<Sessions>,
    authenticator: &Arc<Authenticator>,
    config: &config::Grpc,
    metrics: &Arc<Metrics>,
    stopping: &CancellationToken,
) -> Edge {
    let service = session::Service::new(
        Arc::clone(sessions),
        config.watch_heartbeat,
        Arc::clone(metrics),
        stopping.clone(),
    );
    let services = Services {
        service,
        max_message_bytes: config.max_message_bytes,
    };
    Edge::around(
        services,
        Arc::clone(authenticator),
        sessions.events(),
        config,
        Arc::clone(metrics),
    )
}
