//! Endings, invalidations and events, as Rust knows them.

use std::fmt;
use std::time::SystemTime;

use serde::{Serialize, Serializer};

use crate::error::Error;
use crate::model::{Owner, given};
use crate::proto::v1;
use crate::time::{rfc3339, rfc3339_or_null, time};

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// It was not used for its idle TTL.
    ExpiredIdle,
    /// It reached its ceiling.
    ExpiredAbsolute,
    /// Its owner ended it.
    Deleted,
    /// It has another id now.
    Rotated,
    /// A newer session took its conversation.
    Replaced,
    /// It made room at the limit of sessions per owner.
    Evicted,
    /// It was invalidated.
    Invalidated(InvalidationReason),
    /// Unknown to this client.
    Unknown,
}

impl EndReason {
    /// The name on the wire, without its prefix.
    pub fn as_str(self) -> &'static str {
        match self {
            EndReason::ExpiredIdle => "EXPIRED_IDLE",
            EndReason::ExpiredAbsolute => "EXPIRED_ABSOLUTE",
            EndReason::Deleted => "DELETED",
            EndReason::Rotated => "ROTATED",
            EndReason::Replaced => "REPLACED",
            EndReason::Evicted => "EVICTED",
            EndReason::Invalidated(_) => "INVALIDATED",
            EndReason::Unknown => "UNKNOWN",
        }
    }
}

/// Why sessions were invalidated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvalidationReason {
    /// Not said, or unknown to this client.
    #[default]
    Unspecified,
    /// The user's password or other authenticator changed.
    PasswordChanged,
    /// The user signed out.
    LoggedOut,
    /// The user's rights changed.
    PermissionsChanged,
    /// The account was disabled or deleted.
    AccountDisabled,
    /// A credential of the user is known to others.
    CredentialCompromised,
    /// An administrator decided it.
    Admin,
    /// The identity provider ended its session.
    ProviderSessionEnded,
}

impl InvalidationReason {
    /// All that can be given as a reason.
    pub const ALL: [InvalidationReason; 7] = [
        InvalidationReason::PasswordChanged,
        InvalidationReason::LoggedOut,
        InvalidationReason::PermissionsChanged,
        InvalidationReason::AccountDisabled,
        InvalidationReason::CredentialCompromised,
        InvalidationReason::Admin,
        InvalidationReason::ProviderSessionEnded,
    ];

    /// The name on the wire, without its prefix.
    pub fn as_str(self) -> &'static str {
        let name = self.to_wire().as_str_name();
        name.strip_prefix("INVALIDATION_REASON_").unwrap_or(name)
    }

    /// The reason of this name, with or without the wire's prefix.
    pub fn from_name(name: &str) -> InvalidationReason {
        let name = name.strip_prefix("INVALIDATION_REASON_").unwrap_or(name);
        let known = InvalidationReason::ALL.into_iter();
        known
            .into_iter()
            .find(|reason| reason.as_str() == name)
            .unwrap_or_default()
    }

    pub(crate) fn to_wire(self) -> v1::InvalidationReason {
        match self {
            InvalidationReason::Unspecified => v1::InvalidationReason::Unspecified,
            InvalidationReason::PasswordChanged => v1::InvalidationReason::PasswordChanged,
            InvalidationReason::LoggedOut => v1::InvalidationReason::LoggedOut,
            InvalidationReason::PermissionsChanged => v1::InvalidationReason::PermissionsChanged,
            InvalidationReason::AccountDisabled => v1::InvalidationReason::AccountDisabled,
            InvalidationReason::CredentialCompromised => {
                v1::InvalidationReason::CredentialCompromised
            }
            InvalidationReason::Admin => v1::InvalidationReason::Admin,
            InvalidationReason::ProviderSessionEnded => {
                v1::InvalidationReason::ProviderSessionEnded
            }
        }
    }
}

