//! Many sessions: finding them, ending them, and who has the most.

use std::io::{self, IsTerminal as _, Write as _};

use clap::Args;
use serde_json::json;
use tenure_client::{EndProgress, FoundSession, show_time};

use super::{Context, InNamespace, Meant};
use crate::cli::exit::{Exit, Usage};
use crate::cli::output::{self, Format};
use crate::cli::progress::Progress;

const HEADER: [&str; 7] = [
    "id",
    "tenant",
    "user",
    "made",
    "last used",
    "state bytes",
    "labels",
];

#[derive(Debug, Args)]
pub(super) struct Sessions {
    #[command(flatten)]
    namespace: InNamespace,
    #[command(flatten)]
    meant: Meant,
    /// At most so many; 0: as many as the service gives at once
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 0,
        hide_default_value = true
    )]
    page_size: i32,
    /// Continue where the answer before ended
    #[arg(long, value_name = "TOKEN", conflicts_with = "all")]
    page_token: Option<String>,
    /// All of them, as they are found; with `-o json` one on each line
    #[arg(long)]
    all: bool,
}

impl Sessions {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        if self.all {
            return self.stream(context).await;
        }
        let (namespace, filter) = (&self.namespace.namespace, self.meant.filter());
        let page = context
            .admin
            .find(namespace, filter, self.page_size, self.page_token);
        let page = page.await?;
        let mut out = io::stdout().lock();
        match context.output {
            Format::Json => {
                let sessions = output::to_json(&page.sessions)?;
                let next = page.next_page_token;
                let told = json!({"sessions": sessions, "next_page_token": next});
                output::json(&mut out, &told)?;
            }
            Format::Table => {
                output::table(&mut out, &HEADER, page.sessions.iter().map(row))?;
                if let Some(next) = page.next_page_token {
                    output::note(&format!("more: --page-token {next}, or --all"));
                }
            }
        }
        Ok(Exit::Ok)
    }

    async fn stream(self, context: &Context) -> anyhow::Result<Exit> {
        let (namespace, filter) = (&self.namespace.namespace, self.meant.filter());
        let mut found = context.admin.find_all(namespace, filter).await?;
        let on_terminal = io::stdout().is_terminal();
        // A bar between lines of a terminal is in the way of both.
        let bar = Progress::start(!on_terminal);
        let mut lines = Lines::new(on_terminal);
        while let Some(batch) = found.next().await? {
            let mut out = io::stdout().lock();
            match context.output {
                Format::Json => {
                    for session in &batch.sessions {
                        output::json_line(&mut out, &output::to_json(session)?)?;
                    }
                }
                Format::Table => {
                    for line in lines.of(batch.sessions.iter().map(row)) {
                        writeln!(out, "{line}")?;
                    }
                }
            }
            bar.show(batch.looked, batch.total);
        }
        Ok(Exit::Ok)
    }
}

/// Lines of a table that are written before all of it is known: in columns for people, which only ever grow; with tabs
/// for programs.
struct Lines {
    widths: Option<[usize; HEADER.len()]>,
    begun: bool,
}

impl Lines {
    fn new(on_terminal: bool) -> Lines {
        Lines {
            widths: on_terminal.then_some([0; HEADER.len()]),
            begun: false,
        }
    }

    /// The lines of some rows; the first ones begin with the header.
    fn of(&mut self, rows: impl Iterator<Item = Vec<String>>) -> Vec<String> {
        let rows = rows.map(|row| row.iter().map(|cell| output::printable(cell)).collect());
        let mut rows: Vec<Vec<String>> = rows.collect();
        if !rows.is_empty() && !std::mem::replace(&mut self.begun, true) {
            rows.insert(0, HEADER.map(str::to_owned).to_vec());
        }
        let Some(widths) = &mut self.widths else {
            return rows.iter().map(|row| row.join("\t")).collect();
        };
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let lines = rows.iter().map(|row| {
            let cells = row.iter().zip(&*widths);
            let cells = cells.map(|(cell, width)| format!("{cell:<width$}"));
            let line = cells.collect::<Vec<_>>().join("  ");
            line.trim_end().to_owned()
        });
        lines.collect()
    }
}

