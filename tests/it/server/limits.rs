//! What a client may do, and that gathered writes change nothing.

use std::collections::HashMap;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_stream::StreamExt as _;
use tonic::Request;
use tonic::metadata::MetadataValue;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use super::{Service, config, whole_server};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const EMPTY_SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

#[tokio::test]
async fn the_limits_of_http2_are_announced() {
    let service = Service::start(config()).await;
    let mut stream = TcpStream::connect(service.grpc).await.expect("connected");
    stream.write_all(PREFACE).await.expect("written");
    stream.write_all(EMPTY_SETTINGS).await.expect("written");
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.expect("a frame");
    assert_eq!(head[3], 4, "not SETTINGS");
    let length = usize::from(head[1]) << 8 | usize::from(head[2]);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.expect("a frame");
    let settings: HashMap<u16, u32> = body
        .chunks(6)
        .map(|setting| {
            let (name, value) = setting.split_at(2);
            (
                u16::from_be_bytes(name.try_into().expect("two bytes")),
                u32::from_be_bytes(value.try_into().expect("four bytes")),
            )
        })
        .collect();
    let (max_concurrent_streams, initial_window, max_header_list) = (3, 4, 6);
    assert_eq!(settings[&max_concurrent_streams], 128);
    assert_eq!(settings[&initial_window], 256 * 1024);
    assert_eq!(settings[&max_header_list], 16 * 1024);
}

#[tokio::test]
async fn too_many_headers_cost_the_call_and_not_the_connection() {
    let service = Service::start(config()).await;
    let mut health = service.health().await;
    let mut request = Request::new(whole_server());
    let large = MetadataValue::try_from("x".repeat(20_000)).expect("visible characters");
    request.metadata_mut().insert("large", large);
    health.check(request).await.expect_err("too large");
    health.check(whole_server()).await.expect("unharmed");
}

#[tokio::test]
async fn who_does_not_speak_http2_is_shown_out() {
    let service = Service::start(config()).await;
    let mut stream = TcpStream::connect(service.grpc).await.expect("connected");
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n")
        .await
        .expect("written");
    let mut answer = Vec::new();
    let closed = timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    // Closed or reset, as the kernel likes.
    let _ = closed.expect("the connection stays open");
    assert!(answer.is_empty());
}

#[tokio::test]
async fn a_silent_connection_does_not_hold_up_the_drain() {
    let service = Service::start(config()).await;
    let mut silent = TcpStream::connect(service.grpc).await.expect("connected");
    let mut health = service.health().await;
    health
        .check(whole_server())
        .await
        .expect("others are served");
    timeout(Duration::from_secs(3), service.stop())
        .await
        .expect("held up")
        .expect("a clean end");
    assert_eq!(silent.read(&mut [0]).await.expect("closed"), 0);
}

/// Asks by reflection for the services and for the files of one: answers of some size.
async fn reflect(service: &Service) -> Vec<MessageResponse> {
    let channel = service.endpoint().connect().await.expect("connected");
    let questions = [
        MessageRequest::ListServices(String::new()),
        MessageRequest::FileContainingSymbol("tenure.v1.SessionService".to_owned()),
        MessageRequest::FileContainingSymbol("grpc.health.v1.Health".to_owned()),
    ];
    let requests = questions.map(|question| ServerReflectionRequest {
        host: String::new(),
        message_request: Some(question),
    });
    let answers = ServerReflectionClient::new(channel)
        .server_reflection_info(tokio_stream::iter(requests))
        .await
        .expect("reflection v1");
    answers
        .into_inner()
        .map(|answer: Result<ServerReflectionResponse, _>| {
            answer
                .expect("an answer")
                .message_response
                .expect("not empty")
        })
        .collect()
        .await
}

#[tokio::test]
async fn gathered_writes_give_the_same_answers() {
    let mut given = Vec::new();
    for coalesce_writes in [true, false] {
        let mut config = config();
        config.grpc.coalesce_writes = coalesce_writes;
        let service = Service::start(config).await;
        given.push(reflect(&service).await);
        service.stop().await.expect("a clean end");
    }
    assert_eq!(given[0].len(), 3);
    assert_eq!(given[0], given[1]);
    let MessageResponse::ListServicesResponse(list) = &given[0][0] else {
        panic!("no list of services");
    };
    let mut names: Vec<&str> = list.service.iter().map(|found| &*found.name).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "tenure.admin.v1.AdminService",
            "tenure.v1.CredentialService",
            "tenure.v1.SessionService",
        ]
    );
}

#[tokio::test]
async fn reflection_answers_older_tools_too() {
    use tonic_reflection::pb::v1alpha as alpha;
    let service = Service::start(config()).await;
    let channel = service.endpoint().connect().await.expect("connected");
    let question = alpha::server_reflection_request::MessageRequest::ListServices(String::new());
    let request = alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(question),
    };
    let mut client = alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let answers = client
        .server_reflection_info(tokio_stream::iter([request]))
        .await
        .expect("reflection v1alpha");
    let answer = answers.into_inner().next().await.expect("an answer");
    assert!(answer.expect("no error").message_response.is_some());
}
