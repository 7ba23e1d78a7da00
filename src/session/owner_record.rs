//! All that one owner has in one namespace, and the operations on it.
//!
//! A store keeps one of these per owner, and runs each operation on it as one atomic step: under a lock,
//! in a transaction, or (restated in Lua) inside the database. An operation is told the time and all else
//! that it needs to know; it validates everything and then writes, so that a refused one has changed
//! nothing. What it did it tells as events.

mod claim;
mod create;
mod end;
mod list;
mod read;
mod replay;
mod rotate;
mod settle;
mod update;

pub use claim::{Claim, Claimed};
pub use create::{Create, Created, OnExisting};
pub use end::{Invalidation, Target};
pub use list::{Page, PageStart};
pub use read::{Read, Shown};
pub use rotate::{Rotate, Rotated};
pub use update::{Update, Updated};

use std::sync::Arc;

use hashbrown::HashMap;

use self::replay::Remembered;
use super::event::{Change, Event, What};
use super::limits::Limits;
use super::marks::Mark;
use super::names::{Owner, RecordId, RequestId, SessionId};
use super::record::{Meta, Record, Session, Tombstone};
use super::refusal::{EndReason, Refusal};
use super::request::Rpc;
use super::state::State;
use super::time::Time;

/// All that an operation needs to know beside the record.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// The time.
    pub now: Time,
    /// What the namespace allows.
    pub limits: &'a Limits,
    /// The wide marks that concern the owner.
    pub marks: &'a [Mark],
    /// How much others have, for the limits that reach beyond one owner.
    pub usage: Usage,
}

/// Live sessions, for the limits that reach beyond one owner.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Of the owner's tenant.
    pub tenant: usize,
    /// Of all anonymous owners in the namespace.
    pub anonymous: usize,
}

/// All that one owner has in one namespace. (The anonymous owner has one for each place; see
/// [`SessionId::place`].)
#[derive(Clone, Debug)]
pub struct OwnerRecord {
    owner: Owner,
    live: HashMap<SessionId, Box<Record>>,
    ended: HashMap<SessionId, Tombstone>,
    conversations: HashMap<Arc<str>, SessionId>,
    requests: HashMap<(Rpc, RequestId), Remembered>,
    claims: HashMap<Box<str>, Time>,
    mark: Option<Box<Mark>>,
    bytes: usize,
}

impl OwnerRecord {
    /// An owner who has nothing yet.
    pub fn new(owner: Owner) -> OwnerRecord {
        OwnerRecord {
            owner,
            live: HashMap::new(),
            ended: HashMap::new(),
            conversations: HashMap::new(),
            requests: HashMap::new(),
            claims: HashMap::new(),
            mark: None,
            bytes: 0,
        }
    }

    /// Whose record it is.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// About how many bytes it takes.
    pub fn len_bytes(&self) -> usize {
        self.bytes
    }

    /// How many sessions have not been ended yet, dead or alive.
    pub fn unended(&self) -> usize {
        self.live.len()
    }

