//! API keys over the wire, and what is open to whoever has none.

use secrecy::ExposeSecret as _;
use tenure::callers::new_key;
use tenure::config::{ApiKey, Callers};
use tokio_stream::StreamExt as _;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;

use super::{House, assert_unknown, bearer, with_callers};

fn with_keys(keys: usize) -> (Callers, Vec<String>) {
    let (keys, hashes): (Vec<_>, Vec<_>) = (0..keys).map(|_| new_key()).unzip();
    let api_key = ApiKey {
        hashes,
        hash_file: None,
    };
    let callers = Callers {
        api_keys: vec![("crm".to_owned(), api_key)],
        ..Callers::default()
    };
    let shown = keys.iter().map(|key| bearer(key.expose_secret())).collect();
    (callers, shown)
}

#[tokio::test]
async fn both_keys_of_a_caller_open_and_no_other() {
    let (callers, keys) = with_keys(2);
    let house = House::start(with_callers(callers)).await;
    for key in &keys {
        let answered = house.list(&[("authorization", key)]).await;
        assert_eq!(answered.code, Code::Ok);
    }
    let nothing = house.list(&[]).await;
    assert_unknown(&nothing, "nothing");
    let (stranger, _) = new_key();
    let cut_off = &keys[0][..keys[0].len() - 1];
    for wrong in [
        &bearer(stranger.expose_secret()),
        cut_off,
        &keys[0].to_uppercase(),
        "Bearer tnr_",
    ] {
        assert_eq!(house.list(&[("authorization", wrong)]).await, nothing);
    }
}

async fn reflected(channel: Channel, key: Option<&str>) -> Result<(), Status> {
    let question = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut request = Request::new(tokio_stream::once(question));
    if let Some(key) = key {
        let key = key.parse().expect("visible characters");
        request.metadata_mut().insert("authorization", key);
    }
    let mut answers = ServerReflectionClient::new(channel)
        .server_reflection_info(request)
        .await?
        .into_inner();
    answers.next().await.expect("an answer").map(|_| ())
}

#[tokio::test]
async fn health_is_open_and_reflection_is_not() {
    let (callers, keys) = with_keys(1);
    let house = House::start(with_callers(callers)).await;
    let channel = house.channel().await;
    HealthClient::new(channel.clone())
        .check(HealthCheckRequest::default())
        .await
        .expect("open");
    let refused = reflected(channel.clone(), None).await.expect_err("closed");
    assert_eq!(refused.code(), Code::Unauthenticated);
    reflected(channel, Some(&keys[0])).await.expect("known");
}

#[tokio::test]
async fn nothing_has_to_be_shown_where_nobody_asks() {
    let house = House::start(super::config()).await;
    let (stranger, _) = new_key();
    for headers in [vec![], vec![bearer(stranger.expose_secret())]] {
        let headers: Vec<_> = headers
            .iter()
            .map(|value| ("authorization", &**value))
            .collect();
        assert_eq!(house.list(&headers).await.code, Code::Ok);
    }
    reflected(house.channel().await, None).await.expect("open");
}
