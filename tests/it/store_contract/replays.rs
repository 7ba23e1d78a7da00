//! The same request again.

use tenure::session::owner_record::{Claim, Claimed, Create, OnExisting, Rotate, Update};
use tenure::session::refusal::{EndReason, Refusal};
use tenure::session::request::Request;
use tenure::session::state::Patch;

use crate::support::backend::Backend;
use crate::support::values::{number, state};
use crate::support::world::{IDLE, MOMENT, World, plain_rotate, refusal};

fn increment(request: Request) -> Update {
    Update {
        patch: Patch {
            increment: vec![("n".into(), 1)],
            ..Patch::default()
        },
        request: Some(request),
        show_state: true,
        ..Update::default()
    }
}

/// A retry brings the ids that were minted for it, not those of the first try.
fn retry(world: &World, ask: &Create) -> Create {
    let minted = world.plain();
    Create {
        id: minted.id,
        record_id: minted.record_id,
        ..ask.clone()
    }
}

pub(crate) async fn create(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let ask = Create {
        state: state(&[("n", number(1.0))]),
        request: Some(world.new_request()),
        ..world.plain()
    };
    let first = world.create(&ann, ask.clone()).await.unwrap();
    let mut watch = world.watch_from_now().await;
    let again = world.create(&ann, retry(&world, &ask)).await.unwrap();
    assert!(again.replayed && again.created);
    assert_eq!(again.session.id, first.session.id);
    assert_eq!(again.session.meta, first.session.meta);
    assert_eq!(again.session.state, None, "without state");
    assert!(world.seen(&mut watch).await.is_empty());
    assert_eq!(world.list(&ann).await.len(), 1);
}

pub(crate) async fn create_that_returned(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let talk = Create {
        conversation: Some("talk".into()),
        on_existing: OnExisting::Return,
        ..world.plain()
    };
    let first = world.make(&ann, talk.clone()).await;
    let ask = Create {
        request: Some(world.new_request()),
        ..retry(&world, &talk)
    };
    let found = world.create(&ann, ask.clone()).await.unwrap();
    assert!(!found.created && !found.replayed);
    let again = world.create(&ann, retry(&world, &ask)).await.unwrap();
    assert!(!again.created && again.replayed);
    assert_eq!(again.session.id, first.id);
}

pub(crate) async fn create_after_its_end(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let ask = Create {
        request: Some(world.new_request()),
        ..world.plain()
    };
    let session = world.make(&ann, ask.clone()).await;
    world.store.end(&ann, &session.id).await.unwrap();
    let again = world.create(&ann, retry(&world, &ask)).await;
    assert_eq!(refusal(again), Refusal::Ended(EndReason::Deleted));
    assert!(world.list(&ann).await.is_empty());
}

pub(crate) async fn update(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let id = world.make_plain(&ann).await.id;
    let request = world.new_request();
    let first = world
        .store
        .update(&ann, &id, increment(request))
        .await
        .unwrap();
    // The answer is that of then, whatever has happened since.
    let other = increment(world.new_request());
    world.store.update(&ann, &id, other).await.unwrap();
    let again = world
        .store
        .update(&ann, &id, increment(request))
        .await
        .unwrap();
    assert!(again.replayed);
    assert_eq!(again.increments, first.increments);
    assert_eq!(again.session.meta.revision, first.session.meta.revision);
    assert_eq!(again.session.state, None, "without state");
    assert_eq!(world.get(&ann, &id).await.unwrap().meta.revision, 3);
}

pub(crate) async fn update_after_its_end(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let id = world.make_plain(&ann).await.id;
    let request = world.new_request();
    let ask = || increment(request);
    world.store.update(&ann, &id, ask()).await.unwrap();
    world.pass(IDLE).await;
    let again = world.store.update(&ann, &id, ask()).await;
    assert_eq!(refusal(again), Refusal::Ended(EndReason::ExpiredIdle));
}

pub(crate) async fn rotate(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let session = world.make_plain(&ann).await;
    let new_id = world.new_id();
    let ask = Rotate {
        request: Some(world.new_request()),
        ..plain_rotate(&new_id)
    };
    let first = world
        .store
        .rotate(&ann, &session.id, ask.clone())
        .await
        .unwrap();
    let retry = Rotate {
        new_id: world.new_id(),
        ..ask
    };
    // The old id is dead: the retry must find its way all the same.
    let again = world
        .store
        .rotate(&ann, &session.id, retry.clone())
        .await
        .unwrap();
    assert!(again.replayed);
    assert_eq!(again.session.id, new_id);
    assert_eq!(again.session.meta, first.session.meta);
    world.store.end(&ann, &new_id).await.unwrap();
    let ended = world.store.rotate(&ann, &session.id, retry).await;
    assert_eq!(refusal(ended), Refusal::Ended(EndReason::Deleted));
}

