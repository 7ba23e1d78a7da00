//! From a gRPC status to an error. Only codes and details are looked at, never the service's texts.

use std::collections::BTreeMap;
use std::error::Error as _;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{Error, ErrorKind, FieldViolation, Inner, Limit};
use crate::event::{EndReason, InvalidationReason};
use crate::transport::error_text;

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
        let kind = known(&reason, &metadata).unwrap_or_else(|| by_code(&status, &metadata));
        let code = match kind {
            ErrorKind::DeadlineExceeded => Code::DeadlineExceeded,
            _ => status.code(),
        };
        let correlation_id = status.metadata().get("tenure-correlation-id");
        Error(Box::new(Inner {
            kind,
            code,
            message: status.message().to_owned(),
            correlation_id: correlation_id
                .and_then(|id| id.to_str().ok())
                .map(ToOwned::to_owned),
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
            reason,
            violations,
            limit: limit(&metadata),
        }))
    }
}

fn limit(metadata: &BTreeMap<String, String>) -> Option<Limit> {
    let number = |key: &str| metadata.get(key).and_then(|text| text.parse().ok());
    Some(Limit {
        name: metadata.get("limit")?.clone(),
        maximum: number("maximum"),
        asked: number("asked"),
    })
}

/// The text for a status that the transport made, not the service: it says what could not be reached and why.
fn connection_lost(status: &Status) -> Option<String> {
    // A status of the service has no source.
    let source = status.source()?;
    match status.code() {
        // Nobody here cancels a call: the connection went away under it. A deadline that passed looks alike.
        Code::Cancelled if status.message() != TIMER => Some(format!(
            "the connection was closed before the service answered: {}; it may ask for a client certificate",
            error_text(source)
        )),
        // A connection that breaks under a call has many names, and none is worth more than that.
        Code::Unavailable | Code::Unknown | Code::Internal => Some(format!(
            "the service cannot be reached: {}",
            error_text(source)
        )),
        _ => None,
    }
}

/// What the transport's own timer says, which follows the deadline that a call carries.
const TIMER: &str = "Timeout expired";

