//! What revocations leave behind.

use std::time::Duration;

use tenure::session::marks::Subject;
use tenure::session::owner_record::{Create, OnExisting, Rotate};
use tenure::session::refusal::Refusal;
use tenure::session::time::Time;
use tenure::store::{Answer, Place, Revocation, Selector};

use crate::support::backend::Backend;
use crate::support::world::{IDLE, MOMENT, REVOKED, World, id, plain_rotate, refusal, revocation};

fn login(world: &World, at: Time) -> Create {
    Create {
        authenticated_at: Some(at),
        ..world.plain()
    }
}

async fn logs_in(world: &World, place: &Place, at: Time) -> bool {
    let answer: Answer<_> = world.create(place, login(world, at)).await;
    match answer {
        Ok(_) => true,
        other => {
            assert_eq!(refusal(other), Refusal::AuthenticationRevoked);
            false
        }
    }
}

fn every_mark(place: &Place) -> [Selector; 5] {
    let owner = &place.owner;
    [
        Selector::Owner(owner.clone()),
        Selector::Wide(Subject::User {
            issuer: owner.issuer().into(),
            user: owner.user().into(),
        }),
        Selector::Wide(Subject::Tenant(owner.tenant().into())),
        Selector::Wide(Subject::Issuer(owner.issuer().into())),
        Selector::Wide(Subject::Everybody),
    ]
}

pub(crate) async fn no_old_login_after_owner(backend: &dyn Backend) {
    let world = World::open(backend).await;
    // Somebody who has no session yet: the mark stays all the same.
    let ann = world.user("ann");
    let before = world.now().await;
    world.pass(IDLE).await;
    world.revoke(Selector::Owner(ann.owner.clone())).await;
    let now = world.now().await;
    assert!(!logs_in(&world, &ann, before).await);
    assert!(!logs_in(&world, &ann, now).await);
    world.pass(MOMENT).await;
    assert!(logs_in(&world, &ann, now.after(MOMENT)).await);
    assert!(!logs_in(&world, &ann, now).await, "not even later");
}

pub(crate) async fn no_old_login_after_each_wide_selector(backend: &dyn Backend) {
    for number in 0..5 {
        let world = World::open(backend).await;
        let ann = world.user("ann");
        let before = world.now().await;
        let session = world.make_plain(&ann).await;
        world.pass(MOMENT).await;
        world.revoke(every_mark(&ann)[number].clone()).await;
        assert_eq!(world.end_reason(&ann, &session.id).await, Some(REVOKED));
        assert!(!logs_in(&world, &ann, before).await);
        let returned = Create {
            conversation: Some("talk".into()),
            on_existing: OnExisting::Return,
            ..login(&world, before)
        };
        let answer = world.create(&ann, returned).await;
        assert_eq!(refusal(answer), Refusal::AuthenticationRevoked);
        world.sweep().await;
        assert!(!logs_in(&world, &ann, before).await, "swept or not");
        world.pass(MOMENT).await;
        assert!(logs_in(&world, &ann, world.now().await).await);
        world.make_plain(&ann).await;
    }
}

pub(crate) async fn strangers_are_spared(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let others = [
        world.user("bob"),
        world.owner("umbrella", "ann", "idp"),
        world.owner("acme", "ann", "other idp"),
    ];
    let before = world.now().await;
    world.pass(MOMENT).await;
    world.revoke(Selector::Owner(ann.owner.clone())).await;
    for other in &others {
        assert!(logs_in(&world, other, before).await);
    }
}

pub(crate) async fn made_in_the_same_millisecond_after(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    for selector in every_mark(&ann) {
        let old = world.make_plain(&ann).await;
        world.revoke(selector).await;
        let new = world.make_plain(&ann).await;
        assert!(!world.is_alive(&ann, &old.id).await);
        assert!(world.is_alive(&ann, &new.id).await);
        world.sweep().await;
        assert!(world.is_alive(&ann, &new.id).await);
        world.store.end(&ann, &new.id).await.unwrap();
    }
}

pub(crate) async fn revoked_twice_in_a_millisecond(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    for first in every_mark(&ann) {
        for second in every_mark(&ann) {
            world.revoke(first.clone()).await;
            let session = world.make_plain(&ann).await;
            world.revoke(second).await;
            assert_eq!(world.end_reason(&ann, &session.id).await, Some(REVOKED));
        }
    }
}

pub(crate) async fn late_events_spare_newer_logins(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    for selector in every_mark(&ann) {
        let start = world.now().await;
        let old = world.make(&ann, login(&world, start)).await;
        world.pass(IDLE / 2).await;
        let new_login = world.now().await;
        let new = world.make(&ann, login(&world, new_login)).await;
        let late = Revocation {
            authenticated_until: Some(start.after(Duration::from_secs(1))),
            ..revocation(selector)
        };
        world.revoke_as(late).await;
        assert_eq!(world.end_reason(&ann, &old.id).await, Some(REVOKED));
        assert!(world.is_alive(&ann, &new.id).await);
        assert!(!logs_in(&world, &ann, start).await);
        assert!(logs_in(&world, &ann, new_login).await);
        world.pass(IDLE).await;
    }
}

