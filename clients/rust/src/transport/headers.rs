//! What travels beside a request: who calls, as part of which trace, and under which correlation id.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use tonic::metadata::{Ascii, MetadataMap, MetadataValue};

use crate::error::Error;

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Coming = Pin<Box<dyn Future<Output = Result<String, Failure>> + Send>>;

/// What travels as `authorization: Bearer`.
#[derive(Clone)]
pub(crate) enum Token {
    Fixed(String),
    Fresh(Arc<dyn Fn() -> Coming + Send + Sync>),
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

/// The header's value. A token that does not fit is refused without being shown.
fn bearer(token: &str) -> Result<MetadataValue<Ascii>, Error> {
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let why = "is empty, or holds characters that no header may hold";
        return Err(Error::refused("token", why));
    }
    let value = format!("Bearer {token}").parse::<MetadataValue<Ascii>>();
    let mut value = value.map_err(|_| Error::refused("token", "does not fit into a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Where a request stands in a trace, as W3C Trace Context writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// `00-TRACE_ID-SPAN_ID-FLAGS`
    pub traceparent: String,
    /// What the tracing systems add; may be empty.
    pub tracestate: String,
}

/// What tells in which trace the caller is.
#[derive(Clone)]
pub(crate) struct TraceSource(pub(crate) Arc<dyn Fn() -> Option<TraceContext> + Send + Sync>);

impl fmt::Debug for TraceSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TraceSource")
    }
}

/// The current span of OpenTelemetry, if there is one. No baggage: it may hold what is not the service's business.
#[cfg(feature = "opentelemetry")]
fn current_span() -> Option<TraceContext> {
    use opentelemetry::trace::TraceContextExt as _;

    opentelemetry::Context::map_current(|context| {
        if !context.has_active_span() {
            return None;
        }
        let span = context.span();
        let span = span.span_context();
        span.is_valid().then(|| TraceContext {
            traceparent: format!(
                "00-{}-{}-{:02x}",
                span.trace_id(),
                span.span_id(),
                span.trace_flags() & opentelemetry::TraceFlags::SAMPLED
            ),
            tracestate: span.trace_state().header(),
        })
    })
}

#[cfg(not(feature = "opentelemetry"))]
fn current_span() -> Option<TraceContext> {
    None
}

/// What all requests of a client carry.
#[derive(Debug)]
pub(super) struct Headers {
    authorization: Option<Authorization>,
    trace: Option<TraceSource>,
}

#[derive(Debug)]
enum Authorization {
    Ready(MetadataValue<Ascii>),
    Asked(Token),
}

impl Headers {
    pub(super) fn new(token: Option<&Token>, trace: Option<TraceSource>) -> Result<Headers, Error> {
        let authorization = match token {
            Some(Token::Fixed(token)) => Some(Authorization::Ready(bearer(token)?)),
            Some(token) => Some(Authorization::Asked(token.clone())),
            None => None,
        };
        Ok(Headers {
            authorization,
            trace,
        })
    }

    pub(super) async fn add(
        &self,
        correlation_id: Option<&str>,
        headers: &mut MetadataMap,
    ) -> Result<(), Error> {
        match &self.authorization {
            Some(Authorization::Ready(value)) => {
                headers.insert("authorization", value.clone());
            }
            Some(Authorization::Asked(Token::Fresh(token))) => {
                let token = token()
                    .await
                    .map_err(|error| Error::token(error.as_ref()))?;
                headers.insert("authorization", bearer(&token)?);
            }
            Some(Authorization::Asked(Token::Fixed(_))) | None => {}
        }
        let trace = match &self.trace {
            Some(source) => (source.0)(),
            None => current_span(),
        };
        if let Some(trace) = trace {
            // A trace must never keep a call from being made.
            if let Ok(value) = trace.traceparent.parse() {
                headers.insert("traceparent", value);
                if !trace.tracestate.is_empty()
                    && let Ok(value) = trace.tracestate.parse()
                {
                    headers.insert("tracestate", value);
                }
            }
        }
        if let Some(id) = correlation_id {
            let id = id
                .parse()
                .map_err(|_| Error::refused("correlation_id", "does not fit into a header"))?;
            headers.insert("tenure-correlation-id", id);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_that_do_not_fit_are_refused_without_being_shown() {
        for token in ["", "canary\n", "canary canary", "cänary"] {
            let text = bearer(token).expect_err("refused").to_string();
            assert!(!text.contains("nary"), "{text}");
        }
        assert!(!format!("{:?}", bearer("canary")).contains("canary"));
    }
}
