//! The data keys of the tenants: wrapped in the store, unwrapped by the vault.

use std::sync::Arc;

use super::Error;
use crate::session::credentials::Sealed;
use crate::session::names::NamespaceName;
use crate::store::{self, Place, Store};
use crate::vault::{DataKey, Fault, Vault};

/// Finds, makes and renews data keys.
#[derive(Clone)]
pub(super) struct TenantKeys {
    store: Arc<dyn Store>,
    vault: Option<Arc<Vault>>,
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Error {
        match fault {
            Fault::Unreadable => Error::Unreadable,
            Fault::KeyNotLoaded(_) | Fault::Unavailable => {
                tracing::error!(error = %fault, "a key is not at hand");
                Error::KeyUnavailable
            }
            Fault::Source(_) => {
                tracing::error!(error = %fault, "the keys cannot be read");
                Error::KeysAtFault
            }
        }
    }
}

impl TenantKeys {
    /// How often a write is tried that others may be ahead of.
    const TRIES: usize = 5;

    pub(super) fn new(store: Arc<dyn Store>, vault: Option<Arc<Vault>>) -> TenantKeys {
        TenantKeys { store, vault }
    }

    /// The vault, if there is a key to encrypt with.
    pub(super) fn vault(&self) -> Result<&Vault, Error> {
        self.vault.as_deref().ok_or(Error::EncryptionNotConfigured)
    }

    /// The key to seal a tenant's secrets with: made if there is none, and under the newest key-encryption
    /// key from now on if an older one wraps it.
    pub(super) async fn to_seal(&self, place: &Place) -> Result<Arc<DataKey>, Error> {
        let vault = self.vault()?;
        let (namespace, tenant) = (&place.namespace.name, place.owner.tenant());
        if let Some(key) = vault.at_hand_for_writing(namespace, tenant) {
            return Ok(key);
        }
        for _ in 0..Self::TRIES {
            let known = self.store.tenant_key(namespace, tenant).await?;
            let newer = match &known {
                None => Some(vault.new_key(namespace, tenant).await?),
                Some(wrapped) => vault.rewrapped(namespace, tenant, wrapped).await?,
            };
            let wrapped = match (newer, known) {
                (None, Some(known)) => known,
                (None, None) => return Err(Error::Internal),
                (Some(newer), known) => {
                    let kept = self.put(namespace, tenant, known.as_ref(), newer.clone());
                    if !kept.await? {
                        // Another instance was first.
                        continue;
                    }
                    newer
                }
            };
            return Ok(vault.unwrap(namespace, tenant, &wrapped).await?);
        }
        Err(Error::Internal)
    }

    /// A page of the wrapped keys of all tenants.
    pub(super) async fn page(&self, after: Option<String>) -> Result<store::TenantKeys, Error> {
        Ok(self.store.tenant_keys(after).await?)
    }

    /// Keeps a wrapped key in the place of an expected one. Whether that was there.
    pub(super) async fn put(
        &self,
        namespace: &NamespaceName,
        tenant: &str,
        expected: Option<&Sealed>,
        wrapped: Sealed,
    ) -> Result<bool, Error> {
        let put = self
            .store
            .put_tenant_key(namespace, tenant, expected, wrapped);
        Ok(put.await?)
    }

    /// The key that a secret was sealed with.
    pub(super) async fn to_open(
        &self,
        place: &Place,
        sealed: &[u8],
    ) -> Result<Arc<DataKey>, Error> {
        let vault = self.vault()?;
        let (namespace, tenant) = (&place.namespace.name, place.owner.tenant());
        let wanted = DataKey::id_in(sealed).ok_or(Error::Unreadable)?;
        if let Some(key) = vault.at_hand(namespace, tenant)
            && key.id() == wanted
        {
            return Ok(key);
        }
        let wrapped = self.store.tenant_key(namespace, tenant).await?;
        let wrapped = wrapped.ok_or(Error::Unreadable)?;
        let key = vault.unwrap(namespace, tenant, &wrapped).await?;
        if key.id() == wanted {
            Ok(key)
        } else {
            Err(Error::Unreadable)
        }
    }
}
