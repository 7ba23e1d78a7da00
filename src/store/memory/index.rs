//! From a keyed hash to slots: eight bytes for each entry, whatever it stands for.

use hashbrown::HashTable;

/// Slots by a hash of something that their records hold. Who asks verifies: two things may share a hash.
#[derive(Debug, Default)]
pub(super) struct Index(HashTable<Entry>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    hash: u32,
    slot: u32,
}

impl Entry {
    /// The hash table wants both ends of a hash well mixed.
    fn spread(self) -> u64 {
        u64::from(self.hash) << 32 | u64::from(self.hash)
    }
}

impl Index {
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The slots under a hash.
    pub(super) fn find(&self, hash: u64) -> impl Iterator<Item = u32> {
        let hash = short(hash);
        let wanted = Entry { hash, slot: 0 }.spread();
        self.0
            .iter_hash(wanted)
            .filter(move |entry| entry.hash == hash)
            .map(|entry| entry.slot)
    }

    /// Adds a slot under a hash, once.
    pub(super) fn insert(&mut self, hash: u64, slot: u32) {
        let entry = Entry {
            hash: short(hash),
            slot,
        };
        self.0
            .entry(
                entry.spread(),
                |known| *known == entry,
                |known| known.spread(),
            )
            .or_insert(entry);
    }

    /// Removes a slot from under a hash.
    pub(super) fn remove(&mut self, hash: u64, slot: u32) {
        let entry = Entry {
            hash: short(hash),
            slot,
        };
        if let Ok(found) = self.0.find_entry(entry.spread(), |known| *known == entry) {
            found.remove();
        }
    }
}

/// The half of a hash that no shard is chosen by.
#[expect(clippy::cast_possible_truncation, reason = "half of it is enough")]
fn short(hash: u64) -> u32 {
    hash as u32
}
