//! Points in time, as the rules count them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time: milliseconds since the Unix epoch.
///
/// The rules never ask a clock. They are told the time, so that a test can jump and every store can use
/// its own clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// Earlier than everything that happens.
    pub const EARLIEST: Time = Time(i64::MIN);

    /// So many milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Time {
        Time(millis)
    }

    /// Milliseconds after the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// What this machine's clock says.
    pub fn from_system_clock() -> Time {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Time(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }

    /// This much later.
    #[must_use]
    pub fn after(self, span: Duration) -> Time {
        Time(
            self.0
                .saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// How long it is from `earlier` to here; zero if `earlier` is later.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The last moment that this time may stand for.
    ///
    /// Identity providers count in whole seconds, so a time without milliseconds may be any moment of its
    /// second. An ending that is known to the second covers that whole second: when in doubt, the session
    /// is dead.
    #[must_use]
    pub fn latest_meant(self) -> Time {
        if self.0.rem_euclid(1000) == 0 {
            Time(self.0.saturating_add(999))
        } else {
            self
        }
    }
}
