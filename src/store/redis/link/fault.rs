//! What can go wrong between a call and its answer, and what to do about it. The one place that reads what
//! Redis writes into its errors.

use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerError};

use crate::config::redis::Address;

/// Why a call has no answer. Nothing in it comes from a server, except the text in `Script`, which is for the
/// log alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The server cannot be reached, hangs, or cannot serve now.
    Unavailable {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// It was asked, and no answer came. Whether it has done what it was asked is unknown.
    Unanswered {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// It has no memory left.
    Full,
    /// It is set up so that it evicts what must stay.
    Unsafe,
    /// Its clock and ours are too far apart.
    ClockSkew,
    /// A script, or what it found, is wrong: a defect. Has been logged; never to be shown to a caller.
    Script(String),
}

/// When a caller should try again after an outage that this process cannot judge.
pub(super) const RETRY_AFTER: Duration = Duration::from_millis(250);

pub(super) const UNAVAILABLE: Fault = Fault::Unavailable {
    retry_after: RETRY_AFTER,
};

pub(super) const UNANSWERED: Fault = Fault::Unanswered {
    retry_after: RETRY_AFTER,
};

/// What happened, as told by a server or by the connection to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The script is not in the server's cache. Nothing was done.
    NoScript,
    /// The slot belongs to another server. Nothing was done.
    Moved(Address),
    /// This once, another server has the key. Nothing was done.
    Ask(Address),
    /// The slot is on the move, and the call's keys are on both sides. Nothing was done.
    TryAgain,
    /// A replica now. Nothing was done.
    ReadOnly,
    /// A replica that has lost its primary. Nothing was done.
    MasterDown,
    /// The cluster does not serve this slot, for now. Nothing was done.
    ClusterDown,
    /// Still reading its data from disk. Nothing was done.
    Loading,
    /// Another script has been running for too long. Nothing was done.
    Busy,
    /// Too few replicas are connected for its taste. Nothing was done.
    NoReplicas,
    /// Cannot write its snapshot, and is set up not to take writes then. Nothing was done.
    Misconfigured,
    /// No memory left. Nothing was done.
    Full,
    /// User, password or their rights are wrong.
    Denied,
    /// Anything else that a server says: a defect of ours. The code, and the text without what it quotes.
    Defect(String),
    /// No answer in time. Whether it was done is unknown.
    TimedOut,
    /// The connection broke. Whether it was done is unknown.
    Broken,
    /// There was no connection to send it on. Nothing was done.
    NotSent,
    /// The breaker is open, or too many calls are under way. Nothing was done.
    Shed,
}

/// What to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Tell the caller.
    Answer(Fault),
    /// Send it again, to the same server, with the script's text.
    Load,
    /// Send it to that server instead.
    Follow(Address),
    /// The same, this once, and say so.
    FollowOnce(Address),
    /// Send it again at once: the connection was dead before anything went out.
    Resend,
    /// Send it again in a moment.
    Wait,
    /// Find out anew who has the slot, then send it again.
    Locate,
}

impl Trouble {
    /// Reads an error that a server sent. `said_by` stands in for an address that it leaves out.
    pub(super) fn from_server(error: &ServerError, said_by: &Address) -> Trouble {
        let details = error.details().unwrap_or_default();
        // "MOVED 3999 127.0.0.1:6381": the parser has taken the code away.
        let redirect = || {
            let target = details.split_ascii_whitespace().nth(1)?;
            Address::from_redirect(target, said_by)
        };
        match error.code() {
            "NOSCRIPT" => Trouble::NoScript,
            "MOVED" => redirect().map_or(Trouble::TryAgain, Trouble::Moved),
            "ASK" => redirect().map_or(Trouble::TryAgain, Trouble::Ask),
            "TRYAGAIN" => Trouble::TryAgain,
            "READONLY" => Trouble::ReadOnly,
            "MASTERDOWN" => Trouble::MasterDown,
            "CLUSTERDOWN" => Trouble::ClusterDown,
            "LOADING" => Trouble::Loading,
            "BUSY" => Trouble::Busy,
            "NOREPLICAS" => Trouble::NoReplicas,
            "MISCONF" => Trouble::Misconfigured,
            "OOM" => Trouble::Full,
            "NOAUTH" | "WRONGPASS" | "NOPERM" => Trouble::Denied,
            code => from_unknown(code, details),
        }
    }

