//! Giving a session a new id.

use super::reply::{self, Reply};
use super::{Shared, flag, insist, optional, pack, scripts};
use crate::session::names::SessionId;
use crate::session::owner_record::{Rotate, Rotated};
use crate::session::refusal::{EndReason, Refusal};
use crate::session::request::Rpc;
use crate::session::time::Time;
use crate::store::{Answer, Place};

impl Shared {
    pub(super) async fn rotate(
        &self,
        place: &Place,
        id: &SessionId,
        rotate: &Rotate,
    ) -> Answer<Rotated> {
        let spot = self
            .keys
            .of_session(&place.namespace.name, &place.owner, id);
        let limits = &place.namespace.limits;
        let request = rotate.request.as_ref();
        let misplaced = place.owner.is_anonymous() && rotate.new_id.place() != id.place();
        let login = match &rotate.provider_session_id {
            None => String::new(),
            Some(login) => format!("={}", login.as_deref().unwrap_or_default()),
        };
        let mut call = self
            .call_on_record(&scripts::ROTATE, place, &spot)
            .key(spot.content(id))
            .key(spot.content(&rotate.new_id))
            .key(spot.credentials(id))
            .key(spot.credentials(&rotate.new_id))
            .request_key(&spot, Rpc::Rotate, request)
            .arg(pack::id(id))
            .arg(pack::id(&rotate.new_id))
            .request_args(request, limits)
            .arg(optional(rotate.authenticated_at.map(Time::as_millis)))
            .arg(login)
            .arg(flag(misplaced));
        let (answer, durable) = self.call_in_doubt(place, &spot, &mut call).await?;
        match reply::read(answer.clone())? {
            Reply::Done(mut fields) => {
                self.tell_endings(place, &answer, 7);
                self.keep_endings(place, &spot, &answer, 7);
                insist(durable)?;
                let session = fields.session_with_state()?;
                let fleet = self.fleets.of(&place.namespace);
                fleet.due_at(spot.cell, session.meta.idle_expires_at());
                Ok(Rotated {
                    session,
                    replayed: false,
                })
            }
            Reply::Replayed(mut fields) => {
                insist(durable)?;
                let mut session = fields.session()?;
                let _ = fields.int()?;
                session.meta.revision = fields.revision()?;
                Ok(Rotated {
                    session,
                    replayed: true,
                })
            }
            Reply::Misplaced => Err(Refusal::invalid(
                "new_session_id",
                "must begin with the same 16 characters when the owner has no user",
            )
            .into()),
            Reply::Lost => {
                self.bury_lost(place, &spot, id).await?;
                Err(Refusal::Ended(EndReason::Evicted).into())
            }
            Reply::Existing(_) | Reply::EndsOthers => Err(reply::malformed()),
        }
    }
}
