//! A part of the owners, under one lock.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::fleet::{Fleet, shift};
use super::index::Index;
use super::slab::Slab;
use crate::session::event::{Change, Event, What};
use crate::session::names::{NamespaceName, Owner, SessionId};
use crate::session::owner_record::OwnerRecord;
use crate::session::time::Time;

/// How much the store holds, over all shards.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) sessions: AtomicUsize,
    pub(super) bytes: AtomicUsize,
}

/// Where an owner's record is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address {
    /// A keyed hash of namespace, owner and spot.
    pub(super) hash: u64,
    /// Zero, but for the anonymous owner, who has a record for each place and each claim.
    pub(super) spot: u64,
}

/// The keyed hashes of a store.
#[derive(Clone, Debug, Default)]
pub(super) struct Hashes(RandomState);

impl Hashes {
    /// Where the record is that holds a session.
    pub(super) fn of_session(
        &self,
        namespace: &NamespaceName,
        owner: &Owner,
        id: &SessionId,
    ) -> Address {
        let spot = if owner.is_anonymous() {
            self.0.hash_one(("place", id.place()))
        } else {
            0
        };
        self.of_spot(namespace, owner, spot)
    }

    /// Where the record is that holds a claim.
    pub(super) fn of_claim(&self, namespace: &NamespaceName, owner: &Owner, key: &str) -> Address {
        let spot = if owner.is_anonymous() {
            self.0.hash_one(("claim", key))
        } else {
            0
        };
        self.of_spot(namespace, owner, spot)
    }

    /// Where the only record of a named owner is.
    pub(super) fn of_owner(&self, namespace: &NamespaceName, owner: &Owner) -> Address {
        self.of_spot(namespace, owner, 0)
    }

    fn of_spot(&self, namespace: &NamespaceName, owner: &Owner, spot: u64) -> Address {
        Address {
            hash: self.0.hash_one((namespace, owner, spot)),
            spot,
        }
    }

    pub(super) fn of_id(&self, namespace: &NamespaceName, id: &SessionId) -> u64 {
        self.0.hash_one((namespace, id))
    }

    pub(super) fn of_login(&self, namespace: &NamespaceName, issuer: &str, login: &str) -> u64 {
        self.0.hash_one((namespace, issuer, login))
    }
}

/// A part of the owners.
#[derive(Debug)]
pub(super) struct Shard {
    slots: Slab<Slot>,
    owners: Index,
    ids: Index,
    logins: Index,
    /// When which slot is to be settled. An entry that says another time than its slot is void.
    due: BinaryHeap<Reverse<(Second, u32)>>,
}

/// One owner's record, and what the store needs to find it again.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) fleet: Arc<Fleet>,
    pub(super) record: OwnerRecord,
    spot: u64,
    due: Option<Second>,
}

/// An entry of the queue whose time has come.
#[derive(Clone, Copy, Debug)]
pub(super) enum Due {
    /// The slot, and since when.
    Slot(u32, Time),
    /// Its slot has another time by now, or is gone. There may be as many of these in a row as there were sessions.
    Void,
}

/// The size of a record, to count by.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Size {
    pub(super) sessions: usize,
    pub(super) bytes: usize,
}

impl Size {
    /// What a slot takes beside its record: itself, and its entries in the index and in the queue.
    pub(super) const SLOT: usize = size_of::<Slot>() + 40;

    pub(super) fn of(record: &OwnerRecord) -> Size {
        Size {
            sessions: record.unended(),
            bytes: record.len_bytes() + Self::SLOT,
        }
    }
}

impl Shard {
    pub(super) fn new() -> Shard {
        Shard {
            slots: Slab::new(),
            owners: Index::default(),
            ids: Index::default(),
            logins: Index::default(),
            due: BinaryHeap::new(),
        }
    }

    pub(super) fn find(&self, fleet: &Arc<Fleet>, owner: &Owner, address: Address) -> Option<u32> {
        self.owners.find(address.hash).find(|&number| {
            self.slots.get(number).is_some_and(|slot| {
                slot.spot == address.spot
                    && Arc::ptr_eq(&slot.fleet, fleet)
                    && slot.record.owner() == owner
            })
        })
    }

    pub(super) fn slot(&self, number: u32) -> Option<&Slot> {
        self.slots.get(number)
    }

    pub(super) fn slot_mut(&mut self, number: u32) -> Option<&mut Slot> {
        self.slots.get_mut(number)
    }

    /// Asks memory for what lies behind a record. To be called before the clock is read: a processor fetches many
    /// things at once, but at a clock it waits for all of them. Among a million sessions that is a quarter of
    /// what a read costs (`cargo bench --bench memory`).
    pub(super) fn fetch(&self, number: u32) {
        if let Some(slot) = self.slots.get(number) {
            slot.record.fetch();
        }
    }

    /// Numbers beyond this one are not in use.
    pub(super) fn end(&self) -> u32 {
        self.slots.end()
    }

    /// Those who may bear an id, by its hash.
    pub(super) fn bearing(&self, id_hash: u64) -> Vec<u32> {
        self.ids.find(id_hash).collect()
    }

