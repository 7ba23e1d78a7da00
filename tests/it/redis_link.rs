//! The way to Redis, against real servers: standalone here, behind sentinels and in a cluster beside it.

mod cluster;
mod durable;
mod errors;
mod outage;
mod sentinel;

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use redis::Value;
use tenure::config::redis::RedisConfig;
use tenure::store::redis::link::{Call, Durable, Fault, Link, Script};

use crate::support::redis::{Certificates, DEADLINE, Options, Server};

/// Counts up: each run of it is seen in its answer.
static COUNT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "count",
        "#!lua flags=allow-oom\nreturn redis.call('INCR', KEYS[1])",
    )
});
/// Touches as many keys as it is given.
static COUNT_ALL: LazyLock<Script> = LazyLock::new(|| {
    let text = "#!lua\nlocal sum = 0\nfor _, key in ipairs(KEYS) do sum = sum + redis.call('INCR', key) end\nreturn sum";
    Script::new("count_all", text)
});

fn count(key: &str) -> Call {
    Call {
        script: &COUNT,
        keys: vec![key.as_bytes().to_vec()],
        args: Vec::new(),
        absent: None,
    }
}

fn count_all(keys: &[&str]) -> Call {
    Call {
        script: &COUNT_ALL,
        keys: keys.iter().map(|key| key.as_bytes().to_vec()).collect(),
        args: Vec::new(),
        absent: None,
    }
}

async fn open(url: &str) -> Link {
    let link = Link::open(&RedisConfig::parse(url).expect("a URL")).await;
    link.expect("settings")
}

