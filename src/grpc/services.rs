//! What each operation is answered with: the message that it takes, and who answers it.

use bytes::Bytes;
use futures::TryStreamExt as _;
use http_body::Body as HttpBody;
use tonic::Status;
use tonic::codegen::StdError;

use super::message::{Reply, of_request};
use super::session::Service;
use crate::call::{Call, Operation};

/// The services of this crate.
pub(super) struct Services {
    pub(super) service: Service,
    pub(super) max_message_bytes: usize,
}

impl Services {
    /// Takes the call's message off its body, and answers it.
    ///
    /// Each kind of call is boxed, and takes only its own room: otherwise a Get would carry the room that the largest
    /// one needs through every layer.
    pub(super) async fn answer<B>(&self, call: &Call, body: &mut B) -> Result<Reply, Status>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin,
        B::Error: Into<StdError>,
    {
        macro_rules! one {
            ($method:ident) => {
                Box::pin(async {
                    let request = of_request(body, self.max_message_bytes).await?;
                    let answer = self.service.$method(call, request).await?;
                    Ok(Reply::one(&answer))
                })
                .await
            };
        }
        macro_rules! many {
            ($method:ident) => {
                Box::pin(async {
                    let request = of_request(body, self.max_message_bytes).await?;
                    let answers = self.service.$method(call, request).await?;
                    Ok(Reply::many(answers.map_err(Status::from)))
                })
                .await
            };
        }
        match call.operation {
            Operation::CreateSession => one!(create_session),
            Operation::GetSession => one!(get_session),
            Operation::UpdateSession => one!(update_session),
            Operation::TouchSession => one!(touch_session),
            Operation::RotateSession => one!(rotate_session),
            Operation::DeleteSession => one!(delete_session),
            Operation::InvalidateSessions => one!(invalidate_sessions),
            Operation::ListSessions => one!(list_sessions),
            Operation::WatchSessions => many!(watch_sessions),
            Operation::ClaimOnce => one!(claim_once),
            Operation::PutCredential => one!(put_credential),
            Operation::GetCredential => one!(get_credential),
            Operation::DeleteCredential => one!(delete_credential),
            Operation::ListCredentials => one!(list_credentials),
            Operation::BeginRefresh => one!(begin_refresh),
            Operation::CompleteRefresh => one!(complete_refresh),
            Operation::AbandonRefresh => one!(abandon_refresh),
            Operation::GetKeyStatus => one!(get_key_status),
            Operation::RotateKeys => one!(rotate_keys),
            Operation::RewrapKeys => many!(rewrap_keys),
            Operation::DestroyTenantKey => one!(destroy_tenant_key),
            Operation::ListNamespaces => one!(list_namespaces),
            Operation::GetStoreStatus => one!(get_store_status),
            Operation::GetLogLevel => one!(get_log_level),
            Operation::SetLogLevel => one!(set_log_level),
            Operation::FindSessions => one!(find_sessions),
            Operation::StreamSessions => many!(stream_sessions),
            Operation::InspectSession => one!(inspect_session),
            Operation::ReadSessionState => one!(read_session_state),
            Operation::ExplainSession => one!(explain_session),
            Operation::EndSessions => many!(end_sessions),
            Operation::ListTopOwners => one!(list_top_owners),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;
    use crate::grpc::DESCRIPTORS;

    #[test]
    fn every_method_of_the_protos_is_an_operation() {
        let described = FileDescriptorSet::decode(DESCRIPTORS).expect("made by the build");
        let mut methods = BTreeSet::new();
        for file in &described.file {
            for service in &file.service {
                for method in &service.method {
                    let (service, method_name) = (service.name(), method.name());
                    methods.insert(format!("/{}.{service}/{method_name}", file.package()));
                    assert!(!method.client_streaming(), "{method_name}: nobody takes it");
                }
            }
        }
        let operations = Operation::ALL.iter();
        let answered: BTreeSet<String> = operations.map(|one| one.path().to_owned()).collect();
        assert_eq!(methods, answered);
    }
}
