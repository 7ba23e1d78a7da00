//! `CredentialService`: the only messages that carry secrets.

use super::convert::{answer, credential};
use super::session::Service;
use super::v1;
use crate::sessions::{Call, Error};

/// `CredentialService`
impl Service {
    pub(super) async fn put_credential(
        &self,
        call: &Call,
        mut request: v1::PutCredentialRequest,
    ) -> Result<v1::PutCredentialResponse, Error> {
        let (place, id) = self.enter_session(call, &mut request).await?;
        let name = credential::name(&request.name)?;
        let limits = &place.namespace.limits;
        let secret = credential::secret("credential", request.credential.as_ref(), limits)?;
        let version = self
            .sessions
            .put_credential(call, &place, &id, &name, &secret)
            .await?;
        Ok(v1::PutCredentialResponse {
            version: credential::version(version),
        })
    }

    pub(super) async fn get_credential(
        &self,
        call: &Call,
        mut request: v1::GetCredentialRequest,
    ) -> Result<v1::GetCredentialResponse, Error> {
        let (place, id) = self.enter_session(call, &mut request).await?;
        let name = credential::name(&request.name)?;
        let (secret, version) = self.sessions.credential(call, &place, &id, &name).await?;
        Ok(v1::GetCredentialResponse {
            credential: Some(credential::credential(&secret)?),
            version: credential::version(version),
        })
    }

    pub(super) async fn delete_credential(
        &self,
        call: &Call,
        mut request: v1::DeleteCredentialRequest,
    ) -> Result<v1::DeleteCredentialResponse, Error> {
        let (place, id) = self.enter_session(call, &mut request).await?;
        let name = credential::name(&request.name)?;
        let deleted = self
            .sessions
            .delete_credential(call, &place, &id, &name)
            .await?;
        Ok(v1::DeleteCredentialResponse { deleted })
    }

    pub(super) async fn list_credentials(
        &self,
        call: &Call,
        mut request: v1::ListCredentialsRequest,
    ) -> Result<v1::ListCredentialsResponse, Error> {
        let (place, id) = self.enter_session(call, &mut request).await?;
        let names = self.sessions.credential_names(call, &place, &id).await?;
        Ok(v1::ListCredentialsResponse {
            names: answer::names(&names),
        })
    }

    pub(super) async fn begin_refresh(
        &self,
        call: &Call,
        mut request: v1::BeginRefreshRequest,
    ) -> Result<v1::BeginRefreshResponse, Error> {
        let (place, id) = self.enter_session(call, &mut request).await?;
        let begin = credential::begin(&request)?;
        let wait = credential::wait(&request)?;
        let refresh = self
            .sessions
            .begin_refresh(call, &place, &id, begin, wait)
            .await?;
        credential::begun(&refresh)
    }

    pub(super) async fn complete_refresh(
        &self,
        call: &Call,
        mut request: v1::CompleteRefreshRequest,
    ) -> Result<v1::CompleteRefreshResponse, Error> {
        let (place, id) = self.enter_session(call, &mut request).await?;
        let name = credential::name(&request.name)?;
        let lease = credential::lease(&request.lease_id)?;
        let limits = &place.namespace.limits;
        let secret = credential::secret("credential", request.credential.as_ref(), limits)?;
        let version = self
            .sessions
            .complete_refresh(call, &place, &id, &name, lease, &secret)
            .await?;
        Ok(v1::CompleteRefreshResponse {
            version: credential::version(version),
        })
    }

    pub(super) async fn abandon_refresh(
        &self,
        call: &Call,
        mut request: v1::AbandonRefreshRequest,
    ) -> Result<v1::AbandonRefreshResponse, Error> {
        let (place, id) = self.enter_session(call, &mut request).await?;
        let abandon = credential::abandon(&request)?;
        self.sessions
            .abandon_refresh(call, &place, &id, abandon)
            .await?;
        Ok(v1::AbandonRefreshResponse {})
    }
}