    /// Reads an error of the driver.
    pub(super) fn from_driver(error: &RedisError, said_by: &Address) -> Trouble {
        if let Ok(error) = ServerError::try_from(error.clone()) {
            return Trouble::from_server(&error, said_by);
        }
        match error.kind() {
            ErrorKind::AuthenticationFailed => match error.code() {
                // The handshake wraps what AUTH answered.
                Some("LOADING") => Trouble::Loading,
                _ => Trouble::Denied,
            },
            _ if error.is_timeout() => Trouble::TimedOut,
            _ => Trouble::Broken,
        }
    }

    /// What to do about it.
    pub(super) fn remedy(&self) -> Remedy {
        match self {
            Trouble::NoScript => Remedy::Load,
            Trouble::Moved(address) => Remedy::Follow(address.clone()),
            Trouble::Ask(address) => Remedy::FollowOnce(address.clone()),
            Trouble::TryAgain => Remedy::Wait,
            Trouble::ReadOnly | Trouble::MasterDown | Trouble::ClusterDown => Remedy::Locate,
            Trouble::NotSent => Remedy::Resend,
            Trouble::Full => Remedy::Answer(Fault::Full),
            Trouble::Defect(text) => Remedy::Answer(Fault::Script(text.clone())),
            Trouble::Loading
            | Trouble::Busy
            | Trouble::NoReplicas
            | Trouble::Misconfigured
            | Trouble::Denied
            | Trouble::Shed => Remedy::Answer(UNAVAILABLE),
            Trouble::TimedOut | Trouble::Broken => Remedy::Answer(UNANSWERED),
        }
    }

    /// Whether the connection is of no more use.
    pub(super) fn ends_connection(&self) -> bool {
        matches!(
            self,
            Trouble::TimedOut | Trouble::Broken | Trouble::NotSent | Trouble::ReadOnly
        )
    }

    /// For the log: what happened, without anything that a key or a secret could be part of.
    pub(super) fn name(&self) -> &str {
        match self {
            Trouble::NoScript => "the script is not cached",
            Trouble::Moved(_) => "the slot has moved",
            Trouble::Ask(_) => "the slot is moving",
            Trouble::TryAgain => "the slot is moving, its keys on both sides",
            Trouble::ReadOnly => "a replica, not a primary",
            Trouble::MasterDown => "a replica without its primary",
            Trouble::ClusterDown => "the cluster is down",
            Trouble::Loading => "loading its data",
            Trouble::Busy => "busy with a script",
            Trouble::NoReplicas => "too few replicas (min-replicas-to-write)",
            Trouble::Misconfigured => "cannot save to disk (stop-writes-on-bgsave-error)",
            Trouble::Full => "out of memory (maxmemory)",
            Trouble::Denied => "user, password or rights refused",
            Trouble::Defect(text) => text,
            Trouble::TimedOut => "no answer in time",
            Trouble::Broken => "the connection broke",
            Trouble::NotSent => "no connection",
            Trouble::Shed => "not asked",
        }
    }
}

