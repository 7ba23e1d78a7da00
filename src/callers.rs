//! Who calls, and what they may do.
//!
//! [`Authenticator`] knows callers by certificate, token or API key; [`Policy`] says what each of them may do;
//! [`OwnerProof`] checks the end user's own token where a namespace wants owners proved. Why somebody is not
//! known goes to the log ([`Unknown`]), and never to the one who asked.

use std::sync::Arc;

use http::{HeaderMap, header};

use self::api_key::ApiKeys;
use self::jwt::{Tokens, now_seconds};
use crate::call::Caller;
use crate::config::{self, CertificateNames};

mod api_key;
mod certificate;
mod jwks;
mod jwt;
mod owner_proof;
mod policy;
mod unknown;

pub use api_key::new_key;
pub use certificate::ClientCertificates;
pub use owner_proof::{Login, OwnerProof};
pub use policy::{Access, Answer, Policy, Tenants, ask, explain, warnings};
pub use unknown::Unknown;

/// Knows callers by what they show.
pub struct Authenticator {
    /// Whether anybody has to show anything.
    required: bool,
    local: Arc<Caller>,
    certificates: CertificateNames,
    api_keys: ApiKeys,
    tokens: Tokens<Caller>,
}

impl Authenticator {
    /// As the configuration says. It fails if a file of keys or hashes is at fault.
    pub fn new(config: &config::Callers) -> anyhow::Result<Authenticator> {
        Ok(Authenticator {
            required: config.authenticate(),
            local: Arc::new(Caller::Local),
            certificates: config.certificates,
            api_keys: ApiKeys::new(&config.api_keys)?,
            tokens: Tokens::new(&config.jwt, config.jwks_refresh, config.jwks_cooldown)?,
        })
    }

    /// Who calls. A token or a key that is shown decides, and has to be sound even if a certificate would do:
    /// whoever shows one means to be known by it.
    pub async fn caller(
        &self,
        headers: &HeaderMap,
        certificates: &ClientCertificates,
    ) -> Result<Arc<Caller>, Unknown> {
        if !self.required {
            return Ok(Arc::clone(&self.local));
        }
        let Some(token) = bearer(headers)? else {
            return match self.certificates {
                CertificateNames::Off => Err(Unknown::Nothing),
                names => certificates.caller(names, now_seconds()),
            };
        };
        if token.starts_with(api_key::PREFIX) {
            return self.api_keys.find(token);
        }
        if self.tokens.is_empty() {
            return Err(Unknown::TokensNotTaken);
        }
        self.tokens.check(token).await
    }
}

/// What has to run beside the service: it follows the keys of all issuers, for ever.
pub fn followers(
    authenticator: &Authenticator,
    owner_proof: &OwnerProof,
) -> Vec<impl Future<Output = ()> + Send + 'static> {
    let keys = authenticator.tokens.keys().chain(owner_proof.keys());
    keys.map(jwks::Keys::follow).collect()
}

/// The token of the one `authorization` header, if there is one.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Unknown> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Unknown::Malformed("there is more than one authorization"));
    }
    let not_bearer = Unknown::Malformed("authorization is not `Bearer` and a token");
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .ok_or(not_bearer)?;
    let token = token.trim_matches(' ');
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || token.contains(' ') {
        return Err(not_bearer);
    }
    Ok(Some(token))
}
