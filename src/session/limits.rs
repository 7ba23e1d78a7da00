//! What a namespace allows.

use std::fmt;
use std::time::Duration;

use crate::audit;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// What one namespace allows and assumes. The configuration fills it; see `docs/SETTINGS.md`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a session lives unused when its creator does not say.
    pub idle_ttl: Duration,
    /// How long a session lives at most when its creator does not say.
    pub max_lifetime: Duration,
    /// The longest `idle_ttl` that may be asked for.
    pub idle_ttl_max: Duration,
    /// The longest `max_lifetime` that may be asked for.
    pub max_lifetime_max: Duration,
    /// How long an owner is told why a session ended.
    pub tombstone_ttl: Duration,
    /// How long a `request_id` is remembered.
    pub request_ttl: Duration,
    /// Whether an owner may have an empty user.
    pub allow_anonymous: bool,
    /// Bytes of a session's state, as encoded.
    pub state_bytes: usize,
    /// Top-level keys of a session's state.
    pub state_keys: usize,
    /// Bytes of a top-level key.
    pub state_key_bytes: usize,
    /// Levels of lists and maps in a value.
    pub state_depth: usize,
    /// Bytes of a session's MCP context.
    pub mcp_bytes: usize,
    /// Live sessions of one owner.
    pub sessions_per_owner: usize,
    /// What happens at that limit.
    pub at_session_limit: AtSessionLimit,
    /// Live sessions of one tenant.
    pub sessions_per_tenant: Option<usize>,
    /// Live sessions of all anonymous owners together.
    pub anonymous_sessions: usize,
    /// Claims of one owner.
    pub claims_per_owner: usize,
    /// Credentials of one session.
    pub credentials_per_session: usize,
    /// Bytes of one credential.
    pub credential_bytes: usize,
    /// Whether watchers are told of updates.
    pub watch_updates: bool,
    /// Whether what happens is recorded in the audit.
    pub audit: audit::Level,
    /// Rules of somebody else that the settings of the namespace must not be laxer than.
    pub profile: Option<Profile>,
    /// Whose tokens prove the owner, by the issuers' names in the configuration. Empty: the caller's word
    /// is taken.
    pub owner_proof: Vec<String>,
    /// Whether the values of the state are sealed before the store sees them.
    pub encrypt_state: bool,
}

impl Limits {
    /// The shortest time that a session or a claim may live.
    pub const SHORTEST_TTL: Duration = SECOND;
    /// The longest time that a claim may hold.
    pub const LONGEST_CLAIM: Duration = Duration::from_hours(24);
    /// Labels of one session.
    pub const LABELS: usize = 16;
    /// Bytes of a label.
    pub const LABEL_BYTES: usize = 64;
    /// Bytes of a conversation's id.
    pub const CONVERSATION_BYTES: usize = 256;
    /// Bytes of an identity provider's session id.
    pub const PROVIDER_SESSION_BYTES: usize = 256;
    /// Bytes of a claim's key.
    pub const CLAIM_KEY_BYTES: usize = 256;
    /// How long the right to refresh a credential holds, when the caller does not say.
    pub const LEASE: Duration = Duration::from_secs(30);
    /// The longest that it holds.
    pub const LONGEST_LEASE: Duration = Duration::from_mins(5);
    /// How long a caller waits for another one's refresh when it does not say.
    pub const REFRESH_WAIT: Duration = Duration::from_secs(30);
    /// The longest that it waits.
    pub const LONGEST_REFRESH_WAIT: Duration = Duration::from_mins(5);
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            idle_ttl: 15 * MINUTE,
            max_lifetime: 12 * HOUR,
            idle_ttl_max: 24 * HOUR,
            max_lifetime_max: 7 * 24 * HOUR,
            tombstone_ttl: HOUR,
            request_ttl: 10 * MINUTE,
            allow_anonymous: false,
            state_bytes: 64 * 1024,
            state_keys: 256,
            state_key_bytes: 128,
            state_depth: 24,
            mcp_bytes: 64 * 1024,
            sessions_per_owner: 100,
            at_session_limit: AtSessionLimit::Reject,
            sessions_per_tenant: None,
            anonymous_sessions: 10_000,
            claims_per_owner: 10_000,
            credentials_per_session: 16,
            credential_bytes: 16 * 1024,
            watch_updates: false,
            audit: audit::Level::On,
            profile: None,
            owner_proof: Vec::new(),
            encrypt_state: false,
        }
    }
}

/// A set of rules of somebody else. `config/check/profile.rs` holds settings against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// PCI DSS 8.2.8: a session ends after 15 unused minutes.
    Pci,
    /// NIST SP 800-63B-4, AAL2: 1 unused hour, 24 hours at most.
    Aal2,
    /// NIST SP 800-63B-4, AAL3: 15 unused minutes, 12 hours at most.
    Aal3,
    /// HIPAA 164.312: everything recorded, everything encrypted.
    Hipaa,
}

/// What a Create does when its owner has as many sessions as the namespace allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtSessionLimit {
    /// It is refused.
    Reject,
    /// The session that was used least recently ends, never the one being made.
    EndLeastRecent,
}

/// A limit that can be exceeded, by the name of its setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitName {
    /// [`Limits::state_bytes`].
    StateBytes,
    /// [`Limits::state_keys`].
    StateKeys,
    /// [`Limits::state_key_bytes`].
    StateKeyBytes,
    /// [`Limits::state_depth`].
    StateDepth,
    /// [`Limits::mcp_bytes`].
    McpBytes,
    /// [`Limits::sessions_per_owner`].
    SessionsPerOwner,
    /// [`Limits::sessions_per_tenant`].
    SessionsPerTenant,
    /// [`Limits::anonymous_sessions`].
    AnonymousSessions,
    /// [`Limits::claims_per_owner`].
    ClaimsPerOwner,
    /// [`Limits::credentials_per_session`].
    CredentialsPerSession,
    /// [`Limits::credential_bytes`].
    CredentialBytes,
}

impl LimitName {
    /// The name of the setting.
    pub fn as_str(self) -> &'static str {
        match self {
            LimitName::StateBytes => "state_bytes",
            LimitName::StateKeys => "state_keys",
            LimitName::StateKeyBytes => "state_key_bytes",
            LimitName::StateDepth => "state_depth",
            LimitName::McpBytes => "mcp_bytes",
            LimitName::SessionsPerOwner => "sessions_per_owner",
            LimitName::SessionsPerTenant => "sessions_per_tenant",
            LimitName::AnonymousSessions => "anonymous_sessions",
            LimitName::ClaimsPerOwner => "claims_per_owner",
            LimitName::CredentialsPerSession => "credentials_per_session",
            LimitName::CredentialBytes => "credential_bytes",
        }
    }
}

impl fmt::Display for LimitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A limit that was exceeded, with what was asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitExceeded {
    /// Which limit.
    pub limit: LimitName,
    /// What it allows.
    pub maximum: usize,
    /// What was asked.
    pub asked: usize,
}

impl LimitName {
    /// Refuses when more is asked than the limit allows.
    pub fn check(self, asked: usize, maximum: usize) -> Result<(), LimitExceeded> {
        if asked <= maximum {
            return Ok(());
        }
        Err(LimitExceeded {
            limit: self,
            maximum,
            asked,
        })
    }
}
