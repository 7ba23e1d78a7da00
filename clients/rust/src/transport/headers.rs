//! What travels beside a request: who calls, for which user, as part of which trace, and under which correlation id.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use tonic::metadata::{Ascii, MetadataMap, MetadataValue};

use crate::error::Error;
use crate::options::Options;

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Coming = Pin<Box<dyn Future<Output = Result<String, Failure>> + Send>>;

/// A token, or what gives one.
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

impl Token {
    /// A function that is asked for the token before every request.
    pub(crate) fn from_fn<F, T, E>(token: F) -> Token
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<Failure>,
    {
        Token::Fresh(Arc::new(move || {
            let token = token();
            Box::pin(async move { token.await.map_err(Into::into) })
        }))
    }

    async fn value(&self, option: &str, scheme: &str) -> Result<MetadataValue<Ascii>, Error> {
        match self {
            Token::Fixed(token) => header(option, scheme, token),
            Token::Fresh(token) => {
                let token = token()
                    .await
                    .map_err(|error| Error::token(option, error.as_ref()))?;
                header(option, scheme, &token)
            }
        }
    }
}

/// What one call says of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beside {
    pub(crate) correlation_id: Option<String>,
    /// Proves the owner, where a namespace wants that.
    pub(crate) user_token: Option<Token>,
}

/// The header's value. A token that does not fit is refused without being shown.
fn header(option: &str, scheme: &str, token: &str) -> Result<MetadataValue<Ascii>, Error> {
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let why = "is empty, or holds characters that no header may hold";
        return Err(Error::refused(option, why));
    }
    let value = format!("{scheme}{token}").parse::<MetadataValue<Ascii>>();
    let mut value = value.map_err(|_| Error::refused(option, "does not fit into a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

const BEARER: &str = "Bearer ";

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
    /// Why no user's token may be sent, if so.
    unencrypted: Option<Error>,
}

#[derive(Debug)]
enum Authorization {
    Ready(MetadataValue<Ascii>),
    Asked(Token),
}

impl Headers {
    pub(super) fn new(options: &Options) -> Result<Headers, Error> {
        let authorization = match &options.token {
            Some(Token::Fixed(token)) => {
                Some(Authorization::Ready(header("token", BEARER, token)?))
            }
            Some(token) => Some(Authorization::Asked(token.clone())),
            None => None,
        };
        Ok(Headers {
            authorization,
            trace: options.trace.clone(),
            unencrypted: options.keeps_secret("user_token").err(),
        })
    }

    pub(super) async fn add(
        &self,
        beside: &Beside,
        headers: &mut MetadataMap,
    ) -> Result<(), Error> {
        match &self.authorization {
            Some(Authorization::Ready(value)) => {
                headers.insert("authorization", value.clone());
            }
            Some(Authorization::Asked(token)) => {
                headers.insert("authorization", token.value("token", BEARER).await?);
            }
            None => {}
        }
        if let Some(token) = &beside.user_token {
            if let Some(error) = &self.unencrypted {
                return Err(error.clone());
            }
            headers.insert("tenure-user-token", token.value("user_token", "").await?);
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
        if let Some(id) = &beside.correlation_id {
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
            let error = header("token", BEARER, token).expect_err("refused");
            let text = error.to_string();
            assert!(!text.contains("nary"), "{text}");
        }
        assert!(!format!("{:?}", header("token", BEARER, "canary")).contains("canary"));
    }
}
