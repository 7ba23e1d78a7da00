//! `ClaimOnce`

use std::sync::Arc;
use std::time::Duration;

use super::{awaitable, new_request_id};
use crate::Sessions;
use crate::error::Error;
use crate::proto::v1;
use crate::time::duration_to_wire;
use crate::transport::{CallOptions, Stub, Transport};

/// A key being claimed.
#[must_use = "a call is sent by `.await`"]
pub struct ClaimOnce {
    transport: Arc<Transport>,
    message: v1::ClaimOnceRequest,
    ttl: Duration,
    options: CallOptions,
}

/// Whether a key was claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claimed {
    /// Whether this call claimed it: true exactly once until the TTL has passed.
    pub claimed: bool,
    /// Whether this answer repeats that of an earlier call with the same request id.
    pub replayed: bool,
}

impl ClaimOnce {
    pub(crate) fn new(sessions: &Sessions, key: String, ttl: Duration) -> ClaimOnce {
        ClaimOnce {
            transport: Arc::clone(&sessions.namespace.transport),
            message: v1::ClaimOnceRequest {
                namespace: sessions.namespace.name.clone(),
                owner: Some(sessions.owner.clone().into()),
                key,
                ttl: None,
                request_id: new_request_id(),
            },
            ttl,
            options: sessions.call_options(),
        }
    }

    /// The id under which this request may be repeated, a UUID, instead of one that the client makes.
    pub fn request_id(mut self, id: impl Into<String>) -> ClaimOnce {
        self.message.request_id = id.into();
        self
    }

    async fn send(mut self) -> Result<Claimed, Error> {
        self.message.ttl = Some(duration_to_wire("ttl", self.ttl)?);
        let rpc = |stub: Stub, request| async move { stub.sessions().claim_once(request).await };
        let call = self.transport.begin(self.options);
        let answer = self.transport.call(&call, self.message, rpc).await?;
        Ok(Claimed {
            claimed: answer.claimed,
            replayed: answer.replayed,
        })
    }
}

awaitable!(ClaimOnce => Claimed);
