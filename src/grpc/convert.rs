//! Messages to operations, and answers to messages.

pub(super) mod access;
pub(super) mod admin;
pub(super) mod answer;
pub(super) mod credential;
pub(super) mod event;
pub(super) mod request;

use std::time::Duration;

use crate::session::refusal::Refusal;
use crate::session::time::Time;

fn time_of(field: &'static str, at: prost_types::Timestamp) -> Result<Time, Refusal> {
    let sound = (0..1_000_000_000).contains(&at.nanos)
        && (-62_135_596_800..=253_402_300_799).contains(&at.seconds);
    if !sound {
        return Err(Refusal::invalid(field, "is not a valid timestamp"));
    }
    Ok(Time::from_millis(
        at.seconds * 1000 + i64::from(at.nanos / 1_000_000),
    ))
}

fn timestamp(at: Time) -> prost_types::Timestamp {
    let millis = at.as_millis();
    prost_types::Timestamp {
        seconds: millis.div_euclid(1000),
        nanos: i32::try_from(millis.rem_euclid(1000) * 1_000_000).unwrap_or_default(),
    }
}

fn span_of(field: &'static str, span: prost_types::Duration) -> Result<Duration, Refusal> {
    Duration::try_from(span)
        .map(|span| Duration::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
        .map_err(|_| Refusal::invalid(field, "must be a positive duration"))
}

fn duration(span: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(span.subsec_nanos()).unwrap_or_default(),
    }
}
