//! Why an operation is refused, and why a session ended.

use super::limits::LimitExceeded;

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndReason {
    /// It was not used for its idle TTL.
    ExpiredIdle,
    /// It reached its absolute ceiling.
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
}

impl EndReason {
    /// Its name on the wire, as the owner is told.
    pub fn code(self) -> &'static str {
        match self {
            EndReason::ExpiredIdle => "SESSION_EXPIRED_IDLE",
            EndReason::ExpiredAbsolute => "SESSION_EXPIRED_ABSOLUTE",
            EndReason::Deleted => "SESSION_DELETED",
            EndReason::Rotated => "SESSION_ROTATED",
            EndReason::Replaced => "SESSION_REPLACED",
            EndReason::Evicted => "SESSION_EVICTED",
            EndReason::Invalidated(_) => "SESSION_INVALIDATED",
        }
    }
}

/// Why sessions were invalidated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InvalidationReason {
    /// Not said.
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

/// Why the rules refuse an operation. A refused operation has changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such session for this owner. Strangers get only this.
    NotFound,
    /// There was one, and its owner may know why it ended.
    Ended(EndReason),
    /// The id is live or was until recently.
    SessionExists,
    /// The conversation has a live session.
    ConversationExists,
    /// The session is at another revision than the caller thought.
    RevisionMismatch {
        /// The revision it is at.
        current: u64,
    },
    /// The login is older than a mark.
    AuthenticationRevoked,
    /// An increment of something that is not an integer.
    NotAnInteger,
    /// An append to something that is not a list.
    NotAList,
    /// An increment beyond the integers that every client can hold.
    IntegerOutOfRange,
    /// A limit of the namespace.
    Limit(LimitExceeded),
    /// A field with a bad value.
    Invalid {
        /// The field's path in the request.
        field: &'static str,
        /// What is wrong with it, for the person who reads it.
        why: String,
    },
    /// A field beyond a limit that is about its shape, not about how much is kept.
    FieldLimit {
        /// The field's path in the request.
        field: &'static str,
        /// Which limit, and by how much.
        exceeded: LimitExceeded,
    },
    /// The request id was used for another request.
    RequestIdReused,
    /// The id bears another record than the one that the update was sealed for.
    OtherRecord,
    /// The session has no credential of this name.
    CredentialNotFound,
    /// Somebody else wrote the credential first: the version to write is not the next one any more.
    CredentialChanged,
    /// The right to refresh the credential ran out, went to somebody else, or ended with the credential.
    LeaseLost,
}

impl Refusal {
    /// A field with a bad value.
    pub fn invalid(field: &'static str, why: impl Into<String>) -> Refusal {
        Refusal::Invalid {
            field,
            why: why.into(),
        }
    }
}

impl From<LimitExceeded> for Refusal {
    fn from(exceeded: LimitExceeded) -> Refusal {
        Refusal::Limit(exceeded)
    }
}
