//! How much a store holds at most.

use tenure::session::owner_record::{Create, OnExisting, Update};
use tenure::session::state::Patch;
use tenure::store::memory::Bounds;
use tenure::store::{Selector, StoreError};

use crate::support::backend::{Backend, Capability};
use crate::support::values::{state, text};
use crate::support::world::{IDLE, ROOMY, World};

const FEW: Bounds = Bounds {
    max_sessions: 3,
    ..ROOMY
};

fn is_full<T: std::fmt::Debug>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Full))
}

/// Whether a store leaves bounds to somebody else: then it must not pretend to keep them.
async fn has_none(backend: &dyn Backend) -> bool {
    if !backend.is_without(Capability::Bounds) {
        return false;
    }
    let world = World::with(backend, FEW, |_| {}).await;
    for _ in 0..2 * FEW.max_sessions {
        world.make_plain(&world.user("ann")).await;
    }
    assert_eq!(world.held().await, 2 * FEW.max_sessions);
    true
}

pub(crate) async fn sessions_are_bounded(backend: &dyn Backend) {
    if has_none(backend).await {
        return;
    }
    let world = World::with(backend, FEW, |_| {}).await;
    let (ann, bob) = (world.user("ann"), world.user("bob"));
    let first = world.make_plain(&ann).await;
    for _ in 0..2 {
        world.make_plain(&bob).await;
    }
    let mut watch = world.watch_from_now().await;
    for place in [&ann, &bob, &world.user("zoe"), &world.user("")] {
        assert!(is_full(&world.create(place, world.plain()).await));
    }
    assert_eq!(world.held().await, 3);
    assert!(world.seen(&mut watch).await.is_empty());
    // All else works.
    world.get(&ann, &first.id).await.unwrap();
    let new_id = world.new_id();
    world.rotate_to(&ann, &first.id, &new_id).await.unwrap();
    assert_eq!(world.claim(&ann, "nonce", IDLE).await, Ok(true));
    assert!(world.store.end(&ann, &new_id).await.unwrap());
    world.make_plain(&world.user("zoe")).await;
    assert!(is_full(&world.create(&ann, world.plain()).await));
}

pub(crate) async fn a_replacement_needs_no_room(backend: &dyn Backend) {
    if has_none(backend).await {
        return;
    }
    let world = World::with(backend, FEW, |_| {}).await;
    let ann = world.user("ann");
    let talk = || Create {
        conversation: Some("talk".into()),
        on_existing: OnExisting::Replace,
        ..world.plain()
    };
    world.make(&ann, talk()).await;
    world.make_plain(&ann).await;
    world.make_plain(&ann).await;
    world.make(&ann, talk()).await;
    let found = Create {
        on_existing: OnExisting::Return,
        ..talk()
    };
    assert!(!world.create(&ann, found).await.unwrap().created);
    assert_eq!(world.held().await, 3);
}

pub(crate) async fn bytes_are_bounded(backend: &dyn Backend) {
    const KIB: usize = 1024;
    if has_none(backend).await {
        return;
    }
    let bounds = Bounds {
        max_bytes: 256 * KIB,
        ..ROOMY
    };
    let world = World::with(backend, bounds, |_| {}).await;
    let ann = world.user("ann");
    let filler = "x".repeat(8 * KIB);
    let mut ids = Vec::new();
    let full = loop {
        let ask = Create {
            state: state(&[("filler", text(&filler))]),
            ..world.plain()
        };
        match world.create(&ann, ask).await {
            Ok(created) => ids.push(created.session.id),
            Err(error) => break error,
        }
        assert!(ids.len() < 64, "bounded");
    };
    assert_eq!(full, StoreError::Full);
    assert!(ids.len() > 16, "{}", ids.len());
    assert!(world.store.held().await.unwrap().bytes <= Some(bounds.max_bytes));
    let set = |size: usize| Update {
        patch: Patch {
            set: Some(state(&[("filler", text(&"y".repeat(size)))])),
            ..Patch::default()
        },
        ..Update::default()
    };
    assert!(is_full(&world.update(&ann, &ids[0], set(32 * KIB)).await));
    // One that does not grow is no problem, and neither is reading.
    world.update(&ann, &ids[0], set(8 * KIB)).await.unwrap();
    world.update(&ann, &ids[0], set(1)).await.unwrap();
    world.get(&ann, &ids[1]).await.unwrap();
    for id in &ids {
        assert!(world.store.end(&ann, id).await.unwrap());
    }
    world.make_plain(&ann).await;
}

pub(crate) async fn what_is_over_makes_room(backend: &dyn Backend) {
    if has_none(backend).await {
        return;
    }
    let world = World::with(backend, FEW, |_| {}).await;
    let ann = world.user("ann");
    for _ in 0..3 {
        world.make_plain(&ann).await;
    }
    assert!(is_full(
        &world.create(&world.user("bob"), world.plain()).await
    ));
    world.pass(2 * IDLE).await;
    // No sweep has passed.
    world.make_plain(&world.user("bob")).await;
}

pub(crate) async fn endings_need_no_room(backend: &dyn Backend) {
    if has_none(backend).await {
        return;
    }
    let bounds = Bounds {
        max_bytes: 1,
        ..ROOMY
    };
    let world = World::with(backend, bounds, |_| {}).await;
    let ann = world.user("ann");
    assert!(is_full(&world.create(&ann, world.plain()).await));
    assert_eq!(
        world.claim(&ann, "nonce", IDLE).await,
        Err(StoreError::Full)
    );
    world.revoke(Selector::Owner(ann.owner.clone())).await;
    world
        .revoke(Selector::Wide(tenure::session::marks::Subject::Everybody))
        .await;
}

pub(crate) async fn durability(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let session = world.make_plain(&ann).await;
    let reopened = world.over(backend.reopen(ROOMY).await);
    let is_there = reopened.is_alive(&ann, &session.id).await;
    assert_eq!(is_there, !backend.is_without(Capability::Durability));
    assert!(backend.lacks().iter().all(|(_, reason)| !reason.is_empty()));
}

pub(crate) async fn held_counts(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let (ann, bob) = (world.user("ann"), world.user("bob"));
    let one = world.make_plain(&ann).await;
    world.make_plain(&ann).await;
    world.make_plain(&bob).await;
    assert_eq!(world.held().await, 3);
    world.store.end(&ann, &one.id).await.unwrap();
    assert_eq!(world.held().await, 2);
    world.revoke(Selector::Owner(bob.owner)).await;
    assert_eq!(world.held().await, 1);
    world.pass(2 * IDLE).await;
    world.sweep().await;
    assert_eq!(world.held().await, 0);
    world.store.ping().await.unwrap();
}
