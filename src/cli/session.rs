//! `tenure session`: what any client can do, from a shell.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use tenure_client::{Namespace, Options, Owner, Sessions, Tenure};

use super::exit::Exit;
use super::output::Format;
use crate::config::parse_duration;

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

/// Which service, and as whom it is called.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Service")]
pub(super) struct Service {
    /// Where the service is: http://HOST:PORT, or https://HOST:PORT for TLS; several take turns
    #[arg(
        long,
        value_name = "URL,…",
        env = "TENURE_SERVER",
        hide_env_values = true,
        global = true
    )]
    #[arg(default_value = tenure_client::DEFAULT_SERVER)]
    pub(super) server: String,
    /// Trust the service's certificate through this authority (PEM) instead of the system's
    #[arg(
        long,
        value_name = "FILE",
        env = "TENURE_TLS_CA",
        hide_env_values = true,
        global = true
    )]
    pub(super) tls_ca: Option<PathBuf>,
    /// Show this certificate (PEM)
    #[arg(
        long,
        value_name = "FILE",
        env = "TENURE_TLS_CERT",
        hide_env_values = true,
        global = true
    )]
    pub(super) tls_cert: Option<PathBuf>,
    /// The certificate's key (PEM)
    #[arg(
        long,
        value_name = "FILE",
        env = "TENURE_TLS_KEY",
        hide_env_values = true,
        global = true
    )]
    pub(super) tls_key: Option<PathBuf>,
    /// Send this token; better in the variable, where other users do not see it
    #[arg(long, env = "TENURE_TOKEN", hide_env_values = true, global = true)]
    pub(super) token: Option<String>,
    /// Send this API key; better in the variable, where other users do not see it
    #[arg(
        long,
        value_name = "KEY",
        env = "TENURE_API_KEY",
        hide_env_values = true,
        global = true
    )]
    pub(super) api_key: Option<String>,
    /// How long a call may take with its repetitions
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "10s", global = true)]
    pub(super) timeout: Duration,
}

/// The namespace alone.
#[derive(Debug, Args)]
struct InNamespace {
    /// The namespace
    #[arg(
        short,
        long,
        value_name = "NAME",
        env = "TENURE_NAMESPACE",
        hide_env_values = true
    )]
    namespace: String,
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

impl Session {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let options = self.service.options()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let context = Context {
                tenure: Tenure::connect(options).await?,
                output: self.output,
            };
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

impl Service {
    /// The same rules as for any client, whether a flag or its variable was given.
    pub(super) fn options(self) -> Result<Options, tenure_client::Error> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let options = Options::from_variables(|name| match name {
            "TENURE_SERVER" => Some(self.server.clone()),
            "TENURE_TLS_CA" => path(&self.tls_ca),
            "TENURE_TLS_CERT" => path(&self.tls_cert),
            "TENURE_TLS_KEY" => path(&self.tls_key),
            "TENURE_TOKEN" => self.token.clone(),
            "TENURE_API_KEY" => self.api_key.clone(),
            _ => None,
        })?;
        Ok(options.timeout(self.timeout))
    }
}

impl InNamespace {
    fn bind(&self, context: &Context) -> Namespace {
        context.tenure.namespace(&self.namespace)
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
        self.namespace.bind(context).sessions_of(self.owner())
    }
}
