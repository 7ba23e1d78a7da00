//! `SessionService`: each RPC is a message that becomes an operation, and an answer that becomes a message.
//! Whatever carried the message: that is the affair of [`services`](super::services).

use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use tokio_util::sync::CancellationToken;

use super::convert::{access, answer, credential, request};
use super::v1;
use super::watch::{self, Filter};
use crate::callers::Login;
use crate::session::fields;
use crate::session::names::SessionId;
use crate::session::owner_record::{PageStart, Read, Shown};
use crate::session::time::Time;
use crate::sessions::{Call, Error, Sessions};
use crate::store::{Cursor, Place};
use crate::telemetry::Metrics;

/// An answer of many messages.
pub(super) type Messages<T> = BoxStream<'static, Result<T, Error>>;

/// The services over the use cases: this one, and those of credentials and of the admin.
pub(super) struct Service {
    pub(super) sessions: Arc<Sessions>,
    heartbeat: Duration,
    metrics: Arc<Metrics>,
    pub(super) stopping: CancellationToken,
}

impl Service {
    /// The service; `stopping` ends its streams.
    pub(super) fn new(
        sessions: Arc<Sessions>,
        heartbeat: Duration,
        metrics: Arc<Metrics>,
        stopping: CancellationToken,
    ) -> Service {
        Service {
            sessions,
            heartbeat,
            metrics,
            stopping,
        }
    }

    async fn enter(
        &self,
        call: &Call,
        namespace: &str,
        owner: Option<v1::Owner>,
    ) -> Result<(Place, Option<Arc<Login>>), Error> {
        let access = access::of_owner(call.operation, owner.as_ref());
        let namespace = self.sessions.enter(call, namespace, access)?;
        let login = self.sessions.prove(call, &namespace).await?;
        let owner = match &login {
            None => request::owner(owner)?,
            Some(login) => access::proved_owner(owner, login)?,
        };
        self.sessions.events().concerns(call, &owner, None);
        let place = self.sessions.place(call, namespace, owner).await?;
        Ok((place, login))
    }

    /// Lets a call in that is about one session.
    pub(super) async fn enter_session<T: OfSession>(
        &self,
        call: &Call,
        request: &mut T,
    ) -> Result<(Place, SessionId), Error> {
        let owner = request.take_owner();
        let (place, _login) = self.enter(call, request.namespace(), owner).await?;
        let id = fields::known_id("session_id", request.session_id())?;
        self.sessions
            .events()
            .concerns(call, &place.owner, Some(&id));
        Ok((place, id))
    }
}

/// A message about one session of an owner.
pub(super) trait OfSession {
    fn namespace(&self) -> &str;
    fn take_owner(&mut self) -> Option<v1::Owner>;
    fn session_id(&self) -> &str;
}

macro_rules! of_session {
    ($($message:ident),*) => {
        $(impl OfSession for v1::$message {
            fn namespace(&self) -> &str {
                &self.namespace
            }

            fn take_owner(&mut self) -> Option<v1::Owner> {
                self.owner.take()
            }

            fn session_id(&self) -> &str {
                &self.session_id
            }
        })*
    };
}

of_session!(
    GetSessionRequest,
    UpdateSessionRequest,
    TouchSessionRequest,
    DeleteSessionRequest,
    PutCredentialRequest,
    GetCredentialRequest,
    DeleteCredentialRequest,
    ListCredentialsRequest,
    BeginRefreshRequest,
    CompleteRefreshRequest,
    AbandonRefreshRequest
);

/// `SessionService`
impl Service {
    pub(super) async fn create_session(
        &self,
        call: &Call,
        mut request: v1::CreateSessionRequest,
    ) -> Result<v1::CreateSessionResponse, Error> {
        let (place, login) = self
            .enter(call, &request.namespace, request.owner.take())
            .await?;
        access::check_login(request.authenticated_at, login.as_deref())?;
        let secrets = credential::first(&mut request, &place)?;
        let mut create = request::create(&self.sessions, &place, request, &secrets)?;
        if let Some(login) = login {
            // After the request's fingerprint was taken: a retry may show a younger token.
            let now = Time::from_system_clock();
            create.authenticated_at = Some(login.authenticated_at.min(now));
        }
        let created = self.sessions.create(call, &place, create, secrets).await?;
        Ok(answer::created(&place, created))
    }

    pub(super) async fn get_session(
        &self,
        call: &Call,
        mut request: v1::GetSessionRequest,
    ) -> Result<v1::GetSessionResponse, Error> {
        let (place, id) = self.enter_session(call, &mut request).await?;
        let read = request::read(request.peek, request.state_keys);
        let session = self.sessions.read(call, &place, &id, read).await?;
        Ok(v1::GetSessionResponse {
            session: Some(answer::session(&place, session)),
        })
    }

