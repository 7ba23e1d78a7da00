//! Ending sessions: by their owner, or by an invalidation.

use super::{Moment, OwnerRecord};
use crate::session::event::Event;
use crate::session::marks::Reach;
use crate::session::names::{RecordId, SessionId};
use crate::session::record::Kept;
use crate::session::refusal::{EndReason, InvalidationReason};
use crate::session::time::Time;

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
            self.end_live(id, moment.end(reason), events);
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
        let reach = self.reach_all_made(invalidation.reach, moment);
        let meant: Vec<SessionId> = self
            .alive(moment)
            .filter(|(id, record)| {
                self.is_meant(id, &record.kept, &invalidation.target)
                    && Some(record.kept.record_id) != spared
                    && reach.covers(&record.kept, moment.now)
            })
            .map(|(id, _)| id.clone())
            .collect();
        if invalidation.dry_run {
            return meant.len();
        }
        if matches!(invalidation.target, Target::All) {
            let rest = self.rest_mut();
            let first = rest.mark.is_none();
            rest.mark.get_or_insert_default().raise(
                reach,
                spared.as_slice(),
                (invalidation.reason, moment.by),
                moment.now,
            );
            if first {
                self.bytes += size_of::<super::Mark>();
            }
        }
        for id in &meant {
            let reason = EndReason::Invalidated(invalidation.reason);
            self.end_live(id, moment.end(reason), events);
        }
        meant.len()
    }

    /// The record that bears an id, or bore it before a rotation.
    pub fn spared(&self, id: Option<&SessionId>) -> Option<RecordId> {
        let id = id?;
        let live = self.live.get(id).map(|record| record.kept.record_id);
        live.or_else(|| self.tombstone(id).map(|tombstone| tombstone.record_id))
    }

    /// Sessions made behind a mark of this very millisecond are dated later, but they were made before an
    /// invalidation that comes now.
    fn reach_all_made(&self, reach: Reach, moment: &Moment<'_>) -> Reach {
        match reach {
            Reach::Made(until) if until >= moment.now => {
                let made = self.live.iter().map(|(_, record)| record.kept.created_at);
                Reach::Made(made.fold(until, Time::max))
            }
            reach => reach,
        }
    }

    fn is_meant(&self, id: &SessionId, kept: &Kept, target: &Target) -> bool {
        match target {
            Target::All => true,
            Target::ProviderSession(provider_session_id) => {
                kept.provider_session_id().map(|login| &**login) == Some(provider_session_id)
            }
            Target::Id(wanted) => {
                id == wanted
                    || self
                        .tombstone(wanted)
                        .is_some_and(|tombstone| tombstone.record_id == kept.record_id)
            }
        }
    }
}
