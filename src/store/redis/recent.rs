//! What was ended lately, to assert it again when a failover may have lost it.
//!
//! WAIT is best effort: a replica that had not acknowledged can still be promoted. Each instance keeps the
//! endings of the last minutes that went through it, with their original times.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use redis::Value;

use super::Shared;
use super::keys::Spot;
use super::link::Call;
use super::{pack, scripts};
use crate::session::names::{CallerTag, NamespaceName, SessionId};
use crate::session::record::End;
use crate::session::time::Time;
use crate::store::{Ended, Place};

/// What was ended lately.
#[derive(Default)]
pub(super) struct Recent(Mutex<VecDeque<(Instant, Ending)>>);

/// How something that was ended is asserted.
#[derive(Clone)]
enum Ending {
    /// By this call.
    Call(Call),
    /// By this one in every cell, each with its own keys and time.
    InAllCells(Arc<WideMark>),
}

/// A wide mark as it was raised: too much to keep a call for each cell.
pub(super) struct WideMark {
    pub(super) namespace: NamespaceName,
    pub(super) call: Call,
    /// When it was raised in which cell; `None`: it was not, or nobody knows.
    pub(super) raised_at: Vec<Option<Time>>,
}

impl Recent {
    const KEPT_FOR: Duration = Duration::from_mins(5);
    /// A few megabytes at most.
    const KEPT: usize = 4096;
    /// How many go out at once.
    const BATCH: usize = 256;

    fn keep(&self, ending: Ending) {
        let now = Instant::now();
        let mut kept = self.0.lock();
        kept.push_back((now, ending));
        while kept.len() > Self::KEPT
            || kept
                .front()
                .is_some_and(|(at, _)| now.duration_since(*at) > Self::KEPT_FOR)
        {
            kept.pop_front();
        }
    }

    fn all(&self) -> Vec<Ending> {
        let now = Instant::now();
        let kept = self.0.lock();
        let recent = kept
            .iter()
            .filter(|(at, _)| now.duration_since(*at) <= Self::KEPT_FOR);
        recent.map(|(_, ending)| ending.clone()).collect()
    }
}

impl Shared {
    /// Tells of what a script has ended: the list at `place_in_answer`.
    pub(super) fn tell_endings(&self, place: &Place, answer: &Value, place_in_answer: usize) {
        for (id, tombstone) in listed(answer, place_in_answer) {
            let Some((End { reason, at, .. }, _)) = pack::read_tombstone(tombstone) else {
                continue;
            };
            self.endings.tell(reason, || Ended {
                namespace: place.namespace.name.clone(),
                owner: place.owner.clone(),
                id,
                reason,
                at,
            });
        }
    }

    /// Keeps what a script has ended: the list at `place_in_answer`, of ids and packed tombstones. Sees to it
    /// that content goes whose key the script could not declare.
    pub(super) fn keep_endings(
        &self,
        place: &Place,
        spot: &Spot,
        answer: &Value,
        place_in_answer: usize,
    ) {
        let buried = buried_in(answer, place_in_answer);
        for Buried { id, tombstone } in &buried {
            let call = self
                .call_on_record(&scripts::ASSERT, place, spot)
                .key(spot.content(id))
                .key(spot.credentials(id))
                .arg(pack::id(id))
                .arg(*tombstone);
            self.recent.keep(Ending::Call(call));
        }
        if !buried.is_empty() {
            let limits = &place.namespace.limits;
            let now = self.now();
            let fleet = self.fleets.of(&place.namespace);
            fleet.due_at(spot.cell, now.after(limits.tombstone_ttl));
        }
    }

    /// Removes the content of sessions that a script has ended without being able to declare their keys: as the
    /// sweep would, if this instance should go down now.
    pub(super) async fn wipe(
        &self,
        place: &Place,
        spot: &Spot,
        answer: &Value,
        place_in_answer: usize,
    ) {
        let buried = buried_in(answer, place_in_answer);
        let ids: Vec<_> = buried.iter().map(|buried| pack::id(&buried.id)).collect();
        let call = self.settle_call(place, spot, &ids);
        if !ids.is_empty() && self.link.call(&call).await.is_err() {
            tracing::debug!("content of ended sessions is left to the sweep");
        }
    }

    pub(super) fn keep_claim(&self, call: &Call) {
        let mut call = call.clone();
        // Asserted without the request: it is about the claim itself.
        call.keys.truncate(2);
        if let Some(fingerprint) = call.args.get_mut(5) {
            fingerprint.clear();
        }
        self.recent.keep(Ending::Call(call));
    }

    /// Keeps a call that ends an owner's sessions, with the time at which it did.
    pub(super) fn keep_revocation(&self, call: Call) {
        self.recent.keep(Ending::Call(call));
    }

    pub(super) fn keep_wide_mark(&self, mark: WideMark) {
        self.recent.keep(Ending::InAllCells(Arc::new(mark)));
    }

    async fn assert_again(&self) {
        let endings = self.recent.all();
        if endings.is_empty() {
            return;
        }
        tracing::info!(
            endings = endings.len(),
            "asserting recent endings after a failover"
        );
        let [time, by_hand] = self.clock_args(CallerTag::NOBODY);
        let calls = endings.into_iter().flat_map(|ending| match ending {
            Ending::Call(call) => vec![call],
            Ending::InAllCells(mark) => self.raise_calls(&mark),
        });
        let mut calls = calls.peekable();
        while calls.peek().is_some() {
            let mut batch: Vec<Call> = calls.by_ref().take(Recent::BATCH).collect();
            for call in &mut batch {
                // Who had asked for it stands behind the time.
                call.args[0].splice(..8, time[..8].iter().copied());
                call.args[1].clone_from(&by_hand);
            }
            let answers = self.link.call_many(&batch).await;
            let failed = answers.iter().filter(|answer| answer.is_err()).count();
            if failed > 0 {
                tracing::warn!(failed, "some recent endings could not be asserted");
            }
        }
    }
}

/// A session that a script has ended, whose id stands for nothing else.
struct Buried<'a> {
    id: SessionId,
    tombstone: &'a [u8],
}

fn buried_in(answer: &Value, place_in_answer: usize) -> Vec<Buried<'_>> {
    let listed = listed(answer, place_in_answer);
    let buried = listed.filter(|(_, tombstone)| tombstone.len() == pack::TOMBSTONE_LEN);
    buried
        .map(|(id, tombstone)| Buried { id, tombstone })
        .collect()
}

/// Ids and packed tombstones, as a script lists what it has ended.
fn listed(answer: &Value, place_in_answer: usize) -> impl Iterator<Item = (SessionId, &[u8])> {
    let list = match answer {
        Value::Array(values) => match values.get(place_in_answer) {
            Some(Value::Array(list)) => list.as_slice(),
            _ => &[],
        },
        _ => &[],
    };
    let (pairs, _) = list.as_chunks::<2>();
    pairs.iter().filter_map(|pair| match pair {
        [Value::BulkString(id), Value::BulkString(tombstone)] => {
            Some((pack::read_id(id)?, tombstone.as_slice()))
        }
        _ => None,
    })
}

/// Asserts recent endings whenever the link sees a failover, for as long as the store is there.
pub(super) fn watch_failovers(shared: &Arc<Shared>) {
    let mut failovers = shared.link.failovers();
    let shared: Weak<Shared> = Arc::downgrade(shared);
    tokio::spawn(async move {
        while failovers.changed().await.is_ok() {
            let Some(shared) = shared.upgrade() else {
                return;
            };
            shared.assert_again().await;
        }
    });
}
