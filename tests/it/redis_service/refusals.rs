//! What Redis says instead of doing what it is asked: each ends in the right answer, none of it reaches a client, and
//! it passes without a restart. What a real server cannot be brought to say is in `redis_link/errors.rs`.

use std::time::Instant;

use tenure_client::Code;
use tokio::task::block_in_place;

use super::outages::{all_say, ann, one_of_each};
use super::{NAMESPACE, eventually};
use crate::support::redis::{Cluster, DEADLINE, Options, Server, free_port};
use crate::support::service::Service;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_refusal_is_answered_and_passes() {
    let server = Server::start();
    let service = Service::start(&server.url());
    service.wait_until_ready();
    let tenure = service.client();
    let owner = ann(&tenure);
    let id = owner.create().await.expect("a session").session.id;
    let served_again = async || {
        service.wait_until_ready();
        let until = Instant::now() + DEADLINE;
        while let Err(error) = owner.get(&id).await {
            assert_eq!(error.code(), Code::Unavailable, "{error}");
            assert!(Instant::now() < until, "{error}");
        }
    };

    // NOSCRIPT: nobody notices.
    server.ask(&["SCRIPT", "FLUSH"]);
    owner.get(&id).await.expect("read");
    owner.update(&id).set("a", "b").await.expect("updated");
    assert!(!owner.end("y".repeat(36)).await.expect("nothing to end"));

    // READONLY, or MASTERDOWN: it follows somebody who is not there.
    server.ask(&["REPLICAOF", "127.0.0.1", &free_port().to_string()]);
    all_say(&one_of_each(&tenure, &id).await, "STORE_UNAVAILABLE");
    eventually("not ready", || !service.is_ready()).await;
    server.ask(&["REPLICAOF", "NO", "ONE"]);
    served_again().await;

    // NOAUTH.
    server.ask(&["CONFIG", "SET", "requirepass", "secret"]);
    let knocking = ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"];
    server.ask_with_password("secret", &knocking);
    eventually("not ready", || !service.is_ready()).await;
    all_say(&one_of_each(&tenure, &id).await, "STORE_UNAVAILABLE");
    server.ask_with_password("secret", &["CONFIG", "SET", "requirepass", ""]);
    served_again().await;

    // MISCONF: it cannot save, and takes no writes then.
    server.ask(&["CONFIG", "SET", "save", "3600 1000000"]);
    server.can_save(false);
    all_say(&one_of_each(&tenure, &id).await, "STORE_UNAVAILABLE");
    server.can_save(true);
    served_again().await;

    // WRONGTYPE: somebody else has written where we do.
    let tamper = "local key = redis.call('KEYS', ARGV[1])[1]
        redis.call('COPY', key, 'kept')
        redis.call('SET', key, 'no hash')
        return key";
    server.ask(&["EVAL", tamper, "0", "tenure:{crm:*}:o:*"]);
    let errors = [
        owner.get(&id).await.err(),
        owner.update(&id).set("a", "b").await.err(),
        owner.list().await.err(),
        owner.end(&id).await.err(),
        owner.invalidate().await.err(),
    ];
    let errors: Vec<_> = errors.into_iter().flatten().collect();
    assert_eq!(errors.len(), 5);
    all_say(&errors, "STORE_UNAVAILABLE");
    assert!(
        service.log().contains("WRONGTYPE"),
        "the operator is told what is wrong"
    );
    let mend = "local key = redis.call('KEYS', ARGV[1])[1]
        redis.call('RENAME', 'kept', key)
        return 1";
    server.ask(&["EVAL", mend, "0", "tenure:{crm:*}:o:*"]);
    served_again().await;
}

