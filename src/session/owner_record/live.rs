//! The sessions of one owner that have not been ended, and what is left of an only one that has.

use std::{mem, slice};

use crate::session::names::SessionId;
use crate::session::record::{Record, Tombstone};

/// Sessions by their ids. Most owners have one: it lies in here, without a detour. Several are a sorted
/// list, which takes a fraction of a hash map.
#[derive(Clone, Debug, Default)]
pub(super) enum Live {
    #[default]
    None,
    One(Entry),
    #[expect(
        clippy::vec_box,
        reason = "an insertion moves the others, and they are large"
    )]
    Several(Vec<Box<Entry>>),
    /// None, but the tombstone of an only one lies where it was. So a sweep that ends a million of them gives
    /// memory back, and takes none.
    Ended(SessionId, Tombstone),
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    id: SessionId,
    record: Record,
}

impl Live {
    pub(super) fn len(&self) -> usize {
        match self {
            Live::None | Live::Ended(..) => 0,
            Live::One(_) => 1,
            Live::Several(entries) => entries.len(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Asks memory for an only session's state.
    pub(super) fn fetch(&self) {
        if let Live::One(entry) = self {
            entry.record.state.fetch();
        }
    }

    /// What is left of an only session.
    pub(super) fn ended(&self) -> Option<(&SessionId, &Tombstone)> {
        match self {
            Live::Ended(id, tombstone) => Some((id, tombstone)),
            _ => None,
        }
    }

    /// Leaves a tombstone where an only session was. Gives it back where there is no room for it.
    pub(super) fn bury(
        &mut self,
        id: SessionId,
        tombstone: Tombstone,
    ) -> Option<(SessionId, Tombstone)> {
        if !matches!(self, Live::None) {
            return Some((id, tombstone));
        }
        *self = Live::Ended(id, tombstone);
        None
    }

    /// Takes what is left of an only session out.
    pub(super) fn unbury(&mut self) -> Option<(SessionId, Tombstone)> {
        match mem::take(self) {
            Live::Ended(id, tombstone) => Some((id, tombstone)),
            other => {
                *self = other;
                None
            }
        }
    }

    pub(super) fn get(&self, id: &SessionId) -> Option<&Record> {
        let entry = match self {
            Live::None | Live::Ended(..) => return None,
            Live::One(entry) => entry,
            Live::Several(entries) => &*entries[place(entries, id).ok()?],
        };
        (entry.id == *id).then_some(&entry.record)
    }

    pub(super) fn get_mut(&mut self, id: &SessionId) -> Option<&mut Record> {
        let entry = match self {
            Live::None | Live::Ended(..) => return None,
            Live::One(entry) => entry,
            Live::Several(entries) => {
                let place = place(entries, id).ok()?;
                &mut *entries[place]
            }
        };
        (entry.id == *id).then_some(&mut entry.record)
    }

    /// Adds a session. A tombstone in its place has to be taken out before.
    pub(super) fn insert(&mut self, id: SessionId, record: Record) {
        let entry = Entry { id, record };
        *self = match mem::take(self) {
            Live::None | Live::Ended(..) => Live::One(entry),
            Live::One(known) if known.id == entry.id => Live::One(entry),
            Live::One(known) => {
                let mut entries = vec![Box::new(known), Box::new(entry)];
                entries.sort_unstable_by(|a, b| a.id.cmp(&b.id));
                Live::Several(entries)
            }
            Live::Several(mut entries) => {
                match place(&entries, &entry.id) {
                    Ok(place) => *entries[place] = entry,
                    Err(place) => entries.insert(place, Box::new(entry)),
                }
                Live::Several(entries)
            }
        };
    }

    pub(super) fn remove(&mut self, id: &SessionId) -> Option<Record> {
        let (rest, removed) = match mem::take(self) {
            Live::One(entry) if entry.id == *id => (Live::None, Some(entry)),
            Live::Several(mut entries) => {
                let found = place(&entries, id).ok();
                let removed = found.map(|place| *entries.remove(place));
                let rest = if entries.len() == 1 {
                    entries.pop().map_or(Live::None, |last| Live::One(*last))
                } else {
                    Live::Several(entries)
                };
                (rest, removed)
            }
            other => (other, None),
        };
        *self = rest;
        removed.map(|entry| entry.record)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&SessionId, &Record)> {
        let (one, several) = match self {
            Live::None | Live::Ended(..) => (None, [].as_slice()),
            Live::One(entry) => (Some(entry), [].as_slice()),
            Live::Several(entries) => (None, entries.as_slice()),
        };
        let several: slice::Iter<'_, Box<Entry>> = several.iter();
        one.into_iter()
            .chain(several.map(|entry| &**entry))
            .map(|entry| (&entry.id, &entry.record))
    }
}

fn place(entries: &[Box<Entry>], id: &SessionId) -> Result<usize, usize> {
    entries.binary_search_by(|known| known.id.cmp(id))
}
