//! The running service: ports, health, TLS, limits, the drain.

mod callers;
mod drain;
pub(crate) mod fake_store;
mod limits;
mod metrics;
pub(crate) mod probes;
mod speed;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tenure::config::{Config, Grpc, Http, Store};
use tenure::server;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use self::fake_store::FakeStore;

/// As small as settings can be that a test would not say itself.
fn config() -> Config {
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    Config {
        grpc: Grpc {
            listen: any_port,
            threads: Some(2),
            drain_grace: Duration::from_secs(10),
            ..Grpc::default()
        },
        http: Http { listen: any_port },
        store: Store {
            sweep_interval: Duration::from_millis(50),
            ..Store::default()
        },
        ..Config::default()
    }
}

/// A service within the test.
struct Service {
    grpc: SocketAddr,
    http: SocketAddr,
    store: Arc<FakeStore>,
    stop: CancellationToken,
    running: JoinHandle<anyhow::Result<()>>,
}

impl Service {
    async fn start(config: Config) -> Service {
        let store = Arc::new(FakeStore::default());
        let bound = server::bind(config, Arc::clone(&store) as Arc<_>).expect("bound");
        let (grpc, http) = (bound.grpc_address(), bound.http_address());
        let stop = CancellationToken::new();
        let running = bound.start().await.expect("started");
        let stopped = stop.clone();
        let running = tokio::spawn(async move { running.until(stopped.cancelled()).await });
        Service {
            grpc,
            http,
            store,
            stop,
            running,
        }
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint::from_shared(format!("http://{}", self.grpc)).expect("an address")
    }

    async fn health(&self) -> HealthClient<Channel> {
        HealthClient::new(self.endpoint().connect().await.expect("connected"))
    }

    /// Stops it and waits for its end.
    async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.running.await.expect("no panic")
    }
}

fn whole_server() -> HealthCheckRequest {
    HealthCheckRequest::default()
}

/// Waits until something is so.
async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..1000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never came about: {what}");
}
