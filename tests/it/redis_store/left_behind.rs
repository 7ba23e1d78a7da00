//! What is left in Redis when sessions are over.

use std::time::Duration;

use redis::Value;
use tenure::session::owner_record::{Claim, Create, OnExisting};
use tenure::session::refusal::InvalidationReason;
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
