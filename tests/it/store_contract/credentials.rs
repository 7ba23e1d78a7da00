//! Secrets that a store keeps without knowing them, and the right to refresh them.

use std::time::Duration;

use tenure::session::credentials::Sealed;
use tenure::session::limits::{LimitExceeded, LimitName};
use tenure::session::names::{CredentialName, LeaseId, SessionId};
use tenure::session::owner_record::{AbandonRefresh, BeginRefresh, Begun, Create, PutCredential};
use tenure::session::refusal::{EndReason, Refusal};
use tenure::store::{Answer, Place};

use crate::support::backend::Backend;
use crate::support::world::{IDLE, MOMENT, World, refusal};

pub(super) const LEASE: Duration = Duration::from_secs(30);

pub(super) fn name(text: &str) -> CredentialName {
    CredentialName::new(text).expect("a good name")
}

pub(super) fn sealed(text: &str) -> Sealed {
    Sealed::new(text.as_bytes())
}

pub(super) fn lease(number: u128) -> LeaseId {
    LeaseId(uuid::Uuid::from_u128(number))
}

pub(super) fn put(of: &str, version: u64, text: &str) -> PutCredential {
    PutCredential {
        name: name(of),
        version,
        sealed: sealed(text),
        lease: None,
    }
}

pub(super) fn completion(of: &str, version: u64, text: &str, number: u128) -> PutCredential {
    PutCredential {
        lease: Some(lease(number)),
        ..put(of, version, text)
    }
}

pub(super) fn give_back(name: &CredentialName, number: u128) -> AbandonRefresh {
    AbandonRefresh {
        name: name.clone(),
        lease: lease(number),
        uncertain: false,
    }
}

pub(super) fn refresh(of: &str, stale_version: u64, number: u128) -> BeginRefresh {
    BeginRefresh {
        name: name(of),
        stale_version,
        lease: lease(number),
        ttl: LEASE,
    }
}

/// A session with the credential "token", version 1.
pub(super) async fn with_token(world: &World, place: &Place) -> SessionId {
    let create = Create {
        credentials: vec![(name("token"), sealed("first"))],
        ..world.plain()
    };
    world.make(place, create).await.id
}

/// What is kept under a name: its version and its text.
pub(super) async fn kept(
    world: &World,
    place: &Place,
    id: &SessionId,
    of: &str,
) -> Option<(u64, String)> {
    let looked = world.store.credential(place, id, &name(of)).await;
    let credential = looked.expect("a live session").credential?;
    let text = String::from_utf8(credential.sealed.as_bytes().to_vec()).expect("text");
    Some((credential.version, text))
}

/// Whether the caller got the lease, and if so whether it is in doubt.
pub(super) fn leased(begun: &Begun) -> Option<bool> {
    match begun {
        Begun::Leased { uncertain, .. } => Some(*uncertain),
        Begun::Refreshed { .. } | Begun::Busy { .. } => None,
    }
}

pub(super) async fn begin(
    world: &World,
    place: &Place,
    id: &SessionId,
    begin: BeginRefresh,
) -> Answer<Begun> {
    world.store.begin_refresh(place, id, begin).await
}

pub(crate) async fn written_and_read(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let session = world.make_plain(&ann).await;
    let id = session.id;
    let looked = world
        .store
        .credential(&ann, &id, &name("a"))
        .await
        .expect("looked up");
    assert_eq!((looked.next_version, looked.credential), (1, None));
    assert_eq!(looked.record_id, session.meta.record_id);

    for version in 1..=3 {
        let written = put("a", version, &format!("text {version}"));
        assert_eq!(
            world.store.put_credential(&ann, &id, written).await,
            Ok(version)
        );
    }
    assert_eq!(
        kept(&world, &ann, &id, "a").await,
        Some((3, "text 3".to_owned()))
    );
    let looked = world
        .store
        .credential(&ann, &id, &name("a"))
        .await
        .expect("looked up");
    assert_eq!(looked.next_version, 4);
    assert_eq!(kept(&world, &ann, &id, "b").await, None);
}

