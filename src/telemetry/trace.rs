//! Traces: which calls are recorded, and their spans.
//!
//! Most are not, and those must not pay: the decision comes before a span is made. It is the caller's where the
//! call is part of a trace already, and else falls by lot.

use std::cell::Cell;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use http::{HeaderMap, HeaderName};
use opentelemetry::trace::{SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

pub use opentelemetry::trace::SpanContext;

use super::call;

/// The target of all spans that are sent. Lines of the log have others.
pub(super) const TARGET: &str = "tenure::trace";

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

static IS_ON: AtomicBool = AtomicBool::new(false);
/// Of 2^64 calls that are in no trace so many begin one.
static SHARE: AtomicU64 = AtomicU64::new(0);

/// From now on spans are recorded: of calls in a recorded trace, and of this share of those in none.
pub(super) fn begin(ratio: f64) {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of all numbers; beyond the ends it saturates"
    )]
    SHARE.store((ratio * u64::MAX as f64) as u64, Ordering::Relaxed);
    IS_ON.store(true, Ordering::Relaxed);
}

/// The trace that a call belongs to, and its span.
#[derive(Debug)]
pub struct Traced {
    /// For the lines of the log: this call's own span, or else its caller's.
    pub context: Option<SpanContext>,
    /// The span; none if the call is not recorded.
    pub span: Span,
}

/// Begins the span of a call, if it is to be recorded. `method` is the whole one, with its service.
pub fn call(headers: &HeaderMap, method: &'static str) -> Traced {
    let parent = parent(headers);
    let sampled = IS_ON.load(Ordering::Relaxed)
        && match &parent {
            Some(parent) => parent.is_sampled(),
            None => falls_to_us(),
        };
    if !sampled {
        return Traced {
            context: parent,
            span: Span::none(),
        };
    }
    let span = tracing::info_span!(
        target: TARGET,
        parent: None,
        "call",
        otel.name = method,
        otel.kind = "server",
        rpc.system.name = "grpc",
        rpc.method = method,
        rpc.response.status_code = tracing::field::Empty,
        error.type = tracing::field::Empty,
        otel.status_code = tracing::field::Empty,
    );
    if let Some(parent) = parent {
        let context = opentelemetry::Context::new().with_remote_span_context(parent);
        // It fails where nobody records spans after all.
        let _ = span.set_parent(context);
    }
    let context = span.context().span().span_context().clone();
    Traced {
        context: context.is_valid().then_some(context),
        span,
    }
}

/// Notes how a recorded call ended. What is the caller's own fault is none of the server's.
pub fn ended(span: &Span, code: &'static str) {
    if span.is_none() {
        return;
    }
    span.record("rpc.response.status_code", code);
    let faults = [
        "UNKNOWN",
        "DEADLINE_EXCEEDED",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
    ];
    if faults.contains(&code) {
        span.record("error.type", code);
        span.record("otel.status_code", "ERROR");
    }
}

/// Begins the span of something that the store is asked, if the call is recorded.
pub fn store(kind: &'static str, operation: &'static str) -> Span {
    if !call::look(|call| call.sampled).unwrap_or(false) {
        return Span::none();
    }
    tracing::info_span!(
        target: TARGET,
        "store",
        otel.name = operation,
        otel.kind = if kind == "memory" { "internal" } else { "client" },
        db.system.name = kind,
        db.operation.name = operation,
        error.type = tracing::field::Empty,
        otel.status_code = tracing::field::Empty,
    )
}

/// Notes that it could not be done, and why.
pub fn failed(span: &Span, error: &str) {
    span.record("error.type", error);
    span.record("otel.status_code", "ERROR");
}

/// Begins a request that goes out over HTTP on behalf of the call that is being served: its span, if the call is
/// recorded, and the W3C `traceparent` that it carries, if the call is in a trace.
pub fn request(method: &'static str, server: &str) -> (Span, Option<String>) {
    let of_call = call::look(|call| (call.trace.as_deref().cloned(), call.sampled));
    let Some((Some(mut context), sampled)) = of_call else {
        return (Span::none(), None);
    };
    let mut span = Span::none();
    if sampled {
        span = tracing::info_span!(
            target: TARGET,
            parent: None,
            "request",
            otel.name = method,
            otel.kind = "client",
            http.request.method = method,
            server.address = server,
            error.type = tracing::field::Empty,
            otel.status_code = tracing::field::Empty,
        );
        // It may go out on another task than the call's own.
        let parent = opentelemetry::Context::new().with_remote_span_context(context.clone());
        if span.set_parent(parent).is_ok() {
            context = span.context().span().span_context().clone();
        }
    }
    let (trace, id, flags) = (context.trace_id(), context.span_id(), context.trace_flags());
    (span, Some(format!("00-{trace}-{id}-{flags:02x}")))
}

/// The caller's span, if it sends a sound one. Of versions to come the part is read that will not change.
fn parent(headers: &HeaderMap) -> Option<SpanContext> {
    let text = headers.get(&TRACEPARENT)?.to_str().ok()?;
    let mut parts = text.trim().split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, len| {
        text.len() == len
            && text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let sound = is_hex(version, 2)
        && version != "ff"
        && (version != "00" || parts.next().is_none())
        && is_hex(trace, 32)
        && is_hex(span, 16)
        && is_hex(flags, 2);
    if !sound {
        return None;
    }
    let flags = u8::from_str_radix(flags, 16).ok()?;
    let state = headers
        .get("tracestate")
        .and_then(|state| state.to_str().ok());
    let state = state.and_then(|state| state.parse::<TraceState>().ok());
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(flags) & TraceFlags::SAMPLED,
        true,
        state.unwrap_or_default(),
    );
    context.is_valid().then_some(context)
}

/// Draws the lot.
fn falls_to_us() -> bool {
    thread_local! {
        static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(()));
    }
    let share = SHARE.load(Ordering::Relaxed);
    if share == 0 || share == u64::MAX {
        return share > 0;
    }
    // SplitMix64: a few operations, and good enough to draw lots with.
    let drawn = STATE.with(|state| {
        state.set(state.get().wrapping_add(0x9E37_79B9_7F4A_7C15));
        let mut z = state.get();
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    });
    drawn < share
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(traceparent: &str) -> Option<SpanContext> {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", traceparent.parse().expect("a header value"));
        parent(&headers)
    }

    #[test]
    fn sound_parents_are_taken_and_no_others() {
        const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
        const SPAN: &str = "b7ad6b7169203331";
        let found = of(&format!("00-{TRACE}-{SPAN}-01")).expect("sound");
        assert_eq!(found.trace_id().to_string(), TRACE);
        assert_eq!(found.span_id().to_string(), SPAN);
        assert!(found.is_sampled() && found.is_remote());
        let found = of(&format!("00-{TRACE}-{SPAN}-02")).expect("sound");
        assert!(!found.is_sampled());
        // A version to come may say more.
        assert!(of(&format!("01-{TRACE}-{SPAN}-01-more")).is_some());
        for unsound in [
            String::new(),
            TRACE.to_owned(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{TRACE}-{SPAN}-1"),
        ] {
            assert!(of(&unsound).is_none(), "{unsound}");
        }
    }

    #[test]
    fn the_lot_falls_as_often_as_it_should() {
        let before = SHARE.load(Ordering::Relaxed);
        SHARE.store(u64::MAX / 100, Ordering::Relaxed);
        let drawn = (0..100_000).filter(|_| falls_to_us()).count();
        SHARE.store(before, Ordering::Relaxed);
        assert!((700..1300).contains(&drawn), "{drawn}");
    }
}
