//! The store in memory: for development, and for a single instance.
//!
//! Owners are spread over shards by a keyed hash. An operation runs the rules on one owner's record under
//! the lock of one shard: that makes it atomic, and its events ordered. Sessions and bytes are bounded;
//! beyond the bounds nothing is made or grown, while reading and ending still work. (Not counted are the
//! event logs, which are bounded by their length.)

mod event_log;
mod fleet;
mod index;
mod revoke;
mod shard;
mod slab;
mod sweep;
mod wide_marks;

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use aws_lc_rs::rand;
use parking_lot::{Mutex, MutexGuard};

use self::event_log::EventLog;
use self::fleet::{Fleet, moment};
use self::shard::{Address, Hashes, Shard, Size, Totals};
use self::sweep::Round;
use super::{
    Answer, Clock, Cursor, Held, Namespace, Place, Revocation, Revoked, Store, StoreError, Swept,
    Watch,
};
use crate::config;
use crate::session::event::{Change, Event, What};
use crate::session::limits::LimitName;
use crate::session::names::{NamespaceName, Owner, SessionId};
use crate::session::owner_record::{
    Claim, Claimed, Create, Created, Moment, OwnerRecord, Page, Read, Rotate, Rotated, Update,
    Updated,
};
use crate::session::record::Session;
use crate::session::refusal::{EndReason, Refusal};
use crate::session::request::Request;
use crate::session::time::Time;

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
}

/// What an operation may make, beyond changing what is there.
#[derive(Clone, Copy, Debug)]
struct Growth {
    sessions: usize,
    /// At most so many bytes; `None`: it must be done, room or no room.
    bytes: Option<usize>,
    /// The shortest time after which something that it makes may be over.
    soonest: Option<Duration>,
}

impl MemoryStore {
    const SHARDS: usize = 256;
    /// How often an operation that finds no room is tried again after giving back what is over.
    const TRIES: usize = 2;

