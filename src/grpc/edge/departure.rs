//! What an answer passes on its way out, up to its last frame: it gets its correlation id, and the call is
//! measured.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use http_body::{Body as HttpBody, Frame};
use tonic::Status;
use tonic::body::Body;
use tonic::metadata::GRPC_CONTENT_TYPE;
use tracing::Span;

use super::correlation::CorrelationId;
use crate::call::Operation;
use crate::grpc::message::Reply;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::label::{Code, Method, System};
use crate::telemetry::trace;

/// A call that is being served. One that is dropped before its end was cancelled.
pub(super) struct Taking {
    metrics: Arc<Metrics>,
    method: Method,
    pub(super) began: Instant,
    code: Option<Code>,
    /// Open until the call has ended, if it is recorded.
    span: Span,
    correlation: Option<CorrelationId>,
}

impl Taking {
    /// A call begins.
    pub(super) fn begin(
        metrics: &Arc<Metrics>,
        operation: Option<Operation>,
        correlation: CorrelationId,
    ) -> Taking {
        Taking {
            metrics: Arc::clone(metrics),
            method: Method(operation),
            began: Instant::now(),
            code: None,
            span: Span::none(),
            correlation: Some(correlation),
        }
    }

    /// The call has this span.
    pub(super) fn traced(&mut self, span: &Span) {
        self.span = span.clone();
    }

    /// Its last metadata says how it ended, and under which id it is known.
    fn end(mut self, metadata: &mut HeaderMap) {
        let status = metadata.get(Status::GRPC_STATUS);
        self.code = Some(status.map_or(Code::UNKNOWN, |status| Code::of(status.as_bytes())));
        if let Some(correlation) = self.correlation.take() {
            correlation.put_into(metadata);
        }
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
pub(super) fn attend(told: Result<Reply, Status>, taking: Box<Taking>) -> Response<Departure> {
    match told {
        Ok(reply) => {
            let mut answer = Response::new(Departure {
                reply: Some(reply),
                taking: Some(taking),
            });
            let headers = answer.headers_mut();
            headers.insert(header::CONTENT_TYPE, GRPC_CONTENT_TYPE);
            answer
        }
        // An answer without a message: its headers are its trailers.
        Err(status) => {
            let mut answer = status.into_http();
            taking.end(answer.headers_mut());
            answer
        }
    }
}

/// A body up to its trailers.
#[derive(Default)]
pub struct Departure {
    reply: Option<Reply>,
    taking: Option<Box<Taking>>,
}

/// What others answer is not measured here.
impl From<Body> for Departure {
    fn from(body: Body) -> Departure {
        Departure {
            reply: Some(Reply::Many(body)),
            taking: None,
        }
    }
}

impl HttpBody for Departure {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Departure { reply, taking } = &mut *self;
        match reply {
            Some(Reply::One(message)) => {
                let message = std::mem::take(message);
                *reply = None;
                Poll::Ready(Some(Ok(Frame::data(message))))
            }
            Some(Reply::Many(body)) => {
                let mut frame = ready!(Pin::new(body).poll_frame(cx));
                if let Some(Ok(frame)) = &mut frame
                    && let Some(trailers) = frame.trailers_mut()
                    && let Some(taking) = taking.take()
                {
                    taking.end(trailers);
                }
                Poll::Ready(frame)
            }
            None => Poll::Ready(taking.take().map(|taking| {
                let mut trailers = HeaderMap::with_capacity(2);
                trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
                taking.end(&mut trailers);
                Ok(Frame::trailers(trailers))
            })),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.reply {
            Some(Reply::One(_)) => false,
            Some(Reply::Many(body)) => body.is_end_stream(),
            None => self.taking.is_none(),
        }
    }
}
