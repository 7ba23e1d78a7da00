//! What every call passes on its way in and out: a correlation id, who calls, admission, the deadline, a net
//! under panics, and error details on what the transport itself refuses.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::StdError;
use tower::Service;
use tracing::Instrument as _;

use super::services::Services;
use super::{Peer, status};
use crate::audit::Trail;
use crate::call::{Call, Operation};
use crate::callers::Authenticator;
use crate::config;
use crate::events::Events;
use crate::sessions::Error;
use crate::telemetry::Metrics;
use crate::telemetry::call::{self, InCall, InDoubt};
use crate::telemetry::metrics::label::Barred;
use crate::telemetry::trace::{self, Traced};

mod admission;
mod correlation;
mod deadline;
mod departure;
mod known;
mod recorded;

pub use known::KnownCallers;

use admission::{Admission, Admitted};
use correlation::CorrelationId;
pub use departure::Departure;
use departure::Taking;

const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// What the edge stands on. All calls share it.
struct Ground {
    services: Services,
    authenticator: Arc<Authenticator>,
    admission: Admission,
    events: Arc<Events>,
    metrics: Arc<Metrics>,
    max_message_bytes: usize,
}

/// The services with the edge around them.
#[derive(Clone)]
pub struct Edge(Arc<Ground>);

impl Edge {
    /// Puts the edge around the services.
    pub(super) fn around(
        services: Services,
        authenticator: Arc<Authenticator>,
        events: &Arc<Events>,
        config: &config::Grpc,
        metrics: Arc<Metrics>,
    ) -> Edge {
        Edge(Arc::new(Ground {
            services,
            authenticator,
            admission: Admission::new(config.max_in_flight, &metrics),
            events: Arc::clone(events),
            metrics,
            max_message_bytes: config.max_message_bytes,
        }))
    }

    /// Whether a path is one of the services'.
    pub fn knows(path: &str) -> bool {
        Operation::at(path).is_some()
    }
}

/// An answer on its way out.
pub type Answer = Response<Departure>;

impl<B> Service<Request<B>> for Edge
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<StdError> + Send,
{
    type Response = Answer;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Answer, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.answer(request)
    }
}

impl Edge {
    /// Answers a call.
    pub fn answer<B>(
        &self,
        mut request: Request<B>,
    ) -> BoxFuture<'static, Result<Answer, Infallible>>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<StdError> + Send,
    {
        let edge = Arc::clone(&self.0);
        let correlation = CorrelationId::of(request.headers());
        let operation = Operation::at(request.uri().path());
        let mut taking = Taking::begin(&edge.metrics, operation);
        let Some(operation) = operation else {
            let answer = status::method_unknown().into_http();
            let answer = departure::attend(answer, correlation, taking);
            return Box::pin(std::future::ready(Ok(answer)));
        };
        let Traced { context, span } = trace::call(request.headers(), &operation.path()[1..]);
        taking.traced(&span);
        let correlation_id: Arc<str> = correlation.as_str().into();
        let in_call = InCall {
            rpc: operation.name(),
            correlation_id: Arc::clone(&correlation_id),
            trace: context,
            sampled: !span.is_none(),
            in_doubt: InDoubt::default(),
        };
        let trail = recorded::begin(&edge.events, operation, &in_call, peer(&request));
        let answer = async move {
            let deadline = deadline::of(request.headers());
            let compressed = is_compressed(request.headers());
            // A panic costs its call, not the process. Nothing of the call is looked at again.
            let work = AssertUnwindSafe(async {
                let call = edge
                    .call(&mut request, operation, correlation_id, trail.clone())
                    .await?;
                let _admitted = edge.admit(operation)?;
                request.extensions_mut().insert(call);
                let Ok(answer) = edge.services.call(operation, request).await;
                Ok(answer)
            });
            let answer = match deadline::within(deadline, work.catch_unwind()).await {
                None => refused(Error::DeadlineExceeded),
                Some(Ok(Ok(answer))) if operation.is_stream() => deadline::bound(deadline, answer),
                Some(Ok(Ok(answer))) => answer,
                Some(Ok(Err(error))) => refused(error),
                Some(Err(_panic)) => refused(Error::Internal),
            };
            let answer = edge.explain(answer, compressed);
            let answer = match trail {
                None => answer,
                Some(trail) => recorded::end(&trail, answer).await,
            };
            Ok(departure::attend(answer, correlation, taking))
        };
        let answer = call::within(in_call, answer);
        if span.is_none() {
            Box::pin(answer)
        } else {
            Box::pin(answer.instrument(span))
        }
    }
}

impl Ground {
    /// What is known of a call before its message is read. The secrets that it shows go no further.
    async fn call<B>(
        &self,
        request: &mut Request<B>,
        operation: Operation,
        correlation_id: Arc<str>,
        trail: Option<Arc<Trail>>,
    ) -> Result<Call, Error> {
        let caller = known::caller(&self.authenticator, request)
            .await
            .inspect_err(|_| self.metrics.calls_barred.one((Barred::Unknown,)))?;
        Ok(Call {
            caller,
            operation,
            correlation_id,
            peer: peer(request),
            user_token: known::take_user_token(request.headers_mut()),
            trail,
        })
    }

    fn admit(&self, operation: Operation) -> Result<Admitted, Error> {
        let admitted = self.admission.admit(operation);
        admitted.inspect_err(|_| self.metrics.calls_shed.one(()))
    }

    /// Gives what the transport refused by itself the details that every error carries.
    fn explain(&self, answer: Response<Body>, compressed: bool) -> Response<Body> {
        let headers = answer.headers();
        let Some(code) = headers.get(Status::GRPC_STATUS) else {
            return answer;
        };
        if code == "0" || headers.contains_key("grpc-status-details-bin") {
            return answer;
        }
        match tonic::Code::from_bytes(code.as_bytes()) {
            tonic::Code::Internal => status::malformed().into_http(),
            tonic::Code::OutOfRange | tonic::Code::ResourceExhausted => {
                status::too_large(self.max_message_bytes).into_http()
            }
            tonic::Code::Unimplemented if compressed => {
                status::compression_unsupported().into_http()
            }
            tonic::Code::Unimplemented => status::method_unknown().into_http(),
            _ => answer,
        }
    }
}

fn peer<B>(request: &Request<B>) -> Option<SocketAddr> {
    request.extensions().get::<Peer>().map(|peer| peer.address)
}

fn refused<B: Default>(error: Error) -> Response<B> {
    Status::from(error).into_http()
}

fn is_compressed(headers: &HeaderMap) -> bool {
    headers
        .get(&ENCODING)
        .is_some_and(|encoding| encoding != "identity")
}
