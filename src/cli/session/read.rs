//! `get`, `touch`, `list`

use std::io::Write;

use clap::Args;
use serde_json::json;
use tenure_client::Session;

use super::{Context, OfOwner, OfSession};
use crate::cli::exit::Exit;
use crate::cli::output::{self, Format};

#[derive(Debug, Args)]
pub(super) struct Get {
    #[command(flatten)]
    session: OfSession,
    /// Read without sliding the idle deadline
    #[arg(long)]
    peek: bool,
    /// Return only this key of the state; may be repeated
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
}

impl Get {
    pub(super) async fn run(self, context: &Context, out: &mut impl Write) -> anyhow::Result<Exit> {
        let mut call = self
            .session
            .owner
            .bind(context)
            .get(self.session.session_id)
            .keys(self.key);
        if self.peek {
            call = call.peek();
        }
        print(context, out, &call.await?)
    }
}

#[derive(Debug, Args)]
pub(super) struct Touch {
    #[command(flatten)]
    session: OfSession,
}

impl Touch {
    pub(super) async fn run(self, context: &Context, out: &mut impl Write) -> anyhow::Result<Exit> {
        let sessions = self.session.owner.bind(context);
        print(
            context,
            out,
            &sessions.touch(self.session.session_id).await?,
        )
    }
}

fn print(context: &Context, out: &mut impl Write, session: &Session) -> anyhow::Result<Exit> {
    match context.output {
        Format::Json => output::json(out, &json!({"session": output::to_json(session)?}))?,
        Format::Table => output::session(out, session)?,
    }
    Ok(Exit::Ok)
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    owner: OfOwner,
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
    /// All pages
    #[arg(long)]
    all: bool,
    /// Return the sessions with their state
    #[arg(long)]
    include_state: bool,
}

impl List {
    pub(super) async fn run(self, context: &Context, out: &mut impl Write) -> anyhow::Result<Exit> {
        let mut call = self.owner.bind(context).list().page_size(self.page_size);
        if self.include_state {
            call = call.include_state();
        }
        if let Some(token) = self.page_token {
            call = call.page_token(token);
        }
        let (sessions, next) = if self.all {
            (call.all().await?, None)
        } else {
            let page = call.await?;
            (page.sessions, page.next_page_token)
        };
        match context.output {
            Format::Json => {
                let sessions = output::to_json(&sessions)?;
                output::json(out, &json!({"sessions": sessions, "next_page_token": next}))?;
            }
            Format::Table => {
                output::sessions(out, &sessions)?;
                if let Some(token) = next {
                    output::note(&format!("more with --page-token {token}, or --all"));
                }
            }
        }
        Ok(Exit::Ok)
    }
}
