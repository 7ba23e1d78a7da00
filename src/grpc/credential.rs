//! `CredentialService`: the only messages that carry secrets.

use tonic::{Request, Response, Status};

use super::convert::{answer, credential};
use super::session::Service;
use super::v1;
use super::v1::credential_service_server::CredentialService;

#[tonic::async_trait]
impl CredentialService for Service {
    async fn put_credential(
        &self,
        request: Request<v1::PutCredentialRequest>,
    ) -> Result<Response<v1::PutCredentialResponse>, Status> {
        let (call, request, place, id) = self.enter_session(request).await?;
        let name = credential::name(&request.name)?;
        let limits = &place.namespace.limits;
        let secret = credential::secret("credential", request.credential.as_ref(), limits)?;
        let version = self
            .sessions
            .put_credential(&call, &place, &id, &name, &secret)
            .await?;
        Ok(Response::new(v1::PutCredentialResponse {
            version: credential::version(version),
        }))
    }

    async fn get_credential(
        &self,
        request: Request<v1::GetCredentialRequest>,
    ) -> Result<Response<v1::GetCredentialResponse>, Status> {
        let (call, request, place, id) = self.enter_session(request).await?;
        let name = credential::name(&request.name)?;
        let (secret, version) = self.sessions.credential(&call, &place, &id, &name).await?;
        Ok(Response::new(v1::GetCredentialResponse {
            credential: Some(credential::credential(&secret)?),
            version: credential::version(version),
        }))
    }

    async fn delete_credential(
        &self,
        request: Request<v1::DeleteCredentialRequest>,
    ) -> Result<Response<v1::DeleteCredentialResponse>, Status> {
        let (call, request, place, id) = self.enter_session(request).await?;
        let name = credential::name(&request.name)?;
        let deleted = self
            .sessions
            .delete_credential(&call, &place, &id, &name)
            .await?;
        Ok(Response::new(v1::DeleteCredentialResponse { deleted }))
    }

    async fn list_credentials(
        &self,
        request: Request<v1::ListCredentialsRequest>,
    ) -> Result<Response<v1::ListCredentialsResponse>, Status> {
        let (call, _, place, id) = self.enter_session(request).await?;
        let names = self.sessions.credential_names(&call, &place, &id).await?;
        Ok(Response::new(v1::ListCredentialsResponse {
            names: answer::names(&names),
        }))
    }

    async fn begin_refresh(
        &self,
        request: Request<v1::BeginRefreshRequest>,
    ) -> Result<Response<v1::BeginRefreshResponse>, Status> {
        let (call, request, place, id) = self.enter_session(request).await?;
        let begin = credential::begin(&request)?;
        let wait = credential::wait(&request)?;
        let refresh = self
            .sessions
            .begin_refresh(&call, &place, &id, begin, wait)
            .await?;
        Ok(Response::new(credential::begun(&refresh)?))
    }

    async fn complete_refresh(
        &self,
        request: Request<v1::CompleteRefreshRequest>,
    ) -> Result<Response<v1::CompleteRefreshResponse>, Status> {
        let (call, request, place, id) = self.enter_session(request).await?;
        let name = credential::name(&request.name)?;
        let lease = credential::lease(&request.lease_id)?;
        let limits = &place.namespace.limits;
        let secret = credential::secret("credential", request.credential.as_ref(), limits)?;
        let version = self
            .sessions
            .complete_refresh(&call, &place, &id, &name, lease, &secret)
            .await?;
        Ok(Response::new(v1::CompleteRefreshResponse {
            version: credential::version(version),
        }))
    }

    async fn abandon_refresh(
        &self,
        request: Request<v1::AbandonRefreshRequest>,
    ) -> Result<Response<v1::AbandonRefreshResponse>, Status> {
        let (call, request, place, id) = self.enter_session(request).await?;
        let abandon = credential::abandon(&request)?;
        self.sessions
            .abandon_refresh(&call, &place, &id, abandon)
            .await?;
        Ok(Response::new(v1::AbandonRefreshResponse {}))
    }
}
