//! The sessions of a namespace, slice by slice.

use std::collections::BTreeSet;
use std::time::Duration;

use tenure::session::filter::{Filter, Span};
use tenure::session::limits::Limits;
use tenure::session::marks::Subject;
use tenure::session::names::SessionId;
use tenure::session::refusal::Refusal;
use tenure::store::inspection::{Found, Position};
use tenure::store::{Place, Selector};

use crate::support::backend::Backend;
use crate::support::values::{number, state};
use crate::support::world::{IDLE, LIFETIME, MOMENT, World, namespace, refusal};

/// All that is found, and how many slices it took.
async fn found(world: &World, filter: &Filter, most: usize) -> (Vec<Found>, usize) {
    let (mut found, mut after, mut slices) = (Vec::new(), None, 0);
    loop {
        let slice = world
            .store
            .slice(&world.namespace, filter, after.as_ref(), most);
        let slice = slice.await.unwrap();
        assert!(slice.found.len() <= most, "{slice:?}");
        found.extend(slice.found);
        slices += 1;
        assert!(slices < 5000, "slices end");
        after = slice.next;
        if after.is_none() {
            return (found, slices);
        }
    }
}

async fn ids(world: &World, filter: &Filter) -> BTreeSet<SessionId> {
    let (found, _) = found(world, filter, 100).await;
    let ids: BTreeSet<_> = found.iter().map(|found| found.session.id.clone()).collect();
    assert_eq!(ids.len(), found.len(), "each is found once");
    ids
}

fn of(ids: &[&SessionId]) -> BTreeSet<SessionId> {
    ids.iter().map(|id| (*id).clone()).collect()
}

pub(crate) async fn all_are_found(backend: &dyn Backend) {
    let world = World::open(backend).await;
    assert!(ids(&world, &Filter::default()).await.is_empty());
    let mut made = BTreeSet::new();
    for user in 0..60 {
        let owner = world.user(&format!("user-{user}"));
        for _ in 0..=user % 3 {
            made.insert(world.make_plain(&owner).await.id);
        }
    }
    let mut create = world.plain();
    create.id = SessionId::known(&"n".repeat(32)).unwrap();
    let anonymous = world.make(&world.owner("acme", "", ""), create).await.id;
    made.insert(anonymous.clone());
    let elsewhere = Place {
        namespace: namespace("elsewhere", Limits::default()),
        ..world.user("user-1")
    };
    world.make_plain(&elsewhere).await;
    assert_eq!(ids(&world, &Filter::default()).await, made);
    // However small the slices are.
    for most in [1, 2, 7] {
        let (all, _) = found(&world, &Filter::default(), most).await;
        assert_eq!(all.len(), made.len());
        assert_eq!(
            all.into_iter()
                .map(|found| found.session.id)
                .collect::<BTreeSet<_>>(),
            made
        );
    }
    // Whoever has no user is found like anybody else.
    let nobody = Filter {
        user: Some("".into()),
        ..Filter::default()
    };
    assert_eq!(ids(&world, &nobody).await, of(&[&anonymous]));
}

pub(crate) async fn by_owner(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world
        .make_plain(&world.owner("acme", "ann", "idp"))
        .await
        .id;
    let elsewhere = world
        .make_plain(&world.owner("umbrella", "ann", "idp"))
        .await
        .id;
    let bob = world.make_plain(&world.owner("acme", "bob", "")).await.id;
    let filter = |tenant: Option<&str>, user: Option<&str>, issuer: Option<&str>| Filter {
        tenant: tenant.map(Into::into),
        user: user.map(Into::into),
        issuer: issuer.map(Into::into),
        ..Filter::default()
    };
    for (meant, expected) in [
        (filter(Some("acme"), None, None), of(&[&ann, &bob])),
        (filter(None, Some("ann"), None), of(&[&ann, &elsewhere])),
        (filter(None, None, Some("")), of(&[&bob])),
        (filter(Some("acme"), Some("ann"), None), of(&[&ann])),
        (filter(Some("acme"), Some("ann"), Some("idp")), of(&[&ann])),
        (filter(Some("acme"), Some("ann"), Some("")), of(&[])),
        (filter(Some("nobody"), None, None), of(&[])),
    ] {
        assert_eq!(ids(&world, &meant).await, expected, "{meant:?}");
    }
}

