//! One session as it is kept, and whether it is alive.

use std::sync::Arc;
use std::time::Duration;

use super::credentials::Credentials;
use super::marks::Mark;
use super::names::{CallerTag, CredentialName, RecordId, SessionId};
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
    /// By whom.
    pub made_by: CallerTag,
    /// When it was last used.
    pub last_used_at: Time,
    /// By whom.
    pub last_used_by: CallerTag,
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
    /// By whom.
    pub made_by: CallerTag,
    /// When it was last used.
    pub last_used_at: Time,
    /// By whom.
    pub last_used_by: CallerTag,
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
            made_by: meta.made_by,
            last_used_at: meta.last_used_at,
            last_used_by: meta.last_used_by,
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
            made_by: self.made_by,
            last_used_at: self.last_used_at,
            last_used_by: self.last_used_by,
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

    /// Moves the idle deadline. Time never runs backwards for a session; of several uses in one millisecond
    /// the first one counts.
    pub fn slide(&mut self, now: Time, by: CallerTag) {
        if now > self.last_used_at {
            self.last_used_at = now;
            self.last_used_by = by;
        }
    }

    /// When and by whom it was made and used.
    pub fn life(&self) -> Life {
        Life {
            made_at: self.created_at,
            made_by: self.made_by,
            used_at: self.last_used_at,
            used_by: self.last_used_by,
        }
    }

    /// How it ended, or `None` while it is alive.
    ///
    /// Decided by the deadlines and the marks at this moment, whether or not a sweep has passed. Of
    /// several reasons the earliest is the one that counts.
    pub fn end<'a>(&self, now: Time, marks: impl IntoIterator<Item = &'a Mark>) -> Option<End> {
        let now = now.max(self.last_used_at);
        let deadline = self.idle_expires_at();
        let expired = (now >= deadline).then(|| {
            let reason = if deadline == self.expires_at {
                EndReason::ExpiredAbsolute
            } else {
                EndReason::ExpiredIdle
            };
            End {
                reason,
                at: deadline,
                by: CallerTag::NOBODY,
            }
        });
        let revoked = marks
            .into_iter()
            .filter(|mark| mark.covers(self))
            .map(Mark::end)
            .min_by_key(|end| (end.at, end.reason));
        match (expired, revoked) {
            (Some(expired), Some(revoked)) if revoked.at < expired.at => Some(revoked),
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

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct End {
    /// When.
    pub at: Time,
    /// Why.
    pub reason: EndReason,
    /// By whom; nobody where time did it.
    pub by: CallerTag,
}

/// When and by whom a session was made and last used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// When it was made.
    pub made_at: Time,
    /// By whom.
    pub made_by: CallerTag,
    /// When it was last used.
    pub used_at: Time,
    /// By whom.
    pub used_by: CallerTag,
}

/// What is left of an ended session, so that its owner can be told why, and an admin its story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// How it ended.
    pub end: End,
    /// Which record it was. A rotated id leads to the session that lives on.
    pub record_id: RecordId,
    /// What came before.
    pub life: Life,
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
