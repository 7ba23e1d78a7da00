//! Which sessions an admin means.

use std::time::Duration;

use super::names::Owner;
use super::record::Meta;
use super::time::Time;

/// What a session must be to be meant. Nothing said: any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Its owner's tenant.
    pub tenant: Option<Box<str>>,
    /// Its owner's user; empty: the anonymous owner.
    pub user: Option<Box<str>>,
    /// Who vouches for its owner.
    pub issuer: Option<Box<str>>,
    /// Labels that it has, all of them.
    pub labels: Vec<Box<str>>,
    /// How old it is at least, and at most.
    pub age: Span,
    /// For how long it has not been used at least, and at most.
    pub idle: Span,
}

/// A stretch of time, open where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// At least.
    pub min: Option<Duration>,
    /// At most.
    pub max: Option<Duration>,
}

impl Span {
    fn holds(self, span: Duration) -> bool {
        self.min.is_none_or(|min| min <= span) && self.max.is_none_or(|max| span <= max)
    }
}

impl Filter {
    /// Whether every session is meant.
    pub fn is_everything(&self) -> bool {
        *self == Filter::default()
    }

    /// Whether sessions of this owner may be meant.
    pub fn admits_owner(&self, owner: &Owner) -> bool {
        let is = |wanted: &Option<Box<str>>, part: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == part)
        };
        is(&self.tenant, owner.tenant())
            && is(&self.user, owner.user())
            && is(&self.issuer, owner.issuer())
    }

    /// Whether a session of an owner who may be meant is meant.
    pub fn admits(&self, session: &Meta, now: Time) -> bool {
        let labels = session.labels.as_deref().unwrap_or_default();
        self.age.holds(now.since(session.created_at))
            && self.idle.holds(now.since(session.last_used_at))
            && self.labels.iter().all(|label| labels.contains(label))
    }

    /// The owner that is meant, if it is one that has a name.
    pub fn one_owner(&self) -> Option<Owner> {
        let (tenant, user, issuer) = (&self.tenant, &self.user, &self.issuer);
        let owner = Owner::new(tenant.as_ref()?, user.as_ref()?, issuer.as_ref()?).ok()?;
        (!owner.is_anonymous()).then_some(owner)
    }
}
