//! Invalidations: whom each selector covers, and how many it counts.

use tenure::session::marks::Subject;
use tenure::session::owner_record::{Create, Rotate};
use tenure::session::refusal::{EndReason, InvalidationReason, Refusal};
use tenure::store::{Place, Revocation, Revoked, Selector};

use crate::support::backend::Backend;
use crate::support::world::{IDLE, REVOKED, World, id, plain_rotate, refusal, revocation};

pub(crate) async fn by_id(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let (one, two) = (world.make_plain(&ann).await, world.make_plain(&ann).await);
    let revoked = world.revoke(Selector::Id(one.id.clone())).await;
    assert_eq!(revoked, Revoked::Exactly(1));
    assert_eq!(world.end_reason(&ann, &one.id).await, Some(REVOKED));
    assert!(world.is_alive(&ann, &two.id).await);
    // No mark is left: the owner goes on.
    let ask = Create {
        authenticated_at: Some(one.meta.authenticated_at),
        ..world.plain()
    };
    world.make(&ann, ask).await;
}

pub(crate) async fn by_id_of_all_bearers(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let id = id("the-same-id-for-all-of-them-here");
    let places = [
        world.user("ann"),
        world.user("bob"),
        world.owner("other", "ann", "idp"),
        world.user(""),
    ];
    for place in &places {
        let ask = Create {
            id: id.clone(),
            ..world.plain()
        };
        world.make(place, ask).await;
    }
    assert_eq!(
        world.revoke(Selector::Id(id.clone())).await,
        Revoked::Exactly(places.len())
    );
    for place in &places {
        assert_eq!(world.end_reason(place, &id).await, Some(REVOKED));
    }
}

pub(crate) async fn by_an_id_from_before_rotations(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let long = Create {
        idle_ttl: 10 * world.namespace.limits.tombstone_ttl,
        max_lifetime: 10 * world.namespace.limits.tombstone_ttl,
        ..world.plain()
    };
    let first = world.make(&ann, long).await.id;
    let (second, third) = (world.new_id(), world.new_id());
    world.rotate_to(&ann, &first, &second).await.unwrap();
    world.rotate_to(&ann, &second, &third).await.unwrap();
    // However long ago that was.
    world.pass(3 * world.namespace.limits.tombstone_ttl).await;
    world.sweep().await;
    assert_eq!(world.revoke(Selector::Id(first)).await, Revoked::Exactly(1));
    assert_eq!(world.end_reason(&ann, &third).await, Some(REVOKED));
}

fn logged_in(world: &World, provider_session_id: &str) -> Create {
    Create {
        provider_session_id: Some(provider_session_id.into()),
        ..world.plain()
    }
}

fn provider_session(provider_session_id: &str) -> Selector {
    Selector::ProviderSession {
        issuer: "idp".into(),
        provider_session_id: provider_session_id.into(),
    }
}

pub(crate) async fn by_provider_session(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let (ann, bob) = (world.user("ann"), world.user("bob"));
    let elsewhere = world.owner("acme", "ann", "other idp");
    let a = world.make(&ann, logged_in(&world, "sid-1")).await;
    let b = world.make(&ann, logged_in(&world, "sid-1")).await;
    let c = world.make(&bob, logged_in(&world, "sid-1")).await;
    let other_login = world.make(&ann, logged_in(&world, "sid-2")).await;
    let no_login = world.make_plain(&ann).await;
    let other_issuer = world.make(&elsewhere, logged_in(&world, "sid-1")).await;
    // One that has ended already is not counted.
    world.store.end(&ann, &b.id).await.unwrap();
    assert_eq!(
        world.revoke(provider_session("sid-1")).await,
        Revoked::Exactly(2)
    );
    assert_eq!(world.end_reason(&ann, &a.id).await, Some(REVOKED));
    assert_eq!(world.end_reason(&bob, &c.id).await, Some(REVOKED));
    assert_eq!(
        world.end_reason(&ann, &b.id).await,
        Some(EndReason::Deleted)
    );
    assert!(world.is_alive(&ann, &other_login.id).await);
    assert!(world.is_alive(&ann, &no_login.id).await);
    assert!(world.is_alive(&elsewhere, &other_issuer.id).await);
    assert_eq!(
        world.revoke(provider_session("sid-3")).await,
        Revoked::Exactly(0)
    );
}

