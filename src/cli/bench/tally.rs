//! What came of the calls: how many, how long they took, and what went wrong.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::work::Rpc;

/// Latencies are kept to three digits, so that a tally takes some hundred KiB however many there are.
const DIGITS: u8 = 3;

/// An hour: longer than anybody waits for an answer.
const LONGEST_NANOS: u64 = 3600 * 1_000_000_000;

/// What came of some calls.
#[derive(Debug, Default)]
pub(super) struct Tally {
    calls: BTreeMap<Rpc, Calls>,
    errors: BTreeMap<String, u64>,
    /// Calls whose time came, but which were never made: nothing was free to make them.
    pub(super) unsent: u64,
    first: Option<Instant>,
    last: Option<Instant>,
}

/// The calls of one RPC.
#[derive(Debug)]
pub(super) struct Calls {
    /// In nanoseconds, of those that were answered as they should be.
    pub(super) latencies: Histogram<u64>,
    pub(super) failed: u64,
}

impl Default for Calls {
    fn default() -> Calls {
        Calls {
            latencies: Histogram::new_with_max(LONGEST_NANOS, DIGITS)
                .expect("bounds that it knows"),
            failed: 0,
        }
    }
}

impl Tally {
    /// From when its rate counts.
    pub(super) fn since(begin: Instant) -> Tally {
        Tally {
            first: Some(begin),
            ..Tally::default()
        }
    }

    pub(super) fn count(
        &mut self,
        rpc: Rpc,
        intended: Instant,
        ended: Instant,
        outcome: Result<(), String>,
    ) {
        let calls = self.calls.entry(rpc).or_default();
        self.last = self.last.max(Some(ended));
        match outcome {
            Ok(()) => {
                let nanos = ended.saturating_duration_since(intended).as_nanos();
                calls
                    .latencies
                    .saturating_record(u64::try_from(nanos).unwrap_or(u64::MAX));
            }
            Err(reason) => {
                calls.failed += 1;
                *self.errors.entry(reason).or_default() += 1;
            }
        }
    }

    pub(super) fn add(&mut self, other: Tally) {
        for (rpc, calls) in other.calls {
            let mine = self.calls.entry(rpc).or_default();
            mine.failed += calls.failed;
            mine.latencies += calls.latencies;
        }
        for (reason, count) in other.errors {
            *self.errors.entry(reason).or_default() += count;
        }
        self.unsent += other.unsent;
        self.first = self.first.into_iter().chain(other.first).min();
        self.last = self.last.max(other.last);
    }

    pub(super) fn calls(&self) -> &BTreeMap<Rpc, Calls> {
        &self.calls
    }

    pub(super) fn errors(&self) -> &BTreeMap<String, u64> {
        &self.errors
    }

    pub(super) fn errors_in_words(&self) -> String {
        let each = self.errors.iter();
        let words: Vec<String> = each.map(|(reason, n)| format!("{n} x {reason}")).collect();
        words.join(", ")
    }

    /// All RPCs together.
    pub(super) fn total(&self) -> Calls {
        let mut total = Calls::default();
        for calls in self.calls.values() {
            total.failed += calls.failed;
            total.latencies += &calls.latencies;
        }
        total
    }

    /// Calls that were answered as they should be.
    pub(super) fn answered(&self) -> u64 {
        self.calls.values().map(|calls| calls.latencies.len()).sum()
    }

    /// From the first call's time to the last one's answer.
    pub(super) fn elapsed(&self) -> Duration {
        match (self.first, self.last) {
            (Some(first), Some(last)) => last.saturating_duration_since(first),
            _ => Duration::ZERO,
        }
    }
}
