//! The fields of requests: what each may hold. Whoever carries requests here builds operations from these.

use std::sync::Arc;
use std::time::Duration;

use super::limits::{LimitName, Limits};
use super::names::{CredentialName, LeaseId, Owner, RequestId, SessionId};
use super::record::Mcp;
use super::refusal::Refusal;
use super::time::Time;

/// How far ahead of this instance the clock of an identity provider may be. A time in this stretch counts
/// as now; one beyond it is a mistake.
const CLOCK_TOLERANCE: Duration = Duration::from_mins(1);

/// An owner.
pub fn owner(tenant: &str, user: &str, issuer: &str) -> Result<Owner, Refusal> {
    owner_of("owner", tenant, user, issuer)
}

/// An owner somewhere else than in the field `owner`.
pub fn owner_of(
    field: &'static str,
    tenant: &str,
    user: &str,
    issuer: &str,
) -> Result<Owner, Refusal> {
    Owner::new(tenant, user, issuer).map_err(|(part, bad)| {
        let field = match (field, part) {
            ("owner", "tenant") => "owner.tenant",
            ("owner", "user") => "owner.user",
            ("owner", _) => "owner.issuer",
            _ => field,
        };
        Refusal::invalid(field, bad.0)
    })
}

/// An id that is looked up.
pub fn known_id(field: &'static str, text: &str) -> Result<SessionId, Refusal> {
    SessionId::known(text).map_err(|bad| Refusal::invalid(field, bad.0))
}

/// An id that the caller chose.
pub fn supplied_id(field: &'static str, text: &str, owner: &Owner) -> Result<SessionId, Refusal> {
    SessionId::supplied(text, owner).map_err(|bad| Refusal::invalid(field, bad.0))
}

/// A `request_id`; empty if the request is not to be repeated.
pub fn request_id(text: &str) -> Result<Option<RequestId>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    match uuid::Uuid::try_parse(text) {
        Ok(uuid) => Ok(Some(RequestId(uuid))),
        Err(_) => Err(Refusal::invalid("request_id", "must be a UUID")),
    }
}

/// A conversation; empty for none. The anonymous owner has none.
pub fn conversation(text: &str, owner: &Owner) -> Result<Option<Arc<str>>, Refusal> {
    let conversation = short_text("conversation_id", text, Limits::CONVERSATION_BYTES)?;
    if conversation.is_some() && owner.is_anonymous() {
        return Err(Refusal::invalid(
            "conversation_id",
            "must be empty when the owner has no user",
        ));
    }
    Ok(conversation)
}

/// A provider's id of a login; empty for none.
pub fn provider_session_id(text: &str) -> Result<Option<Arc<str>>, Refusal> {
    short_text("provider_session_id", text, Limits::PROVIDER_SESSION_BYTES)
}

/// The key of a claim.
pub fn claim_key(text: &str) -> Result<Box<str>, Refusal> {
    if text.is_empty() {
        return Err(Refusal::invalid("key", "must not be empty"));
    }
    if text.len() > Limits::CLAIM_KEY_BYTES {
        return Err(too_long("key", Limits::CLAIM_KEY_BYTES));
    }
    Ok(text.into())
}

/// How long a claim holds.
pub fn claim_ttl(ttl: Option<Duration>) -> Result<Duration, Refusal> {
    let ttl = ttl.ok_or_else(|| Refusal::invalid("ttl", "must be given"))?;
    within("ttl", ttl, Limits::LONGEST_CLAIM)
}

/// The name of a credential.
pub fn credential_name(field: &'static str, text: &str) -> Result<CredentialName, Refusal> {
    CredentialName::new(text).map_err(|bad| Refusal::invalid(field, bad.0))
}

/// A lease, as it was given out.
pub fn lease_id(text: &str) -> Result<LeaseId, Refusal> {
    match uuid::Uuid::try_parse(text) {
        Ok(uuid) => Ok(LeaseId(uuid)),
        Err(_) => Err(Refusal::invalid(
            "lease_id",
            "must be the lease_id that BeginRefresh gave",
        )),
    }
}

