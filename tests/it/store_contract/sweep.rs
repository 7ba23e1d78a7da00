//! Sweeping: frees space, tells of endings, changes no answer.

use std::collections::HashMap;
use std::time::Duration;

use tenure::session::limits::{AtSessionLimit, Limits};
use tenure::session::marks::Subject;
use tenure::session::owner_record::{Create, OnExisting};
use tenure::session::refusal::EndReason;
use tenure::store::Selector;

use crate::support::backend::Backend;
use crate::support::world::{IDLE, LIFETIME, MOMENT, REVOKED, World};

/// Long enough for every deadline to be noticed.
const SLACK: Duration = Duration::from_secs(2);

pub(crate) async fn ends_each_once_with_its_cause(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let told = world.told();
    let mut watch = world.watch_from_now().await;
    let mut expected = HashMap::new();
    for user in ["ann", "bob", ""] {
        let place = world.user(user);
        let idle = world.make_plain(&place).await;
        expected.insert(idle.id, EndReason::ExpiredIdle);
        let brief = Create {
            max_lifetime: IDLE / 2,
            ..world.plain()
        };
        let absolute = world.make(&place, brief).await;
        expected.insert(absolute.id, EndReason::ExpiredAbsolute);
        let deleted = world.make_plain(&place).await;
        world.store.end(&place, &deleted.id).await.unwrap();
        expected.insert(deleted.id, EndReason::Deleted);
    }
    let talk = Create {
        conversation: Some("talk".into()),
        on_existing: OnExisting::Replace,
        ..world.plain()
    };
    let ann = world.user("ann");
    let replaced = world.make(&ann, talk.clone()).await;
    expected.insert(replaced.id, EndReason::Replaced);
    let replacing = Create {
        id: world.new_id(),
        ..talk
    };
    let last = world.make(&ann, replacing).await;
    expected.insert(last.id, EndReason::ExpiredIdle);
    world.pass(IDLE + SLACK).await;
    assert_eq!(world.sweep().await, 7);
    assert_eq!(world.sweep().await, 0);
    world.pass(LIFETIME).await;
    world.sweep().await;
    let ended = world.endings(&mut watch).await;
    assert_eq!(ended.len(), expected.len(), "each once");
    assert_eq!(ended.into_iter().collect::<HashMap<_, _>>(), expected);
    expected.retain(|_, reason| *reason != EndReason::Deleted);
    assert_eq!(told.lock().len(), expected.len(), "told once");
    let mut told = told.lock();
    let told = told.drain(..).map(|ended| (ended.id, ended.reason));
    assert_eq!(told.collect::<HashMap<_, _>>(), expected);
}

/// Whoever is told hears of each ending once, whichever step it was part of.
pub(crate) async fn tells_of_endings_wherever_they_happen(backend: &dyn Backend) {
    let world = World::with_limits(backend, |limits| {
        limits.sessions_per_owner = 2;
        limits.at_session_limit = AtSessionLimit::EndLeastRecent;
    })
    .await;
    let told = world.told();
    let took = || {
        let mut told = told.lock();
        let ended = told.drain(..).map(|ended| {
            assert_eq!(ended.namespace, world.namespace.name);
            (ended.owner, ended.id, ended.reason, ended.at)
        });
        ended.collect::<Vec<_>>()
    };
    let ann = world.user("ann");
    let first = world.make_plain(&ann).await;
    let second = world.make_plain(&ann).await;
    assert_eq!(took(), []);
    world.make_plain(&ann).await;
    let now = world.now().await;
    let evicted = (ann.owner.clone(), first.id, EndReason::Evicted, now);
    assert_eq!(took(), [evicted]);
    world.revoke(Selector::Id(second.id.clone())).await;
    let revoked = (ann.owner.clone(), second.id, REVOKED, now);
    assert_eq!(took(), [revoked]);
    world.revoke(Selector::Owner(ann.owner.clone())).await;
    assert_eq!(took().len(), 1);
    world.pass(MOMENT).await;

    // An id that is free again, while nobody has swept.
    let bob = world.user("bob");
    let brief = Create {
        idle_ttl: MOMENT,
        ..world.plain()
    };
    let over = world.make(&bob, brief.clone()).await;
    let ended_at = world.now().await.after(MOMENT);
    world.pass(Limits::default().tombstone_ttl + MOMENT).await;
    let again = Create {
        record_id: world.plain().record_id,
        ..brief
    };
    world.make(&bob, again).await;
    let expired = (
        bob.owner.clone(),
        over.id.clone(),
        EndReason::ExpiredIdle,
        ended_at,
    );
    assert_eq!(took(), [expired]);
    world.pass(Limits::default().tombstone_ttl + MOMENT).await;
    let live = world.make_plain(&bob).await;
    world.rotate_to(&bob, &live.id, &over.id).await.unwrap();
    let expired = took();
    assert_eq!(expired.len(), 1, "the rotation itself is no ending");
    assert_eq!(
        (&expired[0].1, expired[0].2),
        (&over.id, EndReason::ExpiredIdle)
    );
    assert!(world.store.end(&bob, &over.id).await.unwrap());
    assert_eq!(took(), [], "the call tells of it");
}

