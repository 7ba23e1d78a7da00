//! Looks after one server: opens and closes its breaker, and knows its eviction, version and clock.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis::{Cmd, Value};
use tokio::time::Instant;

use crate::config::redis::Topology;
use crate::store::redis::link::connect::Held;
use crate::store::redis::link::fault::Trouble;
use crate::store::redis::link::lane;
use crate::store::redis::link::node::{Node, Standing};
use crate::store::redis::link::pause::Pause;
use crate::store::redis::link::servers::Servers;

/// What was found at a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// What it answers to `maxmemory-policy`.
    pub(super) eviction: String,
    /// How far its clock is ahead of ours, in milliseconds; behind if negative.
    pub(super) clock_ahead: i64,
    /// Its process. Another one means that it was restarted, perhaps with less than it had.
    pub(super) run_id: String,
    /// Why it cannot be used, although it answers.
    pub(super) refusal: Option<String>,
}

/// Beyond this, clocks are apart.
const SKEW_MS: i64 = 2_000;
/// How often a server that is well is looked at whole. In between, a command answers that MONITOR does not
/// show (measured: administrative ones are left out), so that one call is one line there.
const WHOLE_LOOK: Duration = Duration::from_secs(30);

impl Findings {
    pub(super) fn is_skewed(&self) -> bool {
        self.clock_ahead.abs() > SKEW_MS
    }

    pub(super) fn is_unsafe(&self) -> bool {
        self.eviction.starts_with("allkeys-")
    }
}

/// Runs until dropped.
pub(super) async fn run(servers: Arc<Servers>, node: Arc<Node>) {
    let mut held: Option<Held> = None;
    let mut pause = Pause::new(Duration::from_millis(50), Duration::from_secs(1));
    let mut last_whole: Option<LastLook> = None;
    let mut last_trouble: Option<Trouble> = None;
    loop {
        let well = node.standing() == Standing::Good && !servers.is_gated();
        let whole = !well || last_whole.as_ref().is_none_or(LastLook::is_old);
        let look = look(&node, &mut held, whole);
        let seen = tokio::time::timeout(node.config.response_timeout, look).await;
        let seen = seen.unwrap_or(Err(Trouble::TimedOut));
        let wait = match seen {
            Ok(findings) => {
                if last_trouble.take().is_some() || last_whole.is_none() {
                    tracing::info!(server = %node.address, "Redis answers");
                }
                if let Some(findings) = findings {
                    last_whole = Some(LastLook::now());
                    servers.found(&node, &findings);
                }
                pause.reset();
                node.config.watch_interval
            }
            Err(trouble) => {
                held = None;
                if matches!(trouble, Trouble::Denied) {
                    node.renew_credentials();
                }
                node.set_standing(Standing::Down);
                if last_trouble.as_ref() != Some(&trouble) {
                    tracing::warn!(server = %node.address, trouble = trouble.name(), "Redis does not serve");
                    last_trouble = Some(trouble);
                }
                // Perhaps another one has taken over.
                servers.locate_anew();
                pause.next()
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            // While it is down that is known already: the pause grows undisturbed.
            () = node.suspicion.notified(), if last_trouble.is_none() => {}
        }
    }
}

/// When a server was looked at whole, by the clock that only runs and by the one that can be set.
struct LastLook {
    at: Instant,
    time_ms: i64,
}

impl LastLook {
    fn now() -> LastLook {
        LastLook {
            at: Instant::now(),
            time_ms: now_ms(),
        }
    }

    /// Whether it is long ago, or our clock has been set since.
    fn is_old(&self) -> bool {
        let passed = self.at.elapsed();
        let by_the_clock = now_ms() - self.time_ms;
        let passed_ms = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
        passed >= WHOLE_LOOK || (by_the_clock - passed_ms).abs() > SKEW_MS / 4
    }
}

/// Asks the server. `None` where only its pulse was felt.
async fn look(
    node: &Arc<Node>,
    held: &mut Option<Held>,
    whole: bool,
) -> Result<Option<Findings>, Trouble> {
    if held.is_none() {
        *held = Some(Held::from_pool(&node.pool(), &node.address).await?);
    }
    let Some(held) = held.as_ref() else {
        return Err(Trouble::NotSent);
    };
    if whole || pulse(node, held).await? == Pulse::Changed {
        whole_look(node, held).await.map(Some)
    } else {
        Ok(None)
    }
}

#[derive(PartialEq, Eq)]
enum Pulse {
    Same,
    Changed,
}

async fn ask(node: &Node, held: &Held, command: &mut Cmd) -> Result<Value, Trouble> {
    match lane::send(held, command).await {
        Ok(Value::ServerError(error)) => Err(Trouble::from_server(&error, &node.address)),
        Ok(value) => Ok(value),
        Err(sent) => Err(sent.trouble(node)),
    }
}

/// Any answer at all shows that it is alive: an ACL may forbid CONFIG, hosted ones have none. Where there is
/// one, an unsafe setting is seen within a second.
async fn pulse(node: &Node, held: &Held) -> Result<Pulse, Trouble> {
    let mut config = redis::cmd("CONFIG");
    match ask(node, held, config.arg("GET").arg("maxmemory-policy")).await {
        Ok(answer) => {
            let eviction = redis::from_redis_value::<(String, String)>(answer).ok();
            let findings = node.findings.lock();
            let known = findings.as_ref().map(|findings| findings.eviction.as_str());
            match eviction {
                Some((_, eviction)) if Some(eviction.as_str()) != known => Ok(Pulse::Changed),
                _ => Ok(Pulse::Same),
            }
        }
        Err(Trouble::Denied | Trouble::Defect(_)) => Ok(Pulse::Same),
        Err(trouble) => Err(trouble),
    }
}

async fn whole_look(node: &Node, held: &Held) -> Result<Findings, Trouble> {
    // Refused while it loads its data, or is a replica that has lost its primary.
    ask(node, held, &mut redis::cmd("PING")).await?;
    let before = now_ms();
    let time = ask(node, held, &mut redis::cmd("TIME")).await?;
    let middle = before.midpoint(now_ms());
    let mut findings = Findings {
        clock_ahead: read_time(&time).map_or(0, |theirs| theirs.saturating_sub(middle)),
        ..Findings::default()
    };
    let info = info(node, held, "server").await?;
    field(&info, "run_id").clone_into(&mut findings.run_id);
    findings.refusal = refusal(&info, &node.config.topology);
    let info = self::info(node, held, "memory").await?;
    field(&info, "maxmemory_policy").clone_into(&mut findings.eviction);
    let info = self::info(node, held, "replication").await?;
    if field(&info, "role") == "slave" {
        return Err(Trouble::ReadOnly);
    }
    Ok(findings)
}

async fn info(node: &Node, held: &Held, section: &str) -> Result<String, Trouble> {
    match ask(node, held, redis::cmd("INFO").arg(section)).await? {
        Value::BulkString(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
        Value::VerbatimString { text, .. } => Ok(text),
        _ => Ok(String::new()),
    }
}

/// A field of what INFO answers; empty if it has none of the name.
pub(super) fn field<'a>(info: &'a str, name: &str) -> &'a str {
    let value = |line: &'a str| line.strip_prefix(name)?.strip_prefix(':');
    info.lines().find_map(value).unwrap_or_default().trim()
}

