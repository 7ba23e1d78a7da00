//! `UpdateSession`

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::read::complete;
use super::{awaitable, new_request_id};
use crate::Sessions;
use crate::error::Error;
use crate::model::{McpContext, Session};
use crate::proto::v1;
use crate::transport::{CallOptions, Stub, Transport};
use crate::value::{to_list, to_struct, to_value};
use serde::Serialize;

/// A session being changed. A key may stand in only one of `set`, `remove`, `increment`, `append`.
#[must_use = "a call is sent by `.await`"]
pub struct Update {
    transport: Arc<Transport>,
    message: v1::UpdateSessionRequest,
    /// The first argument that cannot be sent.
    fault: Option<Error>,
    /// Whether the client made the request id: then a repetition is its own affair.
    own_request_id: bool,
    options: CallOptions,
}

/// A session after a change.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Updated {
    /// The session.
    pub session: Session,
    /// The values of the incremented keys.
    pub increments: BTreeMap<String, i64>,
    /// Whether this answer repeats that of an earlier call with the same request id (then without state).
    pub replayed: bool,
}

impl fmt::Debug for Updated {
    /// Without the counters, which are state.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Updated")
            .field("session", &self.session)
            .field("replayed", &self.replayed)
            .finish_non_exhaustive()
    }
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
            fault: None,
            own_request_id: true,
            options: sessions.call_options(),
        }
    }

    /// Sets a key, whole.
    pub fn set(mut self, key: impl Into<String>, value: impl Serialize) -> Update {
        let key = key.into();
        match to_value(&format!("set.{key}"), &value) {
            Ok(value) => {
                let set = self.message.set.get_or_insert_default();
                set.fields.insert(key, value);
            }
            Err(error) => self.fault = self.fault.or(Some(error)),
        }
        self
    }

    /// Sets several keys: those of a map, or of anything else that serde makes a map of. Keys that are not named
    /// stay as they are.
    pub fn set_all(mut self, state: impl Serialize) -> Update {
        match to_struct("set", &state) {
            Ok(state) => {
                let set = self.message.set.get_or_insert_default();
                set.fields.extend(state.fields);
            }
            Err(error) => self.fault = self.fault.or(Some(error)),
        }
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
    pub fn append<V: Serialize>(
        self,
        key: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Update {
        self.append_capped(key, values, 0)
    }

    /// Appends to a list of which only the last `max_length` values stay; 0: all of them.
    pub fn append_capped<V: Serialize>(
        mut self,
        key: impl Into<String>,
        values: impl IntoIterator<Item = V>,
        max_length: i32,
    ) -> Update {
        let key = key.into();
        match to_list(&format!("append.{key}"), values) {
            Ok(list) => {
                let append = self.message.append.entry(key).or_default();
                let values = &mut append.values.get_or_insert_default().values;
                values.extend(list.values);
                append.max_length = max_length;
            }
            Err(error) => self.fault = self.fault.or(Some(error)),
        }
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

    /// The id under which this request may be repeated, a UUID, instead of one that the client makes.
    pub fn request_id(mut self, id: impl Into<String>) -> Update {
        self.message.request_id = id.into();
        self.own_request_id = false;
        self
    }

    async fn send(self) -> Result<Updated, Error> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let rpc =
            |stub: Stub, request| async move { stub.sessions().update_session(request).await };
        let call = self.transport.begin(self.options);
        let omits_state = self.message.omit_state;
        let (namespace, owner) = (self.message.namespace.clone(), self.message.owner.clone());
        let mut answer = self.transport.call(&call, self.message, rpc).await?;
        if answer.replayed && self.own_request_id && !omits_state {
            let session = answer.session.take();
            answer.session = complete(&self.transport, &call, namespace, owner, session).await?;
        }
        Ok(Updated {
            session: Session::from_wire(answer.session)?,
            increments: answer.increments,
            replayed: answer.replayed,
        })
    }
}

awaitable!(Update => Updated);
