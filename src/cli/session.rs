//! `tenure session`: what any client can do, from a shell.

use std::io;

use clap::{Args, Subcommand};
use tenure_client::{Namespace, Owner, Sessions, Tenure};

use super::exit::Exit;
use super::output::Format;
use super::service::{InNamespace, Service};

mod end;
mod read;
mod value;
mod watch;
mod write;

#[derive(Debug, Args)]
pub(super) struct Session {
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
    /// Make a session
    Create(Box<write::Create>),
    /// Read a session, and slide its idle deadline
    Get(read::Get),
    /// Change single keys of a session's state, in one step
    Update(Box<write::Update>),
    /// Slide a session's idle deadline
    Touch(read::Touch),
    /// Give a session a new id; the old one is dead in the same step
    Rotate(write::Rotate),
    /// End a session on its owner's behalf; repeating it is no error
    Delete(end::Delete),
    /// List an owner's live sessions, newest first
    List(read::List),
    /// End every session that a selector covers, at once and everywhere
    Invalidate(Box<end::Invalidate>),
    /// Claim a key once: succeeds for the first, exits with 4 for everybody after
    Claim(write::Claim),
    /// Print lifecycle events as they happen, until interrupted
    Watch(watch::Watch),
}

/// The namespace, and on whose behalf the session is.
#[derive(Debug, Args)]
struct OfOwner {
    #[command(flatten)]
    namespace: InNamespace,
    /// The owner's tenant
    #[arg(long, default_value = "", hide_default_value = true)]
    tenant: String,
    /// The owner's user; without it, the anonymous owner
    #[arg(long, default_value = "", hide_default_value = true)]
    user: String,
    /// Who vouches for the user
    #[arg(long, default_value = "", hide_default_value = true)]
    issuer: String,
}

/// An owner and one of its sessions.
#[derive(Debug, Args)]
struct OfSession {
    #[command(flatten)]
    owner: OfOwner,
    /// The session's id
    #[arg(value_name = "SESSION_ID")]
    session_id: String,
}

/// What a command needs to do its work.
struct Context {
    tenure: Tenure,
    output: Format,
}

impl Context {
    fn namespace(&self, named: &InNamespace) -> Namespace {
        self.tenure.namespace(&named.namespace)
    }
}

impl Session {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let output = self.output;
        self.service.connected(async |tenure| {
            let context = Context { tenure, output };
            let out = &mut io::stdout().lock();
            match self.command {
                Command::Create(create) => create.run(&context, out).await,
                Command::Get(get) => get.run(&context, out).await,
                Command::Update(update) => update.run(&context, out).await,
                Command::Touch(touch) => touch.run(&context, out).await,
                Command::Rotate(rotate) => rotate.run(&context, out).await,
                Command::Delete(delete) => delete.run(&context, out).await,
                Command::List(list) => list.run(&context, out).await,
                Command::Invalidate(invalidate) => invalidate.run(&context, out).await,
                Command::Claim(claim) => claim.run(&context, out).await,
                Command::Watch(watch) => watch.run(&context, out).await,
            }
        })
    }
}

impl OfOwner {
    fn owner(&self) -> Owner {
        Owner {
            tenant: self.tenant.clone(),
            user: self.user.clone(),
            issuer: self.issuer.clone(),
        }
    }

    fn bind(&self, context: &Context) -> Sessions {
        context.namespace(&self.namespace).sessions_of(self.owner())
    }
}