pub(crate) async fn provider_session_after_a_rotation(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let session = world.make(&ann, logged_in(&world, "old")).await;
    let stays = world.make(&ann, logged_in(&world, "old")).await;
    let new_id = world.new_id();
    let rotate = Rotate {
        provider_session_id: Some(Some("new".into())),
        ..plain_rotate(&new_id)
    };
    world.store.rotate(&ann, &session.id, rotate).await.unwrap();
    assert_eq!(
        world.revoke(provider_session("old")).await,
        Revoked::Exactly(1),
        "only the session that kept the login"
    );
    assert!(!world.is_alive(&ann, &stays.id).await);
    assert!(world.is_alive(&ann, &new_id).await);
    assert_eq!(
        world.revoke(provider_session("new")).await,
        Revoked::Exactly(1)
    );
}

pub(crate) async fn by_owner(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let (ann, bob) = (world.user("ann"), world.user("bob"));
    let mut anns = Vec::new();
    for _ in 0..5 {
        anns.push(world.make_plain(&ann).await.id);
    }
    let bobs = world.make_plain(&bob).await.id;
    world.store.end(&ann, &anns[0]).await.unwrap();
    let revoked = world.revoke(Selector::Owner(ann.owner.clone())).await;
    assert_eq!(revoked, Revoked::Exactly(4));
    for id in &anns[1..] {
        assert_eq!(world.end_reason(&ann, id).await, Some(REVOKED));
    }
    assert!(world.is_alive(&bob, &bobs).await);
}

/// Four owners, each of whom one subject leaves out.
struct Crowd {
    world: World,
    places: [Place; 4],
}

impl Crowd {
    async fn open(backend: &dyn Backend) -> Crowd {
        let world = World::open(backend).await;
        let places = [
            world.owner("acme", "ann", "idp"),
            world.owner("umbrella", "ann", "idp"),
            world.owner("acme", "bob", "idp"),
            world.owner("acme", "ann", "other idp"),
        ];
        Crowd { world, places }
    }

    /// Which of them are alive after a wide revocation.
    async fn survivors(&self, subject: Subject) -> Vec<usize> {
        let mut ids = Vec::new();
        for place in &self.places {
            ids.push(self.world.make_plain(place).await.id);
        }
        let revoked = self.world.revoke(Selector::Wide(subject)).await;
        assert_eq!(revoked, Revoked::InForce);
        let mut alive = Vec::new();
        for (number, (place, id)) in self.places.iter().zip(&ids).enumerate() {
            match self.world.end_reason_or_alive(place, id).await {
                None => alive.push(number),
                Some(reason) => assert_eq!(reason, REVOKED),
            }
        }
        alive
    }
}

impl World {
    async fn end_reason_or_alive(
        &self,
        place: &Place,
        id: &tenure::session::names::SessionId,
    ) -> Option<EndReason> {
        if self.is_alive(place, id).await {
            return None;
        }
        self.end_reason(place, id).await
    }
}

pub(crate) async fn by_subject(backend: &dyn Backend) {
    let crowd = Crowd::open(backend).await;
    let subject = Subject::User {
        issuer: "idp".into(),
        user: "ann".into(),
    };
    assert_eq!(crowd.survivors(subject).await, [2, 3]);
}

pub(crate) async fn by_tenant(backend: &dyn Backend) {
    let crowd = Crowd::open(backend).await;
    let subject = Subject::Tenant("acme".into());
    assert_eq!(crowd.survivors(subject).await, [1]);
}

pub(crate) async fn by_issuer(backend: &dyn Backend) {
    let crowd = Crowd::open(backend).await;
    let subject = Subject::Issuer("idp".into());
    assert_eq!(crowd.survivors(subject).await, [3]);
}

