//! A resharding with Redis' own tool, under load.

use std::collections::HashMap;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use tenure_client::Code;
use tokio::task::block_in_place;

use super::outages::ann;
use super::{NAMESPACE, eventually, eventually_within};
use crate::support::redis::Cluster;
use crate::support::service::Service;

/// How many workers there are, each with sessions of its own.
const WORKERS: usize = 8;
const SESSIONS_EACH: usize = 32;

/// Moves many of one primary's slots to another, as an operator does.
fn reshard(port: u16, from: &str, to: &str, slots: u16) {
    let output = Command::new("redis-cli")
        .args(["--cluster", "reshard", &format!("127.0.0.1:{port}")])
        .args(["--cluster-from", from, "--cluster-to", to])
        .args(["--cluster-slots", &slots.to_string(), "--cluster-yes"])
        .output()
        .expect("redis-cli is on the PATH");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
async fn no_call_fails_while_redis_cli_moves_slots() {
    const SLOTS: u16 = 1500;
    let cluster = Cluster::start();
    cluster.never_fail_over();
    // A busy machine must not turn this into an outage.
    let config = "[store]\nredis_response_timeout = \"10s\"\nredis_wait_timeout = \"5s\"\n";
    let service = Service::start_with(&cluster.url(), config);
    service.wait_until_ready();
    // It does not repeat what has failed.
    let tenure = service.client();
    let (stop, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    let workers = (0..WORKERS).map(async |worker| {
        let owner = |number: usize| {
            let user = format!("user-{worker}-{number}");
            tenure.namespace(NAMESPACE).owner("acme", &user)
        };
        let mut known = HashMap::new();
        let mut turn = 0;
        while !stop.load(Ordering::Relaxed) {
            let number = turn % SESSIONS_EACH;
            let owner = owner(number);
            let (id, count) = match known.remove(&number) {
                None => {
                    let made = owner.create().set("n", 0).await.expect("a session");
                    (made.session.id, 0_i64)
                }
                Some((id, count)) => (id, count),
            };
            let updated = owner.update(&id).increment("n", 1).await.expect("counted");
            assert_eq!(updated.increments["n"], count + 1);
            let session = owner.get(&id).await.expect("it is there");
            assert_eq!(
                session.state.expect("it was asked for")["n"].as_i64(),
                Some(count + 1)
            );
            calls.fetch_add(2, Ordering::Relaxed);
            if turn % 7 == 0 {
                assert!(owner.end(&id).await.expect("ended"));
            } else {
                known.insert(number, (id, count + 1));
            }
            turn += 1;
        }
    });
    let moving = async {
        eventually_within(Duration::from_mins(5), "the load runs", || {
            calls.load(Ordering::Relaxed) > 4 * WORKERS * SESSIONS_EACH
        })
        .await;
        let before = calls.load(Ordering::Relaxed);
        let (from, to) = (cluster.id_of(0), cluster.id_of(1));
        let port = cluster.servers[0].port;
        let moved = tokio::task::spawn_blocking(move || reshard(port, &from, &to, SLOTS)).await;
        moved.expect("redis-cli moves them");
        stop.store(true, Ordering::Relaxed);
        calls.load(Ordering::Relaxed) - before
    };
    let (during, _) = tokio::join!(moving, join_all(workers));
    let told = ["MOVED", "ASK", "TRYAGAIN"].map(|code| (code, cluster.errors(code)));
    println!("{during} calls while {SLOTS} slots moved; they were told {told:?}");
    assert!(during > 100, "{during}");
    assert!(told[0].1 > 0, "{told:?}");
}

/// The keys of one owner are on two servers, and stay so for a while: whoever has time waits, whoever has none is told
/// so, and nobody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_slowly_is_waited_for_until_the_deadline() {
    /// Longer than anything in Redis may take otherwise.
    const SLOW: Duration = Duration::from_secs(8);
    let cluster = Cluster::start();
    cluster.never_fail_over();
    let service = Service::start(&cluster.url());
    service.wait_until_ready();
    let tenure = service.client();
    let owner = ann(&tenure);
    let id = owner.create().set("n", 0).await.expect("a session");
    let id = id.session.id;
    let (record, slot, from) = cluster.home_of_the_owner(NAMESPACE);
    let to = (from + 1) % 3;
    cluster.begin_move(slot, from, to);
    cluster.move_key(&record, from, to);

    let began = Instant::now();
    let hurried = owner.get(&id).timeout(Duration::from_secs(1)).await;
    let error = hurried.expect_err("its keys are on both sides");
    assert_eq!(error.code(), Code::DeadlineExceeded, "{error}");
    let minute = Duration::from_mins(1);
    let counting = owner.update(&id).increment("n", 1).timeout(minute);
    let making = owner.create().set("n", 1).timeout(minute);
    let arriving = async {
        eventually("it has been slow", || began.elapsed() > SLOW).await;
        block_in_place(|| cluster.end_move(slot, from, to));
    };
    let (counted, made, ()) = tokio::join!(counting, making, arriving);
    assert_eq!(counted.expect("it was waited for").increments["n"], 1);
    made.expect("it was waited for");
    assert!(cluster.errors("TRYAGAIN") > 2, "they were told to wait");
    assert!(service.is_ready(), "nothing was out of order");
}
