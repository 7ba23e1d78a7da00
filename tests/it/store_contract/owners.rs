//! Whose sessions are whose.

use std::sync::Arc;

use tenure::session::names::CallerTag;
use tenure::session::owner_record::{Create, Read, Shown, Update};
use tenure::session::refusal::{EndReason, Refusal};
use tenure::session::state::Patch;
use tenure::store::Place;

use crate::support::backend::Backend;
use crate::support::values::{decoded, number, state};
use crate::support::world::{IDLE, World, id, namespace, refusal};

pub(crate) async fn a_stranger_learns_nothing(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let (ann, eve) = (world.user("ann"), world.user("eve"));
    let live = world.make_plain(&ann).await.id;
    let deleted = world.make_plain(&ann).await.id;
    world.store.end(&ann, &deleted).await.unwrap();
    let rotated = world.make_plain(&ann).await.id;
    let new_id = world.new_id();
    world.rotate_to(&ann, &rotated, &new_id).await.unwrap();
    // With a session of her own, and without.
    for _ in 0..2 {
        for id in [&live, &deleted, &rotated, &new_id, &world.new_id()] {
            assert_eq!(refusal(world.get(&eve, id).await), Refusal::NotFound);
            assert_eq!(refusal(world.peek(&eve, id).await), Refusal::NotFound);
            let updated = world.update(&eve, id, Update::default()).await;
            assert_eq!(refusal(updated), Refusal::NotFound);
            let rotated = world.rotate_to(&eve, id, &world.new_id()).await;
            assert_eq!(refusal(rotated), Refusal::NotFound);
            assert!(!world.store.end(&eve, id).await.unwrap());
        }
        world.make_plain(&eve).await;
    }
    assert!(world.is_alive(&ann, &live).await);
}

pub(crate) async fn the_same_id_under_two_owners(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let id = id("an-id-that-two-owners-happen-to-bear");
    let places = [world.user("ann"), world.user("bob")];
    for (place, value) in places.iter().zip([1.0, 2.0]) {
        let ask = Create {
            id: id.clone(),
            state: state(&[("n", number(value))]),
            ..world.plain()
        };
        world.make(place, ask).await;
    }
    for (place, value) in places.iter().zip([1.0, 2.0]) {
        let read = world.get(place, &id).await.unwrap();
        assert_eq!(read.state, Some(state(&[("n", number(value))])));
    }
    assert!(world.store.end(&places[0], &id).await.unwrap());
    assert!(world.is_alive(&places[1], &id).await);
    assert_eq!(
        world.end_reason(&places[0], &id).await,
        Some(EndReason::Deleted)
    );
}

pub(crate) async fn tenants_that_share_a_user(backend: &dyn Backend) {
    let world = World::open(backend).await;
    // The same text, cut differently, is another owner.
    let places = [
        world.owner("ab", "c", "d"),
        world.owner("a", "bc", "d"),
        world.owner("a", "b", "cd"),
        world.owner("", "abcd", ""),
        world.owner("abcd", "", ""),
    ];
    for (number, place) in places.iter().enumerate() {
        let session = world.make_plain(place).await;
        for (other, stranger) in places.iter().enumerate() {
            assert_eq!(world.is_alive(stranger, &session.id).await, number == other);
        }
    }
}

pub(crate) async fn namespaces_do_not_meet(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let here = world.user("ann");
    let there = Place {
        namespace: namespace("elsewhere", world.namespace.limits.clone()),
        owner: here.owner.clone(),
        by: CallerTag::NOBODY,
    };
    let session = world.make_plain(&here).await;
    assert_eq!(
        refusal(world.get(&there, &session.id).await),
        Refusal::NotFound
    );
    let ask = Create {
        id: session.id.clone(),
        ..world.plain()
    };
    world.make(&there, ask).await;
    let selector = tenure::store::Selector::Wide(tenure::session::marks::Subject::Everybody);
    world.revoke(selector).await;
    assert!(!world.is_alive(&here, &session.id).await);
    assert!(world.is_alive(&there, &session.id).await);
}

pub(crate) async fn anonymous_sessions_live(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let nobody = world.user("");
    let (one, two) = (
        world.make_plain(&nobody).await,
        world.make_plain(&nobody).await,
    );
    assert!(world.is_alive(&nobody, &one.id).await);
    assert!(world.store.end(&nobody, &one.id).await.unwrap());
    assert_eq!(
        world.end_reason(&nobody, &one.id).await,
        Some(EndReason::Deleted)
    );
    assert!(world.is_alive(&nobody, &two.id).await);
    assert!(!world.is_alive(&world.user("ann"), &two.id).await);
    let again = Create {
        id: one.id,
        ..world.plain()
    };
    assert_eq!(
        refusal(world.create(&nobody, again).await),
        Refusal::SessionExists
    );
}

pub(crate) async fn bearers_are_all_who_had_it(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let id = id("an-id-that-two-owners-happen-to-bear");
    let places = [world.user("ann"), world.user("bob"), world.user("")];
    for place in &places {
        let ask = Create {
            id: id.clone(),
            ..world.plain()
        };
        world.make(place, ask).await;
    }
    world.make_plain(&world.user("zoe")).await;
    world.store.end(&places[0], &id).await.unwrap();
    let bearers = async || {
        let bearers = world.store.bearers(&world.namespace, &id).await;
        let mut bearers = bearers.unwrap();
        bearers.sort_unstable();
        bearers
    };
    let mut expected = places.each_ref().map(|place| place.owner.clone());
    expected.sort_unstable();
    assert_eq!(bearers().await, expected);
    world
        .pass(IDLE + world.namespace.limits.tombstone_ttl)
        .await;
    assert!(bearers().await.is_empty());
    world.sweep().await;
    assert!(bearers().await.is_empty());
}

pub(crate) async fn parallel_sessions_of_one_owner(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(world.make_plain(&ann).await.id);
    }
    let work = ids.iter().enumerate().map(|(number, id)| {
        let (world, ann) = (&world, &ann);
        async move {
            for _ in 0..50 {
                let update = Update {
                    patch: Patch {
                        increment: vec![("n".into(), i64::try_from(number).unwrap() + 1)],
                        ..Patch::default()
                    },
                    ..Update::default()
                };
                world.update(ann, id, update).await.unwrap();
            }
        }
    });
    futures::future::join_all(work).await;
    for (id, sum) in ids.iter().zip([50.0, 100.0, 150.0]) {
        let read = world.get(&ann, id).await.unwrap();
        assert_eq!(read.state, Some(state(&[("n", number(sum))])));
        assert_eq!(read.meta.revision, 51);
    }
}

pub(crate) async fn parallel_increments(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let id = world.make_plain(&ann).await.id;
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let (store, place, id) = (Arc::clone(&world.store), ann.clone(), id.clone());
        // On threads of their own: the test's runtime has only one.
        tasks.push(tokio::task::spawn_blocking(move || {
            for _ in 0..100 {
                let update = Update {
                    patch: Patch {
                        increment: vec![("n".into(), 1)],
                        ..Patch::default()
                    },
                    ..Update::default()
                };
                let handle = tokio::runtime::Handle::current();
                handle.block_on(store.update(&place, &id, update)).unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let only_n = Read {
        slide: false,
        show: Shown::Keys(vec!["n".into(), "never there".into()]),
    };
    let read = world.store.read(&ann, &id, only_n).await.unwrap();
    assert_eq!(decoded(&read.state.unwrap())["n"], number(800.0));
}
