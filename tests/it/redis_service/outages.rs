//! Redis is away, hangs, is full, or is set up wrongly: what callers and operators see of it.

use std::time::{Duration, Instant};

use futures::future::join_all;
use tenure_client::{Code, Error, Selector, Sessions, Tenure};

use super::{NAMESPACE, eventually};
use crate::support::redis::{Certificates, Options, Server, free_port};
use crate::support::service::Service;

pub(super) fn ann(tenure: &Tenure) -> Sessions {
    tenure.namespace(NAMESPACE).owner("acme", "ann")
}

/// What says where Redis is, or how to get in, or what it says: none of it is a caller's business.
fn tells_nothing(texts: &[&str], secrets: &[&str]) {
    let of_redis = [
        "redis",
        "Redis",
        "127.0.0.1",
        "tenure:",
        "{crm",
        "EVALSHA",
        "ERR",
        "OOM",
        "NOAUTH",
        "MISCONF",
        "WRONGPASS",
        "maxmemory",
        "READONLY",
        "LOADING",
        "loading",
        "CLUSTERDOWN",
        "cluster",
        "TRYAGAIN",
        "script",
    ];
    for text in texts {
        for word in of_redis.iter().chain(secrets) {
            assert!(!text.contains(word), "{word:?} in {text:?}");
        }
    }
}

/// One call of each kind, of which each must fail.
pub(super) async fn one_of_each(tenure: &Tenure, session: &str) -> Vec<Error> {
    let owner = ann(tenure);
    let everything = Selector::Tenant("acme".to_owned());
    let failures = [
        owner.create().await.err(),
        owner.get(session).await.err(),
        owner.touch(session).await.err(),
        owner.update(session).increment("n", 1).await.err(),
        owner.rotate(session).await.err(),
        owner.list().await.err(),
        owner.end(session).await.err(),
        owner.invalidate().await.err(),
        tenure
            .namespace(NAMESPACE)
            .invalidate(everything)
            .await
            .err(),
        owner.claim_once("key", Duration::from_mins(1)).await.err(),
    ];
    failures
        .into_iter()
        .enumerate()
        .map(|(call, error)| error.unwrap_or_else(|| panic!("call {call} was answered")))
        .collect()
}

