//! Ceilings, endings and marks, in whatever order things happen.

use std::time::Duration;

use proptest::prelude::*;
use tenure::session::limits::Limits;
use tenure::session::marks::{Mark, Reach};
use tenure::session::names::{CallerTag, Owner, RecordId, SessionId};
use tenure::session::owner_record::{
    Create, Invalidation, Moment, OnExisting, OwnerRecord, Read, Shown, Target, Update, Usage,
};
use tenure::session::record::{End, Session};
use tenure::session::refusal::{EndReason, InvalidationReason, Refusal};
use tenure::session::state::{Patch, State};
use tenure::session::time::Time;

use crate::support::backend::START;
use crate::support::world::{id, plain_rotate};

/// An owner with one session, and the time.
struct Life {
    record: OwnerRecord,
    limits: Limits,
    marks: Vec<Mark>,
    now: Time,
    id: SessionId,
    rotations: u32,
}

impl Life {
    fn new(idle_ttl: Duration, max_lifetime: Duration) -> (Life, Session) {
        let mut life = Life {
            record: OwnerRecord::new(Owner::new("acme", "ann", "idp").expect("a good owner")),
            limits: Limits::default(),
            marks: Vec::new(),
            now: START,
            id: id("the-id-of-the-first-session"),
            rotations: 0,
        };
        let create = Create {
            idle_ttl,
            max_lifetime,
            ..plain(&life.id)
        };
        let session = life.create(&create).expect("a session");
        (life, session)
    }

    /// Runs a rule now.
    fn now<T>(&mut self, rule: impl FnOnce(&mut OwnerRecord, &Moment<'_>) -> T) -> T {
        let moment = Moment {
            now: self.now,
            by: CallerTag::NOBODY,
            limits: &self.limits,
            marks: &self.marks,
            usage: Usage::default(),
        };
        rule(&mut self.record, &moment)
    }

    fn create(&mut self, create: &Create) -> Result<Session, Refusal> {
        let created = self.now(|record, moment| record.create(moment, create, &mut Vec::new()));
        Ok(created?.session)
    }

    fn read(&mut self, slide: bool) -> Result<Session, Refusal> {
        let id = self.id.clone();
        let read = Read {
            slide,
            show: Shown::All,
        };
        self.now(|record, moment| record.read(moment, &id, &read))
    }

    fn take(&mut self, step: Step) -> Result<Session, Refusal> {
        let id = self.id.clone();
        match step {
            Step::Pass(by) => {
                self.now = self.now.after(by);
                self.read(false)
            }
            Step::Peek => self.read(false),
            Step::Get => self.read(true),
            Step::Update => {
                let update = Update {
                    patch: Patch {
                        increment: vec![("n".into(), 1)],
                        ..Patch::default()
                    },
                    ..Update::default()
                };
                let events = &mut Vec::new();
                let updated =
                    self.now(|record, moment| record.update(moment, &id, &update, events));
                Ok(updated?.session)
            }
            Step::Rotate => {
                self.rotations += 1;
                let new_id = id_after(self.rotations);
                let rotate = plain_rotate(&new_id);
                let events = &mut Vec::new();
                let rotated =
                    self.now(|record, moment| record.rotate(moment, &id, &rotate, events));
                let session = rotated?.session;
                self.id = new_id;
                Ok(session)
            }
            Step::Settle => {
                self.now(|record, moment| record.settle(moment, &mut Vec::new()));
                self.read(false)
            }
        }
    }

    fn end(&mut self, how: How) {
        let id = self.id.clone();
        let reach = Reach::Made(self.now);
        let target = match how {
            How::Expire => {
                self.now = self.now.after(Duration::from_hours(30));
                return;
            }
            How::Delete => {
                let events = &mut Vec::new();
                self.now(|record, moment| record.end(moment, &id, EndReason::Deleted, events));
                return;
            }
            How::Mark => {
                let mut mark = Mark::default();
                mark.raise(
                    reach,
                    &[],
                    (InvalidationReason::Admin, CallerTag::NOBODY),
                    self.now,
                );
                self.marks.push(mark);
                return;
            }
            How::InvalidateId => Target::Id(id),
            How::InvalidateOwner => Target::All,
        };
        self.invalidate(target, reach);
    }

    fn invalidate(&mut self, target: Target, reach: Reach) -> usize {
        let invalidation = Invalidation {
            target,
            reach,
            except: None,
            reason: InvalidationReason::Admin,
            dry_run: false,
        };
        let events = &mut Vec::new();
        self.now(|record, moment| record.invalidate(moment, &invalidation, events))
    }
}

fn id_after(rotations: u32) -> SessionId {
    id(&format!("the-id-after-{rotations:05}-rotations"))
}

fn plain(id: &SessionId) -> Create {
    Create {
        id: id.clone(),
        record_id: RecordId(1),
        conversation: None,
        state: State::default(),
        mcp: None,
        labels: None,
        credentials: Vec::new(),
        idle_ttl: Duration::from_mins(15),
        max_lifetime: Duration::from_hours(12),
        authenticated_at: None,
        provider_session_id: None,
        on_existing: OnExisting::Fail,
        request: None,
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Pass(Duration),
    Peek,
    Get,
    Update,
    Rotate,
    Settle,
}

#[derive(Clone, Copy, Debug)]
enum How {
    Expire,
    Delete,
    Mark,
    InvalidateId,
    InvalidateOwner,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..4000_u64).prop_map(|millis| Step::Pass(Duration::from_millis(millis))),
        1 => Just(Step::Peek),
        2 => Just(Step::Get),
        1 => Just(Step::Update),
        1 => Just(Step::Rotate),
        1 => Just(Step::Settle),
    ]
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        Just(How::Expire),
        Just(How::Delete),
        Just(How::Mark),
        Just(How::InvalidateId),
        Just(How::InvalidateOwner),
    ]
}

