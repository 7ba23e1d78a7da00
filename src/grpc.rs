//! gRPC: what travels on the wire, and how it becomes operations and answers.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use self::admin_v1::admin_service_server::AdminServiceServer;
pub use self::edge::{Answer, Departure, Edge, KnownCallers};
pub use self::peer::Peer;
use self::services::Services;
use self::v1::credential_service_server::CredentialServiceServer;
use self::v1::session_service_server::SessionServiceServer;
use crate::callers::Authenticator;
use crate::config;
use crate::sessions::Sessions;
use crate::telemetry::Metrics;

mod admin;
mod codec;
mod convert;
mod credential;
mod edge;
mod peer;
pub mod raw;
mod redacted;
mod services;
mod session;
mod status;
mod watch;

/// The generated messages and services: their modules lie as their packages do, so that one finds the other.
#[expect(
    clippy::pedantic,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated; the protos carry the comments"
)]
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
    let session = SessionServiceServer::new(service.clone())
        .max_decoding_message_size(config.max_message_bytes)
        // An answer is as large as what is stored; a page of sessions may be larger than a request.
        .max_encoding_message_size(usize::MAX);
    let credential = CredentialServiceServer::new(service.clone())
        .max_decoding_message_size(config.max_message_bytes);
    let admin =
        AdminServiceServer::new(service).max_decoding_message_size(config.max_message_bytes);
    let services = Services {
        session,
        credential,
        admin,
    };
    Edge::around(
        services,
        Arc::clone(authenticator),
        sessions.events(),
        config,
        Arc::clone(metrics),
    )
}