/// The kind of error that every reason is; `None` for one that this version does not know.
fn known(reason: &str, metadata: &BTreeMap<String, String>) -> Option<ErrorKind> {
    Some(match reason {
        "INVALID_FIELD" => ErrorKind::InvalidField,
        "NAMESPACE_UNKNOWN" => ErrorKind::NamespaceUnknown,
        "REQUEST_ID_REUSED" => ErrorKind::RequestIdReused,
        "CALLER_UNKNOWN" => ErrorKind::CallerUnknown,
        "CALLER_NOT_ALLOWED" => ErrorKind::CallerNotAllowed,
        "OWNER_NOT_PROVED" => ErrorKind::OwnerNotProved,
        "SESSION_NOT_FOUND" => ErrorKind::SessionNotFound,
        "SESSION_EXPIRED_IDLE" => ErrorKind::SessionEnded(EndReason::ExpiredIdle),
        "SESSION_EXPIRED_ABSOLUTE" => ErrorKind::SessionEnded(EndReason::ExpiredAbsolute),
        "SESSION_DELETED" => ErrorKind::SessionEnded(EndReason::Deleted),
        "SESSION_ROTATED" => ErrorKind::SessionEnded(EndReason::Rotated),
        "SESSION_REPLACED" => ErrorKind::SessionEnded(EndReason::Replaced),
        "SESSION_EVICTED" => ErrorKind::SessionEnded(EndReason::Evicted),
        "SESSION_INVALIDATED" => {
            let why = metadata.get("end_reason").map_or("", String::as_str);
            ErrorKind::SessionEnded(EndReason::Invalidated(InvalidationReason::from_name(why)))
        }
        "CREDENTIAL_NOT_FOUND" => ErrorKind::CredentialNotFound,
        "SESSION_EXISTS" => ErrorKind::SessionExists,
        "CONVERSATION_EXISTS" => ErrorKind::ConversationExists,
        "REVISION_MISMATCH" => ErrorKind::RevisionMismatch {
            current: metadata.get("revision").and_then(|text| text.parse().ok()),
        },
        "CREDENTIAL_CHANGED" | "SESSION_CHANGED" => ErrorKind::Contended,
        "REFRESH_IN_PROGRESS" => ErrorKind::RefreshInProgress,
        "REFRESH_LEASE_LOST" => ErrorKind::RefreshLeaseLost,
        "AUTHENTICATION_REVOKED" => ErrorKind::AuthenticationRevoked,
        "NOT_AN_INTEGER" => ErrorKind::NotAnInteger,
        "NOT_A_LIST" => ErrorKind::NotAList,
        "INTEGER_OUT_OF_RANGE" => ErrorKind::IntegerOutOfRange,
        "CURSOR_EXPIRED" => ErrorKind::CursorExpired,
        "STATE_TOO_LARGE" => ErrorKind::StateTooLarge,
        "TOO_MANY_KEYS" => ErrorKind::TooManyKeys,
        "TOO_MANY_SESSIONS" => ErrorKind::TooManySessions,
        "TOO_MANY_CLAIMS" => ErrorKind::TooManyClaims,
        "TOO_MANY_CREDENTIALS" => ErrorKind::TooManyCredentials,
        "CREDENTIAL_TOO_LARGE" => ErrorKind::CredentialTooLarge,
        "MESSAGE_TOO_LARGE" => ErrorKind::MessageTooLarge,
        "OVERLOADED" => ErrorKind::Overloaded,
        "STORE_FULL" => ErrorKind::StoreFull,
        "STORE_UNAVAILABLE" => ErrorKind::StoreUnavailable,
        "STORE_UNSAFE" => ErrorKind::StoreUnsafe,
        "CLOCK_SKEW" => ErrorKind::ClockSkew,
        "INVALIDATION_NOT_DURABLE" => ErrorKind::InvalidationNotDurable,
        "KEY_UNAVAILABLE" => ErrorKind::KeyUnavailable,
        "AUDIT_UNAVAILABLE" => ErrorKind::AuditUnavailable,
        "SHUTTING_DOWN" => ErrorKind::ShuttingDown,
        "ENCRYPTION_NOT_CONFIGURED" => ErrorKind::EncryptionNotConfigured,
        "KEYS_AT_FAULT" => ErrorKind::KeysAtFault,
        "AUDIT_NOT_CONFIGURED" => ErrorKind::AuditNotConfigured,
        "LOG_NOT_OWNED" => ErrorKind::LogNotOwned,
        "DATA_UNREADABLE" => ErrorKind::DataUnreadable,
        "DEADLINE_EXCEEDED" => ErrorKind::DeadlineExceeded,
        "COMPRESSION_UNSUPPORTED" | "METHOD_UNKNOWN" => ErrorKind::Unsupported,
        "INTERNAL" => ErrorKind::Internal,
        _ => return None,
    })
}

/// For reasons that this version does not know, and for statuses that something on the way made.
fn by_code(status: &Status, metadata: &BTreeMap<String, String>) -> ErrorKind {
    match status.code() {
        _ if metadata.contains_key("limit") => ErrorKind::LimitExceeded,
        Code::InvalidArgument => ErrorKind::InvalidField,
        Code::Unauthenticated => ErrorKind::CallerUnknown,
        Code::PermissionDenied => ErrorKind::CallerNotAllowed,
        Code::NotFound => ErrorKind::SessionNotFound,
        Code::Unavailable => ErrorKind::Unavailable,
        Code::DeadlineExceeded => ErrorKind::DeadlineExceeded,
        Code::Cancelled if status.message() == TIMER => ErrorKind::DeadlineExceeded,
        Code::Unimplemented => ErrorKind::Unsupported,
        Code::Internal => ErrorKind::Internal,
        _ => ErrorKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
            ErrorKind::SessionEnded(EndReason::Invalidated(reason))
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
        assert_eq!(*limit.kind(), ErrorKind::TooManySessions);
        let wanted = Limit {
            name: "sessions_per_owner".to_owned(),
            maximum: Some(100),
            asked: Some(101),
        };
        assert_eq!(limit.limit(), Some(&wanted));
        assert!(!limit.is_retryable());
        assert_eq!(
            *error(Code::Unavailable, "SOMETHING_NEW", &[]).kind(),
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
        assert_eq!(*foreign.kind(), ErrorKind::Internal);
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
