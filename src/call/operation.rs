//! What can be asked of the service.

use super::right::Role;

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
        GetKeyStatus, RotateKeys, RewrapKeys, DestroyTenantKey, ListNamespaces, GetStoreStatus,
        GetLogLevel, SetLogLevel, FindSessions, StreamSessions, InspectSession, ReadSessionState,
        ExplainSession, EndSessions, ListTopOwners;
}

impl Operation {
    /// Whether it takes access away. Such calls are served however busy the service is.
    pub fn is_ending(self) -> bool {
        matches!(
            self,
            Operation::DeleteSession
                | Operation::InvalidateSessions
                | Operation::DeleteCredential
                | Operation::DestroyTenantKey
                | Operation::EndSessions
        )
    }

    /// The roles that hold it. There is no `_` arm: whoever adds an operation decides who may do it.
    pub fn roles(self) -> &'static [Role] {
        use Operation::{
            AbandonRefresh, BeginRefresh, ClaimOnce, CompleteRefresh, CreateSession,
            DeleteCredential, DeleteSession, DestroyTenantKey, EndSessions, ExplainSession,
            FindSessions, GetCredential, GetKeyStatus, GetLogLevel, GetSession, GetStoreStatus,
            InspectSession, InvalidateSessions, ListCredentials, ListNamespaces, ListSessions,
            ListTopOwners, PutCredential, ReadSessionState, RewrapKeys, RotateKeys, RotateSession,
            SetLogLevel, StreamSessions, TouchSession, UpdateSession, WatchSessions,
        };
        match self {
            CreateSession | GetSession | UpdateSession | TouchSession | RotateSession
            | DeleteSession | ListSessions | ClaimOnce | PutCredential | DeleteCredential
            | ListCredentials => &[Role::Server],
            InvalidateSessions => &[Role::Server, Role::Events, Role::Admin],
            // Events carry ids, which only those get who ask for them.
            WatchSessions => &[Role::Auditor],
            // These answer with secrets: no role for everyday work holds them.
            GetCredential | BeginRefresh | CompleteRefresh | AbandonRefresh => &[Role::Credentials],
            RotateKeys | RewrapKeys | DestroyTenantKey | SetLogLevel | EndSessions => {
                &[Role::Admin]
            }
            GetKeyStatus | ListNamespaces | GetStoreStatus | GetLogLevel | FindSessions
            | StreamSessions | InspectSession | ExplainSession | ListTopOwners => {
                &[Role::Admin, Role::Auditor]
            }
            // What sessions remember is nobody's everyday business.
            ReadSessionState => &[Role::BreakGlass],
        }
    }
}
