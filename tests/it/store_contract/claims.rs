//! True exactly once.

use std::sync::Arc;
use std::time::Duration;

use tenure::session::limits::{LimitExceeded, LimitName};
use tenure::session::refusal::Refusal;

use crate::support::backend::Backend;
use crate::support::world::{IDLE, MOMENT, World, namespace, refusal};
use tenure::store::Place;

pub(crate) async fn true_exactly_once(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let attempts = (0..20).map(|_| world.claim(&ann, "nonce", IDLE));
    let won = futures::future::join_all(attempts).await;
    let won = won.into_iter().filter(|won| *won == Ok(true)).count();
    assert_eq!(won, 1);
    assert_eq!(world.claim(&ann, "another", IDLE).await, Ok(true));
}

pub(crate) async fn again_after_its_ttl(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    assert_eq!(world.claim(&ann, "nonce", IDLE).await, Ok(true));
    world.pass(IDLE - MOMENT).await;
    world.sweep().await;
    assert_eq!(world.claim(&ann, "nonce", 2 * IDLE).await, Ok(false));
    world.pass(MOMENT).await;
    // The loser's TTL did not count.
    assert_eq!(world.claim(&ann, "nonce", IDLE).await, Ok(true));
    assert_eq!(world.claim(&ann, "nonce", IDLE).await, Ok(false));
}

pub(crate) async fn each_owner_claims_alone(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let elsewhere = Place {
        namespace: namespace("elsewhere", world.namespace.limits.clone()),
        ..world.user("ann")
    };
    let places = [
        world.user("ann"),
        world.user("bob"),
        world.owner("other", "ann", "idp"),
        world.user(""),
        elsewhere,
    ];
    for place in &places {
        assert_eq!(world.claim(place, "nonce", IDLE).await, Ok(true));
    }
    for place in &places {
        assert_eq!(world.claim(place, "nonce", IDLE).await, Ok(false));
    }
}

pub(crate) async fn limited(backend: &dyn Backend) {
    let world = World::with_limits(backend, |limits| limits.claims_per_owner = 3).await;
    let ann = world.user("ann");
    for key in ["a", "b", "c"] {
        assert_eq!(world.claim(&ann, key, IDLE).await, Ok(true));
    }
    let exceeded = LimitExceeded {
        limit: LimitName::ClaimsPerOwner,
        maximum: 3,
        asked: 4,
    };
    assert_eq!(
        refusal(world.claim(&ann, "d", IDLE).await),
        Refusal::Limit(exceeded)
    );
    assert_eq!(world.claim(&ann, "a", IDLE).await, Ok(false));
    assert_eq!(world.claim(&world.user("bob"), "d", IDLE).await, Ok(true));
}

pub(crate) async fn old_claims_make_room(backend: &dyn Backend) {
    let world = World::with_limits(backend, |limits| limits.claims_per_owner = 2).await;
    let ann = world.user("ann");
    assert_eq!(world.claim(&ann, "a", IDLE).await, Ok(true));
    assert_eq!(world.claim(&ann, "b", 3 * IDLE).await, Ok(true));
    world.pass(IDLE).await;
    assert_eq!(world.claim(&ann, "c", IDLE).await, Ok(true));
    refusal(world.claim(&ann, "d", IDLE).await);
}

pub(crate) async fn anonymous_claims(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let nobody = Arc::new(world.user(""));
    for key in ["a", "b", "c"] {
        assert_eq!(world.claim(&nobody, key, IDLE).await, Ok(true));
        assert_eq!(world.claim(&nobody, key, IDLE).await, Ok(false));
    }
    world.pass(IDLE + Duration::from_secs(1)).await;
    world.sweep().await;
    assert_eq!(world.claim(&nobody, "a", IDLE).await, Ok(true));
}
