//! The flags that are settings, and the sources that they join.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use crate::config::{Config, File, Flag, Loaded, Sources};

#[derive(Debug, Default, Args)]
pub(super) struct Settings {
    /// The configuration, a TOML file. docs/SETTINGS.md lists what it may say
    #[arg(
        long,
        value_name = "FILE",
        env = "TENURE_CONFIG",
        hide_env_values = true
    )]
    config: Option<PathBuf>,
    /// Where to serve gRPC [setting: grpc.listen, default: 127.0.0.1:7070]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Where to serve HTTP, for probes [setting: http.listen, default: 127.0.0.1:7071]
    #[arg(long, value_name = "ADDRESS")]
    http: Option<String>,
    /// Which store keeps the sessions [setting: store.url, default: memory:]
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Listen beyond loopback without caller authentication [setting: grpc.insecure]
    #[arg(long)]
    insecure: bool,
    /// Any other setting, for instance --set grpc.drain_grace=5s; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = super::settings::pair)]
    set: Vec<(String, String)>,
}

/// Splits `KEY=VALUE`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE".to_owned()),
    }
}

impl Settings {
    /// Reads all sources: the file, this environment, and the flags.
    pub(super) fn load(self) -> anyhow::Result<Loaded> {
        // A value that is not Unicode is no value of any setting, and its faults are told as the others.
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            Some((name, value.to_string_lossy().into_owned()))
        });
        let sources = self.sources(environment.collect())?;
        Ok(Config::load(&sources)?)
    }

    fn sources(self, environment: Vec<(String, String)>) -> anyhow::Result<Sources> {
        let file = self.config.map(|path| {
            let shown = path.display().to_string();
            let text = fs::read_to_string(&path)
                .with_context(|| format!("the configuration {shown} cannot be read"))
                .map_err(|error| super::exit::Usage(format!("{error:#}")))?;
            anyhow::Ok(File { path: shown, text })
        });
        let set = self.set.into_iter().map(|(key, value)| Flag {
            name: "--set".to_owned(),
            key,
            value,
        });
        let named = [
            ("--listen", "grpc.listen", self.listen),
            ("--http", "http.listen", self.http),
            ("--store", "store.url", self.store),
            (
                "--insecure",
                "grpc.insecure",
                self.insecure.then(|| "true".to_owned()),
            ),
        ];
        let named = named.into_iter().filter_map(|(name, key, value)| {
            Some(Flag {
                name: name.to_owned(),
                key: key.to_owned(),
                value: value?,
            })
        });
        Ok(Sources {
            file: file.transpose()?,
            environment,
            flags: set.chain(named).collect(),
        })
    }
}
