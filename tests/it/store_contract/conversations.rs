//! At most one live session for each conversation.

use tenure::session::owner_record::{Create, OnExisting};
use tenure::session::refusal::{EndReason, Refusal};

use crate::support::backend::Backend;
use crate::support::values::{number, state};
use crate::support::world::{IDLE, MOMENT, World, refusal};

fn talk(world: &World, on_existing: OnExisting) -> Create {
    Create {
        conversation: Some("talk".into()),
        on_existing,
        ..world.plain()
    }
}

pub(crate) async fn fail_refuses(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    world.make(&ann, talk(&world, OnExisting::Fail)).await;
    let second = world.create(&ann, talk(&world, OnExisting::Fail)).await;
    assert_eq!(refusal(second), Refusal::ConversationExists);
    let other = Create {
        conversation: Some("another".into()),
        ..world.plain()
    };
    world.make(&ann, other).await;
}

pub(crate) async fn return_finds_the_live_one(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let first = world.make(&ann, talk(&world, OnExisting::Return)).await;
    let found = world
        .create(&ann, talk(&world, OnExisting::Return))
        .await
        .unwrap();
    assert!(!found.created && !found.replayed);
    assert_eq!(found.session.id, first.id);
}

pub(crate) async fn return_slides_and_changes_nothing(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let ask = Create {
        state: state(&[("kept", number(1.0))]),
        ..talk(&world, OnExisting::Fail)
    };
    let first = world.make(&ann, ask).await;
    world.pass(IDLE / 2).await;
    let other = Create {
        state: state(&[("not taken", number(2.0))]),
        labels: Some(["not taken".into()].into()),
        ..talk(&world, OnExisting::Return)
    };
    let found = world.create(&ann, other).await.unwrap().session;
    assert_eq!(found.state, first.state);
    assert_eq!(found.meta.labels, None);
    assert_eq!(found.meta.revision, first.meta.revision);
    assert_eq!(found.meta.expires_at, first.meta.expires_at);
    assert_eq!(found.meta.idle_expires_at(), world.now().await.after(IDLE));
}

pub(crate) async fn return_makes_one_if_the_other_is_dead(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let first = world.make(&ann, talk(&world, OnExisting::Return)).await;
    world.pass(IDLE).await;
    let second = world.make(&ann, talk(&world, OnExisting::Return)).await;
    assert_ne!(first.id, second.id);
    let found = world
        .create(&ann, talk(&world, OnExisting::Return))
        .await
        .unwrap();
    assert_eq!(found.session.id, second.id);
}

pub(crate) async fn return_never_finds_an_older_login(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let first = world.make(&ann, talk(&world, OnExisting::Return)).await;
    let login = first.meta.authenticated_at;
    world.pass(IDLE / 2).await;
    // The same login finds it, and an older one does too.
    for at in [login, login.after(MOMENT).after(MOMENT)] {
        let ask = Create {
            authenticated_at: Some(at),
            ..talk(&world, OnExisting::Return)
        };
        let answer = world.create(&ann, ask).await.unwrap();
        assert_eq!(answer.created, at > login);
        assert_eq!(answer.session.id == first.id, at == login);
    }
    assert_eq!(
        world.end_reason(&ann, &first.id).await,
        Some(EndReason::Replaced)
    );
}

pub(crate) async fn replace_ends_the_live_one(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let first = world.make(&ann, talk(&world, OnExisting::Replace)).await;
    let second = world.make(&ann, talk(&world, OnExisting::Replace)).await;
    assert_eq!(
        world.end_reason(&ann, &first.id).await,
        Some(EndReason::Replaced)
    );
    assert_eq!(world.list(&ann).await, [second.id]);
}

pub(crate) async fn replace_works_at_the_limit(backend: &dyn Backend) {
    let world = World::with_limits(backend, |limits| limits.sessions_per_owner = 2).await;
    let ann = world.user("ann");
    let other = world.make_plain(&ann).await;
    world.make(&ann, talk(&world, OnExisting::Fail)).await;
    world.make(&ann, talk(&world, OnExisting::Replace)).await;
    assert!(world.is_alive(&ann, &other.id).await);
    assert_eq!(world.list(&ann).await.len(), 2);
}

pub(crate) async fn dead_ones_are_free(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let first = world.make(&ann, talk(&world, OnExisting::Fail)).await;
    world.store.end(&ann, &first.id).await.unwrap();
    world.make(&ann, talk(&world, OnExisting::Fail)).await;
    world.pass(IDLE).await;
    world.make(&ann, talk(&world, OnExisting::Fail)).await;
    world.sweep().await;
    // The sweep of the dead one must not free the conversation of the live one.
    let again = world.create(&ann, talk(&world, OnExisting::Fail)).await;
    assert_eq!(refusal(again), Refusal::ConversationExists);
}

pub(crate) async fn a_rotated_session_keeps_its_conversation(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let first = world.make(&ann, talk(&world, OnExisting::Fail)).await;
    let new_id = world.new_id();
    world.rotate_to(&ann, &first.id, &new_id).await.unwrap();
    let found = world
        .create(&ann, talk(&world, OnExisting::Return))
        .await
        .unwrap();
    assert_eq!(found.session.id, new_id);
}

pub(crate) async fn ending_one_leaves_the_others(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let first = world.make(&ann, talk(&world, OnExisting::Fail)).await;
    let walk = || Create {
        conversation: Some("walk".into()),
        ..world.plain()
    };
    world.make(&ann, walk()).await;
    world.store.end(&ann, &first.id).await.unwrap();
    let again = world.create(&ann, walk()).await;
    assert_eq!(refusal(again), Refusal::ConversationExists);
    world.make(&ann, talk(&world, OnExisting::Fail)).await;
}

pub(crate) async fn owners_do_not_share_them(backend: &dyn Backend) {
    let world = World::open(backend).await;
    world
        .make(&world.user("ann"), talk(&world, OnExisting::Fail))
        .await;
    world
        .make(&world.user("bob"), talk(&world, OnExisting::Fail))
        .await;
}
