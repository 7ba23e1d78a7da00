//! The use cases: one function per operation, whatever carried it here.
//!
//! A caller has been let in before ([`Sessions::enter`]). Each has the store do its one step, and tells the
//! rest of the house what happened.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_lc_rs::hmac;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use self::admin::Swept;
use self::caller_names::CallerNames;
use self::encrypted_state::EncryptedState;
use self::refreshes::Refreshes;
use self::tenant_keys::TenantKeys;
use self::violations::Misses;
use crate::callers::{OwnerProof, Policy};
use crate::events::{Deed, Events};
use crate::session::names::{CredentialName, NamespaceName, SessionId};
use crate::session::owner_record::{
    Claim, Claimed, Create, Created, Page, Read, Rotate, Rotated, Update, Updated,
};
use crate::session::record::Session;
use crate::session::refusal::{EndReason, Refusal};
use crate::session::request::Fingerprint;
use crate::store::{
    Cursor, Namespace, Place, Revocation, Revoked, Selector, Store, StoreError, Told, Watch,
};
use crate::telemetry::{LogFilter, Metrics};
use crate::vault::Vault;

mod admin;
mod caller_names;
mod credentials;
mod encrypted_state;
mod entrance;
mod error;
mod inspect;
mod keys;
pub mod namespaces;
mod refreshes;
mod tenant_keys;
mod violations;

pub use crate::call::{Call, Caller, Operation};
pub use admin::{NamespaceUse, StoreStatus};
pub use credentials::{Refresh, Secret};
pub use error::Error;
pub use inspect::{Explained, Progress};
pub use keys::{KeyStatus, KeyUse, Rewrapped, Rotation};
pub use namespaces::Namespaces;

/// The store is asked each second.
const UNTIL_NEXT_PING: Duration = Duration::from_secs(1);

/// The use cases.
pub struct Sessions {
    store: Arc<dyn Store>,
    namespaces: Arc<Namespaces>,
    policy: Policy,
    owner_proof: Arc<OwnerProof>,
    events: Arc<Events>,
    metrics: Arc<Metrics>,
    keys: TenantKeys,
    encrypted_state: EncryptedState,
    refreshes: Refreshes,
    /// Known once the store has answered.
    fingerprint_key: OnceLock<hmac::Key>,
    /// Why the store has not answered yet.
    not_yet: Mutex<Option<StoreError>>,
    swept: Swept,
    caller_names: CallerNames,
    /// Places for slices of searches that are worked on.
    searches: Arc<Semaphore>,
    /// The log's, where it is the service's own.
    log: Option<LogFilter>,
    /// To be looked into: whether somebody asked for what is another's.
    misses: Misses,
}

impl Sessions {
    /// The use cases over a store. Nobody but the local caller may do anything, until there is a policy;
    /// nothing can be encrypted, until there is a vault.
    pub fn new(store: Arc<dyn Store>, namespaces: Namespaces) -> Sessions {
        let keys = TenantKeys::new(Arc::clone(&store), None);
        Sessions {
            encrypted_state: EncryptedState::new(Arc::clone(&store), keys.clone()),
            store,
            namespaces: Arc::new(namespaces),
            keys,
            refreshes: Refreshes::default(),
            policy: Policy::default(),
            owner_proof: Arc::new(OwnerProof::none()),
            events: Arc::new(Events::new()),
            metrics: Arc::new(Metrics::new([])),
            fingerprint_key: OnceLock::new(),
            not_yet: Mutex::default(),
            swept: Swept::default(),
            caller_names: CallerNames::default(),
            searches: Arc::new(Semaphore::new(inspect::AT_ONCE)),
            log: None,
            misses: Misses::new(),
        }
    }

    /// With somebody else to tell what happens: in calls, and to sessions that end without one. Those are counted
    /// in the metrics that there are by then.
    #[must_use]
    pub fn told_to(mut self, events: Arc<Events>) -> Sessions {
        let (namespaces, told) = (Arc::clone(&self.namespaces), Arc::clone(&events));
        let metrics = Arc::clone(&self.metrics);
        self.store.tell_endings_to(Box::new(move |ending| {
            let level = |name: &NamespaceName| namespaces.audit_level(name.as_str());
            match ending {
                Told::Known(ended) => {
                    metrics.count_ending(&ended.namespace, ended.reason);
                    told.ended(level(&ended.namespace), &ended);
                }
                Told::Unknown(name, owner) => told.may_have_ended(level(&name), &name, &owner),
            }
        }));
        self.events = events;
        self
    }

    /// Those that are told what happens.
    pub fn events(&self) -> &Arc<Events> {
        &self.events
    }

