//! `tenure config`

use std::io::{self, Write as _};

use clap::{Args, Subcommand};

use super::exit::Exit;
use super::settings::Settings;
use crate::callers;

#[derive(Debug, Args)]
pub(super) struct Config {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Report every fault of a configuration, with its key and where it came from; of a sound one, say who may
    /// do what
    Check(Settings),
    /// Print the effective configuration as TOML, with where each value came from; secrets are hidden
    Show(Settings),
}

impl Config {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let mut out = io::stdout().lock();
        match self.command {
            Command::Check(settings) => {
                let loaded = settings.load()?;
                writeln!(
                    out,
                    "ok: {} settings given, {} namespaces listed",
                    loaded.settings_given(),
                    loaded.config.namespaces.len()
                )?;
                write!(out, "{}", callers::explain(&loaded.config))?;
            }
            Command::Show(settings) => write!(out, "{}", settings.load()?.show())?,
        }
        Ok(Exit::Ok)
    }
}
