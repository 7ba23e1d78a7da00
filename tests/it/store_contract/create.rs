//! Making sessions, and whose ids are free.

use std::sync::Arc;

use tenure::session::owner_record::Create;
use tenure::session::record::Mcp;
use tenure::session::refusal::Refusal;

use crate::support::backend::Backend;
use crate::support::values::{number, state, text};
use crate::support::world::{IDLE, LIFETIME, MOMENT, World, refusal};

pub(crate) async fn reads_back_as_made(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let now = world.now().await;
    let ask = Create {
        conversation: Some("talk".into()),
        state: state(&[("cart", text("apples")), ("count", number(3.0))]),
        mcp: Some(Arc::new(Mcp {
            protocol_version: "2025-11-25".into(),
            ..Mcp::default()
        })),
        labels: Some(["blue".into()].into()),
        provider_session_id: Some("sid-1".into()),
        ..world.plain()
    };
    let made = world.make(&ann, ask.clone()).await;
    assert_eq!(made.meta.created_at, now);
    assert_eq!(made.meta.revision, 1);
    assert_eq!(made.meta.expires_at, now.after(LIFETIME));
    assert_eq!(made.meta.idle_expires_at(), now.after(IDLE));
    assert_eq!(made.meta.authenticated_at, now, "without a word: now");
    let read = world.get(&ann, &ask.id).await.expect("the session");
    assert_eq!(read, made);
    assert_eq!(read.state, Some(ask.state));
    assert_eq!(read.meta.labels, ask.labels);
    assert_eq!(read.meta.mcp, ask.mcp);
    assert_eq!(read.meta.conversation, ask.conversation);
}

pub(crate) async fn supplied_id_that_is_live(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let first = Create {
        state: state(&[("first", number(1.0))]),
        ..world.plain()
    };
    let session = world.make(&ann, first).await;
    let again = Create {
        id: session.id.clone(),
        ..world.plain()
    };
    assert_eq!(
        refusal(world.create(&ann, again).await),
        Refusal::SessionExists
    );
    let read = world.get(&ann, &session.id).await.expect("the first");
    assert_eq!(read.state, session.state, "never overwritten");
}

pub(crate) async fn supplied_id_that_lately_ended(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let session = world.make_plain(&ann).await;
    let again = || Create {
        id: session.id.clone(),
        ..world.plain()
    };
    assert!(world.store.end(&ann, &session.id).await.unwrap());
    assert_eq!(
        refusal(world.create(&ann, again()).await),
        Refusal::SessionExists
    );
    world
        .pass(world.namespace.limits.tombstone_ttl - MOMENT)
        .await;
    assert_eq!(
        refusal(world.create(&ann, again()).await),
        Refusal::SessionExists
    );
    world.pass(MOMENT).await;
    world.make(&ann, again()).await;
    assert!(world.is_alive(&ann, &session.id).await);
}

pub(crate) async fn supplied_id_of_another_owner(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let session = world.make_plain(&world.user("ann")).await;
    let ask = Create {
        id: session.id.clone(),
        ..world.plain()
    };
    world.make(&world.user("bob"), ask).await;
}

pub(crate) async fn supplied_id_that_was_rotated_away(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let session = world
        .make(
            &ann,
            Create {
                idle_ttl: 6 * world.namespace.limits.tombstone_ttl,
                max_lifetime: 6 * world.namespace.limits.tombstone_ttl,
                ..world.plain()
            },
        )
        .await;
    let new_id = world.new_id();
    world.rotate_to(&ann, &session.id, &new_id).await.unwrap();
    world.pass(2 * world.namespace.limits.tombstone_ttl).await;
    world.sweep().await;
    // Who invalidates the old id must hit this session, so nobody else may take the id meanwhile.
    let again = || Create {
        id: session.id.clone(),
        ..world.plain()
    };
    assert_eq!(
        refusal(world.create(&ann, again()).await),
        Refusal::SessionExists
    );
    world.store.end(&ann, &new_id).await.unwrap();
    world.make(&ann, again()).await;
}

pub(crate) async fn refused_changes_nothing(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let (ann, bob) = (world.user("ann"), world.user("bob"));
    let talk = || Create {
        conversation: Some("talk".into()),
        ..world.plain()
    };
    let session = world.make(&ann, talk()).await;
    let mut watch = world.watch_from_now().await;
    let held = world.store.held().await.unwrap();
    refusal(world.create(&ann, talk()).await);
    let taken = Create {
        id: session.id.clone(),
        ..world.plain()
    };
    refusal(world.create(&ann, taken).await);
    refusal(world.get(&bob, &session.id).await);
    assert_eq!(world.store.held().await.unwrap(), held);
    assert!(world.seen(&mut watch).await.is_empty());
    assert_eq!(world.list(&ann).await, [session.id]);
}
