//! The right to refresh a credential: one at a time, for a while.

use tenure::session::owner_record::{AbandonRefresh, Begun};
use tenure::session::refusal::Refusal;

use super::credentials::{
    LEASE, begin, completion, give_back, kept, leased, name, put, refresh, sealed, with_token,
};
use crate::support::backend::Backend;
use crate::support::world::{MOMENT, World, refusal};

pub(crate) async fn one_refreshes_at_a_time(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let id = with_token(&world, &ann).await;
    let unknown = begin(&world, &ann, &id, refresh("other", 1, 1)).await;
    assert_eq!(refusal(unknown), Refusal::CredentialNotFound);

    let asked = (1..=20).map(|number| begin(&world, &ann, &id, refresh("token", 1, number)));
    let begun = futures::future::join_all(asked).await;
    let won: Vec<usize> = (0..20)
        .filter(|&place| leased(begun[place].as_ref().expect("begun")).is_some())
        .collect();
    assert_eq!(won.len(), 1);
    let holder = won[0] as u128 + 1;
    let until = world.now().await.after(LEASE);
    let busy = begin(&world, &ann, &id, refresh("token", 1, 99)).await;
    assert_eq!(busy, Ok(Begun::Busy { until }));
    // The secret can be read all the time.
    assert_eq!(
        kept(&world, &ann, &id, "token").await,
        Some((1, "first".to_owned()))
    );

    let completed = completion("token", 2, "second", holder);
    assert_eq!(
        world.store.put_credential(&ann, &id, completed).await,
        Ok(2)
    );
    match begin(&world, &ann, &id, refresh("token", 1, 99)).await {
        Ok(Begun::Refreshed { credential, .. }) => {
            assert_eq!(
                (credential.version, credential.sealed),
                (2, sealed("second"))
            );
        }
        other => panic!("not told of the result: {other:?}"),
    }
    // Whoever finds the second stale gets a lease of its own.
    let begun = begin(&world, &ann, &id, refresh("token", 2, 100))
        .await
        .expect("begun");
    assert_eq!(leased(&begun), Some(false));
}

pub(crate) async fn a_holder_that_disappears(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let id = with_token(&world, &ann).await;
    let begun = begin(&world, &ann, &id, refresh("token", 1, 1))
        .await
        .expect("begun");
    assert_eq!(leased(&begun), Some(false));
    world.pass(LEASE - MOMENT).await;
    let busy = begin(&world, &ann, &id, refresh("token", 1, 2))
        .await
        .expect("answered");
    assert_eq!(leased(&busy), None);
    world.pass(MOMENT).await;
    // What has run out is lost, also if nobody took over yet.
    let late = completion("token", 2, "late", 1);
    let answer = world.store.put_credential(&ann, &id, late.clone()).await;
    assert_eq!(refusal(answer), Refusal::LeaseLost);

    let begun = begin(&world, &ann, &id, refresh("token", 1, 2))
        .await
        .expect("begun");
    match &begun {
        Begun::Leased {
            credential,
            uncertain,
            ..
        } => {
            assert!(uncertain);
            assert_eq!(
                (credential.version, &credential.sealed),
                (1, &sealed("first"))
            );
        }
        other => panic!("no lease: {other:?}"),
    }
    let answer = world.store.put_credential(&ann, &id, late).await;
    assert_eq!(refusal(answer), Refusal::LeaseLost);
    // Giving it back leaves the doubt; a new version ends it.
    let token = name("token");
    assert_eq!(
        world
            .store
            .abandon_refresh(&ann, &id, give_back(&token, 2))
            .await,
        Ok(true)
    );
    let begun = begin(&world, &ann, &id, refresh("token", 1, 3))
        .await
        .expect("begun");
    assert_eq!(leased(&begun), Some(true));
    let completed = completion("token", 2, "second", 3);
    assert_eq!(
        world.store.put_credential(&ann, &id, completed).await,
        Ok(2)
    );
    let begun = begin(&world, &ann, &id, refresh("token", 2, 4))
        .await
        .expect("begun");
    assert_eq!(leased(&begun), Some(false));
}

pub(crate) async fn a_lease_given_back(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let id = with_token(&world, &ann).await;
    let token = name("token");
    assert!(
        begin(&world, &ann, &id, refresh("token", 1, 1))
            .await
            .is_ok()
    );
    assert_eq!(
        world
            .store
            .abandon_refresh(&ann, &id, give_back(&token, 2))
            .await,
        Ok(false)
    );
    assert_eq!(
        world
            .store
            .abandon_refresh(&ann, &id, give_back(&token, 1))
            .await,
        Ok(true)
    );
    assert_eq!(
        world
            .store
            .abandon_refresh(&ann, &id, give_back(&token, 1))
            .await,
        Ok(false)
    );
    let other = name("other");
    assert_eq!(
        world
            .store
            .abandon_refresh(&ann, &id, give_back(&other, 1))
            .await,
        Ok(false)
    );
    let begun = begin(&world, &ann, &id, refresh("token", 1, 2))
        .await
        .expect("begun");
    assert_eq!(leased(&begun), Some(false));
    // Who was cut short may have used the refresh token: the next one is told.
    let cut_short = AbandonRefresh {
        uncertain: true,
        ..give_back(&token, 2)
    };
    assert_eq!(
        world.store.abandon_refresh(&ann, &id, cut_short).await,
        Ok(true)
    );
    let begun = begin(&world, &ann, &id, refresh("token", 1, 3))
        .await
        .expect("begun");
    assert_eq!(leased(&begun), Some(true));
    let late = completion("token", 2, "late", 1);
    let answer = world.store.put_credential(&ann, &id, late).await;
    assert_eq!(refusal(answer), Refusal::LeaseLost);
}

pub(crate) async fn a_lease_ends_with_its_version(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let id = with_token(&world, &ann).await;
    assert!(
        begin(&world, &ann, &id, refresh("token", 1, 1))
            .await
            .is_ok()
    );
    assert_eq!(
        world
            .store
            .put_credential(&ann, &id, put("token", 2, "login"))
            .await,
        Ok(2)
    );
    for version in [2, 3] {
        let late = completion("token", version, "late", 1);
        let answer = world.store.put_credential(&ann, &id, late).await;
        assert_eq!(refusal(answer), Refusal::LeaseLost);
    }
    assert!(
        begin(&world, &ann, &id, refresh("token", 2, 2))
            .await
            .is_ok()
    );
    assert_eq!(
        world
            .store
            .delete_credential(&ann, &id, &name("token"))
            .await,
        Ok(true)
    );
    let late = completion("token", 3, "late", 2);
    let answer = world.store.put_credential(&ann, &id, late).await;
    assert_eq!(refusal(answer), Refusal::LeaseLost);
}

pub(crate) async fn a_completion_may_be_repeated(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let id = with_token(&world, &ann).await;
    assert!(
        begin(&world, &ann, &id, refresh("token", 1, 1))
            .await
            .is_ok()
    );
    for version in [2, 3] {
        // Whoever repeats it seals for the version that is next by then.
        let completed = completion("token", version, &format!("text {version}"), 1);
        assert_eq!(
            world.store.put_credential(&ann, &id, completed).await,
            Ok(2)
        );
    }
    assert_eq!(
        kept(&world, &ann, &id, "token").await,
        Some((2, "text 2".to_owned()))
    );
}
