//! What an admin may see of a session.

use super::{Moment, OwnerRecord, shown};
use crate::session::marks::{Mark, Subject};
use crate::session::names::SessionId;
use crate::session::state::{SEALED_VALUE, SEALED_VALUE_OVERHEAD, State};
use crate::session::story::{Inside, MarkSeen, Story};

impl OwnerRecord {
    /// The story of the session that bears this id or bore it, as far as it is known still. `wide` are the
    /// marks of the moment, with whom they are about.
    pub fn inspect(
        &self,
        moment: &Moment<'_>,
        id: &SessionId,
        wide: &[(Subject, Mark)],
    ) -> Option<Story> {
        let record = self.live.get(id);
        let tombstone = self.tombstone(id);
        let (life, end) = match (record, tombstone) {
            (Some(record), _) => (record.kept.life(), self.end_of(&record.kept, moment)),
            (None, Some(tombstone)) => (tombstone.life, Some(tombstone.end)),
            (None, None) => return None,
        };
        let mut successors = self.live.iter().filter(|(_, record)| {
            tombstone.is_some_and(|tombstone| tombstone.record_id == record.kept.record_id)
        });
        let own = self.rest.as_ref().and_then(|rest| rest.mark.as_deref());
        let own = own.into_iter().map(|mark| (None, mark));
        let wide = wide
            .iter()
            .map(|(subject, mark)| (Some(subject.clone()), mark));
        let longest = moment.limits.max_lifetime_max;
        let marks = own.chain(wide);
        let marks = marks.filter(|(_, mark)| !mark.is_spent(longest, moment.now));
        Some(Story {
            owner: self.owner.clone(),
            id: id.clone(),
            life,
            end,
            told_until: end.map(|end| end.at.after(moment.limits.tombstone_ttl)),
            kept: record.map(|record| Inside {
                session: shown(id, record, None),
                state: sizes(&record.state),
            }),
            lives_on_as: match record {
                Some(_) => None,
                None => successors.next().map(|(id, _)| id.clone()),
            },
            marks: marks
                .map(|(subject, mark)| MarkSeen {
                    subject,
                    end: mark.end(),
                    made_until: mark.made_until(),
                    authenticated_until: mark.authenticated_until(),
                    covers: record.is_some_and(|record| mark.covers(&record.kept)),
                })
                .collect(),
        })
    }
}

/// The keys of a state and the lengths of their values, of sealed ones what is in the seal.
fn sizes(state: &State) -> Vec<(Box<str>, usize)> {
    let entries = state.entries().into_iter();
    entries
        .map(|(key, value)| (key.into(), plain_len(value)))
        .collect()
}

/// The length of a value, of a sealed one what is in the seal.
pub fn plain_len(value: &[u8]) -> usize {
    match value.first() {
        Some(&SEALED_VALUE) => value.len().saturating_sub(SEALED_VALUE_OVERHEAD),
        _ => value.len(),
    }
}
