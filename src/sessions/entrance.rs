//! Who may come in, and where to: asked before anything of a request is looked at.

use std::sync::Arc;

use super::{Call, Error, Sessions};
use crate::call::Right;
use crate::callers::{Access, Login, Tenants};
use crate::session::names::{NamespaceName, Owner};
use crate::session::refusal::Refusal;
use crate::store::{Namespace, Place};
use crate::telemetry::metrics::label::Barred;

impl Sessions {
    /// Lets a call into a namespace. Nothing of the request has been checked by then: who may not do this
    /// here learns nothing about it.
    pub fn enter(
        &self,
        call: &Call,
        namespace: &str,
        access: Access<'_>,
    ) -> Result<Arc<Namespace>, Error> {
        let level = || self.namespaces.audit_level(namespace);
        self.events.asked(call, namespace, level);
        if !self.policy.allows(&call.caller, namespace, access) {
            tracing::warn!(
                target: "tenure::callers",
                caller = call.caller.name(),
                right = access.right.name(),
                // Anything else could be of any length.
                namespace = NamespaceName::new(namespace).map_or("(not a name)", |_| namespace),
                all_tenants = access.tenants == Tenants::All,
                "no rule of the policy allows this"
            );
            if let Tenants::One(tenant) = access.tenants {
                self.events.concerns_tenant(call, tenant);
            }
            self.metrics.calls_barred.one((Barred::NotAllowed,));
            return Err(Error::CallerNotAllowed);
        }
        let found = self.namespaces.find(namespace);
        let found = found.map_err(|bad| Refusal::invalid("namespace", bad.0))?;
        let found = found.ok_or(Error::NamespaceUnknown)?;
        // Nothing has been done yet.
        self.events.admit(call)?;
        Ok(found)
    }

    /// Lets a call in that is about the whole service.
    pub fn enter_service(&self, call: &Call) -> Result<(), Error> {
        let access = Access {
            right: Right::Call(call.operation),
            tenants: Tenants::All,
        };
        self.events.asked_of_all(call);
        if self.policy.allows_everywhere(&call.caller, access) {
            return Ok(self.events.admit(call)?);
        }
        tracing::warn!(
            target: "tenure::callers",
            caller = call.caller.name(),
            right = access.right.name(),
            "no rule of the policy allows this for every namespace and tenant"
        );
        self.metrics.calls_barred.one((Barred::NotAllowed,));
        Err(Error::CallerNotAllowed)
    }

    /// The login that a call for an owner proves, where the namespace wants it proved.
    pub async fn prove(
        &self,
        call: &Call,
        namespace: &Namespace,
    ) -> Result<Option<Arc<Login>>, Error> {
        let issuers = &namespace.limits.owner_proof;
        if issuers.is_empty() {
            return Ok(None);
        }
        let login = self.owner_proof.login(&call.user_token, issuers).await;
        login.map(Some).map_err(|unknown| {
            tracing::warn!(
                target: "tenure::callers",
                caller = call.caller.name(),
                namespace = namespace.name.as_str(),
                fault = %unknown,
                "the owner is not proved"
            );
            self.metrics.calls_barred.one((Barred::OwnerNotProved,));
            Error::OwnerNotProved
        })
    }

    /// An owner's place in a namespace that allows such owners.
    pub async fn place(
        &self,
        call: &Call,
        namespace: Arc<Namespace>,
        owner: Owner,
    ) -> Result<Place, Error> {
        if owner.is_anonymous() && !namespace.limits.allow_anonymous {
            return Err(Refusal::invalid(
                "owner.user",
                "must not be empty: the namespace does not allow anonymous owners",
            )
            .into());
        }
        let by = self.caller_names.tag(&self.store, call).await;
        Ok(Place {
            namespace,
            owner,
            by,
        })
    }
}