/// How long a lease holds.
pub fn lease_ttl(ttl: Option<Duration>) -> Result<Duration, Refusal> {
    within(
        "lease_ttl",
        ttl.unwrap_or(Limits::LEASE),
        Limits::LONGEST_LEASE,
    )
}

/// How long to wait for another caller's refresh. Longer is no mistake: the deadline ends it.
pub fn refresh_wait(wait: Option<Duration>) -> Duration {
    wait.unwrap_or(Limits::REFRESH_WAIT)
        .min(Limits::LONGEST_REFRESH_WAIT)
}

/// A text for the audit trail.
pub fn audit_text(field: &'static str, text: &str, most: usize) -> Result<(), Refusal> {
    if text.len() > most {
        return Err(too_long(field, most));
    }
    Ok(())
}

/// Labels; `None` for no labels.
pub fn labels(field: &'static str, labels: Vec<String>) -> Result<Arc<[Box<str>]>, Refusal> {
    if labels.len() > Limits::LABELS {
        return Err(Refusal::invalid(
            field,
            format!("must be at most {} labels", Limits::LABELS),
        ));
    }
    for label in &labels {
        if label.is_empty() || label.len() > Limits::LABEL_BYTES {
            return Err(Refusal::invalid(
                field,
                format!("must be of 1 to {} bytes each", Limits::LABEL_BYTES),
            ));
        }
        if label.chars().any(char::is_control) {
            return Err(Refusal::invalid(
                field,
                "must not contain control characters",
            ));
        }
    }
    Ok(labels.into_iter().map(String::into_boxed_str).collect())
}

/// An MCP context.
pub fn mcp(mcp: Mcp, limits: &Limits) -> Result<Arc<Mcp>, Refusal> {
    LimitName::McpBytes.check(mcp.len_bytes(), limits.mcp_bytes)?;
    let params = &mcp.initialize_params_json;
    if !params.is_empty() && serde_json::from_str::<serde::de::IgnoredAny>(params).is_err() {
        return Err(Refusal::invalid(
            "mcp.initialize_params_json",
            "must be JSON text, or empty",
        ));
    }
    Ok(Arc::new(mcp))
}

/// The idle TTL and the longest lifetime of a new session.
pub fn lifetimes(
    idle_ttl: Option<Duration>,
    max_lifetime: Option<Duration>,
    limits: &Limits,
) -> Result<(Duration, Duration), Refusal> {
    let idle_ttl = within(
        "idle_ttl",
        idle_ttl.unwrap_or(limits.idle_ttl),
        limits.idle_ttl_max,
    )?;
    let max_lifetime = within(
        "max_lifetime",
        max_lifetime.unwrap_or(limits.max_lifetime),
        limits.max_lifetime_max,
    )?;
    Ok((idle_ttl, max_lifetime))
}

/// A moment that must not lie in the future.
pub fn past(field: &'static str, at: Time, now: Time) -> Result<Time, Refusal> {
    if at > now.after(CLOCK_TOLERANCE) {
        return Err(Refusal::invalid(field, "must not be in the future"));
    }
    Ok(at.min(now))
}

fn within(field: &'static str, span: Duration, longest: Duration) -> Result<Duration, Refusal> {
    if span < Limits::SHORTEST_TTL {
        return Err(Refusal::invalid(field, "must be at least 1s"));
    }
    if span > longest {
        return Err(Refusal::invalid(
            field,
            format!("must be at most {}s here", longest.as_secs()),
        ));
    }
    Ok(span)
}

fn short_text(field: &'static str, text: &str, most: usize) -> Result<Option<Arc<str>>, Refusal> {
    if text.len() > most {
        return Err(too_long(field, most));
    }
    if text.chars().any(char::is_control) {
        return Err(Refusal::invalid(
            field,
            "must not contain control characters",
        ));
    }
    Ok((!text.is_empty()).then(|| text.into()))
}

fn too_long(field: &'static str, most: usize) -> Refusal {
    Refusal::invalid(field, format!("must be at most {most} bytes long"))
}
