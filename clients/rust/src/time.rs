//! Times and durations: in text, and on the wire.

use std::time::{Duration, SystemTime};

use serde::Serializer;

use crate::error::Error;

/// A time in RFC 3339, in UTC.
pub fn show_time(time: SystemTime) -> String {
    prost_types::Timestamp::from(time).to_string()
}

/// Reads a time in RFC 3339.
///
/// # Errors
/// When it is none.
pub fn parse_time(text: &str) -> Result<SystemTime, Error> {
    let why = || {
        Error::refused(
            "time",
            format!("{text:?} is not RFC 3339, like 2026-07-28T12:00:00Z"),
        )
    };
    let timestamp: prost_types::Timestamp = text.parse().map_err(|_| why())?;
    SystemTime::try_from(timestamp).map_err(|_| why())
}

pub(crate) fn rfc3339<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&show_time(*time))
}

#[expect(clippy::ref_option, reason = "serde passes the field by reference")]
pub(crate) fn rfc3339_or_null<S: Serializer>(
    time: &Option<SystemTime>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => rfc3339(time, serializer),
        None => serializer.serialize_none(),
    }
}

pub(crate) fn seconds<S: Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if duration.subsec_nanos() == 0 {
        serializer.serialize_u64(duration.as_secs())
    } else {
        serializer.serialize_f64(duration.as_secs_f64())
    }
}

#[expect(clippy::ref_option, reason = "serde passes the field by reference")]
pub(crate) fn seconds_or_null<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => seconds(duration, serializer),
        None => serializer.serialize_none(),
    }
}

pub(crate) fn time(
    field: &str,
    timestamp: Option<prost_types::Timestamp>,
) -> Result<SystemTime, Error> {
    timestamp
        .and_then(|timestamp| SystemTime::try_from(timestamp).ok())
        .ok_or_else(|| Error::malformed(field))
}

pub(crate) fn duration_to_wire(
    field: &str,
    duration: Duration,
) -> Result<prost_types::Duration, Error> {
    prost_types::Duration::try_from(duration).map_err(|_| Error::refused(field, "is too long"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_back() {
        let time = parse_time("2026-07-28T12:00:00.250Z").expect("a time");
        assert_eq!(show_time(time), "2026-07-28T12:00:00.250Z");
        assert!(parse_time("yesterday").is_err());
    }
}
