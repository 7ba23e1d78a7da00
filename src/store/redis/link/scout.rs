//! Finds out which servers are primaries, and of what.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use redis::Value;

use crate::config::redis::{Address, Topology};
use crate::store::redis::link::fault::Trouble;
use crate::store::redis::link::map::Found;
use crate::store::redis::link::pause::Pause;
use crate::store::redis::link::servers::Servers;
use crate::store::redis::link::slots::{Range, read_slots};

/// How long slots may go on moving before they are looked up. Until then each call that comes too late is sent on.
const DRIFT: Duration = Duration::from_secs(1);

/// Runs until dropped.
pub(super) async fn run(servers: Arc<Servers>) {
    // Sentinels are asked every second: a primary that is cut off together with us goes on answering. A
    // cluster says MOVED itself, and a primary that dies makes its watch call for the scout.
    let every = match &servers.config.topology {
        Topology::Standalone(_) => Duration::from_hours(1),
        Topology::Sentinel { .. } => Duration::from_secs(1),
        Topology::Cluster { .. } => Duration::from_secs(30),
    };
    let mut pause = Pause::new(Duration::from_millis(50), Duration::from_secs(1));
    let mut said = false;
    loop {
        match locate(&servers).await {
            Ok(found) => {
                servers.adopt(&found);
                pause.reset();
                said = false;
            }
            Err(trouble) => {
                if !said {
                    tracing::warn!(trouble = trouble.name(), "Redis: cannot find the primaries");
                    said = true;
                }
            }
        }
        servers.scouted();
        // However often it is called for: not more often than this.
        tokio::time::sleep(pause.next().min(if said {
            every
        } else {
            Duration::from_millis(50)
        }))
        .await;
        tokio::select! {
            () = servers.wanted.notified() => {}
            () = drifted(&servers) => {}
            () = tokio::time::sleep(every), if !said => {}
            () = std::future::ready(()), if said => {}
        }
    }
}

async fn drifted(servers: &Servers) {
    servers.drifted.notified().await;
    tokio::time::sleep(DRIFT).await;
}

async fn locate(servers: &Servers) -> Result<Found, Trouble> {
    match &servers.config.topology {
        Topology::Standalone(address) => Ok(Found::One(address.clone())),
        Topology::Sentinel { sentinels, master } => ask_sentinels(servers, sentinels, master).await,
        Topology::Cluster { seeds } => ask_cluster(servers, seeds).await,
    }
}

/// Asks all at once, and takes the answer of the newest configuration once more than half have given one, or
/// all that will. One that is cut off together with an old primary would have us stay with it.
async fn newest<T>(
    servers: &Servers,
    asked: usize,
    mut answers: FuturesUnordered<impl Future<Output = Result<(i64, T), Trouble>>>,
) -> Result<T, Trouble> {
    let mut best: Option<(i64, T)> = None;
    let mut given = 0;
    let mut last_trouble = Trouble::NotSent;
    let collecting = async {
        while let Some(answer) = answers.next().await {
            match answer {
                Ok((epoch, found)) => {
                    given += 1;
                    if best.as_ref().is_none_or(|(best, _)| epoch > *best) {
                        best = Some((epoch, found));
                    }
                    if given * 2 > asked {
                        break;
                    }
                }
                Err(trouble) => last_trouble = trouble,
            }
        }
    };
    // One that hangs must not keep the others' answer from us.
    let collected = tokio::time::timeout(servers.config.response_timeout, collecting).await;
    match best {
        Some((_, found)) => Ok(found),
        None if collected.is_err() => Err(Trouble::TimedOut),
        None => Err(last_trouble),
    }
}

async fn ask_sentinels(
    servers: &Servers,
    sentinels: &[Address],
    master: &str,
) -> Result<Found, Trouble> {
    let credentials = servers.config.sentinel_credentials();
    let credentials = &credentials.map_err(|_| Trouble::Denied)?;
    let answers: FuturesUnordered<_> = sentinels
        .iter()
        .map(|sentinel| async move {
            let mut connection = servers.dialer.brief(sentinel, credentials).await?;
            let mut question = redis::cmd("SENTINEL");
            question.arg("MASTER").arg(master);
            let answer = connection.send_packed_command(&question).await;
            let answer = answer.map_err(|error| Trouble::from_driver(&error, sentinel))?;
            if let Value::ServerError(error) = &answer {
                return Err(Trouble::from_server(error, sentinel));
            }
            read_master(&answer)
                .ok_or_else(|| Trouble::Defect("no answer of a sentinel".to_owned()))
        })
        .collect();
    newest(servers, sentinels.len(), answers).await
}

/// Reads the answer to SENTINEL MASTER: names and values in turn.
fn read_master(answer: &Value) -> Option<(i64, Found)> {
    let Value::Array(parts) = answer else {
        return None;
    };
    let text = |value: &Value| match value {
        Value::BulkString(text) => String::from_utf8(text.clone()).ok(),
        _ => None,
    };
    let mut fields = HashMap::new();
    for pair in parts.chunks_exact(2) {
        fields.insert(text(&pair[0])?, text(&pair[1])?);
    }
    let epoch = fields.get("config-epoch")?.parse().ok()?;
    let host = fields.remove("ip")?;
    let port = fields.get("port")?.parse().ok()?;
    Some((epoch, Found::One(Address { host, port })))
}

async fn ask_cluster(servers: &Servers, seeds: &[Address]) -> Result<Found, Trouble> {
    let credentials = servers.config.credentials();
    let credentials = &credentials.map_err(|_| Trouble::Denied)?;
    // The seeds are where to begin; where all members have moved away from them, the members know.
    let mut informants = servers.informants();
    informants.extend(seeds.iter().cloned());
    informants.sort();
    informants.dedup();
    let answers: FuturesUnordered<_> = informants
        .iter()
        .map(|informant| async move {
            let mut connection = servers.dialer.brief(informant, credentials).await?;
            let mut questions = redis::pipe();
            questions
                .cmd("CLUSTER")
                .arg("INFO")
                .cmd("CLUSTER")
                .arg("SLOTS");
            let answers = connection.send_packed_commands(&questions, 0, 2).await;
            let answers = answers.map_err(|error| Trouble::from_driver(&error, informant))?;
            for answer in &answers {
                if let Value::ServerError(error) = answer {
                    return Err(Trouble::from_server(error, informant));
                }
            }
            read_cluster(&answers, informant).ok_or(Trouble::ClusterDown)
        })
        .collect();
    let ranges = newest(servers, informants.len(), answers).await?;
    Ok(Found::Many(ranges))
}

/// The cluster's epoch and its slots, in order. One that has no slots yet is none.
fn read_cluster(answers: &[Value], said_by: &Address) -> Option<(i64, Vec<Range>)> {
    let [info, slots] = answers else { return None };
    let info = match info {
        Value::BulkString(text) => String::from_utf8_lossy(text).into_owned(),
        Value::VerbatimString { text, .. } => text.clone(),
        _ => return None,
    };
    let epoch = info
        .lines()
        .find_map(|line| line.strip_prefix("cluster_current_epoch:"));
    let epoch = epoch?.trim().parse().ok()?;
    let mut ranges = read_slots(slots, said_by).filter(|ranges| !ranges.is_empty())?;
    for range in &mut ranges {
        range.replicas.sort();
    }
    ranges.sort_by_key(|range| range.first);
    Some((epoch, ranges))
}