pub(crate) async fn first_ones_come_with_the_session(backend: &dyn Backend) {
    let world = World::with_limits(backend, |limits| limits.credentials_per_session = 2).await;
    let ann = world.user("ann");
    let all = ["b", "a", "c"].map(|of| (name(of), sealed(of)));
    let too_many = Create {
        credentials: all.to_vec(),
        ..world.plain()
    };
    let exceeded = LimitExceeded {
        limit: LimitName::CredentialsPerSession,
        maximum: 2,
        asked: 3,
    };
    assert_eq!(
        refusal(world.create(&ann, too_many).await),
        Refusal::Limit(exceeded)
    );
    let create = Create {
        credentials: all[..2].to_vec(),
        ..world.plain()
    };
    let session = world.make(&ann, create).await;
    assert_eq!(session.credential_names, [name("a"), name("b")]);
    assert_eq!(
        kept(&world, &ann, &session.id, "b").await,
        Some((1, "b".to_owned()))
    );
    let seen = world.peek(&ann, &session.id).await.expect("alive");
    assert_eq!(seen.credential_names, [name("a"), name("b")]);
    assert_eq!(seen.meta.revision, 1);
}

pub(crate) async fn only_the_next_version_is_written(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let id = with_token(&world, &ann).await;
    for version in [0, 1, 3, u64::MAX] {
        let stale = put("token", version, "stale");
        let answer = world.store.put_credential(&ann, &id, stale).await;
        assert_eq!(refusal(answer), Refusal::CredentialChanged, "{version}");
    }
    assert_eq!(
        kept(&world, &ann, &id, "token").await,
        Some((1, "first".to_owned()))
    );
}

pub(crate) async fn a_destroyed_version_never_comes_again(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let id = with_token(&world, &ann).await;
    assert_eq!(
        world
            .store
            .put_credential(&ann, &id, put("token", 2, "x"))
            .await,
        Ok(2)
    );
    let token = name("token");
    assert_eq!(
        world.store.delete_credential(&ann, &id, &token).await,
        Ok(true)
    );
    assert_eq!(
        world.store.delete_credential(&ann, &id, &token).await,
        Ok(false)
    );
    assert_eq!(kept(&world, &ann, &id, "token").await, None);
    let names = world.peek(&ann, &id).await.expect("alive").credential_names;
    assert!(names.is_empty());
    let answer = world
        .store
        .put_credential(&ann, &id, put("token", 1, "old"))
        .await;
    assert_eq!(refusal(answer), Refusal::CredentialChanged);
    assert_eq!(
        world
            .store
            .put_credential(&ann, &id, put("token", 3, "new"))
            .await,
        Ok(3)
    );
}

pub(crate) async fn limited(backend: &dyn Backend) {
    let world = World::with_limits(backend, |limits| limits.credentials_per_session = 1).await;
    let ann = world.user("ann");
    let id = with_token(&world, &ann).await;
    let exceeded = LimitExceeded {
        limit: LimitName::CredentialsPerSession,
        maximum: 1,
        asked: 2,
    };
    let answer = world
        .store
        .put_credential(&ann, &id, put("other", 1, "x"))
        .await;
    assert_eq!(refusal(answer), Refusal::Limit(exceeded));
    assert_eq!(
        world
            .store
            .put_credential(&ann, &id, put("token", 2, "x"))
            .await,
        Ok(2)
    );
    let token = name("token");
    assert_eq!(
        world.store.delete_credential(&ann, &id, &token).await,
        Ok(true)
    );
    let looked = world
        .store
        .credential(&ann, &id, &name("other"))
        .await
        .expect("looked up");
    let other = put("other", looked.next_version, "x");
    assert!(world.store.put_credential(&ann, &id, other).await.is_ok());
}

