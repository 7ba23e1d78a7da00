//! Credentials: kept in a hash of their own beside the content, so that nobody carries them around who only
//! reads state. One script, one round trip each.

use redis::Value;

use super::keys::Spot;
use super::link::{Call, Script};
use super::read::field;
use super::reply::{self, Fields, Reply};
use super::{Shared, insist, millis, number, pack, scripts};
use crate::session::credentials::Sealed;
use crate::session::names::{CredentialName, LeaseId, SessionId};
use crate::session::owner_record::{
    AbandonRefresh, BeginRefresh, Begun, Credential, Looked, PutCredential,
};
use crate::session::refusal::{EndReason, Refusal};
use crate::store::{Answer, Place};

impl Shared {
    pub(super) async fn credential(
        &self,
        place: &Place,
        id: &SessionId,
        name: &CredentialName,
    ) -> Answer<Looked> {
        let (spot, call) = self.call_on_credential(&scripts::CREDENTIAL, place, id, name);
        let answer = self.link.call(&call).await?;
        let mut fields = self.done(place, &spot, id, answer).await?;
        Ok(Looked {
            record_id: fields.record_id()?,
            next_version: fields.revision()?,
            credential: match fields.value() {
                Value::Nil => None,
                version => Some(credential(&version, &mut fields)?),
            },
        })
    }

    pub(super) async fn put_credential(
        &self,
        place: &Place,
        id: &SessionId,
        put: &PutCredential,
    ) -> Answer<u64> {
        let script = match put.lease {
            Some(_) => &scripts::COMPLETE_REFRESH,
            None => &scripts::PUT_CREDENTIAL,
        };
        let (spot, call) = self.call_on_credential(script, place, id, &put.name);
        let call = call
            .arg(number(put.version))
            .arg(put.lease.map(lease).unwrap_or_default())
            .arg(put.sealed.as_bytes())
            .arg(number(place.namespace.limits.credentials_per_session));
        let answer = self.link.call(&call).await?;
        self.done(place, &spot, id, answer).await?.revision()
    }

    pub(super) async fn delete_credential(
        &self,
        place: &Place,
        id: &SessionId,
        name: &CredentialName,
    ) -> Answer<bool> {
        let (spot, call) = self.call_on_credential(&scripts::DELETE_CREDENTIAL, place, id, name);
        // What is destroyed must not come back with a failover.
        let (answer, durable) = self.call_ending(&call).await?;
        let deleted = self.done(place, &spot, id, answer).await?.int()? == 1;
        insist(durable)?;
        Ok(deleted)
    }

    pub(super) async fn begin_refresh(
        &self,
        place: &Place,
        id: &SessionId,
        begin: &BeginRefresh,
    ) -> Answer<Begun> {
        let (spot, call) = self.call_on_credential(&scripts::BEGIN_REFRESH, place, id, &begin.name);
        let call = call
            .arg(number(begin.stale_version))
            .arg(lease(begin.lease))
            .arg(millis(begin.ttl));
        let answer = self.link.call(&call).await?;
        let mut fields = self.done(place, &spot, id, answer).await?;
        Ok(match fields.int()? {
            0 => Begun::Leased {
                record_id: fields.record_id()?,
                credential: credential(&fields.value(), &mut fields)?,
                until: fields.time()?,
                uncertain: fields.int()? == 1,
            },
            1 => Begun::Refreshed {
                record_id: fields.record_id()?,
                credential: credential(&fields.value(), &mut fields)?,
            },
            2 => Begun::Busy {
                until: fields.time()?,
            },
            _ => return Err(reply::malformed()),
        })
    }

    pub(super) async fn abandon_refresh(
        &self,
        place: &Place,
        id: &SessionId,
        abandon: &AbandonRefresh,
    ) -> Answer<bool> {
        let script = &scripts::ABANDON_REFRESH;
        let (spot, call) = self.call_on_credential(script, place, id, &abandon.name);
        let call = call
            .arg(lease(abandon.lease))
            .arg(u8::from(abandon.uncertain).to_string());
        let answer = self.link.call(&call).await?;
        Ok(self.done(place, &spot, id, answer).await?.int()? == 1)
    }

    fn call_on_credential(
        &self,
        script: &'static Script,
        place: &Place,
        id: &SessionId,
        name: &CredentialName,
    ) -> (Spot, Call) {
        let spot = self
            .keys
            .of_session(&place.namespace.name, &place.owner, id);
        let call = self
            .call_on_record(script, place, &spot)
            .key(spot.content(id))
            .key(spot.credentials(id))
            .arg(pack::id(id))
            .arg(field(name.as_str()));
        (spot, call)
    }

    /// What a script answered. A session of which Redis has evicted a part is ended.
    async fn done(
        &self,
        place: &Place,
        spot: &Spot,
        id: &SessionId,
        answer: Value,
    ) -> Answer<Fields> {
        match reply::read(answer)? {
            Reply::Done(fields) => Ok(fields),
            Reply::Lost => {
                self.bury_lost(place, spot, id).await?;
                Err(Refusal::Ended(EndReason::Evicted).into())
            }
            _ => Err(reply::malformed()),
        }
    }
}

fn lease(lease: LeaseId) -> Vec<u8> {
    lease.0.as_bytes().to_vec()
}

/// A credential as scripts answer it: its version, and what is sealed.
fn credential(version: &Value, fields: &mut Fields) -> Answer<Credential> {
    let version = reply::int(version).and_then(|version| u64::try_from(version).ok());
    Ok(Credential {
        version: version.ok_or_else(reply::malformed)?,
        sealed: Sealed::new(fields.some_bytes()?),
    })
}
