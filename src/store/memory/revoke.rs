//! Invalidations: of one owner, of all who bear an id or a login, and of everybody that a mark covers.

use std::sync::Arc;

use super::fleet::{Fleet, moment};
use super::shard::{Shard, Size};
use super::{Growth, MemoryStore, leaves_tombstone};
use crate::session::event::{Event, What};
use crate::session::marks::{Reach, Subject};
use crate::session::names::{CallerTag, Owner, RecordId, SessionId};
use crate::session::owner_record::{Invalidation, Target};
use crate::session::refusal::Refusal;
use crate::store::{Answer, Namespace, Place, Revocation, Revoked, Selector, StoreError};

impl MemoryStore {
    /// Slots that are counted through under one lock.
    const COUNT_SLICE: u32 = 1024;

    pub(super) async fn carry_out(
        &self,
        namespace: &Arc<Namespace>,
        revocation: Revocation,
    ) -> Answer<Revoked> {
        match &revocation.selector {
            Selector::Session(owner, id) => self.revoke_session(namespace, owner, id, &revocation),
            Selector::Owner(owner) => self.revoke_owner(namespace, owner, &revocation),
            Selector::Id(id) => {
                let hash = self.hashes.of_id(&namespace.name, id);
                let target = Target::Id(id.clone());
                Ok(
                    self.revoke_some(namespace, &revocation, &target, |shard, _| {
                        shard.bearing(hash)
                    }),
                )
            }
            Selector::ProviderSession {
                issuer,
                provider_session_id,
            } => {
                let hash = self
                    .hashes
                    .of_login(&namespace.name, issuer, provider_session_id);
                let target = Target::ProviderSession(provider_session_id.clone());
                Ok(
                    self.revoke_some(namespace, &revocation, &target, |shard, fleet| {
                        let mut found = shard.logged_in(hash);
                        found.retain(|&number| {
                            shard.slot(number).is_some_and(|slot| {
                                Arc::ptr_eq(&slot.fleet, fleet)
                                    && slot.record.owner().issuer() == &**issuer
                            })
                        });
                        found
                    }),
                )
            }
            Selector::Wide(subject) if revocation.dry_run => {
                Ok(self.estimate(namespace, &revocation, subject).await)
            }
            Selector::Wide(subject) => Ok(self.revoke_widely(namespace, &revocation, subject)),
        }
    }

    /// One session of one owner.
    fn revoke_session(
        &self,
        namespace: &Arc<Namespace>,
        owner: &Owner,
        id: &SessionId,
        revocation: &Revocation,
    ) -> Answer<Revoked> {
        let place = Place {
            namespace: Arc::clone(namespace),
            owner: owner.clone(),
            by: revocation.by,
        };
        let address = self.hashes.of_session(&namespace.name, owner, id);
        let ended = self.change_record(&place, address, None, |record, moment, events| {
            let invalidation = Invalidation {
                target: Target::Id(id.clone()),
                reach: revocation.reach(moment.now),
                except: revocation.except.clone(),
                reason: revocation.reason,
                dry_run: revocation.dry_run,
            };
            Ok(record.invalidate(moment, &invalidation, events))
        });
        match ended {
            // Nobody has been in this namespace.
            Err(StoreError::Refused(Refusal::NotFound)) => Ok(Revoked::Exactly(0)),
            ended => Ok(Revoked::Exactly(ended?)),
        }
    }

    /// One owner's sessions. The mark stays, whether or not there are any.
    fn revoke_owner(
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
        let place = Place {
            namespace: Arc::clone(namespace),
            owner: owner.clone(),
            by: revocation.by,
        };
        let address = self.hashes.of_owner(&namespace.name, owner);
        // Ending needs no room: the mark is kept even when the store is full.
        let growth = Growth {
            sessions: 0,
            bytes: None,
            soonest: Some(namespace.limits.max_lifetime_max),
        };
        let ended =
            self.change_record(&place, address, Some(growth), |record, moment, events| {
                let invalidation = Invalidation {
                    target: Target::All,
                    reach: revocation.reach(moment.now),
                    except: revocation.except.clone(),
                    reason: revocation.reason,
                    dry_run: revocation.dry_run,
                };
                Ok(record.invalidate(moment, &invalidation, events))
            })?;
        Ok(Revoked::Exactly(ended))
    }

    /// The sessions of those owners that an index names.
    fn revoke_some(
        &self,
        namespace: &Arc<Namespace>,
        revocation: &Revocation,
        target: &Target,
        candidates: impl Fn(&Shard, &Arc<Fleet>) -> Vec<u32>,
    ) -> Revoked {
        let Some(fleet) = self.fleet(&namespace.name) else {
            return Revoked::Exactly(0);
        };
        let mut ended = 0;
        for shard in &self.shards {
            let mut shard = shard.lock();
            for number in candidates(&shard, &fleet) {
                let Some(slot) = shard.slot_mut(number) else {
                    continue;
                };
                if !Arc::ptr_eq(&slot.fleet, &fleet) {
                    continue;
                }
                let now = self.clock.now();
                let marks = fleet.marks.concerning(slot.record.owner());
                let moment = moment(namespace, now, revocation.by, &marks);
                let invalidation = Invalidation {
                    target: target.clone(),
                    reach: revocation.reach(now),
                    except: revocation.except.clone(),
                    reason: revocation.reason,
                    dry_run: revocation.dry_run,
                };
                let before = Size::of(&slot.record);
                let mut events = Vec::new();
                ended += slot.record.invalidate(&moment, &invalidation, &mut events);
                let soonest = events
                    .iter()
                    .any(leaves_tombstone)
                    .then(|| now.after(moment.limits.tombstone_ttl));
                shard.conclude(&self.hashes, &self.totals, number, before, events, soonest);
            }
        }
        Revoked::Exactly(ended)
    }

