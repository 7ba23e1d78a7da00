//! `tenure completions` and `tenure man`

use std::io::{self, Write as _};

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::Cli;
use super::exit::{Exit, Usage};

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> anyhow::Result<Exit> {
        // Into memory first: the generator panics when the output is closed.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "tenure", &mut script);
        io::stdout().lock().write_all(&script)?;
        Ok(Exit::Ok)
    }
}

#[derive(Debug, Args)]
pub(super) struct Man {
    /// Of which command, for instance `session create`; without it, of tenure itself
    command: Vec<String>,
}

impl Man {
    pub(super) fn run(&self) -> anyhow::Result<Exit> {
        let mut root = Cli::command();
        // Only a built command knows its whole name.
        root.build();
        let mut command = &root;
        for name in &self.command {
            command = command
                .find_subcommand(name)
                .ok_or_else(|| Usage(format!("there is no command `{name}`; see `tenure help`")))?;
        }
        let name = command.get_bin_name().unwrap_or("tenure").replace(' ', "-");
        let mut page = Vec::new();
        clap_mangen::Man::new(command.clone().display_name(name)).render(&mut page)?;
        io::stdout().lock().write_all(&page)?;
        Ok(Exit::Ok)
    }
}
