//! What a request asks for, before it is looked at more closely; and whose it is, where that is proved.

use crate::call::{Operation, Right};
use crate::callers::{Access, Login, Tenants};
use crate::grpc::v1;
use crate::session::fields;
use crate::session::names::Owner;
use crate::sessions::Error;

/// What a call for an owner asks for.
pub(in crate::grpc) fn of_owner(operation: Operation, owner: Option<&v1::Owner>) -> Access<'_> {
    Access {
        right: Right::Call(operation),
        tenants: Tenants::One(owner.map_or("", |owner| &owner.tenant)),
    }
}

/// What a WatchSessions asks for: the events of one owner, or everybody's.
pub(in crate::grpc) fn of_watch(owner: Option<&v1::Owner>) -> Access<'_> {
    Access {
        right: Right::Call(Operation::WatchSessions),
        tenants: owner.map_or(Tenants::All, |owner| Tenants::One(&owner.tenant)),
    }
}

/// The owner that a login proves. The request may leave user and issuer empty, but name no others; the
/// tenant is the caller's word.
pub(in crate::grpc) fn proved_owner(
    owner: Option<v1::Owner>,
    login: &Login,
) -> Result<Owner, Error> {
    let owner = owner.unwrap_or_default();
    if !login.is_of(&owner.user, &owner.issuer) {
        return Err(not_proved(
            "the token is another user's, or another issuer's",
        ));
    }
    Ok(fields::owner(&owner.tenant, &login.user, &login.issuer)?)
}

/// Where a login is proved, nobody may name another time of it.
pub(in crate::grpc) fn check_login(
    asked: Option<prost_types::Timestamp>,
    login: Option<&Login>,
) -> Result<(), Error> {
    match (asked, login) {
        (Some(asked), Some(login)) if !login.is_at(asked.seconds) => {
            Err(not_proved("authenticated_at is not the token's"))
        }
        _ => Ok(()),
    }
}

fn not_proved(fault: &str) -> Error {
    tracing::warn!(target: "tenure::callers", fault, "the owner is not proved");
    Error::OwnerNotProved
}

/// What an InvalidateSessions asks for. Where its selector is not one tenant's, it reaches into all.
pub(in crate::grpc) fn of_invalidation(selector: Option<&v1::Selector>) -> Access<'_> {
    use v1::selector::Selector as Wire;
    let narrow = Right::Call(Operation::InvalidateSessions);
    let (right, tenants) = match selector.and_then(|selector| selector.selector.as_ref()) {
        Some(Wire::Owner(owner)) => (narrow, Tenants::One(&owner.tenant)),
        Some(Wire::SessionId(_) | Wire::ProviderSession(_)) | None => (narrow, Tenants::All),
        Some(Wire::Tenant(tenant)) => (Right::InvalidateWide, Tenants::One(tenant)),
        Some(Wire::Subject(_) | Wire::Issuer(_) | Wire::All(_)) => {
            (Right::InvalidateWide, Tenants::All)
        }
    };
    Access { right, tenants }
}

/// What a call of an admin asks for: about one tenant, or about all.
pub(in crate::grpc) fn of_tenant(operation: Operation, tenant: Option<&str>) -> Access<'_> {
    Access {
        right: Right::Call(operation),
        tenants: tenant.map_or(Tenants::All, Tenants::One),
    }
}
