//! The client of Tenure, the session store for MCP servers.
//!
//! ```no_run
//! use serde_json::json;
//! use tenure_client::{Options, Tenure};
//!
//! # async fn example() -> Result<(), tenure_client::Error> {
//! let tenure = Tenure::connect(Options::from_env()?).await?;
//! let sessions = tenure.namespace("crm").owner("acme", "anna");
//!
//! let session = sessions.get_or_create("conversation-7").await?.session;
//! let updated = sessions
//!     .update(&session.id)
//!     .set("customer", json!({"id": 4711}))
//!     .increment("calls", 1)
//!     .await?;
//! assert_eq!(updated.increments["calls"], 1);
//! # Ok(())
//! # }
//! ```
//!
//! Reading order: [`Options`] (how to reach the service), [`Sessions`] (the calls), [`ErrorKind`] (what can
//! go wrong), [`Watch`] (what happens to sessions), [`Credentials`] (secrets kept with them).
//!
//! Calls are repeated in one place, here: only when the service is away or says when to repeat, inside the
//! call's timeout, with a request id that the client sets itself, so that nothing happens twice.

use std::sync::Arc;

mod admin;
mod calls;
mod credential;
mod error;
mod event;
mod model;
mod options;
pub mod proto;
/// The README's examples compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
#[cfg(feature = "testing")]
pub mod testing;
mod time;
mod transport;
mod value;
mod watch;

pub use admin::{
    Admin, EndMany, EndProgress, FoundBatch, FoundPage, FoundSession, FoundStream,
    InspectedSession, KeyRotation, KeyStatus, Keys, MarkSeen, NamespaceUse, OwnerUse, Rewrap,
    Rewrapped, SessionEnd, SessionFilter, SessionStory, StateKey, StoreServer, StoreStatus,
};
pub use calls::claim::{ClaimOnce, Claimed};
pub use calls::create::{Create, Created, OnExisting};
pub use calls::credentials::{
    Credentials, DeleteCredential, GetCredential, ListCredentials, PutCredential,
};
pub use calls::end::{End, Invalidate, Invalidated};
pub use calls::fresh_token::FreshToken;
pub use calls::read::{Get, List, Page, Touch};
pub use calls::rotate::{Rotate, Rotated};
pub use calls::update::{Update, Updated};
pub use credential::{Credential, RefreshLease, Stored, TokenSet};
pub use error::{Error, ErrorKind, FieldViolation, Limit};
pub use event::{EndReason, Event, EventKind, InvalidationReason, Selector};
pub use model::{McpContext, Owner, Session};
pub use options::{DEFAULT_SERVER, Options, Pem};
pub use time::{parse_time, show_time};
pub use tonic::Code;
pub use transport::TraceContext;
pub use uuid::Uuid;
pub use value::{MAX_SAFE_INTEGER, State};
pub use watch::{Watch, WatchSessions, Watched};

use crate::transport::{Beside, CallOptions, Token, Transport};

/// A service, or several replicas of one. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Tenure {
    transport: Arc<Transport>,
}

impl Tenure {
    /// Connects. Connections that are lost later are made anew by themselves.
    ///
    /// # Errors
    /// When an option is wrong, or no address can be reached.
    pub async fn connect(options: Options) -> Result<Tenure, Error> {
        let transport = Transport::connect(&options).await?;
        Ok(Tenure {
            transport: Arc::new(transport),
        })
    }

    /// Connects with the first call. Must be called inside of a Tokio runtime.
    ///
    /// # Errors
    /// When an option is wrong.
    #[expect(clippy::needless_pass_by_value, reason = "the same as `connect`")]
    pub fn lazy(options: Options) -> Result<Tenure, Error> {
        let transport = Transport::lazy(&options)?;
        Ok(Tenure {
            transport: Arc::new(transport),
        })
    }

    /// What those do who run the service.
    pub fn admin(&self) -> Admin {
        Admin::new(&self.transport)
    }

    /// One fleet of MCP servers.
    pub fn namespace(&self, name: impl Into<String>) -> Namespace {
        Namespace {
            transport: Arc::clone(&self.transport),
            name: name.into(),
        }
    }
}

/// A namespace of a service.
#[derive(Clone, Debug)]
pub struct Namespace {
    pub(crate) transport: Arc<Transport>,
    pub(crate) name: String,
}

