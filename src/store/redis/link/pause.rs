//! How long to wait before trying again.

use std::time::Duration;

/// Doubles from one wait to the next, and is spread, so that instances that lost the same server do not come
/// back to it in step.
pub(super) struct Pause {
    first: Duration,
    most: Duration,
    next: Duration,
}

impl Pause {
    pub(super) fn new(first: Duration, most: Duration) -> Pause {
        Pause {
            first,
            most,
            next: first,
        }
    }

    pub(super) fn reset(&mut self) {
        self.next = self.first;
    }

    /// Between half and all of what it has grown to.
    pub(super) fn next(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(self.most);
        // Not worth a generator: a fresh hasher's keys are random.
        let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0_u8);
        let half = whole / 2;
        let nanos = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX).max(1);
        half + Duration::from_nanos(random % nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_its_bound_and_varies() {
        let most = Duration::from_millis(400);
        let mut pause = Pause::new(Duration::from_millis(50), most);
        for whole in [50, 100, 200, 400, 400] {
            let next = pause.next();
            let whole = Duration::from_millis(whole);
            assert!(next >= whole / 2 && next <= whole, "{next:?} of {whole:?}");
        }
        pause.reset();
        assert!(pause.next() <= Duration::from_millis(50));
        let several: std::collections::HashSet<_> =
            (0..20).map(|_| Pause::new(most, most).next()).collect();
        assert!(several.len() > 1);
    }
}
