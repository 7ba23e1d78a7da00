//! Telling a violation from a miss: on the inside, long after the answer has gone out.
//!
//! What a call was denied is put aside and looked into now and then, by another thread. Looked into at once, on
//! the thread that answers, a session that somebody else has made the answer measurably later: Welch's t was 20
//! over 3,000 calls of each kind.

use std::panic::AssertUnwindSafe;

use futures::{FutureExt as _, StreamExt as _, stream};
use tokio::sync::{Mutex, mpsc};

use super::{Call, Sessions};
use crate::events::Deed;
use crate::session::names::SessionId;
use crate::store::Place;
use crate::telemetry::{self, call::InCall};

/// A session that was not there for its caller.
struct Miss {
    call: Call,
    served: Option<InCall>,
    place: Place,
    id: SessionId,
}

/// What is to be looked into.
pub(super) struct Misses {
    add: mpsc::Sender<Miss>,
    take: Mutex<mpsc::Receiver<Miss>>,
}

impl Misses {
    /// How many wait at most. Looking costs the store; none is owed.
    const WAITING: usize = 1024;
    /// How many are looked into at once.
    const AT_ONCE: usize = 4;

    pub(super) fn new() -> Misses {
        let (add, take) = mpsc::channel(Self::WAITING);
        Misses {
            add,
            take: Mutex::new(take),
        }
    }
}

impl Sessions {
    /// Has it looked into whether a session that was not there for its caller belongs to somebody else.
    pub(super) fn look_for_violation(&self, call: &Call, place: &Place, id: &SessionId) {
        let miss = Miss {
            call: call.clone(),
            served: telemetry::call::now(),
            place: place.clone(),
            id: id.clone(),
        };
        if self.misses.add.try_send(miss).is_err() {
            self.metrics.ownership_unchecked.one(());
        }
    }

    /// Looks into all that has come up.
    pub async fn look_into_misses(&self) {
        let mut take = self.misses.take.lock().await;
        let waiting: Vec<Miss> = std::iter::from_fn(|| take.try_recv().ok()).collect();
        stream::iter(waiting)
            .for_each_concurrent(Misses::AT_ONCE, async |miss| {
                // A panic of the store costs one answer.
                let look = telemetry::call::resumed(miss.served.clone(), self.look_into(&miss));
                let looked = AssertUnwindSafe(look).catch_unwind();
                if looked.await.is_err() {
                    self.metrics.ownership_unchecked.one(());
                }
            })
            .await;
    }

    async fn look_into(&self, miss: &Miss) {
        let Miss {
            call, place, id, ..
        } = miss;
        let bearers = self.store.bearers(&place.namespace, id).await;
        let foreign = bearers.is_ok_and(|owners| {
            !owners.is_empty() && owners.iter().all(|owner| *owner != place.owner)
        });
        if foreign {
            self.tell(call, place, id, Deed::OwnershipViolation);
            let namespace = self.metrics.namespace(&place.namespace.name);
            self.metrics.ownership_violations.one((namespace,));
        }
    }
}
