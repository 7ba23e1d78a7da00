//! What Redis says when it does not do what it is asked, and what a caller hears of it.

use std::sync::LazyLock;
use std::time::Duration;

use redis::Value;
use tenure::config::redis::RedisConfig;
use tenure::store::redis::link::{Call, Durable, Fault, Link, Script};

use super::{answered, count, count_all, eventually, is_unavailable, open};
use crate::support::redis::{Fake, Options, Server, bulk};

static LOOP: LazyLock<Script> = LazyLock::new(|| Script::new("loop", "while true do end"));
static RAISE: LazyLock<Script> =
    LazyLock::new(|| Script::new("raise", "local x = nil; return x.y"));

fn without_keys(script: &'static Script) -> Call {
    Call {
        script,
        keys: Vec::new(),
        args: Vec::new(),
        absent: None,
    }
}

#[tokio::test]
async fn out_of_memory_is_full_and_endings_still_work() {
    let server = Server::start();
    let link = open(&server.url()).await;
    answered(&link, &count_all(&["key"])).await;
    server.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(link.call(&count_all(&["key"])).await, Err(Fault::Full));
    // Flagged allow-oom.
    assert_eq!(
        link.call_ending(&count("key")).await,
        Ok((Value::Int(2), Durable::Yes))
    );
    server.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(link.call(&count_all(&["key"])).await, Ok(Value::Int(3)));
}

#[tokio::test]
async fn wrong_types_and_raised_errors_are_defects() {
    let server = Server::start();
    let link = open(&server.url()).await;
    answered(&link, &count("fine")).await;
    server.ask(&["RPUSH", "list", "x"]);
    let outcome = link.call(&count("list")).await;
    assert!(
        matches!(&outcome, Err(Fault::Script(text)) if text.starts_with("WRONGTYPE")),
        "{outcome:?}"
    );
    let outcome = link.call(&without_keys(&RAISE)).await;
    assert!(matches!(&outcome, Err(Fault::Script(_))), "{outcome:?}");
    // Neither harms the connection, nor another call of the same batch.
    let outcomes = link
        .call_many(&[count("fine"), count("list"), count("fine")])
        .await;
    assert_eq!(
        (&outcomes[0], &outcomes[2]),
        (&Ok(Value::Int(2)), &Ok(Value::Int(3)))
    );
    assert!(matches!(&outcomes[1], Err(Fault::Script(_))));
    let outcomes = link.call_many_ending(&[count("fine"), count("list")]).await;
    assert_eq!(outcomes[0], Ok((Value::Int(4), Durable::Yes)));
    assert!(matches!(&outcomes[1], Err(Fault::Script(_))));
}

#[tokio::test]
async fn rights_that_are_missing_make_it_unavailable() {
    let server = Server::start();
    server.ask(&[
        "ACL", "SETUSER", "tenure", "on", ">pw", "~fine*", "+@all", "-config",
    ]);
    let link = open(&format!("redis://tenure:pw@127.0.0.1:{}", server.port)).await;
    answered(&link, &count("fine")).await;
    // NOPERM of the key.
    assert!(is_unavailable(&link.call(&count("other")).await));
    assert!(link.call(&count("fine")).await.is_ok());
    // Inside a script.
    server.ask(&["ACL", "SETUSER", "tenure", "-incr"]);
    assert!(is_unavailable(&link.call(&count("fine")).await));
    server.ask(&["ACL", "SETUSER", "tenure", "+incr"]);
    assert!(link.call(&count("fine")).await.is_ok());
}

#[tokio::test]
async fn a_replica_is_no_primary() {
    let primary = Server::start();
    let replica = Server::start();
    let link = open(&replica.url()).await;
    answered(&link, &count("key")).await;
    replica.ask(&["REPLICAOF", "127.0.0.1", &primary.port.to_string()]);
    // READONLY, until the patience ends.
    assert!(is_unavailable(&link.call(&count("key")).await));
    replica.ask(&["REPLICAOF", "NO", "ONE"]);
    answered(&link, &count("key")).await;
}

#[tokio::test]
async fn a_busy_server_is_unavailable_and_comes_back() {
    let server = Server::start_with(Options::default().line("busy-reply-threshold 50"));
    let link = open(&server.url()).await;
    answered(&link, &count("key")).await;
    // Its own answer does not come in time.
    assert!(is_unavailable(&link.call(&without_keys(&LOOP)).await));
    assert!(is_unavailable(&link.call(&count("key")).await));
    eventually("the script is killed", || {
        server.try_ask(&["SCRIPT", "KILL"]).is_ok()
    })
    .await;
    answered(&link, &count("key")).await;
}

