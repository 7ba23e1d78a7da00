//! What can go wrong, by the `reason` that the service gives.

use std::fmt;
use std::time::Duration;

use tonic::Code;

use crate::event::EndReason;

mod status;

/// Why a call failed. Branch on [`Error::kind`]; the texts are for people.
#[derive(Clone, Debug)]
pub struct Error(Box<Inner>);

/// Behind a pointer: an answer should not be as large as its rarest failure.
#[derive(Clone, Debug)]
struct Inner {
    kind: ErrorKind,
    code: Code,
    reason: String,
    message: String,
    correlation_id: Option<String>,
    retry_after: Option<Duration>,
    violations: Vec<FieldViolation>,
    limit: Option<Limit>,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The client refused it before anything was sent: an option, or a value that no state holds without loss.
    Refused {
        /// Which option, or where the value stands.
        field: String,
    },
    /// The service refused fields of the request: [`Error::violations`].
    InvalidField,
    /// The namespace is not one of those that the service knows.
    NamespaceUnknown,
    /// The request id was used for another request.
    RequestIdReused,
    /// The service does not know this caller: no or a bad certificate, token or API key.
    CallerUnknown,
    /// This caller may not do this here.
    CallerNotAllowed,
    /// The namespace wants owners proved, and [`crate::Sessions::user_token`] did not prove this one.
    OwnerNotProved,
    /// There is no such session for this owner.
    SessionNotFound,
    /// The session has ended, and this is its owner.
    SessionEnded(EndReason),
    /// The session has no such credential.
    CredentialNotFound,
    /// The session's id is taken.
    SessionExists,
    /// The conversation has a live session.
    ConversationExists,
    /// The session was changed in the meantime.
    RevisionMismatch {
        /// The revision it is at; `None` if the service did not say.
        current: Option<i64>,
    },
    /// Others kept changing the same at the same time. The call has been repeated in vain.
    Contended,
    /// Somebody else is refreshing the credential, and was not done in time.
    RefreshInProgress,
    /// Somebody else has the right to refresh by now.
    RefreshLeaseLost,
    /// The login is older than an invalidation: the user has to sign in again.
    AuthenticationRevoked,
    /// An increment of something that is not an integer.
    NotAnInteger,
    /// An append to something that is not a list.
    NotAList,
    /// An increment beyond ±(2⁵³−1).
    IntegerOutOfRange,
    /// The events after this cursor are gone: drop what you hold and start anew.
    CursorExpired,
    /// The state, or the MCP context, is too large: store summaries and filters, not result sets. Which limit, here and
    /// below: [`Error::limit`].
    StateTooLarge,
    /// The state has too many top-level keys.
    TooManyKeys,
    /// The owner, the tenant or the anonymous owners together have too many live sessions.
    TooManySessions,
    /// The owner holds too many claims.
    TooManyClaims,
    /// The session has too many credentials.
    TooManyCredentials,
    /// The credential is too large.
    CredentialTooLarge,
    /// The whole request is too large.
    MessageTooLarge,
    /// Another limit of the namespace, which this client does not know.
    LimitExceeded,
    /// The service has too much to do right now.
    Overloaded,
    /// The store holds as much as it may.
    StoreFull,
    /// The service's store does not answer. This and what follows down to [`ErrorKind::ShuttingDown`] is
    /// [`Error::is_unavailable`].
    StoreUnavailable,
    /// The store's settings could lose sessions silently: the service does not use it.
    StoreUnsafe,
    /// The clocks of the service and of its store are apart.
    ClockSkew,
    /// The ending is in force, but would not survive a failover yet: repeat it.
    InvalidationNotDurable,
    /// This instance of the service does not have the key that is needed.
    KeyUnavailable,
    /// What happens in this namespace must be recorded, and cannot be now.
    AuditUnavailable,
    /// This instance of the service is going down.
    ShuttingDown,
    /// The service cannot be reached, or something on the way there says so.
    Unavailable,
    /// The service has no key to encrypt credentials with.
    EncryptionNotConfigured,
    /// The service cannot read its keys.
    KeysAtFault,
    /// What is asked for is done only where it is recorded, and the service has no audit.
    AuditNotConfigured,
    /// The log of the service's process is not its own to change.
    LogNotOwned,
    /// What is kept does not open: its tenant's key was destroyed, or somebody has changed it.
    DataUnreadable,
    /// The deadline passed. The call was applied wholly or not at all.
    DeadlineExceeded,
    /// The service does not know this method or this form of it: it is older than the client, or something else.
    Unsupported,
    /// The service failed; its log has the details under the correlation id.
    Internal,
    /// Anything else; see [`Error::code`] and [`Error::reason`].
    Other,
}

