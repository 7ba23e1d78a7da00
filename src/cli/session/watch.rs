//! `watch`

use std::io::Write;

use clap::{Args, ValueEnum};
use serde_json::json;
use tenure_client::{EventKind, Owner, Watched};

use super::{Context, InNamespace};
use crate::cli::exit::Exit;
use crate::cli::output::{self, Format};

/// What happened.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Created,
    Updated,
    Rotated,
    Ended,
    Revoked,
}

impl From<Kind> for EventKind {
    fn from(kind: Kind) -> EventKind {
        match kind {
            Kind::Created => EventKind::Created,
            Kind::Updated => EventKind::Updated,
            Kind::Rotated => EventKind::Rotated,
            Kind::Ended => EventKind::Ended,
            Kind::Revoked => EventKind::Revoked,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Watch {
    #[command(flatten)]
    namespace: InNamespace,
    /// Only events of the owner with this user; without it, of everybody
    #[arg(long)]
    user: Option<String>,
    /// The owner's tenant
    #[arg(long, requires = "user")]
    tenant: Option<String>,
    /// The owner's issuer
    #[arg(long, requires = "user")]
    issuer: Option<String>,
    /// Only events of this kind; may be repeated
    #[arg(long, value_enum)]
    kind: Vec<Kind>,
    /// Resume after this cursor instead of starting now
    #[arg(long)]
    cursor: Option<String>,
    /// End after so many events
    #[arg(long, value_name = "NUMBER")]
    count: Option<u64>,
}

impl Watch {
    pub(super) async fn run(self, context: &Context, out: &mut impl Write) -> anyhow::Result<Exit> {
        let namespace = context.namespace(&self.namespace);
        let call = match self.user {
            Some(user) => {
                let owner = Owner {
                    tenant: self.tenant.unwrap_or_default(),
                    user,
                    issuer: self.issuer.unwrap_or_default(),
                };
                namespace.sessions_of(owner).watch()
            }
            None => namespace.watch(),
        };
        let mut watch = call
            .kinds(self.kind.into_iter().map(EventKind::from))
            .cursor(self.cursor.unwrap_or_default())
            .await?;
        // From here on nothing is missed: a script may start what it wants to see.
        output::note("watching");
        let mut left = self.count;
        while left != Some(0) {
            let watched = watch.next().await?;
            match (&watched, context.output) {
                (Watched::Event(event), Format::Json) => {
                    let event = output::to_json(event)?;
                    output::json_line(out, &json!({"event": event, "cursor": watch.cursor()}))?;
                }
                (Watched::Event(event), Format::Table) => output::event(out, event)?,
                (Watched::StartedAnew, Format::Json) => {
                    output::json_line(
                        out,
                        &json!({"started_anew": true, "cursor": watch.cursor()}),
                    )?;
                }
                (Watched::StartedAnew, Format::Table) => {
                    output::note(
                        "events were missed: the service no longer knows what came after the cursor",
                    );
                }
            }
            if matches!(watched, Watched::Event(_)) {
                left = left.map(|left| left - 1);
            }
        }
        Ok(Exit::Ok)
    }
}