    pub(super) async fn update_session(
        &self,
        call: &Call,
        mut request: v1::UpdateSessionRequest,
    ) -> Result<v1::UpdateSessionResponse, Error> {
        let (place, id) = self.enter_session(call, &mut request).await?;
        let update = request::update(&self.sessions, &place, &id, request)?;
        let updated = self.sessions.update(call, &place, &id, update).await?;
        Ok(answer::updated(&place, updated))
    }

    pub(super) async fn touch_session(
        &self,
        call: &Call,
        mut request: v1::TouchSessionRequest,
    ) -> Result<v1::TouchSessionResponse, Error> {
        let (place, id) = self.enter_session(call, &mut request).await?;
        let touch = Read {
            slide: true,
            show: Shown::Nothing,
        };
        let session = self.sessions.read(call, &place, &id, touch).await?;
        Ok(v1::TouchSessionResponse {
            session: Some(answer::session(&place, session)),
        })
    }

    pub(super) async fn rotate_session(
        &self,
        call: &Call,
        mut request: v1::RotateSessionRequest,
    ) -> Result<v1::RotateSessionResponse, Error> {
        let (place, login) = self
            .enter(call, &request.namespace, request.owner.take())
            .await?;
        access::check_login(request.authenticated_at, login.as_deref())?;
        let id = fields::known_id("session_id", &request.session_id)?;
        let rotate = request::rotate(&self.sessions, &place, &id, &request)?;
        let rotated = self.sessions.rotate(call, &place, &id, rotate).await?;
        Ok(answer::rotated(&place, rotated))
    }

    pub(super) async fn delete_session(
        &self,
        call: &Call,
        mut request: v1::DeleteSessionRequest,
    ) -> Result<v1::DeleteSessionResponse, Error> {
        let (place, id) = self.enter_session(call, &mut request).await?;
        let deleted = self.sessions.end(call, &place, &id).await?;
        Ok(v1::DeleteSessionResponse { deleted })
    }

    pub(super) async fn invalidate_sessions(
        &self,
        call: &Call,
        request: v1::InvalidateSessionsRequest,
    ) -> Result<v1::InvalidateSessionsResponse, Error> {
        let access = access::of_invalidation(request.selector.as_ref());
        let namespace = self.sessions.enter(call, &request.namespace, access)?;
        let words = (request.actor.clone(), request.note.clone());
        let revocation = request::revocation(request)?;
        self.sessions.events().annotated(call, words);
        let revoked = self.sessions.revoke(call, &namespace, revocation).await?;
        Ok(answer::revoked(revoked))
    }

    pub(super) async fn list_sessions(
        &self,
        call: &Call,
        mut request: v1::ListSessionsRequest,
    ) -> Result<v1::ListSessionsResponse, Error> {
        let (place, _login) = self
            .enter(call, &request.namespace, request.owner.take())
            .await?;
        let page = request::page(&request)?;
        let (sessions, more) = self.sessions.list(call, &place, page).await?;
        let next_page_token = match sessions.last() {
            Some(last) if more => request::page_token(&PageStart {
                created_at: last.meta.created_at,
                id: last.id.clone(),
            }),
            _ => String::new(),
        };
        Ok(v1::ListSessionsResponse {
            sessions: sessions
                .into_iter()
                .map(|session| answer::session(&place, session))
                .collect(),
            next_page_token,
        })
    }

    pub(super) async fn watch_sessions(
        &self,
        call: &Call,
        request: v1::WatchSessionsRequest,
    ) -> Result<Messages<v1::WatchSessionsResponse>, Error> {
        let access = access::of_watch(request.owner.as_ref());
        let namespace = self.sessions.enter(call, &request.namespace, access)?;
        let filter = Filter::new(request.owner, &request.kinds)?;
        let after = (!request.cursor.is_empty()).then_some(Cursor(request.cursor));
        let log = self.sessions.watch(call, &namespace, after).await?;
        Ok(watch::stream(
            namespace,
            log,
            filter,
            self.heartbeat,
            Arc::clone(&self.metrics),
            self.stopping.clone(),
        ))
    }

    pub(super) async fn claim_once(
        &self,
        call: &Call,
        mut request: v1::ClaimOnceRequest,
    ) -> Result<v1::ClaimOnceResponse, Error> {
        let (place, _login) = self
            .enter(call, &request.namespace, request.owner.take())
            .await?;
        let claim = request::claim(&self.sessions, &request)?;
        let claimed = self.sessions.claim_once(call, &place, claim).await?;
        Ok(v1::ClaimOnceResponse {
            claimed: claimed.claimed,
            replayed: claimed.replayed,
        })
    }
}
