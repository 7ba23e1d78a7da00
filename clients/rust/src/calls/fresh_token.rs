//! `BeginRefresh`, `CompleteRefresh`, `AbandonRefresh`: one refreshes, the others wait.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::Instant;

use super::credentials::{Place, named};
use crate::credential::{Credential, RefreshLease, Stored, TokenSet, no_token_set};
use crate::error::{Error, ErrorKind};
use crate::proto::v1;
use crate::proto::v1::begin_refresh_response::Outcome;
use crate::time::duration_to_wire;
use crate::transport::{Call, CallOptions, Stub};

const DEFAULT_LEEWAY: Duration = Duration::from_mins(1);
const DEFAULT_LEASE: Duration = Duration::from_secs(30);
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(1);

/// How much earlier than the call's deadline the service ends its waiting, so that its answer arrives, also on a busy
/// machine.
fn last_moment(left: Duration) -> Duration {
    (left / 10).clamp(Duration::from_millis(200), Duration::from_secs(1))
}

/// A token set being made sure of.
#[must_use = "a call is sent by `.await`"]
pub struct FreshToken<'a, F> {
    credential: Named,
    refresh: F,
    leeway: Duration,
    rejected: Option<Stored>,
    lease_ttl: Duration,
    timeout: Duration,
    /// What the refresh function borrows.
    borrowed: PhantomData<&'a ()>,
}

impl<F> fmt::Debug for FreshToken<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FreshToken").finish_non_exhaustive()
    }
}

impl<F> FreshToken<'_, F> {
    pub(crate) fn new(place: Place, name: String, refresh: F) -> Self {
        FreshToken {
            credential: Named { place, name },
            refresh,
            leeway: DEFAULT_LEEWAY,
            rejected: None,
            lease_ttl: DEFAULT_LEASE,
            timeout: DEFAULT_TIMEOUT,
            borrowed: PhantomData,
        }
    }

    /// How long the access token must hold at least; a minute unless said otherwise.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// What the resource refused although it looked fresh. It is refreshed, unless somebody has done so by now.
    pub fn rejected(mut self, rejected: Stored) -> Self {
        self.rejected = Some(rejected);
        self
    }

    /// How long the refresh function may take before somebody else may try; 30 s unless said otherwise.
    pub fn lease_ttl(mut self, ttl: Duration) -> Self {
        self.lease_ttl = ttl;
        self
    }

    /// How long to wait for somebody else's refresh; a minute unless said otherwise. The refresh function and the
    /// storing of its result take their own time.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Stands in every line that the service logs about these calls.
    pub fn correlation_id(mut self, id: impl Into<String>) -> Self {
        self.credential.place.options.beside.correlation_id = Some(id.into());
        self
    }

    /// Either a token set that is fresh, or the right to make one.
    async fn begin(&mut self) -> Result<Begun, Error> {
        let credential = &self.credential;
        let deadline = Instant::now() + self.timeout;
        let stale_version = if let Some(rejected) = self.rejected.take() {
            rejected.version
        } else {
            let current = credential.get(Some(self.timeout)).await?;
            let fresh = match &current.credential {
                Credential::OAuth(tokens) => tokens.is_fresh(self.leeway),
                Credential::Opaque(_) => return Err(no_token_set(&credential.name)),
            };
            if fresh {
                return Ok(Begun::Fresh(current));
            }
            current.version
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let wait = left.saturating_sub(last_moment(left));
        let message = named!(
            credential.place,
            credential.name.clone(),
            BeginRefreshRequest {
                stale_version,
                lease_ttl: Some(duration_to_wire("lease_ttl", self.lease_ttl)?),
                wait: Some(duration_to_wire("timeout", wait)?)
            }
        );
        let rpc =
            |stub: Stub, request| async move { stub.credentials().begin_refresh(request).await };
        let call = credential.call(Some(left));
        let answer = credential.place.transport.call(&call, message, rpc).await?;
        match answer.outcome {
            Some(Outcome::Refreshed(refreshed)) => Ok(Begun::Fresh(Stored::from_wire(
                refreshed.credential,
                refreshed.version,
            )?)),
            Some(Outcome::Lease(lease)) => Ok(Begun::Lease {
                id: lease.lease_id.clone(),
                lease: RefreshLease::from_wire(&credential.name, lease)?,
            }),
            None => Err(Error::malformed("an outcome")),
        }
    }

    async fn run<R, E>(mut self) -> Result<Stored, E>
    where
        F: FnOnce(RefreshLease) -> R,
        R: Future<Output = Result<TokenSet, E>>,
        E: From<Error>,
    {
        let (lease_id, lease) = match self.begin().await? {
            Begun::Fresh(stored) => return Ok(stored),
            Begun::Lease { id, lease } => (id, lease),
        };
        let version = lease.version;
        let held = Held(Some((self.credential, lease_id)));
        match (self.refresh)(lease).await {
            Ok(refreshed) => {
                let (credential, lease_id) = held.into_inner();
                // The old refresh token may be spent by now: this goes on even if the caller gives up.
                let storing = tokio::spawn(credential.complete(lease_id, version, refreshed));
                Ok(storing.await.unwrap_or_else(|_| {
                    Err(Error::unavailable("the runtime is going down".to_owned()))
                })?)
            }
            Err(error) => {
                let (credential, lease_id) = held.into_inner();
                // The lease ends by itself; what the refresh function said is what the caller has to know.
                let _ = credential.abandon(lease_id).await;
                Err(error)
            }
        }
    }
}