    /// Those who may have sessions of a login, by its hash.
    pub(super) fn logged_in(&self, login_hash: u64) -> Vec<u32> {
        self.logins.find(login_hash).collect()
    }

    /// Keeps a new owner's record.
    pub(super) fn insert(
        &mut self,
        fleet: &Arc<Fleet>,
        address: Address,
        record: OwnerRecord,
    ) -> u32 {
        let number = self.slots.insert(Slot {
            fleet: Arc::clone(fleet),
            record,
            spot: address.spot,
            due: None,
        });
        self.owners.insert(address.hash, number);
        number
    }

    /// Draws the consequences of an operation: counters, indexes, log, and when to look again.
    ///
    /// `before` is the record's size before it (nothing for a new one), `soonest` the shortest time after
    /// which something that it made may be over.
    pub(super) fn conclude(
        &mut self,
        hashes: &Hashes,
        totals: &Totals,
        number: u32,
        before: Size,
        events: Vec<Event>,
        soonest: Option<Time>,
    ) {
        let Some(slot) = self.slots.get(number) else {
            return;
        };
        let after = Size::of(&slot.record);
        shift(&totals.sessions, before.sessions, after.sessions);
        shift(&totals.bytes, before.bytes, after.bytes);
        slot.fleet
            .count(slot.record.owner(), before.sessions, after.sessions);
        for event in &events {
            self.index(hashes, number, event);
        }
        if !events.is_empty()
            && let Some(slot) = self.slots.get(number)
        {
            slot.fleet.tell(events);
        }
        if let Some(soonest) = soonest {
            self.look_at(number, soonest);
        }
    }

    fn index(&mut self, hashes: &Hashes, number: u32, event: &Event) {
        let (
            Some(slot),
            What::Session {
                id,
                provider_session_id,
                change,
                ..
            },
        ) = (self.slots.get(number), &event.what)
        else {
            return;
        };
        let name = &slot.fleet.namespace.name;
        let issuer = slot.record.owner().issuer();
        let login = provider_session_id.as_deref();
        let (starts, may_stop) = match change {
            Change::Created => (login, None),
            Change::Rotated {
                previous_provider_session_id,
                ..
            } => (login, previous_provider_session_id.as_deref()),
            Change::Ended(_) => (None, login),
            Change::Updated => return,
        };
        if !matches!(change, Change::Ended(_)) {
            self.ids.insert(hashes.of_id(name, id), number);
        }
        if let Some(login) = may_stop
            && !slot.record.has_login(login)
        {
            self.logins
                .remove(hashes.of_login(name, issuer, login), number);
        }
        // The session may have ended in the very step that made it known.
        if let Some(login) = starts
            && slot.record.has_login(login)
        {
            self.logins
                .insert(hashes.of_login(name, issuer, login), number);
        }
    }

    /// Removes what a settled record has forgotten, and the record if nothing is left of it.
    pub(super) fn forget(
        &mut self,
        hashes: &Hashes,
        totals: &Totals,
        number: u32,
        forgotten: &[SessionId],
    ) {
        let Some(slot) = self.slots.get(number) else {
            return;
        };
        let name = &slot.fleet.namespace.name;
        for id in forgotten {
            self.ids.remove(hashes.of_id(name, id), number);
        }
        if slot.record.is_empty() {
            shift(&totals.bytes, Size::of(&slot.record).bytes, 0);
            let address = hashes.of_spot(name, slot.record.owner(), slot.spot);
            self.owners.remove(address.hash, number);
            self.slots.remove(number);
        }
    }

    /// Makes sure that a slot is looked at when `time` has come.
    pub(super) fn look_at(&mut self, number: u32, time: Time) {
        let second = Second::not_before(time);
        let Some(slot) = self.slots.get_mut(number) else {
            return;
        };
        if slot.due.is_some_and(|due| due <= second) {
            return;
        }
        slot.due = Some(second);
        self.due.push(Reverse((second, number)));
        // Each earlier time leaves a void entry behind.
        if self.due.len() > 2 * self.slots.end() as usize + 64 {
            let slots = &self.slots;
            self.due.retain(|Reverse((second, number))| {
                slots
                    .get(*number)
                    .is_some_and(|slot| slot.due == Some(*second))
            });
        }
    }

    /// Takes the next entry that is due: the slot that it means, and since when. That slot is not due any more.
    pub(super) fn next_due(&mut self, now: Time) -> Option<Due> {
        let &Reverse((second, number)) = self.due.peek()?;
        if second.start() > now {
            return None;
        }
        self.due.pop();
        let slot = self.slots.get_mut(number);
        let Some(slot) = slot.filter(|slot| slot.due == Some(second)) else {
            return Some(Due::Void);
        };
        slot.due = None;
        Some(Due::Slot(number, second.start()))
    }

    /// Whether anything is due.
    pub(super) fn is_due(&self, now: Time) -> bool {
        self.due
            .peek()
            .is_some_and(|Reverse((second, _))| second.start() <= now)
    }
}