    /// Whether nothing is left that anybody could ask for.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
            && self.ended.is_empty()
            && self.requests.is_empty()
            && self.claims.is_empty()
            && self.mark.is_none()
    }

    /// The sessions that are alive.
    pub fn alive(&self, moment: &Moment<'_>) -> impl Iterator<Item = (&SessionId, &Record)> {
        self.live
            .iter()
            .filter(|(_, record)| self.end_of(&record.meta, moment).is_none())
            .map(|(id, record)| (id, &**record))
    }

    /// Whether the owner has, or lately had, a session with this id.
    pub fn knows(&self, id: &SessionId) -> bool {
        self.live.contains_key(id) || self.ended.contains_key(id)
    }

    /// Why and when a session ended, or `None` while it is alive.
    fn end_of(&self, meta: &Meta, moment: &Moment<'_>) -> Option<(EndReason, Time)> {
        meta.end(moment.now, self.marks(moment))
    }

    /// All marks that concern this owner.
    fn marks<'a>(&'a self, moment: &Moment<'a>) -> impl Iterator<Item = &'a Mark> {
        self.mark.as_deref().into_iter().chain(moment.marks)
    }

    /// A live session, or why there is none, as its owner may know it.
    fn find(&self, id: &SessionId, moment: &Moment<'_>) -> Result<&Record, Refusal> {
        let (reason, ended_at) = match self.live.get(id) {
            Some(record) => match self.end_of(&record.meta, moment) {
                None => return Ok(record),
                Some(end) => end,
            },
            None => match self.ended.get(id) {
                Some(tombstone) => (tombstone.reason, tombstone.ended_at),
                None => return Err(Refusal::NotFound),
            },
        };
        if moment.now < ended_at.after(moment.limits.tombstone_ttl) {
            Err(Refusal::Ended(reason))
        } else {
            Err(Refusal::NotFound)
        }
    }

    /// The live session of a conversation.
    fn in_conversation(
        &self,
        conversation: Option<&Arc<str>>,
        moment: &Moment<'_>,
    ) -> Option<(SessionId, &Record)> {
        let id = self.conversations.get(conversation?)?;
        let record = self.find(id, moment).ok()?;
        Some((id.clone(), record))
    }

    /// Refuses an id that is taken: live, or known from before.
    fn check_free(&self, id: &SessionId, moment: &Moment<'_>) -> Result<(), Refusal> {
        match self.find(id, moment) {
            Err(Refusal::NotFound) if !self.leads_to_live(id) => Ok(()),
            _ => Err(Refusal::SessionExists),
        }
    }

    /// Whether an ended id was rotated into a session that has not ended.
    fn leads_to_live(&self, id: &SessionId) -> bool {
        self.ended
            .get(id)
            .is_some_and(|tombstone| self.id_of(tombstone.record_id).is_some())
    }

    /// The id that a record bears now.
    fn id_of(&self, record_id: RecordId) -> Option<&SessionId> {
        self.live
            .iter()
            .find(|(_, record)| record.meta.record_id == record_id)
            .map(|(id, _)| id)
    }

    /// Refuses a login that is older than a mark.
    fn check_login(
        &self,
        authenticated_at: Option<Time>,
        moment: &Moment<'_>,
    ) -> Result<(), Refusal> {
        match authenticated_at {
            Some(at) if self.marks(moment).any(|mark| mark.covers_login(at)) => {
                Err(Refusal::AuthenticationRevoked)
            }
            _ => Ok(()),
        }
    }

    fn insert_live(&mut self, id: SessionId, record: Record) {
        self.bytes += entry_bytes(&id) + record.len_bytes();
        if let Some(conversation) = &record.meta.conversation {
            let known = self
                .conversations
                .insert(Arc::clone(conversation), id.clone());
            if known.is_none() {
                self.bytes += conversation_bytes(conversation);
            }
        }
        self.live.insert(id, Box::new(record));
    }

    fn remove_live(&mut self, id: &SessionId) -> Option<Record> {
        let record = *self.live.remove(id)?;
        self.bytes -= entry_bytes(id) + record.len_bytes();
        if let Some(conversation) = &record.meta.conversation
            && self.conversations.get(conversation) == Some(id)
        {
            self.conversations.remove(conversation);
            self.bytes -= conversation_bytes(conversation);
        }
        Some(record)
    }

    /// Changes a live session, keeping count of its size.
    fn change_live<T>(
        &mut self,
        id: &SessionId,
        change: impl FnOnce(&mut Record) -> T,
    ) -> Option<T> {
        let record = self.live.get_mut(id)?;
        let before = record.len_bytes();
        let answer = change(record);
        self.bytes = self.bytes - before + record.len_bytes();
        Some(answer)
    }

    /// Ends a session: its content goes, its tombstone stays.
    fn end_live(&mut self, id: &SessionId, reason: EndReason, at: Time, events: &mut Vec<Event>) {
        let Some(record) = self.remove_live(id) else {
            return;
        };
        self.bury(id.clone(), reason, at, record.meta.record_id);
        events.push(self.event(at, id, &record.meta, Change::Ended(reason)));
    }

    fn bury(&mut self, id: SessionId, reason: EndReason, ended_at: Time, record_id: RecordId) {
        self.bytes += tombstone_bytes(&id);
        let tombstone = Tombstone {
            reason,
            ended_at,
            record_id,
        };
        self.ended.insert(id, tombstone);
    }

    fn unbury(&mut self, id: &SessionId) {
        if self.ended.remove(id).is_some() {
            self.bytes -= tombstone_bytes(id);
        }
    }

    fn event(&self, at: Time, id: &SessionId, meta: &Meta, change: Change) -> Event {
        Event {
            at,
            what: What::Session {
                owner: self.owner.clone(),
                id: id.clone(),
                record_id: meta.record_id,
                conversation: meta.conversation.clone(),
                provider_session_id: meta.provider_session_id.clone(),
                revision: meta.revision,
                change,
            },
        }
    }
}

/// A session as an answer shows it.
fn shown(id: &SessionId, record: &Record, state: Option<State>) -> Session {
    Session {
        id: id.clone(),
        meta: record.meta.clone(),
        state,
    }
}

fn entry_bytes(id: &SessionId) -> usize {
    size_of::<(SessionId, Box<Record>)>() + id.as_str().len() + 16
}

fn tombstone_bytes(id: &SessionId) -> usize {
    size_of::<(SessionId, Tombstone)>() + id.as_str().len() + 16
}

fn conversation_bytes(conversation: &str) -> usize {
    size_of::<(Arc<str>, SessionId)>() + conversation.len()
}
