//! A call in the audit: begun before anything of it is looked at, ended with what its caller is told.

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderMap, Request, Response};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::correlation::CorrelationId;
use super::{peer, refused};
use crate::audit::{Outcome, Trail};
use crate::events::Events;
use crate::sessions::Operation;

/// Begins the record of a call, where there is an audit.
pub(super) fn begin<B>(
    events: &Events,
    operation: Operation,
    correlation: &CorrelationId,
    request: &Request<B>,
) -> Option<Arc<Trail>> {
    events.begin(|| crate::audit::Origin {
        operation: operation.name(),
        peer: peer(request),
        correlation_id: correlation.as_str().to_owned(),
        trace_id: trace_id(request.headers()).unwrap_or_default().to_owned(),
    })
}

/// Ends it. Where the namespace wants every call recorded, the answer waits for it, and who cannot be
/// recorded is not told that it was done.
pub(super) async fn end(trail: &Trail, answer: Response<Body>) -> Response<Body> {
    let told = Status::from_header_map(answer.headers());
    let code = told.as_ref().map_or(Code::Ok, Status::code);
    let reason = told
        .and_then(|status| status.get_details_error_info())
        .map_or_else(String::new, |info| info.reason);
    match trail.finish(outcome(code), &reason).await {
        // What was not done anyway is told as it is.
        Err(unrecorded) if code == Code::Ok => refused(unrecorded.into()),
        _ => answer,
    }
}

fn outcome(code: Code) -> Outcome {
    match code {
        Code::Ok => Outcome::Ok,
        Code::Unauthenticated | Code::PermissionDenied => Outcome::Denied,
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented => Outcome::Refused,
        // A deadline that passed says nothing about whether it was done.
        Code::DeadlineExceeded | Code::Cancelled => Outcome::Unknown,
        Code::Unavailable | Code::Internal | Code::Unknown | Code::DataLoss => Outcome::Failed,
    }
}

/// The trace's id of a W3C `traceparent`.
fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let id = text.split('-').nth(1)?;
    let sound = id.len() == 32
        && id
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    sound.then_some(id)
}
