//! A call in the audit: begun before anything of it is looked at, ended with what its caller is told.

use std::net::SocketAddr;
use std::sync::Arc;

use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::audit::{Outcome, Trail};
use crate::events::Events;
use crate::grpc::message::Reply;
use crate::sessions::{Error, Operation};
use crate::telemetry::call::{self, InCall};

/// Begins the record of a call, where there is an audit.
pub(super) fn begin(
    events: &Events,
    operation: Operation,
    call: &InCall,
    peer: SocketAddr,
) -> Option<Arc<Trail>> {
    events.begin(|| crate::audit::Origin {
        operation: operation.name(),
        peer: Some(peer),
        correlation_id: (*call.correlation_id).to_owned(),
        trace_id: call.trace_id().unwrap_or_default(),
    })
}

/// Ends it. Where the namespace wants every call recorded, the answer waits for it, and who cannot be
/// recorded is not told that it was done.
pub(super) async fn end(trail: &Trail, told: Result<Reply, Status>) -> Result<Reply, Status> {
    let code = told.as_ref().err().map_or(Code::Ok, Status::code);
    let reason = told
        .as_ref()
        .err()
        .and_then(StatusExt::get_details_error_info)
        .map_or_else(String::new, |info| info.reason);
    let outcome = match outcome(code) {
        Outcome::Failed if call::is_in_doubt() => Outcome::Unknown,
        outcome => outcome,
    };
    match trail.finish(outcome, &reason).await {
        // What was not done anyway is told as it is.
        Err(unrecorded) if code == Code::Ok => Err(Error::from(unrecorded).into()),
        _ => told,
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
