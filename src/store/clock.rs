//! The clock of a store: never runs backwards, and stands still for tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::session::time::Time;

/// Tells a store the time. Clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Hands>);

#[derive(Debug)]
struct Hands {
    /// What a clock shows that is moved by hand.
    by_hand: Option<AtomicI64>,
    /// The latest time that anybody was told.
    latest: AtomicI64,
}

impl Clock {
    /// This machine's clock. When it is set back, time stands still until it has caught up.
    pub fn system() -> Clock {
        Clock(Arc::new(Hands {
            by_hand: None,
            latest: AtomicI64::new(i64::MIN),
        }))
    }

    /// A clock that stands still until it is moved.
    pub fn stopped_at(time: Time) -> Clock {
        Clock(Arc::new(Hands {
            by_hand: Some(AtomicI64::new(time.as_millis())),
            latest: AtomicI64::new(i64::MIN),
        }))
    }

    /// Moves a stopped clock forwards; a running one is left alone.
    pub fn advance(&self, by: Duration) {
        self.turn(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
    }

    /// Sets a stopped clock back, as a machine's clock is now and then. Nobody is told an earlier time.
    pub fn set_back(&self, by: Duration) {
        self.turn(-i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
    }

    /// The time: at least as late as anybody has been told before.
    pub fn now(&self) -> Time {
        let shown = match &self.0.by_hand {
            Some(time) => time.load(Ordering::Acquire),
            None => Time::from_system_clock().as_millis(),
        };
        // Most calls share a millisecond with the one before and need not write.
        let latest = self.0.latest.load(Ordering::Acquire);
        if shown <= latest {
            return Time::from_millis(latest);
        }
        let before = self.0.latest.fetch_max(shown, Ordering::AcqRel);
        Time::from_millis(before.max(shown))
    }

    fn turn(&self, millis: i64) {
        if let Some(time) = &self.0.by_hand {
            time.fetch_add(millis, Ordering::AcqRel);
        }
    }
}
