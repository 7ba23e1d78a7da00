//! `AdminService`: what those ask and do who run the service.

use std::sync::Arc;

use futures::future::ready;
use futures::stream;
use futures::{FutureExt as _, Stream, StreamExt as _};

use super::admin_v1 as v1;
use super::convert::{access, admin as answer};
use super::session::{Messages, Service};
use crate::call::Right;
use crate::callers::{Access, Tenants};
use crate::session::fields;
use crate::session::names::SessionId;
use crate::session::refusal::Refusal;
use crate::sessions::{Call, Error};
use crate::store::Namespace;
use crate::store::inspection::Position;

/// `AdminService`
impl Service {
    pub(super) async fn get_key_status(
        &self,
        call: &Call,
        _: v1::GetKeyStatusRequest,
    ) -> Result<v1::GetKeyStatusResponse, Error> {
        self.sessions.enter_service(call)?;
        let status = self.sessions.key_status(call).await?;
        Ok(answer::key_status(status))
    }

    pub(super) async fn rotate_keys(
        &self,
        call: &Call,
        _: v1::RotateKeysRequest,
    ) -> Result<v1::RotateKeysResponse, Error> {
        self.sessions.enter_service(call)?;
        let rotation = self.sessions.rotate_keys(call).await?;
        Ok(v1::RotateKeysResponse {
            active_key_id: rotation.active,
            rotated: rotation.rotated,
        })
    }

    pub(super) async fn rewrap_keys(
        &self,
        call: &Call,
        _: v1::RewrapKeysRequest,
    ) -> Result<Messages<v1::RewrapKeysResponse>, Error> {
        self.sessions.enter_service(call)?;
        let progress = self.sessions.rewrap_keys(call).await?;
        let messages = progress.map(|told| Ok(answer::rewrapped(told?)));
        Ok(messages.boxed())
    }

    pub(super) async fn destroy_tenant_key(
        &self,
        call: &Call,
        request: v1::DestroyTenantKeyRequest,
    ) -> Result<v1::DestroyTenantKeyResponse, Error> {
        let access = Access {
            right: Right::Call(call.operation),
            tenants: Tenants::One(&request.tenant),
        };
        let namespace = self.sessions.enter(call, &request.namespace, access)?;
        let destroyed = self
            .sessions
            .destroy_tenant_key(call, &namespace, &request.tenant)
            .await?;
        Ok(v1::DestroyTenantKeyResponse { destroyed })
    }

    pub(super) async fn list_namespaces(
        &self,
        call: &Call,
        _: v1::ListNamespacesRequest,
    ) -> Result<v1::ListNamespacesResponse, Error> {
        self.sessions.enter_service(call)?;
        let namespaces = self.sessions.namespaces(call).await?;
        Ok(v1::ListNamespacesResponse {
            namespaces: namespaces.iter().map(answer::namespace_use).collect(),
        })
    }

    pub(super) async fn get_store_status(
        &self,
        call: &Call,
        _: v1::GetStoreStatusRequest,
    ) -> Result<v1::GetStoreStatusResponse, Error> {
        self.sessions.enter_service(call)?;
        let status = self.sessions.store_status(call).await;
        Ok(answer::store_status(status))
    }

    #[expect(clippy::unused_async, reason = "as all of them are")]
    pub(super) async fn get_log_level(
        &self,
        call: &Call,
        _: v1::GetLogLevelRequest,
    ) -> Result<v1::GetLogLevelResponse, Error> {
        self.sessions.enter_service(call)?;
        let filter = self.sessions.log_filter(call)?;
        Ok(v1::GetLogLevelResponse { filter })
    }

    #[expect(clippy::unused_async, reason = "as all of them are")]
    pub(super) async fn set_log_level(
        &self,
        call: &Call,
        request: v1::SetLogLevelRequest,
    ) -> Result<v1::SetLogLevelResponse, Error> {
        self.sessions.enter_service(call)?;
        let previous_filter = self.sessions.set_log_filter(call, &request.filter)?;
        Ok(v1::SetLogLevelResponse { previous_filter })
    }

    pub(super) async fn find_sessions(
        &self,
        call: &Call,
        request: v1::FindSessionsRequest,
    ) -> Result<v1::FindSessionsResponse, Error> {
        let namespace = self.enter_filter(call, &request.namespace, request.filter.as_ref())?;
        let filter = answer::filter(request.filter)?;
        let size = answer::size("page_size", request.page_size, 100)?;
        let after = (!request.page_token.is_empty()).then_some(Position(request.page_token));
        let found = self.sessions.find(call, &namespace, filter, after, size);
        let (found, next) = found.await?;
        let sessions = found.into_iter();
        Ok(v1::FindSessionsResponse {
            sessions: sessions
                .map(|found| answer::found(&namespace, found))
                .collect(),
            next_page_token: next.map_or_else(String::new, |next| next.0),
        })
    }

