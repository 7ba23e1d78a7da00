//! One session as it is kept, and whether it is alive.

use std::sync::Arc;
use std::time::Duration;

use super::credentials::Credentials;
use super::marks::Mark;
use super::names::{CredentialName, RecordId, SessionId};
use super::refusal::EndReason;
use super::state::State;
use super::time::Time;

/// All about a session but its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Survives a rotation.
    pub record_id: RecordId,
    /// Grows by one with each change of content.
    pub revision: u64,
    /// When it was made.
    pub created_at: Time,
    /// When it was last used.
    pub last_used_at: Time,
    /// How long it lives unused.
    pub idle_ttl: Duration,
    /// The ceiling that nothing moves.
    pub expires_at: Time,
    /// When the login behind it happened.
    pub authenticated_at: Time,
    /// What the identity provider calls that login.
    pub provider_session_id: Option<Arc<str>>,
    /// The conversation it serves.
    pub conversation: Option<Arc<str>>,
    /// For the admin's filters.
    pub labels: Option<Arc<[Box<str>]>>,
    /// What revives the MCP session elsewhere.
    pub mcp: Option<Arc<Mcp>>,
}

/// What is needed to revive an MCP session on another instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mcp {
    /// The params of `initialize`, as JSON text.
    pub initialize_params_json: String,
    /// The negotiated protocol version.
    pub protocol_version: String,
    /// Whether `notifications/initialized` has been seen.
    pub initialized: bool,
    /// The level that the client asked for.
    pub log_level: String,
    /// The URIs that the client subscribed to.
    pub resource_subscriptions: Vec<String>,
}

impl Mcp {
    /// How many bytes it takes.
    pub fn len_bytes(&self) -> usize {
        self.initialize_params_json.len()
            + self.protocol_version.len()
            + self.log_level.len()
            + self
                .resource_subscriptions
                .iter()
                .map(|uri| uri.len() + 2)
                .sum::<usize>()
    }
}

impl Meta {
    /// When it ends if nobody uses it.
    pub fn idle_expires_at(&self) -> Time {
        self.last_used_at.after(self.idle_ttl).min(self.expires_at)
    }
}

/// All about a live session but its state, as it is kept. There may be millions: what few of them have
/// takes no room in the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Survives a rotation.
    pub record_id: RecordId,
    /// Grows by one with each change of content.
    pub revision: u64,
    /// When it was made.
    pub created_at: Time,
    /// When it was last used.
    pub last_used_at: Time,
    /// The ceiling that nothing moves.
    pub expires_at: Time,
    /// When the login behind it happened.
    pub authenticated_at: Time,
    idle_ttl_millis: u64,
    extras: Option<Box<Extras>>,
}

/// What not every session has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// What the identity provider calls the login.
    pub provider_session_id: Option<Arc<str>>,
    /// The conversation it serves.
    pub conversation: Option<Arc<str>>,
    /// For the admin's filters.
    pub labels: Option<Arc<[Box<str>]>>,
    /// What revives the MCP session elsewhere.
    pub mcp: Option<Arc<Mcp>>,
    /// The credentials.
    pub credentials: Option<Box<Credentials>>,
}

impl From<Meta> for Kept {
    fn from(meta: Meta) -> Kept {
        let extras = Extras {
            provider_session_id: meta.provider_session_id,
            conversation: meta.conversation,
            labels: meta.labels,
            mcp: meta.mcp,
            credentials: None,
        };
        Kept {
            record_id: meta.record_id,
            revision: meta.revision,
            created_at: meta.created_at,
            last_used_at: meta.last_used_at,
            expires_at: meta.expires_at,
            authenticated_at: meta.authenticated_at,
            idle_ttl_millis: u64::try_from(meta.idle_ttl.as_millis()).unwrap_or(u64::MAX),
            extras: (extras != Extras::default()).then(|| Box::new(extras)),
        }
    }
}

impl Kept {
    /// As an answer shows it.
    pub fn meta(&self) -> Meta {
        let extras = self.extras.as_deref().cloned().unwrap_or_default();
        Meta {
            record_id: self.record_id,
            revision: self.revision,
            created_at: self.created_at,
            last_used_at: self.last_used_at,
            idle_ttl: self.idle_ttl(),
            expires_at: self.expires_at,
            authenticated_at: self.authenticated_at,
            provider_session_id: extras.provider_session_id,
            conversation: extras.conversation,
            labels: extras.labels,
            mcp: extras.mcp,
        }
    }

