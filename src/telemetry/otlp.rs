//! What is sent to a collector over OTLP: spans, metrics, and the lines of the log.
//!
//! All of it happens on threads of its own: a collector that is away, or takes for ever, costs telemetry and
//! nothing else. Spans and lines wait in queues of the SDK, which drop what is too much.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use arc_swap::ArcSwap;
use opentelemetry::logs::LoggerProvider as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{LogExporter, SpanExporter, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tokio::runtime;
use tokio::sync::mpsc;
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};

use self::lost::{Signal, Told};
use super::Metrics;
use super::trace;
use crate::config::Telemetry;
use crate::mint;

mod lost;
mod measures;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the last of it may take to be sent.
const LAST_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a file with headers is read anew.
const HEADERS_EVERY: Duration = Duration::from_mins(1);

/// The way to a collector.
pub(super) struct Otlp {
    tracers: Option<SdkTracerProvider>,
    loggers: Option<SdkLoggerProvider>,
    orders: mpsc::UnboundedSender<Order>,
    thread: JoinHandle<()>,
    told: Arc<Told>,
}

/// What the thread is told.
enum Order {
    /// Send these metrics from now on.
    Metrics(Arc<Metrics>),
    /// Send them once more, and end.
    End,
}

/// The headers of every request, which may be read anew from a file.
type Headers = Arc<ArcSwap<MetadataMap>>;

impl Otlp {
    /// Begins, if there is a collector. It need not be there yet.
    pub(super) fn start(config: &Telemetry) -> anyhow::Result<Option<Otlp>> {
        let Some(endpoint) = endpoint(config)? else {
            return Ok(None);
        };
        let headers = Headers::new(ArcSwap::from_pointee(read_headers(config)?));
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start a runtime")?;
        let channel = {
            // The connection's tasks belong to the thread.
            let _within = runtime.enter();
            endpoint.connect_lazy()
        };
        let resource = resource();
        let told = Arc::new(Told::default());
        let attach = {
            let headers = Arc::clone(&headers);
            move |request: Request<()>| Ok::<_, Status>(with_headers(request, &headers))
        };
        let tracers = if config.traces {
            let exporter = SpanExporter::builder()
                .with_tonic()
                .with_channel(channel.clone())
                .with_interceptor(attach.clone())
                .build()?;
            let exporter = lost::Spans::new(exporter, Arc::clone(&told));
            trace::begin(config.trace_ratio);
            let provider = SdkTracerProvider::builder()
                .with_batch_exporter(exporter)
                // Whether a call is recorded has been decided before its span is made.
                .with_sampler(Sampler::AlwaysOn)
                .with_resource(resource.clone());
            Some(provider.build())
        } else {
            None
        };
        let loggers = if config.logs {
            let exporter = LogExporter::builder()
                .with_tonic()
                .with_channel(channel.clone())
                .with_interceptor(attach.clone())
                .build()?;
            let exporter = lost::Lines::new(exporter, Arc::clone(&told));
            let provider = SdkLoggerProvider::builder()
                .with_batch_exporter(exporter)
                .with_resource(resource.clone());
            Some(provider.build())
        } else {
            None
        };
        let (orders, given) = mpsc::unbounded_channel();
        let sender = Sender {
            config: config.clone(),
            headers,
            client: measures::Client::new(channel, attach, &resource),
            told: Arc::clone(&told),
        };
        let thread = thread::Builder::new()
            .name("telemetry".to_owned())
            .spawn(move || {
                runtime.block_on(sender.run(given));
                runtime.shutdown_background();
            })
            .context("cannot start a thread")?;
        Ok(Some(Otlp {
            tracers,
            loggers,
            orders,
            thread,
            told,
        }))
    }

    pub(super) fn tracer(&self) -> Option<SdkTracer> {
        let tracers = self.tracers.as_ref()?;
        Some(tracers.tracer("tenure"))
    }

    pub(super) fn logger(&self) -> Option<SdkLogger> {
        let loggers = self.loggers.as_ref()?;
        Some(loggers.logger("tenure"))
    }

    /// Sends metrics from now on, and counts in them what is lost.
    pub(super) fn send(&self, metrics: &Arc<Metrics>) {
        self.told.count_in(metrics);
        // It fails only when the thread is gone.
        let _ = self.orders.send(Order::Metrics(Arc::clone(metrics)));
    }