    /// An empty store.
    pub fn new(bounds: impl Into<Bounds>, clock: Clock) -> MemoryStore {
        MemoryStore {
            bounds: bounds.into(),
            clock,
            secret: random_secret(),
            hashes: Hashes::default(),
            fleets: ArcSwap::default(),
            new_fleet: Mutex::default(),
            shards: (0..Self::SHARDS)
                .map(|_| Mutex::new(Shard::new()))
                .collect(),
            totals: Totals::default(),
            round: Mutex::default(),
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
        let fleet = Arc::new(Fleet::new(Arc::clone(namespace), log));
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

    /// Runs an operation that can only read and slide.
    fn read_record<T>(
        &self,
        place: &Place,
        address: Address,
        read: impl FnOnce(&mut OwnerRecord, &Moment<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let Some(fleet) = self.fleet(&place.namespace.name) else {
            return Err(Refusal::NotFound);
        };
        let mut shard = self.shard(address);
        let Some(number) = shard.find(&fleet, &place.owner, address) else {
            return Err(Refusal::NotFound);
        };
        let marks = fleet.marks.concerning(&place.owner);
        let moment = moment(&place.namespace, self.clock.now(), &marks);
        let slot = shard.slot_mut(number).ok_or(Refusal::NotFound)?;
        read(&mut slot.record, &moment)
    }

    /// Runs an operation that changes or makes an owner's record.
    fn change_record<T>(
        &self,
        place: &Place,
        address: Address,
        growth: Option<Growth>,
        change: impl Fn(&mut OwnerRecord, &Moment<'_>, &mut Vec<Event>) -> Result<T, Refusal>,
    ) -> Answer<T> {
        let fleet = match growth {
            Some(_) => self.fleet_or_new(&place.namespace),
            None => self.fleet(&place.namespace.name).ok_or(Refusal::NotFound)?,
        };
        let mut shard = self.shard(address);
        let found = shard.find(&fleet, &place.owner, address);
        let marks = fleet.marks.concerning(&place.owner);
        let mut moment = moment(&place.namespace, self.clock.now(), &marks);
        let mut events = Vec::new();

        let room = growth.is_none_or(|growth| {
            growth
                .bytes
                .is_none_or(|bytes| self.has_room(growth.sessions, bytes + Size::SLOT))
        });
        if growth.is_some_and(|growth| growth.sessions > 0) {
            moment.usage = fleet.usage(&place.owner);
        }
        let (number, before, answer) = match found {
            Some(number) if room => {
                let slot = shard.slot_mut(number).ok_or(Refusal::NotFound)?;
                let before = Size::of(&slot.record);
                let answer = change(&mut slot.record, &moment, &mut events)?;
                (number, before, answer)
            }
            // A record to throw away if the operation is refused, or turns out to need room that is not
            // there.
            _ => {
                let known = found.and_then(|number| shard.slot(number));
                let before = known.map_or(Size::default(), |slot| Size::of(&slot.record));
                let mut record = known.map_or_else(
                    || OwnerRecord::new(place.owner.clone()),
                    |slot| slot.record.clone(),
                );
                let answer = change(&mut record, &moment, &mut events)?;
                if found.is_none() && record.is_empty() {
                    return Ok(answer);
                }
                let after = Size::of(&record);
                if !room && !self.has_room_for(before, after) {
                    return Err(StoreError::Full);
                }
                let number = if let Some(number) = found {
                    shard.slot_mut(number).ok_or(Refusal::NotFound)?.record = record;
                    number
                } else {
                    shard.insert(&fleet, address, record)
                };
                (number, before, answer)
            }
        };
        let soonest = self.soonest(&moment, growth, &events);
        shard.conclude(&self.hashes, &self.totals, number, before, events, soonest);
        Ok(answer)
    }

    /// When something may be over that an operation has made.
    #[expect(clippy::unused_self, reason = "reads better beside its caller")]
    fn soonest(
        &self,
        moment: &Moment<'_>,
        growth: Option<Growth>,
        events: &[Event],
    ) -> Option<Time> {
        let tombstone = events
            .iter()
            .any(leaves_tombstone)
            .then_some(moment.limits.tombstone_ttl);
        let made = growth.and_then(|growth| growth.soonest);
        let span = tombstone.into_iter().chain(made).min()?;
        Some(moment.now.after(span))
    }

    /// Runs an operation that needs room, again if there was none until what is over was given back.
    fn grow_record<T>(
        &self,
        place: &Place,
        address: Address,
        growth: Growth,
        change: impl Fn(&mut OwnerRecord, &Moment<'_>, &mut Vec<Event>) -> Result<T, Refusal>,
    ) -> Answer<T> {
        let mut tries = 0;
        loop {
            tries += 1;
            let answer = self.change_record(place, address, Some(growth), &change);
            // Sessions that are dead must not stand in the way of new ones, swept or not.
            let crowded = match &answer {
                Err(StoreError::Full) => true,
                Err(StoreError::Refused(Refusal::Limit(exceeded))) => matches!(
                    exceeded.limit,
                    LimitName::SessionsPerTenant | LimitName::AnonymousSessions
                ),
                _ => false,
            };
            if !crowded || tries == Self::TRIES || !self.give_back() {
                return answer;
            }
        }
    }

    /// Whether there is room. Calls that run at the same moment may together overshoot by what each adds.
    fn has_room(&self, sessions: usize, bytes: usize) -> bool {
        self.totals.sessions.load(Ordering::Relaxed) + sessions <= self.bounds.max_sessions
            && self.totals.bytes.load(Ordering::Relaxed) + bytes <= self.bounds.max_bytes
    }

    /// Whether there is room for what a record has become.
    fn has_room_for(&self, before: Size, after: Size) -> bool {
        let more_sessions = after.sessions.saturating_sub(before.sessions);
        let more_bytes = after.bytes.saturating_sub(before.bytes);
        (more_sessions == 0 && more_bytes == 0) || self.has_room(more_sessions, more_bytes)
    }
}

fn leaves_tombstone(event: &Event) -> bool {
    matches!(
        event.what,
        What::Session {
            change: Change::Ended(_) | Change::Rotated { .. },
            ..
        }
    )
}

/// How long a request is remembered, if it may be repeated.
fn request_ttl(request: Option<&Request>, namespace: &Namespace) -> Option<Duration> {
    request.map(|_| namespace.limits.request_ttl)
}

fn random_secret() -> [u8; 32] {
    let mut secret = [0; 32];
    rand::fill(&mut secret).expect("the system has randomness");
    secret
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

    async fn bearers(&self, namespace: &Arc<Namespace>, id: &SessionId) -> Answer<Vec<Owner>> {
        Ok(self.all_bearers(namespace, id))
    }

    async fn watch(&self, namespace: &Arc<Namespace>, after: Option<Cursor>) -> Answer<Watch> {
        self.fleet_or_new(namespace).log.watch(after.as_ref())
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

    async fn held(&self) -> Answer<Held> {
        Ok(Held {
            sessions: self.totals.sessions.load(Ordering::Relaxed),
            bytes: Some(self.totals.bytes.load(Ordering::Relaxed)),
        })
    }
}
