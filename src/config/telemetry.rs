//! `[telemetry]`: what is sent to a collector over OTLP.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::redis::Secret;

/// `[telemetry]`: what is sent to a collector, over OTLP and gRPC.
#[derive(Clone, Debug, PartialEq)]
pub struct Telemetry {
    /// Where the collector is; `None`: nothing is sent.
    pub endpoint: Option<String>,
    /// What every request to it carries.
    pub headers: Option<Secret>,
    /// A file with the same.
    pub headers_file: Option<PathBuf>,
    /// Who may sign its certificate, PEM; `None`: whom the system trusts.
    pub tls_ca: Option<PathBuf>,
    /// Our certificate chain, PEM.
    pub tls_cert: Option<PathBuf>,
    /// Its private key, PEM.
    pub tls_key: Option<PathBuf>,
    /// How long it may take to answer.
    pub timeout: Duration,
    /// Whether spans are sent.
    pub traces: bool,
    /// Of calls that are in no trace, which share begins one.
    pub trace_ratio: f64,
    /// Whether metrics are sent.
    pub metrics: bool,
    /// How often.
    pub metrics_interval: Duration,
    /// Whether lines of the log are sent.
    pub logs: bool,
}

impl Default for Telemetry {
    fn default() -> Self {
        Telemetry {
            endpoint: None,
            headers: None,
            headers_file: None,
            tls_ca: None,
            tls_cert: None,
            tls_key: None,
            timeout: Duration::from_secs(10),
            traces: true,
            trace_ratio: 0.01,
            metrics: true,
            metrics_interval: Duration::from_secs(30),
            logs: true,
        }
    }
}

impl Telemetry {
    /// The headers, read anew where they are in a file. What is wrong names no value.
    pub(crate) fn headers(&self) -> Result<Vec<(String, String)>, String> {
        let text = match (&self.headers, &self.headers_file) {
            (Some(text), _) => text.0.expose_secret().to_owned(),
            (None, Some(path)) => fs::read_to_string(path)
                .map_err(|error| format!("{} cannot be read: {error}", path.display()))?,
            (None, None) => return Ok(Vec::new()),
        };
        let pairs = text.split([',', '\n']).map(str::trim);
        let pairs = pairs.filter(|pair| !pair.is_empty());
        let mut headers = Vec::new();
        for (number, pair) in (1..).zip(pairs) {
            let (name, value) = pair
                .split_once('=')
                .ok_or_else(|| format!("number {number} is not NAME=VALUE"))?;
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if name.is_empty() || !name.chars().all(is_name) || name.ends_with("-bin") {
                return Err(format!(
                    "number {number} has a name that no header can have"
                ));
            }
            if !value.bytes().all(|byte| (0x20..=0x7E).contains(&byte)) {
                return Err(format!(
                    "number {number} has a value that no header can have"
                ));
            }
            headers.push((name, value.to_owned()));
        }
        Ok(headers)
    }
}
