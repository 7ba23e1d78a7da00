//! Credentials in Redis: what they cost, and what is left of them.

use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use tenure::session::credentials::Sealed;
use tenure::session::names::{CallerTag, CredentialName, LeaseId, NamespaceName};
use tenure::session::owner_record::{AbandonRefresh, BeginRefresh, Begun, Create, PutCredential};
use tenure::session::refusal::{EndReason, InvalidationReason, Refusal};
use tenure::store::redis::RedisStore;
use tenure::store::{Clock, Namespace, Revocation, Selector, Store as _, StoreError};

use super::left_behind::{keys, lasting};
use super::{a_session, fleet, instance, place, session_id};
use crate::support::backend::START;
use crate::support::redis::{Options, Server};
use crate::support::values::state;

fn name() -> CredentialName {
    CredentialName::new("token").expect("a good name")
}

fn put(version: u64) -> PutCredential {
    PutCredential {
        name: name(),
        version,
        sealed: Sealed::new(*b"sealed"),
        lease: None,
    }
}

/// Sessions with a credential, each of another user.
async fn fill(store: &RedisStore, namespace: &Arc<Namespace>, count: usize) {
    for number in 0..count {
        let create = Create {
            credentials: vec![(name(), Sealed::new(*b"sealed"))],
            ..a_session(number, state(&[]))
        };
        let made = store.create(&place(namespace, number), create).await;
        made.expect("a new session");
    }
}

#[tokio::test]
async fn each_operation_is_one_script() {
    let server = Server::start();
    let store = instance(&server, None).await;
    let namespace = fleet();
    fill(&store, &namespace, 1).await;
    let (ann, id) = (place(&namespace, 0), session_id(0));
    let all = async |first: u64| {
        let lease = LeaseId(uuid::Uuid::from_u128(u128::from(first)));
        store.credential(&ann, &id, &name()).await.expect("looked");
        let put_one = store.put_credential(&ann, &id, put(first)).await;
        put_one.expect("written");
        let begin = BeginRefresh {
            name: name(),
            stale_version: first,
            lease,
            ttl: Duration::from_secs(30),
        };
        let answer = store.begin_refresh(&ann, &id, begin).await;
        assert!(matches!(answer, Ok(Begun::Leased { .. })));
        let complete = PutCredential {
            lease: Some(lease),
            ..put(first + 1)
        };
        let completed = store.put_credential(&ann, &id, complete).await;
        completed.expect("completed");
        let abandon = AbandonRefresh {
            name: name(),
            lease,
            uncertain: true,
        };
        let abandoned = store.abandon_refresh(&ann, &id, abandon).await;
        assert_eq!(abandoned, Ok(false));
        let deleted = store.delete_credential(&ann, &id, &name()).await;
        assert_eq!(deleted, Ok(true));
    };
    // The scripts are known to the server from here on.
    all(2).await;
    let lines = server.monitor(all(4)).await;
    let outside: Vec<_> = lines
        .iter()
        .filter(|line| !line.contains(" lua] "))
        .collect();
    assert_eq!(outside.len(), 6, "{outside:?}");
    assert!(outside.iter().all(|line| line.contains("\"EVALSHA\"")));
}

#[tokio::test]
async fn they_go_with_their_session() {
    let server = Server::start();
    let clock = Clock::stopped_at(START);
    let store = instance(&server, Some(clock.clone())).await;
    let namespace = fleet();
    fill(&store, &namespace, 6).await;
    let late = a_session(6, state(&[]));
    let ann = place(&namespace, 6);
    store.create(&ann, late).await.expect("a session");
    let written = store.put_credential(&ann, &session_id(6), put(1)).await;
    written.expect("written");
    assert_eq!(keys(&server, "*}:k:*"), 7);
    assert_eq!(lasting(&server, "*}:k:*"), Value::Int(0));

    // A rotation takes them along.
    let rotate = crate::support::world::plain_rotate(&session_id(100));
    let first = place(&namespace, 0);
    let rotated = store.rotate(&first, &session_id(0), rotate).await;
    rotated.expect("a new id");
    assert_eq!(keys(&server, "*}:k:*"), 7);
    assert_eq!(lasting(&server, "*}:k:*"), Value::Int(0));

    // Endings destroy them at once.
    let ended = store.end(&place(&namespace, 1), &session_id(1)).await;
    assert_eq!(ended, Ok(true));
    let owner = place(&namespace, 2).owner;
    for selector in [Selector::Owner(owner), Selector::Id(session_id(3))] {
        let revocation = Revocation {
            selector,
            authenticated_until: None,
            except: None,
            reason: InvalidationReason::LoggedOut,
            dry_run: false,
            by: CallerTag::NOBODY,
        };
        let revoked = store.revoke(&namespace, revocation).await;
        revoked.expect("an invalidation");
    }
    assert_eq!(keys(&server, "*}:k:*"), 4);
    clock.advance(Duration::from_hours(8 * 24));
    while store.sweep(10_000).await.expect("a sweep").more {}
    assert_eq!(keys(&server, "*}:k:*"), 0);
}

#[tokio::test]
async fn credentials_that_redis_evicts_end_their_session() {
    let server = Server::start();
    let store = instance(&server, None).await;
    let namespace = fleet();
    fill(&store, &namespace, 1).await;
    let script = "return redis.call('DEL', unpack(redis.call('KEYS', '*}:k:*')))";
    assert_eq!(server.ask(&["EVAL", script, "0"]), Value::Int(1));
    let (ann, id) = (place(&namespace, 0), session_id(0));
    let evicted = StoreError::Refused(Refusal::Ended(EndReason::Evicted));
    for _ in 0..2 {
        // Never a version that there was before.
        let answer = store.put_credential(&ann, &id, put(1)).await;
        assert_eq!(answer, Err(evicted.clone()));
    }
}

#[tokio::test]
async fn a_refresh_can_be_completed_when_redis_is_full() {
    let server = Server::start_with(Options::default().line("maxmemory-policy noeviction"));
    let store = instance(&server, None).await;
    let namespace = fleet();
    fill(&store, &namespace, 1).await;
    let (ann, id) = (place(&namespace, 0), session_id(0));
    server.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    let lease = LeaseId(uuid::Uuid::from_u128(1));
    let begin = BeginRefresh {
        name: name(),
        stale_version: 1,
        lease,
        ttl: Duration::from_secs(30),
    };
    let answer = store.begin_refresh(&ann, &id, begin).await;
    assert!(matches!(answer, Ok(Begun::Leased { .. })), "{answer:?}");
    let plain = store.put_credential(&ann, &id, put(2)).await;
    assert_eq!(plain, Err(StoreError::Full));
    let complete = PutCredential {
        lease: Some(lease),
        ..put(2)
    };
    assert_eq!(store.put_credential(&ann, &id, complete).await, Ok(2));
    let crm = NamespaceName::new("crm").expect("a good name");
    assert_eq!(store.destroy_tenant_key(&crm, "acme").await, Ok(false));
}
