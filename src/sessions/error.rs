//! Why an operation was not done, whatever it was.

use crate::audit::Unrecorded;
use crate::events::NoGlass;
use crate::session::refusal::Refusal;
use crate::store::StoreError;

/// Why an operation was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The rules refuse it, or the store could not do it.
    Store(StoreError),
    /// The namespace is not in the configuration, which lists all there are.
    NamespaceUnknown,
    /// The call shows nothing, or nothing sound, by which its caller could be known.
    CallerUnknown,
    /// No rule allows the caller to do this here.
    CallerNotAllowed,
    /// The namespace wants the owner proved, and the call does not prove it.
    OwnerNotProved,
    /// There is something to encrypt, but no key to do it with.
    EncryptionNotConfigured,
    /// What is kept was not sealed for its place, or the key that it was sealed with is destroyed.
    Unreadable,
    /// The key-encryption key that is needed is not at hand now.
    KeyUnavailable,
    /// The keys are written down in a way that cannot be read.
    KeysAtFault,
    /// Somebody else refreshes the credential, and was not done within the time to wait.
    RefreshInProgress,
    /// More calls are in progress than the service admits.
    Overloaded,
    /// The service is going down.
    ShuttingDown,
    /// The caller's deadline has passed.
    DeadlineExceeded,
    /// It cannot be recorded in the audit, and has to be.
    AuditUnavailable,
    /// What is asked for is done only where it is recorded, and there is no audit.
    AuditNotConfigured,
    /// The log is not the service's own: whoever runs it as a part of something else has it.
    LogNotOwned,
    /// A fault of the service itself.
    Internal,
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Error {
        Error::Store(error)
    }
}

impl From<Unrecorded> for Error {
    fn from(_: Unrecorded) -> Error {
        Error::AuditUnavailable
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        Error::Store(StoreError::Refused(refusal))
    }
}

impl From<NoGlass> for Error {
    fn from(why: NoGlass) -> Error {
        match why {
            NoGlass::NoAudit => Error::AuditNotConfigured,
            NoGlass::Unrecorded => Error::AuditUnavailable,
        }
    }
}
