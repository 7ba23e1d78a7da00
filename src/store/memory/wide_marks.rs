//! The marks of a namespace that reach beyond one owner.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hashbrown::{Equivalent, HashMap};
use parking_lot::RwLock;

use crate::session::marks::{Mark, Subject};
use crate::session::names::Owner;
use crate::session::time::Time;

/// The wide marks of one namespace.
#[derive(Debug, Default)]
pub(super) struct WideMarks {
    /// Whether there are any: most namespaces have none, and then a call takes no lock for them.
    any: AtomicBool,
    marks: RwLock<Marks>,
}

#[derive(Debug, Default)]
struct Marks {
    everybody: Option<Mark>,
    tenants: HashMap<Box<str>, Mark>,
    issuers: HashMap<Box<str>, Mark>,
    users: HashMap<(Box<str>, Box<str>), Mark>,
    /// When which mark was raised, in the order of time: the first is the first to be over.
    raised: VecDeque<(Time, Subject)>,
}

/// An issuer and a user, to look up without making strings.
#[derive(Hash)]
struct UserOf<'a>(&'a str, &'a str);

impl Equivalent<(Box<str>, Box<str>)> for UserOf<'_> {
    fn equivalent(&self, key: &(Box<str>, Box<str>)) -> bool {
        self.0 == &*key.0 && self.1 == &*key.1
    }
}

impl WideMarks {
    /// The marks that concern an owner, with whom they are about.
    pub(super) fn of(&self, owner: &Owner) -> Vec<(Subject, Mark)> {
        let marks = self.marks.read();
        let subjects = Subject::all_of(owner).into_iter();
        let found = subjects.filter_map(|subject| {
            let mark = marks.find(&subject)?.clone();
            Some((subject, mark))
        });
        found.collect()
    }

    /// The marks that concern an owner.
    pub(super) fn concerning(&self, owner: &Owner) -> Vec<Mark> {
        if !self.any.load(Ordering::Acquire) {
            return Vec::new();
        }
        let marks = self.marks.read();
        let user = UserOf(owner.issuer(), owner.user());
        let found = [
            marks.everybody.as_ref(),
            marks.tenants.get(owner.tenant()),
            marks.issuers.get(owner.issuer()),
            marks.users.get(&user),
        ];
        found.into_iter().flatten().cloned().collect()
    }

    /// How many subjects have a mark.
    pub(super) fn count(&self) -> usize {
        let marks = self.marks.read();
        let narrower = marks.tenants.len() + marks.issuers.len() + marks.users.len();
        usize::from(marks.everybody.is_some()) + narrower
    }

    /// Raises a subject's mark. `then` runs before anybody can see what comes after it.
    pub(super) fn raise(&self, subject: &Subject, now: Time, raise: impl FnOnce(&mut Mark)) {
        let mut marks = self.marks.write();
        raise(marks.mark_of(subject));
        marks.raised.push_back((now, subject.clone()));
        self.any.store(true, Ordering::Release);
    }

    /// Drops the marks that are over.
    pub(super) fn drop_spent(&self, longest_lifetime: Duration, now: Time) {
        if !self.any.load(Ordering::Acquire) {
            return;
        }
        let mut marks = self.marks.write();
        while let Some((at, _)) = marks.raised.front()
            && at.after(longest_lifetime) < now
        {
            let Some((_, subject)) = marks.raised.pop_front() else {
                break;
            };
            // One that was raised again since has a later entry too.
            if marks.mark_of(&subject).is_spent(longest_lifetime, now) {
                marks.remove(&subject);
            }
        }
        self.any.store(!marks.raised.is_empty(), Ordering::Release);
    }
}

impl Marks {
    fn mark_of(&mut self, subject: &Subject) -> &mut Mark {
        match subject {
            Subject::Everybody => self.everybody.get_or_insert_default(),
            Subject::Tenant(tenant) => self.tenants.entry(tenant.clone()).or_default(),
            Subject::Issuer(issuer) => self.issuers.entry(issuer.clone()).or_default(),
            Subject::User { issuer, user } => self
                .users
                .entry((issuer.clone(), user.clone()))
                .or_default(),
        }
    }

    fn find(&self, subject: &Subject) -> Option<&Mark> {
        match subject {
            Subject::Everybody => self.everybody.as_ref(),
            Subject::Tenant(tenant) => self.tenants.get(tenant),
            Subject::Issuer(issuer) => self.issuers.get(issuer),
            Subject::User { issuer, user } => self.users.get(&UserOf(issuer, user)),
        }
    }

    fn remove(&mut self, subject: &Subject) {
        match subject {
            Subject::Everybody => self.everybody = None,
            Subject::Tenant(tenant) => drop(self.tenants.remove(tenant)),
            Subject::Issuer(issuer) => drop(self.issuers.remove(issuer)),
            Subject::User { issuer, user } => {
                drop(self.users.remove(&UserOf(issuer, user)));
            }
        }
    }
}
