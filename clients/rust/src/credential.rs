//! Secrets that are kept with a session, as Rust knows them.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::error::Error;
use crate::proto::v1;
use crate::time::time;

/// An OAuth token set.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TokenSet {
    /// The access token.
    pub access_token: String,
    /// The refresh token; empty if there is none.
    pub refresh_token: String,
    /// The token type, usually `Bearer`.
    pub token_type: String,
    /// The scopes that were granted.
    pub scopes: Vec<String>,
    /// When the access token ends; `None` if that is unknown.
    pub expires_at: Option<SystemTime>,
    /// The authorization server that issued it.
    pub issuer: String,
    /// The resource it is meant for.
    pub audience: String,
}

impl TokenSet {
    /// A bearer token.
    pub fn bearer(access_token: impl Into<String>) -> TokenSet {
        TokenSet {
            access_token: access_token.into(),
            token_type: "Bearer".to_owned(),
            ..TokenSet::default()
        }
    }

    /// With this refresh token.
    #[must_use]
    pub fn refresh_token(mut self, refresh_token: impl Into<String>) -> TokenSet {
        self.refresh_token = refresh_token.into();
        self
    }

    /// Which ends so long from now, as OAuth's `expires_in` says.
    #[must_use]
    pub fn expires_in(mut self, lifetime: Duration) -> TokenSet {
        self.expires_at = SystemTime::now().checked_add(lifetime);
        self
    }

    /// Whether it holds for so long at least. One whose end is unknown does.
    pub fn is_fresh(&self, leeway: Duration) -> bool {
        self.expires_at.is_none_or(|end| {
            end.duration_since(SystemTime::now())
                .is_ok_and(|left| left > leeway)
        })
    }
}

impl fmt::Debug for TokenSet {
    /// Without the tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSet")
            .field("token_type", &self.token_type)
            .field("scopes", &self.scopes)
            .field("expires_at", &self.expires_at)
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

/// A secret that is kept with a session.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// An OAuth token set.
    OAuth(TokenSet),
    /// Anything else: an API key, a cookie.
    Opaque(Vec<u8>),
}

impl fmt::Debug for Credential {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credential::OAuth(tokens) => f.debug_tuple("OAuth").field(tokens).finish(),
            Credential::Opaque(_) => f.write_str("Opaque(redacted)"),
        }
    }
}

impl From<TokenSet> for Credential {
    fn from(tokens: TokenSet) -> Credential {
        Credential::OAuth(tokens)
    }
}

impl From<Vec<u8>> for Credential {
    fn from(secret: Vec<u8>) -> Credential {
        Credential::Opaque(secret)
    }
}

/// A credential that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// The secret.
    pub credential: Credential,
    /// Grows with each write of this name.
    pub version: i64,
}

impl Stored {
    /// The token set; `None` for anything else.
    pub fn tokens(&self) -> Option<&TokenSet> {
        match &self.credential {
            Credential::OAuth(tokens) => Some(tokens),
            Credential::Opaque(_) => None,
        }
    }

    /// The access token; empty if the credential is no token set.
    pub fn access_token(&self) -> &str {
        self.tokens()
            .map_or("", |tokens| tokens.access_token.as_str())
    }

    pub(crate) fn from_wire(
        credential: Option<v1::Credential>,
        version: i64,
    ) -> Result<Stored, Error> {
        Ok(Stored {
            credential: from_wire(credential)?,
            version,
        })
    }
}

/// The right to refresh a token set, as the refresh function gets it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RefreshLease {
    /// What to refresh.
    pub tokens: TokenSet,
    /// Whether an earlier holder disappeared: it may have used the refresh token already.
    pub uncertain: bool,
    /// When somebody else may refresh.
    pub expires_at: SystemTime,
    /// The token set's version.
    pub version: i64,
}

impl RefreshLease {
    pub(crate) fn from_wire(name: &str, lease: v1::RefreshLease) -> Result<RefreshLease, Error> {
        Ok(RefreshLease {
            tokens: match from_wire(lease.credential)? {
                Credential::OAuth(tokens) => tokens,
                Credential::Opaque(_) => return Err(no_token_set(name)),
            },
            uncertain: lease.uncertain,
            expires_at: time("expires_at", lease.expires_at)?,
            version: lease.version,
        })
    }
}

/// Anything else cannot be refreshed.
pub(crate) fn no_token_set(name: &str) -> Error {
    Error::bad_value(name.to_owned(), "is no OAuth token set")
}

fn from_wire(credential: Option<v1::Credential>) -> Result<Credential, Error> {
    use v1::credential::Secret;
    match credential.and_then(|credential| credential.secret) {
        Some(Secret::Opaque(secret)) => Ok(Credential::Opaque(secret)),
        Some(Secret::Oauth(tokens)) => Ok(Credential::OAuth(TokenSet {
            expires_at: tokens
                .expires_at
                .map(|end| time("expires_at", Some(end)))
                .transpose()?,
            access_token: tokens.access_token,
            refresh_token: tokens.refresh_token,
            token_type: tokens.token_type,
            scopes: tokens.scopes,
            issuer: tokens.issuer,
            audience: tokens.audience,
        })),
        None => Err(Error::malformed("a credential")),
    }
}

impl From<Credential> for v1::Credential {
    fn from(credential: Credential) -> v1::Credential {
        use v1::credential::Secret;
        let secret = match credential {
            Credential::Opaque(secret) => Secret::Opaque(secret),
            Credential::OAuth(tokens) => Secret::Oauth(v1::OAuthTokenSet {
                access_token: tokens.access_token,
                refresh_token: tokens.refresh_token,
                token_type: tokens.token_type,
                scopes: tokens.scopes,
                expires_at: tokens.expires_at.map(Into::into),
                issuer: tokens.issuer,
                audience: tokens.audience,
            }),
        };
        v1::Credential {
            secret: Some(secret),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let tokens = TokenSet::bearer("canary").refresh_token("canary");
        let stored = Stored {
            credential: tokens.clone().into(),
            version: 1,
        };
        let opaque = Credential::from(b"canary".to_vec());
        assert!(!format!("{tokens:?} {stored:?} {opaque:?}").contains("canary"));
        assert!(!format!("{opaque:?}").contains("99"));
    }

    #[test]
    fn freshness_has_a_leeway() {
        let minute = Duration::from_mins(1);
        let tokens = TokenSet::bearer("t");
        assert!(tokens.is_fresh(minute));
        assert!(tokens.clone().expires_in(minute * 2).is_fresh(minute));
        assert!(!tokens.clone().expires_in(minute).is_fresh(minute));
        let past = TokenSet {
            expires_at: Some(SystemTime::UNIX_EPOCH),
            ..tokens
        };
        assert!(!past.is_fresh(Duration::ZERO));
    }
}
