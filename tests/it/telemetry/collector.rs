//! A collector: OpenTelemetry's three services, which keep what they are sent.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::trace::v1::Span;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

use crate::support::redis::Certificates;

/// How it treats those who send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Takes,
    /// Never answers.
    Hangs,
}

#[derive(Debug, Default)]
struct Kept {
    traces: Vec<ExportTraceServiceRequest>,
    metrics: Vec<ExportMetricsServiceRequest>,
    logs: Vec<ExportLogsServiceRequest>,
    metadata: Vec<MetadataMap>,
}

#[derive(Clone)]
pub(crate) struct Collector {
    address: SocketAddr,
    scheme: &'static str,
    manner: Manner,
    kept: Arc<Mutex<Kept>>,
}

impl Collector {
    /// Listens on a free port, until the runtime ends.
    pub(crate) async fn start(manner: Manner) -> Collector {
        Collector::start_with(manner, None).await
    }

    /// The same; with certificates over TLS, for clients that show one.
    pub(crate) async fn start_with(manner: Manner, tls: Option<&Certificates>) -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let collector = Collector {
            address: listener.local_addr().expect("an address"),
            scheme: if tls.is_some() { "https" } else { "http" },
            manner,
            kept: Arc::default(),
        };
        let mut server = Server::builder();
        if let Some(tls) = tls {
            let read = |file: PathBuf| fs::read(file).expect("a file");
            let identity = Identity::from_pem(read(tls.server_cert()), read(tls.server_key()));
            let settings = ServerTlsConfig::new()
                .identity(identity)
                .client_ca_root(Certificate::from_pem(read(tls.ca())));
            server = server.tls_config(settings).expect("good settings");
        }
        let serving = server
            .add_service(TraceServiceServer::new(collector.clone()))
            .add_service(MetricsServiceServer::new(collector.clone()))
            .add_service(LogsServiceServer::new(collector.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(serving);
        collector
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        let kept = self.kept.lock();
        let resources = kept.traces.iter().flat_map(|sent| &sent.resource_spans);
        let scopes = resources.flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    pub(crate) fn lines(&self) -> Vec<LogRecord> {
        let kept = self.kept.lock();
        let resources = kept.logs.iter().flat_map(|sent| &sent.resource_logs);
        let scopes = resources.flat_map(|resource| &resource.scope_logs);
        scopes.flat_map(|scope| scope.log_records.clone()).collect()
    }

    /// The newest metrics.
    pub(crate) fn metrics(&self) -> Option<Vec<Metric>> {
        let kept = self.kept.lock();
        let newest = kept.metrics.last()?;
        let scopes = newest
            .resource_metrics
            .iter()
            .flat_map(|resource| &resource.scope_metrics);
        Some(scopes.flat_map(|scope| scope.metrics.clone()).collect())
    }

    /// What every request carried.
    pub(super) fn metadata(&self) -> Vec<MetadataMap> {
        self.kept.lock().metadata.clone()
    }

    /// Who says that it sends, which is the same for all.
    pub(super) fn resource(&self) -> HashMap<String, String> {
        let kept = self.kept.lock();
        let of = |attributes: &[_]| -> HashMap<String, String> {
            let texts = super::texts(attributes);
            texts
                .into_iter()
                .map(|(key, text)| (key.to_owned(), text))
                .collect()
        };
        let traces = &kept.traces[0].resource_spans[0].resource;
        let metrics = &kept.metrics[0].resource_metrics[0].resource;
        let logs = &kept.logs[0].resource_logs[0].resource;
        let all = [traces, metrics, logs];
        let all = all.map(|resource| of(&resource.as_ref().expect("a resource").attributes));
        assert!(all[0] == all[1] && all[1] == all[2], "{all:#?}");
        all[0].clone()
    }

    /// All of it, to look for what should not be there.
    pub(crate) fn everything(&self) -> impl std::fmt::Debug {
        let kept = self.kept.lock();
        (kept.traces.clone(), kept.metrics.clone(), kept.logs.clone())
    }

    async fn keep<T, A: Default>(
        &self,
        request: Request<T>,
        keep: impl FnOnce(&mut Kept, T),
    ) -> Result<Response<A>, Status> {
        if self.manner == Manner::Hangs {
            std::future::pending::<()>().await;
        }
        let (metadata, _, message) = request.into_parts();
        let mut kept = self.kept.lock();
        kept.metadata.push(metadata);
        keep(&mut kept, message);
        Ok(Response::new(A::default()))
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.keep(request, |kept, sent| kept.traces.push(sent))
            .await
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.keep(request, |kept, sent| kept.metrics.push(sent))
            .await
    }
}

#[tonic::async_trait]
impl LogsService for Collector {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.keep(request, |kept, sent| kept.logs.push(sent)).await
    }
}
