//! Who is at the other end of a connection.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::callers::ClientCertificates;

/// Who is at the other end of a connection. Every request carries it as an extension.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Where it calls from.
    pub address: SocketAddr,
    /// The certificate chain that it showed and that our client CA vouches for, its own certificate
    /// first. Empty without mutual TLS.
    pub certificates: Arc<ClientCertificates>,
}