pub(crate) async fn endings_destroy_them(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let id = with_token(&world, &ann).await;
    assert_eq!(world.store.end(&ann, &id).await, Ok(true));
    let ended = Refusal::Ended(EndReason::Deleted);
    let token = name("token");
    assert_eq!(
        refusal(world.store.credential(&ann, &id, &token).await),
        ended
    );
    let answer = world
        .store
        .put_credential(&ann, &id, put("token", 2, "x"))
        .await;
    assert_eq!(refusal(answer), ended);
    assert_eq!(
        refusal(world.store.delete_credential(&ann, &id, &token).await),
        ended
    );
    assert_eq!(
        refusal(begin(&world, &ann, &id, refresh("token", 1, 1)).await),
        ended
    );
    let answer = world
        .store
        .abandon_refresh(&ann, &id, give_back(&token, 1))
        .await;
    assert_eq!(refusal(answer), ended);
}

pub(crate) async fn a_stranger_learns_nothing(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let (ann, bob) = (world.user("ann"), world.user("bob"));
    let id = with_token(&world, &ann).await;
    let token = name("token");
    let nothing = Refusal::NotFound;
    assert_eq!(
        refusal(world.store.credential(&bob, &id, &token).await),
        nothing
    );
    let answer = world
        .store
        .put_credential(&bob, &id, put("token", 2, "x"))
        .await;
    assert_eq!(refusal(answer), nothing);
    assert_eq!(
        refusal(world.store.delete_credential(&bob, &id, &token).await),
        nothing
    );
    assert_eq!(
        refusal(begin(&world, &bob, &id, refresh("token", 1, 1)).await),
        nothing
    );
    let answer = world
        .store
        .abandon_refresh(&bob, &id, give_back(&token, 1))
        .await;
    assert_eq!(refusal(answer), nothing);
    assert_eq!(
        kept(&world, &ann, &id, "token").await,
        Some((1, "first".to_owned()))
    );
}

pub(crate) async fn a_rotation_keeps_them(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let id = with_token(&world, &ann).await;
    let begun = begin(&world, &ann, &id, refresh("token", 1, 1))
        .await
        .expect("begun");
    assert_eq!(leased(&begun), Some(false));
    let new_id = world.new_id();
    let rotated = world.rotate_to(&ann, &id, &new_id).await.expect("rotated");
    assert_eq!(rotated.session.credential_names, [name("token")]);
    assert_eq!(
        kept(&world, &ann, &new_id, "token").await,
        Some((1, "first".to_owned()))
    );
    let completed = completion("token", 2, "second", 1);
    assert_eq!(
        world.store.put_credential(&ann, &new_id, completed).await,
        Ok(2)
    );
}

pub(crate) async fn all_of_them_slide(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let id = with_token(&world, &ann).await;
    let token = name("token");
    world.pass(IDLE - MOMENT).await;
    assert!(world.store.credential(&ann, &id, &token).await.is_ok());
    world.pass(IDLE - MOMENT).await;
    assert!(
        begin(&world, &ann, &id, refresh("token", 1, 1))
            .await
            .is_ok()
    );
    world.pass(IDLE - MOMENT).await;
    let answer = world
        .store
        .abandon_refresh(&ann, &id, give_back(&token, 1))
        .await;
    assert_eq!(answer, Ok(true));
    world.pass(IDLE - MOMENT).await;
    assert_eq!(
        world
            .store
            .put_credential(&ann, &id, put("token", 2, "x"))
            .await,
        Ok(2)
    );
    world.pass(IDLE - MOMENT).await;
    assert_eq!(
        world.store.delete_credential(&ann, &id, &token).await,
        Ok(true)
    );
    world.pass(IDLE - MOMENT).await;
    assert!(world.is_alive(&ann, &id).await);
    world.pass(MOMENT).await;
    assert!(!world.is_alive(&ann, &id).await);
}
