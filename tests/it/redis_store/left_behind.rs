//! What is left in Redis when sessions are over.

use std::time::Duration;

use redis::Value;
use tenure::session::names::{CallerTag, RequestId};
use tenure::session::owner_record::{Claim, Create, OnExisting, Update};
use tenure::session::refusal::InvalidationReason;
use tenure::session::request::Request;
use tenure::store::Clock;
use tenure::store::{Revocation, Selector, Store as _};

use super::{a_session, fill, fleet, instance, place, session_id};
use crate::support::backend::START;
use crate::support::redis::Server;
use crate::support::values::{state, text};

/// How many keys there are like this. Their names hold hashes, which are no text.
pub(super) fn keys(server: &Server, pattern: &str) -> usize {
    match server.ask(&["KEYS", pattern]) {
        Value::Array(names) => names.len(),
        other => panic!("not a list: {other:?}"),
    }
}

/// How many of them Redis itself would keep for ever.
pub(super) fn lasting(server: &Server, pattern: &str) -> Value {
    let script = "local lasting = 0
        for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
            if redis.call('PTTL', key) < 0 then lasting = lasting + 1 end
        end
        return lasting";
    server.ask(&["EVAL", script, "0", pattern])
}

#[tokio::test]
async fn content_goes_with_the_ending() {
    let server = Server::start();
    let store = instance(&server, None).await;
    let namespace = fleet();
    fill(&store, &namespace, 4, &state(&[("secret", text("x"))])).await;
    assert_eq!(keys(&server, "*}:s:*"), 4);
    let ended = store.end(&place(&namespace, 0), &session_id(0)).await;
    assert_eq!(ended, Ok(true));
    let revoke = |selector| Revocation {
        selector,
        authenticated_until: None,
        except: None,
        reason: InvalidationReason::LoggedOut,
        dry_run: false,
        by: CallerTag::NOBODY,
    };
    let ann = place(&namespace, 1);
    for selector in [
        Selector::Owner(ann.owner.clone()),
        Selector::Id(session_id(2)),
    ] {
        store
            .revoke(&namespace, revoke(selector))
            .await
            .expect("an invalidation");
    }
    let talk = |number| Create {
        conversation: Some("talk".into()),
        on_existing: OnExisting::Replace,
        ..a_session(number, state(&[("secret", text("y"))]))
    };
    for number in 10..13 {
        store.create(&ann, talk(number)).await.expect("a session");
    }
    assert_eq!(keys(&server, "*}:s:*"), 2);
}

/// Nobody may fill the store with what is kept for retries.
#[tokio::test]
async fn a_remembered_request_is_small() {
    let server = Server::start();
    let store = instance(&server, None).await;
    let ann = place(&fleet(), 1);
    let mut requests = 0..;
    let mut request = || {
        let number: u128 = requests.next().expect("without end");
        Some(Request {
            id: RequestId(uuid::Uuid::from_u128(number)),
            fingerprint: number,
        })
    };
    for (number, id) in ["x".repeat(256), uuid::Uuid::from_u128(7).to_string()]
        .iter()
        .enumerate()
    {
        let id = crate::support::world::id(id);
        let create = Create {
            id: id.clone(),
            request: request(),
            ..a_session(number, state(&[]))
        };
        store.create(&ann, create).await.expect("a session");
        // As many as there may be, with names as long as they may be.
        let mut update = Update {
            request: request(),
            ..Update::default()
        };
        loop {
            let key = format!("{:0128}", update.patch.increment.len());
            update.patch.increment.push((key.into(), 1));
            if update.check_repeatable(&id).is_err() {
                update.patch.increment.pop();
                break;
            }
        }
        assert!(update.patch.increment.len() >= 21);
        let first = store
            .update(&ann, &id, update.clone())
            .await
            .expect("counted");
        let again = store.update(&ann, &id, update).await.expect("the same");
        assert!(again.replayed && again.increments == first.increments);
    }
    let longest = "local most = 0
        for _, key in ipairs(redis.call('KEYS', '*}:q:*')) do
            most = math.max(most, redis.call('STRLEN', key))
        end
        return most";
    let Value::Int(longest) = server.ask(&["EVAL", longest, "0"]) else {
        panic!("no length");
    };
    assert!((400..=512).contains(&longest), "{longest}");
}

#[tokio::test]
async fn nothing_is_kept_for_ever() {
    let server = Server::start();
    let clock = Clock::stopped_at(START);
    let store = instance(&server, Some(clock.clone())).await;
    let namespace = fleet();
    fill(&store, &namespace, 50, &state(&[("a", text("b"))])).await;
    for number in 0..10 {
        let rotate = crate::support::world::plain_rotate(&session_id(100 + number));
        let place = place(&namespace, number);
        let rotated = store.rotate(&place, &session_id(number), rotate).await;
        rotated.expect("a new id");
        let claim = Claim {
            key: "nonce".into(),
            ttl: Duration::from_mins(1),
            request: None,
        };
        store.claim_once(&place, claim).await.expect("a claim");
    }
    // Each has a time after which Redis itself removes it, should nobody ever sweep.
    for pattern in ["*}:o:*", "*}:s:*", "*}:t:*", "*}:c:*"] {
        assert!(keys(&server, pattern) > 0, "{pattern}");
        assert_eq!(lasting(&server, pattern), Value::Int(0), "{pattern}");
    }
    for _ in 0..4 {
        clock.advance(Duration::from_hours(8 * 24));
        while store.sweep(10_000).await.expect("a sweep").more {}
    }
    for kind in ["o", "t", "s", "q"] {
        assert_eq!(keys(&server, &format!("*}}:{kind}:*")), 0, "{kind}");
    }
    for kind in ["d", "i"] {
        assert_eq!(keys(&server, &format!("*}}:{kind}")), 0, "{kind}");
    }
    assert_eq!(store.held().await.expect("a count").sessions, 0);
}
