//! What became of what was sent: counted, and told in the log when it begins and when it ends.

use std::fmt;
use std::sync::{Arc, OnceLock};

use opentelemetry_otlp::{LogExporter, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::LogBatch;
use opentelemetry_sdk::trace::SpanData;
use parking_lot::Mutex;

use crate::telemetry::Metrics;
pub(super) use crate::telemetry::metrics::label::Signal;

/// Who knows whether the collector takes what it is sent.
#[derive(Default)]
pub(super) struct Told {
    metrics: OnceLock<Arc<Metrics>>,
    failing: Mutex<[bool; Signal::ALL.len()]>,
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Told").finish_non_exhaustive()
    }
}

impl Told {
    pub(super) fn count_in(&self, metrics: &Arc<Metrics>) {
        let _ = self.metrics.set(Arc::clone(metrics));
    }

    /// So many were sent, or not.
    pub(super) fn came_of(&self, signal: Signal, items: usize, sent: Result<(), String>) {
        let fails = sent.is_err();
        if let (true, Some(metrics)) = (fails, self.metrics.get()) {
            metrics.telemetry_lost.many((signal,), items as u64);
        }
        let before = std::mem::replace(&mut self.failing.lock()[signal as usize], fails);
        match sent {
            Err(fault) if !before => {
                tracing::warn!(
                    target: "tenure::telemetry",
                    signal = signal.name(),
                    fault,
                    "the collector does not take telemetry; it is lost until it does"
                );
            }
            Ok(()) if before => {
                tracing::info!(
                    target: "tenure::telemetry",
                    signal = signal.name(),
                    "the collector takes telemetry again"
                );
            }
            _ => {}
        }
    }

    fn note(&self, signal: Signal, items: usize, sent: &OTelSdkResult) {
        // The SDK's text may name the address.
        let sent = sent.as_ref().map_err(|_| "not taken".to_owned());
        self.came_of(signal, items, sent.copied());
    }
}

/// Sends spans.
#[derive(Debug)]
pub(super) struct Spans {
    exporter: SpanExporter,
    told: Arc<Told>,
}

impl Spans {
    pub(super) fn new(exporter: SpanExporter, told: Arc<Told>) -> Spans {
        Spans { exporter, told }
    }
}

impl opentelemetry_sdk::trace::SpanExporter for Spans {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let items = batch.len();
        let sent = self.exporter.export(batch).await;
        self.told.note(Signal::Traces, items, &sent);
        sent
    }

    fn shutdown_with_timeout(&self, timeout: std::time::Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Sends lines of the log.
#[derive(Debug)]
pub(super) struct Lines {
    exporter: LogExporter,
    told: Arc<Told>,
}

impl Lines {
    pub(super) fn new(exporter: LogExporter, told: Arc<Told>) -> Lines {
        Lines { exporter, told }
    }
}

impl opentelemetry_sdk::logs::LogExporter for Lines {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let items = batch.iter().count();
        let sent = self.exporter.export(batch).await;
        self.told.note(Signal::Logs, items, &sent);
        sent
    }

    fn shutdown_with_timeout(&self, timeout: std::time::Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
