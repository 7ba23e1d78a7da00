//! How a command ends.

use std::io;
use std::process::ExitCode;

use tenure_client::{Code, Error, ErrorKind};

use crate::config::Faults;

/// The exit codes. They are documented in [`HELP`], once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Ok = 0,
    Error = 1,
    Usage = 2,
    NotFound = 3,
    Refused = 4,
    Unavailable = 5,
    Denied = 6,
}

pub(super) const HELP: &str = "\
Exit codes:
  0  done
  1  an error that has no code of its own
  2  wrong usage, a faulty configuration, or a field that the service refused
  3  there is no such session for this owner, or it has ended
  4  refused by a rule or a limit: it exists already, another revision, a revoked login, too large,
     too many; and `session claim` when the key was claimed before
  5  the service is away, overloaded or too slow: trying again may help
  6  the service does not know the caller, or the caller may not do this; and `policy test` for a no";

impl Exit {
    /// The code for an error.
    pub(super) fn of(error: &anyhow::Error) -> Exit {
        if let Some(error) = error.downcast_ref::<Error>() {
            return Exit::of_call(error);
        }
        if error.is::<Faults>() || error.is::<Usage>() {
            return Exit::Usage;
        }
        match error.downcast_ref::<io::Error>() {
            // Whoever read the output has read enough (`tenure … | head`).
            Some(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
            _ => Exit::Error,
        }
    }

    fn of_call(error: &Error) -> Exit {
        match error.kind() {
            ErrorKind::Overloaded => return Exit::Unavailable,
            ErrorKind::CredentialNotFound
            | ErrorKind::SessionNotFound
            | ErrorKind::SessionEnded(_) => {
                return Exit::NotFound;
            }
            _ => {}
        }
        match error.code() {
            Code::InvalidArgument => Exit::Usage,
            Code::NotFound => Exit::NotFound,
            Code::AlreadyExists
            | Code::Aborted
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::ResourceExhausted => Exit::Refused,
            Code::Unavailable | Code::DeadlineExceeded => Exit::Unavailable,
            Code::Unauthenticated | Code::PermissionDenied => Exit::Denied,
            _ => Exit::Error,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Something about the arguments that the parser could not see.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Usage(pub(super) String);
