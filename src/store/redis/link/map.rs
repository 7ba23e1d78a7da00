//! Who has which slot.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use crate::config::redis::Address;
use crate::store::redis::link::node::Node;
use crate::store::redis::link::slots::{Range, SLOTS};

/// What the scout brings back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// One primary has everything.
    One(Address),
    /// Each has a share.
    Many(Vec<Range>),
}

/// The same, with the servers themselves.
pub(super) struct Map {
    found: Found,
    primaries: Vec<Arc<Node>>,
    /// For each slot the place in `primaries`, or `NOBODY`. Empty: the first one has all.
    owners: Box<[u16]>,
    /// Whether slots have moved since the scout was out.
    amended: bool,
}

const NOBODY: u16 = u16::MAX;

impl Found {
    fn primaries(&self) -> HashSet<&Address> {
        match self {
            Found::One(address) => HashSet::from([address]),
            Found::Many(ranges) => ranges.iter().map(|range| &range.primary).collect(),
        }
    }
}

impl Map {
    pub(super) fn build<E>(
        found: &Found,
        mut node_at: impl FnMut(&Address) -> Result<Arc<Node>, E>,
    ) -> Result<Map, E> {
        let mut map = Map {
            found: found.clone(),
            primaries: Vec::new(),
            owners: Box::default(),
            amended: false,
        };
        match found {
            Found::One(address) => map.primaries.push(node_at(address)?),
            Found::Many(ranges) => {
                map.owners = vec![NOBODY; SLOTS].into_boxed_slice();
                for range in ranges {
                    let place = match map.place_of(&range.primary) {
                        Some(place) => place,
                        None => map.add(node_at(&range.primary)?),
                    };
                    if let Some(slots) = map
                        .owners
                        .get_mut(usize::from(range.first)..=usize::from(range.last))
                    {
                        slots.fill(place);
                    }
                }
            }
        }
        Ok(map)
    }

    fn place_of(&self, address: &Address) -> Option<u16> {
        let known = |node: &Arc<Node>| node.address == *address;
        u16::try_from(self.primaries.iter().position(known)?).ok()
    }

    fn add(&mut self, node: Arc<Node>) -> u16 {
        self.primaries.push(node);
        u16::try_from(self.primaries.len() - 1).unwrap_or(NOBODY)
    }

    /// The same with a slot at another of the primaries. `None`: nothing changes, or it is none of those that are
    /// known.
    pub(super) fn amend(&self, slot: u16, primary: &Address) -> Option<Map> {
        let place = self.place_of(primary)?;
        if *self.owners.get(usize::from(slot))? == place {
            return None;
        }
        let mut owners = self.owners.clone();
        *owners.get_mut(usize::from(slot))? = place;
        Some(Map {
            found: self.found.clone(),
            primaries: self.primaries.clone(),
            owners,
            amended: true,
        })
    }

    /// Who has the slot.
    pub(super) fn primary_of(&self, slot: u16) -> Option<Arc<Node>> {
        let place = match self.owners.get(usize::from(slot)) {
            Some(place) => usize::from(*place),
            None => 0,
        };
        self.primaries.get(place).cloned()
    }

    pub(super) fn primaries(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.primaries.iter()
    }

    pub(super) fn has(&self, node: &Arc<Node>) -> bool {
        self.primaries
            .iter()
            .any(|primary| Arc::ptr_eq(primary, node))
    }

    /// Everybody in it, replicas too.
    pub(super) fn members(&self) -> Vec<Address> {
        let mut members: Vec<_> = self
            .primaries
            .iter()
            .map(|node| node.address.clone())
            .collect();
        if let Found::Many(ranges) = &self.found {
            members.extend(
                ranges
                    .iter()
                    .flat_map(|range| range.replicas.iter().cloned()),
            );
        }
        members.sort();
        members.dedup();
        members
    }

    pub(super) fn says(&self, found: &Found) -> bool {
        self.found == *found && !self.amended
    }

    /// Whether the same servers are primaries, whoever has which slots.
    pub(super) fn has_the_primaries_of(&self, other: &Map) -> bool {
        let primaries = |map: &Map| {
            let mut addresses: Vec<_> = map
                .primaries
                .iter()
                .map(|node| node.address.clone())
                .collect();
            addresses.sort();
            addresses
        };
        primaries(self) == primaries(other)
    }

    /// Whether what was found is a failover, not a mere move of slots: a primary is none any more, or one that
    /// stood by has slots now. What the old one had acknowledged may be lost.
    pub(super) fn loses_primary_to(&self, found: &Found) -> bool {
        let (old, new) = (self.found.primaries(), found.primaries());
        let stood_by: HashSet<&Address> = match &self.found {
            Found::One(_) => HashSet::new(),
            Found::Many(ranges) => ranges.iter().flat_map(|range| &range.replicas).collect(),
        };
        old.iter().any(|address| !new.contains(address))
            || new.iter().any(|address| stood_by.contains(address))
    }
}

impl fmt::Display for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, node) in self.primaries.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{}", node.address)?;
        }
        Ok(())
    }
}
