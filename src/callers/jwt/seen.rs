//! Tokens that were checked lately. A signature costs more than a whole call, and a caller shows the same
//! token with every call until it expires.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

/// The hash of a token. Tokens themselves are not kept.
type Hash = [u8; 32];

/// What is remembered: the issuer, which of its key sets it was checked with, and what it stands for.
type Remembered<T> = (usize, u64, Arc<T>);

struct Entry<T> {
    until_seconds: i64,
    remembered: Remembered<T>,
}

/// At most twice `HALF` tokens: when the younger half is full, the older one is forgotten.
pub(super) struct Seen<T> {
    halves: RwLock<Halves<T>>,
}

struct Halves<T> {
    young: HashMap<Hash, Entry<T>>,
    old: HashMap<Hash, Entry<T>>,
}

const HALF: usize = 8192;

impl<T> Default for Seen<T> {
    fn default() -> Seen<T> {
        Seen {
            halves: RwLock::new(Halves {
                young: HashMap::new(),
                old: HashMap::new(),
            }),
        }
    }
}

impl<T> Seen<T> {
    /// What is remembered of a token that has not expired.
    pub(super) fn get(&self, hash: &Hash, now_seconds: i64) -> Option<Remembered<T>> {
        let halves = self.halves.read();
        let entry = halves.young.get(hash).or_else(|| halves.old.get(hash))?;
        (now_seconds < entry.until_seconds).then(|| {
            let (issuer, generation, subject) = &entry.remembered;
            (*issuer, *generation, Arc::clone(subject))
        })
    }

    /// Remembers one that was found sound.
    pub(super) fn put(&self, hash: Hash, until_seconds: i64, remembered: Remembered<T>) {
        let mut halves = self.halves.write();
        if halves.young.len() >= HALF {
            halves.old = std::mem::take(&mut halves.young);
        }
        let entry = Entry {
            until_seconds,
            remembered,
        };
        halves.young.insert(hash, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: usize) -> Hash {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.to_le_bytes());
        hash
    }

    #[test]
    fn a_token_is_remembered_until_it_expires() {
        let seen = Seen::default();
        seen.put(hash(1), 100, (0, 7, Arc::new("crm")));
        let (issuer, generation, subject) = seen.get(&hash(1), 99).expect("remembered");
        assert_eq!((issuer, generation, *subject), (0, 7, "crm"));
        assert!(seen.get(&hash(1), 100).is_none());
        assert!(seen.get(&hash(2), 0).is_none());
    }

    #[test]
    fn there_is_room_for_so_many_and_no_more() {
        let seen = Seen::default();
        for number in 0..5 * HALF {
            seen.put(hash(number), 100, (0, 0, Arc::new(())));
        }
        let halves = seen.halves.read();
        assert!(halves.young.len() + halves.old.len() <= 2 * HALF);
        drop(halves);
        assert!(seen.get(&hash(5 * HALF - 1), 0).is_some(), "the youngest");
        assert!(seen.get(&hash(0), 0).is_none(), "the oldest");
    }
}
