//! Owners that are proved: the end user's own access token says for whom a call is.

use std::sync::Arc;

use secrecy::ExposeSecret as _;

use super::jwks::Keys;
use super::jwt::{Claims, Subject, Tokens};
use super::unknown::Unknown;
use crate::call::UserToken;
use crate::config;
use crate::session::time::Time;

/// A login, as the user's token proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// What the configuration calls the issuer.
    name: Box<str>,
    /// Who vouches for the user.
    pub issuer: Box<str>,
    /// The user.
    pub user: Box<str>,
    /// When the user signed in (`auth_time`), or when the token was issued (`iat`).
    pub authenticated_at: Time,
}

impl Subject for Login {
    fn of(issuer: &str, claims: &Claims) -> Result<Login, Unknown> {
        let at = claims.auth_time.or(claims.iat).ok_or(Unknown::Malformed(
            "the token says neither when the user signed in (auth_time) nor when it was issued (iat)",
        ))?;
        Ok(Login {
            name: issuer.into(),
            issuer: claims.iss.as_str().into(),
            user: claims.sub.as_str().into(),
            authenticated_at: Time::from_millis(at.0.saturating_mul(1000)),
        })
    }
}

/// Checks users' tokens.
pub struct OwnerProof {
    tokens: Option<Tokens<Login>>,
}

impl OwnerProof {
    /// No issuers: no token proves anything.
    pub fn none() -> OwnerProof {
        OwnerProof { tokens: None }
    }

    /// The issuers of the configuration.
    pub fn new(config: &config::Callers) -> anyhow::Result<OwnerProof> {
        let tokens = Tokens::new(&config.users, config.jwks_refresh, config.jwks_cooldown)?;
        Ok(OwnerProof {
            tokens: Some(tokens),
        })
    }

    /// The login that a call proves by a token of one of these issuers.
    pub async fn login(
        &self,
        shown: &UserToken,
        accepted: &[String],
    ) -> Result<Arc<Login>, Unknown> {
        let token = match shown {
            UserToken::Missing => return Err(Unknown::Nothing),
            UserToken::Malformed => {
                return Err(Unknown::Malformed("tenure-user-token is not one token"));
            }
            UserToken::Shown(token) => token.expose_secret(),
        };
        let tokens = self.tokens.as_ref().ok_or(Unknown::TokensNotTaken)?;
        let login = tokens.check(token).await?;
        if accepted.iter().any(|name| **name == *login.name) {
            Ok(login)
        } else {
            Err(Unknown::IssuerUnknown)
        }
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = Arc<Keys>> {
        self.tokens.iter().flat_map(Tokens::keys)
    }
}

impl Login {
    /// Whether an owner may be named like this: as the token says, or not at all.
    pub fn is_of(&self, user: &str, issuer: &str) -> bool {
        (user.is_empty() || *user == *self.user) && (issuer.is_empty() || *issuer == *self.issuer)
    }

    /// Whether a login of this second is meant.
    pub fn is_at(&self, seconds: i64) -> bool {
        self.authenticated_at.as_millis().div_euclid(1000) == seconds
    }
}
