//! Claims: true exactly once.

use std::time::Duration;

use super::replay::{Outcome, Remembered};
use super::{Moment, OwnerRecord};
use crate::session::limits::LimitName;
use crate::session::refusal::Refusal;
use crate::session::request::{Request, Rpc};

/// A key to claim.
#[derive(Clone, Debug)]
pub struct Claim {
    /// What is claimed.
    pub key: Box<str>,
    /// How long the claim holds.
    pub ttl: Duration,
    /// If it may be repeated.
    pub request: Option<Request>,
}

impl Claim {
    /// About how many bytes an owner's record grows by, at most.
    pub fn len_bytes(&self) -> usize {
        claim_bytes(&self.key) + Remembered::MOST_FIXED_BYTES
    }
}

/// What a claim did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// Whether this call claimed the key.
    pub claimed: bool,
    /// Whether it repeats an earlier answer.
    pub replayed: bool,
}

impl OwnerRecord {
    /// Claims a key, unless it is claimed.
    pub fn claim(&mut self, moment: &Moment<'_>, claim: &Claim) -> Result<Claimed, Refusal> {
        let request = claim.request.as_ref();
        if let Some(Outcome::Claim { claimed }) = self.replayed(moment, Rpc::Claim, request)? {
            return Ok(Claimed {
                claimed: *claimed,
                replayed: true,
            });
        }
        let held = self
            .rest
            .as_ref()
            .and_then(|rest| rest.claims.get(&claim.key))
            .is_some_and(|until| moment.now < *until);
        if !held {
            // Only a full house is worth counting through.
            let maximum = moment.limits.claims_per_owner;
            if self.claims() >= maximum {
                self.drop_old_claims(moment.now);
            }
            let until = moment.now.after(claim.ttl);
            let known = self
                .rest
                .as_mut()
                .and_then(|rest| rest.claims.get_mut(&claim.key));
            if let Some(known) = known {
                *known = until;
            } else {
                LimitName::ClaimsPerOwner.check(self.claims() + 1, maximum)?;
                self.bytes += claim_bytes(&claim.key);
                self.rest_mut().claims.insert(claim.key.clone(), until);
            }
        }
        let claimed = !held;
        self.remember(moment, Rpc::Claim, request, || Outcome::Claim { claimed });
        Ok(Claimed {
            claimed,
            replayed: false,
        })
    }

    fn claims(&self) -> usize {
        self.rest.as_ref().map_or(0, |rest| rest.claims.len())
    }

    pub(super) fn drop_old_claims(&mut self, now: super::Time) {
        let Some(rest) = &mut self.rest else {
            return;
        };
        let bytes = &mut self.bytes;
        rest.claims.retain(|key, until| {
            let kept = now < *until;
            if !kept {
                *bytes -= claim_bytes(key);
            }
            kept
        });
    }
}

fn claim_bytes(key: &str) -> usize {
    size_of::<(Box<str>, super::Time)>() + key.len() + 16
}
