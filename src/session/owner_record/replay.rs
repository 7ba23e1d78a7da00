//! Safe retries: what a successful request is remembered by.

use super::{Moment, OwnerRecord, shown};
use crate::session::credentials::Sealed;
use crate::session::names::SessionId;
use crate::session::record::Session;
use crate::session::refusal::Refusal;
use crate::session::request::{Request, Rpc};
use crate::session::time::Time;

/// What is remembered of a request: enough to answer it again, never its state.
#[derive(Clone, Debug)]
pub(super) struct Remembered {
    fingerprint: u128,
    pub(super) until: Time,
    outcome: Outcome,
}

/// What a request did.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// It made, changed or found a session.
    Session {
        id: SessionId,
        revision: u64,
        created: bool,
        increments: Box<[(Box<str>, i64)]>,
        sealed_increments: Option<Sealed>,
    },
    /// It claimed a key, or did not.
    Claim { claimed: bool },
}

impl Remembered {
    /// What remembering a request takes, beside the keys of increments, and with the room that an owner's
    /// first takes.
    pub(super) const MOST_FIXED_BYTES: usize = size_of::<Self>() + 32 + size_of::<super::Rest>();

    pub(super) fn len_bytes(&self) -> usize {
        let held = match &self.outcome {
            Outcome::Session {
                increments,
                sealed_increments,
                ..
            } => {
                let sealed = sealed_increments.as_ref();
                increments
                    .iter()
                    .map(|(key, _)| key.len() + size_of::<(Box<str>, i64)>())
                    .sum::<usize>()
                    + sealed.map_or(0, |sealed| sealed.as_bytes().len() + 16)
            }
            Outcome::Claim { .. } => 0,
        };
        size_of::<Self>() + 32 + held
    }
}

impl OwnerRecord {
    /// What the same request did before. Another request under the same id is refused.
    pub(super) fn replayed(
        &self,
        moment: &Moment<'_>,
        rpc: Rpc,
        request: Option<&Request>,
    ) -> Result<Option<&Outcome>, Refusal> {
        let Some(request) = request else {
            return Ok(None);
        };
        let known = self
            .rest
            .as_ref()
            .and_then(|rest| rest.requests.get(&(rpc, request.id)));
        match known {
            Some(known) if moment.now < known.until => {
                if known.fingerprint == request.fingerprint {
                    Ok(Some(&known.outcome))
                } else {
                    Err(Refusal::RequestIdReused)
                }
            }
            _ => Ok(None),
        }
    }

    /// The session that a repeated request is about: without state, at the revision of then. If it has
    /// ended since, its owner learns why.
    pub(super) fn replayed_session(
        &self,
        moment: &Moment<'_>,
        id: &SessionId,
        revision: u64,
    ) -> Result<Session, Refusal> {
        let mut session = shown(id, self.find(id, moment)?, None);
        session.meta.revision = revision;
        Ok(session)
    }

    pub(super) fn remember(
        &mut self,
        moment: &Moment<'_>,
        rpc: Rpc,
        request: Option<&Request>,
        outcome: impl FnOnce() -> Outcome,
    ) {
        let Some(request) = request else {
            return;
        };
        let remembered = Remembered {
            fingerprint: request.fingerprint,
            until: moment.now.after(moment.limits.request_ttl),
            outcome: outcome(),
        };
        self.bytes += remembered.len_bytes();
        let requests = &mut self.rest_mut().requests;
        if let Some(expired) = requests.insert((rpc, request.id), remembered) {
            self.bytes -= expired.len_bytes();
        }
    }
}
