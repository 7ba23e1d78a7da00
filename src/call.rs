//! A call: who makes it, what it asks for, and by which name it is found in the logs.
//!
//! The words in which the configuration speaks of callers live here, too: [`Right`], [`Role`], [`Pattern`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use secrecy::SecretString;

use crate::audit::Trail;

pub mod operation;
pub mod pattern;
pub mod right;

pub use operation::Operation;
pub use pattern::Pattern;
pub use right::{Right, Rights, Role};

/// What is known of a call before its request is read. Every use case takes one.
#[derive(Clone, Debug)]
pub struct Call {
    /// The process that calls.
    pub caller: Arc<Caller>,
    /// What the call is to do.
    pub operation: Operation,
    /// When it came.
    pub came: Instant,
    /// The id under which the caller and the logs know the call.
    pub correlation_id: Arc<str>,
    /// Where the call comes from.
    pub peer: Option<SocketAddr>,
    /// What the call shows to prove the owner.
    pub user_token: UserToken,
    /// Its record in the audit, where there is one.
    pub trail: Option<Arc<Trail>>,
}

/// The end user's access token that a call carries, for namespaces that want the owner proved.
#[derive(Clone, Debug, Default)]
pub enum UserToken {
    /// None.
    #[default]
    Missing,
    /// One.
    Shown(Arc<SecretString>),
    /// Something that is not one token: two of them, or no text.
    Malformed,
}

/// An authenticated process that calls Tenure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Whoever reaches the loopback port of a service without caller authentication. Has every right.
    Local,
    /// One that proved who it is. What it may do, the policy says.
    Authenticated {
        /// How it proved that.
        means: Means,
        /// Its whole name: `spiffe://…`, `subject:…`, `jwt:ISSUER:SUBJECT` or `apikey:NAME`.
        name: Box<str>,
    },
}

/// How a caller proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// A client certificate.
    Certificate,
    /// A JWT.
    Token,
    /// An API key.
    ApiKey,
}

impl Caller {
    /// What the caller is called in logs, in the audit trail and in the policy.
    pub fn name(&self) -> &str {
        match self {
            Caller::Local => "local",
            Caller::Authenticated { name, .. } => name,
        }
    }
}
