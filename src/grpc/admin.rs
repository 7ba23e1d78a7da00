//! `AdminService`: what those ask and do who run the service.

use std::sync::Arc;

use futures::future::ready;
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, Stream, StreamExt as _};
use tonic::{Request, Response, Status};

use super::admin_v1 as v1;
use super::admin_v1::admin_service_server::AdminService;
use super::convert::{access, admin as answer};
use super::session::{Service, taken_apart};
use crate::call::Right;
use crate::callers::{Access, Tenants};
use crate::session::fields;
use crate::session::names::SessionId;
use crate::session::refusal::Refusal;
use crate::sessions::{Call, Error};
use crate::store::Namespace;
use crate::store::inspection::Position;

#[tonic::async_trait]
impl AdminService for Service {
    async fn get_key_status(
        &self,
        request: Request<v1::GetKeyStatusRequest>,
    ) -> Result<Response<v1::GetKeyStatusResponse>, Status> {
        let (call, _) = self.enter_service(request)?;
        let status = self.sessions.key_status(&call).await?;
        Ok(Response::new(answer::key_status(status)))
    }

    async fn rotate_keys(
        &self,
        request: Request<v1::RotateKeysRequest>,
    ) -> Result<Response<v1::RotateKeysResponse>, Status> {
        let (call, _) = self.enter_service(request)?;
        let rotation = self.sessions.rotate_keys(&call).await?;
        Ok(Response::new(v1::RotateKeysResponse {
            active_key_id: rotation.active,
            rotated: rotation.rotated,
        }))
    }

    type RewrapKeysStream = BoxStream<'static, Result<v1::RewrapKeysResponse, Status>>;

    async fn rewrap_keys(
        &self,
        request: Request<v1::RewrapKeysRequest>,
    ) -> Result<Response<Self::RewrapKeysStream>, Status> {
        let (call, _) = self.enter_service(request)?;
        let progress = self.sessions.rewrap_keys(&call).await?;
        let messages = progress.map(|told| Ok(answer::rewrapped(told?)));
        Ok(Response::new(messages.boxed()))
    }

    async fn destroy_tenant_key(
        &self,
        request: Request<v1::DestroyTenantKeyRequest>,
    ) -> Result<Response<v1::DestroyTenantKeyResponse>, Status> {
        let (call, request) = taken_apart(request)?;
        let access = Access {
            right: Right::Call(call.operation),
            tenants: Tenants::One(&request.tenant),
        };
        let namespace = self.sessions.enter(&call, &request.namespace, access)?;
        let destroyed = self
            .sessions
            .destroy_tenant_key(&call, &namespace, &request.tenant)
            .await?;
        Ok(Response::new(v1::DestroyTenantKeyResponse { destroyed }))
    }

    async fn list_namespaces(
        &self,
        request: Request<v1::ListNamespacesRequest>,
    ) -> Result<Response<v1::ListNamespacesResponse>, Status> {
        let (call, _) = self.enter_service(request)?;
        let namespaces = self.sessions.namespaces(&call).await?;
        Ok(Response::new(v1::ListNamespacesResponse {
            namespaces: namespaces.iter().map(answer::namespace_use).collect(),
        }))
    }

    async fn get_store_status(
        &self,
        request: Request<v1::GetStoreStatusRequest>,
    ) -> Result<Response<v1::GetStoreStatusResponse>, Status> {
        let (call, _) = self.enter_service(request)?;
        let status = self.sessions.store_status(&call).await;
        Ok(Response::new(answer::store_status(status)))
    }

    async fn get_log_level(
        &self,
        request: Request<v1::GetLogLevelRequest>,
    ) -> Result<Response<v1::GetLogLevelResponse>, Status> {
        let (call, _) = self.enter_service(request)?;
        let filter = self.sessions.log_filter(&call)?;
        Ok(Response::new(v1::GetLogLevelResponse { filter }))
    }