fn millis(range: std::ops::Range<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_millis)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_passes_the_ceiling(
        idle_ttl in millis(1000..8000),
        max_lifetime in millis(1000..60_000),
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let (mut life, made) = Life::new(idle_ttl, max_lifetime);
        let ceiling = START.after(max_lifetime);
        prop_assert_eq!(made.meta.expires_at, ceiling);
        // What its deadline has to be, kept beside the rules.
        let mut deadline = START.after(idle_ttl).min(ceiling);
        for step in steps {
            let answer = life.take(step);
            prop_assert_eq!(answer.is_ok(), life.now < deadline, "{:?} at {:?}", step, life.now);
            let Ok(session) = answer else {
                prop_assert!(life.read(false).is_err());
                continue;
            };
            if matches!(step, Step::Get | Step::Update | Step::Rotate) {
                deadline = life.now.after(idle_ttl).min(ceiling);
            }
            prop_assert!(life.now < ceiling);
            prop_assert_eq!(session.meta.expires_at, ceiling);
            prop_assert_eq!(session.meta.idle_expires_at(), deadline);
            prop_assert_eq!(
                session.meta.idle_expires_at(),
                session.meta.last_used_at.after(session.meta.idle_ttl).min(ceiling)
            );
        }
    }

    #[test]
    fn what_has_ended_never_lives_again(
        before in proptest::collection::vec(step(), 0..10),
        how in how(),
        after in proptest::collection::vec(step(), 1..40),
    ) {
        let (mut life, _) = Life::new(Duration::from_mins(15), Duration::from_hours(1));
        for step in before {
            life.take(step).expect("alive");
        }
        life.end(how);
        let ids = (0..=life.rotations).map(|n| if n == 0 { life.id.clone() } else { id_after(n) });
        let ids: Vec<_> = ids.collect();
        for step in after {
            prop_assert!(life.take(step).is_err(), "{:?} after {:?}", step, how);
            for id in &ids {
                life.id = id.clone();
                prop_assert!(life.take(Step::Update).is_err());
            }
            let alive = life.now(|record, moment| record.alive(moment).count());
            prop_assert_eq!(alive, 0);
        }
    }

    #[test]
    fn no_old_login_after_an_invalidation(
        revocations in proptest::collection::vec(
            (millis(0..3000), proptest::option::of(0..5000_i64), any::<bool>()),
            1..8,
        ),
        logins in proptest::collection::vec(-1000..20_000_i64, 1..20),
    ) {
        let (mut life, _) = Life::new(Duration::from_mins(15), Duration::from_hours(1));
        let mut wide = Mark::default();
        // The latest login that must be refused.
        let mut frontier = Time::EARLIEST;
        for (wait, age, is_wide) in revocations {
            life.now = life.now.after(wait);
            let until = age.map(|age| Time::from_millis(life.now.as_millis() - age));
            let reach = until.map_or(Reach::Made(life.now), Reach::Authenticated);
            if is_wide {
                wide.raise(reach, &[], (InvalidationReason::Admin, CallerTag::NOBODY), life.now);
                life.marks = vec![wide.clone()];
            } else {
                life.invalidate(Target::All, reach);
            }
            frontier = frontier.max(until.unwrap_or(life.now));
        }
        for (number, login) in logins.into_iter().enumerate() {
            let login = Time::from_millis(START.as_millis() + login).min(life.now);
            let new_id = id(&format!("a-new-session-{number:08}"));
            let create = Create {
                authenticated_at: Some(login),
                record_id: RecordId(100 + number as u128),
                ..plain(&new_id)
            };
            let answer = life.create(&create);
            if login <= frontier {
                prop_assert_eq!(answer, Err(Refusal::AuthenticationRevoked));
            } else if let Ok(session) = answer {
                life.id = session.id;
                prop_assert!(life.read(false).is_ok(), "made, so alive");
            }
        }
        // Without a word about the login it is a new one.
        let fresh = plain(&id("a-session-with-a-new-login"));
        let session = life.create(&fresh).expect("a new login");
        life.id = session.id;
        prop_assert!(life.read(false).is_ok());
    }
}

#[test]
fn a_mark_that_is_raised_for_nothing_new_changes_no_reason() {
    let mut mark = Mark::default();
    let later = START.after(Duration::from_secs(10));
    mark.raise(
        Reach::Made(START),
        &[],
        (InvalidationReason::PasswordChanged, CallerTag::of("first")),
        START,
    );
    mark.raise(
        Reach::Authenticated(START),
        &[],
        (InvalidationReason::LoggedOut, CallerTag::of("second")),
        START,
    );
    let end = |at, reason, by| End {
        at,
        reason: EndReason::Invalidated(reason),
        by: CallerTag::of(by),
    };
    assert_eq!(
        mark.end(),
        end(START, InvalidationReason::PasswordChanged, "first")
    );
    let why = (InvalidationReason::Admin, CallerTag::of("third"));
    mark.raise(Reach::Made(later), &[], why, later);
    assert_eq!(mark.end(), end(later, InvalidationReason::Admin, "third"));
}

#[test]
fn a_rotated_id_is_not_due_while_its_session_lives() {
    let (mut life, _) = Life::new(Duration::from_hours(24), Duration::from_hours(24));
    life.take(Step::Rotate).expect("a new id");
    life.now = life.now.after(2 * life.limits.tombstone_ttl);
    life.take(Step::Settle).expect("alive");
    let due = life.now(|record, moment| record.next_due(moment));
    assert_eq!(due, Some(START.after(Duration::from_hours(24))));
}
