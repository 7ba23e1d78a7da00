//! A call: who makes it, and by which name it is found in the logs.

use std::net::SocketAddr;
use std::sync::Arc;

/// What is known of a call before its request is read. Every use case takes one.
#[derive(Clone, Debug)]
pub struct Call {
    /// The process that calls.
    pub caller: Arc<Caller>,
    /// What the call is to do.
    pub operation: Operation,
    /// The id under which the caller and the logs know the call.
    pub correlation_id: Arc<str>,
    /// Where the call comes from.
    pub peer: Option<SocketAddr>,
}

/// An authenticated process that calls Tenure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Whoever reaches the loopback port of a service without caller authentication. Has every right.
    Local,
}

impl Caller {
    /// What the caller is called in logs and in the audit trail.
    pub fn name(&self) -> &str {
        match self {
            Caller::Local => "local",
        }
    }
}

macro_rules! operations {
    ($($service:literal: $($name:ident),+;)+) => {
        /// Everything that can be asked of the service: one for each RPC.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "the RPCs of the same names are documented in the protos")]
        pub enum Operation {
            $($($name,)+)+
        }

        impl Operation {
            /// All operations.
            pub const ALL: &[Operation] = &[$($(Operation::$name,)+)+];

            /// The RPC's name.
            pub fn name(self) -> &'static str {
                match self {
                    $($(Operation::$name => stringify!($name),)+)+
                }
            }

            /// The RPC's path.
            pub fn path(self) -> &'static str {
                match self {
                    $($(Operation::$name => concat!("/", $service, "/", stringify!($name)),)+)+
                }
            }

            /// The operation at a path.
            pub fn at(path: &str) -> Option<Operation> {
                match path {
                    $($(concat!("/", $service, "/", stringify!($name)) => Some(Operation::$name),)+)+
                    _ => None,
                }
            }
        }
    };
}

operations! {
    "tenure.v1.SessionService":
        CreateSession, GetSession, UpdateSession, TouchSession, RotateSession, DeleteSession,
        InvalidateSessions, ListSessions, WatchSessions, ClaimOnce;
    "tenure.v1.CredentialService":
        PutCredential, GetCredential, DeleteCredential, ListCredentials, BeginRefresh,
        CompleteRefresh, AbandonRefresh;
    "tenure.admin.v1.AdminService":
        GetKeyStatus, RotateKeys, RewrapKeys, DestroyTenantKey;
}

impl Operation {
    /// Whether its answer is a stream.
    pub fn is_stream(self) -> bool {
        matches!(self, Operation::WatchSessions | Operation::RewrapKeys)
    }

    /// Whether it takes access away. Such calls are served however busy the service is.
    pub fn is_ending(self) -> bool {
        matches!(
            self,
            Operation::DeleteSession
                | Operation::InvalidateSessions
                | Operation::DeleteCredential
                | Operation::DestroyTenantKey
        )
    }
}
