//! The caller's deadline.

use std::time::Duration;

use http::HeaderMap;

/// What is left of the caller's deadline, if it set one.
pub(super) fn of(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    let left = match unit {
        "H" => Duration::from_secs(amount * 3600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    };
    Some(left)
}

/// Does the work, or gives up at the deadline. What is dropped half-way has happened wholly or not at all:
/// a store's step is one.
pub(super) async fn within<T>(
    deadline: Option<Duration>,
    work: impl Future<Output = T>,
) -> Option<T> {
    match deadline {
        None => Some(work.await),
        Some(left) => tokio::time::timeout(left, work).await.ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read_and_nonsense_is_no_deadline() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", text.parse().expect("a header value"));
            of(&headers)
        };
        assert_eq!(read("1H"), Some(Duration::from_millis(3_600_000)));
        assert_eq!(read("2M"), Some(Duration::from_millis(120_000)));
        assert_eq!(read("3S"), Some(Duration::from_millis(3_000)));
        assert_eq!(read("500m"), Some(Duration::from_millis(500)));
        assert_eq!(read("5000u"), Some(Duration::from_millis(5)));
        assert_eq!(read("1n"), Some(Duration::from_nanos(1)));
        for nonsense in ["", "S", "1", "1x", "-1S", "123456789S"] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
    }
}
