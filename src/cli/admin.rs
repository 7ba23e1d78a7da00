//! `tenure admin`: what those ask and do who run the service.

use clap::{Args, Subcommand};
use tenure_client::{Admin as Client, Tenure};

use super::exit::Exit;
use super::output::Format;
use super::session::Service;

mod status;

#[derive(Debug, Args)]
pub(super) struct Admin {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    service: Service,
    /// How to print data
    #[arg(short, long, value_enum, default_value_t, global = true)]
    output: Format,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show which namespaces there are, and how much is in each
    Namespaces(status::Namespaces),
    /// Show how the store is, as the instance that answers sees it
    Status(status::Status),
    /// Show or change which lines of its log the instance that answers writes
    LogLevel(status::LogLevel),
}

/// What a command needs to do its work.
struct Context {
    admin: Client,
    output: Format,
}

impl Admin {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let options = self.service.options()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let context = Context {
                admin: Tenure::connect(options).await?.admin(),
                output: self.output,
            };
            match self.command {
                Command::Namespaces(namespaces) => namespaces.run(&context).await,
                Command::Status(status) => status.run(&context).await,
                Command::LogLevel(level) => level.run(&context).await,
            }
        })
    }
}