pub(crate) async fn by_label_age_and_idle_time(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let mut create = world.plain();
    create.labels = Some(["beta".into(), "eu".into()].into());
    create.state = state(&[("a", number(1.0)), ("b", number(2.0))]);
    create.idle_ttl = LIFETIME;
    let old = world.make(&ann, create).await;
    world.pass(Duration::from_secs(20)).await;
    let mut create = world.plain();
    create.labels = Some(["eu".into()].into());
    let young = world.make(&ann, create).await.id;
    world.pass(Duration::from_secs(10)).await;
    world.get(&ann, &old.id).await.unwrap();
    world.pass(Duration::from_secs(5)).await;
    // Now one is 35 s old and has not been used for 5 s, the other for all its 15 s.
    let seconds = |min: Option<u64>, max: Option<u64>| Span {
        min: min.map(Duration::from_secs),
        max: max.map(Duration::from_secs),
    };
    let labels = |labels: &[&str]| Filter {
        labels: labels.iter().map(|label| (*label).into()).collect(),
        ..Filter::default()
    };
    let age = |age| Filter {
        age,
        ..Filter::default()
    };
    let idle = |idle| Filter {
        idle,
        ..Filter::default()
    };
    for (meant, expected) in [
        (labels(&["eu"]), of(&[&old.id, &young])),
        (labels(&["eu", "beta"]), of(&[&old.id])),
        (labels(&["us"]), of(&[])),
        (age(seconds(Some(35), None)), of(&[&old.id])),
        (age(seconds(Some(36), None)), of(&[])),
        (age(seconds(None, Some(15))), of(&[&young])),
        (age(seconds(Some(15), Some(35))), of(&[&old.id, &young])),
        (idle(seconds(Some(15), None)), of(&[&young])),
        (idle(seconds(None, Some(5))), of(&[&old.id])),
    ] {
        assert_eq!(ids(&world, &meant).await, expected, "{meant:?}");
    }
    let (found, _) = found(&world, &labels(&["beta"]), 100).await;
    assert_eq!(found[0].owner, ann.owner);
    assert_eq!(found[0].of_owner, 2);
    assert_eq!(found[0].state.1, 2);
    assert!(found[0].state.0 > 4, "{found:?}");
    assert_eq!(found[0].session.state, None);
    assert_eq!(found[0].session.meta.created_at, old.meta.created_at);
}

pub(crate) async fn only_live_ones(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let (ann, bob) = (world.user("ann"), world.owner("umbrella", "bob", "idp"));
    let ended = world.make_plain(&ann).await.id;
    let rotated = world.make_plain(&ann).await.id;
    let successor = world.new_id();
    let covered = world.make_plain(&bob).await.id;
    assert_eq!(
        ids(&world, &Filter::default()).await,
        of(&[&ended, &rotated, &covered])
    );
    world.store.end(&ann, &ended).await.unwrap();
    world.rotate_to(&ann, &rotated, &successor).await.unwrap();
    world
        .revoke(Selector::Wide(Subject::Tenant("umbrella".into())))
        .await;
    // Before any sweep has passed.
    assert_eq!(ids(&world, &Filter::default()).await, of(&[&successor]));
    world.pass(IDLE).await;
    assert!(ids(&world, &Filter::default()).await.is_empty());
    world.sweep().await;
    assert!(ids(&world, &Filter::default()).await.is_empty());
}

pub(crate) async fn a_slice_is_small(backend: &dyn Backend) {
    let world = World::open(backend).await;
    for user in 0..600 {
        world.make_plain(&world.user(&format!("user-{user}"))).await;
    }
    let (mut after, mut looked) = (None, 0);
    loop {
        let filter = Filter::default();
        let slice = world
            .store
            .slice(&world.namespace, &filter, after.as_ref(), 1_000_000);
        let slice = slice.await.unwrap();
        // What is done under one lock, or in one script.
        assert!(slice.looked <= 256, "{}", slice.looked);
        looked += slice.looked;
        after = slice.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(looked, 600);
}

pub(crate) async fn one_owner_with_many(backend: &dyn Backend) {
    let world = World::with_limits(backend, |limits| limits.sessions_per_owner = 1000).await;
    let ann = world.user("ann");
    let mut made = BTreeSet::new();
    for _ in 0..150 {
        made.insert(world.make_plain(&ann).await.id);
        world.pass(MOMENT).await;
    }
    world.make_plain(&world.user("bob")).await;
    let filter = Filter {
        tenant: Some("acme".into()),
        user: Some("ann".into()),
        issuer: Some("idp".into()),
        ..Filter::default()
    };
    for most in [10, 64, 1000] {
        let (all, slices) = found(&world, &filter, most).await;
        let ids = all.iter().map(|found| found.session.id.clone());
        let ids = ids.collect::<BTreeSet<_>>();
        assert!(slices >= ids.len() / most, "{most}");
        assert_eq!(all.len(), made.len(), "{most}");
        assert_eq!(ids, made);
    }
}

pub(crate) async fn positions_from_elsewhere(backend: &dyn Backend) {
    let world = World::open(backend).await;
    world.make_plain(&world.user("ann")).await;
    for text in ["", "x", "1", "0.0", "0.x.", "x.0.", "0.0.short"] {
        let position = Position(text.to_owned());
        let filter = Filter::default();
        let slice = world
            .store
            .slice(&world.namespace, &filter, Some(&position), 10);
        match slice.await {
            // What reads as a position is one; it shows nothing that another would not.
            Ok(_) => assert_eq!(text, "0.0.short"),
            Err(error) => match refusal::<()>(Err(error)) {
                Refusal::Invalid { field, .. } => assert_eq!(field, "page_token", "{text:?}"),
                other => panic!("{text:?}: {other:?}"),
            },
        }
    }
}
