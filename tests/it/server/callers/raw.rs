//! Calls by the path of an RPC, with messages as bytes: for RPCs that this file has never heard of.

use bytes::{Buf as _, BufMut as _, Bytes};
use prost::Message as _;
use tenure::grpc::{admin_v1, v1};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::{MetadataKey, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

/// What came back, as far as a caller can see it. Equal if no caller could tell one from the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) code: Code,
    pub(super) reason: String,
    message: String,
    details: Bytes,
    headers: Vec<(String, Vec<u8>)>,
    /// The first message of the answer.
    pub(super) body: Option<Bytes>,
}

impl Answered {
    fn error(status: &Status) -> Answered {
        let info = status.get_details_error_info();
        let mut headers: Vec<_> = status
            .metadata()
            .clone()
            .into_headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
            .collect();
        headers.sort();
        Answered {
            code: status.code(),
            reason: info.map(|info| info.reason).unwrap_or_default(),
            message: status.message().to_owned(),
            details: Bytes::copy_from_slice(status.details()),
            headers,
            body: None,
        }
    }

    fn ok(body: Option<Bytes>) -> Answered {
        Answered {
            code: Code::Ok,
            reason: String::new(),
            message: String::new(),
            details: Bytes::new(),
            headers: Vec::new(),
            body,
        }
    }
}

/// Calls an RPC; of a stream it waits for the first message only.
pub(super) async fn call(
    channel: Channel,
    path: &'static str,
    headers: &[(&'static str, &str)],
    request: Vec<u8>,
) -> Answered {
    let mut client = Grpc::new(channel);
    client.ready().await.expect("connected");
    let mut request = Request::new(tokio_stream::once(Bytes::from(request)));
    let metadata = request.metadata_mut();
    metadata.insert("tenure-correlation-id", MetadataValue::from_static("same"));
    for (name, value) in headers {
        let value = MetadataValue::try_from(*value).expect("visible characters");
        metadata.append(MetadataKey::from_static(name), value);
    }
    let answer = client.streaming(request, path.parse().expect("a path"), AsBytes);
    match answer.await {
        Err(status) => Answered::error(&status),
        Ok(answer) => match answer.into_inner().message().await {
            Err(status) => Answered::error(&status),
            Ok(body) => Answered::ok(body),
        },
    }
}

/// A request of an RPC for ada of a tenant. An RPC that is not here has no place in the tests of callers.
pub(super) fn request(rpc: &str, namespace: &str, tenant: &str) -> Vec<u8> {
    let owner = || {
        Some(v1::Owner {
            tenant: tenant.to_owned(),
            user: "ada".to_owned(),
            issuer: String::new(),
        })
    };
    let selected = |selector| {
        v1::InvalidateSessionsRequest {
            namespace: namespace.to_owned(),
            selector: Some(v1::Selector {
                selector: Some(selector),
            }),
            ..Default::default()
        }
        .encode_to_vec()
    };
    match rpc {
        "InvalidateSessions" => selected(v1::selector::Selector::Owner(owner().expect("given"))),
        "InvalidateSessions by id" => selected(v1::selector::Selector::SessionId(
            "0123456789abcdef".to_owned(),
        )),
        "InvalidateSessions by tenant" => {
            selected(v1::selector::Selector::Tenant(tenant.to_owned()))
        }
        "InvalidateSessions by all" => selected(v1::selector::Selector::All(true)),
        "WatchSessions" => v1::WatchSessionsRequest {
            namespace: namespace.to_owned(),
            ..Default::default()
        }
        .encode_to_vec(),
        // These have the namespace, the owner and (but for those without) the session in the same fields.
        "CreateSession" | "ListSessions" | "ClaimOnce" => v1::ListSessionsRequest {
            namespace: namespace.to_owned(),
            owner: owner(),
            ..Default::default()
        }
        .encode_to_vec(),
        "GetSession" | "UpdateSession" | "TouchSession" | "RotateSession" | "DeleteSession"
        | "PutCredential" | "GetCredential" | "DeleteCredential" | "ListCredentials"
        | "BeginRefresh" | "CompleteRefresh" | "AbandonRefresh" => v1::TouchSessionRequest {
            namespace: namespace.to_owned(),
            owner: owner(),
            session_id: "0123456789abcdef".to_owned(),
        }
        .encode_to_vec(),
        "GetKeyStatus" | "RotateKeys" | "RewrapKeys" | "ListNamespaces" | "GetStoreStatus"
        | "GetLogLevel" => Vec::new(),
        // Refused for its field by whoever would let it through: it is the log of this process.
        "SetLogLevel" => admin_v1::SetLogLevelRequest::default().encode_to_vec(),
        "DestroyTenantKey" => admin_v1::DestroyTenantKeyRequest {
            namespace: namespace.to_owned(),
            tenant: tenant.to_owned(),
        }
        .encode_to_vec(),
        "FindSessions" | "StreamSessions" | "EndSessions" => {
            let filter = admin_v1::SessionFilter {
                tenant: Some(tenant.to_owned()),
                ..Default::default()
            };
            // The same fields as of the other two.
            admin_v1::StreamSessionsRequest {
                namespace: namespace.to_owned(),
                filter: Some(filter),
            }
            .encode_to_vec()
        }
        "FindSessions of all tenants" | "EndSessions of all tenants" => {
            admin_v1::StreamSessionsRequest {
                namespace: namespace.to_owned(),
                filter: None,
            }
            .encode_to_vec()
        }
        "InspectSession"
        | "ExplainSession"
        | "ReadSessionState"
        | "ExplainSession of all tenants" => admin_v1::ExplainSessionRequest {
            namespace: namespace.to_owned(),
            session_id: "0123456789abcdef".to_owned(),
            tenant: (!rpc.ends_with("all tenants")).then(|| tenant.to_owned()),
        }
        .encode_to_vec(),
        "ListTopOwners" => admin_v1::ListTopOwnersRequest {
            namespace: namespace.to_owned(),
            limit: 0,
            tenant: Some(tenant.to_owned()),
        }
        .encode_to_vec(),
        unknown => panic!("the RPC {unknown} needs a request here and a row in the matrix"),
    }
}

#[derive(Clone, Copy)]
struct AsBytes;

impl Codec for AsBytes {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = AsBytes;
    type Decoder = AsBytes;

    fn encoder(&mut self) -> AsBytes {
        AsBytes
    }

    fn decoder(&mut self) -> AsBytes {
        AsBytes
    }
}

impl Encoder for AsBytes {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, dst: &mut EncodeBuf<'_>) -> Result<(), Status> {
        dst.put(item);
        Ok(())
    }
}

impl Decoder for AsBytes {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, src: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(src.copy_to_bytes(src.remaining())))
    }
}
