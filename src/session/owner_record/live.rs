//! The sessions of one owner that have not been ended.

use std::{mem, slice};

use crate::session::names::SessionId;
use crate::session::record::Record;

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
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    id: SessionId,
    record: Record,
}

impl Live {
    pub(super) fn len(&self) -> usize {
        match self {
            Live::None => 0,
            Live::One(_) => 1,
            Live::Several(entries) => entries.len(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn get(&self, id: &SessionId) -> Option<&Record> {
        let entry = match self {
            Live::None => return None,
            Live::One(entry) => entry,
            Live::Several(entries) => &*entries[place(entries, id).ok()?],
        };
        (entry.id == *id).then_some(&entry.record)
    }

    pub(super) fn get_mut(&mut self, id: &SessionId) -> Option<&mut Record> {
        let entry = match self {
            Live::None => return None,
            Live::One(entry) => entry,
            Live::Several(entries) => {
                let place = place(entries, id).ok()?;
                &mut *entries[place]
            }
        };
        (entry.id == *id).then_some(&mut entry.record)
    }

    pub(super) fn insert(&mut self, id: SessionId, record: Record) {
        let entry = Entry { id, record };
        *self = match mem::take(self) {
            Live::None => Live::One(entry),
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
            Live::None => (None, [].as_slice()),
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
