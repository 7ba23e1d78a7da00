//! The caller's deadline: for the call, and for all that its answer streams.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};
use tonic::Status;
use tonic::body::Body;

use crate::sessions::Error;

const HEADER: HeaderName = HeaderName::from_static("grpc-timeout");

/// When the caller's deadline is, if it set one.
pub(super) fn of(headers: &HeaderMap) -> Option<Instant> {
    let left = left(headers)?;
    Instant::now().checked_add(left)
}

fn left(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(&HEADER)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(amount * 3600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

/// Does the work, or gives up at the deadline; what is past its deadline is not begun. What is dropped
/// half-way has happened wholly or not at all: a store's step is one.
pub(super) async fn within<T>(
    deadline: Option<Instant>,
    work: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    match deadline {
        None => Some(work.await),
        Some(deadline) if deadline <= Instant::now() => None,
        Some(deadline) => timeout_at(deadline, work).await.ok(),
    }
}

/// Ends messages that are still coming at the deadline.
pub(super) fn bound(deadline: Option<Instant>, body: Body) -> Body {
    let Some(deadline) = deadline else {
        return body;
    };
    Body::new(Bounded {
        body,
        deadline: Box::pin(sleep_until(deadline)),
        over: false,
    })
}

struct Bounded {
    body: Body,
    deadline: Pin<Box<Sleep>>,
    over: bool,
}

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if frame.is_pending() && self.deadline.as_mut().poll(cx).is_ready() {
            self.over = true;
            let mut trailers = HeaderMap::new();
            let status = Status::from(Error::DeadlineExceeded);
            if status.add_header(&mut trailers).is_ok() {
                return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
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
            left(&headers)
        };
        assert_eq!(read("1H"), Some(Duration::from_hours(1)));
        assert_eq!(read("2M"), Some(Duration::from_mins(2)));
        assert_eq!(read("3S"), Some(Duration::from_secs(3)));
        assert_eq!(read("500m"), Some(Duration::from_millis(500)));
        assert_eq!(read("5000u"), Some(Duration::from_millis(5)));
        assert_eq!(read("1n"), Some(Duration::from_nanos(1)));
        for nonsense in ["", "S", "1", "1x", "-1S", "123456789S"] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
    }
}
