//! The threads that serve gRPC connections: one current-thread runtime each.
//!
//! Why not one runtime with several threads: it costs 40 to 60% more CPU per request, because tasks wake
//! each other across threads. Two of these serve 155,000 requests per second where one serves 112,000 and
//! a runtime with two threads 98,000. A connection stays where it is, so a client that wants more than one
//! core opens several.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use bytes::Bytes;
use futures::TryFutureExt as _;
use futures::future::BoxFuture;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::codegen::StdError;
use tonic::service::Routes;
use tower::ServiceExt as _;

use super::connection::{Connection, tune};
use super::readiness::Readiness;
use super::tls::Certificates;
use super::{health, reflection};
use crate::call::Operation;
use crate::callers::Authenticator;
use crate::grpc::{Answer, Departure, Edge, Peer};
use crate::telemetry::Metrics;
use crate::{config, grpc, sessions::Sessions};

/// How long a client may take from connecting to its first words of HTTP/2, TLS included.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The same for those who have just connected when the service is told to stop.
const LAST_HANDSHAKE_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a client may take to answer a ping.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Bytes that a client may send ahead, per stream and per connection. Nothing was gained by more. The
/// second bounds what a connection can make us hold.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Protocol errors of single streams that a connection may make in its life.
const LOCAL_ERROR_RESETS: usize = 1024;

/// Accepted connections that may wait for a worker.
const WAITING: usize = 256;

/// What all workers have in common.
pub(super) struct Common {
    pub(super) config: config::Grpc,
    pub(super) readiness: Readiness,
    pub(super) metrics: Arc<Metrics>,
    pub(super) certificates: Option<Arc<Certificates>>,
    /// Finish what is in progress and end.
    pub(super) stopping: CancellationToken,
    /// End.
    pub(super) abort: CancellationToken,
}

/// A socket on its way from the accepting runtime to a worker's.
type Accepted = (std::net::TcpStream, SocketAddr);

/// The workers, as the accepting task sees them.
pub(super) struct Workers {
    queues: Vec<mpsc::Sender<Accepted>>,
    next: AtomicUsize,
}

/// Resolves when a worker has ended; an error if it did without being told to.
pub(super) type Ended = oneshot::Receiver<()>;

impl Workers {
    /// Starts so many.
    pub(super) fn start(
        count: usize,
        common: &Arc<Common>,
        port: &Port,
    ) -> anyhow::Result<(Workers, Vec<Ended>)> {
        let mut queues = Vec::with_capacity(count);
        let mut ended = Vec::with_capacity(count);
        for index in 0..count {
            let (queue, accepted) = mpsc::channel(WAITING);
            let (end, has_ended) = oneshot::channel();
            let runtime = runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .context("cannot start a runtime")?;
            let (common, port) = (Arc::clone(common), port.clone());
            thread::Builder::new()
                .name(format!("grpc-{index}"))
                .spawn(move || {
                    runtime.block_on(work(common, port, accepted));
                    // What has not ended by now is dropped with the runtime.
                    runtime.shutdown_background();
                    let _ = end.send(());
                })
                .context("cannot start a thread")?;
            queues.push(queue);
            ended.push(has_ended);
        }
        let workers = Workers {
            queues,
            next: AtomicUsize::new(0),
        };
        Ok((workers, ended))
    }

    /// Hands a connection to the next worker. Waits only if all of them are far behind.
    pub(super) async fn hand(self: Arc<Self>, stream: TcpStream, address: SocketAddr) {
        // A socket is bound to the runtime that accepted it until it is unwrapped.
        let mut accepted = match stream.into_std() {
            Ok(stream) => (stream, address),
            Err(error) => {
                tracing::warn!(%error, "an accepted connection was lost");
                return;
            }
        };
        for _ in 0..self.queues.len() {
            match self.next().try_send(accepted) {
                Ok(()) => return,
                Err(error) => accepted = error.into_inner(),
            }
        }
        // It fails only when the worker is gone, and then the service is ending.
        let _ = self.next().send(accepted).await;
    }

    fn next(&self) -> &mpsc::Sender<Accepted> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        &self.queues[next % self.queues.len()]
    }
}

/// A worker's life: serves what it is handed until the accepting task has gone and all connections have
/// ended, or until `abort`.
async fn work(common: Arc<Common>, port: Port, mut accepted: mpsc::Receiver<Accepted>) {
    let connections = TaskTracker::new();
    let serve_all = async {
        while let Some((stream, address)) = accepted.recv().await {
            let port = port.clone();
            let answer = move |request, peer: &Peer| port.answer(request, peer);
            connections.spawn(serve(Arc::clone(&common), answer, stream, address));
        }
        connections.close();
        connections.wait().await;
    };
    tokio::select! {
        () = serve_all => {}
        () = common.abort.cancelled() => {}
    }
}

/// Every service on the port.
#[derive(Clone)]
pub(super) struct Port {
    edge: Edge,
    /// Health, reflection, and what nobody knows.
    others: Routes,
}

