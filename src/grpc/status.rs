//! How an error becomes a status: here and nowhere else.

use std::collections::HashMap;
use std::time::Duration;

use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::session::limits::{LimitExceeded, LimitName};
use crate::session::refusal::{EndReason, InvalidationReason, Refusal};
use crate::sessions::Error;
use crate::store::StoreError;

mod reason;

use reason::Reason;

/// The domain of every `ErrorInfo`.
const DOMAIN: &str = "tenure";

/// When it is worth trying again while the service is busy or going down.
const RETRY_SOON: Duration = Duration::from_millis(200);

/// When it is worth trying again while the audit cannot be written: it is tried each second.
const RETRY_AUDIT: Duration = Duration::from_secs(1);

/// When a key that is missing may have come.
const RETRY_KEY: Duration = Duration::from_secs(1);

impl From<Error> for Status {
    fn from(error: Error) -> Status {
        match error {
            Error::Store(error) => of_store(error),
            Error::NamespaceUnknown => Told::new(
                Reason::NamespaceUnknown,
                "the namespace is not in this service's configuration",
            )
            .field("namespace", "is not in this service's configuration")
            .into(),
            // One answer, whatever is wrong with what the caller showed. The log knows more.
            Error::CallerUnknown => Told::new(
                Reason::CallerUnknown,
                "this service does not know the caller; show a valid token, API key or client certificate",
            )
            .into(),
            Error::CallerNotAllowed => Told::new(
                Reason::CallerNotAllowed,
                "the caller may not do this here; `tenure policy test` says what this service's policy allows",
            )
            .into(),
            Error::OwnerNotProved => Told::new(
                Reason::OwnerNotProved,
                "this namespace wants owners proved: pass the user's own valid access token as \
                 tenure-user-token, and name no other owner and no other time of login than it does",
            )
            .into(),
            Error::EncryptionNotConfigured => Told::new(
                Reason::EncryptionNotConfigured,
                "this service has no key to encrypt with; its operator gives it one with keys.file",
            )
            .into(),
            Error::Unreadable => Told::new(
                Reason::DataUnreadable,
                "what is kept does not open: its tenant's key was destroyed, or somebody has changed it",
            )
            .into(),
            Error::KeyUnavailable => Told::new(
                Reason::KeyUnavailable,
                "this instance does not have the key that is needed; its log says which",
            )
            .retry(RETRY_KEY)
            .into(),
            Error::KeysAtFault => Told::new(
                Reason::KeysAtFault,
                "the keys cannot be read, the old ones stay in force; this service's log says why",
            )
            .into(),
            Error::RefreshInProgress => Told::new(
                Reason::RefreshInProgress,
                "somebody else is refreshing this credential and was not done in time; ask again",
            )
            .into(),
            Error::Overloaded => Told::new(
                Reason::Overloaded,
                "too many calls are in progress; try again shortly",
            )
            .retry(RETRY_SOON)
            .into(),
            Error::ShuttingDown => Told::new(
                Reason::ShuttingDown,
                "this instance is going down; another one will serve you",
            )
            .retry(RETRY_SOON)
            .into(),
            Error::DeadlineExceeded => Told::new(
                Reason::DeadlineExceeded,
                "the deadline passed; the call was applied wholly or not at all: repeat it with the \
                 same request_id",
            )
            .into(),
            Error::AuditUnavailable => Told::new(
                Reason::AuditUnavailable,
                "this namespace does nothing that cannot be recorded, and the audit cannot be written now",
            )
            .retry(RETRY_AUDIT)
            .into(),
            Error::AuditNotConfigured => Told::new(
                Reason::AuditNotConfigured,
                "values are given out only where that is recorded; configure [audit] (docs/AUDIT.md)",
            )
            .into(),
            Error::LogNotOwned => Told::new(
                Reason::LogNotOwned,
                "the log of this process is not the service's own; change it where the process was started",
            )
            .into(),
            Error::Internal => internal(),
        }
    }
}

/// A fault of the service itself. The log says which; the caller is not told.
pub(super) fn internal() -> Status {
    Told::new(
        Reason::Internal,
        "the service failed; its log has the details under this call's correlation id",
    )
    .into()
}

/// A request that could not even be decoded.
pub(super) fn malformed() -> Status {
    Told::new(
        Reason::InvalidField,
        "the request is not a well-formed message",
    )
    .field("", "the request is not a well-formed message")
    .into()
}

/// A request beyond the largest message.
pub(super) fn too_large(maximum: usize) -> Status {
    Told::new(
        Reason::MessageTooLarge,
        format!("the request is larger than the {maximum} bytes that this service takes"),
    )
    .with("limit", "max_message_bytes")
    .with("maximum", maximum.to_string())
    .into()
}

/// A request in a compression that the service does not speak.
pub(super) fn compression_unsupported() -> Status {
    Told::new(
        Reason::CompressionUnsupported,
        "the request is compressed; send it uncompressed",
    )
    .into()
}

