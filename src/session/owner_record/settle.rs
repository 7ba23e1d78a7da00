//! What a sweep does for one owner: turns dead sessions into events and gives space back.

use super::{Moment, OwnerRecord, tombstone_bytes};
use crate::session::event::Event;
use crate::session::names::SessionId;
use crate::session::time::Time;

impl OwnerRecord {
    /// Ends what is dead, forgets what is over.
    pub fn settle(&mut self, moment: &Moment<'_>, events: &mut Vec<Event>) {
        let mut dead: Vec<_> = self
            .live
            .iter()
            .filter_map(|(id, record)| {
                let (reason, at) = self.end_of(&record.meta, moment)?;
                Some((at, id.clone(), reason))
            })
            .collect();
        dead.sort_unstable();
        for (at, id, reason) in dead {
            self.end_live(&id, reason, at, events);
        }
        self.drop_old_tombstones(moment);
        self.drop_old_claims(moment.now);
        let bytes = &mut self.bytes;
        self.requests.retain(|_, remembered| {
            let kept = moment.now < remembered.until;
            if !kept {
                *bytes -= remembered.len_bytes();
            }
            kept
        });
        if let Some(mark) = &self.mark
            && mark.is_spent(moment.limits.max_lifetime_max, moment.now)
        {
            self.mark = None;
            self.bytes -= size_of::<super::Mark>();
        }
    }

    /// A tombstone stays for its time; that of a rotated id as long as the session lives on, so that
    /// whoever invalidates the old id ends the session.
    fn drop_old_tombstones(&mut self, moment: &Moment<'_>) {
        let over: Vec<SessionId> = self
            .ended
            .iter()
            .filter(|(_, tombstone)| {
                moment.now >= tombstone.ended_at.after(moment.limits.tombstone_ttl)
                    && self.id_of(tombstone.record_id).is_none()
            })
            .map(|(id, _)| id.clone())
            .collect();
        for id in over {
            self.ended.remove(&id);
            self.bytes -= tombstone_bytes(&id);
        }
    }

    /// When there is something to settle next, if nothing is used in between.
    pub fn next_due(&self, moment: &Moment<'_>) -> Option<Time> {
        let limits = moment.limits;
        let deadlines = self
            .live
            .values()
            .map(|record| record.meta.idle_expires_at());
        let tombstones = self
            .ended
            .values()
            .map(|tombstone| tombstone.ended_at.after(limits.tombstone_ttl));
        let requests = self.requests.values().map(|remembered| remembered.until);
        let marks = self
            .mark
            .iter()
            .map(|mark| mark.set_at().after(limits.max_lifetime_max));
        deadlines
            .chain(tombstones)
            .chain(requests)
            .chain(self.claims.values().copied())
            .chain(marks)
            .min()
    }
}
