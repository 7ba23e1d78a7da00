//! What those see of sessions who run the service.

use std::sync::Arc;

use super::MemoryStore;
use super::fleet::{Fleet, moment};
use super::shard::Slot;
use crate::session::filter::Filter;
use crate::session::marks::Mark;
use crate::session::names::{CallerTag, SessionId};
use crate::session::record::{Meta, Session};
use crate::session::refusal::Refusal;
use crate::session::story::Story;
use crate::session::time::Time;
use crate::store::inspection::{Found, Position, Slice};
use crate::store::{Answer, Namespace};

/// Where a slice begins: a shard, a slot in it, and within the slot behind which id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    shard: usize,
    slot: u32,
    behind: Option<SessionId>,
}

impl MemoryStore {
    /// Owners that are looked at under one lock.
    const INSPECT_SLICE: u32 = 128;

    /// A slice: what one lock is held for, which is not long.
    pub(super) fn slice(
        &self,
        namespace: &Namespace,
        filter: &Filter,
        after: Option<&Position>,
        most: usize,
    ) -> Answer<Slice> {
        let mut slice = Slice::default();
        let Some(fleet) = self.fleet(&namespace.name) else {
            return Ok(slice);
        };
        let mut place = match after {
            None => Place::default(),
            Some(position) => Place::read(position).ok_or_else(bad_position)?,
        };
        if let Some(owner) = filter.one_owner() {
            let address = self.hashes.of_owner(&namespace.name, &owner);
            let shard = self.shard(address);
            let most = most.max(1);
            if let Some(number) = shard.find(&fleet, &owner, address)
                && let Some(slot) = shard.slot(number)
            {
                let behind = place.behind.as_ref();
                let now = self.clock.now();
                let cut = look(&fleet, slot, filter, now, behind, most, &mut slice);
                slice.next = cut.map(|behind| {
                    place.behind = Some(behind);
                    place.position()
                });
            }
            return Ok(slice);
        }
        let Some(shard) = self.shards.get(place.shard) else {
            return Ok(slice);
        };
        let shard = shard.lock();
        let now = self.clock.now();
        let end = shard
            .end()
            .min(place.slot.saturating_add(Self::INSPECT_SLICE));
        while place.slot < end {
            if slice.found.len() >= most {
                slice.next = Some(place.position());
                return Ok(slice);
            }
            let behind = place.behind.take();
            if let Some(slot) = shard.slot(place.slot)
                && Arc::ptr_eq(&slot.fleet, &fleet)
            {
                let cut = look(&fleet, slot, filter, now, behind.as_ref(), most, &mut slice);
                if cut.is_some() {
                    place.behind = cut;
                    slice.next = Some(place.position());
                    return Ok(slice);
                }
            }
            place.slot += 1;
        }
        if place.slot >= shard.end() {
            place = Place {
                shard: place.shard + 1,
                ..Place::default()
            };
        }
        slice.next = (place.shard < self.shards.len()).then(|| place.position());
        Ok(slice)
    }

    /// The stories of all sessions that bear an id, or bore it.
    pub(super) fn stories(&self, namespace: &Namespace, id: &SessionId) -> Vec<Story> {
        let Some(fleet) = self.fleet(&namespace.name) else {
            return Vec::new();
        };
        let hash = self.hashes.of_id(&namespace.name, id);
        let mut stories = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            for number in shard.bearing(hash) {
                let Some(slot) = shard.slot(number) else {
                    continue;
                };
                if !Arc::ptr_eq(&slot.fleet, &fleet) {
                    continue;
                }
                let wide = fleet.marks.of(slot.record.owner());
                let marks: Vec<Mark> = wide.iter().map(|(_, mark)| mark.clone()).collect();
                let now = self.clock.now();
                let moment = moment(namespace, now, CallerTag::NOBODY, &marks);
                stories.extend(slot.record.inspect(&moment, id, &wide));
            }
        }
        stories
    }
}

/// Adds an owner's sessions that are alive and meant, behind an id. Where to go on, if there was no room for all.
fn look(
    fleet: &Fleet,
    slot: &Slot,
    filter: &Filter,
    now: Time,
    behind: Option<&SessionId>,
    most: usize,
    slice: &mut Slice,
) -> Option<SessionId> {
    let owner = slot.record.owner();
    let of_owner = slot.record.unended();
    // One that has nothing is soon looked at, too.
    slice.looked += if behind.is_none() { of_owner } else { 0 };
    if of_owner == 0 || !filter.admits_owner(owner) {
        return None;
    }
    let marks = fleet.marks.concerning(owner);
    let moment = moment(&fleet.namespace, now, CallerTag::NOBODY, &marks);
    let mut last = behind.cloned();
    for (id, record) in slot.record.alive(&moment) {
        if behind.is_some_and(|behind| id <= behind) {
            continue;
        }
        if slice.found.len() >= most {
            return last;
        }
        let meta = Meta {
            mcp: None,
            ..record.kept.meta()
        };
        if filter.admits(&meta, now) {
            slice.found.push(Found {
                owner: owner.clone(),
                state: (record.state.plain_len_bytes(), record.state.entries().len()),
                session: Session {
                    id: id.clone(),
                    meta,
                    state: None,
                    credential_names: record.kept.credential_names(),
                },
                of_owner,
            });
        }
        last = Some(id.clone());
    }
    None
}

fn bad_position() -> Refusal {
    Refusal::invalid("page_token", "is not a token that this service gave")
}

impl Place {
    fn position(&self) -> Position {
        let behind = self.behind.as_ref().map(SessionId::text);
        let behind = behind.as_deref().unwrap_or_default();
        Position(format!("{}.{}.{behind}", self.shard, self.slot))
    }

    fn read(position: &Position) -> Option<Place> {
        let mut parts = position.0.splitn(3, '.');
        let (shard, slot, behind) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Place {
            shard: shard.parse().ok()?,
            slot: slot.parse().ok()?,
            behind: match behind {
                "" => None,
                id => Some(SessionId::known(id).ok()?),
            },
        })
    }
}