    async fn set_log_level(
        &self,
        request: Request<v1::SetLogLevelRequest>,
    ) -> Result<Response<v1::SetLogLevelResponse>, Status> {
        let (call, request) = self.enter_service(request)?;
        let previous_filter = self.sessions.set_log_filter(&call, &request.filter)?;
        Ok(Response::new(v1::SetLogLevelResponse { previous_filter }))
    }

    async fn find_sessions(
        &self,
        request: Request<v1::FindSessionsRequest>,
    ) -> Result<Response<v1::FindSessionsResponse>, Status> {
        let (call, request) = taken_apart(request)?;
        let namespace = self.enter_filter(&call, &request.namespace, request.filter.as_ref())?;
        let filter = answer::filter(request.filter).map_err(Error::from)?;
        let size = answer::size("page_size", request.page_size, 100).map_err(Error::from)?;
        let after = (!request.page_token.is_empty()).then_some(Position(request.page_token));
        let found = self.sessions.find(&call, &namespace, filter, after, size);
        let (found, next) = found.await?;
        let sessions = found.into_iter();
        Ok(Response::new(v1::FindSessionsResponse {
            sessions: sessions
                .map(|found| answer::found(&namespace, found))
                .collect(),
            next_page_token: next.map_or_else(String::new, |next| next.0),
        }))
    }

    type StreamSessionsStream = BoxStream<'static, Result<v1::StreamSessionsResponse, Status>>;

    async fn stream_sessions(
        &self,
        request: Request<v1::StreamSessionsRequest>,
    ) -> Result<Response<Self::StreamSessionsStream>, Status> {
        let (call, request) = taken_apart(request)?;
        let namespace = self.enter_filter(&call, &request.namespace, request.filter.as_ref())?;
        let filter = answer::filter(request.filter).map_err(Error::from)?;
        let batches = self.sessions.find_all(&call, &namespace, filter).await?;
        let messages = batches.map(move |batch| {
            let (found, progress) = batch?;
            let sessions = found.into_iter();
            Ok(v1::StreamSessionsResponse {
                sessions: sessions
                    .map(|found| answer::found(&namespace, found))
                    .collect(),
                looked_count: answer::count(progress.looked),
                total_count: answer::count(progress.total),
            })
        });
        Ok(Response::new(self.until_stopping(messages)))
    }

    async fn inspect_session(
        &self,
        request: Request<v1::InspectSessionRequest>,
    ) -> Result<Response<v1::InspectSessionResponse>, Status> {
        let (call, request) = taken_apart(request)?;
        let tenant = request.tenant.as_deref();
        let (namespace, id) =
            self.enter_id(&call, &request.namespace, tenant, &request.session_id)?;
        let stories = self
            .sessions
            .stories(&call, &namespace, &id, tenant)
            .await?;
        Ok(Response::new(v1::InspectSessionResponse {
            sessions: answer::inspected(&namespace, stories),
        }))
    }

    async fn read_session_state(
        &self,
        request: Request<v1::ReadSessionStateRequest>,
    ) -> Result<Response<v1::ReadSessionStateResponse>, Status> {
        let (call, request) = taken_apart(request)?;
        let tenant = request.tenant.as_deref();
        let (namespace, id) =
            self.enter_id(&call, &request.namespace, tenant, &request.session_id)?;
        fields::audit_text("reason", &request.reason, 1024).map_err(Error::from)?;
        if request.reason.trim().is_empty() {
            let why = "must say why this has to be: it stands in the audit";
            return Err(Error::from(Refusal::invalid("reason", why)).into());
        }
        let keys = request.state_keys.into_iter().map(Into::into).collect();
        let read = (tenant, keys);
        let sessions = self
            .sessions
            .break_glass(&call, &namespace, &id, read, request.reason);
        let sessions = sessions.await?.into_iter();
        Ok(Response::new(v1::ReadSessionStateResponse {
            sessions: sessions.map(answer::with_state).collect(),
        }))
    }

