//! The use cases of those who look after the keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt as _};

use super::tenant_keys::TenantKeys;
use super::{Call, Error, Sessions};
use crate::events::Deed;
use crate::session::fields;
use crate::store::{Namespace, TenantKey};
use crate::vault::Wrapped;

/// What is known of the keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyStatus {
    /// The key-encryption keys, by their ids.
    pub keys: BTreeMap<String, KeyUse>,
    /// Tenants' keys of which nobody can say what wraps them.
    pub damaged: usize,
}

/// What is known of one key-encryption key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyUse {
    /// Whether it wraps what is new.
    pub active: bool,
    /// Whether this instance has it.
    pub loaded: bool,
    /// How many tenants' keys it wraps.
    pub tenant_keys: usize,
}

/// What a rotation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The key that wraps what is new.
    pub active: String,
    /// Whether it was another one before.
    pub rotated: bool,
}

/// How far a rewrapping has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewrapped {
    /// Tenants' keys that were there at the start, about.
    pub total: usize,
    /// Those that were looked at.
    pub seen: usize,
    /// Those that were rewrapped.
    pub rewrapped: usize,
    /// Those that could not be.
    pub failed: usize,
}

impl Sessions {
    /// Which keys there are, and what each wraps.
    pub async fn key_status(&self, _call: &Call) -> Result<KeyStatus, Error> {
        let service = self.keys.vault()?.key_service();
        let mut status = KeyStatus::default();
        for id in service.keys() {
            status.keys.entry(id.to_string()).or_default().loaded = true;
        }
        let active = service.active_key().to_string();
        status.keys.entry(active).or_default().active = true;
        let mut after = None;
        loop {
            let page = self.store.tenant_keys(after).await?;
            for key in &page.keys {
                match Wrapped::parse(&key.wrapped) {
                    Ok(wrapped) => {
                        let by = wrapped.wrapped_by().to_string();
                        status.keys.entry(by).or_default().tenant_keys += 1;
                    }
                    Err(_) => status.damaged += 1,
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(status);
            }
        }
    }

    /// Looks for newer keys at once.
    pub async fn rotate_keys(&self, call: &Call) -> Result<Rotation, Error> {
        let service = self.keys.vault()?.key_service();
        let rotated = service.look_for_newer().await?;
        let active = service.active_key().to_string();
        if rotated {
            self.events.tell_of_all(call, Deed::KeysRotated);
        }
        Ok(Rotation { active, rotated })
    }

    /// Wraps every tenant's key by the newest key-encryption key, and tells how far it has come. It goes on
    /// only as long as somebody listens.
    pub async fn rewrap_keys(
        &self,
        call: &Call,
    ) -> Result<BoxStream<'static, Result<Rewrapped, Error>>, Error> {
        self.keys.vault()?;
        let mut total = 0;
        let mut after = None;
        loop {
            let page = self.store.tenant_keys(after).await?;
            total += page.keys.len();
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        self.events.tell_of_all(call, Deed::KeysRewrapped);
        let round = Round {
            keys: self.keys.clone(),
            after: None,
            over: false,
            told: Rewrapped {
                total,
                ..Rewrapped::default()
            },
        };
        let progress = stream::try_unfold(round, |mut round| async move {
            let told = round.page().await?;
            Ok(told.map(|told| (told, round)))
        });
        Ok(progress.boxed())
    }

    /// Destroys a tenant's key. Whether there was one.
    pub async fn destroy_tenant_key(
        &self,
        call: &Call,
        namespace: &Arc<Namespace>,
        tenant: &str,
    ) -> Result<bool, Error> {
        let vault = self.keys.vault()?;
        fields::owner_of("tenant", tenant, "", "")?;
        self.events.concerns_tenant(call, tenant);
        let destroyed = self
            .store
            .destroy_tenant_key(&namespace.name, tenant)
            .await?;
        vault.forget(&namespace.name, tenant);
        if destroyed {
            let deed = Deed::TenantKeyDestroyed;
            self.events.tell(call, namespace, None, deed);
        }
        Ok(destroyed)
    }
}

/// A rewrapping in progress.
struct Round {
    keys: TenantKeys,
    after: Option<String>,
    over: bool,
    told: Rewrapped,
}

impl Round {
    /// Rewraps a page; `None` behind the last.
    async fn page(&mut self) -> Result<Option<Rewrapped>, Error> {
        if self.over {
            return Ok(None);
        }
        let page = self.keys.page(self.after.take()).await?;
        for key in &page.keys {
            self.told.seen += 1;
            match self.keys.rewrap(key).await {
                Ok(true) => self.told.rewrapped += 1,
                Ok(false) => {}
                Err(Error::Unreadable | Error::KeyUnavailable) => self.told.failed += 1,
                Err(error) => return Err(error),
            }
        }
        self.over = page.next.is_none();
        self.after = page.next;
        // More may have come since they were counted.
        self.told.total = self.told.total.max(self.told.seen);
        Ok(Some(self.told))
    }
}

impl TenantKeys {
    /// Wraps a kept key by the newest key-encryption key. Whether an older one did.
    async fn rewrap(&self, key: &TenantKey) -> Result<bool, Error> {
        let (namespace, tenant) = (&key.namespace, &*key.tenant);
        let rewrapped = self
            .vault()?
            .rewrapped(namespace, tenant, &key.wrapped)
            .await?;
        match rewrapped {
            // Where somebody else was first, it has been rewrapped, or destroyed.
            Some(newer) => self.put(namespace, tenant, Some(&key.wrapped), newer).await,
            None => Ok(false),
        }
    }
}
