//! `create`, `update`, `rotate`, `claim`

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use tenure_client::{OnExisting, Session, State, Uuid, parse_time};

use super::value::{self, Mcp};
use super::{Context, OfOwner, OfSession};
use crate::cli::exit::Exit;
use crate::cli::output::{self, Format};
use crate::config::parse_duration;

/// What to do when the conversation has a live session.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Existing {
    /// Fail
    #[default]
    Fail,
    /// Return the live one
    Return,
    /// End the live one and make a new one
    Replace,
}

#[derive(Debug, Args)]
pub(super) struct Create {
    #[command(flatten)]
    owner: OfOwner,
    /// The id to use, 16 to 256 visible ASCII characters; without it, the service makes one
    #[arg(long, value_name = "ID")]
    session_id: Option<String>,
    /// The conversation: at most one live session each
    #[arg(long, value_name = "ID")]
    conversation: Option<String>,
    /// What to do when the conversation has a live session
    #[arg(long, value_enum, default_value_t)]
    on_existing: Existing,
    /// The first state, a JSON object
    #[arg(long, value_name = "JSON", value_parser = value::object, conflicts_with = "state_file")]
    state: Option<State>,
    /// The first state from a file; `-` is stdin
    #[arg(long, value_name = "FILE")]
    state_file: Option<PathBuf>,
    /// One key of the first state; may be repeated
    #[arg(long, value_name = "KEY=JSON", value_parser = value::assignment)]
    set: Vec<(String, Value)>,
    /// A label, for the admin's filters; may be repeated
    #[arg(long, value_name = "LABEL")]
    label: Vec<String>,
    /// How long it lives without being used
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    idle_ttl: Option<Duration>,
    /// How long it lives at most
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    max_lifetime: Option<Duration>,
    /// When the login behind it happened; without it, now
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    authenticated_at: Option<SystemTime>,
    /// What the identity provider calls that login (`sid`)
    #[arg(long, value_name = "ID")]
    provider_session: Option<String>,
    /// Makes a repetition of this very request safe; without it, one is made
    #[arg(long, value_name = "UUID")]
    request_id: Option<Uuid>,
    #[command(flatten)]
    mcp: Mcp,
}

impl Create {
    pub(super) async fn run(self, context: &Context, out: &mut impl Write) -> anyhow::Result<Exit> {
        let mut call = self
            .owner
            .bind(context)
            .create()
            .on_existing(match self.on_existing {
                Existing::Fail => OnExisting::Fail,
                Existing::Return => OnExisting::Return,
                Existing::Replace => OnExisting::Replace,
            })
            .labels(self.label);
        if let Some(state) = value::state(self.state, self.state_file.as_deref())? {
            call = call.state(state);
        }
        for (key, value) in self.set {
            call = call.set(key, value);
        }
        if let Some(mcp) = self.mcp.context()? {
            call = call.mcp(mcp);
        }
        if let Some(id) = self.session_id {
            call = call.session_id(id);
        }
        if let Some(id) = self.conversation {
            call = call.conversation(id);
        }
        if let Some(ttl) = self.idle_ttl {
            call = call.idle_ttl(ttl);
        }
        if let Some(lifetime) = self.max_lifetime {
            call = call.max_lifetime(lifetime);
        }
        if let Some(at) = self.authenticated_at {
            call = call.authenticated_at(at);
        }
        if let Some(id) = self.provider_session {
            call = call.provider_session_id(id);
        }
        if let Some(id) = self.request_id {
            call = call.request_id(id);
        }
        let answer = call.await?;
        let rest = [
            ("created", json!(answer.created)),
            ("replayed", json!(answer.replayed)),
        ];
        print(context, out, &answer.session, &rest)
    }
}

#[derive(Debug, Args)]
pub(super) struct Update {
    #[command(flatten)]
    session: OfSession,
    /// Set a key; may be repeated
    #[arg(long, value_name = "KEY=JSON", value_parser = value::assignment)]
    set: Vec<(String, Value)>,
    /// Set all keys of a JSON object; others stay as they are
    #[arg(long, value_name = "JSON", value_parser = value::object, conflicts_with = "state_file")]
    state: Option<State>,
    /// The same from a file; `-` is stdin
    #[arg(long, value_name = "FILE")]
    state_file: Option<PathBuf>,
    /// Remove a key; may be repeated
    #[arg(long, value_name = "KEY")]
    remove: Vec<String>,
    /// Add to an integer, which starts at 0; may be repeated
    #[arg(long, value_name = "KEY=INTEGER", value_parser = value::increment, allow_hyphen_values = true)]
    increment: Vec<(String, i64)>,
    /// Append a value to a list, which starts empty; may be repeated
    #[arg(long, value_name = "KEY=JSON", value_parser = value::assignment)]
    append: Vec<(String, Value)>,
    /// The lists of --append keep at most so many values, the oldest drop out
    #[arg(
        long,
        value_name = "LENGTH",
        default_value_t = 0,
        hide_default_value = true,
        requires = "append"
    )]
    append_max_length: i32,
    /// A label in place of the labels that it has; may be repeated
    #[arg(long, value_name = "LABEL", conflicts_with = "no_labels")]
    label: Vec<String>,
    /// Remove all labels
    #[arg(long)]
    no_labels: bool,
    /// Only if the session is at this revision
    #[arg(long, value_name = "REVISION")]
    if_revision: Option<i64>,
    /// Do not return the state after the change
    #[arg(long)]
    omit_state: bool,
    /// Makes a repetition of this very request safe; without it, one is made
    #[arg(long, value_name = "UUID")]
    request_id: Option<Uuid>,
    #[command(flatten)]
    mcp: Mcp,
}

