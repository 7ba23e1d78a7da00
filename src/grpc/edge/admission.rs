//! Admission: more calls than the service can hold are turned away at once, but never an ending.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::sessions::{Error, Operation};
use crate::telemetry::Metrics;

/// The calls in progress.
pub(super) struct Admission {
    places: Arc<Semaphore>,
}

/// A call that was let in; dropping it makes room.
pub(super) enum Admitted {
    /// It takes one of the places.
    InPlace { _permit: OwnedSemaphorePermit },
    /// It has a lane of its own.
    OwnLane,
}

impl Admission {
    pub(super) fn new(max_in_flight: usize, metrics: &Metrics) -> Admission {
        let limit = max_in_flight.min(Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(limit));
        metrics.calls_limit.set_count((), limit);
        let seen = Arc::clone(&places);
        metrics.ask_before_reading(move |metrics| {
            let taken = limit.saturating_sub(seen.available_permits());
            metrics.calls_in_flight.set_count((), taken);
        });
        Admission { places }
    }

    pub(super) fn admit(&self, operation: Operation) -> Result<Admitted, Error> {
        // Calls that take access away are served however busy the service is.
        if operation.is_ending() {
            return Ok(Admitted::OwnLane);
        }
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(permit) => Ok(Admitted::InPlace { _permit: permit }),
            Err(_full) => Err(Error::Overloaded),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_house_turns_calls_away_but_never_an_ending() {
        let metrics = Metrics::new([]);
        let admission = Admission::new(1, &metrics);
        let in_flight = |count| format!("\ntenure_calls_in_flight {count}\n");
        assert!(metrics.text().contains(&in_flight(0)));
        let first = admission.admit(Operation::GetSession);
        assert!(first.is_ok());
        assert!(metrics.text().contains(&in_flight(1)));
        let second = admission.admit(Operation::GetSession);
        assert!(matches!(second, Err(Error::Overloaded)));
        let ending = admission.admit(Operation::InvalidateSessions);
        assert!(ending.is_ok());
        drop(first);
        let third = admission.admit(Operation::GetSession);
        assert!(third.is_ok());
    }
}
