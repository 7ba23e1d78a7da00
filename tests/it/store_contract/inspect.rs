//! What those see who run the service.

use std::sync::Arc;

use tenure::session::limits::Limits;
use tenure::session::marks::Subject;
use tenure::session::names::{CallerTag, SessionId};
use tenure::store::status::InUse;
use tenure::store::{Place, Selector};

use crate::support::backend::Backend;
use crate::support::world::{IDLE, World, namespace};

async fn in_use(world: &World, name: &str) -> Option<InUse> {
    let known = world.store.namespaces().await.unwrap();
    let found: Vec<_> = known
        .into_iter()
        .filter(|namespace| namespace.name.as_str() == name)
        .collect();
    assert!(found.len() <= 1, "{found:?}");
    found.into_iter().next()
}

pub(crate) async fn namespaces_and_what_is_in_them(backend: &dyn Backend) {
    let world = World::open(backend).await;
    assert_eq!(in_use(&world, "suite").await, None);
    let ann = world.user("ann");
    for _ in 0..3 {
        world.make_plain(&ann).await;
    }
    let nobody = world.owner("acme", "", "");
    let mut create = world.plain();
    create.id = SessionId::known(&"n".repeat(32)).unwrap();
    world.make(&nobody, create).await;
    let elsewhere = Place {
        namespace: namespace("elsewhere", Limits::default()),
        ..ann.clone()
    };
    world.make_plain(&elsewhere).await;
    let told = in_use(&world, "suite").await.unwrap();
    assert_eq!((told.sessions, told.anonymous, told.wide_marks), (4, 1, 0));
    assert_eq!(in_use(&world, "elsewhere").await.unwrap().sessions, 1);

    // A mark of one owner is none of these.
    for selector in [
        Selector::Owner(ann.owner.clone()),
        Selector::Wide(Subject::Tenant("beta".into())),
        Selector::Wide(Subject::Everybody),
    ] {
        world.revoke(selector).await;
    }
    assert_eq!(in_use(&world, "suite").await.unwrap().wide_marks, 2);
    world.sweep().await;
    assert_eq!(in_use(&world, "suite").await.unwrap().sessions, 0);
    assert_eq!(in_use(&world, "elsewhere").await.unwrap().sessions, 1);
    world.pass(IDLE).await;
    world.sweep().await;
    assert_eq!(in_use(&world, "elsewhere").await.unwrap().sessions, 0);
}

pub(crate) async fn the_store_tells_how_it_is(backend: &dyn Backend) {
    let world = World::open(backend).await;
    world.make_plain(&world.user("ann")).await;
    let store = Arc::clone(&world.store);
    let status = store.status().await;
    assert!(status.ready, "{status:?}");
    assert_eq!(status.trouble, [""; 0]);
    if let Some((sessions, most)) = status.sessions {
        assert_eq!(sessions, 1);
        assert!(most > 1);
    }
    assert!(
        status
            .bytes
            .is_none_or(|(taken, most)| 0 < taken && taken < most)
    );
    // A store in the service's own process has no servers; any other has.
    assert_eq!(status.servers.is_empty(), status.topology == "process");
    for server in &status.servers {
        assert!(server.reachable, "{server:?}");
        assert!(!server.address.is_empty() && !server.version.is_empty());
        assert!(server.memory > 0);
        assert_eq!(server.eviction, "noeviction");
    }
}

pub(crate) async fn callers_are_named(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let (crm, billing) = (CallerTag::of("apikey:crm"), CallerTag::of("apikey:billing"));
    let name = async |tag| world.store.caller_name(tag).await.unwrap();
    assert_eq!(name(crm).await, None);
    world.store.name_caller(crm, "apikey:crm").await.unwrap();
    world.store.name_caller(crm, "apikey:crm").await.unwrap();
    assert_eq!(name(crm).await.as_deref(), Some("apikey:crm"));
    assert_eq!(name(billing).await, None);
    assert_eq!(name(CallerTag::NOBODY).await, None);
}
