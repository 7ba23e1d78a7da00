//! Which service a command calls, as whom, and what it is about.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tenure_client::{Options, Tenure};

use super::exit::Exit;
use crate::config::parse_duration;

/// Which service, and as whom it is called.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Service")]
pub(super) struct Service {
    /// Where the service is: http://HOST:PORT, or https://HOST:PORT for TLS; several take turns
    #[arg(
        long,
        value_name = "URL,…",
        env = "TENURE_SERVER",
        hide_env_values = true,
        global = true
    )]
    #[arg(default_value = tenure_client::DEFAULT_SERVER)]
    pub(super) server: String,
    /// Trust the service's certificate through this authority (PEM) instead of the system's
    #[arg(
        long,
        value_name = "FILE",
        env = "TENURE_TLS_CA",
        hide_env_values = true,
        global = true
    )]
    pub(super) tls_ca: Option<PathBuf>,
    /// Show this certificate (PEM)
    #[arg(
        long,
        value_name = "FILE",
        env = "TENURE_TLS_CERT",
        hide_env_values = true,
        global = true
    )]
    pub(super) tls_cert: Option<PathBuf>,
    /// The certificate's key (PEM)
    #[arg(
        long,
        value_name = "FILE",
        env = "TENURE_TLS_KEY",
        hide_env_values = true,
        global = true
    )]
    pub(super) tls_key: Option<PathBuf>,
    /// Send this token; better in the variable, where other users do not see it
    #[arg(long, env = "TENURE_TOKEN", hide_env_values = true, global = true)]
    pub(super) token: Option<String>,
    /// Send this API key; better in the variable, where other users do not see it
    #[arg(
        long,
        value_name = "KEY",
        env = "TENURE_API_KEY",
        hide_env_values = true,
        global = true
    )]
    pub(super) api_key: Option<String>,
    /// How long a call may take with its repetitions
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "10s", global = true)]
    pub(super) timeout: Duration,
}

/// The namespace that it is about.
#[derive(Debug, Args)]
pub(super) struct InNamespace {
    /// The namespace
    #[arg(
        short,
        long,
        value_name = "NAME",
        env = "TENURE_NAMESPACE",
        hide_env_values = true
    )]
    pub(super) namespace: String,
}

impl Service {
    /// The same rules as for any client, whether a flag or its variable was given.
    pub(super) fn options(self) -> Result<Options, tenure_client::Error> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let options = Options::from_variables(|name| match name {
            "TENURE_SERVER" => Some(self.server.clone()),
            "TENURE_TLS_CA" => path(&self.tls_ca),
            "TENURE_TLS_CERT" => path(&self.tls_cert),
            "TENURE_TLS_KEY" => path(&self.tls_key),
            "TENURE_TOKEN" => self.token.clone(),
            "TENURE_API_KEY" => self.api_key.clone(),
            _ => None,
        })?;
        Ok(options.timeout(self.timeout))
    }

    /// Does work with a connection, on a runtime that ends with it.
    pub(super) fn connected(
        self,
        work: impl AsyncFnOnce(Tenure) -> anyhow::Result<Exit>,
    ) -> anyhow::Result<Exit> {
        let options = self.options()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async { work(Tenure::connect(options).await?).await })
    }
}
