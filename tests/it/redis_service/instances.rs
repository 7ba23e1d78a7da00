//! Two instances on one Redis.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tenure_client::{Options, Tenure};
use tokio::task::block_in_place;

use super::{NAMESPACE, eventually_within};
use crate::support::redis::Server;
use crate::support::service::Service;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_made_on_one_is_used_on_the_other() {
    let server = Server::start();
    let services = [Service::start(&server.url()), Service::start(&server.url())];
    services.iter().for_each(Service::wait_until_ready);
    let owners = services
        .each_ref()
        .map(|service| service.client().namespace(NAMESPACE).owner("acme", "ann"));
    let [one, other] = &owners;
    let made = one.get_or_create("talk").set("n", 0).await;
    let made = made.expect("a session");
    assert!(made.created);
    let session = made.session;
    let found = other.get_or_create("talk").await.expect("the same session");
    assert!(!found.created);
    assert_eq!(found.session.id, session.id);
    for turn in 1..=10 {
        for owner in &owners {
            let updated = owner.update(&session.id).increment("n", 1).await;
            let updated = updated.expect("updated");
            assert_eq!(updated.session.revision, updated.increments["n"] + 1);
        }
        let seen = other.get(&session.id).await.expect("alive");
        assert_eq!(seen.state.expect("asked for")["n"], 2 * turn);
    }
    let rotated = other.rotate(&session.id).await.expect("a new id");
    let old = one.get(&session.id).await.expect_err("dead on the other");
    assert_eq!(old.reason(), "SESSION_ROTATED");
    let new = rotated.session.id;
    assert!(one.end(&new).await.expect("an ending"));
    let old = other.get(&new).await.expect_err("dead on both");
    assert_eq!(old.reason(), "SESSION_DELETED");
    assert!(!other.end(&new).await.expect("no error"));
}

/// Each of them changes something: none is lost, and none is done twice.
const CALLS: usize = 10_000;
const CLIENTS: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_is_killed_and_no_call_fails() {
    let server = Server::start();
    let (mut one, other) = (Service::start(&server.url()), Service::start(&server.url()));
    one.wait_until_ready();
    other.wait_until_ready();
    let both = Options::new(&format!("{},{}", one.url(), other.url()));
    let tenure = Tenure::connect(both).await.expect("two services");
    let done = AtomicUsize::new(0);
    let clients = (0..CLIENTS).map(async |client| {
        let owner = tenure
            .namespace(NAMESPACE)
            .owner("acme", format!("user-{client}"));
        let made = owner.create().await.expect("a session");
        let id = made.session.id;
        for call in 1..=CALLS / CLIENTS {
            let updated = owner.update(&id).increment("n", 1).await;
            let updated = match updated {
                Ok(updated) => updated,
                Err(error) => panic!("{} calls done: {error}", done.load(Ordering::Relaxed)),
            };
            assert_eq!(usize::try_from(updated.increments["n"]), Ok(call));
            done.fetch_add(1, Ordering::Relaxed);
        }
    });
    let killing = async {
        eventually_within(Duration::from_mins(5), "half of the calls are done", || {
            done.load(Ordering::Relaxed) >= CALLS / 2
        })
        .await;
        block_in_place(|| one.kill());
        done.load(Ordering::Relaxed)
    };
    let (_, when) = tokio::join!(futures::future::join_all(clients), killing);
    assert_eq!(done.into_inner(), CALLS);
    assert!(when < CALLS, "it was killed in the middle");
}
