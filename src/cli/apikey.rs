//! `tenure apikey`

use std::io::{self, Write as _};

use clap::{Args, Subcommand};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::exit::Exit;
use super::output::{self, Format};
use crate::callers;

#[derive(Debug, Args)]
pub(super) struct ApiKey {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a key and the hash of it that the configuration holds
    ///
    /// The key is random, kept nowhere, and shown this once. A caller may have two at a time: add the new
    /// hash, let the caller change over, remove the old one.
    New(New),
}

#[derive(Debug, Args)]
struct New {
    /// How to print it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

impl ApiKey {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let Command::New(New { output }) = self.command;
        let (key, hash) = callers::new_key();
        let (key, hash) = (key.expose_secret(), hash.show());
        let mut out = io::stdout().lock();
        match output {
            Format::Json => output::json(&mut out, &json!({"key": key, "hash": hash}))?,
            Format::Table => {
                output::fields(&mut out, &[("key", key.to_owned()), ("hash", hash.clone())])?;
                writeln!(
                    io::stderr(),
                    "\nThe key is for the caller (TENURE_API_KEY) and is shown this once. The hash is for the service:\n\n  \
                     [callers.apikey.NAME]\n  hashes = [\"{hash}\"]"
                )?;
            }
        }
        Ok(Exit::Ok)
    }
}
