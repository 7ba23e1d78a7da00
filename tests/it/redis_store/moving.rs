//! A slot of a cluster that is on the move.

use std::time::Duration;

use tenure::config::redis::RedisConfig;
use tenure::session::credentials::Sealed;
use tenure::session::names::CredentialName;
use tenure::session::owner_record::Create;
use tenure::store::{Clock, Place, Store};

use super::{a_session, fleet, instance_with, is_alive, place, session_id};
use crate::support::backend::START;
use crate::support::redis::Cluster;
use crate::support::values::state;
use crate::support::world::plain_rotate;

pub(super) async fn make(store: &dyn Store, place: &Place, number: usize) {
    let name = CredentialName::new("token").expect("a good name");
    let create = Create {
        credentials: vec![(name, Sealed::new(*b"sealed"))],
        ..a_session(number, state(&[]))
    };
    store.create(place, create).await.expect("a new session");
}

/// Everything that a script could want is there, so that nothing keeps it from beginning on the server that the slot
/// is leaving; but what it removes there, it may not touch again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_script_ends_halfway() {
    let cluster = Cluster::start();
    cluster.never_fail_over();
    let mut config = RedisConfig::parse(&cluster.url()).expect("a URL");
    config.response_timeout = Duration::from_secs(10);
    let clock = Clock::stopped_at(START);
    let store = instance_with(&config, Some(clock.clone())).await;
    let namespace = fleet();
    let ann = place(&namespace, 1);
    for turn in 0..3 {
        let [buried, dead, alive] = [0, 1, 2].map(|number| 10 * turn + number);
        make(&store, &ann, dead).await;
        // It expires, and its id is free again after another hour; nobody has swept it away.
        clock.advance(Duration::from_mins(76));
        make(&store, &ann, buried).await;
        assert_eq!(store.end(&ann, &session_id(buried)).await, Ok(true));
        make(&store, &ann, alive).await;

        let (_, slot, from) = cluster.home_of_the_owner("fleet");
        let to = (from + 1) % 3;
        cluster.begin_move(slot, from, to);
        let work = async {
            match turn {
                0 => assert_eq!(store.sweep(1000).await.expect("a sweep").ended, 1),
                1 => make(&store, &ann, dead).await,
                _ => {
                    let rotate = plain_rotate(&session_id(dead));
                    let rotated = store.rotate(&ann, &session_id(alive), rotate).await;
                    rotated.expect("a new id");
                }
            }
        };
        let finish = async {
            // So that the work begins before it, which is likely without it, too.
            tokio::time::sleep(Duration::from_millis(200)).await;
            tokio::task::block_in_place(|| cluster.end_move(slot, from, to));
        };
        tokio::join!(work, finish);
        let alive_now = [buried, dead, alive].map(|number| is_alive(&store, &ann, number));
        let alive_now = futures::future::join_all(alive_now).await;
        assert_eq!(alive_now, [false, turn > 0, turn < 2], "turn {turn}");
    }
}
