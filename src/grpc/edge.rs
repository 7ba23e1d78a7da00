//! What every call passes on its way in and out: a correlation id, who calls, admission, the deadline, a net
//! under panics, and error details on what the transport itself refuses.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, Request, Response};
use tonic::Status;
use tonic::codegen::StdError;
use tower::Service;
use tracing::Instrument as _;

use super::message::Reply;
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

use admission::Admission;
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
        }))
    }
}

/// An answer on its way out.
pub type Answer = Response<Departure>;

/// What is asked, until the services have it.
struct Asked<B> {
    operation: Operation,
    came: Instant,
    correlation_id: Arc<str>,
    headers: HeaderMap,
    body: B,
    peer: Peer,
    trail: Option<Arc<Trail>>,
}

impl Edge {
    /// Answers a call.
    pub fn answer<B>(
        &self,
        operation: Operation,
        request: Request<B>,
        peer: &Peer,
    ) -> BoxFuture<'static, Result<Answer, Infallible>>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<StdError>,
    {
        let edge = Arc::clone(&self.0);
        let (head, body) = request.into_parts();
        let correlation = CorrelationId::of(&head.headers);
        let correlation_id: Arc<str> = correlation.as_str().into();
        let Traced { context, span } = trace::call(&head.headers, &operation.path()[1..]);
        let mut taking = Box::new(Taking::begin(&edge.metrics, Some(operation), correlation));
        taking.traced(&span);
        let in_call = InCall {
            rpc: operation.name(),
            correlation_id: Arc::clone(&correlation_id),
            trace: context.map(Box::new),
            sampled: !span.is_none(),
            in_doubt: InDoubt::default(),
        };
        let mut asked = Asked {
            operation,
            came: taking.began,
            correlation_id,
            headers: head.headers,
            body,
            peer: peer.clone(),
            trail: recorded::begin(&edge.events, operation, &in_call, peer.address),
        };
        let answer = call::within(in_call, async move {
            let deadline = deadline::of(&asked.headers);
            let done = {
                // A panic costs its call, not the process. Nothing of the call is looked at again.
                let work = pin!(AssertUnwindSafe(edge.serve(&mut asked)).catch_unwind());
                deadline::within(deadline, work).await
            };
            let told = match done {
                None => Err(Error::DeadlineExceeded.into()),
                Some(Ok(Ok(Reply::Many(body)))) => Ok(Reply::Many(deadline::bound(deadline, body))),
                Some(Ok(told)) => told,
                Some(Err(_panic)) => Err(Error::Internal.into()),
            };
            let told = match &asked.trail {
                None => told,
                Some(trail) => recorded::end(trail, told).await,
            };
            Ok(departure::attend(told, taking))
        });
        if span.is_none() {
            Box::pin(answer)
        } else {
            Box::pin(answer.instrument(span))
        }
    }
}

impl Ground {
    /// Does what is asked, if its caller is known and there is room. What the caller shows goes no further.
    async fn serve<B>(&self, asked: &mut Asked<B>) -> Result<Reply, Status>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin,
        B::Error: Into<StdError>,
    {
        let (operation, headers) = (asked.operation, &asked.headers);
        let caller = known::caller(&self.authenticator, headers, Some(&asked.peer))
            .await
            .inspect_err(|_| self.metrics.calls_barred.one((Barred::Unknown,)))?;
        let _admitted = self
            .admission
            .admit(operation)
            .inspect_err(|_| self.metrics.calls_shed.one(()))?;
        if is_compressed(headers) {
            return Err(status::compression_unsupported());
        }
        let call = Call {
            caller,
            operation,
            came: asked.came,
            correlation_id: Arc::clone(&asked.correlation_id),
            peer: Some(asked.peer.address),
            user_token: known::user_token(headers),
            trail: asked.trail.clone(),
        };
        self.services.answer(&call, &mut asked.body).await
    }
}

fn is_compressed(headers: &HeaderMap) -> bool {
    headers
        .get(&ENCODING)
        .is_some_and(|encoding| encoding != "identity")
}

/// For what the router knows of no service for.
impl<B> Service<Request<B>> for Edge {
    type Response = Answer;
    type Error = Infallible;
    type Future = Ready<Result<Answer, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let correlation = CorrelationId::of(request.headers());
        let taking = Taking::begin(&self.0.metrics, None, correlation);
        let told = Err(status::method_unknown());
        ready(Ok(departure::attend(told, Box::new(taking))))
    }
}
