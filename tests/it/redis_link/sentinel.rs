//! Behind sentinels.

use redis::Value;
use tenure::config::redis::RedisConfig;
use tenure::store::redis::link::{Durable, Link};

use super::{all_kinds_of_calls_work, answered, count, ended, eventually, is_unavailable, open};
use crate::support::redis::{Options, Sentinels};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finds_the_primary_and_follows_it() {
    let mut trio = Sentinels::start();
    let link = open(&trio.url()).await;
    all_kinds_of_calls_work(&link).await;
    let mut failovers = link.failovers();
    assert_eq!(*failovers.borrow_and_update(), 0);

    let old = trio.servers[0].port;
    trio.servers[0].kill();
    let promoted = trio.wait_for_other_than(old);
    let number = answered(&link, &count("a")).await;
    assert_eq!(number, Value::Int(4), "what was acknowledged is there");
    eventually("the failover is noticed", || {
        failovers.has_changed().unwrap_or(false)
    })
    .await;
    ended(&link, &count("a")).await;
    assert_eq!(
        promoted.ask(&["GET", "a"]),
        Value::BulkString(b"5".to_vec())
    );

    // The old one comes back, and is a replica then.
    trio.servers[0].restart();
    ended(&link, &count("a")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ending_is_durable_only_when_a_replica_has_it() {
    let trio = Sentinels::start();
    let link = open(&trio.url()).await;
    ended(&link, &count("key")).await;
    for replica in &trio.servers[1..] {
        replica.freeze();
    }
    // Applied all the same, one by one and in batches, and never said to be safe.
    for expected in 2..8 {
        let outcome = link.call_ending(&count("key")).await;
        assert_eq!(outcome, Ok((Value::Int(expected), Durable::NotYet)));
    }
    let calls: Vec<_> = (0..50).map(|_| count("key")).collect();
    for outcome in link.call_many_ending(&calls).await {
        assert!(matches!(outcome, Ok((_, Durable::NotYet))), "{outcome:?}");
    }
    // Ordinary calls do not wait behind them.
    assert_eq!(link.call(&count("key")).await, Ok(Value::Int(58)));
    for replica in &trio.servers[1..] {
        replica.thaw();
    }
    ended(&link, &count("key")).await;

    // The control: without the wait it would have been called durable.
    let mut config = RedisConfig::parse(&trio.url()).expect("a URL");
    config.replicas_to_wait = Some(0);
    let careless = Link::open(&config).await.expect("settings");
    ended(&careless, &count("key")).await;
    for replica in &trio.servers[1..] {
        replica.freeze();
    }
    let outcome = careless.call_ending(&count("key")).await;
    assert!(matches!(outcome, Ok((_, Durable::Yes))), "{outcome:?}");
    for replica in &trio.servers[1..] {
        replica.thaw();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_have_credentials_of_their_own() {
    let servers = Options::default().password("data");
    let sentinels = Options::default().password("guards");
    let trio = Sentinels::start_with(&servers, &sentinels);
    let mut config = RedisConfig::parse(&trio.url()).expect("a URL");
    config.password = Some("data".into());
    let link = Link::open(&config).await.expect("settings");
    assert!(is_unavailable(&link.call(&count("key")).await));
    config.sentinel_password = Some("guards".into());
    let link = Link::open(&config).await.expect("settings");
    all_kinds_of_calls_work(&link).await;
}
