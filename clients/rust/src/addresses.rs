//! The addresses of a service: calls go round, and pass over those that are away.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::time::Instant;

/// How long an address is passed over, in milliseconds. Then one call finds out whether it is back.
const PASSED_OVER_MS: u64 = 1000;

/// What is behind each address.
#[derive(Debug)]
pub(crate) struct Addresses<T> {
    all: Vec<Address<T>>,
    turn: AtomicUsize,
    began: Instant,
}

#[derive(Debug)]
struct Address<T> {
    behind: T,
    /// Until when it is passed over, in milliseconds since `began`; 0: it is well.
    away_until: AtomicU64,
}

/// Which address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(usize);

impl<T> Addresses<T> {
    pub(crate) fn new(all: impl IntoIterator<Item = T>) -> Addresses<T> {
        let address = |behind| Address {
            behind,
            away_until: AtomicU64::new(0),
        };
        Addresses {
            all: all.into_iter().map(address).collect(),
            turn: AtomicUsize::new(0),
            began: Instant::now(),
        }
    }

    /// The next one that is not away. When all are, the next one: there is nothing to lose.
    pub(crate) fn next(&self) -> (Place, &T) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let places = (0..self.all.len()).map(|offset| (turn + offset) % self.all.len());
        let place = places
            .into_iter()
            .find(|place| self.may_be_called(*place))
            .unwrap_or(turn % self.all.len());
        (Place(place), &self.all[place].behind)
    }

    /// It has answered.
    pub(crate) fn is_well(&self, Place(place): Place) {
        let away_until = &self.all[place].away_until;
        // The usual case is that it was well before: then nothing is written.
        if away_until.load(Ordering::Relaxed) != 0 {
            away_until.store(0, Ordering::Relaxed);
        }
    }

    /// It cannot be reached, or is going down.
    pub(crate) fn is_away(&self, Place(place): Place) {
        let until = self.now() + PASSED_OVER_MS;
        self.all[place].away_until.store(until, Ordering::Relaxed);
    }

    /// Whether there is one that is well, as far as is known.
    pub(crate) fn has_one_that_is_well(&self) -> bool {
        let mut all = self.all.iter();
        all.any(|address| address.away_until.load(Ordering::Relaxed) == 0)
    }

    fn may_be_called(&self, place: usize) -> bool {
        let away_until = &self.all[place].away_until;
        let until = away_until.load(Ordering::Relaxed);
        if until == 0 {
            return true;
        }
        let now = self.now();
        // Only one call finds out; the others pass it over once more.
        let next = now + PASSED_OVER_MS;
        let exchange =
            || away_until.compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed);
        now >= until && exchange().is_ok()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(addresses: &Addresses<char>, count: usize) -> String {
        (0..count).map(|_| addresses.next().1).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_away_is_passed_over_and_tried_again_by_one_call() {
        let addresses = Addresses::new(['a', 'b']);
        assert_eq!(turns(&addresses, 4), "abab");
        let (place, _) = addresses.next();
        addresses.is_away(place);
        assert!(addresses.has_one_that_is_well());
        assert_eq!(turns(&addresses, 4), "bbbb");
        tokio::time::advance(std::time::Duration::from_millis(PASSED_OVER_MS)).await;
        assert_eq!(turns(&addresses, 4).matches('a').count(), 1);
        addresses.is_well(place);
        assert_eq!(turns(&addresses, 4).matches('a').count(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_are_away_they_take_turns() {
        let addresses = Addresses::new(['a', 'b']);
        for _ in 0..2 {
            addresses.is_away(addresses.next().0);
        }
        assert!(!addresses.has_one_that_is_well());
        assert_eq!(turns(&addresses, 4), "abab");
    }
}
