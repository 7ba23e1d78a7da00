//! `UpdateSession`

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use super::{awaitable, new_request_id};
use crate::Sessions;
use crate::error::Error;
use crate::model::{McpContext, Session};
use crate::proto::v1;
use crate::transport::{Stub, Transport};
use crate::value::{State, to_list, to_struct};

/// A session being changed. A key may stand in only one of `set`, `remove`, `increment`, `append`.
#[derive(Debug)]
#[must_use = "a call is sent by `.await`"]
pub struct Update {
    transport: Arc<Transport>,
    message: v1::UpdateSessionRequest,
    set: State,
    append: BTreeMap<String, (Vec<Value>, i32)>,
    timeout: Option<Duration>,
}

/// A session after a change.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Updated {
    /// The session.
    pub session: Session,
    /// The values of the incremented keys.
    pub increments: BTreeMap<String, i64>,
    /// Whether this answer repeats that of an earlier call with the same request id (then without state).
    pub replayed: bool,
}

impl Update {
    pub(crate) fn new(sessions: &Sessions, session_id: String) -> Update {
        Update {
            transport: Arc::clone(&sessions.namespace.transport),
            message: v1::UpdateSessionRequest {
                namespace: sessions.namespace.name.clone(),
                owner: Some(sessions.owner.clone().into()),
                session_id,
                request_id: new_request_id(),
                ..v1::UpdateSessionRequest::default()
            },
            set: State::new(),
            append: BTreeMap::new(),
            timeout: None,
        }
    }

    /// Sets a key, whole.
    pub fn set(mut self, key: impl Into<String>, value: impl Into<Value>) -> Update {
        self.set.insert(key.into(), value.into());
        self
    }

    /// Sets several keys. Keys that are not named stay as they are.
    pub fn set_all(mut self, state: State) -> Update {
        self.set.extend(state);
        self
    }

    /// Removes a key. One that is not there is no error.
    pub fn remove(mut self, key: impl Into<String>) -> Update {
        self.message.remove.push(key.into());
        self
    }

    /// Adds to an integer. A missing key starts at 0.
    pub fn increment(mut self, key: impl Into<String>, by: i64) -> Update {
        self.message.increment.insert(key.into(), by);
        self
    }

    /// Appends to a list. A missing key starts empty.
    pub fn append(self, key: impl Into<String>, values: impl IntoIterator<Item = Value>) -> Update {
        self.append_capped(key, values, 0)
    }

    /// Appends to a list of which only the last `max_length` values stay; 0: all of them.
    pub fn append_capped(
        mut self,
        key: impl Into<String>,
        values: impl IntoIterator<Item = Value>,
        max_length: i32,
    ) -> Update {
        let (own, own_max) = self.append.entry(key.into()).or_default();
        own.extend(values);
        *own_max = max_length;
        self
    }

    /// Replaces the MCP context.
    pub fn mcp(mut self, mcp: McpContext) -> Update {
        self.message.mcp = Some(mcp.into());
        self
    }

    /// Replaces the labels.
    pub fn labels<L: Into<String>>(mut self, labels: impl IntoIterator<Item = L>) -> Update {
        self.message.labels = Some(v1::Labels {
            values: labels.into_iter().map(Into::into).collect(),
        });
        self
    }

    /// Only if the session is at this revision, else [`crate::ErrorKind::RevisionMismatch`].
    pub fn if_revision(mut self, revision: i64) -> Update {
        self.message.if_revision = Some(revision);
        self
    }

    /// Answers without the state after the change.
    pub fn omit_state(mut self) -> Update {
        self.message.omit_state = true;
        self
    }

    /// The id under which this request may be repeated, instead of one that the client makes.
    pub fn request_id(mut self, id: Uuid) -> Update {
        self.message.request_id = id.to_string();
        self
    }

    async fn send(mut self) -> Result<Updated, Error> {
        if !self.set.is_empty() {
            self.message.set = Some(to_struct("set", &self.set)?);
        }
        for (key, (values, max_length)) in &self.append {
            let append = v1::Append {
                values: Some(to_list(&format!("append.{key}"), values)?),
                max_length: *max_length,
            };
            self.message.append.insert(key.clone(), append);
        }
        let rpc = |mut stub: Stub, request| async move { stub.update_session(request).await };
        let answer = self.transport.call(self.timeout, self.message, rpc).await?;
        Ok(Updated {
            session: Session::from_wire(answer.session)?,
            increments: answer.increments,
            replayed: answer.replayed,
        })
    }
}

awaitable!(Update => Updated);
