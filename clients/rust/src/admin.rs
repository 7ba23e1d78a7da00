//! `AdminService`: what those do who run the service.

use std::sync::Arc;

use tonic::Streaming;

use crate::error::Error;
use crate::proto::admin_v1 as wire;
use crate::transport::{Beside, CallOptions, Stub, Transport};

mod sessions;
mod status;

pub use sessions::{
    EndMany, EndProgress, FoundBatch, FoundPage, FoundSession, FoundStream, InspectedSession,
    MarkSeen, OwnerUse, SessionEnd, SessionFilter, SessionStory, StateKey,
};
pub use status::{NamespaceUse, StoreServer, StoreStatus};

/// The calls of an operator.
#[derive(Clone, Debug)]
pub struct Admin {
    transport: Arc<Transport>,
}

/// The keys under which secrets are sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Keys {
    /// The key-encryption keys, in the order of their names.
    pub keys: Vec<KeyStatus>,
    /// Tenants' keys that cannot be told to any key.
    pub damaged_tenant_keys: i64,
}

/// A key-encryption key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyStatus {
    /// Its name.
    pub key_id: String,
    /// Whether it wraps what is new.
    pub active: bool,
    /// Whether the instance that answered has it.
    pub loaded: bool,
    /// How many tenants' keys it wraps.
    pub tenant_keys: i64,
}

/// What a rotation of the keys did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyRotation {
    /// The key that wraps what is new.
    pub active_key_id: String,
    /// Whether it was another one before.
    pub rotated: bool,
}

/// How far a rewrapping has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rewrapped {
    /// Tenants' keys that were there at the start, about.
    pub total: i64,
    /// Those that were looked at.
    pub seen: i64,
    /// Those that were rewrapped.
    pub rewrapped: i64,
    /// Those that could not be.
    pub failed: i64,
}

/// A rewrapping in progress. It goes on only as long as [`Rewrap::next`] is called.
#[derive(Debug)]
pub struct Rewrap(Streaming<wire::RewrapKeysResponse>);

impl Admin {
    pub(crate) fn new(transport: &Arc<Transport>) -> Admin {
        Admin {
            transport: Arc::clone(transport),
        }
    }

    /// Which key-encryption keys there are, and what each wraps.
    ///
    /// # Errors
    /// When the service refuses, or is away.
    pub async fn keys(&self) -> Result<Keys, Error> {
        let rpc = |stub: Stub, request| async move { stub.admin().get_key_status(request).await };
        let call = self.transport.begin(CallOptions::default());
        let message = wire::GetKeyStatusRequest {};
        let answer: wire::GetKeyStatusResponse = self.transport.call(&call, message, rpc).await?;
        let keys = answer.keys.into_iter().map(|key| KeyStatus {
            key_id: key.key_id,
            active: key.active,
            loaded: key.loaded,
            tenant_keys: key.tenant_keys,
        });
        Ok(Keys {
            keys: keys.collect(),
            damaged_tenant_keys: answer.damaged_tenant_keys,
        })
    }

    /// Has the instance look for newer keys at once.
    ///
    /// # Errors
    /// When the service refuses, or is away.
    pub async fn rotate_keys(&self) -> Result<KeyRotation, Error> {
        let rpc = |stub: Stub, request| async move { stub.admin().rotate_keys(request).await };
        let call = self.transport.begin(CallOptions::default());
        let message = wire::RotateKeysRequest {};
        let answer: wire::RotateKeysResponse = self.transport.call(&call, message, rpc).await?;
        Ok(KeyRotation {
            active_key_id: answer.active_key_id,
            rotated: answer.rotated,
        })
    }

    /// Has every tenant's key wrapped by the newest key-encryption key.
    ///
    /// # Errors
    /// When the service refuses, or is away.
    pub async fn rewrap_keys(&self) -> Result<Rewrap, Error> {
        let rpc = |stub: Stub, request| async move { stub.admin().rewrap_keys(request).await };
        let message = wire::RewrapKeysRequest {};
        // It may take longer than any call: no deadline.
        let request = self.transport.request(&Beside::default(), message).await?;
        Ok(Rewrap(self.transport.send(request, &rpc).await?))
    }

    /// Destroys a tenant's key: what was sealed with it can never be read again. Whether there was one.
    ///
    /// # Errors
    /// When the service refuses, or is away.
    pub async fn destroy_tenant_key(&self, namespace: &str, tenant: &str) -> Result<bool, Error> {
        let rpc =
            |stub: Stub, request| async move { stub.admin().destroy_tenant_key(request).await };
        let call = self.transport.begin(CallOptions::default());
        let message = wire::DestroyTenantKeyRequest {
            namespace: namespace.to_owned(),
            tenant: tenant.to_owned(),
        };
        let answer: wire::DestroyTenantKeyResponse =
            self.transport.call(&call, message, rpc).await?;
        Ok(answer.destroyed)
    }
}

impl Rewrap {
    /// How far it has come; `None` when it is done.
    ///
    /// # Errors
    /// When the service fails, or is away. What has been rewrapped stays so.
    pub async fn next(&mut self) -> Result<Option<Rewrapped>, Error> {
        let message = self.0.message().await?;
        Ok(message.map(|told| Rewrapped {
            total: told.total_count,
            seen: told.seen_count,
            rewrapped: told.rewrapped_count,
            failed: told.failed_count,
        }))
    }
}
