//! `CredentialService`, but for the refreshing.

use std::fmt;
use std::sync::Arc;

use super::awaitable;
use super::fresh_token::FreshToken;
use crate::Sessions;
use crate::credential::{Credential, RefreshLease, Stored, TokenSet};
use crate::error::Error;
use crate::proto::v1;
use crate::transport::{CallOptions, Stub, Transport};

/// The secrets that are kept with one session, encrypted. They are never part of a [`crate::Session`].
#[derive(Clone)]
pub struct Credentials {
    pub(crate) place: Place,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// Whose credentials they are.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) transport: Arc<Transport>,
    pub(crate) namespace: String,
    pub(crate) owner: v1::Owner,
    pub(crate) session_id: String,
    /// What its owner's handle says of each call.
    pub(crate) options: CallOptions,
}

/// A message about one credential.
macro_rules! named {
    ($place:expr, $name:expr, $message:ident { $($field:ident $(: $value:expr)?),* $(,)? }) => {
        v1::$message {
            namespace: $place.namespace.clone(),
            owner: Some($place.owner.clone()),
            session_id: $place.session_id.clone(),
            name: $name,
            $($field $(: $value)?),*
        }
    };
}

pub(crate) use named;

impl Credentials {
    pub(crate) fn new(sessions: &Sessions, session_id: String) -> Credentials {
        Credentials {
            place: Place {
                transport: Arc::clone(&sessions.namespace.transport),
                namespace: sessions.namespace.name.clone(),
                owner: sessions.owner.clone().into(),
                session_id,
                options: sessions.call_options(),
            },
        }
    }

    /// Stores a credential, whole. Answers its version. It is not repeated by itself: it could undo a newer one.
    pub fn put(&self, name: impl Into<String>, credential: impl Into<Credential>) -> PutCredential {
        let credential = Some(credential.into().into());
        PutCredential {
            transport: Arc::clone(&self.place.transport),
            message: named!(self.place, name.into(), PutCredentialRequest { credential }),
            options: self.place.options.clone(),
        }
    }

    /// Reads a credential.
    pub fn get(&self, name: impl Into<String>) -> GetCredential {
        GetCredential {
            transport: Arc::clone(&self.place.transport),
            message: named!(self.place, name.into(), GetCredentialRequest {}),
            options: self.place.options.clone(),
        }
    }

    /// Destroys a credential. `true` if this call did.
    pub fn delete(&self, name: impl Into<String>) -> DeleteCredential {
        DeleteCredential {
            transport: Arc::clone(&self.place.transport),
            message: named!(self.place, name.into(), DeleteCredentialRequest {}),
            options: self.place.options.clone(),
        }
    }

    /// The names of the credentials, in order.
    pub fn names(&self) -> ListCredentials {
        ListCredentials {
            transport: Arc::clone(&self.place.transport),
            message: v1::ListCredentialsRequest {
                namespace: self.place.namespace.clone(),
                owner: Some(self.place.owner.clone()),
                session_id: self.place.session_id.clone(),
            },
            options: self.place.options.clone(),
        }
    }

    /// The token set, refreshed if it does not hold for another minute. Of all processes that ask at once, one calls
    /// its `refresh`; the others wait for its result.
    ///
    /// If `refresh` fails, or this future is dropped while it runs, the right to refresh is given back. Its error is
    /// the caller's.
    pub fn with_fresh_token<'a, F, R, E>(
        &self,
        name: impl Into<String>,
        refresh: F,
    ) -> FreshToken<'a, F>
    where
        F: FnOnce(RefreshLease) -> R + Send + 'a,
        R: Future<Output = Result<TokenSet, E>> + Send + 'a,
        E: From<Error> + Send + 'a,
    {
        FreshToken::new(self.place.clone(), name.into(), refresh)
    }
}

/// A credential being stored.
#[must_use = "a call is sent by `.await`"]
pub struct PutCredential {
    transport: Arc<Transport>,
    message: v1::PutCredentialRequest,
    options: CallOptions,
}

impl PutCredential {
    async fn send(self) -> Result<i64, Error> {
        let rpc =
            |stub: Stub, request| async move { stub.credentials().put_credential(request).await };
        let call = self.transport.begin(self.options);
        let answer = self.transport.call_once(&call, self.message, rpc).await?;
        Ok(answer.version)
    }
}

awaitable!(PutCredential => i64);

/// A credential being read.
#[must_use = "a call is sent by `.await`"]
pub struct GetCredential {
    transport: Arc<Transport>,
    message: v1::GetCredentialRequest,
    options: CallOptions,
}

impl GetCredential {
    async fn send(self) -> Result<Stored, Error> {
        let rpc =
            |stub: Stub, request| async move { stub.credentials().get_credential(request).await };
        let call = self.transport.begin(self.options);
        let answer = self.transport.call(&call, self.message, rpc).await?;
        Stored::from_wire(answer.credential, answer.version)
    }
}

awaitable!(GetCredential => Stored);

/// A credential being destroyed.
#[must_use = "a call is sent by `.await`"]
pub struct DeleteCredential {
    transport: Arc<Transport>,
    message: v1::DeleteCredentialRequest,
    options: CallOptions,
}

impl DeleteCredential {
    async fn send(self) -> Result<bool, Error> {
        let rpc = |stub: Stub, request| async move {
            stub.credentials().delete_credential(request).await
        };
        let call = self.transport.begin(self.options);
        let answer = self.transport.call(&call, self.message, rpc).await?;
        Ok(answer.deleted)
    }
}

awaitable!(DeleteCredential => bool);

/// The names of credentials being listed.
#[must_use = "a call is sent by `.await`"]
pub struct ListCredentials {
    transport: Arc<Transport>,
    message: v1::ListCredentialsRequest,
    options: CallOptions,
}

impl ListCredentials {
    async fn send(self) -> Result<Vec<String>, Error> {
        let rpc =
            |stub: Stub, request| async move { stub.credentials().list_credentials(request).await };
        let call = self.transport.begin(self.options);
        let answer = self.transport.call(&call, self.message, rpc).await?;
        Ok(answer.names)
    }
}

awaitable!(ListCredentials => Vec<String>);
