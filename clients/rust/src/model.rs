//! Sessions and owners, as Rust knows them.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::error::Error;
use crate::proto::v1;
use crate::time::{rfc3339, seconds, time};
use crate::value::{State, from_struct};

/// On whose behalf a session exists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Owner {
    /// The tenant (customer, organisation).
    pub tenant: String,
    /// The user, stable over token refreshes. Empty: the anonymous owner.
    pub user: String,
    /// Who vouches for the user; may be empty.
    pub issuer: String,
}

impl Owner {
    /// An owner without an issuer.
    pub fn new(tenant: impl Into<String>, user: impl Into<String>) -> Owner {
        Owner {
            tenant: tenant.into(),
            user: user.into(),
            issuer: String::new(),
        }
    }
}

/// What is needed to revive an MCP session on another instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct McpContext {
    /// The params of the client's `initialize` request, as the JSON text that came.
    pub initialize_params_json: String,
    /// The negotiated protocol version.
    pub protocol_version: String,
    /// Whether the client's `notifications/initialized` has been seen.
    pub initialized: bool,
    /// The level of `logging/setLevel`; empty if the client never asked.
    pub log_level: String,
    /// The URIs the client subscribed to.
    pub resource_subscriptions: Vec<String>,
}

/// One session.
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Session {
    /// Opaque, and as secret as a password: never log it.
    pub id: String,
    /// The namespace it lives in.
    pub namespace: String,
    /// Whom it belongs to.
    pub owner: Owner,
    /// The conversation it serves.
    pub conversation_id: Option<String>,
    /// For the admin's filters.
    pub labels: Vec<String>,
    /// What it remembers; `None` where the call returns no state.
    pub state: Option<State>,
    /// What is needed to revive the MCP session.
    pub mcp: Option<McpContext>,
    /// Grows by one with each change of content.
    pub revision: i64,
    /// When it was made.
    #[serde(serialize_with = "rfc3339")]
    pub created_at: SystemTime,
    /// When it was last used.
    #[serde(serialize_with = "rfc3339")]
    pub last_used_at: SystemTime,
    /// How long it lives without being used.
    #[serde(rename = "idle_ttl_seconds", serialize_with = "seconds")]
    pub idle_ttl: Duration,
    /// When it ends if it is not used.
    #[serde(serialize_with = "rfc3339")]
    pub idle_expires_at: SystemTime,
    /// When it ends in any case.
    #[serde(serialize_with = "rfc3339")]
    pub expires_at: SystemTime,
    /// When the login behind it happened.
    #[serde(serialize_with = "rfc3339")]
    pub authenticated_at: SystemTime,
    /// What the identity provider calls that login.
    pub provider_session_id: Option<String>,
    /// The names of the credentials kept with it.
    pub credential_names: Vec<String>,
}

impl fmt::Debug for Session {
    /// Without the id and the state: a debug line must not give a session away.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("namespace", &self.namespace)
            .field("revision", &self.revision)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
impl From<Owner> for v1::Owner {
    fn from(owner: Owner) -> v1::Owner {
        v1::Owner {
            tenant: owner.tenant,
            user: owner.user,
            issuer: owner.issuer,
        }
    }
}

impl From<v1::Owner> for Owner {
    fn from(owner: v1::Owner) -> Owner {
        Owner {
            tenant: owner.tenant,
            user: owner.user,
            issuer: owner.issuer,
        }
    }
}

impl From<McpContext> for v1::McpContext {
    fn from(mcp: McpContext) -> v1::McpContext {
        v1::McpContext {
            initialize_params_json: mcp.initialize_params_json,
            protocol_version: mcp.protocol_version,
            initialized: mcp.initialized,
            log_level: mcp.log_level,
            resource_subscriptions: mcp.resource_subscriptions,
        }
    }
}

impl From<v1::McpContext> for McpContext {
    fn from(mcp: v1::McpContext) -> McpContext {
        McpContext {
            initialize_params_json: mcp.initialize_params_json,
            protocol_version: mcp.protocol_version,
            initialized: mcp.initialized,
            log_level: mcp.log_level,
            resource_subscriptions: mcp.resource_subscriptions,
        }
    }
}

impl Session {
    pub(crate) fn from_wire(session: Option<v1::Session>) -> Result<Session, Error> {
        let session = session.ok_or_else(|| Error::malformed("a session"))?;
        let idle_ttl = session
            .idle_ttl
            .and_then(|ttl| Duration::try_from(ttl).ok());
        Ok(Session {
            id: session.id,
            namespace: session.namespace,
            owner: session.owner.unwrap_or_default().into(),
            conversation_id: given(session.conversation_id),
            labels: session.labels,
            state: session.state.map(from_struct),
            mcp: session.mcp.map(McpContext::from),
            revision: session.revision,
            created_at: time("created_at", session.created_at)?,
            last_used_at: time("last_used_at", session.last_used_at)?,
            idle_ttl: idle_ttl.ok_or_else(|| Error::malformed("idle_ttl"))?,
            idle_expires_at: time("idle_expires_at", session.idle_expires_at)?,
            expires_at: time("expires_at", session.expires_at)?,
            authenticated_at: time("authenticated_at", session.authenticated_at)?,
            provider_session_id: given(session.provider_session_id),
            credential_names: session.credential_names,
        })
    }
}

/// Text that is not empty.
pub(crate) fn given(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