#[track_caller]
pub(super) fn all_say(errors: &[Error], reason: &str) {
    for error in errors {
        assert_eq!((error.code(), error.reason()), (Code::Unavailable, reason));
        tells_nothing(&[&error.to_string()], &[]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starts_without_redis_and_becomes_ready_when_it_appears() {
    let port = free_port();
    let service = Service::start(&format!("redis://127.0.0.1:{port}"));
    let tenure = service.client();
    assert_eq!(service.http("/livez").0, 200);
    let (code, why) = service.http("/readyz");
    assert_eq!(code, 503);
    tells_nothing(&[&why], &[]);
    all_say(
        &one_of_each(&tenure, &"x".repeat(36)).await,
        "STORE_UNAVAILABLE",
    );

    let mut server = Server::start_at(port, Options::default());
    service.wait_until_ready();
    let made = ann(&tenure).create().await.expect("it works");

    server.kill();
    eventually("not ready", || !service.is_ready()).await;
    all_say(
        &one_of_each(&tenure, &made.session.id).await,
        "STORE_UNAVAILABLE",
    );
    assert_eq!(service.http("/livez").0, 200);
    server.restart();
    service.wait_until_ready();
    ann(&tenure)
        .create()
        .await
        .expect("without a restart of ours");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_hangs_costs_little_and_leaves_nothing_behind() {
    /// How much later than its time something may come on a busy machine.
    const GRACE: Duration = Duration::from_secs(5);
    let server = Server::start();
    let service = Service::start(&server.url());
    service.wait_until_ready();
    let tenure = service.client();
    let id = ann(&tenure).create().await.expect("a session").session.id;
    let crowd = async |count: usize| {
        let owner = ann(&tenure);
        let calls = (0..count).map(|_| async {
            let began = Instant::now();
            (owner.get(&id).await, began.elapsed())
        });
        join_all(calls).await
    };
    // Everything that is made once is there.
    assert!(crowd(500).await.iter().all(|(outcome, _)| outcome.is_ok()));
    ann(&tenure).end("y".repeat(36)).await.expect("no error");
    let (connections, files) = (server.connections_of_the_link(), service.open_files());

    server.freeze();
    // A deadline shorter than what Redis may take is kept.
    let hurried = ann(&tenure).get(&id).timeout(Duration::from_millis(100));
    let began = Instant::now();
    let late = hurried.await.expect_err("no answer");
    assert_eq!(late.code(), Code::DeadlineExceeded, "{late}");
    assert!(began.elapsed() < Duration::from_millis(100) + GRACE);
    // One behind the other they would take minutes.
    let began = Instant::now();
    for (outcome, _) in crowd(500).await {
        all_say(&[outcome.expect_err("no answer")], "STORE_UNAVAILABLE");
    }
    assert!(began.elapsed() < Duration::from_millis(500) + GRACE);
    eventually("not ready", || !service.is_ready()).await;

    // From here on the breaker answers.
    let memory = service.status("VmRSS:");
    let began = Instant::now();
    let mut at_once = 0;
    for _ in 0..20 {
        for (outcome, took) in crowd(250).await {
            all_say(&[outcome.expect_err("no answer")], "STORE_UNAVAILABLE");
            at_once += usize::from(took < Duration::from_millis(400));
        }
    }
    assert!(at_once > 4000, "{at_once} of 5000 were answered at once");
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    let grown = service.status("VmRSS:").saturating_sub(memory);
    assert!(grown < 32 * 1024, "{grown} KiB more after 5000 calls");
    let more = service.open_files().saturating_sub(files);
    assert!(more < 16, "{more} more sockets");

    server.thaw();
    service.wait_until_ready();
    ann(&tenure).get(&id).await.expect("it was not touched");
    eventually("no more connections than before", || {
        server.connections_of_the_link() <= connections
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unsafe_eviction_stops_everything_until_it_is_mended() {
    let server = Server::start();
    let service = Service::start(&server.url());
    service.wait_until_ready();
    let tenure = service.client();
    let id = ann(&tenure).create().await.expect("a session").session.id;
    server.ask(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    eventually("not ready", || service.http("/readyz").0 == 503).await;
    all_say(&one_of_each(&tenure, &id).await, "STORE_UNSAFE");
    tells_nothing(&[&service.http("/readyz").1], &["lru"]);
    assert!(
        service.log().contains("maxmemory-policy"),
        "the operator is told what to change"
    );
    assert_eq!(service.http("/livez").0, 200);

    // One that starts now says the same from its first call on.
    let late = Service::start(&server.url());
    eventually("it has had a look", || {
        late.log().contains("maxmemory-policy")
    })
    .await;
    assert_eq!(late.http("/readyz").0, 503);
    all_say(&one_of_each(&late.client(), &id).await, "STORE_UNSAFE");

    // Allowed, with a warning.
    server.ask(&["CONFIG", "SET", "maxmemory-policy", "volatile-ttl"]);
    service.wait_until_ready();
    ann(&tenure).get(&id).await.expect("served");
    server.ask(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]);
    eventually("not ready", || !service.is_ready()).await;
    server.ask(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    service.wait_until_ready();
    ann(&tenure).get(&id).await.expect("served");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_redis_reads_and_ends() {
    let server = Server::start();
    let service = Service::start(&server.url());
    service.wait_until_ready();
    let tenure = service.client();
    let owner = ann(&tenure);
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(owner.create().await.expect("a session").session.id);
    }
    server.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    let refused = [
        owner.create().await.err(),
        owner.update(&ids[0]).set("a", "b").await.err(),
        owner.claim_once("key", Duration::from_mins(1)).await.err(),
    ];
    for error in refused {
        let error = error.expect("there is no room");
        assert_eq!(
            (error.code(), error.reason()),
            (Code::ResourceExhausted, "STORE_FULL")
        );
        tells_nothing(&[&error.to_string()], &[]);
    }
    assert!(service.is_ready(), "reads and endings want calls");
    owner.get(&ids[0]).await.expect("read");
    owner.touch(&ids[0]).await.expect("touched");
    assert_eq!(owner.list().await.expect("listed").sessions.len(), 4);
    assert!(owner.end(&ids[0]).await.expect("ended"));
    let by_id = Selector::SessionId(ids[1].clone());
    let by_id = tenure.namespace(NAMESPACE).invalidate(by_id).await;
    assert_eq!(by_id.expect("ended").ended_count, Some(1));
    assert_eq!(
        owner.invalidate().await.expect("ended").ended_count,
        Some(2)
    );
    let tenant = Selector::Tenant("acme".to_owned());
    let tenant = tenure.namespace(NAMESPACE).invalidate(tenant).await;
    tenant.expect("in force");
    server.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    owner.create().await.expect("room again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_are_apart_leave_only_endings() {
    let server = Server::start();
    let right = Service::start(&server.url());
    right.wait_until_ready();
    let made = ann(&right.client()).create().await.expect("a session");
    let mut made = made.session.id;
    for offset in ["+10s", "-10s"] {
        let wrong = Service::start_at_another_time(offset, &server.url());
        let tenure = wrong.client();
        eventually("it is noticed", || {
            wrong.log().contains("more than 2 s apart")
        })
        .await;
        assert_eq!(wrong.http("/readyz").0, 503);
        let owner = ann(&tenure);
        let refused = [
            owner.create().await.err(),
            owner.get(&made).await.err(),
            owner.update(&made).set("a", "b").await.err(),
        ];
        for error in refused {
            all_say(&[error.expect("no clock to go by")], "CLOCK_SKEW");
        }
        // The others are served all the while.
        ann(&right.client()).get(&made).await.expect("alive");
        assert!(
            owner
                .end(&made)
                .await
                .expect("an ending is right by any clock")
        );
        let ended = ann(&right.client()).get(&made).await.expect_err("ended");
        assert_eq!(ended.reason(), "SESSION_DELETED");
        made = ann(&right.client())
            .create()
            .await
            .expect("one more")
            .session
            .id;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_and_a_user_and_no_secret_in_any_answer() {
    const CANARY: &str = "canary-7d1e55";
    let tls = Certificates::make();
    let options = Options {
        tls: Some(tls.clone()),
        ..Options::default()
    };
    let server = Server::start_with(options.line("tls-auth-clients yes"));
    let user = [
        "ACL",
        "SETUSER",
        "tenure",
        "on",
        &format!(">{CANARY}"),
        "~tenure:*",
        "+@all",
        "-@admin",
        "-@dangerous",
        "+info",
    ];
    server.ask(&user);
    let files = format!(
        "[store]\nredis_tls_ca = {:?}\nredis_tls_cert = {:?}\nredis_tls_key = {:?}\n",
        tls.ca(),
        tls.client_cert(),
        tls.client_key()
    );
    let port = server.port;
    let url = format!("rediss://tenure:{CANARY}@127.0.0.1:{port}");
    let service = Service::start_with(&url, &files);
    service.wait_until_ready();
    let tenure = service.client();
    let owner = ann(&tenure);
    let made = owner.create().set("n", 0).await.expect("a session");
    let id = made.session.id;
    owner.update(&id).increment("n", 1).await.expect("updated");
    owner.invalidate().await.expect("ended");
    let id = owner.create().await.expect("a new one").session.id;

    // Its rights are taken away, then its password is changed.
    let mut texts = Vec::new();
    for change in [&["-evalsha"][..], &["+evalsha", "resetpass", ">other"]] {
        let set = [&["ACL", "SETUSER", "tenure"], change].concat();
        server.ask(&set);
        server.ask(&["CLIENT", "KILL", "USER", "tenure"]);
        let until = Instant::now() + crate::support::redis::DEADLINE;
        let refused = loop {
            match owner.get(&id).await {
                Err(error) => break error,
                Ok(_) => assert!(Instant::now() < until, "still let in"),
            }
        };
        all_say(&[refused], "STORE_UNAVAILABLE");
        let errors = one_of_each(&tenure, &id).await;
        all_say(&errors, "STORE_UNAVAILABLE");
        texts.extend(errors.iter().map(ToString::to_string));
        texts.push(service.http("/readyz").1);
        texts.push(service.http("/metrics").1);
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let port = port.to_string();
    for text in texts.iter().copied().chain([&*service.log()]) {
        assert!(!text.contains(CANARY), "the password in {text:?}");
    }
    for text in texts {
        assert!(!text.contains(&port), "the address in {text:?}");
    }
    server.ask(&["ACL", "SETUSER", "tenure", &format!(">{CANARY}")]);
    service.wait_until_ready();
    owner.get(&id).await.expect("let in again");

    // Who shows no certificate gets no further, and says so without naming anything.
    let without = Service::start(&url);
    let refused = ann(&without.client()).get(&id).await;
    all_say(&[refused.expect_err("no way in")], "STORE_UNAVAILABLE");
    assert!(!without.is_ready());
    assert!(!without.log().contains(CANARY));
}
