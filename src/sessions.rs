//! The use cases: one function per operation, whatever carried it here.
//!
//! Each lets the caller in ([`Sessions::enter`]), has the store do its one step, and tells the rest of the
//! house what happened.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_lc_rs::hmac;
use tokio::sync::Semaphore;

use self::encrypted_state::EncryptedState;
use self::refreshes::Refreshes;
use self::tenant_keys::TenantKeys;
use crate::events::{Deed, Events};
use crate::session::names::{CredentialName, NamespaceName, Owner, SessionId};
use crate::session::owner_record::{
    Claim, Claimed, Create, Created, Page, Read, Rotate, Rotated, Update, Updated,
};
use crate::session::record::Session;
use crate::session::refusal::Refusal;
use crate::session::request::Fingerprint;
use crate::store::{
    Answer, Cursor, Namespace, Place, Revocation, Revoked, Selector, Store, StoreError, Watch,
};
use crate::vault::Vault;

pub mod call;
mod credentials;
mod encrypted_state;
mod keys;
pub mod mint;
pub mod namespaces;
mod refreshes;
mod tenant_keys;

pub use call::{Call, Caller, Operation};
pub use credentials::{Refresh, Secret};
pub use keys::{KeyStatus, KeyUse, Rewrapped, Rotation};
pub use namespaces::Namespaces;

/// The store is asked each second.
const UNTIL_NEXT_PING: Duration = Duration::from_secs(1);

/// Why an operation was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The rules refuse it, or the store could not do it.
    Store(StoreError),
    /// The namespace is not in the configuration, which lists all there are.
    NamespaceUnknown,
    /// There is something to encrypt, but no key to do it with.
    EncryptionNotConfigured,
    /// What is kept was not sealed for its place, or the key that it was sealed with is destroyed.
    Unreadable,
    /// The key-encryption key that is needed is not at hand now.
    KeyUnavailable,
    /// The keys are written down in a way that cannot be read.
    KeysAtFault,
    /// Somebody else refreshes the credential, and was not done within the time to wait.
    RefreshInProgress,
    /// More calls are in progress than the service admits.
    Overloaded,
    /// The service is going down.
    ShuttingDown,
    /// The caller's deadline has passed.
    DeadlineExceeded,
    /// A fault of the service itself.
    Internal,
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
    events: Arc<Events>,
    /// Known once the store has answered.
    fingerprint_key: OnceLock<hmac::Key>,
    keys: TenantKeys,
    encrypted_state: EncryptedState,
    refreshes: Refreshes,
    /// Looking for violations costs the store; only so many at once, and none is owed.
    violation_checks: Arc<Semaphore>,
}

impl Sessions {
    /// The use cases over a store. Without a vault nothing can be encrypted.
    pub fn new(
        store: Arc<dyn Store>,
        namespaces: Namespaces,
        vault: Option<Arc<Vault>>,
    ) -> Sessions {
        let keys = TenantKeys::new(Arc::clone(&store), vault);
        Sessions {
            encrypted_state: EncryptedState::new(Arc::clone(&store), keys.clone()),
            store,
            namespaces,
            keys,
            refreshes: Refreshes::default(),
            events: Arc::new(Events::new()),
            fingerprint_key: OnceLock::new(),
            violation_checks: Arc::new(Semaphore::new(4)),
        }
    }

    /// The store underneath.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Asks whether the store can do its work, and learns what has to be learnt from it once.
    pub async fn ping(&self) -> Answer<()> {
        self.store.ping().await?;
        if self.fingerprint_key.get().is_none() {
            let secret = self.store.shared_secret().await?;
            let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
            let _ = self.fingerprint_key.set(key);
        }
        Ok(())
    }

    /// Starts the hash by which a repeated request is recognised.
    pub fn fingerprint(&self) -> Result<Fingerprint, Error> {
        match self.fingerprint_key.get() {
            Some(key) => Ok(Fingerprint::keyed(key)),
            None => Err(StoreError::Unavailable {
                retry_after: UNTIL_NEXT_PING,
            }
            .into()),
        }
    }

    /// Lets a call into a namespace.
    pub fn enter(&self, call: &Call, namespace: &str) -> Result<Arc<Namespace>, Error> {
        let name =
            NamespaceName::new(namespace).map_err(|bad| Refusal::invalid("namespace", bad.0))?;
        match &*call.caller {
            Caller::Local => {}
        }
        self.namespaces.find(&name).ok_or(Error::NamespaceUnknown)
    }

    /// Lets a call in that is about the whole service.
    pub fn enter_service(&self, call: &Call) -> Result<(), Error> {
        match &*call.caller {
            Caller::Local => Ok(()),
        }
    }

    /// An owner's place in a namespace that allows such owners.
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

    /// Makes a session with its first secrets, or finds the live one of its conversation.
    pub async fn create(
        &self,
        call: &Call,
        place: &Place,
        mut create: Create,
        secrets: Vec<(CredentialName, Secret)>,
    ) -> Result<Created, Error> {
        if !secrets.is_empty() {
            create.credentials = self.seal_first(place, create.record_id, &secrets).await?;
        }
        if place.namespace.limits.encrypt_state {
            self.encrypted_state.seal_create(place, &mut create).await?;
        }
        let mut created = self.store.create(place, create).await?;
        self.opened(place, &mut created.session).await?;
        let deed = if created.created {
            Deed::Created
        } else {
            Deed::Found
        };
        self.tell(call, place, &created.session.id, deed);
        Ok(created)
    }

    /// Reads a session and, unless it peeks, slides it.
    pub async fn read(
        &self,
        call: &Call,
        place: &Place,
        id: &SessionId,
        read: Read,
    ) -> Result<Session, Error> {
        let answer = self.store.read(place, id, read).await;
        let mut session = self.told(call, place, id, answer, Deed::Retrieved)?;
        self.opened(place, &mut session).await?;
        Ok(session)
    }

