//! The log: lines on stderr, and the same lines to a collector where there is one.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::Context as _;
use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, Severity};
use opentelemetry_sdk::logs::SdkLogger;
use serde_json::Value;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use self::line::Line;
use super::otlp::Otlp;
use super::trace;
use crate::config::{Log, LogFormat};

mod line;

/// Decides which lines of the log are written, also while it is being written.
#[derive(Clone, Debug)]
pub struct LogFilter(reload::Handle<EnvFilter, Registry>);

impl LogFilter {
    /// The filter in force.
    pub fn current(&self) -> anyhow::Result<String> {
        let filter = self.0.with_current(EnvFilter::to_string);
        filter.context("the log is closed")
    }

    /// Replaces the filter: `info`, `tenure=debug`, …
    pub fn set(&self, filter: &str) -> anyhow::Result<()> {
        let filter = parse(filter)?;
        self.0.reload(filter).context("the log is closed")
    }
}

/// Starts the log, and the recording of spans where somebody takes them. Once per process.
pub(super) fn init(config: &Log, otlp: Option<&Otlp>) -> anyhow::Result<LogFilter> {
    let (filter, handle) = reload::Layer::new(parse(&config.filter)?);
    let lines = Lines {
        format: config.format,
        colours: io::stderr().is_terminal(),
        collector: otlp.and_then(Otlp::logger),
    };
    let spans = otlp.and_then(Otlp::tracer).map(|tracer| {
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(Targets::new().with_target(trace::TARGET, LevelFilter::INFO))
    });
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .with(spans)
        .try_init()
        .context("the log was started twice")?;
    Ok(LogFilter(handle))
}

fn parse(filter: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::builder()
        .parse(filter)
        .with_context(|| format!("not a log filter: {filter:?}"))
}

/// Writes lines.
struct Lines {
    format: LogFormat,
    colours: bool,
    collector: Option<SdkLogger>,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let line = Line::of(event);
        let text = match self.format {
            LogFormat::Text => line.to_text(self.colours),
            LogFormat::Json => line.to_json(),
        };
        // Nobody is left to tell when that fails.
        let _ = io::stderr().lock().write_all(text.as_bytes());
        if let Some(collector) = &self.collector
            && !is_about_sending(&line.target)
        {
            send(collector, line);
        }
    }
}

/// Whether a line comes from what carries lines to the collector: each would cause the next.
fn is_about_sending(target: &str) -> bool {
    [
        "h2",
        "hyper",
        "hyper_util",
        "tonic",
        "tower",
        "opentelemetry",
    ]
    .iter()
    .any(|name| target.split("::").next() == Some(name))
        || target.starts_with("opentelemetry")
}

fn send(collector: &SdkLogger, line: Line) {
    let (severity, name) = match line.level {
        Level::ERROR => (Severity::Error, "ERROR"),
        Level::WARN => (Severity::Warn, "WARN"),
        Level::INFO => (Severity::Info, "INFO"),
        Level::DEBUG => (Severity::Debug, "DEBUG"),
        Level::TRACE => (Severity::Trace, "TRACE"),
    };
    let mut record = collector.create_log_record();
    record.set_timestamp(std::time::SystemTime::now());
    record.set_severity_number(severity);
    record.set_severity_text(name);
    record.set_target(line.target);
    if let Some(message) = line.message {
        record.set_body(message.into());
    }
    for (name, value) in line.fields {
        let value = match value {
            Value::Bool(value) => AnyValue::Boolean(value),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(number), _) => AnyValue::Int(number),
                (None, Some(number)) => AnyValue::Double(number),
                (None, None) => continue,
            },
            Value::String(text) => text.into(),
            other => other.to_string().into(),
        };
        record.add_attribute(name, value);
    }
    if let Some(trace) = line.trace {
        record.set_trace_context(trace.trace_id(), trace.span_id(), Some(trace.trace_flags()));
    }
    collector.emit(record);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_filter_is_named() {
        let error = parse("tenure=loud").expect_err("no such level");
        assert!(format!("{error:#}").contains("tenure=loud"));
        assert!(parse("info,tenure=debug").is_ok());
    }

    #[test]
    fn lines_about_sending_are_not_sent() {
        for target in [
            "h2::codec",
            "hyper",
            "tonic::transport",
            "opentelemetry_sdk",
        ] {
            assert!(is_about_sending(target), "{target}");
        }
        for target in ["tenure::lifecycle", "h2o", "rustls"] {
            assert!(!is_about_sending(target), "{target}");
        }
    }
}
