//! `tenure admin`: what those ask and do who run the service.

use std::time::Duration;

use clap::{Args, Subcommand};
use tenure_client::{Admin as Client, SessionFilter};

use super::exit::Exit;
use super::output::Format;
use super::service::{InNamespace, Service};
use crate::config::parse_duration;

mod many;
mod one;
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
    /// Find sessions, whoever owns them
    Sessions(Box<many::Sessions>),
    /// Show the sessions that bear an id: the keys of their state and the sizes of the values
    Session(one::Session),
    /// Tell a session's story: made, last used and ended when, why and by which caller
    Explain(one::Explain),
    /// End the sessions that are meant, one by one; to shut somebody out, use `session invalidate`
    End(Box<many::End>),
    /// Show which owners have the most sessions
    Top(many::Top),
    /// Show how the store is, as the instance that answers sees it
    Status(status::Status),
    /// Show or change which lines of its log the instance that answers writes
    LogLevel(status::LogLevel),
}

/// Which sessions are meant.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which sessions")]
struct Meant {
    /// Of this tenant
    #[arg(long)]
    tenant: Option<String>,
    /// Of this user; empty: of the anonymous owner
    #[arg(long)]
    user: Option<String>,
    /// Of users for whom this issuer vouches
    #[arg(long)]
    issuer: Option<String>,
    /// With this label; may be repeated: with all of them
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<String>,
    /// Made so long ago at least
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    older_than: Option<Duration>,
    /// Made so long ago at most
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    younger_than: Option<Duration>,
    /// Not used for so long at least
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    idle_for: Option<Duration>,
    /// Used so long ago at most
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    used_within: Option<Duration>,
}

impl Meant {
    fn filter(&self) -> SessionFilter {
        SessionFilter {
            tenant: self.tenant.clone(),
            user: self.user.clone(),
            issuer: self.issuer.clone(),
            labels: self.labels.clone(),
            min_age: self.older_than,
            max_age: self.younger_than,
            min_idle: self.idle_for,
            max_idle: self.used_within,
        }
    }
}

/// What a command needs to do its work.
struct Context {
    admin: Client,
    output: Format,
}

impl Admin {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let output = self.output;
        self.service.connected(async |tenure| {
            let admin = tenure.admin();
            let context = Context { admin, output };
            match self.command {
                Command::Namespaces(namespaces) => namespaces.run(&context).await,
                Command::Sessions(sessions) => sessions.run(&context).await,
                Command::Session(session) => session.run(&context).await,
                Command::Explain(explain) => explain.run(&context).await,
                Command::End(end) => end.run(&context).await,
                Command::Top(top) => top.run(&context).await,
                Command::Status(status) => status.run(&context).await,
                Command::LogLevel(level) => level.run(&context).await,
            }
        })
    }
}
