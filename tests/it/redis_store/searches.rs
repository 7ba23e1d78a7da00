//! A search that is under way while the servers change.

use std::collections::BTreeSet;
use std::time::Duration;

use tenure::config::redis::RedisConfig;
use tenure::session::filter::Filter;
use tenure::session::names::SessionId;
use tenure::store::inspection::Position;
use tenure::store::{Clock, Store};

use super::moving::make;
use super::{fleet, instance_with, place, session_id};
use crate::support::backend::START;
use crate::support::redis::Cluster;

/// More than fit into a list that every server keeps in the same order anyway.
const SESSIONS: usize = 600;

/// All ids that are found, and how many were found. Before each slice but the first, something happens.
async fn found(
    store: &dyn Store,
    filter: &Filter,
    mut meanwhile: impl FnMut(usize),
) -> (BTreeSet<SessionId>, usize) {
    let namespace = fleet();
    let (mut ids, mut count, mut slices) = (BTreeSet::new(), 0, 0);
    let mut after: Option<Position> = None;
    loop {
        let slice = store.slice(&namespace, filter, after.as_ref(), 100);
        let slice = slice.await.expect("a slice");
        count += slice.found.len();
        ids.extend(slice.found.into_iter().map(|found| found.session.id));
        after = slice.next;
        if after.is_none() {
            return (ids, count);
        }
        slices += 1;
        tokio::task::block_in_place(|| meanwhile(slices));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_reads_on_where_the_first_was() {
    let cluster = Cluster::start();
    cluster.never_fail_over();
    let mut config = RedisConfig::parse(&cluster.url()).expect("a URL");
    config.response_timeout = Duration::from_secs(10);
    let store = instance_with(&config, Some(Clock::stopped_at(START))).await;
    let ann = place(&fleet(), 1);
    for number in 0..SESSIONS {
        make(&store, &ann, number).await;
    }
    let made: BTreeSet<_> = (0..SESSIONS).map(session_id).collect();
    let tenant = Filter {
        tenant: Some("acme".into()),
        ..Filter::default()
    };
    let owner = Filter {
        user: Some(ann.owner.user().into()),
        issuer: Some(ann.owner.issuer().into()),
        ..tenant.clone()
    };
    let (_, slot, mut home) = cluster.home_of_the_owner("fleet");
    let mut move_it = |cluster: &Cluster| {
        let next = (home + 1) % 3;
        cluster.begin_move(slot, home, next);
        cluster.end_move(slot, home, next);
        cluster.wait_until_whole();
        home = next;
    };
    let moved = found(&store, &owner, |_| move_it(&cluster)).await;
    assert_eq!(moved, (made.clone(), SESSIONS), "each is found once");
    let moved = found(&store, &tenant, |slices| match slices {
        1..=3 => move_it(&cluster),
        // Who has followed made its list from what the primary sent, in memory of its own.
        4 => {
            let (_, _, home) = cluster.home_of_the_owner("fleet");
            cluster.servers[home + 3].ask(&["CLUSTER", "FAILOVER"]);
            cluster.wait_for_promotion(home + 3);
        }
        _ => {}
    });
    assert_eq!(moved.await, (made, SESSIONS), "each is found once");
}