    /// How long it lives unused.
    pub fn idle_ttl(&self) -> Duration {
        Duration::from_millis(self.idle_ttl_millis)
    }

    /// What the identity provider calls the login behind it.
    pub fn provider_session_id(&self) -> Option<&Arc<str>> {
        self.extras.as_ref()?.provider_session_id.as_ref()
    }

    /// The conversation it serves.
    pub fn conversation(&self) -> Option<&Arc<str>> {
        self.extras.as_ref()?.conversation.as_ref()
    }

    /// The credentials, if it has or had any.
    pub fn credentials(&self) -> Option<&Credentials> {
        self.extras.as_ref()?.credentials.as_deref()
    }

    /// The credentials' names, in order.
    pub fn credential_names(&self) -> Vec<CredentialName> {
        self.credentials().map_or_else(Vec::new, Credentials::names)
    }

    /// The credentials, if it has or had any, to change them.
    pub fn credentials_mut(&mut self) -> Option<&mut Credentials> {
        self.extras.as_mut()?.credentials.as_deref_mut()
    }

    /// What not every session has, to change it.
    pub fn extras_mut(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    /// When it ends if nobody uses it.
    pub fn idle_expires_at(&self) -> Time {
        self.last_used_at
            .after(self.idle_ttl())
            .min(self.expires_at)
    }

    /// Moves the idle deadline. Time never runs backwards for a session.
    pub fn slide(&mut self, now: Time) {
        self.last_used_at = self.last_used_at.max(now);
    }

    /// Why and when it ended, or `None` while it is alive.
    ///
    /// Decided by the deadlines and the marks at this moment, whether or not a sweep has passed. Of
    /// several reasons the earliest is the one that counts.
    pub fn end<'a>(
        &self,
        now: Time,
        marks: impl IntoIterator<Item = &'a Mark>,
    ) -> Option<(EndReason, Time)> {
        let now = now.max(self.last_used_at);
        let deadline = self.idle_expires_at();
        let expired = (now >= deadline).then(|| {
            let reason = if deadline == self.expires_at {
                EndReason::ExpiredAbsolute
            } else {
                EndReason::ExpiredIdle
            };
            (reason, deadline)
        });
        let revoked = marks
            .into_iter()
            .filter(|mark| mark.covers(self))
            .map(|mark| (EndReason::Invalidated(mark.reason()), mark.set_at()))
            .min_by_key(|(reason, at)| (*at, *reason));
        match (expired, revoked) {
            (Some(expired), Some(revoked)) if revoked.1 < expired.1 => Some(revoked),
            (Some(expired), _) => Some(expired),
            (None, revoked) => revoked,
        }
    }
}

/// A live session as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// All but the state.
    pub kept: Kept,
    /// The state.
    pub state: State,
}

impl Record {
    /// About how many bytes it takes.
    pub fn len_bytes(&self) -> usize {
        let extras = self.kept.extras.as_ref();
        size_of::<Record>()
            + self.state.len_bytes()
            + 16
            + extras.map_or(0, |extras| extras.len_bytes())
    }
}

impl Extras {
    /// About how many bytes it takes.
    pub fn len_bytes(&self) -> usize {
        let text = |text: &Option<Arc<str>>| text.as_ref().map_or(0, |text| text.len() + 16);
        let labels = self.labels.as_ref().map_or(0, |labels| {
            labels.iter().map(|label| label.len() + 16).sum::<usize>() + 16
        });
        let mcp = self
            .mcp
            .as_ref()
            .map_or(0, |mcp| mcp.len_bytes() + size_of::<Mcp>() + 16);
        size_of::<Extras>()
            + text(&self.provider_session_id)
            + text(&self.conversation)
            + labels
            + mcp
            + self
                .credentials
                .as_deref()
                .map_or(0, Credentials::len_bytes)
    }
}

/// What is left of an ended session, so that its owner can be told why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// Why it ended.
    pub reason: EndReason,
    /// When.
    pub ended_at: Time,
    /// Which record it was. A rotated id leads to the session that lives on.
    pub record_id: RecordId,
}

/// A session as an answer shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The id that it bears now.
    pub id: SessionId,
    /// All but the state.
    pub meta: Meta,
    /// The state, or the part of it that was asked for.
    pub state: Option<State>,
    /// The names of its credentials, in order.
    pub credential_names: Vec<CredentialName>,
}