/// A field that the service refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldViolation {
    /// The field's path in the request.
    pub field: String,
    /// What is wrong with it.
    pub description: String,
}

/// A limit that a call would have exceeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The name of its setting.
    pub name: String,
    /// What it allows.
    pub maximum: Option<u64>,
    /// What was asked of it.
    pub asked: Option<u64>,
}

impl Error {
    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The gRPC code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The service's `reason`; `INVALID_VALUE` and `INVALID_CONFIGURATION` are the client's own. Empty if the
    /// transport failed.
    pub fn reason(&self) -> &str {
        &self.0.reason
    }

    /// The fields that the service refused, and why.
    pub fn violations(&self) -> &[FieldViolation] {
        &self.0.violations
    }

    /// The limit that the call would have exceeded. Some limits are those of a field.
    pub fn limit(&self) -> Option<&Limit> {
        self.0.limit.as_ref()
    }

    /// What finds this call in the service's log.
    pub fn correlation_id(&self) -> Option<&str> {
        self.0.correlation_id.as_deref()
    }

    /// When the service says that a repetition may succeed.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether a repetition, with the same request id, is safe and may succeed.
    pub fn is_retryable(&self) -> bool {
        self.0.retry_after.is_some() || self.0.code == Code::Unavailable
    }

    /// Whether the client itself refused it, before anything was sent.
    pub fn is_refused(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Refused { .. })
    }

    /// Whether the session is not there for this owner: never was, or has ended.
    pub fn is_not_found(&self) -> bool {
        matches!(
            self.0.kind,
            ErrorKind::SessionNotFound | ErrorKind::SessionEnded(_)
        )
    }

    /// Whether the service, or what it needs, is away for now.
    pub fn is_unavailable(&self) -> bool {
        self.0.code == Code::Unavailable
    }

    /// An option, or an argument that does not fit on the wire.
    pub(crate) fn refused(field: impl Into<String>, why: impl Into<String>) -> Error {
        Error::not_sent("INVALID_CONFIGURATION", field.into(), &why.into())
    }

    /// A value that no state holds without loss. The text must not show it.
    pub(crate) fn bad_value(place: String, why: &str) -> Error {
        Error::not_sent("INVALID_VALUE", place, why)
    }

    fn not_sent(reason: &str, field: String, why: &str) -> Error {
        let message = format!("{field}: {why}");
        let kind = ErrorKind::Refused { field };
        let mut error = Error::own(kind, Code::InvalidArgument, message);
        reason.clone_into(&mut error.0.reason);
        error
    }

    pub(crate) fn deadline() -> Error {
        Error::own(
            ErrorKind::DeadlineExceeded,
            Code::DeadlineExceeded,
            "the deadline passed before the service answered".to_owned(),
        )
    }

    pub(crate) fn token(option: &str, error: &dyn std::error::Error) -> Error {
        let message = format!("the function that gives the {option} failed: {error}");
        Error::own(ErrorKind::CallerUnknown, Code::Unauthenticated, message)
    }

    pub(crate) fn unavailable(message: String) -> Error {
        Error::own(ErrorKind::Unavailable, Code::Unavailable, message)
    }

    pub(crate) fn malformed(what: &str) -> Error {
        let message =
            format!("the service answered without {what}: is it a Tenure of this version?");
        Error::own(ErrorKind::Other, Code::Internal, message)
    }

    fn own(kind: ErrorKind, code: Code, message: String) -> Error {
        Error(Box::new(Inner {
            kind,
            code,
            reason: String::new(),
            message,
            correlation_id: None,
            retry_after: None,
            violations: Vec::new(),
            limit: None,
        }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        for violation in &self.0.violations {
            // The text often names the field already.
            if !self.0.message.contains(&violation.description) {
                write!(f, "; {}: {}", violation.field, violation.description)?;
            }
        }
        if let Some(id) = &self.0.correlation_id {
            write!(f, " (correlation id {id})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