/// A method that does not exist.
pub(super) fn method_unknown() -> Status {
    Told::new(Reason::MethodUnknown, "this service has no such method").into()
}

fn of_store(error: StoreError) -> Status {
    match error {
        StoreError::Refused(refusal) => of_refusal(refusal),
        StoreError::Full => Told::new(
            Reason::StoreFull,
            "the store is full; reading and ending sessions still works",
        )
        .into(),
        StoreError::Unavailable { retry_after } | StoreError::Unanswered { retry_after } => Told::new(
            Reason::StoreUnavailable,
            "the store does not answer",
        )
        .retry(retry_after)
        .into(),
        StoreError::Unsafe => Told::new(
            Reason::StoreUnsafe,
            "the store's settings could lose sessions silently; this service's log names the setting",
        )
        .into(),
        StoreError::ClockSkew => Told::new(
            Reason::ClockSkew,
            "the clocks of this instance and of its store are apart",
        )
        .into(),
        StoreError::NotDurable => Told::new(
            Reason::InvalidationNotDurable,
            "the ending is in force, but would not survive a failover yet; repeat the call",
        )
        .retry(RETRY_SOON)
        .into(),
        StoreError::CursorExpired => Told::new(
            Reason::CursorExpired,
            "the event log does not reach back to this cursor; drop what you hold and start anew",
        )
        .into(),
    }
}

fn of_refusal(refusal: Refusal) -> Status {
    match refusal {
        Refusal::NotFound => Told::new(
            Reason::SessionNotFound,
            "there is no such session for this owner",
        )
        .into(),
        Refusal::Ended(reason) => ended(reason),
        Refusal::SessionExists => Told::new(
            Reason::SessionExists,
            "this owner has, or recently had, a session with this id",
        )
        .into(),
        Refusal::ConversationExists => Told::new(
            Reason::ConversationExists,
            "the conversation has a live session; on_existing can return or replace it",
        )
        .into(),
        Refusal::RevisionMismatch { current } => Told::new(
            Reason::RevisionMismatch,
            format!("the session is at revision {current}; read it again and decide anew"),
        )
        .with("revision", current.to_string())
        .into(),
        Refusal::AuthenticationRevoked => Told::new(
            Reason::AuthenticationRevoked,
            "logins of that time have been revoked; the user has to sign in again",
        )
        .into(),
        Refusal::NotAnInteger => Told::new(
            Reason::NotAnInteger,
            "a key to increment holds something else than an integer",
        )
        .into(),
        Refusal::NotAList => Told::new(
            Reason::NotAList,
            "a key to append to holds something else than a list",
        )
        .into(),
        Refusal::IntegerOutOfRange => Told::new(
            Reason::IntegerOutOfRange,
            "the sum would lie beyond plus or minus 2^53-1, which not every language holds exactly",
        )
        .into(),
        Refusal::Limit(exceeded) => limit(exceeded),
        Refusal::Invalid { field, why } => {
            Told::new(Reason::InvalidField, format!("{field} {why}"))
                .field(field, why)
                .into()
        }
        Refusal::FieldLimit { field, exceeded } => {
            let LimitExceeded { limit, maximum, .. } = exceeded;
            let why = match limit {
                LimitName::StateDepth => {
                    format!("holds a value with more than {maximum} levels of lists and maps")
                }
                _ => format!("holds a key of more than {maximum} bytes"),
            };
            Told::new(Reason::InvalidField, format!("{field} {why}"))
                .field(field, why)
                .exceeded(exceeded)
                .into()
        }
        Refusal::RequestIdReused => Told::new(
            Reason::RequestIdReused,
            "this request_id was used for another request; use a new one for each",
        )
        .field("request_id", "was used for another request")
        .into(),
        Refusal::CredentialNotFound => Told::new(
            Reason::CredentialNotFound,
            "the session has no credential of this name",
        )
        .into(),
        Refusal::LeaseLost => Told::new(
            Reason::RefreshLeaseLost,
            "the lease has run out, or the credential was written or destroyed since it was given",
        )
        .into(),
        Refusal::CredentialChanged => contended(Reason::CredentialChanged),
        Refusal::OtherRecord => contended(Reason::SessionChanged),
    }
}

/// What the use cases have tried again in vain.
fn contended(reason: Reason) -> Status {
    Told::new(
        reason,
        "others keep changing the same at the same time; try again",
    )
    .retry(RETRY_SOON)
    .into()
}

