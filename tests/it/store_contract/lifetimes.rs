//! How long sessions live, and what their owners learn when they are gone.

use std::time::Duration;

use tenure::session::owner_record::{Create, Read, Shown, Update};
use tenure::session::refusal::EndReason;

use crate::support::backend::Backend;
use crate::support::world::{IDLE, LIFETIME, MOMENT, REVOKED, World};
use tenure::store::Selector;

pub(crate) async fn idle_to_the_millisecond(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let session = world.make_plain(&ann).await;
    world.pass(IDLE - MOMENT).await;
    assert!(world.is_alive(&ann, &session.id).await);
    world.pass(MOMENT).await;
    assert!(!world.is_alive(&ann, &session.id).await);
}

pub(crate) async fn reads_slide(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let session = world.make_plain(&ann).await;
    for _ in 0..3 {
        world.pass(IDLE - MOMENT).await;
        let read = world.get(&ann, &session.id).await.unwrap();
        assert_eq!(read.meta.last_used_at, world.now().await);
        assert_eq!(read.meta.revision, 1, "a slide is no change of content");
    }
}

pub(crate) async fn peeks_and_lists_do_not_slide(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let session = world.make_plain(&ann).await;
    world.pass(IDLE - MOMENT).await;
    let peeked = world.peek(&ann, &session.id).await.unwrap();
    assert_eq!(peeked.meta.last_used_at, session.meta.last_used_at);
    assert_eq!(world.list(&ann).await.len(), 1);
    world.pass(MOMENT).await;
    assert!(!world.is_alive(&ann, &session.id).await);
}

pub(crate) async fn touches_and_updates_slide(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let session = world.make_plain(&ann).await;
    world.pass(IDLE - MOMENT).await;
    let touch = Read {
        slide: true,
        show: Shown::Nothing,
    };
    let touched = world.store.read(&ann, &session.id, touch).await.unwrap();
    assert_eq!(touched.state, None);
    world.pass(IDLE - MOMENT).await;
    let updated = world.update(&ann, &session.id, Update::default()).await;
    assert_eq!(updated.unwrap().meta.revision, 1, "nothing was changed");
    world.pass(IDLE - MOMENT).await;
    assert!(world.is_alive(&ann, &session.id).await);
}

pub(crate) async fn the_ceiling_stands(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let mut id = world.make_plain(&ann).await.id;
    let step = IDLE / 2;
    let mut lived = Duration::ZERO;
    while lived + step < LIFETIME {
        world.pass(step).await;
        lived += step;
        world.get(&ann, &id).await.unwrap();
        world.update(&ann, &id, Update::default()).await.unwrap();
        let new_id = world.new_id();
        world.rotate_to(&ann, &id, &new_id).await.unwrap();
        id = new_id;
    }
    world.pass(LIFETIME - lived - MOMENT).await;
    assert!(world.is_alive(&ann, &id).await);
    world.pass(MOMENT).await;
    assert_eq!(
        world.end_reason(&ann, &id).await,
        Some(EndReason::ExpiredAbsolute)
    );
}

pub(crate) async fn a_slide_stops_at_the_ceiling(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let ask = Create {
        max_lifetime: IDLE + IDLE / 2,
        ..world.plain()
    };
    let session = world.make(&ann, ask).await;
    world.pass(IDLE - MOMENT).await;
    let read = world.get(&ann, &session.id).await.unwrap();
    assert_eq!(read.meta.idle_expires_at(), session.meta.expires_at);
}

pub(crate) async fn a_shortened_lifetime(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let ask = Create {
        max_lifetime: IDLE / 4,
        ..world.plain()
    };
    let session = world.make(&ann, ask).await;
    assert_eq!(session.meta.idle_expires_at(), session.meta.expires_at);
    world.pass(IDLE / 4).await;
    assert_eq!(
        world.end_reason(&ann, &session.id).await,
        Some(EndReason::ExpiredAbsolute)
    );
}

pub(crate) async fn why_it_ended(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    for swept in [false, true] {
        let idle = world.make_plain(&ann).await;
        let brief = Create {
            max_lifetime: IDLE / 2,
            ..world.plain()
        };
        let absolute = world.make(&ann, brief).await;
        let deleted = world.make_plain(&ann).await;
        world.store.end(&ann, &deleted.id).await.unwrap();
        let rotated = world.make_plain(&ann).await;
        let into = world.new_id();
        world.rotate_to(&ann, &rotated.id, &into).await.unwrap();
        let invalidated = world.make_plain(&ann).await;
        world.revoke(Selector::Id(invalidated.id.clone())).await;
        world.pass(IDLE).await;
        if swept {
            world.sweep().await;
        }
        for (session, reason) in [
            (idle, EndReason::ExpiredIdle),
            (absolute, EndReason::ExpiredAbsolute),
            (deleted, EndReason::Deleted),
            (rotated, EndReason::Rotated),
            (invalidated, REVOKED),
        ] {
            assert_eq!(world.end_reason(&ann, &session.id).await, Some(reason));
        }
    }
}

pub(crate) async fn reasons_are_told_for_their_time(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let ttl = world.namespace.limits.tombstone_ttl;
    for swept in [false, true] {
        let deleted = world.make_plain(&ann).await;
        let expired = world.make_plain(&ann).await;
        world.store.end(&ann, &deleted.id).await.unwrap();
        let sweep = async || {
            if swept {
                world.sweep().await;
            }
        };
        world.pass(ttl - MOMENT).await;
        sweep().await;
        assert_eq!(
            world.end_reason(&ann, &deleted.id).await,
            Some(EndReason::Deleted)
        );
        world.pass(MOMENT).await;
        sweep().await;
        assert_eq!(world.end_reason(&ann, &deleted.id).await, None);
        // Counted from the deadline, not from when anybody noticed.
        world.pass(IDLE - MOMENT).await;
        sweep().await;
        assert_eq!(
            world.end_reason(&ann, &expired.id).await,
            Some(EndReason::ExpiredIdle)
        );
        world.pass(MOMENT).await;
        sweep().await;
        assert_eq!(world.end_reason(&ann, &expired.id).await, None);
    }
}

pub(crate) async fn a_clock_set_back(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let session = world.make_plain(&ann).await;
    world.pass(IDLE).await;
    assert!(!world.is_alive(&ann, &session.id).await);
    world.set_back(IDLE / 2).await;
    assert!(
        !world.is_alive(&ann, &session.id).await,
        "what has ended stays ended"
    );
    let other = world.make_plain(&ann).await;
    assert!(other.meta.created_at >= session.meta.idle_expires_at());
}