    /// Everybody that a subject includes: a mark now, the single endings with the next sweeps.
    fn revoke_widely(
        &self,
        namespace: &Arc<Namespace>,
        revocation: &Revocation,
        subject: &Subject,
    ) -> Revoked {
        let fleet = self.fleet_or_new(namespace);
        let spared = self.spared(&fleet, revocation, subject);
        let now = self.clock.now();
        let reach = match revocation.reach(now) {
            Reach::Made(until) => Reach::Made(fleet.everything_made_by(until)),
            reach @ Reach::Authenticated(_) => reach,
        };
        fleet.marks.raise(subject, now, |mark| {
            let why = (revocation.reason, revocation.by);
            mark.raise(reach, &spared, why, now);
            fleet.log.append([Event {
                at: now,
                what: What::Revoked {
                    subject: subject.clone(),
                    reach,
                    reason: revocation.reason,
                },
            }]);
        });
        self.want_search();
        Revoked::InForce
    }

    /// How many sessions a wide invalidation would end.
    async fn estimate(
        &self,
        namespace: &Arc<Namespace>,
        revocation: &Revocation,
        subject: &Subject,
    ) -> Revoked {
        let Some(fleet) = self.fleet(&namespace.name) else {
            return Revoked::Roughly(0);
        };
        let everything = revocation.except.is_none() && revocation.authenticated_until.is_none();
        if matches!(subject, Subject::Everybody) && everything {
            return Revoked::Roughly(fleet.sessions());
        }
        let spared = self.spared(&fleet, revocation, subject);
        let mut covered = 0;
        for shard in &self.shards {
            let mut slot = 0;
            loop {
                let end = {
                    let shard = shard.lock();
                    let end = shard.end().min(slot + Self::COUNT_SLICE);
                    for number in slot..end {
                        covered +=
                            self.covered(&shard, number, &fleet, revocation, subject, &spared);
                    }
                    if end == shard.end() { None } else { Some(end) }
                };
                match end {
                    None => break,
                    Some(end) => slot = end,
                }
                tokio::task::yield_now().await;
            }
            tokio::task::yield_now().await;
        }
        Revoked::Roughly(covered)
    }

    fn covered(
        &self,
        shard: &Shard,
        number: u32,
        fleet: &Arc<Fleet>,
        revocation: &Revocation,
        subject: &Subject,
        spared: &[RecordId],
    ) -> usize {
        let Some(slot) = shard.slot(number) else {
            return 0;
        };
        if !Arc::ptr_eq(&slot.fleet, fleet) || !subject.includes(slot.record.owner()) {
            return 0;
        }
        let now = self.clock.now();
        let marks = fleet.marks.concerning(slot.record.owner());
        let moment = moment(&fleet.namespace, now, revocation.by, &marks);
        let reach = revocation.reach(now);
        slot.record
            .alive(&moment)
            .filter(|(_, record)| {
                !spared.contains(&record.kept.record_id) && reach.covers(&record.kept, now)
            })
            .count()
    }

    /// The records that a wide invalidation leaves alone: whoever bears the id, or bore it before a
    /// rotation.
    fn spared(
        &self,
        fleet: &Arc<Fleet>,
        revocation: &Revocation,
        subject: &Subject,
    ) -> Vec<RecordId> {
        let Some(except) = &revocation.except else {
            return Vec::new();
        };
        let hash = self.hashes.of_id(&fleet.namespace.name, except);
        let mut spared = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            for number in shard.bearing(hash) {
                if let Some(slot) = shard.slot(number)
                    && Arc::ptr_eq(&slot.fleet, fleet)
                    && subject.includes(slot.record.owner())
                {
                    spared.extend(slot.record.spared(Some(except)));
                }
            }
        }
        spared
    }

    /// Who bears an id, alive or lately ended.
    pub(super) fn all_bearers(&self, namespace: &Arc<Namespace>, id: &SessionId) -> Vec<Owner> {
        let Some(fleet) = self.fleet(&namespace.name) else {
            return Vec::new();
        };
        let hash = self.hashes.of_id(&namespace.name, id);
        let mut bearers: Vec<Owner> = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            for number in shard.bearing(hash) {
                let Some(slot) = shard.slot(number) else {
                    continue;
                };
                let owner = slot.record.owner();
                let marks = fleet.marks.concerning(owner);
                let moment = moment(namespace, self.clock.now(), CallerTag::NOBODY, &marks);
                if Arc::ptr_eq(&slot.fleet, &fleet) && slot.record.knows(id, &moment) {
                    bearers.push(owner.clone());
                }
            }
        }
        bearers
    }
}
