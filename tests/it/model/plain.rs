//! The model: a map of owners' records, and the rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use tenure::session::event::{Event, What};
use tenure::session::marks::{Mark, Reach, Subject};
use tenure::session::names::{CallerTag, Owner, SessionId};
use tenure::session::owner_record::{
    Claim, Claimed, Create, Created, Invalidation, Moment, OwnerRecord, Page, Read, Rotate,
    Rotated, Target, Update, Updated, Usage,
};
use tenure::session::record::Session;
use tenure::session::refusal::EndReason;
use tenure::session::time::Time;
use tenure::store::{Answer, Namespace, Place, Revocation, Revoked, Selector};

use super::secrets::{SecretStep, Told};

/// Which namespace, and which of its owners.
pub(crate) type Whose = (usize, usize);

/// Namespace, owner, and for the anonymous owner where in it.
type Key = (usize, Owner, String);

/// A store without anything that makes a store hard.
pub(crate) struct Plain {
    pub(crate) namespaces: [Arc<Namespace>; 2],
    pub(crate) owners: [Owner; 5],
    /// What happened in each namespace.
    pub(crate) told: [Vec<Event>; 2],
    records: BTreeMap<Key, OwnerRecord>,
    marks: [Vec<(Subject, Mark)>; 2],
    /// The latest creation that was dated behind a mark.
    latest_created: [Time; 2],
}

impl Plain {
    pub(crate) fn new(namespaces: [Arc<Namespace>; 2]) -> Plain {
        let owner = |tenant, user, issuer| Owner::new(tenant, user, issuer).expect("a good owner");
        Plain {
            namespaces,
            owners: [
                owner("acme", "ann", "idp"),
                owner("umbrella", "ann", "idp"),
                owner("acme", "bob", "idp"),
                owner("acme", "ann", "other idp"),
                owner("acme", "", ""),
            ],
            told: Default::default(),
            records: BTreeMap::new(),
            marks: Default::default(),
            latest_created: [Time::EARLIEST; 2],
        }
    }

    pub(crate) fn place(&self, (namespace, owner): Whose) -> Place {
        Place {
            namespace: Arc::clone(&self.namespaces[namespace]),
            owner: self.owners[owner].clone(),
            by: CallerTag::NOBODY,
        }
    }

    fn number_of(&self, place: &Place) -> usize {
        let is_it = |known: &Arc<Namespace>| known.name == place.namespace.name;
        self.namespaces.iter().position(is_it).expect("a namespace")
    }

    fn key_of_session(&self, place: &Place, id: &SessionId) -> Key {
        let spot = if place.owner.is_anonymous() {
            format!("place {}", id.place())
        } else {
            String::new()
        };
        (self.number_of(place), place.owner.clone(), spot)
    }

    fn marks_of(&self, namespace: usize, owner: &Owner) -> Vec<Mark> {
        let marks = self.marks[namespace].iter();
        marks
            .filter(|(subject, _)| subject.includes(owner))
            .map(|(_, mark)| mark.clone())
            .collect()
    }

