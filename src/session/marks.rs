//! Marks: "sessions of X authenticated (or made) up to T are dead".
//!
//! A mark kills whatever it covers at the moment of the call, whether or not the session has been ended
//! yet, so that a wide invalidation costs the same for one session and for a million.

use std::time::Duration;

use super::names::{CallerTag, Owner, RecordId};
use super::record::{End, Kept};
use super::refusal::{EndReason, InvalidationReason};
use super::time::Time;

/// What an invalidation says: everything made up to a moment, or every login up to a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Everything made up to now, and no new session for a login up to now.
    Made(Time),
    /// Everything that was authenticated up to then. A newer login lives on.
    Authenticated(Time),
}

impl Reach {
    /// Whether a session is covered when this is carried out at `now`.
    pub fn covers(self, session: &Kept, now: Time) -> bool {
        match self {
            Reach::Made(until) => session.created_at <= until,
            Reach::Authenticated(until) => {
                session.authenticated_at <= until.latest_meant().min(now)
            }
        }
    }
}

/// What is revoked for one subject. Its times only ever grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    made: Frontier,
    authenticated: Frontier,
    reason: InvalidationReason,
    by: CallerTag,
    set_at: Time,
    renewed_at: Time,
}

impl Default for Mark {
    fn default() -> Self {
        Mark {
            made: Frontier::default(),
            authenticated: Frontier::default(),
            reason: InvalidationReason::Unspecified,
            by: CallerTag::NOBODY,
            set_at: Time::EARLIEST,
            renewed_at: Time::EARLIEST,
        }
    }
}

impl Mark {
    /// Raises the mark to an invalidation that spares some records.
    pub fn raise(
        &mut self,
        reach: Reach,
        spared: &[RecordId],
        (reason, by): (InvalidationReason, CallerTag),
        now: Time,
    ) {
        let (mut made, mut authenticated) = (self.made.clone(), self.authenticated.clone());
        match reach {
            Reach::Made(until) => {
                made.raise(until, spared);
                authenticated.raise(until, spared);
            }
            Reach::Authenticated(until) => {
                authenticated.raise(until.latest_meant().min(now), spared);
            }
        }
        self.renewed_at = self.renewed_at.max(now);
        // A late event that covers nothing new does not change why and when the others ended.
        if (&self.made, &self.authenticated) != (&made, &authenticated) {
            self.made = made;
            self.authenticated = authenticated;
            self.reason = reason;
            self.by = by;
            self.set_at = self.set_at.max(now);
        }
    }

    /// Whether a record is dead under this mark.
    pub fn covers(&self, session: &Kept) -> bool {
        session.created_at <= self.made.until_for(session.record_id)
            || session.authenticated_at <= self.authenticated.until_for(session.record_id)
    }

    /// Whether a login is too old for a new session.
    pub fn covers_login(&self, authenticated_at: Time) -> bool {
        authenticated_at <= self.authenticated.until
    }

    /// How whatever it covers ended.
    pub fn end(&self) -> End {
        End {
            at: self.set_at,
            reason: EndReason::Invalidated(self.reason),
            by: self.by,
        }
    }

    /// It covers all that was made up to then.
    pub fn made_until(&self) -> Option<Time> {
        (self.made.until > Time::EARLIEST).then_some(self.made.until)
    }

    /// It covers all logins up to then.
    pub fn authenticated_until(&self) -> Option<Time> {
        (self.authenticated.until > Time::EARLIEST).then_some(self.authenticated.until)
    }

    /// The first moment at which a new session with a new login is not covered.
    pub fn first_uncovered(&self) -> Time {
        self.made
            .until
            .max(self.authenticated.until)
            .after(Duration::from_millis(1))
    }

    /// Whether nothing that it covers can be alive any more.
    pub fn is_spent(&self, longest_lifetime: Duration, now: Time) -> bool {
        self.first_spent(longest_lifetime) <= now
    }

    /// From when on nothing that it covers can be alive any more.
    pub fn first_spent(&self, longest_lifetime: Duration) -> Time {
        self.renewed_at
            .after(longest_lifetime)
            .after(Duration::from_millis(1))
    }
}

/// The latest moment that is revoked, for all records but some.
///
/// A spared record keeps the frontier that it had, and follows every later one that does not spare it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Frontier {
    until: Time,
    spared: Vec<(RecordId, Time)>,
}

impl Default for Frontier {
    fn default() -> Self {
        Frontier {
            until: Time::EARLIEST,
            spared: Vec::new(),
        }
    }
}

impl Frontier {
    fn raise(&mut self, until: Time, spared: &[RecordId]) {
        for record_id in spared {
            if !self.spared.iter().any(|(known, _)| known == record_id) {
                self.spared.push((*record_id, self.until));
            }
        }
        for (record_id, theirs) in &mut self.spared {
            if !spared.contains(record_id) {
                *theirs = (*theirs).max(until);
            }
        }
        self.until = self.until.max(until);
        let until = self.until;
        self.spared.retain(|(_, theirs)| *theirs < until);
    }

    fn until_for(&self, record_id: RecordId) -> Time {
        if self.spared.is_empty() {
            return self.until;
        }
        self.spared
            .iter()
            .find(|(spared, _)| *spared == record_id)
            .map_or(self.until, |(_, theirs)| *theirs)
    }
}

/// Whom a wide invalidation is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A user of an issuer, over all tenants.
    User {
        /// Who vouches for the user.
        issuer: Box<str>,
        /// The user.
        user: Box<str>,
    },
    /// A tenant.
    Tenant(Box<str>),
    /// Everybody that an issuer vouches for.
    Issuer(Box<str>),
    /// Everybody in the namespace.
    Everybody,
}

impl Subject {
    /// Whether an owner is one of those meant.
    pub fn includes(&self, owner: &Owner) -> bool {
        match self {
            Subject::User { issuer, user } => {
                owner.user() == &**user && owner.issuer() == &**issuer
            }
            Subject::Tenant(tenant) => owner.tenant() == &**tenant,
            Subject::Issuer(issuer) => owner.issuer() == &**issuer,
            Subject::Everybody => true,
        }
    }

    /// Every subject that an owner belongs to.
    pub fn all_of(owner: &Owner) -> [Subject; 4] {
        [
            Subject::Everybody,
            Subject::Tenant(owner.tenant().into()),
            Subject::Issuer(owner.issuer().into()),
            Subject::User {
                issuer: owner.issuer().into(),
                user: owner.user().into(),
            },
        ]
    }
}
