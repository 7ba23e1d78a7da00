//! Tokens: JWTs of issuers that the configuration names.
//!
//! The order matters: what may be said about a token is decided before its signature is checked (algorithm,
//! issuer, key), what it claims is believed only after.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;
use serde::de::IgnoredAny;

use self::seen::Seen;
use super::jwks::{Found, KeySet, Keys};
use super::unknown::Unknown;
use crate::call::{Caller, Means};
use crate::config::{TokenAlgorithm, TokenIssuer};

mod seen;

/// The longest token that is looked at.
const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// The longest subject that names a caller.
const MAX_SUBJECT_BYTES: usize = 512;

/// The issuers whose tokens are taken, and what their tokens are taken for.
pub(super) struct Tokens<T> {
    issuers: Vec<Issuer>,
    seen: Seen<T>,
}

struct Issuer {
    /// What the configuration calls it.
    name: String,
    /// Its `iss`.
    iss: String,
    algorithms: Vec<Algorithm>,
    validation: Validation,
    leeway_seconds: i64,
    keys: Arc<Keys>,
}

/// What a token becomes once it has been checked.
pub(super) trait Subject: Sized {
    fn of(issuer: &str, claims: &Claims) -> Result<Self, Unknown>;
}

impl Subject for Caller {
    fn of(issuer: &str, claims: &Claims) -> Result<Caller, Unknown> {
        Ok(Caller::Authenticated {
            means: Means::Token,
            name: format!("jwt:{issuer}:{}", claims.sub).into(),
        })
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<IgnoredAny>,
}

/// What a token claims. A claim that stands there twice makes it unreadable.
#[derive(Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) sub: String,
    exp: Seconds,
    pub(super) iat: Option<Seconds>,
    pub(super) auth_time: Option<Seconds>,
}

/// Seconds since the epoch; RFC 7519 allows a fraction.
#[derive(Clone, Copy, Deserialize)]
#[serde(from = "f64")]
pub(super) struct Seconds(pub(super) i64);

impl From<f64> for Seconds {
    fn from(seconds: f64) -> Seconds {
        #[expect(clippy::cast_possible_truncation, reason = "it saturates")]
        Seconds(seconds.floor() as i64)
    }
}

impl<T: Subject> Tokens<T> {
    pub(super) fn new(
        issuers: &[(String, TokenIssuer)],
        refresh: Duration,
        cooldown: Duration,
    ) -> anyhow::Result<Tokens<T>> {
        let issuers = issuers.iter().map(|(name, issuer)| {
            Ok(Issuer {
                name: name.clone(),
                iss: issuer.issuer.clone(),
                algorithms: issuer.algorithms.iter().copied().map(algorithm).collect(),
                validation: validation(issuer),
                leeway_seconds: i64::try_from(issuer.leeway.as_secs()).unwrap_or(i64::MAX),
                keys: Arc::new(Keys::new(issuer, refresh, cooldown)?),
            })
        });
        Ok(Tokens {
            issuers: issuers.collect::<anyhow::Result<_>>()?,
            seen: Seen::default(),
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.issuers.is_empty()
    }

    /// The keys that have to be followed.
    pub(super) fn keys(&self) -> impl Iterator<Item = Arc<Keys>> {
        self.issuers.iter().map(|issuer| Arc::clone(&issuer.keys))
    }

    /// Checks a token, or remembers that it has been checked.
    pub(super) async fn check(&self, token: &str) -> Result<Arc<T>, Unknown> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Unknown::Malformed("the token is too long"));
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
        if let Some((issuer, generation, subject)) = self.seen.get(&hash, now_seconds()) {
            // A key that has been withdrawn since must not open any more.
            let current = self.issuers[issuer].keys.current();
            if current.generation == generation {
                return Ok(subject);
            }
        }
        // Boxed: every call, whatever it shows, would carry the room for this.
        let (index, keys, claims) = Box::pin(self.check_anew(token)).await?;
        let issuer = &self.issuers[index];
        let subject = Arc::new(T::of(&issuer.name, &claims)?);
        let until = claims.exp.0.saturating_add(issuer.leeway_seconds);
        let remembered = (index, keys.generation, Arc::clone(&subject));
        self.seen.put(hash, until, remembered);
        Ok(subject)
    }