impl Port {
    pub(super) fn new(
        sessions: &Arc<Sessions>,
        authenticator: &Arc<Authenticator>,
        common: &Common,
    ) -> Port {
        let (config, metrics) = (&common.config, &common.metrics);
        let edge = grpc::edge(sessions, authenticator, config, metrics, &common.stopping);
        let unknown = Routes::from(Router::new().fallback_service(edge.clone()));
        // Health is open: whoever asks whether a service lives has no keys.
        let others = unknown.add_service(health::service(common.readiness.subscribe()));
        Port {
            edge,
            others: reflection::add(others, authenticator).prepare(),
        }
    }
}

impl Port {
    fn answer(
        &self,
        mut request: Request<Incoming>,
        peer: &Peer,
    ) -> BoxFuture<'static, Result<Answer, Infallible>> {
        if let Some(operation) = Operation::at(request.uri().path()) {
            return self.edge.answer(operation, request, peer);
        }
        request.extensions_mut().insert(peer.clone());
        let answer = self.others.clone().oneshot(request);
        Box::pin(answer.map_ok(|answer| answer.map(Departure::from)))
    }
}

/// Counts a connection as long as it is there.
struct Open<'a>(&'a Metrics);

impl<'a> Open<'a> {
    fn new(metrics: &'a Metrics) -> Open<'a> {
        metrics.connections_open.come(());
        Open(metrics)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.connections_open.go(());
    }
}

/// A connection's life.
async fn serve<F, B>(
    common: Arc<Common>,
    answer: impl Fn(Request<Incoming>, &Peer) -> F,
    stream: std::net::TcpStream,
    address: SocketAddr,
) where
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<StdError>,
{
    let _open = Open::new(&common.metrics);
    let stopping = &common.stopping;
    let establish = async {
        let stream = TcpStream::from_std(stream)?;
        tune(
            &stream,
            common.config.keepalive_interval + KEEPALIVE_TIMEOUT,
        )?;
        let tls = common.certificates.as_ref().map(|tls| tls.acceptor());
        let coalesce_writes = common.config.coalesce_writes;
        Connection::establish(stream, address, tls, coalesce_writes).await
    };
    let time_is_up = async {
        let stopped = async {
            stopping.cancelled().await;
            sleep(LAST_HANDSHAKE_TIMEOUT).await;
        };
        let _ = timeout(HANDSHAKE_TIMEOUT, stopped).await;
    };
    let established = tokio::select! {
        biased;
        established = establish => established,
        () = time_is_up => Err(std::io::ErrorKind::TimedOut.into()),
    };
    let (connection, peer) = match established {
        Ok(established) => established,
        Err(error) => {
            tracing::debug!(%address, %error, "no HTTP/2 connection came about");
            return;
        }
    };
    let service = hyper::service::service_fn(move |request| answer(request, &peer));
    let io = TokioIo::new(connection);
    let connection = http2_settings(&common.config).serve_connection(io, service);
    let mut connection = std::pin::pin!(connection);

    // When to ask the client to go, and how long it may then take: a drain has its own end, which ends
    // the runtime.
    let aged = async {
        match common.config.max_connection_age {
            Some(age) => sleep(with_jitter(age)).await,
            None => std::future::pending().await,
        }
    };
    let grace = tokio::select! {
        biased;
        served = &mut connection => return log_end(address, &served),
        () = stopping.cancelled() => None,
        () = aged => Some(common.config.drain_grace),
    };
    connection.as_mut().graceful_shutdown();
    let served = match grace {
        None => Ok(connection.await),
        Some(grace) => timeout(grace, connection).await,
    };
    if let Ok(served) = served {
        log_end(address, &served);
    } else {
        tracing::debug!(%address, "an old connection did not go; closed");
    }
}

fn log_end(address: SocketAddr, served: &hyper::Result<()>) {
    if let Err(error) = served {
        tracing::debug!(%address, %error, "a connection ended with an error");
    }
}

/// HTTP/2 as we allow it. All limits are said, none left to what a library finds right.
fn http2_settings(config: &config::Grpc) -> http2::Builder<TokioExecutor> {
    let mut http2 = http2::Builder::new(TokioExecutor::new());
    http2
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.max_concurrent_streams)
        // Streams that were opened and reset before we looked at them ("rapid reset"). As many as may be
        // open at once: an honest client that cancels all its calls in one go stays below.
        .max_pending_accept_reset_streams(config.max_concurrent_streams as usize)
        .max_local_error_reset_streams(LOCAL_ERROR_RESETS)
        .max_header_list_size(config.max_header_list_bytes)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(config.keepalive_interval)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        // gRPC has no use for it.
        .auto_date_header(false);
    http2
}

/// A tenth more or less, so that clients that came together, after a restart, do not all go together.
fn with_jitter(age: Duration) -> Duration {
    use std::hash::{BuildHasher as _, RandomState};
    // Each RandomState has keys of its own: the cheapest random number that std has.
    let random = RandomState::new().hash_one(()) % 2001;
    age.mul_f64(0.9 + 0.0001 * f64::from(u16::try_from(random).unwrap_or_default()))
}

#[cfg(test)]
mod tests;