pub(crate) async fn claim(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let ask = |request| Claim {
        key: "nonce".into(),
        ttl: IDLE,
        request: Some(request),
    };
    let (winner, loser) = (world.new_request(), world.new_request());
    for (request, claimed, replayed) in [
        (winner, true, false),
        (loser, false, false),
        (winner, true, true),
        (loser, false, true),
    ] {
        let answer = world.store.claim_once(&ann, ask(request)).await.unwrap();
        assert_eq!(answer, Claimed { claimed, replayed });
    }
}

pub(crate) async fn another_body(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let request = world.new_request();
    let other = Request {
        fingerprint: request.fingerprint + 1,
        ..request
    };
    let ask = |request| Create {
        request: Some(request),
        ..world.plain()
    };
    let session = world.make(&ann, ask(request)).await;
    let reused = world.create(&ann, ask(other)).await;
    assert_eq!(refusal(reused), Refusal::RequestIdReused);

    let update = async |request| {
        world
            .store
            .update(&ann, &session.id, increment(request))
            .await
    };
    update(request).await.unwrap();
    assert_eq!(refusal(update(other).await), Refusal::RequestIdReused);

    let rotate = |request| Rotate {
        request: Some(request),
        ..plain_rotate(&world.new_id())
    };
    let store = &world.store;
    store
        .rotate(&ann, &session.id, rotate(request))
        .await
        .unwrap();
    let reused = store.rotate(&ann, &session.id, rotate(other)).await;
    assert_eq!(refusal(reused), Refusal::RequestIdReused);

    let claim = |request| Claim {
        key: "nonce".into(),
        ttl: IDLE,
        request: Some(request),
    };
    store.claim_once(&ann, claim(request)).await.unwrap();
    let reused = store.claim_once(&ann, claim(other)).await;
    assert_eq!(refusal(reused), Refusal::RequestIdReused);
}

pub(crate) async fn only_successes(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let taken = world.make_plain(&ann).await;
    let ask = Create {
        id: taken.id.clone(),
        request: Some(world.new_request()),
        ..world.plain()
    };
    refusal(world.create(&ann, ask.clone()).await);
    let made = world.create(&ann, retry(&world, &ask)).await.unwrap();
    assert!(made.created && !made.replayed);
}

pub(crate) async fn each_rpc_for_itself(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let request = world.new_request();
    let ask = Create {
        request: Some(request),
        ..world.plain()
    };
    let session = world.make(&ann, ask).await;
    let updated = world
        .store
        .update(&ann, &session.id, increment(request))
        .await
        .unwrap();
    assert!(!updated.replayed);
}

pub(crate) async fn each_owner_for_itself(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let request = world.new_request();
    for user in ["ann", "bob"] {
        let ask = Create {
            request: Some(request),
            ..world.plain()
        };
        let made = world.create(&world.user(user), ask).await.unwrap();
        assert!(made.created && !made.replayed);
    }
}

pub(crate) async fn forgotten_in_time(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let lifetime = 2 * world.namespace.limits.request_ttl;
    let ask = Create {
        idle_ttl: lifetime,
        max_lifetime: lifetime,
        request: Some(world.new_request()),
        ..world.plain()
    };
    let first = world.make(&ann, ask.clone()).await;
    world
        .pass(world.namespace.limits.request_ttl - MOMENT)
        .await;
    let again = world.create(&ann, retry(&world, &ask)).await.unwrap();
    assert!(again.replayed);
    world.pass(MOMENT).await;
    let another = world.create(&ann, retry(&world, &ask)).await.unwrap();
    assert!(!another.replayed);
    assert_ne!(another.session.id, first.id);
}

pub(crate) async fn a_replay_does_not_slide(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let ask = Create {
        request: Some(world.new_request()),
        ..world.plain()
    };
    let session = world.make(&ann, ask.clone()).await;
    world.pass(IDLE - MOMENT).await;
    world.create(&ann, retry(&world, &ask)).await.unwrap();
    world.pass(MOMENT).await;
    assert!(!world.is_alive(&ann, &session.id).await);
}
