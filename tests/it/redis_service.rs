//! The whole service over Redis: real processes of both, real failures. What TENURE_TESTS_LONG makes longer says
//! so.

mod failover;
mod instances;
mod load;
mod outages;
mod refusals;
mod reshard;
mod wide;

use std::time::{Duration, Instant};

use crate::support::redis::DEADLINE;

/// Where the sessions of these tests are.
const NAMESPACE: &str = "crm";

/// Polls until it is so, and leaves the runtime to others meanwhile.
#[track_caller]
fn eventually(what: &str, is_so: impl FnMut() -> bool) -> impl Future<Output = ()> {
    eventually_within(DEADLINE, what, is_so)
}

/// The same for what is much work, of which a busy machine does little in a minute.
#[track_caller]
fn eventually_within(
    limit: Duration,
    what: &str,
    mut is_so: impl FnMut() -> bool,
) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let until = Instant::now() + limit;
        while !is_so() {
            assert!(
                Instant::now() < until,
                "not within {limit:?}: {what} ({caller})"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