fn refusal(info: &str, topology: &Topology) -> Option<String> {
    let version = field(info, "redis_version");
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < 7) {
        return Some(format!(
            "Redis {version} is too old: 7.0 or newer is needed"
        ));
    }
    let mode = field(info, "redis_mode");
    match topology {
        Topology::Cluster { .. } if mode != "cluster" => {
            Some("it is no cluster: use redis:// or redis+sentinel://".to_owned())
        }
        Topology::Standalone(_) | Topology::Sentinel { .. } if mode == "cluster" => {
            Some("it is a cluster: use redis+cluster://".to_owned())
        }
        _ => None,
    }
}

fn read_time(answer: &Value) -> Option<i64> {
    let Value::Array(parts) = answer else {
        return None;
    };
    let number = |index: usize| match parts.get(index)? {
        Value::BulkString(text) => std::str::from_utf8(text).ok()?.parse::<i64>().ok(),
        Value::Int(number) => Some(*number),
        _ => None,
    };
    Some(number(0)? * 1_000 + number(1)? / 1_000)
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::redis::RedisConfig;

    #[test]
    fn refuses_what_is_too_old_or_another_kind() {
        let plain = RedisConfig::parse("redis://h").unwrap().topology;
        let cluster = RedisConfig::parse("redis+cluster://h").unwrap().topology;
        let info =
            |version, mode| format!("# Server\r\nredis_version:{version}\r\nredis_mode:{mode}\r\n");
        let check = |version, mode, topology| refusal(&info(version, mode), topology);
        assert_eq!(check("7.0.15", "standalone", &plain), None);
        assert_eq!(check("8.2.1", "cluster", &cluster), None);
        let old = check("6.2.14", "standalone", &plain).unwrap();
        assert!(
            old.contains("6.2.14") && old.contains("7.0 or newer"),
            "{old}"
        );
        assert!(check("", "standalone", &plain).is_some());
        assert!(
            check("7.2.0", "cluster", &plain)
                .unwrap()
                .contains("redis+cluster://")
        );
        assert!(
            check("7.2.0", "standalone", &cluster)
                .unwrap()
                .contains("no cluster")
        );
    }

    #[test]
    fn tells_what_is_unsafe_and_what_is_skewed() {
        let with = |eviction: &str, clock_ahead| Findings {
            eviction: eviction.to_owned(),
            clock_ahead,
            ..Findings::default()
        };
        assert!(with("allkeys-lru", 0).is_unsafe());
        assert!(!with("volatile-lru", 0).is_unsafe());
        assert!(!with("noeviction", 2_000).is_skewed());
        assert!(with("noeviction", -2_001).is_skewed());
    }
}
