//! Invalidations: of one owner, of all who bear an id or a login, and of everybody that a mark covers.

use std::sync::Arc;

use futures::future::try_join_all;
use redis::Value;

use super::keys::{self, CELLS, Cell, HASH_LEN, Spot};
use super::link::{Call, Durable};
use super::recent::WideMark;
use super::reply::{self, Fields};
use super::{Shared, flag, insist, millis, number, optional, pack, scripts};
use crate::session::marks::Subject;
use crate::session::names::{CallerTag, NamespaceName, Owner, SessionId};
use crate::session::refusal::Refusal;
use crate::session::time::Time;
use crate::store::{Answer, Namespace, Place, Revocation, Revoked, Selector, StoreError};

/// Which sessions of an owner are meant.
#[derive(Clone, Copy)]
enum Target<'a> {
    Id(&'a SessionId),
    Login(&'a str),
    All,
}

impl Shared {
    /// Goes on to the end even if the caller goes away: half of the cells marked is nobody's wish.
    pub(super) async fn revoke(
        self: &Arc<Self>,
        namespace: &Arc<Namespace>,
        revocation: Revocation,
    ) -> Answer<Revoked> {
        let (shared, namespace) = (Arc::clone(self), Arc::clone(namespace));
        let task = tokio::spawn(async move { shared.carry_out(&namespace, &revocation).await });
        task.await.unwrap_or_else(|_| Err(reply::malformed()))
    }

    async fn carry_out(
        &self,
        namespace: &Arc<Namespace>,
        revocation: &Revocation,
    ) -> Answer<Revoked> {
        match &revocation.selector {
            Selector::Session(owner, id) => {
                let place = Place {
                    namespace: Arc::clone(namespace),
                    owner: owner.clone(),
                    by: revocation.by,
                };
                let spot = self.keys.of_session(&namespace.name, owner, id);
                let ended = self.revoke_at(&place, &spot, revocation, Target::Id(id));
                let (meant, durable) = ended.await?;
                insist(durable)?;
                Ok(Revoked::Exactly(meant))
            }
            Selector::Owner(owner) => self.revoke_owner(namespace, owner, revocation).await,
            Selector::Id(id) => {
                let field = keys::id_field(id);
                self.revoke_some(namespace, revocation, &field, Target::Id(id))
                    .await
            }
            Selector::ProviderSession {
                issuer,
                provider_session_id,
            } => {
                let field = keys::login_field(issuer, provider_session_id);
                let target = Target::Login(provider_session_id);
                self.revoke_some(namespace, revocation, &field, target)
                    .await
            }
            Selector::Wide(subject) if revocation.dry_run => {
                self.estimate(namespace, revocation, subject).await
            }
            Selector::Wide(subject) => self.revoke_widely(namespace, revocation, subject).await,
        }
    }

    /// One owner's sessions, and a mark that stays, whether or not there are any: one script.
    async fn revoke_owner(
        &self,
        namespace: &Arc<Namespace>,
        owner: &Owner,
        revocation: &Revocation,
    ) -> Answer<Revoked> {
        if owner.is_anonymous() {
            // Its records are in many places, and no mark of it would be found again.
            return Err(Refusal::invalid(
                "selector.owner.user",
                "must not be empty: the anonymous owner cannot be revoked as one",
            )
            .into());
        }
        self.register(namespace).await?;
        let place = Place {
            namespace: Arc::clone(namespace),
            owner: owner.clone(),
            by: revocation.by,
        };
        let spot = self.keys.of_owner(&namespace.name, owner);
        let (meant, durable) = self
            .revoke_at(&place, &spot, revocation, Target::All)
            .await?;
        insist(durable)?;
        Ok(Revoked::Exactly(meant))
    }

    /// The sessions of those owners that an index names.
    async fn revoke_some(
        &self,
        namespace: &Arc<Namespace>,
        revocation: &Revocation,
        field: &[u8],
        target: Target<'_>,
    ) -> Answer<Revoked> {
        let mut found = self.indexed(namespace, field).await?;
        for (place, _) in &mut found {
            place.by = revocation.by;
        }
        let ended = try_join_all(
            found
                .iter()
                .map(|(place, spot)| self.revoke_at(place, spot, revocation, target)),
        )
        .await?;
        for (_, durable) in &ended {
            insist(*durable)?;
        }
        Ok(Revoked::Exactly(ended.iter().map(|(meant, _)| meant).sum()))
    }

    async fn revoke_at(
        &self,
        place: &Place,
        spot: &Spot,
        revocation: &Revocation,
        target: Target<'_>,
    ) -> Answer<(usize, Durable)> {
        let (kind, value) = match target {
            Target::Id(id) => ("i", pack::id(id)),
            Target::Login(login) => ("l", login.as_bytes().to_vec()),
            Target::All => ("o", Vec::new()),
        };
        let mut call = self
            .call_on_record(&scripts::REVOKE, place, spot)
            .arg(kind)
            .arg(value)
            .args(reach_args(revocation))
            .arg(revocation.except.as_ref().map(pack::id).unwrap_or_default())
            .arg(number(pack::invalidation_reason(revocation.reason)))
            .arg(flag(revocation.dry_run))
            .arg(millis(place.namespace.limits.max_lifetime_max))
            .arg("");
        let (answer, durable) = if revocation.dry_run {
            (self.link.call(&call).await?, Durable::Yes)
        } else {
            self.call_in_doubt(place, spot, &mut call).await?
        };
        let mut fields = reply::read_done(answer.clone())?;
        let meant = fields.count()?;
        if revocation.dry_run {
            return Ok((meant, durable));
        }
        self.tell_endings(place, &answer, 2);
        if let Target::All = target {
            let _ = fields.list()?;
            let at = fields.time()?;
            if let Some(asserted_at) = call.args.last_mut() {
                *asserted_at = number(at.as_millis());
            }
            self.keep_revocation(call);
            let limits = &place.namespace.limits;
            let fleet = self.fleets.of(&place.namespace);
            fleet.due_at(
                spot.cell,
                at.after(limits.max_lifetime_max.min(limits.tombstone_ttl)),
            );
        } else {
            self.keep_endings(place, spot, &answer, 2);
        }
        self.wipe(place, spot, &answer, 2).await;
        Ok((meant, durable))
    }

    /// A mark in each cell: the same number of small writes whatever the number of sessions.
    async fn revoke_widely(
        &self,
        namespace: &Arc<Namespace>,
        revocation: &Revocation,
        subject: &Subject,
    ) -> Answer<Revoked> {
        self.register(namespace).await?;
        let spared = self.spared(namespace, revocation, subject).await?;
        let latest = self.latest_made(&namespace.name).await?;
        let call = self
            .call_by(&scripts::RAISE, revocation.by)
            .arg(keys::mark_field(subject))
            .args(reach_args(revocation))
            .arg(number(pack::invalidation_reason(revocation.reason)))
            .arg(spared)
            .arg(millis(namespace.limits.max_lifetime_max))
            .arg("")
            .arg(self.log_length())
            .arg("")
            .arg(number(latest));
        let mut mark = WideMark {
            namespace: namespace.name.clone(),
            call,
            raised_at: vec![None; CELLS],
        };
        let calls = Cell::all().map(|cell| {
            let mut call = self.raise_call(&mark, cell);
            if cell == Cell(0) {
                // One of them tells the watchers.
                call.args[8] = pack::subject(subject);
            }
            call
        });
        let calls: Vec<Call> = calls.collect();
        let mut durable = Ok(());
        let mut failed = None;
        let answers = self.link.call_many_ending(&calls).await;
        for (raised_at, answer) in mark.raised_at.iter_mut().zip(answers) {
            match answer {
                Ok((answer, proof)) => {
                    *raised_at = Some(reply::read_done(answer)?.time()?);
                    durable = durable.and(insist(proof));
                }
                Err(fault) => failed = Some(StoreError::from(fault)),
            }
        }
        self.keep_wide_mark(mark);
        self.fleets.of(namespace).all_due_at(self.now());
        if let Some(error) = failed {
            return Err(error);
        }
        durable?;
        Ok(Revoked::InForce)
    }

    /// The call that raises a mark in a cell.
    fn raise_call(&self, mark: &WideMark, cell: Cell) -> Call {
        let keys = self.keys.cell(&mark.namespace, cell);
        mark.call
            .clone()
            .key(keys.marks())
            .key(keys.due())
            .key(keys.events())
    }

    /// The calls that assert a mark again, where it was raised, with its original times.
    pub(super) fn raise_calls(&self, mark: &WideMark) -> Vec<Call> {
        let raised = Cell::all().zip(&mark.raised_at);
        raised
            .filter_map(|(cell, raised_at)| {
                let mut call = self.raise_call(mark, cell);
                call.args[10] = number((*raised_at)?.as_millis());
                Some(call)
            })
            .collect()
    }

    /// The latest creation that was dated ahead, behind a mark of its own millisecond. All that was made
    /// before an invalidation is covered by it.
    async fn latest_made(&self, name: &NamespaceName) -> Answer<i64> {
        let latest = self
            .on_all_cells(name, |keys| {
                let key = keys.marks();
                let mut cmd = redis::cmd("HGET");
                cmd.arg(&key).arg("l");
                (key, cmd)
            })
            .await?;
        let latest = latest.iter().filter_map(|(_, at)| reply::int(at));
        Ok(latest.max().unwrap_or(0))
    }

    /// The records that a wide invalidation leaves alone, 16 bytes each: whoever bears the id, or bore it
    /// before a rotation.
    async fn spared(
        &self,
        namespace: &Arc<Namespace>,
        revocation: &Revocation,
        subject: &Subject,
    ) -> Answer<Vec<u8>> {
        let mut spared = Vec::new();
        let Some(except) = &revocation.except else {
            return Ok(spared);
        };
        for (place, spot) in self.indexed(namespace, &keys::id_field(except)).await? {
            if subject.includes(&place.owner) {
                let (_, record_id) = self.known(&place, &spot, except).await?;
                spared.extend(record_id.unwrap_or_default());
            }
        }
        Ok(spared)
    }

    /// Whether an owner has, or lately had, an id; and which record that is.
    async fn known(
        &self,
        place: &Place,
        spot: &Spot,
        id: &SessionId,
    ) -> Answer<(bool, Option<Vec<u8>>)> {
        let call = self
            .call_on_record(&scripts::KNOWS, place, spot)
            .arg(pack::id(id));
        let mut fields = reply::read_done(self.link.call(&call).await?)?;
        Ok((fields.int()? == 1, fields.bytes()?))
    }

    pub(super) async fn bearers(
        &self,
        namespace: &Arc<Namespace>,
        id: &SessionId,
    ) -> Answer<Vec<Owner>> {
        let mut bearers = Vec::new();
        for (place, spot) in self.indexed(namespace, &keys::id_field(id)).await? {
            if self.known(&place, &spot, id).await?.0 {
                bearers.push(place.owner);
            }
        }
        Ok(bearers)
    }

    /// The owners that an index names, over all cells.
    pub(super) async fn indexed(
        &self,
        namespace: &Arc<Namespace>,
        field: &[u8],
    ) -> Answer<Vec<(Place, Spot)>> {
        let entries = self
            .on_all_cells(&namespace.name, |keys| {
                let key = keys.ids();
                let mut cmd = redis::cmd("HGET");
                cmd.arg(&key).arg(field);
                (key, cmd)
            })
            .await?;
        let mut spots: Vec<Spot> = entries
            .iter()
            .filter_map(|(_, entry)| match entry {
                Value::BulkString(hashes) => Some(hashes),
                _ => None,
            })
            .flat_map(|hashes| self.spots(&namespace.name, hashes))
            .collect();
        // An owner with several sessions of one login is named several times.
        spots.sort_by_key(|spot| spot.hash);
        spots.dedup_by_key(|spot| spot.hash);
        self.with_owners(namespace, spots).await
    }

    fn spots(&self, namespace: &NamespaceName, hashes: &[u8]) -> Vec<Spot> {
        let (hashes, _) = hashes.as_chunks::<HASH_LEN>();
        hashes
            .iter()
            .map(|hash| self.keys.known(namespace, *hash))
            .collect()
    }

    /// Reads whose the records are. Those that are gone are left out.
    pub(super) async fn with_owners(
        &self,
        namespace: &Arc<Namespace>,
        spots: Vec<Spot>,
    ) -> Answer<Vec<(Place, Spot)>> {
        let owners = spots.into_iter().map(|spot| async move {
            let key = spot.keys.owner(spot.hash());
            let mut cmd = redis::cmd("HGET");
            cmd.arg(&key).arg("O");
            let owner = match self.link.command(&key, cmd).await? {
                Value::BulkString(packed) => {
                    Some(pack::read_owner(&packed).ok_or_else(reply::malformed)?)
                }
                _ => None,
            };
            Ok::<_, StoreError>((owner, spot))
        });
        let found = try_join_all(owners).await?;
        Ok(found
            .into_iter()
            .filter_map(|(owner, spot)| {
                let namespace = Arc::clone(namespace);
                let owner = owner?;
                let by = CallerTag::NOBODY;
                let place = Place {
                    namespace,
                    owner,
                    by,
                };
                Some((place, spot))
            })
            .collect())
    }

    /// How many sessions a wide invalidation would end: counted where there are few, else estimated from some
    /// of the cells.
    async fn estimate(
        &self,
        namespace: &Arc<Namespace>,
        revocation: &Revocation,
        subject: &Subject,
    ) -> Answer<Revoked> {
        const FEW: usize = 4096;
        const SOME: usize = 16;
        let cards = self
            .on_all_cells(&namespace.name, |keys| {
                let key = keys.due();
                let mut cmd = redis::cmd("ZCARD");
                cmd.arg(&key);
                (key, cmd)
            })
            .await?;
        let total: i64 = cards.iter().filter_map(|(_, card)| reply::int(card)).sum();
        let step = if usize::try_from(total).is_ok_and(|total| total <= FEW) {
            1
        } else {
            CELLS / SOME
        };
        let mut covered = 0;
        for (cell, _) in cards.iter().step_by(step) {
            covered += self.covered(namespace, revocation, subject, *cell).await?;
        }
        Ok(Revoked::Roughly(covered * step))
    }

    async fn covered(
        &self,
        namespace: &Arc<Namespace>,
        revocation: &Revocation,
        subject: &Subject,
        cell: Cell,
    ) -> Answer<usize> {
        let key = self.keys.cell(&namespace.name, cell).due();
        let mut cmd = redis::cmd("ZRANGE");
        cmd.arg(&key).arg(0).arg(-1);
        let mut fields = Fields::of(Value::Array(vec![self.link.command(&key, cmd).await?]))?;
        let mut spots = Vec::new();
        for member in fields.list()? {
            if let Value::BulkString(member) = member
                && let Some(hash) = member.get(..HASH_LEN)
                && hash != keys::NO_HASH
            {
                spots.extend(self.spots(&namespace.name, hash));
            }
        }
        spots.sort_by_key(|spot| spot.hash);
        spots.dedup_by_key(|spot| spot.hash);
        let owners = self.with_owners(namespace, spots).await?;
        let counts = owners
            .iter()
            .filter(|(place, _)| subject.includes(&place.owner))
            .map(|(place, spot)| self.revoke_at(place, spot, revocation, Target::All));
        let counts = try_join_all(counts).await?;
        Ok(counts.iter().map(|(count, _)| count).sum())
    }
}

/// 'm' for all that was made up to now, or 'a' and until when logins are meant.
fn reach_args(revocation: &Revocation) -> [Vec<u8>; 2] {
    let until = revocation.authenticated_until;
    let kind = if until.is_some() { b'a' } else { b'm' };
    [vec![kind], optional(until.map(Time::as_millis))]
}
