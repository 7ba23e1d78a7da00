//! What can be told of one session.

use std::time::Duration;

use tenure::session::limits::Limits;
use tenure::session::marks::Subject;
use tenure::session::names::{CallerTag, SessionId};
use tenure::session::owner_record::OnExisting;
use tenure::session::record::End;
use tenure::session::refusal::{EndReason, InvalidationReason};
use tenure::session::story::Story;
use tenure::store::{Place, Revocation, Revoked, Selector};

use crate::support::backend::Backend;
use crate::support::values::{number, state, text};
use crate::support::world::{IDLE, MOMENT, REVOKED, World, revocation};

fn by(name: &str) -> CallerTag {
    CallerTag::of(name)
}

fn as_caller(place: &Place, name: &str) -> Place {
    Place {
        by: by(name),
        ..place.clone()
    }
}

async fn stories(world: &World, id: &SessionId) -> Vec<Story> {
    world.store.stories(&world.namespace, id).await.unwrap()
}

async fn story(world: &World, id: &SessionId) -> Story {
    let stories = stories(world, id).await;
    assert_eq!(stories.len(), 1, "{stories:?}");
    stories.into_iter().next().unwrap()
}

pub(crate) async fn of_a_live_session(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let made_at = world.now().await;
    let id = world.make_plain(&as_caller(&ann, "crm-1")).await.id;
    world.pass(MOMENT).await;
    let used_at = world.now().await;
    world.get(&as_caller(&ann, "crm-2"), &id).await.unwrap();
    world.pass(MOMENT).await;
    // These are no use.
    world.peek(&as_caller(&ann, "crm-3"), &id).await.unwrap();
    world.list(&as_caller(&ann, "crm-4")).await;
    let told = story(&world, &id).await;
    assert_eq!(
        (told.life.made_at, told.life.made_by),
        (made_at, by("crm-1"))
    );
    assert_eq!(
        (told.life.used_at, told.life.used_by),
        (used_at, by("crm-2"))
    );
    assert_eq!(told.owner, ann.owner);
    assert_eq!(
        (told.end, told.told_until, told.lives_on_as),
        (None, None, None)
    );
    assert_eq!(told.kept.unwrap().session.id, id);
    assert_eq!(told.marks, []);
    // To be told is no use either.
    assert_eq!(
        world.peek(&ann, &id).await.unwrap().meta.last_used_at,
        used_at
    );
}

pub(crate) async fn of_an_ended_one(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let maker = as_caller(&ann, "crm-1");
    let deleted = world.make_plain(&maker).await.id;
    let mut create = world.plain();
    create.conversation = Some("talk".into());
    let replaced = world.make(&maker, create).await.id;
    world.pass(MOMENT).await;
    let now = world.now().await;
    world
        .store
        .end(&as_caller(&ann, "crm-2"), &deleted)
        .await
        .unwrap();
    let mut create = world.plain();
    create.conversation = Some("talk".into());
    create.on_existing = OnExisting::Replace;
    world.make(&as_caller(&ann, "crm-3"), create).await;
    for (id, reason, who) in [
        (&deleted, EndReason::Deleted, "crm-2"),
        (&replaced, EndReason::Replaced, "crm-3"),
    ] {
        let told = story(&world, id).await;
        let end = End {
            at: now,
            reason,
            by: by(who),
        };
        assert_eq!(told.end, Some(end));
        assert_eq!(told.life.made_by, by("crm-1"));
        assert_eq!(told.kept, None);
        let ttl = Limits::default().tombstone_ttl;
        assert_eq!(told.told_until, Some(now.after(ttl)));
    }
    world.pass(Limits::default().tombstone_ttl).await;
    world.sweep().await;
    assert_eq!(stories(&world, &deleted).await, []);
}

pub(crate) async fn of_a_rotated_one(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let first = world.make_plain(&as_caller(&ann, "crm-1")).await.id;
    world.pass(MOMENT).await;
    let second = world.new_id();
    world
        .rotate_to(&as_caller(&ann, "crm-2"), &first, &second)
        .await
        .unwrap();
    let told = story(&world, &first).await;
    let end = told.end.unwrap();
    assert_eq!((end.reason, end.by), (EndReason::Rotated, by("crm-2")));
    assert_eq!(told.lives_on_as, Some(second.clone()));
    let told = story(&world, &second).await;
    assert_eq!((told.end, told.life.made_by), (None, by("crm-1")));
    assert_eq!(told.life.used_by, by("crm-2"));
    world.store.end(&ann, &second).await.unwrap();
    assert_eq!(story(&world, &first).await.lives_on_as, None);
}

pub(crate) async fn of_what_expired(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let session = world.make_plain(&as_caller(&ann, "crm-1")).await;
    world.pass(IDLE).await;
    let end = End {
        at: session.meta.idle_expires_at(),
        reason: EndReason::ExpiredIdle,
        by: CallerTag::NOBODY,
    };
    let before = story(&world, &session.id).await;
    assert_eq!(before.end, Some(end));
    assert!(before.kept.is_some(), "no sweep has passed");
    world.pass(Duration::from_secs(1)).await;
    assert_eq!(world.sweep().await, 1);
    let after = story(&world, &session.id).await;
    assert_eq!((after.end, after.kept), (Some(end), None));
    assert_eq!(after.life, before.life);
}

