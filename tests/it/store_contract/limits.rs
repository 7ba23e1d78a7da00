//! How many sessions an owner, a tenant and the nameless may have.

use std::time::Duration;

use tenure::session::limits::{AtSessionLimit, LimitExceeded, LimitName};
use tenure::session::owner_record::{Create, Update};
use tenure::session::refusal::{EndReason, Refusal};
use tenure::session::state::{Patch, SEALED_VALUE, SEALED_VALUE_OVERHEAD, State};

use crate::support::backend::Backend;
use crate::support::world::{IDLE, MOMENT, World, refusal};

fn too_many(limit: LimitName, maximum: usize) -> Refusal {
    Refusal::Limit(LimitExceeded {
        limit,
        maximum,
        asked: maximum + 1,
    })
}

pub(crate) async fn sessions_per_owner_reject(backend: &dyn Backend) {
    let world = World::with_limits(backend, |limits| limits.sessions_per_owner = 2).await;
    let ann = world.user("ann");
    let one = world.make_plain(&ann).await;
    world.make_plain(&ann).await;
    let answer = world.create(&ann, world.plain()).await;
    assert_eq!(refusal(answer), too_many(LimitName::SessionsPerOwner, 2));
    world.make_plain(&world.user("bob")).await;
    world.store.end(&ann, &one.id).await.unwrap();
    world.make_plain(&ann).await;
}

pub(crate) async fn sessions_per_owner_end_least_recent(backend: &dyn Backend) {
    let world = World::with_limits(backend, |limits| {
        limits.sessions_per_owner = 3;
        limits.at_session_limit = AtSessionLimit::EndLeastRecent;
    })
    .await;
    let ann = world.user("ann");
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(world.make_plain(&ann).await.id);
        world.pass(MOMENT).await;
    }
    world.get(&ann, &ids[0]).await.unwrap();
    world.pass(MOMENT).await;
    let fourth = world.make_plain(&ann).await.id;
    assert_eq!(
        world.end_reason(&ann, &ids[1]).await,
        Some(EndReason::Evicted)
    );
    for id in [&ids[0], &ids[2], &fourth] {
        assert!(world.is_alive(&ann, id).await);
    }
}

pub(crate) async fn the_dead_do_not_count(backend: &dyn Backend) {
    let world = World::with_limits(backend, |limits| limits.sessions_per_owner = 2).await;
    let ann = world.user("ann");
    for _ in 0..4 {
        world.make_plain(&ann).await;
        world.make_plain(&ann).await;
        refusal(world.create(&ann, world.plain()).await);
        world.pass(IDLE).await;
    }
}

pub(crate) async fn sessions_per_tenant(backend: &dyn Backend) {
    let world = World::with_limits(backend, |limits| limits.sessions_per_tenant = Some(3)).await;
    let (ann, bob) = (world.user("ann"), world.user("bob"));
    let one = world.make_plain(&ann).await;
    world.make_plain(&bob).await;
    world.make_plain(&bob).await;
    for place in [&ann, &bob, &world.user("zoe")] {
        let answer = world.create(place, world.plain()).await;
        assert_eq!(refusal(answer), too_many(LimitName::SessionsPerTenant, 3));
    }
    world.make_plain(&world.owner("other", "ann", "idp")).await;
    world.store.end(&ann, &one.id).await.unwrap();
    world.make_plain(&bob).await;
}

pub(crate) async fn the_dead_of_a_tenant_do_not_count(backend: &dyn Backend) {
    let world = World::with_limits(backend, |limits| limits.sessions_per_tenant = Some(2)).await;
    world.make_plain(&world.user("ann")).await;
    world.make_plain(&world.user("bob")).await;
    world.pass(IDLE + Duration::from_secs(1)).await;
    // No sweep has passed.
    world.make_plain(&world.user("zoe")).await;
}

pub(crate) async fn anonymous_sessions(backend: &dyn Backend) {
    let world = World::with_limits(backend, |limits| {
        limits.anonymous_sessions = 2;
        limits.sessions_per_owner = 1;
    })
    .await;
    let nobody = world.user("");
    let one = world.make_plain(&nobody).await;
    world.make_plain(&world.owner("other", "", "")).await;
    let answer = world.create(&nobody, world.plain()).await;
    assert_eq!(refusal(answer), too_many(LimitName::AnonymousSessions, 2));
    world.make_plain(&world.user("ann")).await;
    world.store.end(&nobody, &one.id).await.unwrap();
    world.make_plain(&nobody).await;
}

/// A namespace allows as much with encryption as without.
pub(crate) async fn sealed_values_count_as_what_is_in_the_seal(backend: &dyn Backend) {
    let seal = |key: &'static str, plain: usize| {
        let mut value = vec![0; SEALED_VALUE_OVERHEAD + plain];
        value[0] = SEALED_VALUE;
        State::from_entries([(key.as_bytes(), &*value)])
    };
    let limited = async |encrypt_state| {
        World::with_limits(backend, |limits| {
            limits.encrypt_state = encrypt_state;
            limits.state_bytes = 200;
        })
        .await
    };
    let update = |set: State| Update {
        patch: Patch {
            set: Some(set),
            ..Patch::default()
        },
        ..Update::default()
    };
    let world = limited(true).await;
    let ann = world.user("ann");
    for first in [State::default(), seal("a", 90)] {
        let create = Create {
            state: first,
            ..world.plain()
        };
        let id = world.make(&ann, create).await.id;
        let change = async |key, plain| {
            world
                .store
                .update(&ann, &id, update(seal(key, plain)))
                .await
        };
        change("a", 90).await.expect("within the limit");
        // An entry of this size takes seven bytes more than its value.
        change("b", 96).await.expect("exactly at the limit");
        let exceeded = LimitExceeded {
            limit: LimitName::StateBytes,
            maximum: 200,
            asked: 201,
        };
        let refused = change("b", 97).await;
        assert_eq!(refusal(refused), Refusal::Limit(exceeded));
        let remove = Update {
            patch: Patch {
                remove: vec!["a".into()],
                ..Patch::default()
            },
            ..Update::default()
        };
        world
            .store
            .update(&ann, &id, remove)
            .await
            .expect("smaller");
        change("b", 180).await.expect("room for more");
    }
}
