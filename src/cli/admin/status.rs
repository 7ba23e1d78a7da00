//! How much there is, how the store is, and what is logged.

use std::io::{self, Write as _};

use clap::Args;
use serde_json::json;
use tenure_client::{StoreServer, StoreStatus, show_time};

use super::Context;
use crate::cli::exit::Exit;
use crate::cli::output::{self, Format};
use crate::config::show_duration;

#[derive(Debug, Args)]
pub(super) struct Namespaces {}

impl Namespaces {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let namespaces = context.admin.namespaces().await?;
        let mut out = io::stdout().lock();
        match context.output {
            Format::Json => output::json(&mut out, &output::to_json(&namespaces)?)?,
            Format::Table => {
                let header = ["namespace", "sessions", "anonymous", "marks", "listed"];
                let rows = namespaces.iter().map(|namespace| {
                    vec![
                        namespace.namespace.clone(),
                        namespace.sessions.to_string(),
                        namespace.anonymous_sessions.to_string(),
                        namespace.marks.to_string(),
                        if namespace.listed { "yes" } else { "no" }.to_owned(),
                    ]
                });
                output::table(&mut out, &header, rows)?;
            }
        }
        Ok(Exit::Ok)
    }
}

#[derive(Debug, Args)]
pub(super) struct Status {}

impl Status {
    /// Whoever asks in a script wants to know from the exit code whether it serves.
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let status = context.admin.store_status().await?;
        let mut out = io::stdout().lock();
        match context.output {
            Format::Json => output::json(&mut out, &output::to_json(&status)?)?,
            Format::Table => {
                output::fields(&mut out, &rows(&status))?;
                if !status.servers.is_empty() {
                    writeln!(out)?;
                    let header = [
                        "server", "version", "memory", "limit", "eviction", "replicas", "up",
                    ];
                    output::table(&mut out, &header, status.servers.iter().map(server))?;
                }
            }
        }
        Ok(if status.ready {
            Exit::Ok
        } else {
            Exit::Unavailable
        })
    }
}

fn rows(status: &StoreStatus) -> Vec<(&'static str, String)> {
    let of = |number: Option<i64>, most: Option<i64>| match (number, most) {
        (Some(number), Some(most)) => format!("{number} of {most}"),
        (Some(number), None) => number.to_string(),
        (None, _) => String::new(),
    };
    let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let mut rows = vec![
        ("store", status.kind.clone()),
        ("topology", status.topology.clone()),
        ("reachable", yes(status.reachable)),
        ("ready", yes(status.ready)),
        ("sessions", of(status.sessions, status.max_sessions)),
        ("bytes", of(status.bytes, status.max_bytes)),
        ("marks", of(status.marks, None)),
        (
            "sweep lag",
            status.sweep_lag.map(show_duration).unwrap_or_default(),
        ),
        (
            "last sweep",
            status.last_swept_at.map(show_time).unwrap_or_default(),
        ),
    ];
    rows.retain(|(_, value)| !value.is_empty());
    let troubles = status.troubles.iter();
    rows.extend(troubles.map(|trouble| ("trouble", trouble.clone())));
    rows
}

fn server(server: &StoreServer) -> Vec<String> {
    if !server.reachable {
        return vec![server.address.clone(), "away".to_owned()];
    }
    let most = match server.max_memory_bytes {
        0 => "none".to_owned(),
        most => most.to_string(),
    };
    vec![
        server.address.clone(),
        server.version.clone(),
        server.memory_bytes.to_string(),
        most,
        server.eviction_policy.clone(),
        server.replicas.to_string(),
        server.uptime.map(show_duration).unwrap_or_default(),
    ]
}

#[derive(Debug, Args)]
pub(super) struct LogLevel {
    /// Write these lines from now on: a level, or levels by target (`info,tenure=debug`)
    #[arg(value_name = "FILTER")]
    filter: Option<String>,
}

impl LogLevel {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let (previous, filter) = match self.filter {
            None => (None, context.admin.log_filter().await?),
            Some(filter) => {
                let previous = context.admin.set_log_filter(&filter).await?;
                (Some(previous), context.admin.log_filter().await?)
            }
        };
        let mut out = io::stdout().lock();
        match context.output {
            Format::Json => {
                let mut told = json!({ "filter": filter });
                if let Some(previous) = previous {
                    told["previous_filter"] = previous.into();
                }
                output::json(&mut out, &told)?;
            }
            Format::Table => {
                let mut rows = vec![("filter", filter)];
                rows.extend(previous.map(|previous| ("previous", previous)));
                output::fields(&mut out, &rows)?;
            }
        }
        Ok(Exit::Ok)
    }
}
