//! What can go wrong, by the `reason` that the service gives.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::event::{EndReason, InvalidationReason};
use crate::transport::error_text;

/// Why a call failed. Branch on [`Error::kind`]; the texts are for people.
#[derive(Clone, Debug)]
pub struct Error {
    kind: Box<ErrorKind>,
    code: Code,
    reason: String,
    message: String,
    correlation_id: Option<String>,
    retry_after: Option<Duration>,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The client refused it before it was sent: an option, or a value that not every client could read.
    Refused {
        /// Which field or option.
        field: String,
    },
    /// The service refused fields of the request.
    InvalidFields(Vec<FieldViolation>),
    /// The namespace is not one of those that the service knows.
    NamespaceUnknown,
    /// The request id was used for another request.
    RequestIdReused,
    /// The service does not know this caller: no or a bad certificate, token or API key.
    CallerUnknown,
    /// This caller may not do this here.
    CallerNotAllowed,
    /// There is no such session for this owner.
    NotFound,
    /// The session has ended, and this is its owner.
    Ended(EndReason),
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
    /// A limit of the namespace.
    Limit(Limit),
    /// The service has too much to do right now.
    Overloaded,
    /// The store holds as much as it may.
    StoreFull,
    /// The service or its store is away, or going down.
    Unavailable,
    /// The deadline passed. The call was applied wholly or not at all.
    DeadlineExceeded,
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
    /// Which: `TOO_MANY_SESSIONS`, `STATE_TOO_LARGE`, …
    pub reason: String,
    /// The name of its setting.
    pub limit: String,
    /// What it allows.
    pub maximum: Option<u64>,
    /// What was asked of it.
    pub asked: Option<u64>,
}

impl Error {
    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// The gRPC code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The service's `reason`; empty if the error does not come from the service.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// What finds this call in the service's log.
    pub fn correlation_id(&self) -> Option<&str> {
        self.correlation_id.as_deref()
    }

    /// When the service says that a repetition may succeed.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether a repetition, with the same request id, is safe and may succeed.
    pub fn is_retryable(&self) -> bool {
        self.retry_after.is_some() || self.code == Code::Unavailable
    }

    /// Whether the session is not there for this owner: never was, or has ended.
    pub fn is_not_found(&self) -> bool {
        matches!(*self.kind, ErrorKind::NotFound | ErrorKind::Ended(_))
    }

    /// Whether this service, or what is before it, takes no calls: another one may.
    pub(crate) fn is_away(&self) -> bool {
        let says_so = matches!(&*self.reason, "" | "SHUTTING_DOWN");
        self.code == Code::Unavailable && says_so
    }

    pub(crate) fn refused(field: impl Into<String>, why: impl Into<String>) -> Error {
        let field = field.into();
        let message = format!("{field}: {}", why.into());
        Error::own(ErrorKind::Refused { field }, Code::InvalidArgument, message)
    }