fn ended(reason: EndReason) -> Status {
    let (reason, text) = match reason {
        EndReason::ExpiredIdle => (Reason::SessionExpiredIdle, "was not used for its idle TTL"),
        EndReason::ExpiredAbsolute => (
            Reason::SessionExpiredAbsolute,
            "reached its longest lifetime",
        ),
        EndReason::Deleted => (Reason::SessionDeleted, "was deleted"),
        EndReason::Rotated => (Reason::SessionRotated, "has another id now"),
        EndReason::Replaced => (Reason::SessionReplaced, "was replaced by a newer one"),
        EndReason::Evicted => (Reason::SessionEvicted, "made room for a newer one"),
        EndReason::Invalidated(why) => {
            let (name, text) = invalidation(why);
            return Told::new(
                Reason::SessionInvalidated,
                format!("the session was ended: {text}"),
            )
            .with("end_reason", name)
            .into();
        }
    };
    Told::new(reason, format!("the session {text}")).into()
}

fn invalidation(reason: InvalidationReason) -> (&'static str, &'static str) {
    match reason {
        InvalidationReason::Unspecified => ("UNSPECIFIED", "no reason was given"),
        InvalidationReason::PasswordChanged => ("PASSWORD_CHANGED", "the password changed"),
        InvalidationReason::LoggedOut => ("LOGGED_OUT", "the user signed out"),
        InvalidationReason::PermissionsChanged => {
            ("PERMISSIONS_CHANGED", "the user's rights changed")
        }
        InvalidationReason::AccountDisabled => ("ACCOUNT_DISABLED", "the account was disabled"),
        InvalidationReason::CredentialCompromised => (
            "CREDENTIAL_COMPROMISED",
            "a credential may be known to others",
        ),
        InvalidationReason::Admin => ("ADMIN", "an administrator decided it"),
        InvalidationReason::ProviderSessionEnded => (
            "PROVIDER_SESSION_ENDED",
            "the identity provider ended its session",
        ),
    }
}

fn limit(exceeded: LimitExceeded) -> Status {
    let LimitExceeded { maximum, asked, .. } = exceeded;
    let (reason, text) = match exceeded.limit {
        LimitName::StateBytes => (
            Reason::StateTooLarge,
            format!(
                "the state would take {asked} bytes of at most {maximum}: store summaries and filters, \
                 not result sets"
            ),
        ),
        LimitName::McpBytes => (
            Reason::StateTooLarge,
            format!("the MCP context would take {asked} bytes of at most {maximum}"),
        ),
        LimitName::StateKeys => (
            Reason::TooManyKeys,
            format!(
                "the state would have {asked} keys of at most {maximum}: store summaries and filters, \
                 not result sets"
            ),
        ),
        LimitName::StateKeyBytes | LimitName::StateDepth => (
            Reason::StateTooLarge,
            format!("the state asks for {asked} of at most {maximum}"),
        ),
        LimitName::SessionsPerOwner => (
            Reason::TooManySessions,
            format!("the owner would have {asked} sessions of at most {maximum}: end one first"),
        ),
        LimitName::SessionsPerTenant => (
            Reason::TooManySessions,
            format!("the tenant would have {asked} sessions of at most {maximum}"),
        ),
        LimitName::AnonymousSessions => (
            Reason::TooManySessions,
            format!("the namespace would have {asked} anonymous sessions of at most {maximum}"),
        ),
        LimitName::ClaimsPerOwner => (
            Reason::TooManyClaims,
            format!("the owner would hold {asked} claims of at most {maximum}"),
        ),
        LimitName::CredentialsPerSession => (
            Reason::TooManyCredentials,
            format!("the session would have {asked} credentials of at most {maximum}"),
        ),
        LimitName::CredentialBytes => (
            Reason::CredentialTooLarge,
            format!("the credential takes {asked} bytes of at most {maximum}"),
        ),
    };
    Told::new(reason, text).exceeded(exceeded).into()
}

/// A status as it is put together.
struct Told {
    reason: Reason,
    text: String,
    metadata: HashMap<String, String>,
    details: ErrorDetails,
}

impl Told {
    fn new(reason: Reason, text: impl Into<String>) -> Told {
        Told {
            reason,
            text: text.into(),
            metadata: HashMap::new(),
            details: ErrorDetails::new(),
        }
    }

    fn with(mut self, key: &str, value: impl Into<String>) -> Told {
        self.metadata.insert(key.to_owned(), value.into());
        self
    }

    fn exceeded(self, exceeded: LimitExceeded) -> Told {
        self.with("limit", exceeded.limit.as_str())
            .with("maximum", exceeded.maximum.to_string())
            .with("asked", exceeded.asked.to_string())
    }

    fn field(mut self, field: &str, why: impl Into<String>) -> Told {
        self.details.add_bad_request_violation(field, why);
        self
    }

    fn retry(mut self, after: Duration) -> Told {
        self.details.set_retry_info(Some(after));
        self
    }
}

impl From<Told> for Status {
    fn from(mut told: Told) -> Status {
        told.details
            .set_error_info(told.reason.as_str(), DOMAIN, told.metadata);
        Status::with_error_details(told.reason.code(), told.text, told.details)
    }
}
