//! What a sweep does for one owner: turns dead sessions into events and gives space back.

use super::{Moment, OwnerRecord, tombstone_bytes};
use crate::session::event::Event;
use crate::session::names::SessionId;
use crate::session::record::Tombstone;
use crate::session::time::Time;

impl OwnerRecord {
    /// Ends what is dead and forgets what is over. Answers the ids that it has forgotten.
    pub fn settle(&mut self, moment: &Moment<'_>, events: &mut Vec<Event>) -> Vec<SessionId> {
        let mut dead: Vec<_> = self
            .live
            .iter()
            .filter_map(|(id, record)| {
                let end = self.end_of(&record.kept, moment)?;
                Some((end.at, id.clone(), end))
            })
            .collect();
        dead.sort_unstable();
        for (_, id, end) in dead {
            self.end_live(&id, end, events);
        }
        let forgotten = self.drop_old_tombstones(moment);
        self.drop_old_claims(moment.now);
        if let Some(rest) = &mut self.rest {
            let bytes = &mut self.bytes;
            rest.requests.retain(|_, remembered| {
                let kept = moment.now < remembered.until;
                if !kept {
                    *bytes -= remembered.len_bytes();
                }
                kept
            });
            if let Some(mark) = &rest.mark
                && mark.is_spent(moment.limits.max_lifetime_max, moment.now)
            {
                rest.mark = None;
                *bytes -= size_of::<super::Mark>();
            }
            if rest.is_empty() {
                self.rest = None;
                self.bytes -= size_of::<super::Rest>();
            }
        }
        forgotten
    }

    /// A tombstone stays for its time; that of a rotated id as long as the session lives on, so that
    /// whoever invalidates the old id ends the session.
    fn drop_old_tombstones(&mut self, moment: &Moment<'_>) -> Vec<SessionId> {
        let unended = self.unended_records();
        let is_over = |tombstone: &Tombstone| {
            moment.now >= tombstone.end.at.after(moment.limits.tombstone_ttl)
                && !unended.contains(&tombstone.record_id)
        };
        let mut forgotten = Vec::new();
        if self.live.ended().is_some_and(|(_, only)| is_over(only)) {
            forgotten.extend(self.live.unbury().map(|(id, _)| id));
        }
        if let Some(rest) = &mut self.rest {
            let over = rest.ended.extract_if(|_, tombstone| is_over(tombstone));
            forgotten.extend(over.map(|(id, _)| id));
        }
        self.bytes -= forgotten.iter().map(tombstone_bytes).sum::<usize>();
        forgotten
    }

    /// When there is something to settle next, if nothing is used in between.
    pub fn next_due(&self, moment: &Moment<'_>) -> Option<Time> {
        let limits = moment.limits;
        let deadlines = self
            .live
            .iter()
            .map(|(_, record)| record.kept.idle_expires_at());
        let only = self.live.ended();
        let deadlines =
            deadlines.chain(only.map(|(_, only)| only.end.at.after(limits.tombstone_ttl)));
        let Some(rest) = &self.rest else {
            return deadlines.min();
        };
        // The tombstone of a rotated id is not over before its session is, which is due itself.
        let unended = self.unended_records();
        let tombstones = rest
            .ended
            .values()
            .filter(|tombstone| !unended.contains(&tombstone.record_id))
            .map(|tombstone| tombstone.end.at.after(limits.tombstone_ttl));
        let requests = rest.requests.values().map(|remembered| remembered.until);
        let marks = rest
            .mark
            .iter()
            .map(|mark| mark.first_spent(limits.max_lifetime_max));
        deadlines
            .chain(tombstones)
            .chain(requests)
            .chain(rest.claims.values().copied())
            .chain(marks)
            .min()
    }
}
