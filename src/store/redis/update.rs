//! Changing single keys of a session.

use super::link::Call;
use super::pack::Reader;
use super::read::field;
use super::reply::{self, Fields, Reply};
use super::{Shared, number, optional, pack, scripts};
use crate::session::credentials::Sealed;
use crate::session::limits::Limits;
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
        let fingerprint = request.map(|request| request.fingerprint.to_le_bytes().to_vec());
        let of_record = update.of_record.map(|id| id.0.to_le_bytes().to_vec());
        let sealed_increments = update.sealed_increments.as_ref();
        let call = self
            .call_on_session(&scripts::UPDATE, place, &spot)
            .key(spot.content(id))
            .request_key(&spot, Rpc::Update, request)
            .arg(pack::id(id))
            .arg(optional(update.if_revision))
            .arg(fingerprint.unwrap_or_default())
            .arg(plan(update, limits))
            .arg(pack::mcp(update.mcp.as_ref()))
            .arg(pack::labels(update.labels.as_ref()))
            .arg(of_record.unwrap_or_default())
            .arg(sealed_increments.map(Sealed::as_bytes).unwrap_or_default());
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

/// All that is a number, in one argument: each costs Redis about as much as a step of the script. See `update.lua`.
fn plan(update: &Update, limits: &Limits) -> Vec<u8> {
    let patch = &update.patch;
    let mut plan = Vec::with_capacity(37);
    pack::put_six(&mut plan, limits.request_ttl.as_millis());
    pack::put_six(&mut plan, limits.state_bytes);
    pack::put_six(&mut plan, limits.state_keys);
    for flag in [
        !update.changes_nothing(),
        limits.watch_updates,
        update.show_state,
    ] {
        plan.push(u8::from(flag));
    }
    let set = patch.set.as_ref().map_or(0, |set| set.entries().len());
    for count in [
        set,
        removed(patch).len(),
        patch.increment.len(),
        patch.append.len(),
    ] {
        // A message is far too small for more.
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        plan.extend_from_slice(&count.to_le_bytes());
    }
    plan
}

fn removed(patch: &Patch) -> Vec<&str> {
    let mut remove: Vec<_> = patch.remove.iter().map(|key| &**key).collect();
    remove.sort_unstable();
    remove.dedup();
    remove
}

/// Adds the parts of a patch.
fn add_patch(mut call: Call, patch: &Patch) -> Call {
    let set = patch.set.as_ref().map(|set| set.entries());
    for (key, value) in set.unwrap_or_default() {
        call = call.arg(field(key)).arg(value);
    }
    call = call.args(removed(patch).into_iter().map(field));
    for (key, by) in &patch.increment {
        let (half, other_half) = halves(*by);
        call = call
            .arg(field(key))
            .arg(number(half))
            .arg(number(other_half));
    }
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
