//! `docs/CLI.md`, from the declarations.

use std::fmt::Write as _;
use std::{env, fs};

use clap::{Command, CommandFactory as _};

use super::{Cli, exit};

const HEAD: &str = "\
# The command line

Generated from the code; `UPDATE_DOCS=1 cargo test` writes it anew. Data goes to stdout, everything else to stderr.

Commands that call a service find it with `--server`, or the variable `TENURE_SERVER`; `TENURE_TLS_CA`, `TENURE_TLS_CERT`,
`TENURE_TLS_KEY`, `TENURE_TOKEN`, `TENURE_API_KEY` and `TENURE_NAMESPACE` stand for their flags, too. With `-o json` the output is JSON: one document,
or with `session watch` one per line. Durations are written as `500ms`, `15m`, `1h30m`; times as RFC 3339.

```text
";

fn reference() -> String {
    let mut text = format!("{HEAD}{}\n```\n", exit::HELP);
    let mut root = Cli::command().term_width(100);
    root.build();
    add(&mut text, &root);
    text
}

fn add(text: &mut String, command: &Command) {
    let mut subcommands = command
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
        .peekable();
    if subcommands.peek().is_none() {
        let name = command.get_bin_name().unwrap_or("tenure");
        let help = command
            .clone()
            .term_width(100)
            .render_long_help()
            .to_string();
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        let _ = write!(
            text,
            "\n## {name}\n\n```text\n{}\n```\n",
            lines.join("\n").trim_end()
        );
    }
    for subcommand in subcommands {
        add(text, subcommand);
    }
}

/// `UPDATE_DOCS=1` writes the file instead.
#[test]
fn the_reference_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/CLI.md");
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, reference()).unwrap();
    }
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == reference(),
        "docs/CLI.md is out of date: run `UPDATE_DOCS=1 cargo test`"
    );
}
