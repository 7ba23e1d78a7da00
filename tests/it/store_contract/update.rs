//! Changing single keys.

use std::sync::Arc;

use tenure::session::owner_record::{Create, Update};
use tenure::session::record::Mcp;
use tenure::session::refusal::Refusal;
use tenure::session::state::{LARGEST_INTEGER, Patch, State};

use crate::support::backend::Backend;
use crate::support::values::{list, number, state, tail, text};
use crate::support::world::{IDLE, World, refusal};

fn set(state: State) -> Update {
    Update {
        patch: Patch {
            set: Some(state),
            ..Patch::default()
        },
        show_state: true,
        ..Update::default()
    }
}

fn increment(key: &str, by: i64) -> Update {
    Update {
        patch: Patch {
            increment: vec![(key.into(), by)],
            ..Patch::default()
        },
        show_state: true,
        ..Update::default()
    }
}

pub(crate) async fn keys_merge(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let first = Create {
        state: state(&[("a", number(1.0)), ("b", number(2.0)), ("c", number(3.0))]),
        ..world.plain()
    };
    let id = world.make(&ann, first).await.id;
    let one = set(state(&[("a", text("one"))]));
    let two = Update {
        patch: Patch {
            set: Some(state(&[("d", number(4.0))])),
            remove: vec!["b".into(), "never there".into()],
            ..Patch::default()
        },
        show_state: true,
        ..Update::default()
    };
    world.update(&ann, &id, one).await.unwrap();
    let updated = world.update(&ann, &id, two).await.unwrap();
    let expected = state(&[("a", text("one")), ("c", number(3.0)), ("d", number(4.0))]);
    assert_eq!(updated.state, Some(expected.clone()));
    assert_eq!(world.get(&ann, &id).await.unwrap().state, Some(expected));
}

pub(crate) async fn revisions_grow(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let id = world.make_plain(&ann).await.id;
    for revision in 2..5 {
        let updated = world.update(&ann, &id, increment("n", 1)).await.unwrap();
        assert_eq!(updated.meta.revision, revision);
    }
    let quiet = Update {
        show_state: false,
        ..increment("n", 1)
    };
    assert_eq!(world.update(&ann, &id, quiet).await.unwrap().state, None);
    assert_eq!(world.get(&ann, &id).await.unwrap().meta.revision, 5);
}

pub(crate) async fn if_revision(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let id = world.make_plain(&ann).await.id;
    let only_at = |revision| Update {
        if_revision: Some(revision),
        ..increment("n", 1)
    };
    world.update(&ann, &id, only_at(1)).await.unwrap();
    let stale = world.update(&ann, &id, only_at(1)).await;
    assert_eq!(refusal(stale), Refusal::RevisionMismatch { current: 2 });
    world.update(&ann, &id, only_at(2)).await.unwrap();
}

pub(crate) async fn never_revives(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let deleted = world.make_plain(&ann).await.id;
    world.store.end(&ann, &deleted).await.unwrap();
    let expired = world.make_plain(&ann).await.id;
    world.pass(IDLE).await;
    for id in [&deleted, &expired, &world.new_id()] {
        refusal(world.update(&ann, id, increment("n", 1)).await);
        assert!(!world.is_alive(&ann, id).await);
    }
    assert!(world.list(&ann).await.is_empty());
}

pub(crate) async fn increments(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let first = Create {
        state: state(&[("word", text("1")), ("half", number(0.5))]),
        ..world.plain()
    };
    let id = world.make(&ann, first).await.id;
    let add = async |key: &str, by| world.store.update(&ann, &id, increment(key, by)).await;
    for (by, sum) in [
        (5, 5),
        (-7, -2),
        (0, -2),
        (LARGEST_INTEGER, LARGEST_INTEGER - 2),
    ] {
        assert_eq!(add("n", by).await.unwrap().increments, [("n".into(), sum)]);
    }
    assert_eq!(
        add("n", 2).await.unwrap().increments,
        [("n".into(), LARGEST_INTEGER)]
    );
    assert_eq!(refusal(add("n", 1).await), Refusal::IntegerOutOfRange);
    assert_eq!(
        refusal(add("n", i64::MAX).await),
        Refusal::IntegerOutOfRange
    );
    assert_eq!(
        refusal(add("m", i64::MIN).await),
        Refusal::IntegerOutOfRange
    );
    assert_eq!(refusal(add("word", 1).await), Refusal::NotAnInteger);
    assert_eq!(refusal(add("half", 1).await), Refusal::NotAnInteger);
}

pub(crate) async fn appends(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let first = Create {
        state: state(&[("word", text("1"))]),
        ..world.plain()
    };
    let id = world.make(&ann, first).await.id;
    let append = async |key: &str, numbers: &[f64], max_length| {
        let update = Update {
            patch: Patch {
                append: vec![(key.into(), tail(numbers, max_length))],
                ..Patch::default()
            },
            ..Update::default()
        };
        world.update(&ann, &id, update).await
    };
    append("l", &[1.0, 2.0], None).await.unwrap();
    append("l", &[3.0, 4.0], Some(3)).await.unwrap();
    append("l", &[], None).await.unwrap();
    assert_eq!(
        refusal(append("word", &[1.0], None).await),
        Refusal::NotAList
    );
    let expected = state(&[("word", text("1")), ("l", list(&[2.0, 3.0, 4.0]))]);
    assert_eq!(world.get(&ann, &id).await.unwrap().state, Some(expected));
}

pub(crate) async fn refused_changes_nothing(backend: &dyn Backend) {
    let world = World::with_limits(backend, |limits| limits.state_keys = 3).await;
    let ann = world.user("ann");
    let first = Create {
        state: state(&[("n", number(1.0)), ("word", text("1"))]),
        ..world.plain()
    };
    let session = world.make(&ann, first).await;
    world.pass(IDLE / 2).await;
    let both = Update {
        patch: Patch {
            set: Some(state(&[("n", number(2.0))])),
            increment: vec![("word".into(), 1)],
            ..Patch::default()
        },
        ..Update::default()
    };
    refusal(world.update(&ann, &session.id, both).await);
    let many = set(state(&[("x", number(1.0)), ("y", number(1.0))]));
    refusal(world.update(&ann, &session.id, many).await);
    // Not even slid.
    assert_eq!(world.peek(&ann, &session.id).await.unwrap(), session);
}

pub(crate) async fn context_and_labels(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let id = world.make_plain(&ann).await.id;
    let mcp = Some(Arc::new(Mcp {
        log_level: "debug".into(),
        ..Mcp::default()
    }));
    let update = Update {
        mcp: mcp.clone(),
        labels: Some(["red".into()].into()),
        ..Update::default()
    };
    let updated = world.update(&ann, &id, update).await.unwrap();
    assert_eq!(updated.meta.revision, 2);
    let read = world.get(&ann, &id).await.unwrap();
    assert_eq!(read.meta.mcp, mcp);
    assert_eq!(read.meta.labels, Some(["red".into()].into()));
}
