//! How scripts get to Redis and answers back: connections, the servers that have the slots, what to do when
//! one is away, and the proof that an ending would survive a failover.
//!
//! - [`rounds`] sends requests to the servers that have their slots, and follows where they point.
//! - [`servers`] knows which servers there are; [`scout`] finds out who is primary of what ([`map`]).
//! - [`node`] is one server: its breaker, and per runtime a [`lane`] for calls and an [`ending`] lane.
//! - [`watch`] looks after one server and works its breaker.
//! - [`fault`] reads errors.

mod connect;
mod ending;
mod fault;
mod lane;
mod map;
mod node;
mod pause;
mod report;
mod rounds;
mod scout;
mod servers;
mod slots;
mod watch;

use std::fmt::Write as _;
use std::sync::Arc;

use redis::{Cmd, Value};
use tokio_util::sync::DropGuard;

pub use fault::Fault;
pub use report::Report;

use crate::config::redis::{BadRedisConfig, RedisConfig};
use crate::store::redis::link::rounds::Request;
use crate::store::redis::link::servers::Servers;

/// The way to Redis. Calls may come from any number of runtimes: each gets a connection of its own to each
/// primary, shared by all its calls. Dropping it ends its background tasks.
pub struct Link {
    servers: Arc<Servers>,
    _stop: DropGuard,
}

/// A script, known to the servers by its SHA-1.
#[derive(Debug)]
pub struct Script {
    name: &'static str,
    text: String,
    sha: String,
}

/// One execution of a script.
#[derive(Clone, Debug)]
pub struct Call {
    /// Which.
    pub script: &'static Script,
    /// All keys that it may touch, in one slot.
    pub keys: Vec<Vec<u8>>,
    /// Its arguments.
    pub args: Vec<Vec<u8>>,
    /// A key of the same slot that never exists, for a script that touches keys which it may have removed.
    ///
    /// While a slot moves, the server that it leaves refuses a script what is missing there, and what the script
    /// itself has removed is missing: it ends halfway, with its writes done (measured on 7.0.15). With one key
    /// that is missing from the start Redis says TRYAGAIN before it begins.
    pub absent: Option<Vec<u8>>,
}

/// Whether an ending would survive a failover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durable {
    /// As many replicas as configured have it.
    Yes,
    /// It is in force, but not on enough replicas yet. Repeating it is right.
    NotYet,
}

/// How things are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkState {
    /// Whether the store can do its work: a primary serves, eviction is safe, clocks agree.
    pub ready: bool,
    /// Redis is set up to evict what must stay: every call is refused.
    pub unsafe_eviction: bool,
    /// Its clock and ours are more than 2 s apart: only endings are accepted.
    pub clock_skew: bool,
    /// How many primaries are known.
    pub primaries: usize,
    /// How many of them are away: calls for them are refused at once.
    pub down: usize,
    /// Why a server is not used although it answers (too old, another topology). For the log and the
    /// operator, not for callers.
    pub refused: Option<String>,
}

/// On which connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Plain,
    Ending,
}

impl Link {
    /// Checks the settings, and returns at once: it connects in the background, for as long as it takes. The
    /// background tasks live on the calling runtime.
    #[expect(clippy::unused_async, reason = "must run on a runtime, and says so")]
    pub async fn open(config: &RedisConfig) -> Result<Link, BadRedisConfig> {
        let servers = Arc::new(Servers::new(config.clone())?);
        let stop = servers.stop.clone();
        tokio::spawn(
            stop.clone()
                .run_until_cancelled_owned(scout::run(Arc::clone(&servers))),
        );
        Ok(Link {
            servers,
            _stop: stop.drop_guard(),
        })
    }

    /// Runs a script.
    pub async fn call(&self, call: &Call) -> Result<Value, Fault> {
        rounds::one(&self.servers, Request::Script(call)).await
    }

    /// Runs many, pipelined to each server. The answers are in the order of the calls.
    pub async fn call_many(&self, calls: &[Call]) -> Vec<Result<Value, Fault>> {
        let answered = self.many(Way::Plain, calls).await.into_iter();
        answered
            .map(|answered| answered.map(|(value, _)| value))
            .collect()
    }

    /// Runs a script that ends something, on connections that no other load delays, and waits until as many
    /// replicas as configured have it. The script must write something each time, also when there is nothing
    /// left to end, or the wait proves nothing.
    pub async fn call_ending(&self, call: &Call) -> Result<(Value, Durable), Fault> {
        let requests = [Request::Script(call)];
        let answered = rounds::many(&self.servers, Way::Ending, &requests).await;
        answered
            .into_iter()
            .next()
            .unwrap_or(Err(fault::UNAVAILABLE))
    }

    /// The same for many. The answers are in the order of the calls.
    pub async fn call_many_ending(&self, calls: &[Call]) -> Vec<Result<(Value, Durable), Fault>> {
        self.many(Way::Ending, calls).await
    }

    /// Sends a plain command to the primary that has the key's slot. Never one that blocks: everything behind
    /// it would wait.
    pub async fn command(&self, slot_key: &[u8], command: Cmd) -> Result<Value, Fault> {
        let request = Request::Plain {
            slot: slots::slot_of(slot_key),
            command: &command,
        };
        rounds::one(&self.servers, request).await
    }

    /// How things are now.
    pub fn state(&self) -> LinkState {
        self.servers.state()
    }

    /// Asks every server that has data how it is. One that does not answer says so by its silence.
    pub async fn reports(&self) -> Vec<Report> {
        report::all(&self.servers).await
    }

    /// A number that grows each time another process has become primary (a failover, a restart). What was
    /// acknowledged shortly before may be lost with the old one: endings should be asserted again.
    pub fn failovers(&self) -> tokio::sync::watch::Receiver<u64> {
        self.servers.failovers()
    }

    async fn many(&self, way: Way, calls: &[Call]) -> Vec<Result<(Value, Durable), Fault>> {
        let requests: Vec<_> = calls.iter().map(Request::Script).collect();
        rounds::many(&self.servers, way, &requests).await
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("state", &self.state())
            .finish()
    }
}

impl Script {
    /// A script and what to call it in the log.
    pub fn new(name: &'static str, text: impl Into<String>) -> Script {
        let text = text.into();
        let digest = aws_lc_rs::digest::digest(
            &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY,
            text.as_bytes(),
        );
        let mut sha = String::with_capacity(40);
        for byte in digest.as_ref() {
            // Into a string: cannot fail.
            let _ = write!(sha, "{byte:02x}");
        }
        Script { name, text, sha }
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        self.name
    }

    fn load_command(&self) -> Cmd {
        let mut command = redis::cmd("SCRIPT");
        command.arg("LOAD").arg(&self.text);
        command
    }
}

impl Call {
    /// The first key's; a script without keys is at home everywhere.
    fn slot(&self) -> u16 {
        self.keys.first().map_or(0, |key| slots::slot_of(key))
    }

    fn command(&self) -> Cmd {
        let parts = || self.keys.iter().chain(&self.absent).chain(&self.args);
        let bytes = parts().map(Vec::len).sum::<usize>() + 64;
        let mut command = Cmd::with_capacity(3 + parts().count(), bytes);
        command
            .arg("EVALSHA")
            .arg(&self.script.sha)
            .arg(self.keys.len() + usize::from(self.absent.is_some()));
        for part in parts() {
            command.arg(part);
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_known_by_its_sha() {
        // What SCRIPT LOAD "return 1" answers.
        let script = Script::new("one", "return 1");
        assert_eq!(script.sha, "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
    }
}
