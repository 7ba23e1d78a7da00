//! Answers and errors as the vectors want to see them.

use serde_json::{Map, Value, json};
use tenure_client::{
    Code, Credential, EndReason, Error, ErrorKind, Event, Invalidated, InvalidationReason,
    McpContext, Owner, Selector, Session, TokenSet, Watched, show_time,
};

/// An object without what is null, empty or 0.
fn without_unset(value: Value) -> Value {
    let Value::Object(fields) = value else {
        return value;
    };
    let set = |value: &Value| !(value.is_null() || value == "" || value == 0);
    let fields = fields.into_iter().filter(|(_, value)| set(value));
    Value::Object(fields.collect())
}

pub(crate) fn session(session: &Session, more: &Value) -> Value {
    let mut shown = json!({
        "id": session.id,
        "namespace": session.namespace,
        "owner": owner(&session.owner),
        "conversation_id": session.conversation_id.as_deref().unwrap_or_default(),
        "labels": session.labels,
        "revision": session.revision,
        "created_at": show_time(session.created_at),
        "last_used_at": show_time(session.last_used_at),
        "idle_ttl": session.idle_ttl.as_secs_f64(),
        "idle_expires_at": show_time(session.idle_expires_at),
        "expires_at": show_time(session.expires_at),
        "authenticated_at": show_time(session.authenticated_at),
        "provider_session_id": session.provider_session_id.as_deref().unwrap_or_default(),
        "credential_names": session.credential_names,
    });
    if let Some(state) = &session.state {
        shown["state"] = Value::Object(state.clone());
    }
    if let Some(context) = &session.mcp {
        shown["mcp"] = mcp(context);
    }
    for (name, value) in more.as_object().into_iter().flatten() {
        shown[name] = value.clone();
    }
    shown
}

fn owner(owner: &Owner) -> Value {
    json!({"tenant": owner.tenant, "user": owner.user, "issuer": owner.issuer})
}

fn mcp(mcp: &McpContext) -> Value {
    json!({
        "initialize_params_json": mcp.initialize_params_json,
        "protocol_version": mcp.protocol_version,
        "initialized": mcp.initialized,
        "log_level": mcp.log_level,
        "resource_subscriptions": mcp.resource_subscriptions,
    })
}

pub(crate) fn invalidated(done: Invalidated) -> Value {
    let mut shown = Map::new();
    for (name, count) in [
        ("ended_count", done.ended_count),
        ("estimated_count", done.estimated_count),
    ] {
        if let Some(count) = count {
            shown.insert(name.to_owned(), count.into());
        }
    }
    shown.into()
}

fn selector(selector: &Selector) -> Value {
    match selector {
        Selector::SessionId(id) => json!({"session_id": id}),
        Selector::Owner(whose) => json!({"owner": owner(whose)}),
        Selector::Subject { issuer, user } => {
            json!({"subject": {"issuer": issuer, "user": user}})
        }
        Selector::ProviderSession {
            issuer,
            provider_session_id,
        } => {
            json!({"provider_session": {"issuer": issuer, "provider_session_id": provider_session_id}})
        }
        Selector::Tenant(tenant) => json!({"tenant": tenant}),
        Selector::Issuer(issuer) => json!({"issuer": issuer}),
        Selector::All => json!({"all": true}),
    }
}

pub(crate) fn watched(watched: &Watched) -> Value {
    match watched {
        Watched::StartedAnew => json!({"started_anew": true}),
        Watched::Event(event) => self::event(event),
    }
}

fn event(event: &Event) -> Value {
    without_unset(json!({
        "event_id": event.event_id,
        "kind": event.kind.as_str(),
        "occurred_at": show_time(event.occurred_at),
        "namespace": event.namespace,
        "owner": event.owner.as_ref().map(owner),
        "session_id": event.session_id,
        "previous_session_id": event.previous_session_id,
        "conversation_id": event.conversation_id,
        "revision": event.revision,
        "end_reason": event.end_reason.map(EndReason::as_str),
        "invalidation_reason": event.invalidation_reason.map(InvalidationReason::as_str),
        "selector": event.selector.as_ref().map(selector),
        "authenticated_until": event.authenticated_until.map(show_time),
    }))
}

pub(crate) fn credential(credential: &Credential) -> Value {
    use base64::Engine as _;
    match credential {
        Credential::Opaque(secret) => {
            json!({"opaque": base64::engine::general_purpose::STANDARD.encode(secret)})
        }
        Credential::OAuth(tokens) => json!({"oauth": token_set(tokens)}),
    }
}

fn token_set(tokens: &TokenSet) -> Value {
    let mut shown = json!({
        "access_token": tokens.access_token,
        "refresh_token": tokens.refresh_token,
        "token_type": tokens.token_type,
        "scopes": tokens.scopes,
        "issuer": tokens.issuer,
        "audience": tokens.audience,
    });
    if let Some(end) = tokens.expires_at {
        shown["expires_at"] = show_time(end).into();
    }
    shown
}

pub(crate) fn error(error: &Error) -> Value {
    let code = if error.is_refused() {
        "CLIENT"
    } else {
        code(error.code())
    };
    let mut shown = json!({"reason": error.reason(), "code": code});
    match error.kind() {
        ErrorKind::SessionEnded(EndReason::Invalidated(why)) => {
            shown["end_reason"] = why.as_str().into();
        }
        ErrorKind::RevisionMismatch {
            current: Some(revision),
        } => shown["revision"] = (*revision).into(),
        _ => {}
    }
    if let Some(limit) = error.limit() {
        shown["limit"] = limit.name.clone().into();
        for (name, number) in [("maximum", limit.maximum), ("asked", limit.asked)] {
            if let Some(number) = number {
                shown[name] = number.into();
            }
        }
    }
    let fields = error.violations().iter();
    let fields: Vec<_> = fields.map(|violation| violation.field.as_str()).collect();
    if !fields.is_empty() {
        shown["fields"] = fields.into();
    }
    shown
}

fn code(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
