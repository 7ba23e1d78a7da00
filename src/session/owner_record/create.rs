//! Making a session, or finding the live one of a conversation.

use std::sync::Arc;
use std::time::Duration;

use super::replay::{Outcome, Remembered};
use super::{Moment, OwnerRecord, conversation_bytes, entry_bytes, shown};
use crate::session::credentials::{Credentials, Sealed};
use crate::session::event::{Change, Event};
use crate::session::limits::{AtSessionLimit, LimitName};
use crate::session::names::{CredentialName, RecordId, SessionId};
use crate::session::record::{Extras, Kept, Mcp, Meta, Record, Session};
use crate::session::refusal::{EndReason, Refusal};
use crate::session::request::{Request, Rpc};
use crate::session::state::State;
use crate::session::time::Time;

/// A session to make.
#[derive(Clone, Debug)]
pub struct Create {
    /// Its id: supplied, or minted for this call.
    pub id: SessionId,
    /// Its record, minted for this call.
    pub record_id: RecordId,
    /// The conversation it serves.
    pub conversation: Option<Arc<str>>,
    /// Its first state.
    pub state: State,
    /// Its first MCP context.
    pub mcp: Option<Arc<Mcp>>,
    /// Its first labels.
    pub labels: Option<Arc<[Box<str>]>>,
    /// Its first credentials, each of another name, sealed as version 1.
    pub credentials: Vec<(CredentialName, Sealed)>,
    /// How long it lives unused.
    pub idle_ttl: Duration,
    /// How long it lives at most.
    pub max_lifetime: Duration,
    /// When the login happened, if the caller knows.
    pub authenticated_at: Option<Time>,
    /// What the identity provider calls the login.
    pub provider_session_id: Option<Arc<str>>,
    /// What to do if the conversation has a live session.
    pub on_existing: OnExisting,
    /// If it may be repeated.
    pub request: Option<Request>,
}

impl Create {
    /// About how many bytes an owner's record grows by, at most.
    pub fn len_bytes(&self) -> usize {
        let extras = Extras {
            provider_session_id: self.provider_session_id.clone(),
            conversation: self.conversation.clone(),
            labels: self.labels.clone(),
            mcp: self.mcp.clone(),
            credentials: Credentials::first(&self.credentials),
        };
        let conversation = self.conversation.as_deref();
        entry_bytes(&self.id)
            + size_of::<Record>()
            + self.state.len_bytes()
            + extras.len_bytes()
            + conversation.map_or(0, conversation_bytes)
            + Remembered::MOST_FIXED_BYTES
    }
}

/// What to do if the conversation has a live session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExisting {
    /// Refuse.
    Fail,
    /// Return it.
    Return,
    /// End it and make a new one.
    Replace,
}

/// What a Create did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// The session.
    pub session: Session,
    /// Whether this call made it.
    pub created: bool,
    /// Whether it repeats an earlier answer.
    pub replayed: bool,
}

impl OwnerRecord {
    /// Makes a session, or finds the live one of its conversation.
    pub fn create(
        &mut self,
        moment: &Moment<'_>,
        create: &Create,
        events: &mut Vec<Event>,
    ) -> Result<Created, Refusal> {
        let request = create.request.as_ref();
        if let Some(Outcome::Session {
            id,
            revision,
            created,
            ..
        }) = self.replayed(moment, Rpc::Create, request)?
        {
            return Ok(Created {
                session: self.replayed_session(moment, id, *revision)?,
                created: *created,
                replayed: true,
            });
        }
        self.check_login(create.authenticated_at, moment)?;
        LimitName::CredentialsPerSession.check(
            create.credentials.len(),
            moment.limits.credentials_per_session,
        )?;

        let existing = self.in_conversation(create.conversation.as_ref(), moment);
        let replaced = match existing {
            None => None,
            Some((id, record)) => match create.on_existing {
                OnExisting::Fail => return Err(Refusal::ConversationExists),
                OnExisting::Replace => Some(id),
                // An older login's session is no answer to a newer login.
                OnExisting::Return if is_older(&record.kept, create.authenticated_at) => Some(id),
                OnExisting::Return => return Ok(self.return_existing(moment, &id, request)),
            },
        };
        self.check_free(&create.id, moment)?;
        let evicted = self.make_room(moment, replaced.as_ref())?;

        if let Some(id) = &replaced {
            self.end_live(id, moment.end(EndReason::Replaced), events);
        }
        for id in &evicted {
            self.end_live(id, moment.end(EndReason::Evicted), events);
        }
        self.forget(&create.id, moment, events);
        let record = self.new_record(moment, create);
        let id = create.id.clone();
        events.push(self.event(moment.now, &id, &record.kept, Change::Created));
        let session = shown(&id, &record, Some(record.state.clone()));
        self.insert_live(id.clone(), record);
        self.remember(moment, Rpc::Create, request, || Outcome::Session {
            id,
            revision: 1,
            created: true,
            increments: Box::default(),
            sealed_increments: None,
        });
        Ok(Created {
            session,
            created: true,
            replayed: false,
        })
    }

