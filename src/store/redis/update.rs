//! Changing single keys of a session.

use super::link::Call;
use super::pack::Reader;
use super::read::field;
use super::reply::{self, Fields, Reply};
use super::{Shared, flag, number, optional, pack, scripts};
use crate::session::credentials::Sealed;
use crate::session::names::SessionId;
use crate::session::owner_record::{Update, Updated};
use crate::session::refusal::{EndReason, Refusal};
use crate::session::request::Rpc;
use crate::session::state::Patch;
use crate::store::{Answer, Place};

impl Shared {
    pub(super) async fn update(
        &self,
        place: &Place,
        id: &SessionId,
        update: &Update,
    ) -> Answer<Updated> {
        let spot = self
            .keys
            .of_session(&place.namespace.name, &place.owner, id);
        let limits = &place.namespace.limits;
        let request = update.request.as_ref();
        let changes = !update.changes_nothing();
        let call = self
            .call_on_record(&scripts::UPDATE, place, &spot)
            .key(spot.content(id))
            .request_key(&spot, Rpc::Update, request)
            .arg(pack::id(id))
            .arg(optional(update.if_revision))
            .request_args(request, limits)
            .arg(flag(changes))
            .arg(flag(limits.watch_updates))
            .arg(flag(update.show_state))
            .arg(number(limits.state_bytes))
            .arg(number(limits.state_keys))
            .arg(pack::mcp(update.mcp.as_ref()))
            .arg(pack::labels(update.labels.as_ref()))
            .arg(
                update
                    .of_record
                    .map(|id| id.0.to_le_bytes().to_vec())
                    .unwrap_or_default(),
            )
            .arg(
                update
                    .sealed_increments
                    .as_ref()
                    .map(Sealed::as_bytes)
                    .unwrap_or_default(),
            );
        let call = add_patch(call, &update.patch);
        match reply::read(self.link.call(&call).await?)? {
            Reply::Done(mut fields) => updated(&mut fields, update),
            Reply::Replayed(mut fields) => replayed(&mut fields, update),
            Reply::Lost => {
                self.bury_lost(place, &spot, id).await?;
                Err(Refusal::Ended(EndReason::Evicted).into())
            }
            _ => Err(reply::malformed()),
        }
    }
}

/// Adds the parts of a patch, each behind the number of its arguments.
fn add_patch(mut call: Call, patch: &Patch) -> Call {
    let set = patch.set.as_ref().map(|set| set.entries());
    let set = set.unwrap_or_default();
    call = call.arg(number(set.len() * 2));
    for (key, value) in set {
        call = call.arg(field(key)).arg(value);
    }
    let mut remove: Vec<_> = patch.remove.iter().collect();
    remove.sort_unstable();
    remove.dedup();
    call = call.arg(number(remove.len()));
    call = call.args(remove.into_iter().map(|key| field(key)));
    call = call.arg(number(patch.increment.len() * 3));
    for (key, by) in &patch.increment {
        let (half, other_half) = halves(*by);
        call = call
            .arg(field(key))
            .arg(number(half))
            .arg(number(other_half));
    }
    call = call.arg(number(patch.append.len() * 3));
    for (key, tail) in &patch.append {
        call = call
            .arg(field(key))
            .arg(optional(tail.max_length))
            .arg(tail.as_wire());
    }
    call
}

/// Lua's numbers are doubles. A sum that is in range is exact if its second part comes in two halves; one that
/// is far out of range stays so.
fn halves(by: i64) -> (i64, i64) {
    const FAR: i64 = 1 << 55;
    let by = by.clamp(-FAR, FAR);
    (by / 2, by - by / 2)
}

fn updated(fields: &mut Fields, update: &Update) -> Answer<Updated> {
    let mut session = fields.session()?;
    let content = fields.list()?;
    session.state = update.show_state.then(|| reply::state(&content));
    let sums = fields.list()?;
    let increments = update.patch.increment.iter().zip(&sums);
    let increments: Option<Vec<_>> = increments
        .map(|((key, _), sum)| Some((key.clone(), reply::int(sum)?)))
        .collect();
    Ok(Updated {
        session,
        increments: increments.ok_or_else(reply::malformed)?,
        sealed_increments: update.sealed_increments.clone(),
        replayed: false,
    })
}

fn replayed(fields: &mut Fields, update: &Update) -> Answer<Updated> {
    let mut session = fields.session()?;
    let _ = fields.int()?;
    session.meta.revision = fields.revision()?;
    let packed = fields.some_bytes()?;
    let mut reader = Reader(&packed);
    let sealed = reader.long().ok_or_else(reply::malformed)?;
    // It is the same request, so it has the same keys.
    let mut increments = Vec::new();
    for (key, _) in &update.patch.increment {
        let sum = reader.whole().ok_or_else(reply::malformed)?;
        increments.push((key.clone(), sum));
    }
    Ok(Updated {
        session,
        increments,
        sealed_increments: (!sealed.is_empty()).then(|| Sealed::new(sealed)),
        replayed: true,
    })
}

#[cfg(test)]
mod tests {
    use super::halves;

    #[test]
    fn halves_make_the_whole() {
        for by in [0, 1, -1, 7, -7, (1 << 53) + 1, -(1 << 53) - 1] {
            let (half, other_half) = halves(by);
            assert_eq!(half + other_half, by);
        }
        let (half, other_half) = halves(i64::MIN);
        assert!(half + other_half < -(1 << 54));
    }
}
