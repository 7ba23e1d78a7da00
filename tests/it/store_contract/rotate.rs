//! New ids for the same sessions.

use tenure::session::owner_record::{Create, Rotate};
use tenure::session::refusal::{EndReason, Refusal};

use crate::support::backend::Backend;
use crate::support::values::{number, state};
use crate::support::world::{IDLE, World, id, plain_rotate, refusal};

pub(crate) async fn new_id_old_dead(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let session = world.make_plain(&ann).await;
    let new_id = world.new_id();
    let rotated = world.rotate_to(&ann, &session.id, &new_id).await.unwrap();
    assert_eq!(rotated.session.id, new_id);
    assert_eq!(
        world.end_reason(&ann, &session.id).await,
        Some(EndReason::Rotated)
    );
    assert_eq!(world.list(&ann).await, [new_id]);
}

pub(crate) async fn the_ceiling_stays(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let session = world.make_plain(&ann).await;
    world.pass(IDLE / 2).await;
    let new_id = world.new_id();
    let rotated = world.rotate_to(&ann, &session.id, &new_id).await.unwrap();
    let meta = rotated.session.meta;
    assert_eq!(meta.created_at, session.meta.created_at);
    assert_eq!(meta.expires_at, session.meta.expires_at);
    assert_eq!(meta.last_used_at, world.now().await, "a rotation is a use");
}

pub(crate) async fn content_stays(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let ask = Create {
        state: state(&[("kept", number(1.0))]),
        labels: Some(["kept".into()].into()),
        provider_session_id: Some("sid".into()),
        ..world.plain()
    };
    let session = world.make(&ann, ask).await;
    let new_id = world.new_id();
    let rotated = world.rotate_to(&ann, &session.id, &new_id).await.unwrap();
    assert_eq!(rotated.session.state, session.state);
    assert_eq!(rotated.session.meta, session.meta);
    assert_eq!(world.get(&ann, &new_id).await.unwrap(), rotated.session);
}

pub(crate) async fn chains(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let mut ids = vec![world.make_plain(&ann).await.id];
    for _ in 0..4 {
        let new_id = world.new_id();
        let last = ids.last().expect("an id");
        world.rotate_to(&ann, last, &new_id).await.unwrap();
        ids.push(new_id);
    }
    let newest = ids.pop().expect("an id");
    for old in &ids {
        assert_eq!(world.end_reason(&ann, old).await, Some(EndReason::Rotated));
        // The owner's own end is about the very id that it names.
        assert!(!world.store.end(&ann, old).await.unwrap());
    }
    assert!(world.is_alive(&ann, &newest).await);
}

pub(crate) async fn taken_ids(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let (one, two) = (world.make_plain(&ann).await, world.make_plain(&ann).await);
    let ended = world.make_plain(&ann).await;
    world.store.end(&ann, &ended.id).await.unwrap();
    for taken in [&one.id, &two.id, &ended.id] {
        let answer = world.rotate_to(&ann, &one.id, taken).await;
        assert_eq!(refusal(answer), Refusal::SessionExists);
    }
    assert_eq!(world.peek(&ann, &one.id).await.unwrap(), one);
}

pub(crate) async fn new_login(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let ask = Create {
        provider_session_id: Some("old".into()),
        ..world.plain()
    };
    let session = world.make(&ann, ask).await;
    world.pass(IDLE / 2).await;
    let now = world.now().await;
    let new_id = world.new_id();
    let rotate = Rotate {
        authenticated_at: Some(now),
        provider_session_id: Some(Some("new".into())),
        ..plain_rotate(&new_id)
    };
    let rotated = world.store.rotate(&ann, &session.id, rotate).await.unwrap();
    assert_eq!(rotated.session.meta.authenticated_at, now);
    assert_eq!(
        rotated.session.meta.provider_session_id.as_deref(),
        Some("new")
    );
    let forget = Rotate {
        provider_session_id: Some(None),
        ..plain_rotate(&world.new_id())
    };
    let rotated = world.store.rotate(&ann, &new_id, forget).await.unwrap();
    assert_eq!(rotated.session.meta.provider_session_id, None);
}

pub(crate) async fn anonymous_place(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let nobody = world.user("");
    let session = world.make_plain(&nobody).await;
    let elsewhere = world.rotate_to(&nobody, &session.id, &world.new_id()).await;
    assert!(matches!(refusal(elsewhere), Refusal::Invalid { .. }));
    let new_id = id(&format!("{}-and-something-else", session.id.place()));
    world
        .rotate_to(&nobody, &session.id, &new_id)
        .await
        .unwrap();
    assert!(world.is_alive(&nobody, &new_id).await);
    assert!(!world.is_alive(&nobody, &session.id).await);
}

pub(crate) async fn after_its_end(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let session = world.make_plain(&ann).await;
    world.pass(IDLE).await;
    let new_id = world.new_id();
    let answer = world.rotate_to(&ann, &session.id, &new_id).await;
    assert_eq!(refusal(answer), Refusal::Ended(EndReason::ExpiredIdle));
    assert_eq!(world.end_reason(&ann, &new_id).await, None);
}
