//! `tenure policy`

use std::io::{self, Write as _};

use clap::{Args, Subcommand};

use super::exit::Exit;
use super::settings::Settings;
use crate::call::Right;
use crate::callers::{self, Answer};

#[derive(Debug, Args)]
pub(super) struct Policy {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say whether a caller may do something, and by which rule; exit code 0 for yes, 6 for no
    Test(Test),
}

#[derive(Debug, Args)]
struct Test {
    /// The caller: apikey:NAME, jwt:ISSUER:SUBJECT, spiffe://…, subject:…
    #[arg(long)]
    caller: String,
    /// The RPC, for instance GetSession; or `InvalidateWide`, which is `InvalidateSessions` by subject,
    /// tenant, issuer or all
    #[arg(long, value_parser = right)]
    rpc: Right,
    /// The namespace; without it: every namespace
    #[arg(long)]
    namespace: Option<String>,
    /// The owner's tenant; without it: every tenant
    #[arg(long)]
    tenant: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

fn right(name: &str) -> Result<Right, String> {
    Right::named(name).ok_or_else(|| {
        let names: Vec<&str> = Right::all().map(Right::name).collect();
        format!("write one of {}", names.join(", "))
    })
}

impl Policy {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let Command::Test(test) = self.command;
        let config = test.settings.load()?.config;
        let answer = callers::ask(
            &config,
            &test.caller,
            test.rpc,
            test.namespace.as_deref(),
            test.tenant.as_deref(),
        );
        let (word, why, exit) = match &answer {
            Answer::Yes(why) => ("yes", why, Exit::Ok),
            Answer::No(why) => ("no", why, Exit::Denied),
        };
        writeln!(io::stdout(), "{word}: {why}")?;
        Ok(exit)
    }
}
