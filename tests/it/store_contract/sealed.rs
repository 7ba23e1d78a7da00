//! What a store does for those who seal what it keeps.

use tenure::session::names::{NamespaceName, RecordId};
use tenure::session::owner_record::Update;
use tenure::session::refusal::Refusal;

use super::credentials::sealed;
use crate::support::backend::Backend;
use crate::support::world::{World, refusal};

pub(crate) async fn an_update_is_for_its_record(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let session = world.make_plain(&ann).await;
    let update = |of_record| Update {
        labels: Some(["seen".into()].into()),
        of_record: Some(of_record),
        ..Update::default()
    };
    let record_id = session.meta.record_id;
    let other = RecordId(record_id.0 ^ 1);
    let answer = world.update(&ann, &session.id, update(other)).await;
    assert_eq!(refusal(answer), Refusal::OtherRecord);
    let updated = world
        .update(&ann, &session.id, update(record_id))
        .await
        .expect("updated");
    assert_eq!(updated.meta.revision, 2);
}

pub(crate) async fn sealed_increments_are_remembered(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let ann = world.user("ann");
    let id = world.make_plain(&ann).await.id;
    let request = world.new_request();
    let update = |text| Update {
        labels: Some(["seen".into()].into()),
        sealed_increments: Some(sealed(text)),
        request: Some(request),
        ..Update::default()
    };
    for (text, replayed) in [("one", false), ("two", true)] {
        let answer = world
            .store
            .update(&ann, &id, update(text))
            .await
            .expect("updated");
        assert_eq!(answer.replayed, replayed);
        assert_eq!(answer.sealed_increments, Some(sealed("one")));
    }
}

pub(crate) async fn tenant_keys_are_kept_until_destroyed(backend: &dyn Backend) {
    let world = World::open(backend).await;
    let crm = NamespaceName::new("crm").expect("a good name");
    let other = NamespaceName::new("other").expect("a good name");
    let store = &world.store;
    assert_eq!(store.tenant_key(&crm, "acme").await, Ok(None));
    let (one, two) = (sealed("one"), sealed("two"));
    assert_eq!(
        store
            .put_tenant_key(&crm, "acme", Some(&two), one.clone())
            .await,
        Ok(false)
    );
    assert_eq!(
        store.put_tenant_key(&crm, "acme", None, one.clone()).await,
        Ok(true)
    );
    assert_eq!(
        store.put_tenant_key(&crm, "acme", None, two.clone()).await,
        Ok(false)
    );
    assert_eq!(store.tenant_key(&crm, "acme").await, Ok(Some(one.clone())));
    assert_eq!(store.tenant_key(&other, "acme").await, Ok(None));
    assert_eq!(store.tenant_key(&crm, "").await, Ok(None));
    assert_eq!(
        store
            .put_tenant_key(&crm, "acme", Some(&one), two.clone())
            .await,
        Ok(true)
    );
    assert_eq!(store.tenant_key(&crm, "acme").await, Ok(Some(two.clone())));

    let bytes = store.held().await.expect("a count").bytes;
    for number in 0..1000 {
        let tenant = format!("tenant {number}");
        assert_eq!(
            store
                .put_tenant_key(&other, &tenant, None, one.clone())
                .await,
            Ok(true)
        );
    }
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = store.tenant_keys(after).await.expect("a page");
        found.extend(page.keys);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    found.sort_by(|a, b| (&a.namespace, &a.tenant).cmp(&(&b.namespace, &b.tenant)));
    found.dedup();
    assert_eq!(found.len(), 1001);
    let first = (&found[0].namespace, &*found[0].tenant, &found[0].wrapped);
    assert_eq!(first, (&crm, "acme", &two));

    for number in 0..1000 {
        let tenant = format!("tenant {number}");
        assert_eq!(store.destroy_tenant_key(&other, &tenant).await, Ok(true));
    }
    assert_eq!(store.held().await.expect("a count").bytes, bytes);
    assert_eq!(store.destroy_tenant_key(&crm, "acme").await, Ok(true));
    assert_eq!(store.destroy_tenant_key(&crm, "acme").await, Ok(false));
    assert_eq!(store.tenant_key(&crm, "acme").await, Ok(None));
    assert_eq!(
        store
            .put_tenant_key(&crm, "acme", Some(&two), one.clone())
            .await,
        Ok(false)
    );
    assert_eq!(
        store.put_tenant_key(&crm, "acme", None, one).await,
        Ok(true)
    );
}