/// Which sessions of a namespace an invalidation covers.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Selector {
    /// Every session that bears or bore this id, whoever owns it.
    SessionId(String),
    /// Everything of one owner.
    Owner(Owner),
    /// Everything of one user of an issuer, over all tenants.
    Subject {
        /// Who vouches for the user.
        issuer: String,
        /// The user.
        user: String,
    },
    /// Everything that came from one login.
    ProviderSession {
        /// The identity provider.
        issuer: String,
        /// Its id of the login.
        provider_session_id: String,
    },
    /// Everything of one tenant.
    Tenant(String),
    /// Everything that an issuer vouched for.
    Issuer(String),
    /// Everything in the namespace.
    All,
}

impl fmt::Debug for Selector {
    /// Without its content: an id must not stand in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Selector::SessionId(_) => "SessionId(redacted)",
            Selector::Owner(_) => "Owner(redacted)",
            Selector::Subject { .. } => "Subject(redacted)",
            Selector::ProviderSession { .. } => "ProviderSession(redacted)",
            Selector::Tenant(_) => "Tenant(redacted)",
            Selector::Issuer(_) => "Issuer(redacted)",
            Selector::All => "All",
        })
    }
}

/// What happened in a session's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// A session was made.
    Created,
    /// A session's content changed.
    Updated,
    /// A session got a new id.
    Rotated,
    /// A session ended.
    Ended,
    /// A wide invalidation is in force; the single endings follow.
    Revoked,
    /// Unknown to this client.
    Unknown,
}

impl EventKind {
    /// All that can be watched.
    pub const ALL: [EventKind; 5] = [
        EventKind::Created,
        EventKind::Updated,
        EventKind::Rotated,
        EventKind::Ended,
        EventKind::Revoked,
    ];

    /// The name on the wire, without its prefix.
    pub fn as_str(self) -> &'static str {
        match self {
            EventKind::Created => "CREATED",
            EventKind::Updated => "UPDATED",
            EventKind::Rotated => "ROTATED",
            EventKind::Ended => "ENDED",
            EventKind::Revoked => "REVOKED",
            EventKind::Unknown => "UNKNOWN",
        }
    }

    pub(crate) fn to_wire(self) -> v1::EventKind {
        match self {
            EventKind::Created => v1::EventKind::Created,
            EventKind::Updated => v1::EventKind::Updated,
            EventKind::Rotated => v1::EventKind::Rotated,
            EventKind::Ended => v1::EventKind::Ended,
            EventKind::Revoked => v1::EventKind::Revoked,
            EventKind::Unknown => v1::EventKind::Unspecified,
        }
    }
}

macro_rules! serialize_as_str {
    ($($type:ty),*) => {
        $(impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        })*
    };
}

serialize_as_str!(EndReason, EventKind, InvalidationReason);

/// One lifecycle event.
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Event {
    /// Unique within the namespace; the same when the event is delivered again.
    pub event_id: String,
    /// What happened.
    pub kind: EventKind,
    /// When.
    #[serde(serialize_with = "rfc3339")]
    pub occurred_at: SystemTime,
    /// Where.
    pub namespace: String,
    /// Whose session; `None` for a revocation.
    pub owner: Option<Owner>,
    /// Which session: the new id of a rotated one. `None` for a revocation.
    pub session_id: Option<String>,
    /// The id before a rotation.
    pub previous_session_id: Option<String>,
    /// The session's conversation.
    pub conversation_id: Option<String>,
    /// The session's revision after the event.
    pub revision: i64,
    /// Why it ended.
    pub end_reason: Option<EndReason>,
    /// Why it was invalidated.
    pub invalidation_reason: Option<InvalidationReason>,
    /// What a revocation covers.
    pub selector: Option<Selector>,
    /// A revocation covers what was authenticated up to then.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub authenticated_until: Option<SystemTime>,
}

impl fmt::Debug for Event {
    /// Without the ids: a debug line must not give a session away.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("event_id", &self.event_id)
            .field("kind", &self.kind)
            .field("end_reason", &self.end_reason)
            .finish_non_exhaustive()
    }
}
impl From<Selector> for v1::Selector {
    fn from(selector: Selector) -> v1::Selector {
        use v1::selector::Selector as Wire;
        let selector = match selector {
            Selector::SessionId(id) => Wire::SessionId(id),
            Selector::Owner(owner) => Wire::Owner(owner.into()),
            Selector::Subject { issuer, user } => Wire::Subject(v1::Subject { issuer, user }),
            Selector::ProviderSession {
                issuer,
                provider_session_id,
            } => Wire::ProviderSession(v1::ProviderSession {
                issuer,
                provider_session_id,
            }),
            Selector::Tenant(tenant) => Wire::Tenant(tenant),
            Selector::Issuer(issuer) => Wire::Issuer(issuer),
            Selector::All => Wire::All(true),
        };
        v1::Selector {
            selector: Some(selector),
        }
    }
}

