//! How an operation runs: the rules on one owner's record, under the lock of its shard, and what follows
//! from it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::MemoryStore;
use super::fleet::moment;
use super::shard::{Address, Size};
use crate::session::event::{Change, Event, What};
use crate::session::limits::LimitName;
use crate::session::owner_record::{Moment, OwnerRecord};
use crate::session::refusal::Refusal;
use crate::session::time::Time;
use crate::store::{Answer, Place, StoreError};

/// What an operation may make, beyond changing what is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Growth {
    pub(super) sessions: usize,
    /// At most so many bytes; `None`: it must be done, room or no room.
    pub(super) bytes: Option<usize>,
    /// The shortest time after which something that it makes may be over.
    pub(super) soonest: Option<Duration>,
}

impl MemoryStore {
    /// How often an operation that finds no room is tried again after giving back what is over.
    const TRIES: usize = 2;

    /// Runs an operation that can only read and slide.
    pub(super) fn read_record<T>(
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
        shard.fetch(number);
        let marks = fleet.marks.concerning(&place.owner);
        let moment = moment(&place.namespace, self.clock.now(), place.by, &marks);
        let slot = shard.slot_mut(number).ok_or(Refusal::NotFound)?;
        read(&mut slot.record, &moment)
    }

    /// Runs an operation that changes or makes an owner's record.
    pub(super) fn change_record<T>(
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
        if let Some(number) = found {
            shard.fetch(number);
        }
        let marks = fleet.marks.concerning(&place.owner);
        let mut moment = moment(&place.namespace, self.clock.now(), place.by, &marks);
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
    pub(super) fn grow_record<T>(
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
    pub(super) fn has_room(&self, sessions: usize, bytes: usize) -> bool {
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

pub(super) fn leaves_tombstone(event: &Event) -> bool {
    matches!(
        event.what,
        What::Session {
            change: Change::Ended(_) | Change::Rotated { .. },
            ..
        }
    )
}