impl Namespace {
    /// The sessions of one owner. See [`Sessions::issuer`] for who vouches for the user.
    pub fn owner(&self, tenant: impl Into<String>, user: impl Into<String>) -> Sessions {
        self.sessions_of(Owner::new(tenant, user))
    }

    /// The sessions of one owner.
    pub fn sessions_of(&self, owner: Owner) -> Sessions {
        Sessions {
            namespace: self.clone(),
            owner,
            user_token: None,
        }
    }

    /// Ends every session that the selector covers, at once and everywhere.
    pub fn invalidate(&self, selector: Selector) -> Invalidate {
        Invalidate::new(self, selector, CallOptions::default())
    }

    /// The lifecycle events of the namespace.
    pub fn watch(&self) -> WatchSessions {
        WatchSessions::new(self, None, CallOptions::default())
    }
}

/// The sessions of one owner. Every method returns a call that `.await` sends.
#[derive(Clone, Debug)]
pub struct Sessions {
    pub(crate) namespace: Namespace,
    pub(crate) owner: Owner,
    user_token: Option<Token>,
}

impl Sessions {
    /// Who vouches for the user, usually the identity provider's issuer URL.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Sessions {
        self.owner.issuer = issuer.into();
        self
    }

    /// Sends the user's own access token with every call: for namespaces that want owners proved (`owner_proof`).
    #[must_use]
    pub fn user_token(mut self, token: impl Into<String>) -> Sessions {
        self.user_token = Some(Token::Fixed(token.into()));
        self
    }

    /// Asks for the user's access token before every request. If that fails, the call fails.
    #[must_use]
    pub fn user_token_from<F, T, E>(mut self, token: F) -> Sessions
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.user_token = Some(Token::from_fn(token));
        self
    }

    /// What this handle says of each of its calls.
    pub(crate) fn call_options(&self) -> CallOptions {
        CallOptions {
            timeout: None,
            beside: Beside {
                correlation_id: None,
                user_token: self.user_token.clone(),
            },
        }
    }

    /// Makes a session.
    pub fn create(&self) -> Create {
        Create::new(self)
    }

    /// The live session of a conversation, made if there is none: what a tool handler wants.
    pub fn get_or_create(&self, conversation_id: impl Into<String>) -> Create {
        self.create()
            .conversation(conversation_id)
            .on_existing(OnExisting::Return)
    }

    /// Reads a session, and slides its idle deadline.
    pub fn get(&self, session_id: impl Into<String>) -> Get {
        Get::new(self, session_id.into())
    }

    /// Changes single keys of a session's state, in one step.
    pub fn update(&self, session_id: impl Into<String>) -> Update {
        Update::new(self, session_id.into())
    }

    /// Slides a session's idle deadline without moving its state.
    pub fn touch(&self, session_id: impl Into<String>) -> Touch {
        Touch::new(self, session_id.into())
    }

    /// Gives a session a new id; the old one is dead in the same step.
    pub fn rotate(&self, session_id: impl Into<String>) -> Rotate {
        Rotate::new(self, session_id.into())
    }

    /// Ends a session. `true` if this call ended it.
    pub fn end(&self, session_id: impl Into<String>) -> End {
        End::new(self, session_id.into())
    }

    /// The secrets that are kept with a session.
    pub fn credentials(&self, session_id: impl Into<String>) -> Credentials {
        Credentials::new(self, session_id.into())
    }

    /// Lists the owner's live sessions, newest first.
    pub fn list(&self) -> List {
        List::new(self)
    }

    /// Ends all sessions of this owner, at once and everywhere.
    pub fn invalidate(&self) -> Invalidate {
        let owner = Selector::Owner(self.owner.clone());
        Invalidate::new(&self.namespace, owner, self.call_options())
    }

    /// Claims a key: `claimed` is true exactly once until the TTL has passed.
    pub fn claim_once(&self, key: impl Into<String>, ttl: std::time::Duration) -> ClaimOnce {
        ClaimOnce::new(self, key.into(), ttl)
    }

    /// The lifecycle events of this owner's sessions, and revocations that cover them.
    pub fn watch(&self) -> WatchSessions {
        WatchSessions::new(
            &self.namespace,
            Some(self.owner.clone()),
            self.call_options(),
        )
    }
}