pub(crate) fn selector(selector: v1::Selector) -> Option<Selector> {
    use v1::selector::Selector as Wire;
    Some(match selector.selector? {
        Wire::SessionId(id) => Selector::SessionId(id),
        Wire::Owner(owner) => Selector::Owner(owner.into()),
        Wire::Subject(v1::Subject { issuer, user }) => Selector::Subject { issuer, user },
        Wire::ProviderSession(v1::ProviderSession {
            issuer,
            provider_session_id,
        }) => Selector::ProviderSession {
            issuer,
            provider_session_id,
        },
        Wire::Tenant(tenant) => Selector::Tenant(tenant),
        Wire::Issuer(issuer) => Selector::Issuer(issuer),
        Wire::All(_) => Selector::All,
    })
}

pub(crate) fn invalidation_reason(reason: v1::InvalidationReason) -> InvalidationReason {
    InvalidationReason::from_name(reason.as_str_name())
}

/// Why a session ended, of two numbers on the wire; `None`: it did not.
pub(crate) fn end_reason(reason: i32, invalidated: i32) -> Option<EndReason> {
    let why = v1::InvalidationReason::try_from(invalidated).unwrap_or_default();
    Some(match v1::EndReason::try_from(reason).unwrap_or_default() {
        v1::EndReason::Unspecified if reason == 0 => return None,
        v1::EndReason::Unspecified => EndReason::Unknown,
        v1::EndReason::ExpiredIdle => EndReason::ExpiredIdle,
        v1::EndReason::ExpiredAbsolute => EndReason::ExpiredAbsolute,
        v1::EndReason::Deleted => EndReason::Deleted,
        v1::EndReason::Rotated => EndReason::Rotated,
        v1::EndReason::Replaced => EndReason::Replaced,
        v1::EndReason::Evicted => EndReason::Evicted,
        v1::EndReason::Invalidated => EndReason::Invalidated(invalidation_reason(why)),
    })
}

impl Event {
    pub(crate) fn from_wire(event: v1::SessionEvent) -> Result<Event, Error> {
        let kind = match event.kind() {
            v1::EventKind::Unspecified => EventKind::Unknown,
            v1::EventKind::Created => EventKind::Created,
            v1::EventKind::Updated => EventKind::Updated,
            v1::EventKind::Rotated => EventKind::Rotated,
            v1::EventKind::Ended => EventKind::Ended,
            v1::EventKind::Revoked => EventKind::Revoked,
        };
        let end_reason = end_reason(event.end_reason, event.invalidation_reason);
        let invalidated = event.invalidation_reason();
        let invalidated =
            (invalidated != v1::InvalidationReason::Unspecified).then_some(invalidated);
        Ok(Event {
            kind,
            end_reason,
            invalidation_reason: invalidated.map(invalidation_reason),
            occurred_at: time("occurred_at", event.occurred_at)?,
            event_id: event.event_id,
            namespace: event.namespace,
            owner: event.owner.map(Owner::from),
            session_id: given(event.session_id),
            previous_session_id: given(event.previous_session_id),
            conversation_id: given(event.conversation_id),
            revision: event.revision,
            selector: event.selector.and_then(selector),
            authenticated_until: event
                .authenticated_until
                .and_then(|until| SystemTime::try_from(until).ok()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_names() {
        for reason in InvalidationReason::ALL {
            assert_eq!(InvalidationReason::from_name(reason.as_str()), reason);
            assert_eq!(
                InvalidationReason::from_name(reason.to_wire().as_str_name()),
                reason
            );
        }
        assert_eq!(
            InvalidationReason::from_name("NEWER_THAN_THIS"),
            InvalidationReason::Unspecified
        );
    }
}
