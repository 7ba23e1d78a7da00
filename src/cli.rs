//! The command line. Data goes to stdout, everything else to stderr.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod admin;
mod apikey;
mod audit;
mod bench;
mod config;
mod exit;
mod health;
mod keys;
mod output;
mod policy;
mod progress;
#[cfg(test)]
mod reference;
mod serve;
mod service;
mod session;
mod settings;
mod shell;
#[cfg(test)]
mod tests;

use exit::Exit;

/// The session store for MCP servers.
#[derive(Debug, Parser)]
#[command(name = "tenure", version, propagate_version = true, after_long_help = exit::HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service
    Serve(serve::Serve),
    /// Call a service: create, read, change, end and watch sessions
    Session(Box<session::Session>),
    /// Run a service: see what is in it, find, explain and end sessions
    Admin(Box<admin::Admin>),
    /// Ask a service whether it serves: exits with 0 if so, with 5 if not
    Health(health::Health),
    /// Make, rotate and watch over the keys under which secrets are sealed
    Keys(keys::Keys),
    /// Check or show the configuration
    Config(config::Config),
    /// Ask what the configuration's policy allows
    Policy(policy::Policy),
    /// Make API keys for callers
    Apikey(apikey::ApiKey),
    /// Verify or show the audit, and make its keys
    Audit(audit::Audit),
    /// Measure a service under load
    Bench(Box<bench::Bench>),
    /// Print a completion script for a shell
    Completions(shell::Completions),
    /// Print a manual page
    Man(shell::Man),
}

/// Runs the command line and says how it ended.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // --help and --version come here, too. Nothing is left to say if nobody reads it.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Ok
            }
            .into();
        }
    };
    match run(cli.command) {
        Ok(exit) => exit.into(),
        Err(error) => {
            let exit = Exit::of(&error);
            if exit != Exit::Ok {
                output::complain(&mut io::stderr().lock(), &error);
            }
            exit.into()
        }
    }
}

fn run(command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Serve(serve) => serve.run(),
        Command::Session(session) => session.run(),
        Command::Admin(admin) => admin.run(),
        Command::Health(health) => health.run(),
        Command::Keys(keys) => keys.run(),
        Command::Config(config) => config.run(),
        Command::Policy(policy) => policy.run(),
        Command::Apikey(apikey) => apikey.run(),
        Command::Audit(audit) => audit.run(),
        Command::Bench(bench) => bench.run(),
        Command::Completions(completions) => completions.run(),
        Command::Man(man) => man.run(),
    }
}