pub(crate) async fn whole_seconds_cover_their_second(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let second = world.now().await;
    assert_eq!(
        second.as_millis() % 1000,
        0,
        "the suite starts at a whole second"
    );
    world.pass(Duration::from_millis(300)).await;
    let within = world.make_plain(&ann).await;
    world.pass(Duration::from_millis(700)).await;
    let next = world.make_plain(&ann).await;
    world.pass(IDLE / 2).await;
    let late = Revocation {
        authenticated_until: Some(second),
        ..revocation(Selector::Owner(ann.owner.clone()))
    };
    world.revoke_as(late).await;
    assert!(!world.is_alive(&ann, &within.id).await);
    assert!(world.is_alive(&ann, &next.id).await);
}

pub(crate) async fn except_spares_one(backend: &dyn Backend) {
    for number in 0..5 {
        let world = World::open(backend).await;
        let ann = world.user("ann");
        let kept = world.make_plain(&ann).await;
        let other = world.make_plain(&ann).await;
        let everywhere_else = Revocation {
            except: Some(kept.id.clone()),
            ..revocation(every_mark(&ann)[number].clone())
        };
        world.revoke_as(everywhere_else).await;
        world.sweep().await;
        assert!(world.is_alive(&ann, &kept.id).await);
        assert!(!world.is_alive(&ann, &other.id).await);
        // Under its next id too.
        let new_id = world.new_id();
        world.rotate_to(&ann, &kept.id, &new_id).await.unwrap();
        assert!(world.is_alive(&ann, &new_id).await);
    }
}

pub(crate) async fn except_spares_every_bearer(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let shared = id("an-id-that-two-owners-happen-to-bear");
    let places = [world.user("ann"), world.user("bob")];
    let mut others = Vec::new();
    for place in &places {
        let ask = Create {
            id: shared.clone(),
            ..world.plain()
        };
        world.make(place, ask).await;
        others.push(world.make_plain(place).await.id);
    }
    let wide = Revocation {
        except: Some(shared.clone()),
        ..revocation(Selector::Wide(Subject::Tenant("acme".into())))
    };
    world.revoke_as(wide).await;
    for (place, other) in places.iter().zip(&others) {
        assert!(world.is_alive(place, &shared).await);
        assert!(!world.is_alive(place, other).await);
    }
}

pub(crate) async fn except_does_not_spare_from_the_next(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    for selector in every_mark(&ann) {
        let kept = world.make_plain(&ann).await;
        let sparing = Revocation {
            except: Some(kept.id.clone()),
            ..revocation(selector.clone())
        };
        world.revoke_as(sparing).await;
        assert!(world.is_alive(&ann, &kept.id).await);
        world.pass(MOMENT).await;
        world.revoke(selector).await;
        assert!(!world.is_alive(&ann, &kept.id).await);
    }
}

pub(crate) async fn an_old_login_is_refused_beside_a_spared_session(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let kept = world.make_plain(&ann).await;
    let sparing = Revocation {
        except: Some(kept.id.clone()),
        ..revocation(Selector::Owner(ann.owner.clone()))
    };
    world.revoke_as(sparing).await;
    assert!(!logs_in(&world, &ann, kept.meta.authenticated_at).await);
}

pub(crate) async fn marks_go_when_nothing_can_be_left(backend: &dyn Backend) {
    for swept in [false, true] {
        let world = World::open(backend).await;
        let ann = world.user("ann");
        let longest = world.namespace.limits.max_lifetime_max;
        let before = world.now().await;
        for selector in every_mark(&ann) {
            world.revoke(selector).await;
        }
        world.pass(longest).await;
        if swept {
            world.sweep().await;
        }
        assert!(!logs_in(&world, &ann, before).await);
        world.pass(Duration::from_secs(2)).await;
        if swept {
            world.sweep().await;
        }
        assert!(logs_in(&world, &ann, before).await);
        // What it let in it does not end, whether or not a sweep drops it.
        let session = world.make(&ann, login(&world, before)).await;
        assert!(world.is_alive(&ann, &session.id).await, "{swept}");
        world.sweep().await;
        assert!(world.is_alive(&ann, &session.id).await, "{swept}");
    }
}

pub(crate) async fn wide_is_in_force_before_any_sweep(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let session = world.make_plain(&ann).await;
    world
        .revoke(Selector::Wide(Subject::Tenant("acme".into())))
        .await;
    assert!(world.list(&ann).await.is_empty());
    assert!(world.get(&ann, &session.id).await.is_err());
    assert!(!world.store.end(&ann, &session.id).await.unwrap());
    let new_id = world.new_id();
    let rotated = world.rotate_to(&ann, &session.id, &new_id).await;
    assert_eq!(refusal(rotated), Refusal::Ended(REVOKED));
}

pub(crate) async fn no_rotation_to_an_old_login(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let before = world.now().await;
    world.pass(MOMENT).await;
    world.revoke(Selector::Owner(ann.owner.clone())).await;
    let session = world.make_plain(&ann).await;
    let rotate = Rotate {
        authenticated_at: Some(before),
        ..plain_rotate(&world.new_id())
    };
    let answer = world.store.rotate(&ann, &session.id, rotate).await;
    assert_eq!(refusal(answer), Refusal::AuthenticationRevoked);
    assert!(world.is_alive(&ann, &session.id).await);
}