fn row(found: &FoundSession) -> Vec<String> {
    let session = &found.session;
    vec![
        session.id.clone(),
        session.owner.tenant.clone(),
        session.owner.user.clone(),
        show_time(session.created_at),
        show_time(session.last_used_at),
        found.state_bytes.to_string(),
        session.labels.join(","),
    ]
}

#[derive(Debug, Args)]
pub(super) struct End {
    #[command(flatten)]
    namespace: InNamespace,
    #[command(flatten)]
    meant: Meant,
    /// Every session of the namespace
    #[arg(long)]
    all: bool,
    /// Only count
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// For the audit trail
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    note: String,
}

impl End {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        if !self.dry_run && !self.yes {
            if !io::stdin().is_terminal() {
                let advice = "this ends sessions, and nobody is there to be asked: say --yes to do it, or --dry-run \
                              to count them";
                return Err(Usage(advice.to_owned()).into());
            }
            let counted = self.end(context, true).await?;
            if counted.matched == 0 {
                output::note("no session is meant");
                return Ok(Exit::Ok);
            }
            if !confirmed(counted.matched)? {
                output::note("nothing was done");
                return Ok(Exit::Refused);
            }
        }
        let done = self.end(context, self.dry_run).await?;
        let mut out = io::stdout().lock();
        match context.output {
            Format::Json => output::json(&mut out, &output::to_json(&done)?)?,
            Format::Table => {
                let mut rows = vec![
                    ("looked at", done.looked.to_string()),
                    ("matched", done.matched.to_string()),
                ];
                if !self.dry_run {
                    rows.push(("ended", done.ended.to_string()));
                }
                output::fields(&mut out, &rows)?;
            }
        }
        if done.not_durable > 0 {
            output::note(&format!(
                "{} of these endings would not survive a failover yet: repeat the command",
                done.not_durable
            ));
            return Ok(Exit::Unavailable);
        }
        Ok(Exit::Ok)
    }

    async fn end(&self, context: &Context, dry_run: bool) -> anyhow::Result<EndProgress> {
        let (namespace, filter) = (&self.namespace.namespace, self.meant.filter());
        let ending = context
            .admin
            .end_all(namespace, filter, self.all, dry_run, &self.note);
        let mut ending = ending.await?;
        let bar = Progress::start(true);
        let mut last = EndProgress::default();
        while let Some(told) = ending.next().await? {
            last = told;
            bar.show(last.looked, last.total);
        }
        Ok(last)
    }
}

fn confirmed(sessions: i64) -> io::Result<bool> {
    let mut out = io::stderr().lock();
    let what = if sessions == 1 { "session" } else { "sessions" };
    write!(out, "End {sessions} {what}? [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    if io::stdin().read_line(&mut answer)? == 0 {
        // Nobody has ended the line.
        writeln!(out)?;
    }
    let answer = answer.trim().to_ascii_lowercase();
    Ok(matches!(answer.as_str(), "y" | "yes"))
}

#[derive(Debug, Args)]
pub(super) struct Top {
    #[command(flatten)]
    namespace: InNamespace,
    /// Only owners of this tenant
    #[arg(long)]
    tenant: Option<String>,
    /// At most so many
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    limit: i32,
}

impl Top {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let namespace = &self.namespace.namespace;
        let owners = context
            .admin
            .top_owners(namespace, self.tenant.as_deref(), self.limit);
        let owners = owners.await?;
        let mut out = io::stdout().lock();
        match context.output {
            Format::Json => output::json(&mut out, &output::to_json(&owners)?)?,
            Format::Table => {
                let rows = owners.iter().map(|told| {
                    let owner = &told.owner;
                    vec![
                        told.sessions.to_string(),
                        owner.tenant.clone(),
                        owner.user.clone(),
                        owner.issuer.clone(),
                    ]
                });
                output::table(&mut out, &["sessions", "tenant", "user", "issuer"], rows)?;
            }
        }
        Ok(Exit::Ok)
    }
}
