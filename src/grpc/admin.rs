//! `AdminService`: what those ask and do who run the service.

use futures::StreamExt as _;
use futures::stream::BoxStream;
use tonic::{Request, Response, Status};

use super::admin_v1 as v1;
use super::admin_v1::admin_service_server::AdminService;
use super::convert::admin as answer;
use super::session::{Service, taken_apart};
use crate::call::Right;
use crate::callers::{Access, Tenants};

#[tonic::async_trait]
impl AdminService for Service {
    async fn get_key_status(
        &self,
        request: Request<v1::GetKeyStatusRequest>,
    ) -> Result<Response<v1::GetKeyStatusResponse>, Status> {
        let (call, _) = taken_apart(request)?;
        self.sessions.enter_service(&call)?;
        let status = self.sessions.key_status(&call).await?;
        Ok(Response::new(answer::key_status(status)))
    }

    async fn rotate_keys(
        &self,
        request: Request<v1::RotateKeysRequest>,
    ) -> Result<Response<v1::RotateKeysResponse>, Status> {
        let (call, _) = taken_apart(request)?;
        self.sessions.enter_service(&call)?;
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
        let (call, _) = taken_apart(request)?;
        self.sessions.enter_service(&call)?;
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
        let (call, _) = taken_apart(request)?;
        self.sessions.enter_service(&call)?;
        let namespaces = self.sessions.namespaces(&call).await?;
        Ok(Response::new(v1::ListNamespacesResponse {
            namespaces: namespaces.iter().map(answer::namespace_use).collect(),
        }))
    }

    async fn get_store_status(
        &self,
        request: Request<v1::GetStoreStatusRequest>,
    ) -> Result<Response<v1::GetStoreStatusResponse>, Status> {
        let (call, _) = taken_apart(request)?;
        self.sessions.enter_service(&call)?;
        let status = self.sessions.store_status(&call).await;
        Ok(Response::new(answer::store_status(status)))
    }

    async fn get_log_level(
        &self,
        request: Request<v1::GetLogLevelRequest>,
    ) -> Result<Response<v1::GetLogLevelResponse>, Status> {
        let (call, _) = taken_apart(request)?;
        self.sessions.enter_service(&call)?;
        let filter = self.sessions.log_filter(&call)?;
        Ok(Response::new(v1::GetLogLevelResponse { filter }))
    }

    async fn set_log_level(
        &self,
        request: Request<v1::SetLogLevelRequest>,
    ) -> Result<Response<v1::SetLogLevelResponse>, Status> {
        let (call, request) = taken_apart(request)?;
        self.sessions.enter_service(&call)?;
        let previous_filter = self.sessions.set_log_filter(&call, &request.filter)?;
        Ok(Response::new(v1::SetLogLevelResponse { previous_filter }))
    }
}
