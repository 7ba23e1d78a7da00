//! When a call is repeated, and after how long.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// How long to wait after an attempt, the first being 1: at least what the service asks for, doubling, capped, and
/// fully jittered, so that clients do not come back at once.
pub(crate) fn pause(attempt: u32, asked: Option<Duration>) -> Duration {
    let jitter = longest(attempt).mul_f64(random());
    match asked {
        Some(asked) => asked + jitter,
        None => jitter.max(SHORTEST_PAUSE),
    }
}

fn longest(attempt: u32) -> Duration {
    FIRST_PAUSE
        .saturating_mul(1 << (attempt.max(1) - 1).min(10))
        .min(LONGEST_PAUSE)
}

/// Between 0 and 1. A UUID is random enough to spread clients, and already at hand.
fn random() -> f64 {
    let bytes = uuid::Uuid::new_v4().into_bytes();
    f64::from(u16::from_be_bytes([bytes[14], bytes[15]])) / f64::from(u16::MAX)
}

/// A token bucket over all calls of a client: when most calls fail, repeating them would only add load. A
/// repetition takes a token, a call that succeeds gives a tenth of one back.
#[derive(Debug)]
pub(crate) struct Budget(AtomicI64);

impl Budget {
    /// In tenths: 20 tokens.
    const FULL: i64 = 200;
    const TOKEN: i64 = 10;

    pub(crate) fn full() -> Budget {
        Budget(AtomicI64::new(Budget::FULL))
    }

    pub(crate) fn earn(&self) {
        // The usual case is a full budget: then nothing is written. Calls that end at once may overshoot by a
        // tenth each, which is no harm.
        if self.0.load(Ordering::Relaxed) < Budget::FULL {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether there is a token for a repetition.
    pub(crate) fn take(&self) -> bool {
        let taken = |left: i64| (left >= Budget::TOKEN).then_some(left - Budget::TOKEN);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_cap() {
        for attempt in 1..40 {
            let pause = pause(attempt, None);
            assert!(
                pause >= SHORTEST_PAUSE && pause <= longest(attempt),
                "{attempt}: {pause:?}"
            );
        }
        assert_eq!(longest(1), FIRST_PAUSE);
        assert_eq!(longest(2), FIRST_PAUSE * 2);
        assert_eq!(longest(30), LONGEST_PAUSE);
        assert!(pause(1, Some(Duration::from_secs(3))) >= Duration::from_secs(3));
    }

    #[test]
    fn the_budget_ends_and_grows_again() {
        let budget = Budget::full();
        assert_eq!((0..40).take_while(|_| budget.take()).count(), 20);
        for _ in 0..9 {
            budget.earn();
        }
        assert!(!budget.take());
        budget.earn();
        assert!(budget.take());
    }
}
