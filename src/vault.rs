//! The vault: seals what must not be read in a store, and opens it again.
//!
//! A key-encryption key, which never leaves the [`KeyService`], wraps one data key for each tenant of a
//! namespace. From the data key a key is derived for each session's record, and under that one each secret
//! is sealed with AES-256-GCM, bound to its place ([`Binding`]). The wrapped data keys are kept in the
//! store: without its data key nothing of a tenant can be opened, so destroying that one destroys all.
//!
//! The vault does no I/O of its own but through the key service; whoever uses it brings the wrapped keys.

use std::collections::hash_map::RandomState;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hashbrown::{Equivalent, HashMap};
use parking_lot::RwLock;

use crate::session::credentials::Sealed;
use crate::session::names::NamespaceName;

mod envelope;
mod key_service;
mod keyring;
mod keys;
mod tenant_key;
#[cfg(test)]
mod tests;

pub use envelope::{Binding, Part};
pub use key_service::{KeyId, KeyService, Secret32};
pub use keyring::{Keyring, Source};
pub use keys::{Keys, generate_line};
pub use tenant_key::{DataKey, DataKeyId, Wrapped};

/// A secret in the clear. It is wiped when it is dropped, and has no `Debug`.
pub type Plain = zeroize::Zeroizing<Vec<u8>>;

/// Why the vault cannot do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It was not sealed for this place by this key, or not at all.
    #[error("the sealed bytes do not open here")]
    Unreadable,
    /// The key that wraps a data key is not among those that this instance has.
    #[error("the key-encryption key {0} is not loaded here")]
    KeyNotLoaded(KeyId),
    /// The key service does not answer.
    #[error("the key service does not answer")]
    Unavailable,
    /// The keys cannot be read. The text names files, never what is in them.
    #[error("{0}")]
    Source(String),
}

/// Keeps the data keys that were unwrapped lately, and makes new ones.
pub struct Vault {
    service: Arc<dyn KeyService>,
    unwrapped: RwLock<HashMap<Whose, Unwrapped, RandomState>>,
}

type Whose = (NamespaceName, Box<str>);

/// A data key in use.
#[derive(Clone)]
struct Unwrapped {
    key: Arc<DataKey>,
    wrapped_by: KeyId,
    since: Instant,
}

/// To look up without making strings.
#[derive(Hash)]
struct OfTenant<'a>(&'a NamespaceName, &'a str);

impl Equivalent<Whose> for OfTenant<'_> {
    fn equivalent(&self, key: &Whose) -> bool {
        *self.0 == key.0 && self.1 == &*key.1
    }
}

impl Vault {
    /// How long an unwrapped key is used before the store is asked again: so long after its destruction
    /// another instance may still open what it sealed.
    pub const KEPT_FOR: Duration = Duration::from_secs(30);
    /// Data keys that are kept unwrapped.
    const KEPT: usize = 10_000;

    /// A vault over a key service.
    pub fn new(service: Arc<dyn KeyService>) -> Vault {
        Vault {
            service,
            unwrapped: RwLock::default(),
        }
    }

    /// The service that has the key-encryption keys.
    pub fn key_service(&self) -> &Arc<dyn KeyService> {
        &self.service
    }

    /// A tenant's key that was unwrapped lately.
    pub fn at_hand(&self, namespace: &NamespaceName, tenant: &str) -> Option<Arc<DataKey>> {
        let unwrapped = self.unwrapped.read();
        let found = unwrapped.get(&OfTenant(namespace, tenant))?;
        (found.since.elapsed() < Self::KEPT_FOR).then(|| Arc::clone(&found.key))
    }

    /// How many keys are kept unwrapped.
    pub fn count_at_hand(&self) -> usize {
        self.unwrapped.read().len()
    }

    /// The same, but only if the newest key-encryption key wraps it: for new writes.
    pub fn at_hand_for_writing(
        &self,
        namespace: &NamespaceName,
        tenant: &str,
    ) -> Option<Arc<DataKey>> {
        let unwrapped = self.unwrapped.read();
        let found = unwrapped.get(&OfTenant(namespace, tenant))?;
        let fresh =
            found.since.elapsed() < Self::KEPT_FOR && found.wrapped_by == self.service.active_key();
        fresh.then(|| Arc::clone(&found.key))
    }

    /// A new data key, wrapped by the newest key-encryption key. It is nobody's until it is kept.
    pub async fn new_key(&self, namespace: &NamespaceName, tenant: &str) -> Result<Sealed, Fault> {
        let key = DataKey::generate();
        let wrapped = Wrapped::wrap(&*self.service, namespace, tenant, &key).await?;
        Ok(wrapped.to_sealed())
    }

    /// Unwraps a tenant's key, and keeps it at hand.
    pub async fn unwrap(
        &self,
        namespace: &NamespaceName,
        tenant: &str,
        wrapped: &Sealed,
    ) -> Result<Arc<DataKey>, Fault> {
        let wrapped = Wrapped::parse(wrapped)?;
        let key = wrapped.unwrap(&*self.service, namespace, tenant).await?;
        let key = Arc::new(key);
        self.keep(namespace, tenant, &key, wrapped.wrapped_by().clone());
        Ok(key)
    }

    /// A tenant's key under the newest key-encryption key, if an older one wraps it.
    pub async fn rewrapped(
        &self,
        namespace: &NamespaceName,
        tenant: &str,
        wrapped: &Sealed,
    ) -> Result<Option<Sealed>, Fault> {
        let wrapped = Wrapped::parse(wrapped)?;
        if *wrapped.wrapped_by() == self.service.active_key() {
            return Ok(None);
        }
        let key = wrapped.unwrap(&*self.service, namespace, tenant).await?;
        let wrapped = Wrapped::wrap(&*self.service, namespace, tenant, &key).await?;
        Ok(Some(wrapped.to_sealed()))
    }

    /// Forgets a tenant's key.
    pub fn forget(&self, namespace: &NamespaceName, tenant: &str) {
        self.unwrapped.write().remove(&OfTenant(namespace, tenant));
    }

    fn keep(&self, namespace: &NamespaceName, tenant: &str, key: &Arc<DataKey>, wrapped_by: KeyId) {
        let mut unwrapped = self.unwrapped.write();
        if unwrapped.len() >= Self::KEPT {
            unwrapped.retain(|_, kept| kept.since.elapsed() < Self::KEPT_FOR);
        }
        if unwrapped.len() >= Self::KEPT {
            // More tenants at once than are kept: those that go cost one question to the store.
            let mut place = 0_usize;
            unwrapped.retain(|_, _| {
                place += 1;
                place.is_multiple_of(2)
            });
        }
        let kept = Unwrapped {
            key: Arc::clone(key),
            wrapped_by,
            since: Instant::now(),
        };
        unwrapped.insert((namespace.clone(), tenant.into()), kept);
    }
}
