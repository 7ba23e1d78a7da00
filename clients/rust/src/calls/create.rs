//! `CreateSession`

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::read::complete;
use super::{awaitable, new_request_id};
use crate::Sessions;
use crate::credential::Credential;
use crate::error::Error;
use crate::model::{McpContext, Session};
use crate::proto::v1;
use crate::time::duration_to_wire;
use crate::transport::{CallOptions, Stub, Transport};
use crate::value::{to_struct, to_value};
use serde::Serialize;

/// What a Create does when its conversation has a live session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnExisting {
    /// It fails with [`crate::ErrorKind::ConversationExists`].
    #[default]
    Fail,
    /// It returns the live one.
    Return,
    /// It ends the live one and makes a new one.
    Replace,
}

/// A session being made.
#[must_use = "a call is sent by `.await`"]
pub struct Create {
    transport: Arc<Transport>,
    message: v1::CreateSessionRequest,
    /// The first argument that cannot be sent.
    fault: Option<Error>,
    idle_ttl: Option<Duration>,
    max_lifetime: Option<Duration>,
    /// Whether the client made the request id: then a repetition is its own affair.
    own_request_id: bool,
    options: CallOptions,
}

/// A session that was made, or found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Created {
    /// The session.
    pub session: Session,
    /// Whether this call made it.
    pub created: bool,
    /// Whether this answer repeats that of an earlier call with the same request id.
    pub replayed: bool,
}

impl Create {
    pub(crate) fn new(sessions: &Sessions) -> Create {
        Create {
            transport: Arc::clone(&sessions.namespace.transport),
            message: v1::CreateSessionRequest {
                namespace: sessions.namespace.name.clone(),
                owner: Some(sessions.owner.clone().into()),
                request_id: new_request_id(),
                ..v1::CreateSessionRequest::default()
            },
            fault: None,
            idle_ttl: None,
            max_lifetime: None,
            own_request_id: true,
            options: sessions.call_options(),
        }
    }

    /// The id to use, 16 to 256 visible ASCII characters. Without it, the service makes one.
    pub fn session_id(mut self, id: impl Into<String>) -> Create {
        self.message.session_id = id.into();
        self
    }

    /// The conversation: at most one live session each.
    pub fn conversation(mut self, id: impl Into<String>) -> Create {
        self.message.conversation_id = id.into();
        self
    }

    /// What to do when the conversation has a live session.
    pub fn on_existing(mut self, on_existing: OnExisting) -> Create {
        self.message.on_existing = match on_existing {
            OnExisting::Fail => v1::OnExisting::Fail,
            OnExisting::Return => v1::OnExisting::Return,
            OnExisting::Replace => v1::OnExisting::Replace,
        }
        .into();
        self
    }

    /// The first state: a [`crate::State`], or anything else that serde makes a map of.
    pub fn state(mut self, state: impl Serialize) -> Create {
        match to_struct("state", &state) {
            Ok(state) => self.message.state = Some(state),
            Err(error) => self.fault = self.fault.or(Some(error)),
        }
        self
    }

    /// One key of the first state.
    pub fn set(mut self, key: impl Into<String>, value: impl Serialize) -> Create {
        let key = key.into();
        match to_value(&format!("state.{key}"), &value) {
            Ok(value) => {
                let state = self.message.state.get_or_insert_default();
                state.fields.insert(key, value);
            }
            Err(error) => self.fault = self.fault.or(Some(error)),
        }
        self
    }

    /// A credential that the session starts with.
    pub fn credential(
        mut self,
        name: impl Into<String>,
        credential: impl Into<Credential>,
    ) -> Create {
        let credential = credential.into().into();
        self.message.credentials.insert(name.into(), credential);
        self
    }

    /// What is needed to revive the MCP session on another instance.
    pub fn mcp(mut self, mcp: McpContext) -> Create {
        self.message.mcp = Some(mcp.into());
        self
    }

    /// Labels, for the admin's filters.
    pub fn labels<L: Into<String>>(mut self, labels: impl IntoIterator<Item = L>) -> Create {
        self.message.labels = labels.into_iter().map(Into::into).collect();
        self
    }

    /// How long it lives without being used; the namespace's default otherwise.
    pub fn idle_ttl(mut self, ttl: Duration) -> Create {
        self.idle_ttl = Some(ttl);
        self
    }

    /// How long it lives at most; the namespace's default otherwise.
    pub fn max_lifetime(mut self, lifetime: Duration) -> Create {
        self.max_lifetime = Some(lifetime);
        self
    }

    /// When the login behind it happened: the token's `auth_time` or `iat`. Now, otherwise.
    pub fn authenticated_at(mut self, at: SystemTime) -> Create {
        self.message.authenticated_at = Some(at.into());
        self
    }

    /// What the identity provider calls that login (`sid`).
    pub fn provider_session_id(mut self, id: impl Into<String>) -> Create {
        self.message.provider_session_id = id.into();
        self
    }

    /// The id under which this request may be repeated, a UUID, instead of one that the client makes.
    pub fn request_id(mut self, id: impl Into<String>) -> Create {
        self.message.request_id = id.into();
        self.own_request_id = false;
        self
    }

    async fn send(mut self) -> Result<Created, Error> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if let Some(ttl) = self.idle_ttl {
            self.message.idle_ttl = Some(duration_to_wire("idle_ttl", ttl)?);
        }
        if let Some(lifetime) = self.max_lifetime {
            self.message.max_lifetime = Some(duration_to_wire("max_lifetime", lifetime)?);
        }
        let rpc =
            |stub: Stub, request| async move { stub.sessions().create_session(request).await };
        let call = self.transport.begin(self.options);
        let (namespace, owner) = (self.message.namespace.clone(), self.message.owner.clone());
        let mut answer = self.transport.call(&call, self.message, rpc).await?;
        if answer.replayed && self.own_request_id {
            let session = answer.session.take();
            answer.session = complete(&self.transport, &call, namespace, owner, session).await?;
        }
        Ok(Created {
            session: Session::from_wire(answer.session)?,
            created: answer.created,
            replayed: answer.replayed,
        })
    }
}

awaitable!(Create => Created);
