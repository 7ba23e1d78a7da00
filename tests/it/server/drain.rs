//! The end: every accepted call is answered.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::stream;
use h2::Reason;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_stream::StreamExt as _;
use tonic::{Code, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;

use super::probes::get;
use super::{Service, config, whole_server};

/// The end does not wait for the grace of 20 s, or not for longer than it was set to.
const WITHOUT_GRACE: Duration = Duration::from_secs(15);

/// Whether a call failed before the service had it.
///
/// To most clients all of these are UNAVAILABLE. tonic's says CANCELLED of a call that was still queued in
/// the client when its connection went, and INTERNAL of one that a GOAWAY has refused; the source tells
/// them from a call that was lost.
fn was_not_accepted(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return error.is_remote()
                && error.is_go_away()
                && error.reason() == Some(Reason::NO_ERROR);
        }
        let hyper = error.downcast_ref::<hyper::Error>();
        if hyper.is_some_and(hyper::Error::is_canceled) {
            return true;
        }
        source = error.source();
    }
    status.code() == Code::Unavailable && status.message().contains("connect")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_100_clients_in_closed_loop_no_accepted_call_is_lost() {
    for coalesce_writes in [true, false] {
        let mut config = config();
        config.grpc.coalesce_writes = coalesce_writes;
        let service = Service::start(config).await;
        let answered = Arc::new(AtomicUsize::new(0));
        let mut clients = JoinSet::new();
        for _ in 0..100 {
            let mut health = service.health().await;
            let answered = Arc::clone(&answered);
            // Each goes on until a call fails, and says how.
            clients.spawn(async move {
                loop {
                    match health.check(whole_server()).await {
                        Ok(_) => answered.fetch_add(1, Ordering::Relaxed),
                        Err(status) => return status,
                    };
                }
            });
        }
        while answered.load(Ordering::Relaxed) <= 100 {
            sleep(Duration::from_millis(10)).await;
        }
        let start = Instant::now();
        service.stop().await.expect("a clean end");
        assert!(start.elapsed() < WITHOUT_GRACE);
        for status in clients.join_all().await {
            assert!(was_not_accepted(&status), "{status:?}");
        }
    }
}

#[tokio::test]
async fn a_health_watch_hears_of_the_drain_and_does_not_hold_it_up() {
    let service = Service::start(config()).await;
    let mut health = service.health().await;
    let watch = health.watch(whole_server()).await.expect("a watch");
    let mut statuses = watch
        .into_inner()
        .map(|message| message.map(|message| message.status()));
    let first = statuses.next().await.expect("a status").expect("no error");
    assert_eq!(first, ServingStatus::Serving);
    let start = Instant::now();
    service.stop().await.expect("a clean end");
    assert!(start.elapsed() < WITHOUT_GRACE);
    let last = statuses.next().await.expect("a status").expect("no error");
    assert_eq!(last, ServingStatus::NotServing);
    assert!(statuses.next().await.is_none());
}

#[tokio::test]
async fn a_stream_that_does_not_end_is_cut_off_after_the_grace() {
    let mut config = config();
    config.grpc.drain_grace = Duration::from_secs(2);
    let service = Service::start(config).await;
    let http = service.http;
    let channel = service.endpoint().connect().await.expect("connected");
    let requests = stream::pending::<ServerReflectionRequest>();
    let mut reflection = ServerReflectionClient::new(channel);
    let _open = reflection
        .server_reflection_info(requests)
        .await
        .expect("a stream");
    let start = Instant::now();
    service.stop.cancel();
    let (line, body) = loop {
        let answer = get(http, "/readyz").await;
        if answer.0 != "HTTP/1.1 200 OK" {
            break answer;
        }
    };
    assert_eq!(line, "HTTP/1.1 503 Service Unavailable");
    assert_eq!(body, "shutting down\n");
    assert_eq!(get(http, "/livez").await.0, "HTTP/1.1 200 OK");
    service.stop().await.expect("a clean end");
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(1900), "{took:?}");
    assert!(took < WITHOUT_GRACE, "{took:?}");
}

#[tokio::test]
async fn nobody_is_accepted_any_more() {
    let service = Service::start(config()).await;
    let endpoint = service.endpoint();
    service.stop().await.expect("a clean end");
    endpoint.connect().await.expect_err("it is gone");
}

#[tokio::test]
async fn an_aged_connection_goes_without_losing_a_call() {
    let mut config = config();
    config.grpc.max_connection_age = Some(Duration::from_millis(50));
    let service = Service::start(config).await;
    let mut health = service.health().await;
    let start = Instant::now();
    let mut answered = 0;
    while answered <= 100 || start.elapsed() < Duration::from_secs(1) {
        let call = health.check(whole_server());
        match timeout(Duration::from_secs(5), call)
            .await
            .expect("in time")
        {
            Ok(_) => answered += 1,
            Err(status) => assert!(was_not_accepted(&status), "{status:?}"),
        }
    }
    service.stop().await.expect("a clean end");
}

#[tokio::test]
async fn a_stream_does_not_keep_an_aged_connection() {
    let mut config = config();
    config.grpc.max_connection_age = Some(Duration::from_millis(50));
    config.grpc.drain_grace = Duration::from_millis(100);
    let service = Service::start(config).await;
    let mut health = service.health().await;
    let watch = health.watch(whole_server()).await.expect("a watch");
    let mut watch = watch.into_inner();
    let ended = async { while let Some(Ok(_)) = watch.next().await {} };
    timeout(Duration::from_secs(5), ended)
        .await
        .expect("cut off");
    service.stop().await.expect("a clean end");
}