/// Polls until it is so, and leaves the runtime to others meanwhile.
#[track_caller]
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let until = Instant::now() + DEADLINE;
        while !is_so() {
            assert!(
                Instant::now() < until,
                "not within {DEADLINE:?}: {what} ({caller})"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Asks until it is answered.
async fn answered(link: &Link, call: &Call) -> Value {
    let until = Instant::now() + DEADLINE;
    loop {
        match link.call(call).await {
            Ok(value) => return value,
            Err(fault) => assert!(Instant::now() < until, "still {fault:?}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The same for an ending.
async fn ended(link: &Link, call: &Call) -> Value {
    let until = Instant::now() + DEADLINE;
    loop {
        match link.call_ending(call).await {
            Ok((value, Durable::Yes)) => return value,
            other => assert!(Instant::now() < until, "still {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn is_unavailable<T: std::fmt::Debug>(outcome: &Result<T, Fault>) -> bool {
    matches!(
        outcome,
        Err(Fault::Unavailable { .. } | Fault::Unanswered { .. })
    )
}

/// Every kind of call works, whatever is behind it, at once after it has been opened.
async fn all_kinds_of_calls_work(link: &Link) {
    assert_eq!(link.call(&count("a")).await, Ok(Value::Int(1)));
    assert_eq!(link.call(&count("a")).await, Ok(Value::Int(2)));
    assert_eq!(
        link.call_ending(&count("a")).await,
        Ok((Value::Int(3), Durable::Yes))
    );
    // Over all slots, so over all servers.
    let calls: Vec<_> = (0..256)
        .map(|cell| count(&format!("{{cell{cell}}}")))
        .collect();
    let answers = link.call_many(&calls).await;
    assert_eq!(answers, vec![Ok(Value::Int(1)); 256]);
    let answers = link.call_many_ending(&calls).await;
    assert_eq!(answers, vec![Ok((Value::Int(2), Durable::Yes)); 256]);
    let mut get = redis::cmd("GET");
    get.arg("{cell7}");
    assert_eq!(
        link.command(b"{cell7}", get).await,
        Ok(Value::BulkString(b"2".to_vec()))
    );
    assert!(link.state().ready, "{:?}", link.state());
}

#[tokio::test]
async fn standalone() {
    let server = Server::start();
    let link = open(&server.url()).await;
    all_kinds_of_calls_work(&link).await;
    assert_eq!(*link.failovers().borrow(), 0);
}

#[tokio::test]
async fn one_call_is_one_line_in_monitor() {
    let server = Server::start();
    let link = open(&server.url()).await;
    answered(&link, &count("warm")).await;
    let calls = Box::pin(async {
        for _ in 0..1000 {
            link.call(&count("key")).await.expect("an answer");
        }
        // Past several beats of the watch.
        tokio::time::sleep(Duration::from_millis(2500)).await;
    });
    let lines = server.monitor(calls).await;
    let (inside, outside): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line.contains(" lua]"));
    assert_eq!(inside.len(), 1000);
    assert_eq!(
        outside.len(),
        1000,
        "{:?}",
        outside.iter().find(|line| !line.contains("EVALSHA"))
    );
    assert!(outside.iter().all(|line| line.contains("\"EVALSHA\"")));
}

#[tokio::test]
async fn a_forgotten_script_is_loaded_again_unnoticed() {
    let mut server = Server::start();
    let link = open(&server.url()).await;
    answered(&link, &count("key")).await;
    for expected in 2..5 {
        server.ask(&["SCRIPT", "FLUSH"]);
        assert_eq!(link.call(&count("key")).await, Ok(Value::Int(expected)));
    }
    server.ask(&["SCRIPT", "FLUSH"]);
    assert_eq!(
        link.call_ending(&count("key")).await,
        Ok((Value::Int(5), Durable::Yes))
    );
    server.ask(&["SCRIPT", "FLUSH"]);
    let calls: Vec<_> = (0..100).map(|cell| count(&format!("cell{cell}"))).collect();
    assert_eq!(link.call_many(&calls).await, vec![Ok(Value::Int(1)); 100]);

    // After a restart too, where in addition every connection is dead.
    let mut failovers = link.failovers();
    failovers.mark_unchanged();
    server.kill();
    server.restart();
    assert_eq!(answered(&link, &count("key")).await, Value::Int(1));
    // A restart may lose what was acknowledged, so it counts as one.
    let changed = tokio::time::timeout(DEADLINE, failovers.changed()).await;
    changed.expect("in time").expect("the link is there");
}

#[tokio::test]
async fn a_dead_idle_connection_costs_no_call() {
    let server = Server::start();
    let link = open(&server.url()).await;
    answered(&link, &count("key")).await;
    ended(&link, &count("key")).await;
    for round in 0..10 {
        server.ask(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        // That the connection is gone must have come here; nothing shows when it has.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let outcome = link.call(&count("key")).await;
        assert!(outcome.is_ok(), "round {round}: {outcome:?}");
        let outcome = link.call_ending(&count("key")).await;
        assert!(outcome.is_ok(), "round {round}: {outcome:?}");
    }
}

#[test]
fn each_runtime_has_one_connection_for_calls_and_one_for_endings() {
    let server = Server::start();
    let home = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(1)
        .build();
    let home = home.expect("a runtime");
    let link = home.block_on(open(&server.url()));
    let link = &link;
    std::thread::scope(|scope| {
        for thread in 0..3 {
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                runtime.expect("a runtime").block_on(async {
                    let key = format!("thread{thread}");
                    let call = count(&key);
                    let calls = (0..200).map(|_| answered(link, &call));
                    futures::future::join_all(calls).await;
                    let endings = (0..200).map(|_| ended(link, &call));
                    futures::future::join_all(endings).await;
                    assert_eq!(link.call(&call).await, Ok(Value::Int(401)));
                });
            });
        }
    });
    let info = server.info("stats");
    let received = info
        .lines()
        .find_map(|line| line.strip_prefix("total_connections_received:"));
    let received: u32 = received
        .expect("a number")
        .trim()
        .parse()
        .expect("a number");
    // Two for each of three runtimes, and the watch; the rest are the test's own: one per question.
    assert!((7..=12).contains(&received), "{received} connections");
}

#[tokio::test]
async fn endings_at_the_same_time_share_a_round_trip() {
    let server = Server::start();
    let link = open(&server.url()).await;
    ended(&link, &count("key")).await;
    let call = count("key");
    let all = (0..500).map(|_| link.call_ending(&call));
    let answers = futures::future::join_all(all).await;
    let mut numbers: Vec<_> = answers
        .into_iter()
        .map(|answer| match answer {
            Ok((Value::Int(number), Durable::Yes)) => number,
            other => panic!("{other:?}"),
        })
        .collect();
    numbers.sort_unstable();
    assert_eq!(
        numbers,
        (2..=501).collect::<Vec<_>>(),
        "each got its own answer"
    );
}

#[tokio::test]
async fn tls_with_a_client_certificate() {
    let tls = Certificates::make();
    let options = Options {
        tls: Some(tls.clone()),
        ..Options::default()
    };
    let server = Server::start_with(options.line("tls-auth-clients yes"));
    let mut config =
        RedisConfig::parse(&format!("rediss://127.0.0.1:{}", server.port)).expect("a URL");
    config.tls_ca = Some(tls.ca());
    config.tls_cert = Some(tls.client_cert());
    config.tls_key = Some(tls.client_key());
    // Without optimisation, handshakes and 256 calls take their time.
    config.response_timeout = Duration::from_secs(10);
    let link = Link::open(&config).await.expect("settings");
    all_kinds_of_calls_work(&link).await;

    // Without our certificate the server does not talk to us; with a CA of somebody else we do not talk to it.
    config.tls_cert = None;
    config.tls_key = None;
    let link = Link::open(&config).await.expect("settings");
    assert!(is_unavailable(&link.call(&count("key")).await));
    config.tls_cert = Some(tls.client_cert());
    config.tls_key = Some(tls.client_key());
    let somebody = Certificates::make();
    config.tls_ca = Some(somebody.ca());
    let link = Link::open(&config).await.expect("settings");
    assert!(is_unavailable(&link.call(&count("key")).await));

    config.tls_ca = Some(tls.server_key());
    assert!(Link::open(&config).await.is_err(), "a key is no CA");
    config.tls_ca = Some("/nowhere/ca.pem".into());
    assert_eq!(
        Link::open(&config).await.expect_err("no file").part,
        "tls_ca"
    );
}

#[tokio::test]
async fn users_and_passwords() {
    let server = Server::start_with(Options::default().password("hunter2"));
    for (url, works) in [
        (format!("redis://:hunter2@127.0.0.1:{}", server.port), true),
        (
            format!("redis://default:hunter2@127.0.0.1:{}", server.port),
            true,
        ),
        (format!("redis://:wrong@127.0.0.1:{}", server.port), false),
        (server.url(), false),
    ] {
        let link = open(&url).await;
        let outcome = link.call(&count("key")).await;
        assert_eq!(outcome.is_ok(), works, "{outcome:?}");
        assert!(works || is_unavailable(&outcome), "{outcome:?}");
    }
    // What docs/REDIS.md tells operators to grant.
    server.ask(&[
        "ACL",
        "SETUSER",
        "tenure",
        "on",
        ">s3cret",
        "~*",
        "+@all",
        "-@admin",
        "-@dangerous",
        "+info",
    ]);
    let link = open(&format!("redis://tenure:s3cret@127.0.0.1:{}", server.port)).await;
    all_kinds_of_calls_work(&link).await;
}

#[tokio::test]
async fn a_changed_password_file_is_read_again() {
    let server = Server::start_with(Options::default());
    server.ask(&["ACL", "SETUSER", "tenure", "on", ">first", "~*", "+@all"]);
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "first\n").expect("written");
    let mut config = RedisConfig::parse(&server.url()).expect("a URL");
    config.username = Some("tenure".to_owned());
    config.password_file = Some(file.path().to_owned());
    let link = Link::open(&config).await.expect("settings");
    answered(&link, &count("key")).await;
    server.ask(&["ACL", "SETUSER", "tenure", "resetpass", ">second"]);
    server.ask(&["CLIENT", "KILL", "USER", "tenure"]);
    eventually("the old password is refused", || link.state().down == 1).await;
    std::fs::write(file.path(), "second\n").expect("written");
    answered(&link, &count("key")).await;
}
