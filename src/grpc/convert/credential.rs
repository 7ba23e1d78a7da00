//! Credentials: messages to secrets, and secrets to messages. In between nobody looks in.

use prost::Message as _;
use zeroize::Zeroizing;

use super::request::optional;
use super::{span_of, timestamp};
use crate::grpc::v1;
use crate::mint;
use crate::session::fields;
use crate::session::limits::{LimitName, Limits};
use crate::session::names::{CredentialName, LeaseId};
use crate::session::owner_record::{AbandonRefresh, BeginRefresh};
use crate::session::refusal::Refusal;
use crate::sessions::{Error, Refresh, Secret};
use crate::store::Place;

/// The credentials of a CreateSession, in the order of their names. They are not in the request any more.
pub(crate) fn first(
    request: &mut v1::CreateSessionRequest,
    place: &Place,
) -> Result<Vec<(CredentialName, Secret)>, Error> {
    let credentials = std::mem::take(&mut request.credentials).into_iter();
    credentials
        .map(|(name, credential)| {
            let name = fields::credential_name("credentials", &name)?;
            let secret = secret("credentials", Some(&credential), &place.namespace.limits)?;
            Ok((name, secret))
        })
        .collect()
}

/// The name of the credential that a call is about.
pub(crate) fn name(text: &str) -> Result<CredentialName, Error> {
    Ok(fields::credential_name("name", text)?)
}

/// The lease that a call gives up.
pub(crate) fn lease(text: &str) -> Result<LeaseId, Error> {
    Ok(fields::lease_id(text)?)
}

/// A credential as it is sealed: the message.
pub(crate) fn secret(
    field: &'static str,
    credential: Option<&v1::Credential>,
    limits: &Limits,
) -> Result<Secret, Error> {
    use v1::credential::Secret as Kind;
    let held = credential.and_then(|credential| Some((credential, credential.secret.as_ref()?)));
    let (credential, kind) =
        held.ok_or_else(|| Refusal::invalid(field, "must hold a secret: oauth or opaque"))?;
    // What the caller gave, not what it takes to frame it.
    let asked = match kind {
        Kind::Oauth(tokens) => tokens.encoded_len(),
        Kind::Opaque(bytes) => bytes.len(),
    };
    LimitName::CredentialBytes
        .check(asked, limits.credential_bytes)
        .map_err(Refusal::from)?;
    let mut plain = Zeroizing::new(Vec::with_capacity(credential.encoded_len()));
    credential
        .encode(&mut *plain)
        .map_err(|_| Refusal::invalid(field, "is too large"))?;
    Ok(Secret(plain))
}

/// A credential as its owner gets it back.
pub(crate) fn credential(secret: &Secret) -> Result<v1::Credential, Error> {
    v1::Credential::decode(secret.0.as_slice()).map_err(|_| Error::Unreadable)
}

/// A version as callers count it.
pub(crate) fn version(version: u64) -> i64 {
    version.cast_signed()
}

/// A BeginRefresh.
pub(crate) fn begin(request: &v1::BeginRefreshRequest) -> Result<BeginRefresh, Error> {
    Ok(BeginRefresh {
        name: name(&request.name)?,
        stale_version: u64::try_from(request.stale_version)
            .map_err(|_| Refusal::invalid("stale_version", "must not be negative"))?,
        lease: mint::lease_id(),
        ttl: fields::lease_ttl(optional(request.lease_ttl, |ttl| {
            span_of("lease_ttl", ttl)
        })?)?,
    })
}

/// How long a BeginRefresh waits.
pub(crate) fn wait(request: &v1::BeginRefreshRequest) -> Result<std::time::Duration, Error> {
    let wait = optional(request.wait, |wait| span_of("wait", wait))?;
    Ok(fields::refresh_wait(wait))
}

/// An AbandonRefresh.
pub(crate) fn abandon(request: &v1::AbandonRefreshRequest) -> Result<AbandonRefresh, Error> {
    Ok(AbandonRefresh {
        name: name(&request.name)?,
        lease: lease(&request.lease_id)?,
        uncertain: request.uncertain,
    })
}

/// The answer to a BeginRefresh.
pub(crate) fn begun(refresh: &Refresh) -> Result<v1::BeginRefreshResponse, Error> {
    use v1::begin_refresh_response::Outcome;
    let outcome = match refresh {
        Refresh::Leased {
            lease,
            secret,
            version: kept,
            until,
            uncertain,
        } => Outcome::Lease(v1::RefreshLease {
            lease_id: lease.0.to_string(),
            credential: Some(credential(secret)?),
            version: version(*kept),
            expires_at: Some(timestamp(*until)),
            uncertain: *uncertain,
        }),
        Refresh::Refreshed {
            secret,
            version: kept,
        } => Outcome::Refreshed(v1::RefreshedCredential {
            credential: Some(credential(secret)?),
            version: version(*kept),
        }),
    };
    Ok(v1::BeginRefreshResponse {
        outcome: Some(outcome),
    })
}
