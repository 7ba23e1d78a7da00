//! Changing single keys of a session.

use std::sync::Arc;

use super::replay::{Outcome, Remembered};
use super::{Moment, OwnerRecord, shown};
use crate::session::credentials::Sealed;
use crate::session::event::{Change, Event};
use crate::session::names::{RecordId, SessionId};
use crate::session::record::{Extras, Mcp, Session};
use crate::session::refusal::Refusal;
use crate::session::request::{MOST_REMEMBERED, Request, Rpc};
use crate::session::state::Patch;

/// A change of a session.
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// Changes of the state.
    pub patch: Patch,
    /// A new MCP context.
    pub mcp: Option<Arc<Mcp>>,
    /// New labels.
    pub labels: Option<Arc<[Box<str>]>>,
    /// Only at this revision.
    pub if_revision: Option<u64>,
    /// Only if it is this record: what was sealed for another one would never open.
    pub of_record: Option<RecordId>,
    /// What increments came to that were done before the store saw them, sealed: it remembers them with
    /// the request.
    pub sealed_increments: Option<Sealed>,
    /// Whether to answer with the state.
    pub show_state: bool,
    /// If it may be repeated.
    pub request: Option<Request>,
}

/// What an Update did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Updated {
    /// The session after the change.
    pub session: Session,
    /// The incremented keys' values after the change.
    pub increments: Vec<(Box<str>, i64)>,
    /// What the update said that its increments came to; of a repetition, what the first one said.
    pub sealed_increments: Option<Sealed>,
    /// Whether it repeats an earlier answer.
    pub replayed: bool,
}

impl Update {
    /// About how many bytes an owner's record grows by, at most.
    pub fn len_bytes(&self) -> usize {
        let keys = self.patch.increment.iter().map(|(key, _)| key.len() + 64);
        let extras = Extras {
            labels: self.labels.clone(),
            mcp: self.mcp.clone(),
            ..Extras::default()
        };
        self.patch.len_bytes()
            + extras.len_bytes()
            + keys.sum::<usize>()
            + self
                .sealed_increments
                .as_ref()
                .map_or(0, |sealed| sealed.as_bytes().len() + 16)
            + Remembered::MOST_FIXED_BYTES
    }

    /// Checks that it can be remembered, if it may be repeated: with what its increments come to.
    pub fn check_repeatable(&self, id: &SessionId) -> Result<(), Refusal> {
        /// Fingerprint, time, revision, lengths, and what a seal adds.
        const BESIDE: usize = 16 + 8 + 7 + 2 + 4 + 46;
        let most = (MOST_REMEMBERED - BESIDE - id.text().len()) / size_of::<i64>();
        let asked = self.patch.increment.len();
        if self.request.is_none() || asked <= most {
            return Ok(());
        }
        Err(Refusal::invalid(
            "increment",
            format!(
                "has {asked} keys, and may have {most} beside a request_id: what they come to is kept for a \
                 repetition. Use several updates"
            ),
        ))
    }

    /// Whether it only slides.
    pub fn changes_nothing(&self) -> bool {
        self.patch.is_empty() && self.mcp.is_none() && self.labels.is_none()
    }
}

impl OwnerRecord {
    /// Changes a live session and slides it. Never makes one.
    pub fn update(
        &mut self,
        moment: &Moment<'_>,
        id: &SessionId,
        update: &Update,
        events: &mut Vec<Event>,
    ) -> Result<Updated, Refusal> {
        let request = update.request.as_ref();
        if let Some(Outcome::Session {
            id,
            revision,
            increments,
            sealed_increments,
            ..
        }) = self.replayed(moment, Rpc::Update, request)?
        {
            return Ok(Updated {
                session: self.replayed_session(moment, id, *revision)?,
                increments: increments.to_vec(),
                sealed_increments: sealed_increments.clone(),
                replayed: true,
            });
        }
        let record = self.find(id, moment)?;
        if update
            .of_record
            .is_some_and(|wanted| wanted != record.kept.record_id)
        {
            return Err(Refusal::OtherRecord);
        }
        let current = record.kept.revision;
        if update.if_revision.is_some_and(|wanted| wanted != current) {
            return Err(Refusal::RevisionMismatch { current });
        }
        let (state, increments) = record.state.patched(&update.patch, moment.limits)?;

        let (session, kept) = self
            .change_live(id, |record| {
                record.kept.slide(moment.now, moment.by);
                if !update.changes_nothing() {
                    record.kept.revision += 1;
                    record.state = state;
                }
                if let Some(mcp) = &update.mcp {
                    record.kept.extras_mut().mcp = Some(Arc::clone(mcp));
                }
                if let Some(labels) = &update.labels {
                    record.kept.extras_mut().labels = Some(Arc::clone(labels));
                }
                let state = update.show_state.then(|| record.state.clone());
                (shown(id, record, state), record.kept.clone())
            })
            .ok_or(Refusal::NotFound)?;
        if moment.limits.watch_updates && !update.changes_nothing() {
            events.push(self.event(moment.now, id, &kept, Change::Updated));
        }
        self.remember(moment, Rpc::Update, request, || Outcome::Session {
            id: id.clone(),
            revision: kept.revision,
            created: false,
            increments: increments.clone().into(),
            sealed_increments: update.sealed_increments.clone(),
        });
        Ok(Updated {
            session,
            increments,
            sealed_increments: update.sealed_increments.clone(),
            replayed: false,
        })
    }
}
