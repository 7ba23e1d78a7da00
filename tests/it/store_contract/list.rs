//! An owner's own sessions, page by page.

use std::collections::BTreeSet;

use tenure::session::names::SessionId;
use tenure::session::owner_record::{Create, Page, PageStart};
use tenure::store::Place;

use crate::support::backend::Backend;
use crate::support::values::{number, state};
use crate::support::world::{IDLE, MOMENT, World};

async fn pages_of(world: &World, place: &Place, size: usize) -> Vec<Vec<SessionId>> {
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let page = Page {
            size,
            after: after.take(),
            include_state: false,
        };
        let (sessions, more) = world.store.list(place, page).await.unwrap();
        assert!(sessions.len() <= size);
        after = sessions.last().map(|last| PageStart {
            created_at: last.meta.created_at,
            id: last.id.clone(),
        });
        pages.push(sessions.into_iter().map(|session| session.id).collect());
        if !more {
            return pages;
        }
        assert!(pages.len() < 100, "pages end");
    }
}

pub(crate) async fn newest_first(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    assert!(world.list(&ann).await.is_empty());
    let mut made = Vec::new();
    for _ in 0..4 {
        made.push(world.make_plain(&ann).await.id);
        world.pass(MOMENT).await;
    }
    world.make_plain(&world.user("bob")).await;
    // By creation, whatever was used last.
    world.get(&ann, &made[0]).await.unwrap();
    made.reverse();
    assert_eq!(world.list(&ann).await, made);
}

pub(crate) async fn pages(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(world.make_plain(&ann).await.id);
        world.pass(MOMENT).await;
    }
    made.reverse();
    let pages = pages_of(&world, &ann, 2).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(pages.concat(), made);
    assert_eq!(pages_of(&world, &ann, 5).await.len(), 1);
}

pub(crate) async fn pages_of_one_millisecond(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let mut made = BTreeSet::new();
    for _ in 0..7 {
        made.insert(world.make_plain(&ann).await.id);
    }
    let listed = pages_of(&world, &ann, 3).await.concat();
    assert_eq!(listed.len(), made.len());
    assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), made);
}

pub(crate) async fn only_live_ones(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let expired = world.make_plain(&ann).await;
    world.pass(IDLE).await;
    let deleted = world.make_plain(&ann).await;
    world.store.end(&ann, &deleted.id).await.unwrap();
    let live = world.make_plain(&ann).await;
    assert_eq!(world.list(&ann).await, [live.id]);
    assert!(!world.is_alive(&ann, &expired.id).await);
}

pub(crate) async fn with_state(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let ask = Create {
        state: state(&[("n", number(1.0))]),
        ..world.plain()
    };
    let session = world.make(&ann, ask).await;
    for include_state in [false, true] {
        let page = Page {
            size: 10,
            after: None,
            include_state,
        };
        let (listed, _) = world.store.list(&ann, page).await.unwrap();
        let expected = include_state.then(|| session.state.clone()).flatten();
        assert_eq!(listed[0].state, expected);
        assert_eq!(listed[0].meta, session.meta);
    }
}