pub(crate) async fn of_what_a_mark_covers(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let old = world.make_plain(&ann).await.id;
    world.pass(MOMENT).await;
    let set_at = world.now().await;
    let wide = Revocation {
        reason: InvalidationReason::PasswordChanged,
        by: by("hr"),
        ..revocation(Selector::Wide(Subject::Tenant("acme".into())))
    };
    world.revoke_as(wide).await;
    world.pass(MOMENT).await;
    let young = world.make_plain(&ann).await.id;
    let end = End {
        at: set_at,
        reason: EndReason::Invalidated(InvalidationReason::PasswordChanged),
        by: by("hr"),
    };
    let told = story(&world, &old).await;
    assert_eq!(told.end, Some(end));
    assert_eq!(told.marks.len(), 1);
    assert_eq!(told.marks[0].subject, Some(Subject::Tenant("acme".into())));
    assert_eq!(told.marks[0].end, end);
    assert!(told.marks[0].covers);
    assert_eq!(told.marks[0].made_until, Some(set_at));
    let told = story(&world, &young).await;
    assert_eq!(told.end, None);
    assert!(!told.marks[0].covers);
    world.sweep().await;
    assert_eq!(story(&world, &old).await.end, Some(end));

    // The owner's own mark, and a login that is too old for another one.
    let own = Revocation {
        authenticated_until: Some(set_at),
        by: by("ann's phone"),
        ..revocation(Selector::Owner(ann.owner.clone()))
    };
    world.revoke_as(own).await;
    let told = story(&world, &young).await;
    assert_eq!(told.marks.len(), 2, "{told:?}");
    let own = told
        .marks
        .iter()
        .find(|mark| mark.subject.is_none())
        .unwrap();
    assert_eq!((own.made_until, own.covers), (None, false));
    assert_eq!(
        own.authenticated_until,
        Some(set_at.latest_meant().min(world.now().await))
    );
    assert_eq!(own.end.by, by("ann's phone"));
    world
        .pass(Limits::default().max_lifetime_max + MOMENT)
        .await;
    let fresh = world.make_plain(&ann).await.id;
    assert_eq!(story(&world, &fresh).await.marks, []);
}

pub(crate) async fn of_all_bearers(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let id = world.new_id();
    for user in ["ann", "bob"] {
        let mut create = world.plain();
        create.id = id.clone();
        world.make(&world.user(user), create).await;
    }
    let mut users: Vec<_> = stories(&world, &id)
        .await
        .iter()
        .map(|story| story.owner.user().to_owned())
        .collect();
    users.sort();
    assert_eq!(users, ["ann", "bob"]);
    let mut create = world.plain();
    create.id = SessionId::known(&"n".repeat(32)).unwrap();
    let anonymous = world.make(&world.owner("acme", "", ""), create).await.id;
    assert_eq!(story(&world, &anonymous).await.owner.user(), "");
}

pub(crate) async fn of_one_never_made(backend: &dyn Backend) {
    let world = World::open(backend).await;
    assert_eq!(stories(&world, &world.new_id()).await, []);
    world.make_plain(&world.user("ann")).await;
    assert_eq!(stories(&world, &world.new_id()).await, []);
}

pub(crate) async fn keys_and_sizes_only(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let mut create = world.plain();
    create.state = state(&[
        ("count", number(1.0)),
        ("text", text("what nobody is to see")),
    ]);
    let id = world.make(&ann, create).await.id;
    let told = story(&world, &id).await;
    let inside = told.kept.clone().unwrap();
    assert_eq!(inside.session.state, None);
    let keys: Vec<_> = inside.state.iter().map(|(key, _)| &**key).collect();
    assert_eq!(keys, ["count", "text"]);
    // A number is a tag and eight bytes; a text a tag, its length and itself.
    let sizes: Vec<_> = inside.state.iter().map(|(_, size)| *size).collect();
    assert_eq!(sizes, [9, 2 + "what nobody is to see".len()]);
    assert!(!format!("{told:?}").contains("nobody is to see"));
}

pub(crate) async fn one_session_is_ended(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let (ann, bob) = (world.user("ann"), world.user("bob"));
    let id = world.new_id();
    for place in [&ann, &bob] {
        let mut create = world.plain();
        create.id = id.clone();
        world.make(place, create).await;
    }
    let other = world.make_plain(&ann).await.id;
    let of_ann = |dry_run| Revocation {
        by: by("admin"),
        dry_run,
        ..revocation(Selector::Session(ann.owner.clone(), id.clone()))
    };
    let mut watch = world.watch_from_now().await;
    assert_eq!(world.revoke_as(of_ann(true)).await, Revoked::Exactly(1));
    assert!(world.is_alive(&ann, &id).await);
    // The id was rotated meanwhile: the session is what is meant.
    let new_id = world.new_id();
    world.rotate_to(&ann, &id, &new_id).await.unwrap();
    assert_eq!(world.revoke_as(of_ann(false)).await, Revoked::Exactly(1));
    assert_eq!(world.revoke_as(of_ann(false)).await, Revoked::Exactly(0));
    assert!(!world.is_alive(&ann, &new_id).await);
    assert!(world.is_alive(&ann, &other).await);
    assert!(world.is_alive(&bob, &id).await);
    assert_eq!(world.endings(&mut watch).await, [(new_id.clone(), REVOKED)]);
    assert_eq!(story(&world, &new_id).await.end.unwrap().by, by("admin"));
    // No mark is left: the same login may make another.
    assert_eq!(story(&world, &other).await.marks, []);
    let nobody = Selector::Session(world.user("nobody").owner, id);
    assert_eq!(world.revoke(nobody).await, Revoked::Exactly(0));
}