    /// Runs a rule on a record that may not be there yet.
    fn on<T>(
        &mut self,
        now: Time,
        key: Key,
        rule: impl FnOnce(&mut OwnerRecord, &Moment<'_>, &mut Vec<Event>) -> T,
    ) -> T {
        let namespace = Arc::clone(&self.namespaces[key.0]);
        let marks = self.marks_of(key.0, &key.1);
        let moment = Moment {
            now,
            by: CallerTag::NOBODY,
            limits: &namespace.limits,
            marks: &marks,
            usage: Usage::default(),
        };
        let told = &mut self.told[key.0];
        let owner = key.1.clone();
        let record = self
            .records
            .entry(key)
            .or_insert_with(|| OwnerRecord::new(owner));
        rule(record, &moment, told)
    }

    pub(crate) fn create(&mut self, now: Time, place: &Place, create: &Create) -> Answer<Created> {
        let key = self.key_of_session(place, &create.id);
        let namespace = key.0;
        let created = self.on(now, key, |record, moment, told| {
            record.create(moment, create, told)
        })?;
        let latest = &mut self.latest_created[namespace];
        if created.created && !created.replayed {
            *latest = created.session.meta.created_at.max(*latest);
        }
        Ok(created)
    }

    pub(crate) fn read(
        &mut self,
        now: Time,
        place: &Place,
        id: &SessionId,
        read: &Read,
    ) -> Answer<Session> {
        let key = self.key_of_session(place, id);
        Ok(self.on(now, key, |record, moment, _| record.read(moment, id, read))?)
    }

    pub(crate) fn update(
        &mut self,
        now: Time,
        place: &Place,
        id: &SessionId,
        update: &Update,
    ) -> Answer<Updated> {
        let key = self.key_of_session(place, id);
        Ok(self.on(now, key, |record, moment, told| {
            record.update(moment, id, update, told)
        })?)
    }

    pub(crate) fn rotate(
        &mut self,
        now: Time,
        place: &Place,
        id: &SessionId,
        rotate: &Rotate,
    ) -> Answer<Rotated> {
        let key = self.key_of_session(place, id);
        Ok(self.on(now, key, |record, moment, told| {
            record.rotate(moment, id, rotate, told)
        })?)
    }

    pub(crate) fn end(&mut self, now: Time, place: &Place, id: &SessionId) -> bool {
        let key = self.key_of_session(place, id);
        self.on(now, key, |record, moment, told| {
            record.end(moment, id, EndReason::Deleted, told)
        })
    }

    pub(crate) fn list(&mut self, now: Time, place: &Place, page: &Page) -> (Vec<Session>, bool) {
        let key = (self.number_of(place), place.owner.clone(), String::new());
        self.on(now, key, |record, moment, _| record.list(moment, page))
    }

    pub(crate) fn claim(&mut self, now: Time, place: &Place, claim: &Claim) -> Answer<Claimed> {
        let spot = if place.owner.is_anonymous() {
            format!("claim {}", claim.key)
        } else {
            String::new()
        };
        let key = (self.number_of(place), place.owner.clone(), spot);
        Ok(self.on(now, key, |record, moment, _| record.claim(moment, claim))?)
    }

    pub(crate) fn secret(
        &mut self,
        now: Time,
        place: &Place,
        id: &SessionId,
        secret: &SecretStep,
    ) -> Answer<Told> {
        let key = self.key_of_session(place, id);
        Ok(self.on(now, key, |record, moment, _| {
            secret.rule(record, moment, id)
        })?)
    }

    pub(crate) fn bearers(&mut self, now: Time, namespace: usize, id: &SessionId) -> Vec<Owner> {
        let mut bearers = Vec::new();
        for key in self.keys(namespace, |_| true) {
            let owner = key.1.clone();
            if self.on(now, key, |record, moment, _| record.knows(id, moment)) {
                bearers.push(owner);
            }
        }
        bearers
    }

    fn keys(&self, namespace: usize, wanted: impl Fn(&Owner) -> bool) -> Vec<Key> {
        let keys = self.records.keys();
        keys.filter(|key| key.0 == namespace && wanted(&key.1))
            .cloned()
            .collect()
    }

    pub(crate) fn revoke(
        &mut self,
        now: Time,
        namespace: usize,
        revocation: &Revocation,
    ) -> Revoked {
        let mut invalidation = Invalidation {
            target: Target::All,
            reach: revocation.reach(now),
            except: revocation.except.clone(),
            reason: revocation.reason,
            dry_run: revocation.dry_run,
        };
        let keys = match &revocation.selector {
            Selector::Wide(_) if revocation.dry_run => return Revoked::Roughly(0),
            Selector::Wide(subject) => return self.mark(now, namespace, revocation, subject),
            Selector::Owner(owner) => vec![(namespace, owner.clone(), String::new())],
            Selector::Session(owner, id) => {
                invalidation.target = Target::Id(id.clone());
                let spot = if owner.is_anonymous() {
                    format!("place {}", id.place())
                } else {
                    String::new()
                };
                vec![(namespace, owner.clone(), spot)]
            }
            Selector::Id(id) => {
                invalidation.target = Target::Id(id.clone());
                self.keys(namespace, |_| true)
            }
            Selector::ProviderSession {
                issuer,
                provider_session_id,
            } => {
                invalidation.target = Target::ProviderSession(provider_session_id.clone());
                self.keys(namespace, |owner| owner.issuer() == &**issuer)
            }
        };
        let mut ended = 0;
        for key in keys {
            ended += self.on(now, key, |record, moment, told| {
                record.invalidate(moment, &invalidation, told)
            });
        }
        Revoked::Exactly(ended)
    }

    fn mark(
        &mut self,
        now: Time,
        namespace: usize,
        revocation: &Revocation,
        subject: &Subject,
    ) -> Revoked {
        let mut spared = Vec::new();
        for key in self.keys(namespace, |owner| subject.includes(owner)) {
            spared.extend(self.records[&key].spared(revocation.except.as_ref()));
        }
        let reach = match revocation.reach(now) {
            Reach::Made(until) => Reach::Made(until.max(self.latest_created[namespace])),
            reach @ Reach::Authenticated(_) => reach,
        };
        let marks = &mut self.marks[namespace];
        if !marks.iter().any(|(known, _)| known == subject) {
            marks.push((subject.clone(), Mark::default()));
        }
        for (known, mark) in marks {
            if known == subject {
                let why = (revocation.reason, revocation.by);
                mark.raise(reach, &spared, why, now);
            }
        }
        self.told[namespace].push(Event {
            at: now,
            what: What::Revoked {
                subject: subject.clone(),
                reach,
                reason: revocation.reason,
            },
        });
        Revoked::InForce
    }

    pub(crate) fn sweep(&mut self, now: Time) {
        let keys: Vec<Key> = self.records.keys().cloned().collect();
        for key in keys {
            self.on(now, key, |record, moment, told| {
                record.settle(moment, told);
            });
        }
        self.records.retain(|_, record| !record.is_empty());
        for (marks, namespace) in self.marks.iter_mut().zip(&self.namespaces) {
            let longest = namespace.limits.max_lifetime_max;
            marks.retain(|(_, mark)| !mark.is_spent(longest, now));
        }
    }
}
