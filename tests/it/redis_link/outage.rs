//! A server that is away or hangs.

use std::time::{Duration, Instant};

use tenure::config::redis::RedisConfig;
use tenure::store::redis::link::Link;

use super::{answered, count, ended, eventually, is_unavailable, open};
use crate::support::redis::{Options, Server, free_port};

/// How much later than its timeout something may come on a busy machine. One behind the other, they would take
/// minutes.
const GRACE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn starts_without_redis_and_finds_it_when_it_appears() {
    let port = free_port();
    let link = open(&format!("redis://127.0.0.1:{port}")).await;
    assert!(!link.state().ready);
    for _ in 0..100 {
        assert!(is_unavailable(&link.call(&count("key")).await));
        assert!(is_unavailable(&link.call_ending(&count("key")).await));
    }
    let server = Server::start_at(port, Options::default());
    answered(&link, &count("key")).await;
    assert!(link.state().ready);
    drop(server);
    eventually("it is seen to be away", || !link.state().ready).await;
}

#[tokio::test]
async fn a_hanging_server_costs_a_caller_its_timeout_and_then_nothing() {
    let server = Server::start();
    let config = RedisConfig::parse(&server.url()).expect("a URL");
    let link = Link::open(&config).await.expect("settings");
    answered(&link, &count("key")).await;
    ended(&link, &count("key")).await;
    let connections = server.connections_of_the_link();

    server.freeze();
    // A crowd, of which each waits for no longer than the timeout.
    let since = Instant::now();
    let (call, ending) = (count("key"), count("key"));
    let crowd = futures::future::join_all((0..500).map(|_| link.call(&call)));
    let endings = futures::future::join_all((0..100).map(|_| link.call_ending(&ending)));
    let (outcomes, endings) = tokio::join!(crowd, endings);
    let took = since.elapsed();
    assert!(outcomes.iter().all(is_unavailable));
    assert!(endings.iter().all(is_unavailable));
    assert!(took < config.response_timeout + GRACE, "{took:?}");

    // From here on the breaker answers: thousands of calls take no longer than a few timeouts would.
    assert!(!link.state().ready);
    let since = Instant::now();
    for _ in 0..2000 {
        assert!(is_unavailable(&link.call(&call).await));
        assert!(is_unavailable(&link.call_ending(&ending).await));
    }
    let took = since.elapsed();
    assert!(took < GRACE, "{took:?}");

    server.thaw();
    answered(&link, &call).await;
    ended(&link, &ending).await;
    assert!(link.state().ready);
    // The old ones are let go of when the server finds that they have been closed.
    eventually("no more connections than before", || {
        server.connections_of_the_link() <= connections
    })
    .await;
}

#[tokio::test]
async fn a_server_that_dies_and_comes_back() {
    let mut server = Server::start();
    let link = open(&server.url()).await;
    answered(&link, &count("key")).await;
    for _ in 0..3 {
        server.kill();
        let since = Instant::now();
        let mut calls = 0;
        while since.elapsed() < Duration::from_millis(300) {
            assert!(is_unavailable(&link.call(&count("key")).await));
            calls += 1;
            tokio::task::yield_now().await;
        }
        assert!(calls > 10, "only {calls} calls were answered at once");
        server.restart();
        answered(&link, &count("key")).await;
        ended(&link, &count("key")).await;
    }
    // The link's three, and none left over.
    eventually("no more connections than needed", || {
        server.connections_of_the_link() <= 3
    })
    .await;
}

#[tokio::test]
async fn too_many_calls_at_once_are_shed() {
    let server = Server::start();
    let mut config = RedisConfig::parse(&server.url()).expect("a URL");
    config.max_in_flight = 10;
    let link = Link::open(&config).await.expect("settings");
    answered(&link, &count("key")).await;
    let call = count("key");
    server.freeze();
    let since = Instant::now();
    let outcomes = futures::future::join_all((0..1000).map(|_| async {
        let outcome = link.call(&call).await;
        (outcome, since.elapsed())
    }));
    let outcomes = outcomes.await;
    assert!(outcomes.iter().all(|(outcome, _)| is_unavailable(outcome)));
    let waited = outcomes
        .iter()
        .filter(|(_, took)| *took >= config.response_timeout)
        .count();
    assert_eq!(waited, 10, "the others were answered at once");
    server.thaw();
    answered(&link, &call).await;
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_the_connection_usable() {
    let server = Server::start();
    let link = open(&server.url()).await;
    answered(&link, &count("key")).await;
    server.freeze();
    for _ in 0..10 {
        let call = count("key");
        let gone = tokio::time::timeout(Duration::from_millis(5), link.call(&call)).await;
        assert!(gone.is_err());
    }
    server.thaw();
    answered(&link, &count("other")).await;
}

#[tokio::test]
async fn dropping_the_link_ends_its_tasks_and_connections() {
    let server = Server::start();
    let link = open(&server.url()).await;
    answered(&link, &count("key")).await;
    ended(&link, &count("key")).await;
    drop(link);
    eventually("the connections are closed", || {
        server.connections_of_the_link() == 0
    })
    .await;
}
