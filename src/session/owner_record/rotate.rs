//! Giving a session a new id.

use std::sync::Arc;

use super::replay::{Outcome, Remembered};
use super::{Moment, OwnerRecord, entry_bytes, shown, tombstone_bytes};
use crate::session::event::{Change, Event};
use crate::session::names::SessionId;
use crate::session::record::Session;
use crate::session::refusal::{EndReason, Refusal};
use crate::session::request::{Request, Rpc};
use crate::session::time::Time;

/// A change of a session's id.
#[derive(Clone, Debug)]
pub struct Rotate {
    /// The id from now on: supplied, or minted for this call.
    pub new_id: SessionId,
    /// When the new login happened, if there was one.
    pub authenticated_at: Option<Time>,
    /// What the identity provider calls the new login, if that changes; `Some(None)` forgets it.
    pub provider_session_id: Option<Option<Arc<str>>>,
    /// If it may be repeated.
    pub request: Option<Request>,
}

impl Rotate {
    /// About how many bytes an owner's record grows by, at most.
    pub fn len_bytes(&self) -> usize {
        let login = match &self.provider_session_id {
            Some(Some(login)) => login.len() + 16,
            _ => 0,
        };
        2 * entry_bytes(&self.new_id)
            + tombstone_bytes(&self.new_id)
            + login
            + Remembered::MOST_FIXED_BYTES
    }
}

/// What a Rotate did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The session under its new id.
    pub session: Session,
    /// Whether it repeats an earlier answer.
    pub replayed: bool,
}

impl OwnerRecord {
    /// Moves a live session to a new id. Its ceiling stays, the old id is dead at once.
    pub fn rotate(
        &mut self,
        moment: &Moment<'_>,
        id: &SessionId,
        rotate: &Rotate,
        events: &mut Vec<Event>,
    ) -> Result<Rotated, Refusal> {
        let request = rotate.request.as_ref();
        if let Some(Outcome::Session { id, revision, .. }) =
            self.replayed(moment, Rpc::Rotate, request)?
        {
            return Ok(Rotated {
                session: self.replayed_session(moment, id, *revision)?,
                replayed: true,
            });
        }
        self.find(id, moment)?;
        if self.owner.is_anonymous() && rotate.new_id.place() != id.place() {
            // Without a user, a session is found by this part of its id.
            return Err(Refusal::invalid(
                "new_session_id",
                "must begin with the same 16 characters when the owner has no user",
            ));
        }
        self.check_login(rotate.authenticated_at, moment)?;
        self.check_free(&rotate.new_id, moment)?;

        self.forget(&rotate.new_id, moment, events);
        let mut record = self.remove_live(id).ok_or(Refusal::NotFound)?;
        self.bury(id.clone(), moment.end(EndReason::Rotated), &record.kept);
        let kept = &mut record.kept;
        let previous_provider_session_id = kept.provider_session_id().cloned();
        kept.slide(moment.now, moment.by);
        if let Some(at) = rotate.authenticated_at {
            kept.authenticated_at = at;
        }
        if let Some(provider_session_id) = &rotate.provider_session_id {
            kept.extras_mut()
                .provider_session_id
                .clone_from(provider_session_id);
        }
        let new_id = rotate.new_id.clone();
        let revision = record.kept.revision;
        let change = Change::Rotated {
            previous: id.clone(),
            previous_provider_session_id,
        };
        events.push(self.event(moment.now, &new_id, &record.kept, change));
        let session = shown(&new_id, &record, Some(record.state.clone()));
        self.insert_live(new_id.clone(), record);
        self.remember(moment, Rpc::Rotate, request, || Outcome::Session {
            id: new_id,
            revision,
            created: false,
            increments: Box::default(),
            sealed_increments: None,
        });
        Ok(Rotated {
            session,
            replayed: false,
        })
    }
}
