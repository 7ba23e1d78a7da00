//! The store in memory: for development, and for a single instance.
//!
//! Owners are spread over shards by a keyed hash. An operation runs the rules on one owner's record under
//! the lock of one shard: that makes it atomic, and its events ordered. Sessions and bytes are bounded;
//! beyond the bounds nothing is made or grown, while reading and ending still work. (Not counted are the
//! event logs, which are bounded by their length.)

mod event_log;
mod fleet;
mod index;
mod inspect;
mod revoke;
mod shard;
mod slab;
mod step;
mod sweep;
mod tenant_keys;
mod wide_marks;

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use parking_lot::{Mutex, MutexGuard};

use self::event_log::EventLog;
use self::fleet::Fleet;
use self::shard::{Address, Hashes, Shard, Totals};
use self::step::{Growth, leaves_tombstone};
use self::sweep::Round;
use self::tenant_keys::KeyRing;
use super::endings::Endings;
use super::inspection::{Position, Slice};
use super::status::{Glance, InUse, Status};
use super::{
    Answer, CALLERS_KEPT, Clock, Cursor, Held, Listener, Namespace, Place, Revocation, Revoked,
    Store, StoreError, Swept, TenantKeys, Watch,
};
use crate::config;
use crate::mint;
use crate::session::credentials::Sealed;
use crate::session::filter::Filter;
use crate::session::names::{CallerTag, CredentialName, NamespaceName, Owner, SessionId};
use crate::session::owner_record::{
    AbandonRefresh, BeginRefresh, Begun, Claim, Claimed, Create, Created, Looked, Page,
    PutCredential, Read, Rotate, Rotated, Update, Updated,
};
use crate::session::record::Session;
use crate::session::refusal::{EndReason, Refusal};
use crate::session::request::Request;
use crate::session::story::Story;

/// How much a memory store may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Sessions.
    pub max_sessions: usize,
    /// Bytes, about.
    pub max_bytes: usize,
    /// Events for watchers, per namespace.
    pub event_log_length: usize,
}

impl From<&config::Store> for Bounds {
    fn from(store: &config::Store) -> Bounds {
        Bounds {
            max_sessions: store.max_sessions,
            max_bytes: store.max_bytes,
            event_log_length: store.event_log_length,
        }
    }
}

/// The store in memory.
#[derive(Debug)]
pub struct MemoryStore {
    bounds: Bounds,
    clock: Clock,
    secret: [u8; 32],
    hashes: Hashes,
    /// The namespaces that have been used. Few, and read on every call.
    fleets: ArcSwap<HashMap<NamespaceName, Arc<Fleet>>>,
    new_fleet: Mutex<()>,
    shards: Box<[Mutex<Shard>]>,
    totals: Totals,
    round: Mutex<Round>,
    tenant_keys: KeyRing,
    endings: Arc<Endings>,
    /// The names of those who call.
    callers: Mutex<HashMap<CallerTag, Box<str>>>,
}

impl MemoryStore {
    const SHARDS: usize = 256;

    /// An empty store.
    pub fn new(bounds: impl Into<Bounds>, clock: Clock) -> MemoryStore {
        MemoryStore {
            bounds: bounds.into(),
            clock,
            secret: mint::random(),
            hashes: Hashes::default(),
            fleets: ArcSwap::default(),
            new_fleet: Mutex::default(),
            shards: (0..Self::SHARDS)
                .map(|_| Mutex::new(Shard::new()))
                .collect(),
            totals: Totals::default(),
            round: Mutex::default(),
            tenant_keys: KeyRing::default(),
            endings: Arc::default(),
            callers: Mutex::default(),
        }
    }

    fn fleet(&self, name: &NamespaceName) -> Option<Arc<Fleet>> {
        self.fleets.load().get(name).cloned()
    }

    fn fleet_or_new(&self, namespace: &Arc<Namespace>) -> Arc<Fleet> {
        if let Some(fleet) = self.fleet(&namespace.name) {
            return fleet;
        }
        let _one_at_a_time = self.new_fleet.lock();
        if let Some(fleet) = self.fleet(&namespace.name) {
            return fleet;
        }
        // A number that differs from run to run is all that is asked of an epoch.
        let epoch = RandomState::new().hash_one(namespace.name.as_str());
        let log = EventLog::new(epoch, self.bounds.event_log_length);
        let endings = Arc::clone(&self.endings);
        let fleet = Arc::new(Fleet::new(Arc::clone(namespace), log, endings));
        let mut fleets = HashMap::clone(&self.fleets.load());
        fleets.insert(namespace.name.clone(), Arc::clone(&fleet));
        self.fleets.store(Arc::new(fleets));
        fleet
    }

    fn shard(&self, address: Address) -> MutexGuard<'_, Shard> {
        // The upper half: the lower one is what the shard's own indexes see.
        let number = (address.hash >> 32) as usize % self.shards.len();
        self.shards[number].lock()
    }

    /// Counts what a change of the tenants' keys did. Whether it did anything.
    fn kept_key(&self, changes: Option<(usize, usize)>) -> bool {
        if let Some((before, after)) = changes {
            fleet::shift(&self.totals.bytes, before, after);
        }
        changes.is_some()
    }
}

