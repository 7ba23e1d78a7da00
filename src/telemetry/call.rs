//! The call that is being served, for whoever writes a line about it or begins a span.
//!
//! Not a span of `tracing`: those are made and formatted for every call, also where nobody ever reads them. This is
//! put into its place with two moves for each time that a call's task runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::trace::SpanContext;

tokio::task_local! {
    static NOW: InCall;
}

/// What every line about a call tells.
#[derive(Clone, Debug)]
pub struct InCall {
    /// The method's name.
    pub rpc: &'static str,
    /// The id under which the caller and the logs know the call.
    pub correlation_id: Arc<str>,
    /// The trace that it is part of, if it is. Boxed: most calls have none, and would carry its room.
    pub trace: Option<Box<SpanContext>>,
    /// Whether the trace is recorded here.
    pub sampled: bool,
    /// Whether nobody knows what has become of it.
    pub in_doubt: InDoubt,
}

/// Whether a step of a call was left without an answer.
#[derive(Debug, Default)]
pub struct InDoubt(AtomicBool);

impl Clone for InDoubt {
    fn clone(&self) -> InDoubt {
        InDoubt(AtomicBool::new(self.0.load(Ordering::Relaxed)))
    }
}

impl InCall {
    /// The id of the trace that the call is part of.
    pub fn trace_id(&self) -> Option<String> {
        let trace = self.trace.as_ref()?;
        Some(trace.trace_id().to_string())
    }
}

/// Does work that belongs to a call.
pub fn within<T>(call: InCall, work: impl Future<Output = T>) -> impl Future<Output = T> {
    NOW.scope(call, work)
}

/// Work that goes on beside the call that has begun it, and belongs to it still.
pub fn carried<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    resumed(now(), work)
}

/// The call that is being served, for work that is done for it later.
pub fn now() -> Option<InCall> {
    NOW.try_with(InCall::clone).ok()
}

/// Work for a call that was served before, if it was one.
pub async fn resumed<T>(call: Option<InCall>, work: impl Future<Output = T>) -> T {
    match call {
        Some(call) => within(call, work).await,
        None => work.await,
    }
}

/// The answer to a step of the call is lost: it may have been done.
pub fn leave_in_doubt() {
    look(|call| call.in_doubt.0.store(true, Ordering::Relaxed));
}

/// Whether a step of the call may have been done although it failed.
pub fn is_in_doubt() -> bool {
    look(|call| call.in_doubt.0.load(Ordering::Relaxed)).unwrap_or(false)
}

/// Looks at the call that is being served, if one is.
pub(super) fn look<T>(look: impl FnOnce(&InCall) -> T) -> Option<T> {
    NOW.try_with(look).ok()
}
