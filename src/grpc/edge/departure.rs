//! What an answer passes on its way out, up to its last frame: it gets its correlation id, and the call is
//! measured.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;
use tracing::Span;

use super::correlation::CorrelationId;
use crate::call::Operation;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::label::{Code, Method, System};
use crate::telemetry::trace;

/// A call that is being served. One that is dropped before its end was cancelled.
pub(super) struct Taking {
    metrics: Arc<Metrics>,
    method: Method,
    began: Instant,
    code: Option<Code>,
    /// Open until the call has ended, if it is recorded.
    span: Span,
}

impl Taking {
    /// A call begins.
    pub(super) fn begin(metrics: &Arc<Metrics>, operation: Option<Operation>) -> Taking {
        Taking {
            metrics: Arc::clone(metrics),
            method: Method(operation),
            began: Instant::now(),
            code: None,
            span: Span::none(),
        }
    }

    /// The call has this span.
    pub(super) fn traced(&mut self, span: &Span) {
        self.span = span.clone();
    }

    /// Its answer says how it ended.
    fn ends_with(&mut self, metadata: &HeaderMap) {
        let status = metadata.get(Status::GRPC_STATUS);
        self.code = Some(status.map_or(Code::UNKNOWN, |status| Code::of(status.as_bytes())));
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        let code = self.code.unwrap_or(Code::CANCELLED);
        let took = self.began.elapsed();
        trace::ended(&self.span, code.name());
        let labels = (System::Grpc, self.method, code);
        self.metrics.rpc_duration.record(labels, took);
    }
}

/// Sees an answer out.
pub(super) fn attend(
    mut answer: Response<Body>,
    correlation: CorrelationId,
    mut taking: Taking,
) -> Response<Departure> {
    if answer.headers().contains_key(Status::GRPC_STATUS) {
        // An answer without a message: its headers are its trailers.
        taking.ends_with(answer.headers());
        correlation.put_into(answer.headers_mut());
        return answer.map(|body| Departure { body, due: None });
    }
    answer.map(|body| Departure {
        body,
        due: Some((correlation, taking)),
    })
}

/// A body up to its trailers.
pub struct Departure {
    body: Body,
    due: Option<(CorrelationId, Taking)>,
}

impl HttpBody for Departure {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let mut frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &mut frame
            && let Some(trailers) = frame.trailers_mut()
            && let Some((correlation, mut taking)) = self.due.take()
        {
            taking.ends_with(trailers);
            correlation.put_into(trailers);
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