/// What a real server cannot easily be brought to say.
#[tokio::test]
async fn every_other_error_is_unavailable_and_passes() {
    let fake = Fake::start().await;
    let mut config = RedisConfig::parse(&fake.url()).expect("a URL");
    // A slot that never arrives.
    config.patience_with_moves = Duration::from_secs(1);
    let link = Link::open(&config).await.expect("settings");
    answered(&link, &count("key")).await;
    for error in [
        "LOADING Redis is loading the dataset in memory",
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
        "NOREPLICAS Not enough good replicas to write.",
        "BUSY Redis is busy running a script.",
        "NOAUTH Authentication required.",
        "WRONGPASS invalid username-password pair or user is disabled.",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "CLUSTERDOWN The cluster is down",
        "TRYAGAIN Multiple keys request during rehashing of slot",
    ] {
        fake.answer("EVALSHA", &format!("-{error}\r\n"));
        let outcome = link.call(&count("key")).await;
        assert!(is_unavailable(&outcome), "{error}: {outcome:?}");
        let outcome = link.call_ending(&count("key")).await;
        assert!(is_unavailable(&outcome), "{error}: {outcome:?}");
        fake.answer("EVALSHA", ":1\r\n");
        assert_eq!(
            link.call(&count("key")).await,
            Ok(Value::Int(1)),
            "after {error}"
        );
    }
    // Two servers, or one, that point in a circle.
    fake.answer("EVALSHA", &format!("-MOVED 1 127.0.0.1:{}\r\n", fake.port));
    assert!(is_unavailable(&link.call(&count("key")).await));
    // A script that it forgets each time.
    fake.answer("EVALSHA", "-NOSCRIPT No matching script.\r\n");
    assert!(is_unavailable(&link.call(&count("key")).await));
    // Something that is no answer at all.
    fake.answer("EVALSHA", "what?\r\n");
    assert!(is_unavailable(&link.call(&count("key")).await));
    fake.answer("EVALSHA", ":1\r\n");
    answered(&link, &count("key")).await;
}

#[tokio::test]
async fn a_server_that_is_still_loading_is_waited_for() {
    let fake = Fake::start().await;
    fake.answer(
        "PING",
        "-LOADING Redis is loading the dataset in memory\r\n",
    );
    let link = open(&fake.url()).await;
    assert!(is_unavailable(&link.call(&count("key")).await));
    assert!(!link.state().ready);
    fake.answer("PING", "+PONG\r\n");
    answered(&link, &count("key")).await;
    assert!(link.state().ready);
}

#[tokio::test]
async fn an_old_redis_is_refused() {
    let fake = Fake::start().await;
    let info = |version: &str| {
        bulk(&format!(
            "redis_version:{version}\r\nredis_mode:standalone\r\nrun_id:x\r\nrole:master\r\n"
        ))
    };
    fake.answer("INFO", &info("6.2.14"));
    let link = open(&fake.url()).await;
    assert!(is_unavailable(&link.call(&count("key")).await));
    let refused = link.state().refused.expect("a reason");
    assert!(
        refused.contains("6.2.14") && refused.contains("7.0"),
        "{refused}"
    );
    fake.answer("INFO", &info("7.0.0"));
    answered(&link, &count("key")).await;
    assert_eq!(link.state().refused, None);
}

#[tokio::test]
async fn clocks_that_are_apart_leave_only_endings() {
    let fake = Fake::start().await;
    fake.answer(
        "TIME",
        &format!("*2\r\n{}{}", bulk("1000000000"), bulk("0")),
    );
    let link = open(&fake.url()).await;
    eventually("the clocks are compared", || link.state().clock_skew).await;
    assert!(!link.state().ready);
    assert_eq!(link.call(&count("key")).await, Err(Fault::ClockSkew));
    assert_eq!(
        link.call_many(&[count("key")]).await,
        [Err(Fault::ClockSkew)]
    );
    assert_eq!(
        link.call_ending(&count("key")).await,
        Ok((Value::Int(1), Durable::Yes))
    );
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.expect("after 1970").as_secs().to_string();
    fake.answer("TIME", &format!("*2\r\n{}{}", bulk(&now), bulk("0")));
    answered(&link, &count("key")).await;
    assert!(link.state().ready);
}

#[tokio::test]
async fn unsafe_eviction_refuses_everything() {
    let server = Server::start_with(
        Options::default()
            .line("maxmemory 100mb")
            .line("maxmemory-policy allkeys-lru"),
    );
    let link = open(&server.url()).await;
    eventually("the setting is seen", || link.state().unsafe_eviction).await;
    assert!(!link.state().ready);
    assert_eq!(link.call(&count("key")).await, Err(Fault::Unsafe));
    assert_eq!(link.call_ending(&count("key")).await, Err(Fault::Unsafe));
    assert_eq!(
        link.command(b"key", redis::cmd("PING")).await,
        Err(Fault::Unsafe)
    );
    // Mended without a restart.
    server.ask(&["CONFIG", "SET", "maxmemory-policy", "volatile-lru"]);
    answered(&link, &count("key")).await;
    assert!(link.state().ready);
    // And made worse again.
    server.ask(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]);
    eventually("the change is seen", || link.state().unsafe_eviction).await;
}
