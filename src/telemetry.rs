//! What the service says of itself: its log, its metrics and its traces.
//!
//! [`log`] writes lines, [`metrics`] counts, [`trace`] makes spans, [`call`] knows which call a line is about, and
//! `otlp` sends all of it to a collector, if there is one.

use std::sync::Arc;

pub mod call;
pub mod log;
pub mod metrics;
mod otlp;
pub mod trace;

pub use log::LogFilter;
pub use metrics::Metrics;

use self::otlp::Otlp;
use crate::config::Config;

/// The telemetry of a process.
pub struct Telemetry {
    filter: LogFilter,
    otlp: Option<Otlp>,
}

/// Starts the log, and sends telemetry if there is a collector for it. Once per process.
pub fn start(config: &Config) -> anyhow::Result<Telemetry> {
    let otlp = Otlp::start(&config.telemetry)?;
    Ok(Telemetry {
        filter: log::init(&config.log, otlp.as_ref())?,
        otlp,
    })
}

impl Telemetry {
    /// Which lines of the log are written.
    pub fn filter(&self) -> &LogFilter {
        &self.filter
    }

    /// Sends these metrics from now on.
    pub fn send(&self, metrics: &Arc<Metrics>) {
        if let Some(otlp) = &self.otlp {
            otlp.send(metrics);
        }
    }

    /// Sends what is left. A collector that does not answer holds it up for a few seconds.
    pub fn end(self) {
        if let Some(otlp) = self.otlp {
            otlp.end();
        }
    }
}
