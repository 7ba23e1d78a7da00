//! What one line says.

use serde::Serialize;

/// How a call ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was done.
    Ok,
    /// Its caller may not do it, or is not known, or the session is somebody else's.
    Denied,
    /// The rules or the limits did not allow it.
    Refused,
    /// The service could not do it.
    Failed,
    /// Nobody waited for the end. It was done wholly or not at all.
    #[default]
    Unknown,
}

/// One thing that happened. What is not known is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Entry {
    /// What was asked: the name of the RPC. Empty for what was done by nobody's call.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub operation: &'static str,
    /// What was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deed: Option<&'static str>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, as the caller was told.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Who called.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub caller: String,
    /// Where.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// For whom.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tenant: String,
    /// For whom.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Who vouches for the user.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub issuer: String,
    /// Which session, hashed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub session: String,
    /// The session's new id, hashed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub new_session: String,
    /// Which credential of the session, by its name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub credential: String,
    /// Which sessions were meant, by the name of the selector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<&'static str>,
    /// Why sessions were invalidated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<&'static str>,
    /// How many sessions ended, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<usize>,
    /// When a session was over; it may have been noticed later.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ended_at: String,
    /// Whether it was only counted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// On whose account, as the caller says.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub actor: String,
    /// What the caller wants to have written down.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// From where.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub peer: String,
    /// The id under which the caller and the logs know the call.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub correlation_id: String,
    /// The id of the trace that the call is part of.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub trace_id: String,
}