    pub(crate) fn deadline() -> Error {
        Error::own(
            ErrorKind::DeadlineExceeded,
            Code::DeadlineExceeded,
            "the deadline passed before the service answered".to_owned(),
        )
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
        Error {
            kind: Box::new(kind),
            code,
            reason: String::new(),
            message,
            correlation_id: None,
            retry_after: None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let ErrorKind::InvalidFields(violations) = self.kind() {
            for violation in violations {
                // The text often names the field already.
                if !self.message.contains(&violation.description) {
                    write!(f, "; {}: {}", violation.field, violation.description)?;
                }
            }
        }
        if let Some(id) = &self.correlation_id {
            write!(f, " (correlation id {id})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<Status> for Error {
    fn from(status: Status) -> Error {
        if let Some(away) = connection_lost(&status) {
            return Error::unavailable(away);
        }
        let details = status.get_error_details();
        let (reason, metadata) = match details.error_info() {
            Some(info) if info.domain == "tenure" => (
                info.reason.clone(),
                info.metadata
                    .clone()
                    .into_iter()
                    .collect::<BTreeMap<_, _>>(),
            ),
            _ => Default::default(),
        };
        let violations = details.bad_request().map_or_else(Vec::new, |bad| {
            let violations = bad.field_violations.iter();
            violations
                .map(|violation| FieldViolation {
                    field: violation.field.clone(),
                    description: violation.description.clone(),
                })
                .collect()
        });
        let kind = kind(&status, &reason, &metadata, violations);
        let code = match kind {
            ErrorKind::DeadlineExceeded => Code::DeadlineExceeded,
            _ => status.code(),
        };
        let correlation_id = status.metadata().get("tenure-correlation-id");
        Error {
            kind: Box::new(kind),
            code,
            message: status.message().to_owned(),
            correlation_id: correlation_id
                .and_then(|id| id.to_str().ok())
                .map(ToOwned::to_owned),
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
            reason,
        }
    }
}

/// The text for a status that the transport made, not the service: it says what could not be reached and why.
fn connection_lost(status: &Status) -> Option<String> {
    // A status of the service has no source.
    let source = status.source()?;
    match status.code() {
        Code::Unavailable | Code::Unknown | Code::Internal
            if source.is::<tonic::transport::Error>() =>
        {
            Some(format!(
                "the service cannot be reached: {}",
                error_text(source)
            ))
        }
        // Nobody here cancels a call: the connection went away under it. A deadline that passed looks alike.
        Code::Cancelled if status.message() != TIMER => Some(format!(
            "the connection was closed before the service answered: {}; it may ask for a client certificate",
            error_text(source)
        )),
        _ => None,
    }
}

/// What the transport's own timer says, which follows the deadline that a call carries.
const TIMER: &str = "Timeout expired";

fn kind(
    status: &Status,
    reason: &str,
    metadata: &BTreeMap<String, String>,
    violations: Vec<FieldViolation>,
) -> ErrorKind {
    let number = |key: &str| metadata.get(key).and_then(|text| text.parse::<u64>().ok());
    match reason {
        "INVALID_FIELD" => ErrorKind::InvalidFields(violations),
        "NAMESPACE_UNKNOWN" => ErrorKind::NamespaceUnknown,
        "REQUEST_ID_REUSED" => ErrorKind::RequestIdReused,
        "CALLER_UNKNOWN" => ErrorKind::CallerUnknown,
        "CALLER_NOT_ALLOWED" => ErrorKind::CallerNotAllowed,
        "SESSION_NOT_FOUND" => ErrorKind::NotFound,
        "SESSION_EXPIRED_IDLE" => ErrorKind::Ended(EndReason::ExpiredIdle),
        "SESSION_EXPIRED_ABSOLUTE" => ErrorKind::Ended(EndReason::ExpiredAbsolute),
        "SESSION_DELETED" => ErrorKind::Ended(EndReason::Deleted),
        "SESSION_ROTATED" => ErrorKind::Ended(EndReason::Rotated),
        "SESSION_REPLACED" => ErrorKind::Ended(EndReason::Replaced),
        "SESSION_EVICTED" => ErrorKind::Ended(EndReason::Evicted),
        "SESSION_INVALIDATED" => {
            let why = metadata.get("end_reason").map_or("", String::as_str);
            ErrorKind::Ended(EndReason::Invalidated(InvalidationReason::from_name(why)))
        }
        "CREDENTIAL_NOT_FOUND" => ErrorKind::CredentialNotFound,
        "SESSION_EXISTS" => ErrorKind::SessionExists,
        "CONVERSATION_EXISTS" => ErrorKind::ConversationExists,
        "REVISION_MISMATCH" => ErrorKind::RevisionMismatch {
            current: metadata.get("revision").and_then(|text| text.parse().ok()),
        },
        "AUTHENTICATION_REVOKED" => ErrorKind::AuthenticationRevoked,
        "NOT_AN_INTEGER" => ErrorKind::NotAnInteger,
        "NOT_A_LIST" => ErrorKind::NotAList,
        "INTEGER_OUT_OF_RANGE" => ErrorKind::IntegerOutOfRange,
        "CURSOR_EXPIRED" => ErrorKind::CursorExpired,
        "OVERLOADED" => ErrorKind::Overloaded,
        "STORE_FULL" => ErrorKind::StoreFull,
        _ if metadata.contains_key("limit") => ErrorKind::Limit(Limit {
            reason: reason.to_owned(),
            limit: metadata.get("limit").cloned().unwrap_or_default(),
            maximum: number("maximum"),
            asked: number("asked"),
        }),
        _ => match status.code() {
            Code::Unavailable => ErrorKind::Unavailable,
            Code::DeadlineExceeded => ErrorKind::DeadlineExceeded,
            Code::Cancelled if status.message() == TIMER => ErrorKind::DeadlineExceeded,
            _ => ErrorKind::Other,
        },
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::{ErrorDetails, StatusExt as _};

    use super::*;

    fn error(code: Code, reason: &str, metadata: &[(&str, &str)]) -> Error {
        let metadata = metadata
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let mut details = ErrorDetails::new();
        details.set_error_info(
            reason,
            "tenure",
            metadata.collect::<std::collections::HashMap<_, _>>(),
        );
        Status::with_error_details(code, "text", details).into()
    }

    #[test]
    fn reasons_become_kinds() {
        let mismatch = error(Code::Aborted, "REVISION_MISMATCH", &[("revision", "7")]);
        assert_eq!(
            *mismatch.kind(),
            ErrorKind::RevisionMismatch { current: Some(7) }
        );
        let ended = error(
            Code::NotFound,
            "SESSION_INVALIDATED",
            &[("end_reason", "PASSWORD_CHANGED")],
        );
        let reason = InvalidationReason::PasswordChanged;
        assert_eq!(
            *ended.kind(),
            ErrorKind::Ended(EndReason::Invalidated(reason))
        );
        assert!(ended.is_not_found());
        let limit = error(
            Code::ResourceExhausted,
            "TOO_MANY_SESSIONS",
            &[
                ("limit", "sessions_per_owner"),
                ("maximum", "100"),
                ("asked", "101"),
            ],
        );
        assert_eq!(
            *limit.kind(),
            ErrorKind::Limit(Limit {
                reason: "TOO_MANY_SESSIONS".to_owned(),
                limit: "sessions_per_owner".to_owned(),
                maximum: Some(100),
                asked: Some(101),
            })
        );
        assert!(!limit.is_retryable());
        assert_eq!(
            *error(Code::Unavailable, "SHUTTING_DOWN", &[]).kind(),
            ErrorKind::Unavailable
        );
        let new = error(Code::FailedPrecondition, "SOMETHING_NEW", &[]);
        assert_eq!(
            (new.kind(), new.reason()),
            (&ErrorKind::Other, "SOMETHING_NEW")
        );
    }

    #[test]
    fn others_domains_are_not_believed() {
        let mut details = ErrorDetails::new();
        details.set_error_info(
            "SESSION_NOT_FOUND",
            "elsewhere",
            std::collections::HashMap::new(),
        );
        let foreign: Error = Status::with_error_details(Code::Internal, "text", details).into();
        assert_eq!(*foreign.kind(), ErrorKind::Other);
    }

    #[test]
    fn what_may_be_repeated_says_when() {
        let mut details = ErrorDetails::new();
        details.set_error_info("OVERLOADED", "tenure", std::collections::HashMap::new());
        details.set_retry_info(Some(Duration::from_millis(20)));
        let overloaded: Error =
            Status::with_error_details(Code::ResourceExhausted, "text", details).into();
        assert_eq!(*overloaded.kind(), ErrorKind::Overloaded);
        assert_eq!(overloaded.retry_after(), Some(Duration::from_millis(20)));
        assert!(overloaded.is_retryable());
    }
}
