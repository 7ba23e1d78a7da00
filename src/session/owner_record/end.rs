//! Ending sessions: by their owner, or by an invalidation.

use super::{Moment, OwnerRecord};
use crate::session::event::Event;
use crate::session::marks::Reach;
use crate::session::names::{RecordId, SessionId};
use crate::session::record::Meta;
use crate::session::refusal::{EndReason, InvalidationReason};

/// What an invalidation ends of one owner's sessions.
#[derive(Clone, Debug)]
pub struct Invalidation {
    /// Which sessions.
    pub target: Target,
    /// Up to when.
    pub reach: Reach,
    /// A session to leave alone.
    pub except: Option<SessionId>,
    /// Why.
    pub reason: InvalidationReason,
    /// Only count.
    pub dry_run: bool,
}

/// Which sessions of an owner.
#[derive(Clone, Debug)]
pub enum Target {
    /// The one that bears this id, or bore it before a rotation.
    Id(SessionId),
    /// The one with this login.
    ProviderSession(Box<str>),
    /// All of them, and those that an old login would make.
    All,
}

impl OwnerRecord {
    /// The owner's own end. Whether there was a live session to end.
    pub fn end(
        &mut self,
        moment: &Moment<'_>,
        id: &SessionId,
        reason: EndReason,
        events: &mut Vec<Event>,
    ) -> bool {
        let alive = self.find(id, moment).is_ok();
        if alive {
            self.end_live(id, reason, moment.now, events);
        }
        alive
    }

    /// Ends what an invalidation covers; how many sessions that were.
    pub fn invalidate(
        &mut self,
        moment: &Moment<'_>,
        invalidation: &Invalidation,
        events: &mut Vec<Event>,
    ) -> usize {
        let spared = self.spared(invalidation.except.as_ref());
        let meant: Vec<SessionId> = self
            .alive(moment)
            .filter(|(id, record)| {
                self.is_meant(id, &record.meta, &invalidation.target)
                    && Some(record.meta.record_id) != spared
                    && is_reached(&record.meta, invalidation.reach, moment)
            })
            .map(|(id, _)| id.clone())
            .collect();
        if invalidation.dry_run {
            return meant.len();
        }
        if matches!(invalidation.target, Target::All) {
            let reach = invalidation.reach;
            let spared = spared.as_slice();
            if self.mark.is_none() {
                self.bytes += size_of::<super::Mark>();
            }
            self.mark
                .get_or_insert_default()
                .raise(reach, spared, invalidation.reason, moment.now);
        }
        for id in &meant {
            let reason = EndReason::Invalidated(invalidation.reason);
            self.end_live(id, reason, moment.now, events);
        }
        meant.len()
    }

    /// The record that bears an id, or bore it before a rotation.
    pub fn spared(&self, id: Option<&SessionId>) -> Option<RecordId> {
        let id = id?;
        let live = self.live.get(id).map(|record| record.meta.record_id);
        live.or_else(|| self.ended.get(id).map(|tombstone| tombstone.record_id))
    }

    fn is_meant(&self, id: &SessionId, meta: &Meta, target: &Target) -> bool {
        match target {
            Target::All => true,
            Target::ProviderSession(provider_session_id) => {
                meta.provider_session_id.as_deref() == Some(provider_session_id)
            }
            Target::Id(wanted) => {
                id == wanted
                    || self
                        .ended
                        .get(wanted)
                        .is_some_and(|tombstone| tombstone.record_id == meta.record_id)
            }
        }
    }
}

fn is_reached(meta: &Meta, reach: Reach, moment: &Moment<'_>) -> bool {
    match reach {
        Reach::Made(until) => meta.created_at <= until,
        Reach::Authenticated(until) => {
            meta.authenticated_at <= until.latest_meant().min(moment.now)
        }
    }
}