    fn return_existing(
        &mut self,
        moment: &Moment<'_>,
        id: &SessionId,
        request: Option<&Request>,
    ) -> Created {
        let session = {
            let record = self.live.get_mut(id).expect("found alive just now");
            record.kept.slide(moment.now, moment.by);
            shown(id, record, Some(record.state.clone()))
        };
        let revision = session.meta.revision;
        self.remember(moment, Rpc::Create, request, || Outcome::Session {
            id: id.clone(),
            revision,
            created: false,
            increments: Box::default(),
            sealed_increments: None,
        });
        Created {
            session,
            created: false,
            replayed: false,
        }
    }

    /// Which sessions must end for one more; refuses if none may.
    fn make_room(
        &self,
        moment: &Moment<'_>,
        replaced: Option<&SessionId>,
    ) -> Result<Vec<SessionId>, Refusal> {
        let limits = moment.limits;
        let freed = usize::from(replaced.is_some());
        if self.owner.is_anonymous() {
            let asked = (moment.usage.anonymous + 1).saturating_sub(freed);
            LimitName::AnonymousSessions.check(asked, limits.anonymous_sessions)?;
        }
        let mut evicted = Vec::new();
        if !self.owner.is_anonymous() {
            let mut others: Vec<_> = self
                .alive(moment)
                .filter(|(id, _)| Some(*id) != replaced)
                .collect();
            let asked = others.len() + 1;
            if asked > limits.sessions_per_owner {
                match limits.at_session_limit {
                    AtSessionLimit::Reject => {
                        LimitName::SessionsPerOwner.check(asked, limits.sessions_per_owner)?;
                    }
                    AtSessionLimit::EndLeastRecent => {
                        others.sort_by_key(|(id, record)| (record.kept.last_used_at, *id));
                        let surplus = asked - limits.sessions_per_owner;
                        evicted.extend(others.iter().take(surplus).map(|(id, _)| (*id).clone()));
                    }
                }
            }
        }
        if let Some(maximum) = limits.sessions_per_tenant {
            let asked = (moment.usage.tenant + 1).saturating_sub(freed + evicted.len());
            LimitName::SessionsPerTenant.check(asked, maximum)?;
        }
        Ok(evicted)
    }

    /// Clears away what is left under an id that is free again.
    pub(super) fn forget(&mut self, id: &SessionId, moment: &Moment<'_>, events: &mut Vec<Event>) {
        let end = self
            .live
            .get(id)
            .and_then(|record| self.end_of(&record.kept, moment));
        if let Some(end) = end {
            self.end_live(id, end, events);
        }
        self.unbury(id);
    }

    fn new_record(&self, moment: &Moment<'_>, create: &Create) -> Record {
        // In the very millisecond of an invalidation, what comes after it must also look so.
        let created_at = self
            .marks(moment)
            .map(super::Mark::first_uncovered)
            .fold(moment.now, Time::max);
        let expires_at = created_at.after(create.max_lifetime);
        let mut record = Record {
            kept: Meta {
                record_id: create.record_id,
                revision: 1,
                created_at,
                made_by: moment.by,
                last_used_at: created_at,
                last_used_by: moment.by,
                idle_ttl: create.idle_ttl,
                expires_at,
                authenticated_at: create.authenticated_at.unwrap_or(created_at),
                provider_session_id: create.provider_session_id.clone(),
                conversation: create.conversation.clone(),
                labels: create.labels.clone(),
                mcp: create.mcp.clone(),
            }
            .into(),
            state: create.state.clone(),
        };
        if let Some(credentials) = Credentials::first(&create.credentials) {
            record.kept.extras_mut().credentials = Some(credentials);
        }
        record
    }
}

fn is_older(existing: &Kept, authenticated_at: Option<Time>) -> bool {
    authenticated_at.is_some_and(|at| existing.authenticated_at < at)
}
