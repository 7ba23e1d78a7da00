//! An owner's own sessions, page by page.

use futures::future::try_join_all;
use redis::Value;

use super::keys::Spot;
use super::reply::{self, Fields};
use super::{Shared, number, optional, pack, scripts};
use crate::session::names::SessionId;
use crate::session::owner_record::Page;
use crate::session::record::Session;
use crate::session::state::State;
use crate::session::time::Time;
use crate::store::{Answer, Place};

impl Shared {
    pub(super) async fn list(&self, place: &Place, page: &Page) -> Answer<(Vec<Session>, bool)> {
        let spot = self.keys.of_owner(&place.namespace.name, &place.owner);
        let after = page.after.as_ref();
        let call = self
            .call_on_record(&scripts::LIST, place, &spot)
            .arg(number(page.size))
            .arg(optional(after.map(|last| Time::as_millis(last.created_at))))
            .arg(after.map(|last| pack::id(&last.id)).unwrap_or_default());
        let mut fields = reply::read_done(self.link.call(&call).await?)?;
        let more = fields.int()? == 1;
        let mut sessions = Vec::new();
        for entry in fields.list()? {
            sessions.push(Fields::of(entry)?.session()?);
        }
        if page.include_state {
            // Only now are the names of the contents known. What has ended meanwhile is left out.
            let states = sessions
                .iter()
                .map(|session| self.state(&spot, &session.id));
            let states = try_join_all(states).await?;
            for (session, state) in sessions.iter_mut().zip(states) {
                session.state = state;
            }
            sessions.retain(|session| session.state.is_some());
        }
        Ok((sessions, more))
    }

    async fn state(&self, spot: &Spot, id: &SessionId) -> Answer<Option<State>> {
        let key = spot.content(id);
        let mut cmd = redis::cmd("HGETALL");
        cmd.arg(&key);
        match self.link.command(&key, cmd).await? {
            Value::Array(content) if content.is_empty() => Ok(None),
            Value::Array(content) => Ok(Some(reply::state(&content))),
            _ => Err(reply::malformed()),
        }
    }
}