impl Update {
    pub(super) async fn run(self, context: &Context, out: &mut impl Write) -> anyhow::Result<Exit> {
        let mut call = self
            .session
            .owner
            .bind(context)
            .update(self.session.session_id);
        if let Some(state) = value::state(self.state, self.state_file.as_deref())? {
            call = call.set_all(state);
        }
        for (key, value) in self.set {
            call = call.set(key, value);
        }
        for key in self.remove {
            call = call.remove(key);
        }
        for (key, by) in self.increment {
            call = call.increment(key, by);
        }
        for (key, value) in self.append {
            call = call.append_capped(key, [value], self.append_max_length);
        }
        if let Some(mcp) = self.mcp.context()? {
            call = call.mcp(mcp);
        }
        if self.no_labels || !self.label.is_empty() {
            call = call.labels(self.label);
        }
        if let Some(revision) = self.if_revision {
            call = call.if_revision(revision);
        }
        if self.omit_state {
            call = call.omit_state();
        }
        if let Some(id) = self.request_id {
            call = call.request_id(id);
        }
        let answer = call.await?;
        let rest = [
            ("increments", json!(answer.increments)),
            ("replayed", json!(answer.replayed)),
        ];
        print(context, out, &answer.session, &rest)
    }
}

#[derive(Debug, Args)]
pub(super) struct Rotate {
    #[command(flatten)]
    session: OfSession,
    /// The id to use from now on; without it, the service makes one
    #[arg(long, value_name = "ID")]
    new_session_id: Option<String>,
    /// When the new login happened; without it, as it was
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    authenticated_at: Option<SystemTime>,
    /// What the identity provider calls the new login; without it, as it was
    #[arg(long, value_name = "ID")]
    provider_session: Option<String>,
    /// Makes a repetition of this very request safe; without it, one is made
    #[arg(long, value_name = "UUID")]
    request_id: Option<Uuid>,
}

impl Rotate {
    pub(super) async fn run(self, context: &Context, out: &mut impl Write) -> anyhow::Result<Exit> {
        let mut call = self
            .session
            .owner
            .bind(context)
            .rotate(self.session.session_id);
        if let Some(id) = self.new_session_id {
            call = call.new_session_id(id);
        }
        if let Some(at) = self.authenticated_at {
            call = call.authenticated_at(at);
        }
        if let Some(id) = self.provider_session {
            call = call.provider_session_id(id);
        }
        if let Some(id) = self.request_id {
            call = call.request_id(id);
        }
        let answer = call.await?;
        print(
            context,
            out,
            &answer.session,
            &[("replayed", json!(answer.replayed))],
        )
    }
}

#[derive(Debug, Args)]
pub(super) struct Claim {
    #[command(flatten)]
    owner: OfOwner,
    /// What is claimed, 1 to 256 bytes
    key: String,
    /// How long the claim holds, 1s to 24h
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    ttl: Duration,
    /// Makes a repetition of this very request safe; without it, one is made
    #[arg(long, value_name = "UUID")]
    request_id: Option<Uuid>,
}

impl Claim {
    pub(super) async fn run(self, context: &Context, out: &mut impl Write) -> anyhow::Result<Exit> {
        let mut call = self.owner.bind(context).claim_once(self.key, self.ttl);
        if let Some(id) = self.request_id {
            call = call.request_id(id);
        }
        let answer = call.await?;
        match context.output {
            Format::Json => {
                let value = json!({"claimed": answer.claimed, "replayed": answer.replayed});
                output::json(out, &value)?;
            }
            Format::Table => output::fields(out, &[("claimed", answer.claimed.to_string())])?,
        }
        Ok(if answer.claimed {
            Exit::Ok
        } else {
            Exit::Refused
        })
    }
}

/// A session, and what the answer says beside it.
fn print(
    context: &Context,
    out: &mut impl Write,
    session: &Session,
    rest: &[(&str, Value)],
) -> anyhow::Result<Exit> {
    match context.output {
        Format::Json => {
            let mut value = json!({"session": output::to_json(session)?});
            for (name, part) in rest {
                value[*name] = part.clone();
            }
            output::json(out, &value)?;
        }
        Format::Table => {
            let shown = rest.iter().filter(|(_, part)| *part != json!({}));
            let beside = shown.map(|(name, part)| (*name, part.to_string()));
            output::session_with(out, session, beside.collect())?;
        }
    }
    Ok(Exit::Ok)
}
