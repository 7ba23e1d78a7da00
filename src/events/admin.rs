//! What those did who run the service.

use super::{Deed, Events, cause};
use crate::audit::{Level, Outcome, Unrecorded};
use crate::call::Call;
use crate::session::filter::Filter;
use crate::session::names::SessionId;
use crate::session::refusal::InvalidationReason;
use crate::store::Namespace;

/// Why values are not given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoGlass {
    /// There is no audit.
    NoAudit,
    /// It cannot be written now.
    Unrecorded,
}

impl From<Unrecorded> for NoGlass {
    fn from(_: Unrecorded) -> NoGlass {
        NoGlass::Unrecorded
    }
}

impl Events {
    /// Somebody looks at sessions, whoever owns them.
    pub fn inspected(&self, call: &Call, namespace: &Namespace, filter: &Filter) {
        self.of_filter(call, filter);
        self.tell(call, namespace, None, Deed::Inspected);
    }

    /// Somebody looks at one session, whoever owns it.
    pub fn inspected_one(&self, call: &Call, namespace: &Namespace, id: &SessionId) {
        self.tell(call, namespace, Some(id), Deed::Inspected);
    }

    /// Somebody is about to be given values. Whatever the namespace says, the answer waits until that is written.
    pub fn breaks_glass(
        &self,
        call: &Call,
        namespace: &Namespace,
        reason: String,
    ) -> Result<(), NoGlass> {
        let Some(trail) = &call.trail else {
            return Err(NoGlass::NoAudit);
        };
        self.asked(call, namespace.name.as_str(), || Level::Required);
        trail.admit()?;
        tracing::warn!(
            target: "tenure::lifecycle",
            event = Deed::GlassBroken.name(),
            namespace = namespace.name.as_str(),
            caller = call.caller.name(),
            correlation_id = &*call.correlation_id,
        );
        trail.note(|entry| {
            entry.deed = Some(Deed::GlassBroken.name());
            entry.note = reason;
        });
        Ok(())
    }

    /// Sessions that a filter means are to be ended.
    pub fn ending_found(&self, call: &Call, namespace: &Namespace, filter: &Filter, dry_run: bool) {
        self.of_filter(call, filter);
        if let Some(trail) = &call.trail {
            trail.note(|entry| {
                entry.selector = Some("filter");
                entry.cause = Some(cause(InvalidationReason::Admin));
                entry.dry_run = dry_run;
            });
        }
        let deed = if dry_run {
            Deed::Inspected
        } else {
            Deed::Invalidated
        };
        self.tell(call, namespace, None, deed);
    }

    /// All of them were ended: so many. Each ending is told by the store.
    pub fn ended_found(&self, call: &Call, namespace: &Namespace, ended: usize) {
        if let Some(trail) = &call.trail {
            trail.aside(|entry| {
                entry.deed = Some(Deed::Invalidated.name());
                entry.ended = Some(ended);
                entry.outcome = Outcome::Ok;
            });
        }
        tracing::info!(
            target: "tenure::lifecycle",
            event = Deed::Invalidated.name(),
            namespace = namespace.name.as_str(),
            ended,
            caller = call.caller.name(),
            correlation_id = &*call.correlation_id,
        );
    }

    fn of_filter(&self, call: &Call, filter: &Filter) {
        if let Some(tenant) = &filter.tenant {
            self.concerns_tenant(call, tenant);
        }
        let Some(trail) = &call.trail else { return };
        let part = |part: &Option<Box<str>>| part.as_deref().unwrap_or_default().to_owned();
        let (user, issuer) = (part(&filter.user), part(&filter.issuer));
        trail.note(|entry| {
            entry.user = user;
            entry.issuer = issuer;
        });
    }
}
