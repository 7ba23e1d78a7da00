//! Telling a violation from a miss: on the inside, after the answer has gone out.

use std::sync::Arc;

use super::{Call, Sessions};
use crate::events::Deed;
use crate::session::names::SessionId;
use crate::store::Place;
use crate::telemetry::call;

impl Sessions {
    /// Looks whether a session that was not there for its caller belongs to somebody else. The answer must not
    /// take longer for that.
    pub(super) fn look_for_violation(&self, call: &Call, place: &Place, id: &SessionId) {
        let Ok(permit) = Arc::clone(&self.violation_checks).try_acquire_owned() else {
            self.metrics.ownership_unchecked.one(());
            return;
        };
        let (store, events) = (Arc::clone(&self.store), Arc::clone(&self.events));
        let metrics = Arc::clone(&self.metrics);
        let (call, place, id) = (call.clone(), place.clone(), id.clone());
        tokio::spawn(call::carried(async move {
            let bearers = store.bearers(&place.namespace, &id).await;
            let foreign = bearers.is_ok_and(|owners| {
                !owners.is_empty() && owners.iter().all(|owner| *owner != place.owner)
            });
            if foreign {
                let violation = Deed::OwnershipViolation;
                events.tell(&call, &place.namespace, Some(&id), violation);
                let namespace = metrics.namespace(&place.namespace.name);
                metrics.ownership_violations.one((namespace,));
            }
            drop(permit);
        }));
    }
}