/// LOADING: it is there again, and has yet to read what it kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_reads_its_data_is_waited_for() {
    // A second for every ten keys, and a look at its connections after each.
    let options = Options::default()
        .line("key-load-delay 100000")
        .line("loading-process-events-interval-bytes 1024")
        .line("rdbcompression no");
    let mut server = Server::start_with(options);
    let service = Service::start(&server.url());
    service.wait_until_ready();
    let tenure = service.client();
    let id = ann(&tenure).create().set("n", 7).await.expect("a session");
    let id = id.session.id;
    let much = "for n = 1, 3000 do redis.call('SET', 'other:' .. n, string.rep('x', 1024)) end";
    server.ask(&["EVAL", much, "0"]);
    server.ask(&["SAVE"]);
    server.kill();
    block_in_place(|| server.restart_with_much_to_read());

    // One that has known it before, and one that has not.
    let late = Service::start(&server.url());
    let refused = || server.errors("LOADING");
    let before = refused();
    for tenure in [&tenure, &late.client()] {
        all_say(&one_of_each(tenure, &id).await, "STORE_UNAVAILABLE");
    }
    for service in [&service, &late] {
        let (code, why) = service.http("/readyz");
        assert_eq!(code, 503);
        assert!(!why.contains("oading"), "{why}");
        assert_eq!(service.http("/livez").0, 200);
    }
    eventually("it has said so to them", || refused() > before + 2).await;
    assert!(server.is_loading(), "all that was while it read");

    server.ask(&["CONFIG", "SET", "key-load-delay", "0"]);
    for service in [&service, &late] {
        block_in_place(|| service.wait_until_ready());
        let session = ann(&service.client()).get(&id).await.expect("it is served");
        assert_eq!(
            session.state.expect("it was asked for")["n"].as_i64(),
            Some(7)
        );
    }
}

/// CLUSTERDOWN: a primary and its replica are gone, and nobody has their slots.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_has_lost_slots_is_waited_for() {
    const OWNERS: usize = 24;
    const GONE: [usize; 2] = [3, 0];
    let mut cluster = Cluster::start();
    let service = Service::start(&cluster.url());
    service.wait_until_ready();
    let tenure = service.client();
    let owner = |number: usize| {
        let user = format!("user-{number}");
        tenure.namespace(NAMESPACE).owner("acme", &user)
    };
    let mut ids = Vec::new();
    for number in 0..OWNERS {
        let made = owner(number).create().await.expect("a session");
        ids.push(made.session.id);
    }
    // Each owner's call, and what it says.
    let everybody = async || {
        let calls = ids.iter().enumerate();
        let calls = calls.map(async |(number, id)| owner(number).touch(id).await.err());
        futures::future::join_all(calls).await
    };
    assert!(everybody().await.iter().all(Option::is_none));
    for gone in GONE {
        cluster.servers[gone].ask(&["SAVE"]);
        // The replica first, so that it does not take over.
        cluster.servers[gone].kill();
    }
    let left = || (0..6).filter(|index| !GONE.contains(index));
    let state = |index: usize| -> String {
        let info = cluster.servers[index].ask(&["CLUSTER", "INFO"]);
        redis::from_redis_value(info).expect("a text")
    };
    let all_say_so = || left().all(|index| state(index).contains("cluster_state:fail"));
    eventually("the others say so", all_say_so).await;
    let told = || -> usize {
        left()
            .map(|index| cluster.servers[index].errors("CLUSTERDOWN"))
            .sum()
    };
    let before = told();
    let refused: Vec<_> = everybody().await.into_iter().flatten().collect();
    assert_eq!(refused.len(), OWNERS, "nobody can be served");
    all_say(&refused, "STORE_UNAVAILABLE");
    all_say(&one_of_each(&tenure, &ids[0]).await, "STORE_UNAVAILABLE");
    assert!(told() > before, "the servers have said so to the service");

    // Set up to serve what is left: its owners are served, the others are told the same as before.
    for index in left() {
        cluster.servers[index].ask(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    }
    let until = Instant::now() + DEADLINE;
    loop {
        let outcomes = everybody().await;
        let served = outcomes.iter().filter(|error| error.is_none()).count();
        let refused: Vec<_> = outcomes.into_iter().flatten().collect();
        all_say(&refused, "STORE_UNAVAILABLE");
        assert!(served < OWNERS, "some of them were on the dead one");
        if served > OWNERS / 3 {
            break;
        }
        assert!(Instant::now() < until, "{served} are served");
    }

    for gone in GONE {
        cluster.servers[gone].restart();
    }
    cluster.wait_until_whole();
    let until = Instant::now() + DEADLINE;
    loop {
        let refused: Vec<_> = everybody().await.into_iter().flatten().collect();
        if refused.is_empty() {
            break;
        }
        all_say(&refused, "STORE_UNAVAILABLE");
        assert!(Instant::now() < until, "{} are not served", refused.len());
    }
    service.wait_until_ready();
}