    async fn explain_session(
        &self,
        request: Request<v1::ExplainSessionRequest>,
    ) -> Result<Response<v1::ExplainSessionResponse>, Status> {
        let (call, request) = taken_apart(request)?;
        let tenant = request.tenant.as_deref();
        let (namespace, id) =
            self.enter_id(&call, &request.namespace, tenant, &request.session_id)?;
        let stories = self
            .sessions
            .explain(&call, &namespace, &id, tenant)
            .await?;
        Ok(Response::new(v1::ExplainSessionResponse {
            stories: stories.into_iter().map(answer::story).collect(),
        }))
    }

    type EndSessionsStream = BoxStream<'static, Result<v1::EndSessionsResponse, Status>>;

    async fn end_sessions(
        &self,
        request: Request<v1::EndSessionsRequest>,
    ) -> Result<Response<Self::EndSessionsStream>, Status> {
        let (call, request) = taken_apart(request)?;
        let namespace = self.enter_filter(&call, &request.namespace, request.filter.as_ref())?;
        let filter = answer::filter(request.filter).map_err(Error::from)?;
        fields::audit_text("note", &request.note, 1024).map_err(Error::from)?;
        if filter.is_everything() != request.all {
            let why = "must mean some of the sessions, or `all` must be true, not both";
            return Err(Error::from(Refusal::invalid("filter", why)).into());
        }
        let how = (request.dry_run, request.note);
        let progress = self
            .sessions
            .end_all(&call, &namespace, filter, how)
            .await?;
        let messages = progress.map(|told| Ok(answer::ending(told?)));
        Ok(Response::new(self.until_stopping(messages)))
    }

    async fn list_top_owners(
        &self,
        request: Request<v1::ListTopOwnersRequest>,
    ) -> Result<Response<v1::ListTopOwnersResponse>, Status> {
        let (call, request) = taken_apart(request)?;
        let tenant = request.tenant.as_deref();
        let access = access::of_tenant(call.operation, tenant);
        let namespace = self.sessions.enter(&call, &request.namespace, access)?;
        let most = answer::size("limit", request.limit, 10).map_err(Error::from)?;
        let owners = self
            .sessions
            .top_owners(&call, &namespace, tenant, most)
            .await?;
        Ok(Response::new(v1::ListTopOwnersResponse {
            owners: owners.into_iter().map(answer::owner_use).collect(),
        }))
    }
}

impl Service {
    /// Lets a call in that is about the whole service.
    fn enter_service<T>(&self, request: Request<T>) -> Result<(Call, T), Error> {
        let (call, request) = taken_apart(request)?;
        self.sessions.enter_service(&call)?;
        Ok((call, request))
    }

    /// Lets a call in that is about the sessions of a filter.
    fn enter_filter(
        &self,
        call: &Call,
        namespace: &str,
        filter: Option<&v1::SessionFilter>,
    ) -> Result<Arc<Namespace>, Error> {
        let tenant = filter.and_then(|filter| filter.tenant.as_deref());
        let access = access::of_tenant(call.operation, tenant);
        self.sessions.enter(call, namespace, access)
    }

    /// Lets a call in that is about the sessions with an id.
    fn enter_id(
        &self,
        call: &Call,
        namespace: &str,
        tenant: Option<&str>,
        id: &str,
    ) -> Result<(Arc<Namespace>, SessionId), Error> {
        let access = access::of_tenant(call.operation, tenant);
        let namespace = self.sessions.enter(call, namespace, access)?;
        Ok((namespace, fields::known_id("session_id", id)?))
    }

    /// A stream that ends when the service goes down.
    fn until_stopping<T: Send + 'static>(
        &self,
        messages: impl Stream<Item = Result<T, Status>> + Send + 'static,
    ) -> BoxStream<'static, Result<T, Status>> {
        let stopping = self.stopping.clone().cancelled_owned();
        let stopped = stream::once(stopping.map(|()| Err(Error::ShuttingDown.into())));
        let mut over = false;
        stream::select(
            messages.map(Some).chain(stream::once(ready(None))),
            stopped.map(Some),
        )
        .take_while(move |message| {
            let go_on = !over && message.is_some();
            over = matches!(message, Some(Err(_)));
            ready(go_on)
        })
        .filter_map(ready)
        .boxed()
    }
}
