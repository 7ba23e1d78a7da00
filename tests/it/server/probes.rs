//! Health, readiness and liveness, and what the service does on its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tenure::server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;

use super::fake_store::FakeStore;
use super::{Service, config, eventually, whole_server};

/// The status line and the body of a GET.
pub(crate) async fn get(address: SocketAddr, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answered");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.lines().next().expect("a status line");
    (status.to_owned(), body.to_owned())
}

#[tokio::test]
async fn readiness_and_health_follow_the_store() {
    let service = Service::start(config()).await;
    let mut health = service.health().await;
    let mut status = async |name: &str| {
        let request = HealthCheckRequest {
            service: name.to_owned(),
        };
        health
            .check(request)
            .await
            .map(|answer| answer.get_ref().status())
    };
    for name in ["", "tenure.v1.SessionService"] {
        assert_eq!(status(name).await.expect("known"), ServingStatus::Serving);
    }
    let unknown = status("other").await.expect_err("unknown");
    assert_eq!(unknown.code(), Code::NotFound);
    let (line, body) = get(service.http, "/readyz").await;
    assert_eq!((&*line, &*body), ("HTTP/1.1 200 OK", "ok\n"));

    service.store.set_away(true);
    eventually("the store is found missing", async || {
        status("").await.expect("known") == ServingStatus::NotServing
    })
    .await;
    let (line, body) = get(service.http, "/readyz").await;
    assert_eq!(line, "HTTP/1.1 503 Service Unavailable");
    assert_eq!(body, "the store is unavailable\n");
    let (line, _) = get(service.http, "/livez").await;
    assert_eq!(line, "HTTP/1.1 200 OK");
    let (line, _) = get(service.http, "/other").await;
    assert_eq!(line, "HTTP/1.1 404 Not Found");

    service.store.set_away(false);
    eventually("the store is found again", async || {
        get(service.http, "/readyz").await.0 == "HTTP/1.1 200 OK"
    })
    .await;
    service.stop().await.expect("a clean end");
}

#[tokio::test]
async fn it_starts_without_its_store() {
    let store = Arc::new(FakeStore::default());
    store.set_away(true);
    let bound = server::bind(config(), Arc::clone(&store) as Arc<_>).expect("bound");
    let http = bound.http_address();
    let running = bound.start().await.expect("started");
    assert!(get(http, "/readyz").await.0.contains("503"));
    store.set_away(false);
    eventually("the store is found", async || {
        get(http, "/readyz").await.0.contains("200")
    })
    .await;
    drop(running);
}

#[tokio::test]
async fn sweeping_goes_on_at_once_while_more_is_due_and_survives_errors() {
    let mut config = config();
    config.store.sweep_interval = Duration::from_millis(20);
    let service = Service::start(config).await;
    service.store.set_away(true);
    let before = service.store.sweeps();
    eventually("it tries on", async || service.store.sweeps() > before + 2).await;
    service.store.set_away(false);
    // At one sweep per interval this would take 200 s.
    service.store.set_due(10_000);
    eventually("all is swept", async || service.store.due() == 0).await;
    service.stop().await.expect("a clean end");
}

#[tokio::test]
async fn a_store_that_panics_does_not_end_the_upkeep() {
    let service = Service::start(config()).await;
    let is_ready = async || get(service.http, "/readyz").await.0.contains("200");
    service.store.set_panicking(true);
    eventually("the fault is seen", async || !is_ready().await).await;
    let before = service.store.sweeps();
    eventually("it sweeps on", async || service.store.sweeps() > before + 1).await;
    service.store.set_panicking(false);
    eventually("it recovers", is_ready).await;
    service.stop().await.expect("a clean end");
}

#[tokio::test]
async fn it_says_where_it_listens() {
    let store = Arc::new(FakeStore::default());
    let bound = server::bind(config(), store).expect("bound");
    let (grpc, http) = (bound.grpc_address(), bound.http_address());
    assert!(grpc.port() != 0 && http.port() != 0);
    let running = bound.start().await.expect("started");
    let mut said = Vec::new();
    running.announce(&mut said).expect("said");
    let expected = format!("tenure listening grpc={grpc} http={http} store=fake\n");
    assert_eq!(String::from_utf8(said).expect("text"), expected);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let service = Service::start(config()).await;
    let mut config = config();
    config.grpc.listen = service.grpc;
    let Err(error) = server::bind(config, Arc::new(FakeStore::default())) else {
        panic!("the port was free");
    };
    assert!(format!("{error:#}").contains(&service.grpc.to_string()));
    let mut health = service.health().await;
    health.check(whole_server()).await.expect("unharmed");
}
