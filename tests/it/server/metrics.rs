//! Metrics of what only a store in trouble brings about. All others are provoked in tests/blackbox.

use std::net::SocketAddr;

use tenure_client::proto::v1::session_service_client::SessionServiceClient;
use tenure_client::proto::v1::{DeleteSessionRequest, ListSessionsRequest, Owner};
use tonic::Code;

use super::probes::get;
use super::{Service, config, eventually};

fn ann() -> Owner {
    Owner {
        tenant: "acme".to_owned(),
        user: "ann".to_owned(),
        issuer: "idp".to_owned(),
    }
}

fn list() -> ListSessionsRequest {
    ListSessionsRequest {
        namespace: "crm".to_owned(),
        owner: Some(ann()),
        ..ListSessionsRequest::default()
    }
}

/// The value of a series, as `/metrics` writes it.
async fn value(http: SocketAddr, series: &str) -> Option<String> {
    let (status, text) = get(http, "/metrics").await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    let value = |line: &str| Some(line.strip_prefix(series)?.strip_prefix(' ')?.to_owned());
    text.lines().find_map(value)
}

#[tokio::test]
async fn a_full_house_is_seen() {
    let mut config = config();
    config.grpc.max_in_flight = 1;
    let service = Service::start(config).await;
    let http = service.http;
    let at = async |series: &str| value(http, series).await.expect("a series");
    let channel = service.endpoint().connect().await.expect("connected");
    let mut sessions = SessionServiceClient::new(channel);
    assert_eq!(at("tenure_calls_limit").await, "1");
    assert_eq!(at("tenure_calls_in_flight").await, "0");

    service.store.set_holding(true);
    let mut first = sessions.clone();
    let first = tokio::spawn(async move { first.list_sessions(list()).await });
    eventually("a call is in progress", async || {
        at("tenure_calls_in_flight").await == "1"
    })
    .await;
    let shed = sessions.list_sessions(list()).await.expect_err("no place");
    assert_eq!(shed.code(), Code::ResourceExhausted);
    let ending = DeleteSessionRequest {
        namespace: "crm".to_owned(),
        owner: Some(ann()),
        session_id: "0123456789abcdef".to_owned(),
    };
    sessions.delete_session(ending).await.expect("never shed");
    assert_eq!(at("tenure_calls_shed_total").await, "1");

    service.store.set_holding(false);
    first.await.expect("no panic").expect("served");
    assert_eq!(at("tenure_calls_in_flight").await, "0");
}

#[tokio::test]
async fn a_store_that_is_away_is_seen() {
    let service = Service::start(config()).await;
    let http = service.http;
    let at = async |series: &str| value(http, series).await;
    assert_eq!(at("tenure_store_ready").await.as_deref(), Some("1"));
    service.store.set_away(true);
    eventually("it is found missing", async || {
        at("tenure_store_ready").await.as_deref() == Some("0")
    })
    .await;
    let failed = "tenure_store_duration_seconds_count{operation=\"ping\",outcome=\"failed\"}";
    assert!(at(failed).await.is_some());
    service.store.set_away(false);
    eventually("it is back", async || {
        at("tenure_store_ready").await.as_deref() == Some("1")
    })
    .await;
}