    pub(super) async fn stream_sessions(
        &self,
        call: &Call,
        request: v1::StreamSessionsRequest,
    ) -> Result<Messages<v1::StreamSessionsResponse>, Error> {
        let namespace = self.enter_filter(call, &request.namespace, request.filter.as_ref())?;
        let filter = answer::filter(request.filter)?;
        let batches = self.sessions.find_all(call, &namespace, filter).await?;
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
        Ok(self.until_stopping(messages))
    }

    pub(super) async fn inspect_session(
        &self,
        call: &Call,
        request: v1::InspectSessionRequest,
    ) -> Result<v1::InspectSessionResponse, Error> {
        let tenant = request.tenant.as_deref();
        let (namespace, id) =
            self.enter_id(call, &request.namespace, tenant, &request.session_id)?;
        let stories = self.sessions.stories(call, &namespace, &id, tenant).await?;
        Ok(v1::InspectSessionResponse {
            sessions: answer::inspected(&namespace, stories),
        })
    }

    pub(super) async fn read_session_state(
        &self,
        call: &Call,
        request: v1::ReadSessionStateRequest,
    ) -> Result<v1::ReadSessionStateResponse, Error> {
        let tenant = request.tenant.as_deref();
        let (namespace, id) =
            self.enter_id(call, &request.namespace, tenant, &request.session_id)?;
        fields::audit_text("reason", &request.reason, 1024)?;
        if request.reason.trim().is_empty() {
            let why = "must say why this has to be: it stands in the audit";
            return Err(Refusal::invalid("reason", why).into());
        }
        let keys = request.state_keys.into_iter().map(Into::into).collect();
        let read = (tenant, keys);
        let sessions = self
            .sessions
            .break_glass(call, &namespace, &id, read, request.reason);
        let sessions = sessions.await?.into_iter();
        Ok(v1::ReadSessionStateResponse {
            sessions: sessions.map(answer::with_state).collect(),
        })
    }

    pub(super) async fn explain_session(
        &self,
        call: &Call,
        request: v1::ExplainSessionRequest,
    ) -> Result<v1::ExplainSessionResponse, Error> {
        let tenant = request.tenant.as_deref();
        let (namespace, id) =
            self.enter_id(call, &request.namespace, tenant, &request.session_id)?;
        let stories = self.sessions.explain(call, &namespace, &id, tenant).await?;
        Ok(v1::ExplainSessionResponse {
            stories: stories.into_iter().map(answer::story).collect(),
        })
    }

    pub(super) async fn end_sessions(
        &self,
        call: &Call,
        request: v1::EndSessionsRequest,
    ) -> Result<Messages<v1::EndSessionsResponse>, Error> {
        let namespace = self.enter_filter(call, &request.namespace, request.filter.as_ref())?;
        let filter = answer::filter(request.filter)?;
        fields::audit_text("note", &request.note, 1024)?;
        if filter.is_everything() != request.all {
            let why = "must mean some of the sessions, or `all` must be true, not both";
            return Err(Refusal::invalid("filter", why).into());
        }
        let how = (request.dry_run, request.note);
        let progress = self.sessions.end_all(call, &namespace, filter, how).await?;
        let messages = progress.map(|told| Ok(answer::ending(told?)));
        Ok(self.until_stopping(messages))
    }

    pub(super) async fn list_top_owners(
        &self,
        call: &Call,
        request: v1::ListTopOwnersRequest,
    ) -> Result<v1::ListTopOwnersResponse, Error> {
        let tenant = request.tenant.as_deref();
        let access = access::of_tenant(call.operation, tenant);
        let namespace = self.sessions.enter(call, &request.namespace, access)?;
        let most = answer::size("limit", request.limit, 10)?;
        let owners = self
            .sessions
            .top_owners(call, &namespace, tenant, most)
            .await?;
        Ok(v1::ListTopOwnersResponse {
            owners: owners.into_iter().map(answer::owner_use).collect(),
        })
    }
}

impl Service {
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
        messages: impl Stream<Item = Result<T, Error>> + Send + 'static,
    ) -> Messages<T> {
        let stopping = self.stopping.clone().cancelled_owned();
        let stopped = stream::once(stopping.map(|()| Err(Error::ShuttingDown)));
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