/// How long a request is remembered, if it may be repeated.
fn request_ttl(request: Option<&Request>, namespace: &Namespace) -> Option<Duration> {
    request.map(|_| namespace.limits.request_ttl)
}

#[async_trait]
impl Store for MemoryStore {
    fn kind(&self) -> &'static str {
        "memory"
    }

    async fn create(&self, place: &Place, create: Create) -> Answer<Created> {
        let address = self
            .hashes
            .of_session(&place.namespace.name, &place.owner, &create.id);
        let lifetime = create.idle_ttl.min(create.max_lifetime);
        let remembered = request_ttl(create.request.as_ref(), &place.namespace);
        let growth = Growth {
            sessions: 1,
            bytes: Some(create.len_bytes()),
            soonest: Some(remembered.map_or(lifetime, |ttl| ttl.min(lifetime))),
        };
        self.grow_record(place, address, growth, |record, moment, events| {
            let created = record.create(moment, &create, events)?;
            if created.created
                && let Some(fleet) = self.fleet(&place.namespace.name)
            {
                fleet.created(created.session.meta.created_at, moment.now);
            }
            Ok(created)
        })
    }

    async fn read(&self, place: &Place, id: &SessionId, read: Read) -> Answer<Session> {
        let address = self
            .hashes
            .of_session(&place.namespace.name, &place.owner, id);
        let session = self.read_record(place, address, |record, moment| {
            record.read(moment, id, &read)
        })?;
        Ok(session)
    }

    async fn update(&self, place: &Place, id: &SessionId, update: Update) -> Answer<Updated> {
        let address = self
            .hashes
            .of_session(&place.namespace.name, &place.owner, id);
        let growth = Growth {
            sessions: 0,
            bytes: Some(update.len_bytes()),
            soonest: request_ttl(update.request.as_ref(), &place.namespace),
        };
        self.grow_record(place, address, growth, |record, moment, events| {
            record.update(moment, id, &update, events)
        })
    }

    async fn rotate(&self, place: &Place, id: &SessionId, rotate: Rotate) -> Answer<Rotated> {
        let address = self
            .hashes
            .of_session(&place.namespace.name, &place.owner, id);
        let growth = Growth {
            sessions: 0,
            bytes: Some(rotate.len_bytes()),
            soonest: request_ttl(rotate.request.as_ref(), &place.namespace),
        };
        self.grow_record(place, address, growth, |record, moment, events| {
            record.rotate(moment, id, &rotate, events)
        })
    }

    async fn end(&self, place: &Place, id: &SessionId) -> Answer<bool> {
        let address = self
            .hashes
            .of_session(&place.namespace.name, &place.owner, id);
        let ended = self.change_record(place, address, None, |record, moment, events| {
            Ok(record.end(moment, id, EndReason::Deleted, events))
        });
        match ended {
            Err(StoreError::Refused(Refusal::NotFound)) => Ok(false),
            answer => answer,
        }
    }

    async fn revoke(&self, namespace: &Arc<Namespace>, revocation: Revocation) -> Answer<Revoked> {
        self.carry_out(namespace, revocation).await
    }

    async fn list(&self, place: &Place, page: Page) -> Answer<(Vec<Session>, bool)> {
        let address = self.hashes.of_owner(&place.namespace.name, &place.owner);
        let listed = self.read_record(place, address, |record, moment| {
            Ok(record.list(moment, &page))
        });
        // An owner whom the store does not know has no sessions.
        Ok(listed.unwrap_or_default())
    }

    async fn claim_once(&self, place: &Place, claim: Claim) -> Answer<Claimed> {
        let address = self
            .hashes
            .of_claim(&place.namespace.name, &place.owner, &claim.key);
        let remembered = request_ttl(claim.request.as_ref(), &place.namespace);
        let growth = Growth {
            sessions: 0,
            bytes: Some(claim.len_bytes()),
            soonest: Some(remembered.map_or(claim.ttl, |ttl| ttl.min(claim.ttl))),
        };
        self.grow_record(place, address, growth, |record, moment, _| {
            record.claim(moment, &claim)
        })
    }

    async fn credential(
        &self,
        place: &Place,
        id: &SessionId,
        name: &CredentialName,
    ) -> Answer<Looked> {
        let address = self
            .hashes
            .of_session(&place.namespace.name, &place.owner, id);
        let looked = self.read_record(place, address, |record, moment| {
            record.credential(moment, id, name)
        })?;
        Ok(looked)
    }

    async fn put_credential(
        &self,
        place: &Place,
        id: &SessionId,
        put: PutCredential,
    ) -> Answer<u64> {
        let address = self
            .hashes
            .of_session(&place.namespace.name, &place.owner, id);
        let growth = Growth {
            sessions: 0,
            bytes: Some(put.len_bytes()),
            soonest: None,
        };
        self.grow_record(place, address, growth, |record, moment, _| {
            record.put_credential(moment, id, &put)
        })
    }

    async fn delete_credential(
        &self,
        place: &Place,
        id: &SessionId,
        name: &CredentialName,
    ) -> Answer<bool> {
        let address = self
            .hashes
            .of_session(&place.namespace.name, &place.owner, id);
        self.change_record(place, address, None, |record, moment, _| {
            record.delete_credential(moment, id, name)
        })
    }

    async fn begin_refresh(
        &self,
        place: &Place,
        id: &SessionId,
        begin: BeginRefresh,
    ) -> Answer<Begun> {
        let address = self
            .hashes
            .of_session(&place.namespace.name, &place.owner, id);
        let answer = self.read_record(place, address, |record, moment| {
            record.begin_refresh(moment, id, &begin)
        })?;
        Ok(answer)
    }

    async fn abandon_refresh(
        &self,
        place: &Place,
        id: &SessionId,
        abandon: AbandonRefresh,
    ) -> Answer<bool> {
        let address = self
            .hashes
            .of_session(&place.namespace.name, &place.owner, id);
        let held = self.read_record(place, address, |record, moment| {
            record.abandon_refresh(moment, id, &abandon)
        })?;
        Ok(held)
    }

    async fn tenant_key(&self, namespace: &NamespaceName, tenant: &str) -> Answer<Option<Sealed>> {
        Ok(self.tenant_keys.get(namespace, tenant))
    }

    async fn put_tenant_key(
        &self,
        namespace: &NamespaceName,
        tenant: &str,
        expected: Option<&Sealed>,
        wrapped: Sealed,
    ) -> Answer<bool> {
        if expected.is_none() && !self.has_room(0, KeyRing::bytes_of(tenant, &wrapped)) {
            return Err(StoreError::Full);
        }
        let changes = self.tenant_keys.put(namespace, tenant, expected, wrapped);
        Ok(self.kept_key(changes))
    }

    async fn destroy_tenant_key(&self, namespace: &NamespaceName, tenant: &str) -> Answer<bool> {
        let changes = self.tenant_keys.destroy(namespace, tenant);
        Ok(self.kept_key(changes))
    }

    async fn tenant_keys(&self, after: Option<String>) -> Answer<TenantKeys> {
        Ok(self.tenant_keys.page(after.as_deref()))
    }

    async fn bearers(&self, namespace: &Arc<Namespace>, id: &SessionId) -> Answer<Vec<Owner>> {
        Ok(self.all_bearers(namespace, id))
    }

    async fn watch(&self, namespace: &Arc<Namespace>, after: Option<Cursor>) -> Answer<Watch> {
        self.fleet_or_new(namespace).log.watch(after.as_ref())
    }

    /// It is told of all that it ends when it does.
    async fn leave(&self) {}

    fn tell_endings_to(&self, listener: Listener) {
        self.endings.tell_to(listener);
    }

    async fn sweep(&self, budget: usize) -> Answer<Swept> {
        Ok(self.sweep_slices(budget).await)
    }

    async fn ping(&self) -> Answer<()> {
        Ok(())
    }

    async fn shared_secret(&self) -> Answer<[u8; 32]> {
        Ok(self.secret)
    }

    async fn name_caller(&self, tag: CallerTag, name: &str) -> Answer<()> {
        let mut callers = self.callers.lock();
        if callers.len() < CALLERS_KEPT {
            callers.insert(tag, name.into());
        }
        Ok(())
    }

    async fn caller_name(&self, tag: CallerTag) -> Answer<Option<Box<str>>> {
        Ok(self.callers.lock().get(&tag).cloned())
    }

    async fn held(&self) -> Answer<Held> {
        Ok(Held {
            sessions: self.totals.sessions.load(Ordering::Relaxed),
            bytes: Some(self.totals.bytes.load(Ordering::Relaxed)),
        })
    }

    async fn slice(
        &self,
        namespace: &Arc<Namespace>,
        filter: &Filter,
        after: Option<&Position>,
        most: usize,
    ) -> Answer<Slice> {
        MemoryStore::slice(self, namespace, filter, after, most)
    }

    async fn stories(&self, namespace: &Arc<Namespace>, id: &SessionId) -> Answer<Vec<Story>> {
        Ok(MemoryStore::stories(self, namespace, id))
    }

    async fn namespaces(&self) -> Answer<Vec<InUse>> {
        let fleets = self.fleets.load();
        Ok(fleets.values().map(|fleet| fleet.in_use()).collect())
    }

    async fn status(&self) -> Status {
        let sessions = self.totals.sessions.load(Ordering::Relaxed);
        let bytes = self.totals.bytes.load(Ordering::Relaxed);
        Status {
            topology: "process",
            ready: true,
            sessions: Some((sessions, self.bounds.max_sessions)),
            bytes: Some((bytes, self.bounds.max_bytes)),
            ..Status::default()
        }
    }

    fn glance(&self) -> Glance {
        Glance {
            bytes: Some(self.totals.bytes.load(Ordering::Relaxed)),
            ..Glance::default()
        }
    }
}
