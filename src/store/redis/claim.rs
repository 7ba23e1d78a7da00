//! Claims: true exactly once.

use super::reply::{self, Reply};
use super::{Shared, insist, millis, number, scripts};
use crate::session::owner_record::{Claim, Claimed};
use crate::session::request::Rpc;
use crate::store::{Answer, Place};

impl Shared {
    pub(super) async fn claim_once(&self, place: &Place, claim: &Claim) -> Answer<Claimed> {
        let spot = self
            .keys
            .of_claim(&place.namespace.name, &place.owner, &claim.key);
        let limits = &place.namespace.limits;
        let request = claim.request.as_ref();
        let call = self
            .call(&scripts::CLAIM)
            .key(spot.keys.claims(spot.hash()))
            .key(spot.keys.marks())
            .absent(spot.keys.absent())
            .request_key(&spot, Rpc::Claim, request)
            .arg(claim.key.as_bytes())
            .arg(millis(claim.ttl))
            .arg(number(limits.claims_per_owner))
            .request_args(request, limits);
        let (answer, durable) = self.call_ending(&call).await?;
        let (mut fields, replayed) = match reply::read(answer)? {
            Reply::Done(fields) => (fields, false),
            Reply::Replayed(fields) => (fields, true),
            _ => return Err(reply::malformed()),
        };
        let claimed = fields.int()? == 1;
        if claimed {
            self.keep_claim(&call);
            // Losing a refusal does no harm: it gives nothing away.
            insist(durable)?;
        }
        Ok(Claimed { claimed, replayed })
    }
}
