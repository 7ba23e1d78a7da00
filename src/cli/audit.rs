//! `tenure audit`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::exit::Exit;

mod keygen;
mod show;
mod verify;

#[derive(Debug, Args)]
pub(super) struct Audit {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Find every line of an audit that was changed, removed, repeated or moved
    Verify(verify::Verify),
    /// Print lines of an audit
    Show(Box<show::Show>),
    /// Make a key of the audit
    Keygen(keygen::Keygen),
}

impl Audit {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        match self.command {
            Command::Verify(verify) => verify.run(),
            Command::Show(show) => show.run(),
            Command::Keygen(keygen) => keygen.run(),
        }
    }
}

/// Which log.
#[derive(Debug, Args)]
struct Log {
    /// The directory of the audit, or files of it in their order
    #[arg(required = true, value_name = "DIR|FILE")]
    paths: Vec<PathBuf>,
}