    async fn check_anew(&self, token: &str) -> Result<(usize, Arc<KeySet>, Claims), Unknown> {
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Unknown::Malformed("the token is no signed JWT"));
        };
        let header: Header =
            part(header).ok_or(Unknown::Malformed("the token's header cannot be read"))?;
        if header.crit.is_some() {
            return Err(Unknown::Malformed(
                "the token asks for an extension that is not known here (crit)",
            ));
        }
        if !header.typ.as_deref().is_none_or(is_access_token) {
            return Err(Unknown::Malformed(
                "the token is of another type than an access token (typ)",
            ));
        }
        let claims: Claims =
            part(claims).ok_or(Unknown::Malformed("the token's claims cannot be read"))?;
        let (index, issuer) = self
            .issuers
            .iter()
            .enumerate()
            .find(|(_, issuer)| issuer.iss == claims.iss)
            .ok_or(Unknown::IssuerUnknown)?;
        let algorithm = header
            .alg
            .parse()
            .ok()
            .filter(|algorithm| issuer.algorithms.contains(algorithm))
            .ok_or(Unknown::AlgorithmNotAllowed)?;
        let key_id = header.kid.as_deref().ok_or(Unknown::NoKeyId)?;

        let mut keys = issuer.keys.current();
        if matches!(keys.find(key_id, algorithm), Found::Nothing) {
            keys = issuer.keys.looked_again().await;
        }
        let key = match keys.find(key_id, algorithm) {
            Found::Key(key) => key,
            Found::OtherAlgorithm => return Err(Unknown::KeyMismatch),
            Found::Nothing => return Err(Unknown::KeyIdUnknown),
        };
        let mut validation = issuer.validation.clone();
        validation.algorithms = vec![algorithm];
        let checked = jsonwebtoken::decode::<Claims>(token, key, &validation);
        let claims = checked.map_err(|error| why(error.kind()))?.claims;
        if claims.sub.is_empty()
            || claims.sub.len() > MAX_SUBJECT_BYTES
            || claims.sub.chars().any(char::is_control)
        {
            return Err(Unknown::Malformed(
                "the token's subject is empty, too long, or no plain text",
            ));
        }
        let latest = now_seconds().saturating_add(issuer.leeway_seconds);
        if claims.iat.is_some_and(|issued| issued.0 > latest) {
            return Err(Unknown::NotYetValid);
        }
        Ok((index, keys, claims))
    }
}

/// A part of the token that is not believed yet.
fn part<T: for<'de> Deserialize<'de>>(text: &str) -> Option<T> {
    let json = URL_SAFE_NO_PAD.decode(text).ok()?;
    serde_json::from_slice(&json).ok()
}

/// A logout token, a security event, a proof of possession are JWTs, too, and must not pass for this one.
fn is_access_token(typ: &str) -> bool {
    let plain = typ.to_ascii_lowercase();
    let plain = plain.strip_prefix("application/").unwrap_or(&plain);
    matches!(plain, "jwt" | "at+jwt")
}

fn validation(issuer: &TokenIssuer) -> Validation {
    // The algorithm is set for each token, after it has been found allowed.
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.set_issuer(&[&issuer.issuer]);
    validation.set_audience(&issuer.audiences);
    validation.validate_nbf = true;
    validation.leeway = issuer.leeway.as_secs();
    validation
}

fn why(kind: &ErrorKind) -> Unknown {
    match kind {
        ErrorKind::InvalidSignature => Unknown::Signature,
        ErrorKind::ExpiredSignature => Unknown::Expired,
        ErrorKind::ImmatureSignature => Unknown::NotYetValid,
        ErrorKind::InvalidAudience => Unknown::Audience,
        ErrorKind::InvalidIssuer => Unknown::IssuerUnknown,
        ErrorKind::InvalidAlgorithm => Unknown::KeyMismatch,
        ErrorKind::MissingRequiredClaim(_) => {
            Unknown::Malformed("the token lacks one of iss, sub, aud, exp")
        }
        _ => Unknown::Malformed("the token cannot be read"),
    }
}

fn algorithm(configured: TokenAlgorithm) -> Algorithm {
    match configured {
        TokenAlgorithm::Rs256 => Algorithm::RS256,
        TokenAlgorithm::Rs384 => Algorithm::RS384,
        TokenAlgorithm::Rs512 => Algorithm::RS512,
        TokenAlgorithm::Ps256 => Algorithm::PS256,
        TokenAlgorithm::Ps384 => Algorithm::PS384,
        TokenAlgorithm::Ps512 => Algorithm::PS512,
        TokenAlgorithm::Es256 => Algorithm::ES256,
        TokenAlgorithm::Es384 => Algorithm::ES384,
        TokenAlgorithm::EdDsa => Algorithm::EdDSA,
    }
}

/// Seconds since the epoch.
pub(super) fn now_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_secs()).unwrap_or(i64::MAX)
}
