//! What commands print.

use std::io::{self, Write};

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;
use tenure_client::{Error, ErrorKind, Event, Session, show_time};

use crate::config::show_duration;
use crate::visible;

/// How data is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    #[default]
    Table,
    /// For programs
    Json,
}

/// Prints an error, and what to do about it.
pub(super) fn complain(out: &mut impl Write, error: &anyhow::Error) {
    let call = error.downcast_ref::<Error>();
    let reason = call.map_or("", Error::reason);
    let mut text = format!("error: {error:#}");
    if !reason.is_empty() {
        text.extend([" [", reason, "]"]);
    }
    if let Some(advice) = call.and_then(advice) {
        text.extend(["\nhelp: ", advice]);
    }
    // There is nowhere else to say that it could not be said.
    let _ = writeln!(out, "{text}");
}

/// What to do, where the service's text does not say it.
fn advice(error: &Error) -> Option<&'static str> {
    Some(match error.kind() {
        ErrorKind::Unavailable => {
            "is it running (`tenure serve`), and is this the right address? --server or TENURE_SERVER names it"
        }
        ErrorKind::DeadlineExceeded => {
            "it may or may not have happened; repeat it with the same --request-id, or allow more --timeout"
        }
        ErrorKind::Overloaded => "try again in a moment",
        ErrorKind::CallerUnknown => {
            "show who calls: --token or --api-key, or a client certificate with --tls-cert and --tls-key"
        }
        ErrorKind::CallerNotAllowed => "ask for the right, or call as somebody who has it",
        ErrorKind::SessionNotFound => {
            "check namespace, tenant, user and issuer: a session of another owner is not found"
        }
        ErrorKind::NamespaceUnknown => {
            "add it to the service's configuration, or check the spelling"
        }
        ErrorKind::AuthenticationRevoked => "sign in again, and give the new --authenticated-at",
        ErrorKind::SessionExists => "choose another id, or leave it out: the service makes one",
        ErrorKind::RequestIdReused => "leave --request-id out: one is made for every call",
        ErrorKind::StoreFull => "raise store.max_sessions or store.max_bytes, or end sessions",
        _ => return None,
    })
}

/// JSON, indented.
pub(super) fn json(out: &mut impl Write, value: &Value) -> io::Result<()> {
    let json = serde_json::to_string_pretty(value)?;
    writeln!(out, "{}", visible::escaped(json))
}

/// JSON on one line, flushed: what a stream is made of.
pub(super) fn json_line(out: &mut impl Write, value: &Value) -> io::Result<()> {
    writeln!(out, "{}", visible::escaped(value.to_string()))?;
    out.flush()
}

/// Any value as JSON.
pub(super) fn to_json(value: &impl serde::Serialize) -> io::Result<Value> {
    Ok(serde_json::to_value(value)?)
}

/// Rows of a name and a value.
pub(super) fn fields(out: &mut impl Write, rows: &[(&str, String)]) -> io::Result<()> {
    let width = rows
        .iter()
        .map(|(name, _)| name.len())
        .max()
        .unwrap_or_default();
    for (name, value) in rows {
        writeln!(out, "{name:width$}  {}", printable(value))?;
    }
    Ok(())
}

/// One session, field by field.
pub(super) fn session(out: &mut impl Write, session: &Session) -> io::Result<()> {
    session_with(out, session, Vec::new())
}

/// One session, and what else an answer says.
pub(super) fn session_with(
    out: &mut impl Write,
    session: &Session,
    beside: Vec<(&str, String)>,
) -> io::Result<()> {
    let mut rows = vec![
        ("id", session.id.clone()),
        ("namespace", session.namespace.clone()),
        ("tenant", session.owner.tenant.clone()),
        ("user", session.owner.user.clone()),
        ("issuer", session.owner.issuer.clone()),
        (
            "conversation",
            session.conversation_id.clone().unwrap_or_default(),
        ),
        ("labels", session.labels.join(", ")),
        ("revision", session.revision.to_string()),
        ("created at", show_time(session.created_at)),
        ("last used at", show_time(session.last_used_at)),
        ("idle ttl", show_duration(session.idle_ttl)),
        ("idle expires at", show_time(session.idle_expires_at)),
        ("expires at", show_time(session.expires_at)),
        ("authenticated at", show_time(session.authenticated_at)),
        (
            "provider session",
            session.provider_session_id.clone().unwrap_or_default(),
        ),
        ("credentials", session.credential_names.join(", ")),
    ];
    if let Some(mcp) = &session.mcp {
        rows.push(("mcp", to_json(mcp)?.to_string()));
    }
    if let Some(state) = &session.state {
        rows.push(("state", to_json(state)?.to_string()));
    }
    rows.extend(beside);
    rows.retain(|(_, value)| !value.is_empty());
    fields(out, &rows)
}

/// Several sessions, one per row.
pub(super) fn sessions(out: &mut impl Write, sessions: &[Session]) -> io::Result<()> {
    let with_state = sessions.iter().any(|session| session.state.is_some());
    let mut header = vec![
        "id",
        "conversation",
        "labels",
        "revision",
        "last used at",
        "idle expires at",
    ];
    if with_state {
        header.push("state");
    }
    let mut rows = Vec::new();
    for session in sessions {
        let mut row = vec![
            session.id.clone(),
            session.conversation_id.clone().unwrap_or("-".to_owned()),
            session.labels.join(","),
            session.revision.to_string(),
            show_time(session.last_used_at),
            show_time(session.idle_expires_at),
        ];
        if with_state {
            let state = session.state.as_ref().map(to_json).transpose()?;
            row.push(state.unwrap_or_default().to_string());
        }
        rows.push(row);
    }
    table(out, &header, rows)
}

/// Rows below a header.
pub(super) fn table(
    out: &mut impl Write,
    header: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> io::Result<()> {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header);
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell)));
    }
    for line in table.lines() {
        writeln!(out, "{}", line.trim())?;
    }
    Ok(())
}

/// One event on one line.
pub(super) fn event(out: &mut impl Write, event: &Event) -> io::Result<()> {
    let mut words = vec![show_time(event.occurred_at), event.kind.as_str().to_owned()];
    if let Some(owner) = &event.owner {
        words.push(format!("tenant={:?} user={:?}", owner.tenant, owner.user));
    }
    if let Some(id) = &event.session_id {
        words.push(format!("session={}", printable(id)));
    }
    if let Some(id) = &event.previous_session_id {
        words.push(format!("previous={}", printable(id)));
    }
    if let Some(id) = &event.conversation_id {
        words.push(format!("conversation={id:?}"));
    }
    if let Some(reason) = event.end_reason {
        words.push(reason.as_str().to_owned());
    }
    if let Some(reason) = event.invalidation_reason {
        words.push(reason.as_str().to_owned());
    }
    if let Some(selector) = &event.selector {
        words.push(format!("selector={}", to_json(selector)?));
    }
    writeln!(out, "{}", words.join(" "))?;
    out.flush()
}

/// Text without what could steer a terminal: ids and names are somebody else's.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escaped = visible::misleads(c).then(|| c.escape_default());
            let plain = (!visible::misleads(c)).then_some(c);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

/// Something to know that is no data.
pub(super) fn note(text: &str) {
    // There is nowhere else to say that it could not be said.
    let _ = writeln!(io::stderr().lock(), "{text}");
}
