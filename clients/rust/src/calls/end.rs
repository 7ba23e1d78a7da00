//! `DeleteSession`, `InvalidateSessions`

use std::sync::Arc;
use std::time::SystemTime;

use super::awaitable;
use crate::error::Error;
use crate::event::{InvalidationReason, Selector};
use crate::proto::v1;
use crate::transport::{CallOptions, Stub, Transport};
use crate::{Namespace, Sessions};

/// A session being ended by its owner.
#[must_use = "a call is sent by `.await`"]
pub struct End {
    transport: Arc<Transport>,
    message: v1::DeleteSessionRequest,
    options: CallOptions,
}

impl End {
    pub(crate) fn new(sessions: &Sessions, session_id: String) -> End {
        End {
            transport: Arc::clone(&sessions.namespace.transport),
            message: v1::DeleteSessionRequest {
                namespace: sessions.namespace.name.clone(),
                owner: Some(sessions.owner.clone().into()),
                session_id,
            },
            options: sessions.call_options(),
        }
    }

    async fn send(self) -> Result<bool, Error> {
        let rpc =
            |stub: Stub, request| async move { stub.sessions().delete_session(request).await };
        let call = self.transport.begin(self.options);
        let answer = self.transport.call(&call, self.message, rpc).await?;
        Ok(answer.deleted)
    }
}

awaitable!(End => bool);

/// Sessions being invalidated. When it has answered, no instance serves a covered session again.
#[must_use = "a call is sent by `.await`"]
pub struct Invalidate {
    transport: Arc<Transport>,
    message: v1::InvalidateSessionsRequest,
    options: CallOptions,
}

/// What an invalidation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Invalidated {
    /// How many sessions ended, or would end; `None` for the wide selectors. If the call was repeated
    /// after a lost answer, sessions that the first attempt ended are not counted.
    pub ended_count: Option<i64>,
    /// How many sessions a wide selector covers, roughly. Only of a dry run.
    pub estimated_count: Option<i64>,
}

impl Invalidate {
    pub(crate) fn new(
        namespace: &Namespace,
        selector: Selector,
        options: CallOptions,
    ) -> Invalidate {
        Invalidate {
            transport: Arc::clone(&namespace.transport),
            message: v1::InvalidateSessionsRequest {
                namespace: namespace.name.clone(),
                selector: Some(selector.into()),
                ..v1::InvalidateSessionsRequest::default()
            },
            options,
        }
    }

    /// Leaves this session alone: "sign out everywhere else".
    pub fn except(mut self, session_id: impl Into<String>) -> Invalidate {
        self.message.except_session_id = session_id.into();
        self
    }

    /// Covers only logins up to then, so that a late event never ends a newer login.
    pub fn authenticated_until(mut self, until: SystemTime) -> Invalidate {
        self.message.authenticated_until = Some(until.into());
        self
    }

    /// Why. The owner is told.
    pub fn reason(mut self, reason: InvalidationReason) -> Invalidate {
        self.message.reason = reason.to_wire().into();
        self
    }

    /// A note for the audit trail.
    pub fn note(mut self, note: impl Into<String>) -> Invalidate {
        self.message.note = note.into();
        self
    }

    /// Who asked for it, for the audit trail.
    pub fn actor(mut self, actor: impl Into<String>) -> Invalidate {
        self.message.actor = actor.into();
        self
    }

    /// Changes nothing, only counts.
    pub fn dry_run(mut self) -> Invalidate {
        self.message.dry_run = true;
        self
    }

    async fn send(self) -> Result<Invalidated, Error> {
        let rpc =
            |stub: Stub, request| async move { stub.sessions().invalidate_sessions(request).await };
        let call = self.transport.begin(self.options);
        let answer = self.transport.call(&call, self.message, rpc).await?;
        Ok(Invalidated {
            ended_count: answer.ended_count,
            estimated_count: answer.estimated_count,
        })
    }
}

awaitable!(Invalidate => Invalidated);
