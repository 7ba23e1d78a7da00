//! The correlation id: in every log line of a call, and in the trailing metadata of its answer.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::Status;
use uuid::Uuid;

use crate::mint;

const HEADER: HeaderName = HeaderName::from_static("tenure-correlation-id");
const MAX_LEN: usize = 128;

/// The id of a call: the caller's own, if it sent a sound one.
pub(super) struct CorrelationId(HeaderValue);

impl CorrelationId {
    pub(super) fn of(headers: &HeaderMap) -> CorrelationId {
        let own = headers.get(&HEADER).filter(|id| {
            (1..=MAX_LEN).contains(&id.len())
                && id
                    .as_bytes()
                    .iter()
                    .all(|byte| (0x21..=0x7E).contains(byte))
        });
        CorrelationId(own.cloned().unwrap_or_else(minted))
    }

    pub(super) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// Adds the id to the trailing metadata, wherever the answer has it.
    pub(super) fn attach(self, mut answer: Response<Body>) -> Response<Body> {
        if answer.headers().contains_key(Status::GRPC_STATUS) {
            // An answer without a message: its headers are its trailers.
            answer.headers_mut().insert(HEADER, self.0);
            return answer;
        }
        answer.map(|body| {
            Body::new(WithTrailer {
                body,
                id: Some(self.0),
            })
        })
    }
}

fn minted() -> HeaderValue {
    let uuid = mint::uuid();
    HeaderValue::from_str(
        uuid.as_hyphenated()
            .encode_lower(&mut Uuid::encode_buffer()),
    )
    .expect("hexadecimal digits and hyphens")
}

/// A body that gets one more trailer.
struct WithTrailer {
    body: Body,
    id: Option<HeaderValue>,
}

impl HttpBody for WithTrailer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &mut frame
            && let Some(trailers) = frame.trailers_mut()
            && let Some(id) = self.id.take()
        {
            trailers.insert(HEADER, id);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