pub(crate) async fn everybody(backend: &dyn Backend) {
    let crowd = Crowd::open(backend).await;
    assert!(crowd.survivors(Subject::Everybody).await.is_empty());
}

pub(crate) async fn authenticated_until(backend: &dyn Backend) {
    for target in ["owner", "id", "login", "wide"] {
        let world = World::open(backend).await;
        let ann = world.user("ann");
        let early = world.now().await;
        let old = world.make(&ann, logged_in(&world, "sid")).await;
        world.pass(IDLE / 4).await;
        let new = world.make(&ann, logged_in(&world, "sid")).await;
        world.pass(IDLE / 4).await;
        let selectors = match target {
            "owner" => vec![Selector::Owner(ann.owner.clone())],
            "id" => vec![Selector::Id(old.id.clone()), Selector::Id(new.id.clone())],
            "login" => vec![provider_session("sid")],
            _ => vec![Selector::Wide(Subject::Everybody)],
        };
        for selector in selectors {
            world
                .revoke_as(Revocation {
                    authenticated_until: Some(early),
                    ..revocation(selector)
                })
                .await;
        }
        assert_eq!(world.end_reason(&ann, &old.id).await, Some(REVOKED));
        assert!(world.is_alive(&ann, &new.id).await, "{target}");
    }
}

pub(crate) async fn dry_runs_change_nothing(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let one = world.make(&ann, logged_in(&world, "sid")).await;
    let two = world.make(&ann, logged_in(&world, "sid")).await;
    let mut watch = world.watch_from_now().await;
    let dry = async |selector| {
        world
            .revoke_as(Revocation {
                dry_run: true,
                ..revocation(selector)
            })
            .await
    };
    assert_eq!(dry(Selector::Id(one.id.clone())).await, Revoked::Exactly(1));
    assert_eq!(dry(provider_session("sid")).await, Revoked::Exactly(2));
    assert_eq!(
        dry(Selector::Owner(ann.owner.clone())).await,
        Revoked::Exactly(2)
    );
    assert_eq!(
        dry(Selector::Owner(world.user("zoe").owner)).await,
        Revoked::Exactly(0)
    );
    let wide = dry(Selector::Wide(Subject::Tenant("acme".into()))).await;
    assert!(matches!(wide, Revoked::Roughly(1..=4)), "{wide:?}");
    assert!(world.seen(&mut watch).await.is_empty());
    assert!(world.is_alive(&ann, &one.id).await);
    assert!(world.is_alive(&ann, &two.id).await);
    // No mark either.
    let ask = Create {
        authenticated_at: Some(one.meta.authenticated_at),
        ..world.plain()
    };
    world.make(&ann, ask).await;
}

pub(crate) async fn a_second_time_ends_nothing(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let session = world.make_plain(&ann).await;
    let selector = Selector::Owner(ann.owner.clone());
    assert_eq!(world.revoke(selector.clone()).await, Revoked::Exactly(1));
    assert_eq!(world.revoke(selector).await, Revoked::Exactly(0));
    assert_eq!(
        world.revoke(Selector::Id(session.id)).await,
        Revoked::Exactly(0)
    );
}

pub(crate) async fn the_reason_is_told(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    for selector in [
        Selector::Owner(ann.owner.clone()),
        Selector::Wide(Subject::Tenant("acme".into())),
    ] {
        let session = world.make_plain(&ann).await;
        world
            .revoke_as(Revocation {
                reason: InvalidationReason::PasswordChanged,
                ..revocation(selector)
            })
            .await;
        let told = EndReason::Invalidated(InvalidationReason::PasswordChanged);
        assert_eq!(world.end_reason(&ann, &session.id).await, Some(told));
        world.sweep().await;
        assert_eq!(world.end_reason(&ann, &session.id).await, Some(told));
    }
}

pub(crate) async fn anonymous_owner_as_one(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let selector = Selector::Owner(world.user("").owner);
    let answer = world
        .store
        .revoke(&world.namespace, revocation(selector))
        .await;
    assert!(matches!(refusal(answer), Refusal::Invalid { .. }));
}
