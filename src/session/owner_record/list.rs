//! An owner's own sessions, page by page.

use super::{Moment, OwnerRecord, shown};
use crate::session::names::SessionId;
use crate::session::record::Session;
use crate::session::time::Time;

/// A page to read.
#[derive(Clone, Debug)]
pub struct Page {
    /// At most so many.
    pub size: usize,
    /// What the page before ended with.
    pub after: Option<PageStart>,
    /// With state.
    pub include_state: bool,
}

/// The last session of a page: the next one starts behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageStart {
    /// When it was made.
    pub created_at: Time,
    /// Its id, for those of the same millisecond.
    pub id: SessionId,
}

impl OwnerRecord {
    /// The live sessions, newest first, and whether more follow.
    pub fn list(&self, moment: &Moment<'_>, page: &Page) -> (Vec<Session>, bool) {
        let mut found: Vec<_> = self
            .alive(moment)
            .filter(|(id, record)| {
                page.after
                    .as_ref()
                    .is_none_or(|last| (record.kept.created_at, *id) < (last.created_at, &last.id))
            })
            .collect();
        found.sort_unstable_by(|(a_id, a), (b_id, b)| {
            (b.kept.created_at, *b_id).cmp(&(a.kept.created_at, *a_id))
        });
        let more = found.len() > page.size;
        found.truncate(page.size);
        let sessions = found
            .into_iter()
            .map(|(id, record)| {
                let state = page.include_state.then(|| record.state.clone());
                shown(id, record, state)
            })
            .collect();
        (sessions, more)
    }
}
