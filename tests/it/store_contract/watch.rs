//! The event log.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use tenure::session::event::{Change, What};
use tenure::session::marks::Subject;
use tenure::session::owner_record::Update;
use tenure::session::refusal::EndReason;
use tenure::session::state::Patch;
use tenure::store::memory::Bounds;
use tenure::store::{Cursor, Selector, StoreError};

use crate::support::backend::Backend;
use crate::support::world::{REVOKED, ROOMY, World};

fn increment() -> Update {
    Update {
        patch: Patch {
            increment: vec![("n".into(), 1)],
            ..Patch::default()
        },
        ..Update::default()
    }
}

pub(crate) async fn order(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let mut watch = world.watch_from_now().await;
    let first = world.make_plain(&ann).await.id;
    let second = world.new_id();
    world.rotate_to(&ann, &first, &second).await.unwrap();
    let third = world.make_plain(&ann).await.id;
    world.store.end(&ann, &second).await.unwrap();
    world.revoke(Selector::Owner(ann.owner.clone())).await;
    let rotated = Change::Rotated {
        previous: first.clone(),
        previous_provider_session_id: None,
    };
    let expected = [
        (first, Change::Created),
        (second.clone(), rotated),
        (third.clone(), Change::Created),
        (second, Change::Ended(EndReason::Deleted)),
        (third, Change::Ended(REVOKED)),
    ];
    assert_eq!(world.changes(&mut watch).await, expected);
}

pub(crate) async fn starts_now(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    world.make_plain(&ann).await;
    let mut watch = world.watch_from_now().await;
    let session = world.make_plain(&ann).await;
    let changes = world.changes(&mut watch).await;
    assert_eq!(changes, [(session.id, Change::Created)]);
}

pub(crate) async fn resumes(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let start = world.watch_from_now().await.start;
    let mut made = Vec::new();
    for _ in 0..200 {
        let session = world.make_plain(&world.user("bob")).await;
        world
            .store
            .end(&world.user("bob"), &session.id)
            .await
            .unwrap();
        made.push(session.id);
    }
    world.make_plain(&ann).await;
    let mut watch = world.watch(Some(start)).await.expect("a watch");
    let all = world.seen(&mut watch).await;
    assert_eq!(all.len(), 401);
    // Behind each event the rest follows, with the same ids.
    for number in [0, 1, 63, 64, 65, 399, 400] {
        let cursor = all[number].cursor.clone();
        let mut watch = world.watch(Some(cursor.clone())).await.expect("a watch");
        assert_eq!(watch.start, cursor);
        let rest = world.seen(&mut watch).await;
        let ids = |logged: &[tenure::store::Logged]| {
            let ids = logged.iter().map(|logged| logged.event_id.clone());
            ids.collect::<Vec<_>>()
        };
        assert_eq!(ids(&rest), ids(&all[number + 1..]));
    }
}

pub(crate) async fn a_cursor_from_elsewhere(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let other = World::open(backend).await;
    for world in [&world, &other] {
        world.make_plain(&world.user("ann")).await;
        world.make_plain(&world.user("ann")).await;
    }
    // Their logs are equally long: the cursor fits but for its origin.
    let foreign = other.watch_from_now().await.start;
    let own = world.watch_from_now().await.start;
    let ahead = Cursor(format!("{}ff", own.0));
    for cursor in [
        foreign,
        ahead,
        Cursor(String::new()),
        Cursor("nonsense".into()),
        Cursor(".".into()),
        Cursor("é.ü".into()),
        Cursor("0".repeat(5000)),
    ] {
        let answer = world.watch(Some(cursor)).await;
        assert_eq!(answer.err(), Some(StoreError::CursorExpired));
    }
    assert!(world.watch(Some(own)).await.is_ok());
}

pub(crate) async fn falling_behind(backend: &dyn Backend) {
    let bounds = Bounds {
        event_log_length: 100,
        ..ROOMY
    };
    let world = World::with(backend, bounds, |limits| limits.sessions_per_owner = 1000).await;
    let ann = world.user("ann");
    let mut watch = world.watch_from_now().await;
    for _ in 0..300 {
        world.make_plain(&ann).await;
    }
    let mut last = None;
    let wait = Duration::from_secs(5);
    while let Ok(Some(next)) = tokio::time::timeout(wait, watch.events.next()).await {
        last = Some(next);
    }
    let last = last.expect("a last word");
    assert_eq!(last.err(), Some(StoreError::CursorExpired));
    let again = world.watch(Some(watch.start)).await;
    assert_eq!(again.err(), Some(StoreError::CursorExpired));
}

pub(crate) async fn wakes_up(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let mut watch = world.watch_from_now().await;
    let waiting = tokio::spawn(async move { watch.events.next().await });
    tokio::task::yield_now().await;
    let session = world.make_plain(&world.user("ann")).await;
    let woken = tokio::time::timeout(Duration::from_secs(1), waiting);
    let logged = woken
        .await
        .expect("within a second")
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(matches!(&logged.event.what, What::Session { id, .. } if *id == session.id));
}

pub(crate) async fn updates_where_asked(backend: &dyn Backend) {
    for watch_updates in [false, true] {
        let world =
            World::with_limits(backend, |limits| limits.watch_updates = watch_updates).await;
        let ann = world.user("ann");
        let session = world.make_plain(&ann).await;
        let mut watch = world.watch_from_now().await;
        world.update(&ann, &session.id, increment()).await.unwrap();
        world
            .update(&ann, &session.id, Update::default())
            .await
            .unwrap();
        let changes = world.changes(&mut watch).await;
        let expected = watch_updates.then_some((session.id, Change::Updated));
        assert_eq!(changes, expected.into_iter().collect::<Vec<_>>());
    }
}

pub(crate) async fn reads_never(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let session = world.make_plain(&ann).await;
    let mut watch = world.watch_from_now().await;
    world.get(&ann, &session.id).await.unwrap();
    world.list(&ann).await;
    world
        .claim(&ann, "nonce", Duration::from_secs(1))
        .await
        .unwrap();
    assert!(world.seen(&mut watch).await.is_empty());
}

pub(crate) async fn event_ids_are_unique(backend: &dyn Backend) {
    let world = Arc::new(World::open(backend).await);
    let mut watch = world.watch_from_now().await;
    let mut tasks = Vec::new();
    for number in 0..4 {
        let world = Arc::clone(&world);
        tasks.push(tokio::spawn(async move {
            let place = world.user(&format!("user-{number}"));
            for _ in 0..50 {
                let session = world.make_plain(&place).await;
                world.store.end(&place, &session.id).await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let seen = world.seen(&mut watch).await;
    let ids: HashSet<_> = seen.iter().map(|logged| &logged.event_id).collect();
    assert_eq!((seen.len(), ids.len()), (400, 400));
}

pub(crate) async fn revoked_before_the_endings(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    world.make_plain(&ann).await;
    let mut watch = world.watch_from_now().await;
    let subject = Subject::Issuer("idp".into());
    world.revoke(Selector::Wide(subject.clone())).await;
    let seen = world.seen(&mut watch).await;
    assert_eq!(seen.len(), 1, "at once, before any sweep");
    let What::Revoked { subject: told, .. } = &seen[0].event.what else {
        panic!("not a revocation: {:?}", seen[0]);
    };
    assert_eq!(*told, subject);
    assert!(seen[0].event.concerns(&ann.owner));
    world.sweep().await;
    assert_eq!(world.endings(&mut watch).await.len(), 1);
}
