//! Steps with credentials. Few names, few versions and few leases, so that they meet.

use std::time::Duration;

use proptest::prelude::*;
use tenure::session::credentials::Sealed;
use tenure::session::names::{CredentialName, LeaseId, SessionId};
use tenure::session::owner_record::{
    AbandonRefresh, BeginRefresh, Begun, Looked, Moment, OwnerRecord, PutCredential,
};
use tenure::session::refusal::Refusal;
use tenure::store::{Answer, Place, Store};

/// An operation on a credential.
#[derive(Clone, Debug)]
pub(crate) enum SecretStep {
    Look(CredentialName),
    Put(PutCredential),
    Delete(CredentialName),
    Begin(BeginRefresh),
    Abandon(AbandonRefresh),
}

/// What it answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Looked(Looked),
    Version(u64),
    Whether(bool),
    Begun(Begun),
}

impl SecretStep {
    /// Does it in a store.
    pub(crate) async fn take(
        &self,
        store: &dyn Store,
        place: &Place,
        id: &SessionId,
    ) -> Answer<Told> {
        Ok(match self.clone() {
            SecretStep::Look(name) => Told::Looked(store.credential(place, id, &name).await?),
            SecretStep::Put(put) => Told::Version(store.put_credential(place, id, put).await?),
            SecretStep::Delete(name) => {
                Told::Whether(store.delete_credential(place, id, &name).await?)
            }
            SecretStep::Begin(begin) => Told::Begun(store.begin_refresh(place, id, begin).await?),
            SecretStep::Abandon(abandon) => {
                Told::Whether(store.abandon_refresh(place, id, abandon).await?)
            }
        })
    }

    /// Does it by the rules alone.
    pub(crate) fn rule(
        &self,
        record: &mut OwnerRecord,
        moment: &Moment<'_>,
        id: &SessionId,
    ) -> Result<Told, Refusal> {
        Ok(match self {
            SecretStep::Look(name) => Told::Looked(record.credential(moment, id, name)?),
            SecretStep::Put(put) => Told::Version(record.put_credential(moment, id, put)?),
            SecretStep::Delete(name) => Told::Whether(record.delete_credential(moment, id, name)?),
            SecretStep::Begin(begin) => Told::Begun(record.begin_refresh(moment, id, begin)?),
            SecretStep::Abandon(abandon) => {
                Told::Whether(record.abandon_refresh(moment, id, abandon)?)
            }
        })
    }
}

/// So many, as a session begins with them.
pub(crate) fn first(count: usize) -> Vec<(CredentialName, Sealed)> {
    // Not in their order.
    let names = ["b", "a", "c"].map(|text| CredentialName::new(text).expect("a good name"));
    let some = names.into_iter().take(count);
    some.map(|name| (name, Sealed::new(*b"first"))).collect()
}

fn name() -> impl Strategy<Value = CredentialName> {
    let names = prop_oneof![3 => Just("b"), 1 => Just("a"), 1 => Just("c")];
    names.prop_map(|text| CredentialName::new(text).expect("a good name"))
}

/// The first is one that nobody ever gets.
fn lease(first: u128) -> impl Strategy<Value = LeaseId> {
    (first..3).prop_map(|number| LeaseId(uuid::Uuid::from_u128(number)))
}

pub(crate) fn any_secret() -> impl Strategy<Value = SecretStep> {
    let put = (
        name(),
        1..4_u64,
        any::<[u8; 3]>(),
        proptest::option::weighted(0.5, lease(0)),
    );
    let begin = (name(), 0..4_u64, lease(1), 1..5_u64);
    prop_oneof![
        2 => name().prop_map(SecretStep::Look),
        4 => put.prop_map(|(name, version, sealed, lease)| {
            SecretStep::Put(PutCredential {
                name,
                version,
                sealed: Sealed::new(sealed),
                lease,
            })
        }),
        1 => name().prop_map(SecretStep::Delete),
        4 => begin.prop_map(|(name, stale_version, lease, seconds)| {
            SecretStep::Begin(BeginRefresh {
                name,
                stale_version,
                lease,
                ttl: Duration::from_secs(seconds),
            })
        }),
        1 => (name(), lease(0), any::<bool>()).prop_map(|(name, lease, uncertain)| {
            SecretStep::Abandon(AbandonRefresh { name, lease, uncertain })
        }),
    ]
}
