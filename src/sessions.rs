//! The use cases: one function per operation, whatever carried it here.
//!
//! Each authorises the call, lets the store do its one step, and tells the rest of the house what
//! happened.

use std::sync::Arc;

use crate::session::names::{NamespaceName, Owner, SessionId};
use crate::session::owner_record::{
    Claim, Claimed, Create, Created, Page, Read, Rotate, Rotated, Update, Updated,
};
use crate::session::record::Session;
use crate::session::refusal::Refusal;
use crate::store::{
    Answer, Cursor, Namespace, Place, Revocation, Revoked, Selector, Store, StoreError, Watch,
};

pub mod namespaces;

pub use namespaces::Namespaces;

/// Why an operation was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The rules refuse it, or the store could not do it.
    Store(StoreError),
    /// The namespace is not in the configuration, which lists all there are.
    NamespaceUnknown,
    /// Credentials were given, but there is no key to encrypt them with.
    EncryptionNotConfigured,
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Error {
        Error::Store(error)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        Error::Store(StoreError::Refused(refusal))
    }
}

/// The use cases.
pub struct Sessions {
    store: Arc<dyn Store>,
    namespaces: Namespaces,
}

impl Sessions {
    /// The use cases over a store.
    pub fn new(store: Arc<dyn Store>, namespaces: Namespaces) -> Sessions {
        Sessions { store, namespaces }
    }

    /// The store underneath.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// A namespace, if it may be used.
    pub fn namespace(&self, name: &NamespaceName) -> Result<Arc<Namespace>, Error> {
        self.namespaces.find(name).ok_or(Error::NamespaceUnknown)
    }

    /// A place: an owner in a namespace that allows such owners.
    pub fn place(&self, namespace: Arc<Namespace>, owner: Owner) -> Result<Place, Error> {
        if owner.is_anonymous() && !namespace.limits.allow_anonymous {
            return Err(Refusal::invalid(
                "owner.user",
                "must not be empty: the namespace does not allow anonymous owners",
            )
            .into());
        }
        Ok(Place { namespace, owner })
    }
}