/// A whole second since the epoch. Owners are settled at these, so that nobody is settled for every
/// millisecond, and a million entries of the queue stay small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Second(NonZeroU32);

impl Second {
    /// The first second that does not start before a time.
    fn not_before(time: Time) -> Second {
        let seconds = time.as_millis().max(1).saturating_add(999) / 1000;
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        Second(NonZeroU32::new(seconds).unwrap_or(NonZeroU32::MIN))
    }

    fn start(self) -> Time {
        Time::from_millis(i64::from(self.0.get()) * 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::limits::Limits;
    use crate::session::names::RecordId;
    use crate::store::Namespace;
    use crate::store::memory::event_log::EventLog;

    #[test]
    fn owners_whose_hashes_are_equal_are_told_apart() {
        let fleet = |name: &str| {
            let namespace = Namespace {
                name: NamespaceName::new(name).expect("a good name"),
                limits: Limits::default(),
            };
            Arc::new(Fleet::new(
                Arc::new(namespace),
                EventLog::new(1, 1),
                Arc::default(),
            ))
        };
        let owner = |user| Owner::new("acme", user, "").expect("a good owner");
        let (here, there) = (fleet("here"), fleet("there"));
        let address = |spot| Address { hash: 7, spot };
        let mut shard = Shard::new();
        let mut places = Vec::new();
        for fleet in [&here, &there] {
            for user in ["ann", "bob", ""] {
                for spot in [0, 1] {
                    assert_eq!(shard.find(fleet, &owner(user), address(spot)), None);
                    let record = OwnerRecord::new(owner(user));
                    let number = shard.insert(fleet, address(spot), record);
                    places.push((fleet, owner(user), address(spot), number));
                }
            }
        }
        for (fleet, owner, address, number) in places {
            assert_eq!(shard.find(fleet, &owner, address), Some(number));
        }
    }

    #[test]
    fn what_a_record_forgets_leaves_no_trace() {
        let id = |text| SessionId::known(text).expect("a good id");
        let ids = [id("the-first-session-id"), id("the-second-session-id")];
        let (hashes, totals) = (Hashes::default(), Totals::default());
        let limits = Limits::default();
        let name = NamespaceName::new("here").expect("a good name");
        let namespace = Arc::new(Namespace { name, limits });
        let fleet = Arc::new(Fleet::new(
            Arc::clone(&namespace),
            EventLog::new(1, 1),
            Arc::default(),
        ));
        let owner = Owner::new("acme", "ann", "idp").expect("a good owner");
        let address = hashes.of_owner(&namespace.name, &owner);
        let mut shard = Shard::new();
        let number = shard.insert(&fleet, address, OwnerRecord::new(owner.clone()));
        shard.conclude(&hashes, &totals, number, Size::default(), Vec::new(), None);
        for id in &ids {
            let created = Event {
                at: Time::from_millis(1),
                what: What::Session {
                    owner: owner.clone(),
                    id: id.clone(),
                    record_id: RecordId(1),
                    conversation: None,
                    provider_session_id: None,
                    revision: 1,
                    change: Change::Created,
                },
            };
            shard.index(&hashes, number, &created);
            let hash = hashes.of_id(&namespace.name, id);
            assert_eq!(shard.bearing(hash), [number]);
        }
        shard.forget(&hashes, &totals, number, &ids);
        assert!(shard.ids.is_empty() && shard.owners.is_empty() && shard.logins.is_empty());
        assert!(shard.slot(number).is_none());
        assert_eq!(totals.bytes.into_inner(), 0);
    }

    #[test]
    fn what_is_gone_is_taken_from_the_queue_one_by_one() {
        let (hashes, totals) = (Hashes::default(), Totals::default());
        let name = NamespaceName::new("here").expect("a good name");
        let limits = Limits::default();
        let namespace = Arc::new(Namespace { name, limits });
        let fleet = Arc::new(Fleet::new(
            Arc::clone(&namespace),
            EventLog::new(1, 1),
            Arc::default(),
        ));
        let mut shard = Shard::new();
        let now = Time::from_millis(10_000);
        for user in ["ann", "bob", "cid"] {
            let owner = Owner::new("acme", user, "").expect("a good owner");
            let address = hashes.of_owner(&namespace.name, &owner);
            let number = shard.insert(&fleet, address, OwnerRecord::new(owner));
            shard.look_at(number, now);
            if user != "cid" {
                shard.forget(&hashes, &totals, number, &[]);
            }
        }
        // The third took the place of one that is gone, and the queue knows it once.
        let mut taken = Vec::new();
        while let Some(due) = shard.next_due(now) {
            taken.push(matches!(due, Due::Slot(..)));
        }
        taken.sort_unstable();
        assert_eq!(taken, [false, false, true]);
        assert!(!shard.is_due(now));
    }

    #[test]
    fn seconds_do_not_start_early() {
        for (millis, second) in [(-5, 1), (0, 1), (1000, 1), (1001, 2), (i64::MAX, u32::MAX)] {
            let found = Second::not_before(Time::from_millis(millis));
            assert_eq!(found.0.get(), second);
        }
    }
}