    /// The store underneath.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Asks whether the store can do its work, and learns what has to be learnt from it once.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.store.ping().await.inspect_err(|error| {
            *self.not_yet.lock() = Some(error.clone());
        })?;
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
            // Unsafe settings, for instance, are told as what they are from the first call on.
            None => Err(self.not_yet.lock().clone().map_or_else(
                || {
                    let retry_after = UNTIL_NEXT_PING;
                    StoreError::Unavailable { retry_after }.into()
                },
                Error::from,
            )),
        }
    }

    /// With rules for authenticated callers, and a way to prove owners.
    #[must_use]
    pub fn guarded(mut self, policy: Policy, owner_proof: Arc<OwnerProof>) -> Sessions {
        self.policy = policy;
        self.owner_proof = owner_proof;
        self
    }

    /// With the log that it may be told to change.
    #[must_use]
    pub fn logging(mut self, log: Option<LogFilter>) -> Sessions {
        self.log = log;
        self
    }

    /// With keys to encrypt with, if there are any.
    #[must_use]
    pub fn sealing(mut self, vault: Option<Arc<Vault>>) -> Sessions {
        self.keys = TenantKeys::new(Arc::clone(&self.store), vault);
        self.encrypted_state = EncryptedState::new(Arc::clone(&self.store), self.keys.clone());
        self
    }

    /// With metrics that somebody reads.
    #[must_use]
    pub fn measured(mut self, metrics: Arc<Metrics>) -> Sessions {
        self.metrics = metrics;
        self
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
            let sealed = self.seal_first(place, create.record_id, &secrets).await;
            create.credentials = sealed.inspect_err(|error| self.count_seal_fault(error))?;
        }
        if place.namespace.limits.encrypt_state {
            let sealed = self.encrypted_state.seal_create(place, &mut create).await;
            sealed.inspect_err(|error| self.count_seal_fault(error))?;
        }
        let mut created = self.store.create(place, create).await?;
        let deed = if created.created {
            let namespace = self.metrics.namespace(&place.namespace.name);
            self.metrics.sessions_created.one((namespace,));
            Deed::Created
        } else {
            Deed::Found
        };
        self.tell(call, place, &created.session.id, deed);
        self.opened(call, place, &mut created.session).await?;
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
        let mut session = self.found(call, place, id, answer)?;
        self.opened(call, place, &mut session).await?;
        self.tell(call, place, id, Deed::Retrieved);
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
            let updated = self.encrypted_state.update(place, id, update).await;
            let updated = updated.inspect_err(|error| self.count_seal_fault(error));
            self.readable(call, place, id, updated)
        } else {
            let updated = self.store.update(place, id, update).await;
            updated.map_err(Error::from)
        };
        let mut updated = self.told(call, place, id, answer, Deed::Updated)?;
        self.opened(call, place, &mut updated.session).await?;
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
        if let Ok(rotated) = &answer {
            self.events.renamed(call, &rotated.session.id);
        }
        let mut rotated = self.told(call, place, id, answer, Deed::Rotated)?;
        self.opened(call, place, &mut rotated.session).await?;
        Ok(rotated)
    }

    /// Ends a session on its owner's behalf.
    pub async fn end(&self, call: &Call, place: &Place, id: &SessionId) -> Result<bool, Error> {
        let ended = self.store.end(place, id).await?;
        if ended {
            let namespace = &place.namespace.name;
            self.metrics.count_ending(namespace, EndReason::Deleted);
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
        mut revocation: Revocation,
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
        revocation.by = self.caller_names.tag(&self.store, call).await;
        let dry_run = revocation.dry_run;
        self.events.revoking(call, &revocation);
        let revoked = self.store.revoke(namespace, revocation).await?;
        if !dry_run {
            self.events.revoked(call, namespace, revoked);
        }
        Ok(revoked)
    }

    /// An owner's live sessions, newest first, and whether more follow.
    pub async fn list(
        &self,
        call: &Call,
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
            self.opened(call, place, session).await?;
        }
        self.events.tell(call, &place.namespace, None, Deed::Listed);
        Ok((sessions, more))
    }

    /// Claims a key.
    pub async fn claim_once(
        &self,
        call: &Call,
        place: &Place,
        claim: Claim,
    ) -> Result<Claimed, Error> {
        let claimed = self.store.claim_once(place, claim).await?;
        let deed = if claimed.claimed {
            Deed::Claimed
        } else {
            Deed::ClaimedBefore
        };
        self.events.tell(call, &place.namespace, None, deed);
        Ok(claimed)
    }

    /// The lifecycle events of a namespace.
    pub async fn watch(
        &self,
        call: &Call,
        namespace: &Arc<Namespace>,
        after: Option<Cursor>,
    ) -> Result<Watch, Error> {
        let watch = self.store.watch(namespace, after).await?;
        self.events.tell(call, namespace, None, Deed::Watched);
        Ok(watch)
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
    async fn opened(&self, call: &Call, place: &Place, session: &mut Session) -> Result<(), Error> {
        if !place.namespace.limits.encrypt_state {
            return Ok(());
        }
        // Boxed: every call would carry the room for this.
        let opened = Box::pin(self.encrypted_state.open(place, session)).await;
        self.readable(call, place, &session.id, opened)
    }
}