pub(crate) async fn ends_what_a_mark_covers_once(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let mut places = Vec::new();
    for number in 0..50 {
        let place = world.user(&format!("user-{number}"));
        world.make_plain(&place).await;
        places.push(place);
    }
    let other = world.owner("other", "ann", "idp");
    let stays = world.make_plain(&other).await;
    let told = world.told();
    let mut watch = world.watch_from_now().await;
    world
        .revoke(Selector::Wide(Subject::Tenant("acme".into())))
        .await;
    // They are counted as they end: soon, without waiting for their own deadlines.
    assert_eq!(world.sweep().await, 50);
    assert_eq!(world.sweep().await, 0);
    let ended = world.endings(&mut watch).await;
    assert_eq!(ended.len(), 50);
    assert!(ended.iter().all(|(_, reason)| *reason == REVOKED));
    let mut told = std::mem::take(&mut *told.lock());
    assert_eq!(told.len(), 50, "told once");
    told.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    told.dedup_by(|a, b| a.id == b.id);
    assert_eq!(told.len(), 50, "told once");
    assert!(told.iter().all(|ended| ended.reason == REVOKED));
    assert!(world.is_alive(&other, &stays.id).await);
    assert_eq!(world.held().await, 1);
}

pub(crate) async fn in_small_slices(backend: &dyn Backend) {
    let world = World::open(backend).await;
    for number in 0..100 {
        world
            .make_plain(&world.user(&format!("user-{number}")))
            .await;
    }
    world.pass(IDLE + SLACK).await;
    let first = world.store.sweep(10).await.unwrap();
    assert!((1..=20).contains(&first.ended), "{first:?}");
    assert!(first.more);
    assert!(first.lag >= Duration::from_secs(1), "{first:?}");
    assert_eq!(world.sweep().await, 100 - first.ended);
}

pub(crate) async fn forgets_everything(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let before = world.store.held().await.unwrap();
    for user in ["ann", "bob", "zoe", ""] {
        let place = world.user(user);
        let ask = Create {
            request: Some(world.new_request()),
            conversation: (!user.is_empty()).then(|| "talk".into()),
            provider_session_id: Some("sid".into()),
            ..world.plain()
        };
        let session = world.make(&place, ask).await;
        if !user.is_empty() {
            let new_id = world.new_id();
            world.rotate_to(&place, &session.id, &new_id).await.unwrap();
            world.revoke(Selector::Owner(place.owner.clone())).await;
        }
        world.claim(&place, "nonce", IDLE).await.unwrap();
    }
    world
        .pass(2 * world.namespace.limits.max_lifetime_max)
        .await;
    world.sweep().await;
    assert_eq!(world.store.held().await.unwrap(), before);
}

pub(crate) async fn changes_no_answer(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let mut ids = Vec::new();
    for part in 1..=4 {
        let ask = Create {
            idle_ttl: IDLE * part,
            ..world.plain()
        };
        ids.push(world.make(&ann, ask).await.id);
    }
    for _ in 0..5 {
        let mut before = Vec::new();
        for id in &ids {
            before.push(world.peek(&ann, id).await);
        }
        let listed = world.list(&ann).await;
        world.sweep().await;
        for (id, before) in ids.iter().zip(before) {
            assert_eq!(world.peek(&ann, id).await, before);
        }
        assert_eq!(world.list(&ann).await, listed);
        world.pass(IDLE).await;
    }
}

pub(crate) async fn nothing_due_nothing_done(backend: &dyn Backend) {
    let world = World::open(backend).await;
    world.make_plain(&world.user("ann")).await;
    let swept = world.store.sweep(1000).await.unwrap();
    assert_eq!((swept.ended, swept.more), (0, false));
    assert_eq!(swept.lag, Duration::ZERO);
}
