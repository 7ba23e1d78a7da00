//! The log, on stderr.

use std::io::{self, IsTerminal as _};

use anyhow::Context as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt, reload};

use crate::config::{Log, LogFormat};

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

/// Starts the log. Once per process.
pub fn init(config: &Log) -> anyhow::Result<LogFilter> {
    let (filter, handle) = reload::Layer::new(parse(&config.filter)?);
    let lines = fmt::layer().with_writer(io::stderr);
    let lines = match config.format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init()
        .context("the log was started twice")?;
    Ok(LogFilter(handle))
}

fn parse(filter: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::builder()
        .parse(filter)
        .with_context(|| format!("not a log filter: {filter:?}"))
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
}
