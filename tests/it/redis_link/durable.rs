//! What has been acknowledged as durable survives a primary that is killed under load, and what has not been
//! may not: the control loses.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redis::Value;
use tenure::config::redis::RedisConfig;
use tenure::store::redis::link::{Call, Durable, Link, Script};

use super::{answered, eventually};
use crate::support::redis::{Cluster, Sentinels, Server};

static NOTE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "note",
        "#!lua flags=allow-oom\nreturn redis.call('SET', KEYS[1], ARGV[1])",
    )
});
static IS_THERE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "is_there",
        "#!lua flags=no-writes\nreturn redis.call('EXISTS', KEYS[1])",
    )
});

/// More than the kernel holds for a replica that does not read takes a few of these.
const BYTES: usize = 100_000;

fn note(key: &str, bytes: usize) -> Call {
    Call {
        script: &NOTE,
        keys: vec![key.as_bytes().to_vec()],
        args: vec![vec![b'x'; bytes]],
        absent: None,
    }
}

/// Notes until told to stop; the keys that were acknowledged as durable.
async fn load(
    link: &Link,
    next: &AtomicU64,
    acknowledged: &AtomicU64,
    stop: &AtomicBool,
) -> Vec<String> {
    let mut keys = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let key = format!("note{}", next.fetch_add(1, Ordering::Relaxed));
        match link.call_ending(&note(&key, 100)).await {
            Ok((_, Durable::Yes)) => {
                acknowledged.fetch_add(1, Ordering::Relaxed);
                keys.push(key);
            }
            Ok((_, Durable::NotYet)) => {}
            // So that an outage is no busy loop.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
        }
    }
    keys
}

async fn missing(link: &Link, keys: &[String]) -> usize {
    let is_there = |key: &String| Call {
        script: &IS_THERE,
        keys: vec![key.as_bytes().to_vec()],
        args: Vec::new(),
        absent: None,
    };
    let mut missing = 0;
    for keys in keys.chunks(500) {
        let calls: Vec<_> = keys.iter().map(is_there).collect();
        for (call, outcome) in calls.iter().zip(link.call_many(&calls).await) {
            let answer = match outcome {
                Ok(answer) => answer,
                // Not every server is back, or the machine is busy.
                Err(_) => answered(link, call).await,
            };
            missing += usize::from(answer == Value::Int(0));
        }
    }
    missing
}

/// Runs load, makes `disaster` happen in the middle, and waits until endings are durable again.
async fn under_load<F: AsyncFnOnce()>(link: &Link, disaster: F) -> Vec<String> {
    let (next, acknowledged, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let workers = (0..16).map(|_| load(link, &next, &acknowledged, &stop));
    let workers = futures::future::join_all(workers);
    let script = async {
        eventually("the load runs", || {
            acknowledged.load(Ordering::Relaxed) > 500
        })
        .await;
        disaster().await;
        let before = acknowledged.load(Ordering::Relaxed);
        eventually("endings are durable again", || {
            acknowledged.load(Ordering::Relaxed) > before + 500
        })
        .await;
        stop.store(true, Ordering::Relaxed);
    };
    let (keys, ()) = tokio::join!(workers, script);
    keys.into_iter().flatten().collect()
}

/// Puts more on a primary than gets through to replicas that do not read.
async fn flood(link: &Link) -> (usize, Vec<String>) {
    let calls: Vec<_> = (0..300)
        .map(|n| note(&format!("{{0}}flood{n}"), BYTES))
        .collect();
    let outcomes = link.call_many_ending(&calls).await;
    let durable = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Ok((_, Durable::Yes))))
        .count();
    let keys = (0..300).map(|n| format!("{{0}}flood{n}")).collect();
    (durable, keys)
}

async fn careless(url: &str) -> Link {
    let mut config = RedisConfig::parse(url).expect("a URL");
    config.replicas_to_wait = Some(0);
    // The flood comes in one batch.
    config.response_timeout = std::time::Duration::from_secs(10);
    Link::open(&config).await.expect("settings")
}

fn all(servers: &[Server], act: fn(&Server)) {
    servers.iter().for_each(act);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_sentinels() {
    let mut trio = Sentinels::start();
    let link = super::open(&trio.url()).await;
    let old = trio.servers[0].port;
    let keys = under_load(&link, async || {
        all(&trio.servers[1..], Server::freeze);
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        trio.servers[0].kill();
        all(&trio.servers[1..], Server::thaw);
        trio.wait_for_other_than(old);
    })
    .await;
    assert_eq!(missing(&link, &keys).await, 0, "of {}", keys.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_sentinels_without_the_wait_some_are_lost() {
    let mut trio = Sentinels::start();
    let (link, careful) = (careless(&trio.url()).await, super::open(&trio.url()).await);
    answered(&link, &note("warm", 1)).await;
    answered(&careful, &note("warm", 1)).await;
    let old = trio.servers[0].port;
    all(&trio.servers[1..], Server::freeze);
    let (durable, keys) = flood(&link).await;
    assert_eq!(durable, 300, "it believes that they are safe");
    // On top of it, one that knows better.
    let outcome = careful.call_ending(&note("last", 1)).await;
    assert!(matches!(outcome, Ok((_, Durable::NotYet))), "{outcome:?}");
    trio.servers[0].kill();
    all(&trio.servers[1..], Server::thaw);
    trio.wait_for_other_than(old);
    assert!(
        missing(&link, &keys).await > 0,
        "a test that cannot fail proves nothing"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_cluster() {
    let mut cluster = Cluster::start();
    let link = super::open(&cluster.url()).await;
    let keys = under_load(&link, async || {
        cluster.servers[3].freeze();
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        cluster.servers[0].kill();
        cluster.servers[3].thaw();
        cluster.wait_for_promotion(3);
    })
    .await;
    assert_eq!(missing(&link, &keys).await, 0, "of {}", keys.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_cluster_without_the_wait_some_are_lost() {
    let mut cluster = Cluster::start();
    let link = careless(&cluster.url()).await;
    answered(&link, &note("{0}", 1)).await;
    // `CLUSTER KEYSLOT {0}` is 13907: the third primary's.
    cluster.servers[5].freeze();
    let (durable, keys) = flood(&link).await;
    assert_eq!(durable, 300, "it believes that they are safe");
    cluster.servers[2].kill();
    cluster.servers[5].thaw();
    cluster.wait_for_promotion(5);
    assert!(
        missing(&link, &keys).await > 0,
        "a test that cannot fail proves nothing"
    );
}

#[tokio::test]
async fn replicas_that_are_gone_are_always_asked_and_not_waited_for_any_more() {
    let server = Server::start();
    let mut config = RedisConfig::parse(&server.url()).expect("a URL");
    // Of which there is none.
    (config.replicas, config.replicas_to_wait) = (1, Some(1));
    let link = Link::open(&config).await.expect("settings");
    answered(&link, &note("key", 1)).await;
    let lines = server
        .monitor(async {
            for _ in 0..5 {
                let ending = link.call_ending(&note("key", 1)).await;
                let (_, durable) = ending.expect("it is done");
                assert_eq!(durable, Durable::NotYet);
            }
        })
        .await;
    let waited: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.split_once("\"WAIT\" \"1\" "))
        .map(|(_, timeout)| timeout.trim().trim_matches('"'))
        .collect();
    let at_first = config.wait_timeout.as_millis().to_string();
    assert_eq!(waited, [&at_first, &at_first, &at_first, "20", "20"]);
}
