//! The sessions of one owner that have not been ended.

use std::mem;

use crate::session::names::SessionId;
use crate::session::record::Record;

/// Sessions by their ids. Most owners have one or a few: a sorted list takes a fraction of a hash map.
#[derive(Clone, Debug, Default)]
pub(super) struct Live(Vec<(SessionId, Box<Record>)>);

impl Live {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, id: &SessionId) -> Option<&Record> {
        let place = self.place(id).ok()?;
        Some(&*self.0[place].1)
    }

    pub(super) fn get_mut(&mut self, id: &SessionId) -> Option<&mut Record> {
        let place = self.place(id).ok()?;
        Some(&mut *self.0[place].1)
    }

    pub(super) fn insert(&mut self, id: SessionId, record: Record) {
        if self.0.is_empty() {
            // The first is mostly the only one.
            self.0.reserve_exact(1);
        }
        match self.place(&id) {
            Ok(place) => self.0[place].1 = Box::new(record),
            Err(place) => self.0.insert(place, (id, Box::new(record))),
        }
    }

    pub(super) fn remove(&mut self, id: &SessionId) -> Option<Record> {
        let place = self.place(id).ok()?;
        let (_, record) = self.0.remove(place);
        if self.0.is_empty() {
            drop(mem::take(&mut self.0));
        }
        Some(*record)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&SessionId, &Record)> {
        self.0.iter().map(|(id, record)| (id, &**record))
    }

    fn place(&self, id: &SessionId) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.cmp(id))
    }
}
