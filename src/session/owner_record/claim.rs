//! Claims: true exactly once.

use std::time::Duration;

use super::replay::Outcome;
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
            .claims
            .get(&claim.key)
            .is_some_and(|until| moment.now < *until);
        if !held {
            // Only a full house is worth counting through.
            let maximum = moment.limits.claims_per_owner;
            if self.claims.len() >= maximum {
                self.drop_old_claims(moment.now);
            }
            if !self.claims.contains_key(&claim.key) {
                LimitName::ClaimsPerOwner.check(self.claims.len() + 1, maximum)?;
                self.bytes += claim_bytes(&claim.key);
            }
            self.claims
                .insert(claim.key.clone(), moment.now.after(claim.ttl));
        }
        let claimed = !held;
        self.remember(moment, Rpc::Claim, request, || Outcome::Claim { claimed });
        Ok(Claimed {
            claimed,
            replayed: false,
        })
    }

    pub(super) fn drop_old_claims(&mut self, now: super::Time) {
        let bytes = &mut self.bytes;
        self.claims.retain(|key, until| {
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
