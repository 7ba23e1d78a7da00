//! The HTTP port: probes and metrics.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use http::{StatusCode, header};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::accept::accept;
use super::readiness::State;
use crate::telemetry::{Metrics, metrics};

/// Connections at once. Beyond, callers wait.
const CONNECTIONS: usize = 256;

/// How long a client may take to send the head of a request, or to think of its next one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection lives at most, so that one that does not read its answer cannot stay.
const LIFETIME: Duration = Duration::from_mins(5);

/// The largest head of a request, and the most headers in it.
const HEAD_BYTES: usize = 16 * 1024;
const HEADERS: usize = 64;

/// Everything on the port.
pub(super) fn routes(state: watch::Receiver<State>, metrics: Arc<Metrics>) -> Router {
    let readyz = move || {
        let reason = state.borrow().reason_against();
        ready(match reason {
            None => (StatusCode::OK, "ok\n".to_owned()),
            Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
        })
    };
    let metrics = move || {
        let text = metrics.text();
        ready(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text))
    };
    Router::new()
        .route("/livez", get(|| ready("ok\n")))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
}

/// Serves the port until it is dropped.
///
/// Not by `axum::serve`: that sets no timer, so a client could take for ever over a request's head.
pub(super) async fn serve(listener: TcpListener, routes: Router) {
    let mut http1 = http1::Builder::new();
    http1
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(HEADERS)
        .max_buf_size(HEAD_BYTES);
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    let never = CancellationToken::new();
    accept("http", listener, never, |stream, address| {
        let connection = http1.serve_connection(
            TokioIo::new(stream),
            TowerToHyperService::new(routes.clone()),
        );
        let free = Arc::clone(&free);
        async move {
            let place = free.acquire_owned().await;
            tokio::spawn(async move {
                let _place = place;
                if let Ok(Err(error)) = tokio::time::timeout(LIFETIME, connection).await {
                    tracing::debug!(%address, %error, "an HTTP connection ended with an error");
                }
            });
        }
    })
    .await;
}