    /// Sends what is left, for as long as that may take.
    pub(super) fn end(self) {
        let (tracers, loggers) = (self.tracers, self.loggers);
        // At the same time: the connection may hang for all of them.
        thread::scope(|scope| {
            scope.spawn(|| tracers.map(|tracers| tracers.shutdown_with_timeout(LAST_TIMEOUT)));
            scope.spawn(|| loggers.map(|loggers| loggers.shutdown_with_timeout(LAST_TIMEOUT)));
        });
        let _ = self.orders.send(Order::End);
        let _ = self.thread.join();
    }
}

/// What runs on the thread.
struct Sender<I> {
    config: Telemetry,
    headers: Headers,
    client: measures::Client<I>,
    told: Arc<Told>,
}

impl<I: tonic::service::Interceptor> Sender<I> {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        let mut metrics: Option<Arc<Metrics>> = None;
        let mut next_headers = tokio::time::interval(HEADERS_EVERY);
        let mut next_metrics = tokio::time::interval(self.config.metrics_interval);
        next_metrics.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        next_metrics.reset();
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Metrics(given)) => metrics = Some(given),
                    Some(Order::End) | None => break,
                },
                _ = next_headers.tick() => {
                    // One that cannot be read now may be half written: the old headers are as good as any.
                    if let Ok(headers) = read_headers(&self.config) {
                        self.headers.store(Arc::new(headers));
                    }
                }
                _ = next_metrics.tick() => {
                    if let Some(metrics) = metrics.as_ref().filter(|_| self.config.metrics) {
                        self.send(metrics, self.config.timeout).await;
                    }
                }
            }
        }
        if let Some(metrics) = metrics.filter(|_| self.config.metrics) {
            self.send(&metrics, LAST_TIMEOUT).await;
        }
    }

    async fn send(&mut self, metrics: &Metrics, within: Duration) {
        let (points, sending) = self.client.send(metrics);
        let sent = tokio::time::timeout(within, sending).await;
        let sent = sent.map_err(|_| "took too long".to_owned());
        let sent = sent.and_then(|answer| answer.map_err(|status| status.code().to_string()));
        self.told.came_of(Signal::Metrics, points, sent);
    }
}

fn with_headers(mut request: Request<()>, headers: &Headers) -> Request<()> {
    for header in headers.load().iter() {
        match header {
            tonic::metadata::KeyAndValueRef::Ascii(name, value) => {
                request.metadata_mut().insert(name, value.clone());
            }
            tonic::metadata::KeyAndValueRef::Binary(name, value) => {
                request.metadata_mut().insert_bin(name, value.clone());
            }
        }
    }
    request
}

/// Who sends.
fn resource() -> Resource {
    use opentelemetry::KeyValue;
    // Attributes from OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME are there already.
    let mut resource = Resource::builder();
    if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name("tenure");
    }
    resource
        .with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", mint::uuid().to_string()),
        ])
        .build()
}

fn endpoint(config: &Telemetry) -> anyhow::Result<Option<Endpoint>> {
    let Some(url) = &config.endpoint else {
        return Ok(None);
    };
    let mut endpoint = Endpoint::from_shared(url.clone())
        .with_context(|| format!("telemetry.otlp_endpoint: {url:?} is not an address"))?
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(config.timeout);
    if url.starts_with("https://") {
        let read = |path: &std::path::Path| {
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
        };
        let mut tls = ClientTlsConfig::new();
        tls = match &config.tls_ca {
            Some(path) => tls.ca_certificate(Certificate::from_pem(read(path)?)),
            None => tls.with_native_roots(),
        };
        if let (Some(cert), Some(key)) = (&config.tls_cert, &config.tls_key) {
            tls = tls.identity(Identity::from_pem(read(cert)?, read(key)?));
        }
        endpoint = endpoint
            .tls_config(tls)
            .context("telemetry: TLS towards the collector cannot be set up")?;
    }
    Ok(Some(endpoint))
}

/// The headers of the settings. Errors name no value.
fn read_headers(config: &Telemetry) -> anyhow::Result<MetadataMap> {
    let pairs = config
        .headers()
        .map_err(|wrong| anyhow!("the headers for the collector: {wrong}"))?;
    let mut map = MetadataMap::new();
    for (name, value) in pairs {
        let name = tonic::metadata::AsciiMetadataKey::from_bytes(name.as_bytes())
            .context("the headers for the collector: a name cannot be one")?;
        let mut value = tonic::metadata::AsciiMetadataValue::try_from(value)
            .context("the headers for the collector: a value cannot be one")?;
        value.set_sensitive(true);
        map.insert(name, value);
    }
    Ok(map)
}
