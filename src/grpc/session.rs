//! `SessionService`: each RPC is a message that becomes an operation, and an answer that becomes a message.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::convert::{access, answer, credential, request};
use super::v1;
use super::v1::session_service_server::SessionService;
use super::watch::{self, EventStream, Filter};
use crate::callers::Login;
use crate::session::fields;
use crate::session::names::SessionId;
use crate::session::owner_record::{PageStart, Read, Shown};
use crate::session::time::Time;
use crate::sessions::{Call, Error, Sessions};
use crate::store::{Cursor, Place};
use crate::telemetry::Metrics;

/// The services over the use cases: this one, and those of credentials and of the admin.
#[derive(Clone)]
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
        request: Request<T>,
    ) -> Result<(Call, T, Place, SessionId), Error> {
        let (call, mut request) = taken_apart(request)?;
        let owner = request.take_owner();
        let (place, _login) = self.enter(&call, request.namespace(), owner).await?;
        let id = fields::known_id("session_id", request.session_id())?;
        self.sessions
            .events()
            .concerns(&call, &place.owner, Some(&id));
        Ok((call, request, place, id))
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

/// What the edge knows of a call, and its message.
pub(super) fn taken_apart<T>(mut request: Request<T>) -> Result<(Call, T), Error> {
    // Every way in leads through the edge. Without it nobody has a right to anything.
    let call = request.extensions_mut().remove::<Call>();
    Ok((call.ok_or(Error::Internal)?, request.into_inner()))
}

#[tonic::async_trait]
impl SessionService for Service {
    async fn create_session(
        &self,
        request: Request<v1::CreateSessionRequest>,
    ) -> Result<Response<v1::CreateSessionResponse>, Status> {
        let (call, mut request) = taken_apart(request)?;
        let (place, login) = self
            .enter(&call, &request.namespace, request.owner.take())
            .await?;
        access::check_login(request.authenticated_at, login.as_deref())?;
        let secrets = credential::first(&mut request, &place)?;
        let mut create = request::create(&self.sessions, &place, request, &secrets)?;
        if let Some(login) = login {
            // After the request's fingerprint was taken: a retry may show a younger token.
            let now = Time::from_system_clock();
            create.authenticated_at = Some(login.authenticated_at.min(now));
        }
        let created = self.sessions.create(&call, &place, create, secrets).await?;
        Ok(Response::new(answer::created(&place, created)))
    }

    async fn get_session(
        &self,
        request: Request<v1::GetSessionRequest>,
    ) -> Result<Response<v1::GetSessionResponse>, Status> {
        let (call, request, place, id) = self.enter_session(request).await?;
        let read = request::read(request.peek, request.state_keys);
        let session = self.sessions.read(&call, &place, &id, read).await?;
        Ok(Response::new(v1::GetSessionResponse {
            session: Some(answer::session(&place, session)),
        }))
    }

    async fn update_session(
        &self,
        request: Request<v1::UpdateSessionRequest>,
    ) -> Result<Response<v1::UpdateSessionResponse>, Status> {
        let (call, request, place, id) = self.enter_session(request).await?;
        let update = request::update(&self.sessions, &place, &id, request)?;
        let updated = self.sessions.update(&call, &place, &id, update).await?;
        Ok(Response::new(answer::updated(&place, updated)))
    }

    async fn touch_session(
        &self,
        request: Request<v1::TouchSessionRequest>,
    ) -> Result<Response<v1::TouchSessionResponse>, Status> {
        let (call, _, place, id) = self.enter_session(request).await?;
        let touch = Read {
            slide: true,
            show: Shown::Nothing,
        };
        let session = self.sessions.read(&call, &place, &id, touch).await?;
        Ok(Response::new(v1::TouchSessionResponse {
            session: Some(answer::session(&place, session)),
        }))
    }

    async fn rotate_session(
        &self,
        request: Request<v1::RotateSessionRequest>,
    ) -> Result<Response<v1::RotateSessionResponse>, Status> {
        let (call, mut request) = taken_apart(request)?;
        let (place, login) = self
            .enter(&call, &request.namespace, request.owner.take())
            .await?;
        access::check_login(request.authenticated_at, login.as_deref())?;
        let id = fields::known_id("session_id", &request.session_id).map_err(Error::from)?;
        let rotate = request::rotate(&self.sessions, &place, &id, &request)?;
        let rotated = self.sessions.rotate(&call, &place, &id, rotate).await?;
        Ok(Response::new(answer::rotated(&place, rotated)))
    }

    async fn delete_session(
        &self,
        request: Request<v1::DeleteSessionRequest>,
    ) -> Result<Response<v1::DeleteSessionResponse>, Status> {
        let (call, _, place, id) = self.enter_session(request).await?;
        let deleted = self.sessions.end(&call, &place, &id).await?;
        Ok(Response::new(v1::DeleteSessionResponse { deleted }))
    }

    async fn invalidate_sessions(
        &self,
        request: Request<v1::InvalidateSessionsRequest>,
    ) -> Result<Response<v1::InvalidateSessionsResponse>, Status> {
        let (call, request) = taken_apart(request)?;
        let access = access::of_invalidation(request.selector.as_ref());
        let namespace = self.sessions.enter(&call, &request.namespace, access)?;
        let words = (request.actor.clone(), request.note.clone());
        let revocation = request::revocation(request)?;
        self.sessions.events().annotated(&call, words);
        let revoked = self.sessions.revoke(&call, &namespace, revocation).await?;
        Ok(Response::new(answer::revoked(revoked)))
    }

    async fn list_sessions(
        &self,
        request: Request<v1::ListSessionsRequest>,
    ) -> Result<Response<v1::ListSessionsResponse>, Status> {
        let (call, mut request) = taken_apart(request)?;
        let (place, _login) = self
            .enter(&call, &request.namespace, request.owner.take())
            .await?;
        let page = request::page(&request)?;
        let (sessions, more) = self.sessions.list(&call, &place, page).await?;
        let next_page_token = match sessions.last() {
            Some(last) if more => request::page_token(&PageStart {
                created_at: last.meta.created_at,
                id: last.id.clone(),
            }),
            _ => String::new(),
        };
        Ok(Response::new(v1::ListSessionsResponse {
            sessions: sessions
                .into_iter()
                .map(|session| answer::session(&place, session))
                .collect(),
            next_page_token,
        }))
    }

    type WatchSessionsStream = EventStream;

    async fn watch_sessions(
        &self,
        request: Request<v1::WatchSessionsRequest>,
    ) -> Result<Response<EventStream>, Status> {
        let (call, request) = taken_apart(request)?;
        let access = access::of_watch(request.owner.as_ref());
        let namespace = self.sessions.enter(&call, &request.namespace, access)?;
        let filter = Filter::new(request.owner, &request.kinds).map_err(Error::from)?;
        let after = (!request.cursor.is_empty()).then_some(Cursor(request.cursor));
        let log = self.sessions.watch(&call, &namespace, after).await?;
        Ok(Response::new(watch::stream(
            namespace,
            log,
            filter,
            self.heartbeat,
            Arc::clone(&self.metrics),
            self.stopping.clone(),
        )))
    }

    async fn claim_once(
        &self,
        request: Request<v1::ClaimOnceRequest>,
    ) -> Result<Response<v1::ClaimOnceResponse>, Status> {
        let (call, mut request) = taken_apart(request)?;
        let (place, _login) = self
            .enter(&call, &request.namespace, request.owner.take())
            .await?;
        let claim = request::claim(&self.sessions, &request)?;
        let claimed = self.sessions.claim_once(&call, &place, claim).await?;
        Ok(Response::new(v1::ClaimOnceResponse {
            claimed: claimed.claimed,
            replayed: claimed.replayed,
        }))
    }
}
