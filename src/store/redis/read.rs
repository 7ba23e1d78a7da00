//! Reading and touching: one script, one round trip.

use redis::Value;

use super::keys::Spot;
use super::reply::{self, Reply, STATE_FIELD};
use super::{Shared, flag, pack, scripts};
use crate::session::names::SessionId;
use crate::session::owner_record::{Read, Shown};
use crate::session::record::Session;
use crate::session::refusal::{EndReason, Refusal};
use crate::session::state::State;
use crate::store::{Answer, Place};

impl Shared {
    /// Keys of a state that are read one by one; beyond, all of it is read.
    const MOST_KEYS: usize = 1000;

    pub(super) async fn read(&self, place: &Place, id: &SessionId, read: &Read) -> Answer<Session> {
        let spot = self
            .keys
            .of_session(&place.namespace.name, &place.owner, id);
        self.read_at(place, &spot, id, read).await
    }

    pub(super) async fn read_at(
        &self,
        place: &Place,
        spot: &Spot,
        id: &SessionId,
        read: &Read,
    ) -> Answer<Session> {
        let mut call = self
            .call_on_owner(&scripts::READ, place, spot)
            .key(spot.content(id))
            .arg(pack::id(id))
            .arg(flag(read.slide));
        let show = match &read.show {
            // A script cannot take any number of them in one go.
            Shown::Keys(keys) if keys.len() > Self::MOST_KEYS => &Shown::All,
            show => show,
        };
        match show {
            Shown::All => call = call.arg("a"),
            Shown::Nothing => call = call.arg("n"),
            Shown::Keys(keys) => {
                call = call.arg("k").args(keys.iter().map(|key| field(key)));
            }
        }
        match reply::read(self.link.call(&call).await?)? {
            Reply::Done(mut fields) => {
                let mut session = fields.session()?;
                let content = fields.list()?;
                session.state = match (show, &read.show) {
                    (Shown::All, Shown::Keys(keys)) => Some(reply::state(&content).only(keys)),
                    (Shown::All, _) => Some(reply::state(&content)),
                    (Shown::Keys(keys), _) => Some(only(keys, &content)),
                    (Shown::Nothing, _) => None,
                };
                Ok(session)
            }
            Reply::Lost => {
                Box::pin(self.bury_lost(place, spot, id)).await?;
                Err(Refusal::Ended(EndReason::Evicted).into())
            }
            _ => Err(reply::malformed()),
        }
    }

    /// Ends a session of which Redis has evicted a part.
    pub(super) async fn bury_lost(&self, place: &Place, spot: &Spot, id: &SessionId) -> Answer<()> {
        let mut call = self
            .call_on_record(&scripts::LOST, place, spot)
            .key(spot.content(id))
            .key(spot.credentials(id))
            .arg(pack::id(id));
        let doubt = self.doubt(place, spot, &mut call);
        let answer = doubt.over(self.link.call(&call).await)?;
        self.tell_endings(place, &answer, 1);
        Ok(())
    }
}

/// The field of a content key that holds a key of the state.
pub(super) fn field(key: &str) -> Vec<u8> {
    let mut field = Vec::with_capacity(key.len() + 1);
    field.push(STATE_FIELD);
    field.extend_from_slice(key.as_bytes());
    field
}

/// The state from the values of some keys; the first value is the marker that every content has.
fn only(keys: &[Box<str>], values: &[Value]) -> State {
    let values = values.iter().skip(1);
    let mut seen = hashbrown::HashSet::new();
    State::from_entries(keys.iter().zip(values).filter_map(|(key, value)| {
        match value {
            // A key that is asked for twice is answered once.
            Value::BulkString(value) if seen.insert(key) => Some((key.as_bytes(), &**value)),
            _ => None,
        }
    }))
}
