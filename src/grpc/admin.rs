//! `AdminService`: the keys.

use futures::StreamExt as _;
use futures::stream::BoxStream;
use tonic::{Request, Response, Status};

use super::admin_v1 as v1;
use super::admin_v1::admin_service_server::AdminService;
use super::session::{Service, taken_apart};
use crate::sessions::{KeyStatus, Rewrapped};

#[tonic::async_trait]
impl AdminService for Service {
    async fn get_key_status(
        &self,
        request: Request<v1::GetKeyStatusRequest>,
    ) -> Result<Response<v1::GetKeyStatusResponse>, Status> {
        let (call, _) = taken_apart(request)?;
        self.sessions.enter_service(&call)?;
        let status = self.sessions.key_status(&call).await?;
        Ok(Response::new(key_status(status)))
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
        let messages = progress.map(|told| Ok(rewrapped(told?)));
        Ok(Response::new(messages.boxed()))
    }

    async fn destroy_tenant_key(
        &self,
        request: Request<v1::DestroyTenantKeyRequest>,
    ) -> Result<Response<v1::DestroyTenantKeyResponse>, Status> {
        let (call, request) = taken_apart(request)?;
        let namespace = self.sessions.enter(&call, &request.namespace)?;
        let destroyed = self
            .sessions
            .destroy_tenant_key(&call, &namespace, &request.tenant)
            .await?;
        Ok(Response::new(v1::DestroyTenantKeyResponse { destroyed }))
    }
}

fn key_status(status: KeyStatus) -> v1::GetKeyStatusResponse {
    let keys = status.keys.into_iter();
    v1::GetKeyStatusResponse {
        keys: keys
            .map(|(key_id, known)| v1::KeyStatus {
                key_id,
                active: known.active,
                loaded: known.loaded,
                tenant_keys: count(known.tenant_keys),
            })
            .collect(),
        damaged_tenant_keys: count(status.damaged),
    }
}

fn rewrapped(told: Rewrapped) -> v1::RewrapKeysResponse {
    v1::RewrapKeysResponse {
        total_count: count(told.total),
        seen_count: count(told.seen),
        rewrapped_count: count(told.rewrapped),
        failed_count: count(told.failed),
    }
}

fn count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
