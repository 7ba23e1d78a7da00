//! Every reason that this service gives, in one list: clients have a typed error for each.

use tonic::Code;

macro_rules! reasons {
    ($($reason:ident = $name:literal / $code:ident,)*) => {
        /// Why a call failed, as clients see it.
        #[derive(Clone, Copy)]
        pub(super) enum Reason {
            $($reason,)*
        }

        impl Reason {
            #[cfg(test)]
            const ALL: &[Reason] = &[$(Reason::$reason,)*];

            /// Its name on the wire.
            pub(super) fn as_str(self) -> &'static str {
                match self {
                    $(Reason::$reason => $name,)*
                }
            }

            /// Its gRPC code: always the same one.
            pub(super) fn code(self) -> Code {
                match self {
                    $(Reason::$reason => Code::$code,)*
                }
            }
        }
    };
}

reasons! {
    InvalidField = "INVALID_FIELD" / InvalidArgument,
    NamespaceUnknown = "NAMESPACE_UNKNOWN" / InvalidArgument,
    RequestIdReused = "REQUEST_ID_REUSED" / InvalidArgument,
    CallerUnknown = "CALLER_UNKNOWN" / Unauthenticated,
    CallerNotAllowed = "CALLER_NOT_ALLOWED" / PermissionDenied,
    OwnerNotProved = "OWNER_NOT_PROVED" / PermissionDenied,
    SessionNotFound = "SESSION_NOT_FOUND" / NotFound,
    SessionExpiredIdle = "SESSION_EXPIRED_IDLE" / NotFound,
    SessionExpiredAbsolute = "SESSION_EXPIRED_ABSOLUTE" / NotFound,
    SessionDeleted = "SESSION_DELETED" / NotFound,
    SessionRotated = "SESSION_ROTATED" / NotFound,
    SessionReplaced = "SESSION_REPLACED" / NotFound,
    SessionEvicted = "SESSION_EVICTED" / NotFound,
    SessionInvalidated = "SESSION_INVALIDATED" / NotFound,
    CredentialNotFound = "CREDENTIAL_NOT_FOUND" / NotFound,
    SessionExists = "SESSION_EXISTS" / AlreadyExists,
    ConversationExists = "CONVERSATION_EXISTS" / AlreadyExists,
    RevisionMismatch = "REVISION_MISMATCH" / Aborted,
    CredentialChanged = "CREDENTIAL_CHANGED" / Aborted,
    SessionChanged = "SESSION_CHANGED" / Aborted,
    RefreshInProgress = "REFRESH_IN_PROGRESS" / Aborted,
    RefreshLeaseLost = "REFRESH_LEASE_LOST" / Aborted,
    AuthenticationRevoked = "AUTHENTICATION_REVOKED" / FailedPrecondition,
    NotAnInteger = "NOT_AN_INTEGER" / FailedPrecondition,
    NotAList = "NOT_A_LIST" / FailedPrecondition,
    IntegerOutOfRange = "INTEGER_OUT_OF_RANGE" / OutOfRange,
    CursorExpired = "CURSOR_EXPIRED" / OutOfRange,
    StateTooLarge = "STATE_TOO_LARGE" / ResourceExhausted,
    TooManyKeys = "TOO_MANY_KEYS" / ResourceExhausted,
    TooManySessions = "TOO_MANY_SESSIONS" / ResourceExhausted,
    TooManyClaims = "TOO_MANY_CLAIMS" / ResourceExhausted,
    TooManyCredentials = "TOO_MANY_CREDENTIALS" / ResourceExhausted,
    CredentialTooLarge = "CREDENTIAL_TOO_LARGE" / ResourceExhausted,
    MessageTooLarge = "MESSAGE_TOO_LARGE" / ResourceExhausted,
    Overloaded = "OVERLOADED" / ResourceExhausted,
    StoreFull = "STORE_FULL" / ResourceExhausted,
    StoreUnavailable = "STORE_UNAVAILABLE" / Unavailable,
    StoreUnsafe = "STORE_UNSAFE" / Unavailable,
    ClockSkew = "CLOCK_SKEW" / Unavailable,
    InvalidationNotDurable = "INVALIDATION_NOT_DURABLE" / Unavailable,
    KeyUnavailable = "KEY_UNAVAILABLE" / Unavailable,
    AuditUnavailable = "AUDIT_UNAVAILABLE" / Unavailable,
    ShuttingDown = "SHUTTING_DOWN" / Unavailable,
    EncryptionNotConfigured = "ENCRYPTION_NOT_CONFIGURED" / FailedPrecondition,
    KeysAtFault = "KEYS_AT_FAULT" / FailedPrecondition,
    AuditNotConfigured = "AUDIT_NOT_CONFIGURED" / FailedPrecondition,
    LogNotOwned = "LOG_NOT_OWNED" / FailedPrecondition,
    DataUnreadable = "DATA_UNREADABLE" / DataLoss,
    DeadlineExceeded = "DEADLINE_EXCEEDED" / DeadlineExceeded,
    CompressionUnsupported = "COMPRESSION_UNSUPPORTED" / Unimplemented,
    MethodUnknown = "METHOD_UNKNOWN" / Unimplemented,
    Internal = "INTERNAL" / Internal,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The list that every client's tests read: a reason that is missing there has no typed error anywhere.
    #[test]
    fn clients_know_every_reason() {
        let listed = include_str!("../../../tests/vectors/reasons.json");
        let listed: serde_json::Value = serde_json::from_str(listed).expect("JSON");
        let listed: BTreeMap<&str, &str> = listed["reasons"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|row| {
                let text = |key: &str| row[key].as_str().expect("a text");
                (text("reason"), text("code"))
            })
            .collect();
        let code = |reason: &Reason| match reason.code() {
            Code::InvalidArgument => "INVALID_ARGUMENT",
            Code::Unauthenticated => "UNAUTHENTICATED",
            Code::PermissionDenied => "PERMISSION_DENIED",
            Code::NotFound => "NOT_FOUND",
            Code::AlreadyExists => "ALREADY_EXISTS",
            Code::Aborted => "ABORTED",
            Code::FailedPrecondition => "FAILED_PRECONDITION",
            Code::OutOfRange => "OUT_OF_RANGE",
            Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Code::Unavailable => "UNAVAILABLE",
            Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Code::DataLoss => "DATA_LOSS",
            Code::Unimplemented => "UNIMPLEMENTED",
            Code::Internal => "INTERNAL",
            other => panic!("a code that no reason had: {other:?}"),
        };
        let given: BTreeMap<&str, &str> = Reason::ALL
            .iter()
            .map(|reason| (reason.as_str(), code(reason)))
            .collect();
        assert_eq!(given, listed, "tests/vectors/reasons.json is not this list");
    }
}
