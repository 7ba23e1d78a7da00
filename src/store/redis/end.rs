//! The owner's own end of a session.

use super::{Shared, insist, number, pack, reply, scripts};
use crate::session::names::SessionId;
use crate::session::refusal::EndReason;
use crate::store::{Answer, Place};

impl Shared {
    pub(super) async fn end(&self, place: &Place, id: &SessionId) -> Answer<bool> {
        let spot = self
            .keys
            .of_session(&place.namespace.name, &place.owner, id);
        let call = self
            .call_on_record(&scripts::END, place, &spot)
            .key(spot.content(id))
            .key(spot.credentials(id))
            .arg(pack::id(id))
            .arg(number(pack::end_reason(EndReason::Deleted)));
        let (answer, durable) = self.call_ending(&call).await?;
        self.keep_endings(place, &spot, &answer, 2);
        // One that was ended before may not have been durable then.
        insist(durable)?;
        Ok(reply::read_done(answer)?.int()? == 1)
    }
}