/// Errors that begin with another code. Measured on 7.0.15: what fails inside a script keeps its code (OOM,
/// WRONGTYPE, READONLY), but an ACL refusal inside one is plain ERR, with this text; from 7.2 on with the
/// other.
fn from_unknown(code: &str, details: &str) -> Trouble {
    let denied = ["The user executing the script", "ACL failure in script"];
    if denied.iter().any(|text| details.contains(text)) {
        return Trouble::Denied;
    }
    // It quotes what was sent, so perhaps a session's content.
    if details.contains("args beginning with") {
        return Trouble::Defect(format!("{code} (text withheld: it quotes the command)"));
    }
    let mut text = format!("{code} {details}");
    if let Some((end, _)) = text.char_indices().nth(200) {
        text.truncate(end);
    }
    Trouble::Defect(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> Address {
        Address {
            host: "here".to_owned(),
            port: 1,
        }
    }

    /// Through the driver's own parser, as it comes from a socket.
    fn said(line: &str) -> Trouble {
        let value = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        let redis::Value::ServerError(error) = value else {
            panic!("not an error: {value:?}")
        };
        let direct = Trouble::from_server(&error, &here());
        let wrapped = Trouble::from_driver(&RedisError::from(error), &here());
        assert_eq!(
            direct, wrapped,
            "the two ways that errors come in must agree"
        );
        direct
    }

    #[test]
    fn every_error_of_redis_has_its_answer() {
        let other = Address {
            host: "10.0.0.2".to_owned(),
            port: 7001,
        };
        let unavailable = Remedy::Answer(UNAVAILABLE);
        for (line, remedy) in [
            (
                "NOSCRIPT No matching script. Please use EVAL.",
                Remedy::Load,
            ),
            ("MOVED 3999 10.0.0.2:7001", Remedy::Follow(other.clone())),
            ("ASK 3999 10.0.0.2:7001", Remedy::FollowOnce(other)),
            ("MOVED 3999 :1", Remedy::Follow(here())),
            ("MOVED", Remedy::Wait),
            (
                "TRYAGAIN Multiple keys request during rehashing of slot",
                Remedy::Wait,
            ),
            (
                "READONLY You can't write against a read only replica.",
                Remedy::Locate,
            ),
            (
                "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
                Remedy::Locate,
            ),
            ("CLUSTERDOWN The cluster is down", Remedy::Locate),
            ("CLUSTERDOWN Hash slot not served", Remedy::Locate),
            (
                "LOADING Redis is loading the dataset in memory",
                unavailable.clone(),
            ),
            ("BUSY Redis is busy running a script.", unavailable.clone()),
            (
                "NOREPLICAS Not enough good replicas to write.",
                unavailable.clone(),
            ),
            (
                "MISCONF Redis is configured to save RDB snapshots, but it's …",
                unavailable.clone(),
            ),
            (
                "OOM command not allowed when used memory > 'maxmemory'.",
                Remedy::Answer(Fault::Full),
            ),
            ("NOAUTH Authentication required.", unavailable.clone()),
            (
                "WRONGPASS invalid username-password pair or user is disabled.",
                unavailable.clone(),
            ),
            (
                "NOPERM this user has no permissions to run the 'evalsha' command",
                unavailable.clone(),
            ),
            (
                "ERR The user executing the script can't run this command or subcommand script: ba00",
                unavailable.clone(),
            ),
            (
                "ERR ACL failure in script: User app has no permissions to run the 'set' command",
                unavailable,
            ),
        ] {
            assert_eq!(said(line).remedy(), remedy, "{line}");
        }
    }

    #[test]
    fn defects_are_told_apart_and_quote_nothing() {
        let text = |line| match said(line) {
            Trouble::Defect(text) => text,
            other => panic!("{line}: {other:?}"),
        };
        assert!(
            text("WRONGTYPE Operation against a key holding the wrong kind of value")
                .starts_with("WRONGTYPE")
        );
        assert!(
            text("ERR Error running script: @user_script:3: attempt to index a nil value")
                .contains("nil value")
        );
        let quoted = text("ERR unknown command 'FOO', with args beginning with: 'hunter2' ");
        assert!(!quoted.contains("hunter2"), "{quoted}");
        assert!(text(&format!("ERR {}", "x".repeat(5000))).len() <= 204);
    }

    #[test]
    fn troubles_of_the_connection_are_unavailable() {
        for kind in [
            std::io::ErrorKind::ConnectionRefused,
            std::io::ErrorKind::ConnectionReset,
            std::io::ErrorKind::UnexpectedEof,
        ] {
            let error = RedisError::from(std::io::Error::from(kind));
            let trouble = Trouble::from_driver(&error, &here());
            assert_eq!(trouble, Trouble::Broken);
            assert_eq!(trouble.remedy(), Remedy::Answer(UNANSWERED));
        }
        let error = RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
        assert_eq!(Trouble::from_driver(&error, &here()), Trouble::TimedOut);
        let error = RedisError::from((ErrorKind::AuthenticationFailed, "refused"));
        assert_eq!(Trouble::from_driver(&error, &here()), Trouble::Denied);
    }
}