    /// Changes single keys of a session.
    pub async fn update(
        &self,
        call: &Call,
        place: &Place,
        id: &SessionId,
        update: Update,
    ) -> Result<Updated, Error> {
        let answer = if place.namespace.limits.encrypt_state {
            self.encrypted_state.update(place, id, update).await
        } else {
            let updated = self.store.update(place, id, update).await;
            updated.map_err(Error::from)
        };
        let mut updated = self.told(call, place, id, answer, Deed::Updated)?;
        self.opened(place, &mut updated.session).await?;
        Ok(updated)
    }

    /// Gives a session a new id.
    pub async fn rotate(
        &self,
        call: &Call,
        place: &Place,
        id: &SessionId,
        rotate: Rotate,
    ) -> Result<Rotated, Error> {
        if place.owner.is_anonymous() && rotate.new_id.place() != id.place() {
            return Err(Refusal::invalid(
                "new_session_id",
                "must begin with the same 16 characters as the old id when the owner has no user",
            )
            .into());
        }
        let answer = self.store.rotate(place, id, rotate).await;
        let mut rotated = self.told(call, place, id, answer, Deed::Rotated)?;
        self.opened(place, &mut rotated.session).await?;
        Ok(rotated)
    }

    /// Ends a session on its owner's behalf.
    pub async fn end(&self, call: &Call, place: &Place, id: &SessionId) -> Result<bool, Error> {
        let ended = self.store.end(place, id).await?;
        if ended {
            self.tell(call, place, id, Deed::Ended);
        } else {
            self.look_for_violation(call, place, id);
        }
        Ok(ended)
    }

    /// Ends all that a revocation covers.
    pub async fn revoke(
        &self,
        call: &Call,
        namespace: &Arc<Namespace>,
        revocation: Revocation,
    ) -> Result<Revoked, Error> {
        if let Selector::Owner(owner) = &revocation.selector
            && owner.is_anonymous()
        {
            return Err(Refusal::invalid(
                "selector.owner.user",
                "must not be empty: anonymous owners cannot be told apart",
            )
            .into());
        }
        let dry_run = revocation.dry_run;
        let revoked = self.store.revoke(namespace, revocation).await?;
        if !dry_run {
            self.events.tell(call, namespace, None, Deed::Invalidated);
        }
        Ok(revoked)
    }

    /// An owner's live sessions, newest first, and whether more follow.
    pub async fn list(
        &self,
        _call: &Call,
        place: &Place,
        page: Page,
    ) -> Result<(Vec<Session>, bool), Error> {
        if place.owner.is_anonymous() {
            return Err(Refusal::invalid(
                "owner.user",
                "must not be empty: anonymous sessions cannot be listed",
            )
            .into());
        }
        let (mut sessions, more) = self.store.list(place, page).await?;
        for session in &mut sessions {
            self.opened(place, session).await?;
        }
        Ok((sessions, more))
    }

    /// Claims a key.
    pub async fn claim_once(
        &self,
        _call: &Call,
        place: &Place,
        claim: Claim,
    ) -> Result<Claimed, Error> {
        Ok(self.store.claim_once(place, claim).await?)
    }

    /// The lifecycle events of a namespace.
    pub async fn watch(
        &self,
        _call: &Call,
        namespace: &Arc<Namespace>,
        after: Option<Cursor>,
    ) -> Result<Watch, Error> {
        Ok(self.store.watch(namespace, after).await?)
    }

    fn tell(&self, call: &Call, place: &Place, id: &SessionId, deed: Deed) {
        self.events.tell(call, &place.namespace, Some(id), deed);
    }

    /// Passes an answer about one session on. Where there is none for this owner, the reason is looked for
    /// on the inside, after the answer: it must not take longer for a session that somebody else has.
    fn told<T, E>(
        &self,
        call: &Call,
        place: &Place,
        id: &SessionId,
        answer: Result<T, E>,
        deed: Deed,
    ) -> Result<T, Error>
    where
        Error: From<E>,
    {
        let answer = self.found(call, place, id, answer)?;
        self.tell(call, place, id, deed);
        Ok(answer)
    }

    /// The same for what nobody on the inside has to hear of.
    fn found<T, E>(
        &self,
        call: &Call,
        place: &Place,
        id: &SessionId,
        answer: Result<T, E>,
    ) -> Result<T, Error>
    where
        Error: From<E>,
    {
        let answer = answer.map_err(Error::from);
        if let Err(Error::Store(StoreError::Refused(Refusal::NotFound))) = answer {
            self.look_for_violation(call, place, id);
        }
        answer
    }

    /// Opens the state of an answer where the namespace encrypts it.
    async fn opened(&self, place: &Place, session: &mut Session) -> Result<(), Error> {
        if place.namespace.limits.encrypt_state {
            self.encrypted_state.open(place, session).await?;
        }
        Ok(())
    }

    fn look_for_violation(&self, call: &Call, place: &Place, id: &SessionId) {
        let Ok(permit) = Arc::clone(&self.violation_checks).try_acquire_owned() else {
            return;
        };
        let (store, events) = (Arc::clone(&self.store), Arc::clone(&self.events));
        let (call, place, id) = (call.clone(), place.clone(), id.clone());
        tokio::spawn(async move {
            let bearers = store.bearers(&place.namespace, &id).await;
            let foreign = bearers.is_ok_and(|owners| {
                !owners.is_empty() && owners.iter().all(|owner| *owner != place.owner)
            });
            if foreign {
                let violation = Deed::OwnershipViolation;
                events.tell(&call, &place.namespace, Some(&id), violation);
            }
            drop(permit);
        });
    }
}