impl<'a, F, R, E> IntoFuture for FreshToken<'a, F>
where
    F: FnOnce(RefreshLease) -> R + Send + 'a,
    R: Future<Output = Result<TokenSet, E>> + Send + 'a,
    E: From<Error> + Send + 'a,
{
    type Output = Result<Stored, E>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

enum Begun {
    Fresh(Stored),
    Lease { id: String, lease: RefreshLease },
}

/// A lease while the refresh function runs. If nobody waits for that any more, it is given back, so that the others
/// need not wait for its end.
struct Held(Option<(Named, String)>);

impl Held {
    fn into_inner(mut self) -> (Named, String) {
        self.0.take().expect("taken once")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some((credential, lease_id)) = self.0.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move {
                let _ = credential.abandon(lease_id).await;
            });
        }
    }
}

/// One credential.
struct Named {
    place: Place,
    name: String,
}

impl Named {
    fn call(&self, timeout: Option<Duration>) -> Call {
        self.place.transport.begin(CallOptions {
            timeout,
            ..self.place.options.clone()
        })
    }

    async fn get(&self, timeout: Option<Duration>) -> Result<Stored, Error> {
        let message = named!(self.place, self.name.clone(), GetCredentialRequest {});
        let rpc =
            |stub: Stub, request| async move { stub.credentials().get_credential(request).await };
        let call = self.call(timeout);
        let answer = self.place.transport.call(&call, message, rpc).await?;
        Stored::from_wire(answer.credential, answer.version)
    }

    async fn complete(
        self,
        lease_id: String,
        leased: i64,
        refreshed: TokenSet,
    ) -> Result<Stored, Error> {
        let credential = Credential::OAuth(refreshed);
        let message = named!(
            self.place,
            self.name.clone(),
            CompleteRefreshRequest {
                lease_id,
                credential: Some(credential.clone().into())
            }
        );
        let rpc =
            |stub: Stub, request| async move { stub.credentials().complete_refresh(request).await };
        let call = self.call(None);
        match self.place.transport.call(&call, message, rpc).await {
            Ok(answer) => Ok(Stored {
                credential,
                version: answer.version,
            }),
            // An earlier attempt may have been applied without its answer having arrived, or the lease ran out.
            Err(error) if *error.kind() == ErrorKind::RefreshLeaseLost => {
                let current = self.get(None).await?;
                if current.version > leased {
                    Ok(current)
                } else {
                    Err(error)
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Gives the lease back. The refresh function was called and gave nothing: it may have used the refresh token.
    async fn abandon(&self, lease_id: String) -> Result<(), Error> {
        let message = named!(
            self.place,
            self.name.clone(),
            AbandonRefreshRequest {
                lease_id,
                uncertain: true
            }
        );
        let rpc =
            |stub: Stub, request| async move { stub.credentials().abandon_refresh(request).await };
        let call = self.call(None);
        self.place.transport.call(&call, message, rpc).await?;
        Ok(())
    }
}
