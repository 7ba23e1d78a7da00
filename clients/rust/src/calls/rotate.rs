//! `RotateSession`

use std::sync::Arc;
use std::time::SystemTime;

use super::read::complete;
use super::{awaitable, new_request_id};
use crate::Sessions;
use crate::error::Error;
use crate::model::Session;
use crate::proto::v1;
use crate::transport::{CallOptions, Stub, Transport};

/// A session getting a new id.
#[must_use = "a call is sent by `.await`"]
pub struct Rotate {
    transport: Arc<Transport>,
    message: v1::RotateSessionRequest,
    /// Whether the client made the request id: then a repetition is its own affair.
    own_request_id: bool,
    options: CallOptions,
}

/// A session under its new id.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Rotated {
    /// The session.
    pub session: Session,
    /// Whether this answer repeats that of an earlier call with the same request id (then without state).
    pub replayed: bool,
}

impl Rotate {
    pub(crate) fn new(sessions: &Sessions, session_id: String) -> Rotate {
        Rotate {
            transport: Arc::clone(&sessions.namespace.transport),
            message: v1::RotateSessionRequest {
                namespace: sessions.namespace.name.clone(),
                owner: Some(sessions.owner.clone().into()),
                session_id,
                request_id: new_request_id(),
                ..v1::RotateSessionRequest::default()
            },
            own_request_id: true,
            options: sessions.call_options(),
        }
    }

    /// The id to use from now on. Without it, the service makes one.
    pub fn new_session_id(mut self, id: impl Into<String>) -> Rotate {
        self.message.new_session_id = id.into();
        self
    }

    /// When the new login happened. As it was, otherwise.
    pub fn authenticated_at(mut self, at: SystemTime) -> Rotate {
        self.message.authenticated_at = Some(at.into());
        self
    }

    /// What the identity provider calls the new login. As it was, otherwise.
    pub fn provider_session_id(mut self, id: impl Into<String>) -> Rotate {
        self.message.provider_session_id = Some(id.into());
        self
    }

    /// The id under which this request may be repeated, a UUID, instead of one that the client makes.
    pub fn request_id(mut self, id: impl Into<String>) -> Rotate {
        self.message.request_id = id.into();
        self.own_request_id = false;
        self
    }

    async fn send(self) -> Result<Rotated, Error> {
        let rpc =
            |stub: Stub, request| async move { stub.sessions().rotate_session(request).await };
        let call = self.transport.begin(self.options);
        let (namespace, owner) = (self.message.namespace.clone(), self.message.owner.clone());
        let mut answer = self.transport.call(&call, self.message, rpc).await?;
        if answer.replayed && self.own_request_id {
            let session = answer.session.take();
            answer.session = complete(&self.transport, &call, namespace, owner, session).await?;
        }
        Ok(Rotated {
            session: Session::from_wire(answer.session)?,
            replayed: answer.replayed,
        })
    }
}

awaitable!(Rotate => Rotated);
