//! In a cluster.

use std::time::Duration;

use redis::Value;
use tenure::store::redis::link::Durable;

use super::{
    all_kinds_of_calls_work, answered, count, count_all, ended, eventually, is_unavailable, open,
};
use crate::support::redis::Cluster;

/// `CLUSTER KEYSLOT {move}`: on the second of three.
const KEY: &str = "{move}a";

fn slot(cluster: &Cluster) -> u16 {
    slot_of(cluster, KEY)
}

fn slot_of(cluster: &Cluster, key: &str) -> u16 {
    match cluster.servers[0].ask(&["CLUSTER", "KEYSLOT", key]) {
        Value::Int(slot) => u16::try_from(slot).expect("a slot"),
        other => panic!("{other:?}"),
    }
}

fn owner(slot: u16) -> usize {
    usize::from(slot > 5460) + usize::from(slot > 10922)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn follows_slots_that_move() {
    let cluster = Cluster::start();
    let link = open(&cluster.url()).await;
    all_kinds_of_calls_work(&link).await;
    let slot = slot(&cluster);
    let from = owner(slot);
    let to = (from + 1) % 3;

    assert_eq!(link.call(&count(KEY)).await, Ok(Value::Int(1)));
    cluster.begin_move(slot, from, to);
    // Still there.
    assert_eq!(link.call(&count(KEY)).await, Ok(Value::Int(2)));
    cluster.move_key(KEY.as_bytes(), from, to);
    // ASK, for calls of each kind.
    assert_eq!(link.call(&count(KEY)).await, Ok(Value::Int(3)));
    assert_eq!(
        link.call_ending(&count(KEY)).await,
        Ok((Value::Int(4), Durable::Yes))
    );
    let outcomes = link
        .call_many(&[count(KEY), count("elsewhere"), count(KEY)])
        .await;
    assert_eq!(
        outcomes,
        [Ok(Value::Int(5)), Ok(Value::Int(1)), Ok(Value::Int(6))]
    );
    // A script that the target has never seen.
    cluster.servers[to].ask(&["SCRIPT", "FLUSH"]);
    assert_eq!(link.call(&count(KEY)).await, Ok(Value::Int(7)));
    // TRYAGAIN, as long as one key is on one side and another on neither.
    let two = [KEY, "{move}b"];
    let waits = tokio::time::timeout(Duration::from_secs(1), link.call(&count_all(&two))).await;
    assert!(waits.is_err(), "{waits:?}");
    let finish = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        cluster.end_move(slot, from, to);
    };
    let (outcome, ()) = tokio::join!(async { link.call(&count_all(&two)).await }, finish);
    assert_eq!(outcome, Ok(Value::Int(9)), "it waits for the move to end");
    // MOVED.
    assert_eq!(link.call(&count(KEY)).await, Ok(Value::Int(9)));
    assert_eq!(
        link.call_ending(&count(KEY)).await,
        Ok((Value::Int(10), Durable::Yes))
    );
    assert_eq!(*link.failovers().borrow(), 0, "a move is no failover");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn follows_a_failover() {
    let mut cluster = Cluster::start();
    let link = open(&cluster.url()).await;
    all_kinds_of_calls_work(&link).await;
    let slot = slot(&cluster);
    let primary = owner(slot);
    let failovers = link.failovers();
    ended(&link, &count(KEY)).await;

    cluster.servers[primary].kill();
    cluster.wait_for_promotion(primary + 3);
    assert_eq!(
        answered(&link, &count(KEY)).await,
        Value::Int(2),
        "the ending was safe"
    );
    eventually("the failover is noticed", || *failovers.borrow() > 0).await;
    // Its only replica is primary now: an ending there cannot be safe, elsewhere it can.
    let outcome = link.call_ending(&count(KEY)).await;
    assert!(matches!(outcome, Ok((_, Durable::NotYet))), "{outcome:?}");
    cluster.servers[primary].restart();
    ended(&link, &count(KEY)).await;

    // One that nobody was hurt by.
    let before = *failovers.borrow();
    cluster.wait_until_whole();
    cluster.servers[primary].ask(&["CLUSTER", "FAILOVER"]);
    cluster.wait_for_promotion(primary);
    answered(&link, &count(KEY)).await;
    eventually("the change is noticed", || *failovers.borrow() > before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_primary_takes_only_its_own_slots_along() {
    let cluster = Cluster::start();
    let link = open(&cluster.url()).await;
    all_kinds_of_calls_work(&link).await;
    let primary = owner(slot(&cluster));
    cluster.servers[primary].freeze();
    assert!(is_unavailable(&link.call(&count(KEY)).await));
    assert!(link.state().ready, "the others serve");
    // Until the others find it dead, and its replica takes over.
    answered(&link, &count(KEY)).await;
    cluster.servers[primary].thaw();
    // It was primary until a moment ago, and may think so for another.
    ended(&link, &count(KEY)).await;
}

/// A resharding moves slots by the thousand: each that a call comes too late for sends that call on, once, and all of
/// them together make the link look around once in a while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_slots_that_have_moved_cost_one_look_around() {
    const SLOTS: u16 = 500;
    let cluster = Cluster::start();
    cluster.never_fail_over();
    let link = open(&cluster.url()).await;
    let calls: Vec<_> = (0..SLOTS)
        .map(|number| count(&format!("{{cell{number}}}")))
        .collect();
    let everyone = async || {
        let answers = futures::future::join_all(calls.iter().map(|call| link.call(call))).await;
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    };
    everyone().await;
    let looks = || -> usize { cluster.calls("cluster|slots") / cluster.servers.len() };
    let looks_before = looks();
    for call in &calls {
        let key = std::str::from_utf8(&call.keys[0]).expect("a text");
        let slot = slot_of(&cluster, key);
        // All the same way: who takes from several at once has to wait until they agree.
        if owner(slot) == 0 {
            cluster.begin_move(slot, 0, 1);
            cluster.end_move(slot, 0, 1);
        }
    }
    for _ in 0..10 {
        everyone().await;
    }
    let moved = cluster.errors("MOVED");
    assert!(moved > 0 && moved <= usize::from(SLOTS), "{moved}");
    // One more for each second that this takes on a busy machine.
    let looks = looks() - looks_before;
    assert!(looks < 10, "{looks} looks around");
    assert_eq!(*link.failovers().borrow(), 0, "a move is no failover");
}
