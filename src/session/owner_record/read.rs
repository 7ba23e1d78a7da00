//! Reading and touching.

use super::{Moment, OwnerRecord, shown};
use crate::session::names::SessionId;
use crate::session::record::Session;
use crate::session::refusal::Refusal;

/// A read.
#[derive(Clone, Debug)]
pub struct Read {
    /// Whether it counts as a use.
    pub slide: bool,
    /// How much of the state to answer with.
    pub show: Shown,
}

/// How much of the state an answer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// All of it.
    All,
    /// Only these keys.
    Keys(Vec<Box<str>>),
    /// Nothing.
    Nothing,
}

impl OwnerRecord {
    /// Reads a session; unless it peeks, the idle deadline slides.
    pub fn read(
        &mut self,
        moment: &Moment<'_>,
        id: &SessionId,
        read: &Read,
    ) -> Result<Session, Refusal> {
        self.find(id, moment)?;
        let record = self.live.get_mut(id).ok_or(Refusal::NotFound)?;
        if read.slide {
            record.kept.slide(moment.now, moment.by);
        }
        let state = match &read.show {
            Shown::All => Some(record.state.clone()),
            Shown::Keys(keys) => Some(record.state.only(keys)),
            Shown::Nothing => None,
        };
        Ok(shown(id, record, state))
    }
}
