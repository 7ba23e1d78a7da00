//! All that one owner has in one namespace, and the operations on it.
//!
//! A store keeps one of these per owner, and runs each operation on it as one atomic step: under a lock,
//! in a transaction, or (restated in Lua) inside the database. An operation is told the time and all else
//! that it needs to know; it validates everything and then writes, so that a refused one has changed
//! nothing. What it did it tells as events.

mod claim;
mod create;
mod credentials;
mod end;
mod inspect;
mod list;
mod live;
mod read;
mod replay;
mod rotate;
mod settle;
mod update;

pub use claim::{Claim, Claimed};
pub use create::{Create, Created, OnExisting};
pub use credentials::{AbandonRefresh, BeginRefresh, Begun, Credential, Looked, PutCredential};
pub use end::{Invalidation, Target};
pub use inspect::plain_len;
pub use list::{Page, PageStart};
pub use read::{Read, Shown};
pub use rotate::{Rotate, Rotated};
pub use update::{Update, Updated};

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use self::live::Live;
use self::replay::Remembered;
use super::event::{Change, Event, What};
use super::limits::Limits;
use super::marks::Mark;
use super::names::{CallerTag, Owner, RecordId, RequestId, SessionId};
use super::record::{End, Kept, Record, Session, Tombstone};
use super::refusal::{EndReason, Refusal};
use super::request::Rpc;
use super::state::State;
use super::time::Time;

/// All that an operation needs to know beside the record.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// The time.
    pub now: Time,
    /// Who calls.
    pub by: CallerTag,
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
    live: Live,
    /// What most owners have nothing of, at most times.
    rest: Option<Box<Rest>>,
    bytes: usize,
}

/// What an owner may have beside sessions.
#[derive(Clone, Debug, Default)]
struct Rest {
    ended: HashMap<SessionId, Tombstone>,
    conversations: HashMap<Arc<str>, SessionId>,
    requests: HashMap<(Rpc, RequestId), Remembered>,
    claims: HashMap<Box<str>, Time>,
    mark: Option<Box<Mark>>,
}

impl Rest {
    fn is_empty(&self) -> bool {
        self.ended.is_empty()
            && self.conversations.is_empty()
            && self.requests.is_empty()
            && self.claims.is_empty()
            && self.mark.is_none()
    }
}

impl Moment<'_> {
    /// What the caller ends now.
    fn end(&self, reason: EndReason) -> End {
        End {
            at: self.now,
            reason,
            by: self.by,
        }
    }
}

