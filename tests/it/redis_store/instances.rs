//! Several instances on one Redis.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use parking_lot::Mutex;
use redis::Value;
use tenure::config::redis::RedisConfig;
use tenure::session::event::{Change, What};
use tenure::session::marks::Subject;
use tenure::session::names::CallerTag;
use tenure::session::refusal::{EndReason, InvalidationReason};
use tenure::store::redis::RedisStore;
use tenure::store::{Clock, Revocation, Selector, Store as _, StoreError, Told};

use super::{a_session, fill, fleet, instance, instance_with, is_alive, place, session_id};
use crate::support::backend::START;
use crate::support::redis::{DEADLINE, Options, Server};
use crate::support::values::state;

#[tokio::test]
async fn what_one_does_all_see() {
    let server = Server::start();
    let (one, other) = (instance(&server, None).await, instance(&server, None).await);
    let namespace = fleet();
    let mut watch = other.watch(&namespace, None).await.expect("a watch");
    let ann = place(&namespace, 1);
    let made = one.create(&ann, a_session(1, state(&[]))).await;
    made.expect("a session");
    assert!(is_alive(&other, &ann, 1).await);
    let seen = tokio::time::timeout(Duration::from_secs(1), watch.events.next());
    let seen = seen
        .await
        .expect("within a second")
        .expect("no end")
        .expect("an event");
    assert!(matches!(&seen.event.what, What::Session { id, .. } if *id == session_id(1)));
    assert_eq!(other.end(&ann, &session_id(1)).await, Ok(true));
    assert!(!is_alive(&one, &ann, 1).await);
    assert_eq!(
        one.shared_secret().await.expect("a secret"),
        other.shared_secret().await.expect("a secret")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_session_ends_once_whoever_sweeps() {
    const SESSIONS: usize = 1000;
    let server = Server::start();
    let clock = Clock::stopped_at(START);
    let mut instances = Vec::new();
    for _ in 0..3 {
        instances.push(instance(&server, Some(clock.clone())).await);
    }
    let namespace = fleet();
    let mut watch = instances[0].watch(&namespace, None).await.expect("a watch");
    let told = Arc::new(Mutex::new(Vec::new()));
    for instance in &instances {
        let told = Arc::clone(&told);
        instance.tell_endings_to(Box::new(move |ending| match ending {
            Told::Known(ended) => told.lock().push((ended.id, ended.reason)),
            Told::Unknown(..) => panic!("no answer was lost: {ending:?}"),
        }));
    }
    fill(&instances[0], &namespace, SESSIONS, &state(&[])).await;
    let half = Revocation {
        selector: Selector::Wide(Subject::User {
            issuer: "idp".into(),
            user: "user-7@example.com".into(),
        }),
        authenticated_until: None,
        except: None,
        reason: InvalidationReason::AccountDisabled,
        dry_run: false,
        by: tenure::session::names::CallerTag::NOBODY,
    };
    instances[1]
        .revoke(&namespace, half)
        .await
        .expect("in force");
    clock.advance(Duration::from_secs(901));
    let sweeps = instances.iter().map(|instance| async move {
        let mut ended = 0;
        loop {
            let swept = instance.sweep(64).await.expect("a sweep");
            ended += swept.ended;
            if !swept.more {
                return ended;
            }
        }
    });
    let ended: usize = futures::future::join_all(sweeps).await.into_iter().sum();
    assert_eq!(ended, SESSIONS);
    let mut endings = Vec::new();
    while let Ok(Some(logged)) =
        tokio::time::timeout(Duration::from_secs(1), watch.events.next()).await
    {
        if let What::Session {
            id,
            change: Change::Ended(reason),
            ..
        } = &logged.expect("an event").event.what
        {
            endings.push((id.clone(), *reason));
        }
    }
    assert_eq!(endings.len(), SESSIONS);
    for (id, reason) in &endings {
        let expected = if *id == session_id(7) {
            EndReason::Invalidated(InvalidationReason::AccountDisabled)
        } else {
            EndReason::ExpiredIdle
        };
        assert_eq!(*reason, expected);
    }
    endings.sort_unstable();
    let mut told = told.lock();
    told.sort_unstable();
    assert_eq!(*told, endings, "one of them tells of each");
    endings.dedup();
    assert_eq!(endings.len(), SESSIONS);
}

#[tokio::test]
async fn endings_are_asserted_again_when_redis_has_forgotten_them() {
    // A primary that comes back with an older copy is what a failover to a slow replica looks like.
    let options = Options::default().line("dbfilename dump.rdb");
    let mut server = Server::start_with(options);
    let mut config = RedisConfig::parse(&server.url()).expect("a URL");
    config.watch_interval = Duration::from_millis(50);
    let store = instance_with(&config, None).await;
    let namespace = fleet();
    fill(&store, &namespace, 6, &state(&[])).await;
    server.ask(&["SAVE"]);

    let places: Vec<_> = (0..6).map(|number| place(&namespace, number)).collect();
    store.end(&places[0], &session_id(0)).await.expect("an end");
    let rotate = crate::support::world::plain_rotate(&session_id(100));
    let rotated = store.rotate(&places[1], &session_id(1), rotate).await;
    rotated.expect("a new id");
    let revoke = |selector| Revocation {
        selector,
        authenticated_until: None,
        except: None,
        reason: InvalidationReason::PasswordChanged,
        dry_run: false,
        by: CallerTag::NOBODY,
    };
    for selector in [
        Selector::Id(session_id(2)),
        Selector::Owner(places[3].owner.clone()),
        Selector::Wide(Subject::User {
            issuer: "idp".into(),
            user: places[4].owner.user().into(),
        }),
    ] {
        let revoked = store.revoke(&namespace, revoke(selector)).await;
        revoked.expect("an invalidation");
    }
    server.kill();
    server.restart();
    super::until_ready(&store).await;
    let again = async {
        for (number, place) in places.iter().take(5).enumerate() {
            while is_alive(&store, place, number).await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), again)
        .await
        .expect("all are dead again");
    assert!(is_alive(&store, &places[5], 5).await);
}

#[tokio::test]
async fn a_store_with_another_number_of_cells_is_left_alone() {
    let server = Server::start();
    server.ask(&["HSET", "tenure:registry", "cells", "128"]);
    let config = RedisConfig::parse(&server.url()).expect("a URL");
    let store = RedisStore::open(&config, tenure::store::redis::Options::default(), None)
        .await
        .expect("good settings");
    let namespace = fleet();
    let ann = place(&namespace, 1);
    let is_refused = async {
        // Unavailable as long as it connects.
        while store.ping().await != Err(StoreError::Unsafe) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, is_refused)
        .await
        .expect("it has had a look");
    let made = store.create(&ann, a_session(1, state(&[]))).await;
    assert_eq!(made.err(), Some(StoreError::Unsafe));
    let keys = server.ask(&["KEYS", "*"]);
    let keys: Vec<String> = redis::from_redis_value(keys).expect("names");
    assert_eq!(keys, ["tenure:registry"], "nothing is written beside it");
}

#[tokio::test]
async fn an_invalidation_goes_on_without_its_caller() {
    let server = Server::start();
    let store = instance(&server, None).await;
    let namespace = fleet();
    fill(&store, &namespace, 3, &state(&[])).await;
    let everybody = Revocation {
        selector: Selector::Wide(Subject::Everybody),
        authenticated_until: None,
        except: None,
        reason: InvalidationReason::PermissionsChanged,
        dry_run: false,
        by: CallerTag::NOBODY,
    };
    // It has asked its first question when its caller has enough, and written nothing.
    server.freeze();
    let asked = store.revoke(&namespace, everybody);
    let asked = tokio::time::timeout(Duration::from_millis(100), asked).await;
    assert!(asked.is_err(), "{asked:?}");
    server.thaw();
    let marked = || {
        let marks = server.ask(&["KEYS", "tenure:{fleet:*}:m"]);
        let marks: Vec<String> = redis::from_redis_value(marks).expect("names");
        let is_marked = |key: &&String| server.ask(&["HEXISTS", key, "*"]) == Value::Int(1);
        marks.iter().filter(is_marked).count()
    };
    let all = async {
        while marked() < 256 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(DEADLINE, all)
        .await
        .expect("a mark in every cell");
    for number in 0..3 {
        assert!(!is_alive(&store, &place(&namespace, number), number).await);
    }
}

#[tokio::test]
async fn many_watchers_ask_no_more_than_one() {
    let server = Server::start();
    let store = instance(&server, None).await;
    let namespace = fleet();
    let mut watchers = Vec::new();
    for _ in 0..20 {
        watchers.push(store.watch(&namespace, None).await.expect("a watch"));
    }
    let looks = || server.calls("xrange") / 256;
    // Once each, and what they begin with, is over.
    let before = looks();
    let began = Instant::now();
    while looks() < before + 4 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let quarters = began.elapsed().as_millis() / 250;
    let looks = (looks() - before) as u128;
    assert!(
        looks <= quarters + 2,
        "{looks} in {quarters} quarters of a second"
    );
    // And all of them see what there is to see.
    fill(&store, &namespace, 1, &state(&[])).await;
    for watch in &mut watchers {
        let seen = tokio::time::timeout(DEADLINE, watch.events.next()).await;
        seen.expect("in time").expect("no end").expect("an event");
    }
}