impl OwnerRecord {
    /// An owner who has nothing yet.
    pub fn new(owner: Owner) -> OwnerRecord {
        OwnerRecord {
            owner,
            live: Live::default(),
            rest: None,
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

    /// Asks memory for what most operations on it will look at, in one go.
    pub fn fetch(&self) {
        self.live.fetch();
    }

    /// How many sessions have not been ended yet, dead or alive.
    pub fn unended(&self) -> usize {
        self.live.len()
    }

    /// Whether nothing is left that anybody could ask for.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
            && self.live.ended().is_none()
            && self.rest.as_ref().is_none_or(|rest| rest.is_empty())
    }

    /// The sessions that are alive.
    pub fn alive(&self, moment: &Moment<'_>) -> impl Iterator<Item = (&SessionId, &Record)> {
        self.live
            .iter()
            .filter(|(_, record)| self.end_of(&record.kept, moment).is_none())
    }

    /// Whether the owner has, or lately had, a session with this id.
    pub fn knows(&self, id: &SessionId, moment: &Moment<'_>) -> bool {
        self.check_free(id, moment).is_err()
    }

    /// Whether a session that has not been ended comes from this login.
    pub fn has_login(&self, provider_session_id: &str) -> bool {
        self.live.iter().any(|(_, record)| {
            record.kept.provider_session_id().map(|login| &**login) == Some(provider_session_id)
        })
    }

    /// How a session ended, or `None` while it is alive.
    fn end_of(&self, kept: &Kept, moment: &Moment<'_>) -> Option<End> {
        kept.end(moment.now, self.marks_in_force(moment))
    }

    /// All marks that concern this owner.
    fn marks<'a>(&'a self, moment: &Moment<'a>) -> impl Iterator<Item = &'a Mark> {
        let own = self.rest.as_ref().and_then(|rest| rest.mark.as_deref());
        own.into_iter().chain(moment.marks)
    }

    /// The marks whose time is not over: whether a sweep has dropped the others makes no difference.
    fn marks_in_force<'a>(&'a self, moment: &Moment<'a>) -> impl Iterator<Item = &'a Mark> {
        let (longest, now) = (moment.limits.max_lifetime_max, moment.now);
        self.marks(moment)
            .filter(move |mark| !mark.is_spent(longest, now))
    }

    fn tombstone(&self, id: &SessionId) -> Option<&Tombstone> {
        match self.live.ended() {
            Some((ended, tombstone)) if ended == id => Some(tombstone),
            _ => self.rest.as_ref()?.ended.get(id),
        }
    }

    fn rest_mut(&mut self) -> &mut Rest {
        self.rest.get_or_insert_with(|| {
            self.bytes += size_of::<Rest>();
            Box::default()
        })
    }

    /// A live session, or why there is none, as its owner may know it.
    fn find(&self, id: &SessionId, moment: &Moment<'_>) -> Result<&Record, Refusal> {
        let end = match self.live.get(id) {
            Some(record) => match self.end_of(&record.kept, moment) {
                None => return Ok(record),
                Some(end) => end,
            },
            None => match self.tombstone(id) {
                Some(tombstone) => tombstone.end,
                None => return Err(Refusal::NotFound),
            },
        };
        if moment.now < end.at.after(moment.limits.tombstone_ttl) {
            Err(Refusal::Ended(end.reason))
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
        let id = self.rest.as_ref()?.conversations.get(conversation?)?;
        let record = self.find(id, moment).ok()?;
        Some((id.clone(), record))
    }

    /// Refuses an id that is taken: live, or known from before.
    fn check_free(&self, id: &SessionId, moment: &Moment<'_>) -> Result<(), Refusal> {
        match self.find(id, moment) {
            Err(Refusal::NotFound) if !self.leads_to_live(id, moment) => Ok(()),
            _ => Err(Refusal::SessionExists),
        }
    }

    /// Whether an ended id was rotated into a session that is alive.
    fn leads_to_live(&self, id: &SessionId, moment: &Moment<'_>) -> bool {
        self.tombstone(id).is_some_and(|tombstone| {
            self.alive(moment)
                .any(|(_, record)| record.kept.record_id == tombstone.record_id)
        })
    }

    /// The records that have not been ended. For asking often.
    fn unended_records(&self) -> HashSet<RecordId> {
        self.live
            .iter()
            .map(|(_, record)| record.kept.record_id)
            .collect()
    }

    /// Refuses a login that is older than a mark.
    fn check_login(
        &self,
        authenticated_at: Option<Time>,
        moment: &Moment<'_>,
    ) -> Result<(), Refusal> {
        match authenticated_at {
            Some(at)
                if self
                    .marks_in_force(moment)
                    .any(|mark| mark.covers_login(at)) =>
            {
                Err(Refusal::AuthenticationRevoked)
            }
            _ => Ok(()),
        }
    }

    fn insert_live(&mut self, id: SessionId, record: Record) {
        self.bytes += entry_bytes(&id) + record.len_bytes();
        if let Some(conversation) = record.kept.conversation() {
            let known = self
                .rest_mut()
                .conversations
                .insert(Arc::clone(conversation), id.clone());
            if known.is_none() {
                self.bytes += conversation_bytes(conversation);
            }
        }
        if let Some((ended, tombstone)) = self.live.unbury() {
            self.rest_mut().ended.insert(ended, tombstone);
        }
        self.live.insert(id, record);
    }

    fn remove_live(&mut self, id: &SessionId) -> Option<Record> {
        let record = self.live.remove(id)?;
        self.bytes -= entry_bytes(id) + record.len_bytes();
        if let (Some(conversation), Some(rest)) = (record.kept.conversation(), &mut self.rest)
            && rest.conversations.get(conversation) == Some(id)
        {
            rest.conversations.remove(conversation);
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
    fn end_live(&mut self, id: &SessionId, end: End, events: &mut Vec<Event>) {
        let Some(record) = self.remove_live(id) else {
            return;
        };
        self.bury(id.clone(), end, &record.kept);
        events.push(self.event(end.at, id, &record.kept, Change::Ended(end.reason)));
    }

    fn bury(&mut self, id: SessionId, end: End, kept: &Kept) {
        self.bytes += tombstone_bytes(&id);
        let tombstone = Tombstone {
            end,
            record_id: kept.record_id,
            life: kept.life(),
        };
        if let Some((id, tombstone)) = self.live.bury(id, tombstone) {
            self.rest_mut().ended.insert(id, tombstone);
        }
    }

    fn unbury(&mut self, id: &SessionId) {
        let lies_in_place = self.live.ended().is_some_and(|(ended, _)| ended == id);
        let known = if lies_in_place {
            self.live.unbury().is_some()
        } else {
            let rest = self.rest.as_mut();
            rest.is_some_and(|rest| rest.ended.remove(id).is_some())
        };
        if known {
            self.bytes -= tombstone_bytes(id);
        }
    }

    fn event(&self, at: Time, id: &SessionId, kept: &Kept, change: Change) -> Event {
        Event {
            at,
            what: What::Session {
                owner: self.owner.clone(),
                id: id.clone(),
                record_id: kept.record_id,
                conversation: kept.conversation().cloned(),
                provider_session_id: kept.provider_session_id().cloned(),
                revision: kept.revision,
                change,
            },
        }
    }
}

/// A session as an answer shows it.
fn shown(id: &SessionId, record: &Record, state: Option<State>) -> Session {
    Session {
        id: id.clone(),
        meta: record.kept.meta(),
        state,
        credential_names: record.kept.credential_names(),
    }
}

fn entry_bytes(id: &SessionId) -> usize {
    size_of::<(SessionId, Box<Record>)>() + id.len_bytes()
}

fn tombstone_bytes(id: &SessionId) -> usize {
    size_of::<(SessionId, Tombstone)>() + id.len_bytes()
}

fn conversation_bytes(conversation: &str) -> usize {
    size_of::<(Arc<str>, SessionId)>() + conversation.len()
}
