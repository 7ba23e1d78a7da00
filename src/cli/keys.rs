//! `tenure keys`: the key-encryption keys. `new` works on a file here, the others ask a service.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use tenure_client::{Admin, Rewrapped};

use super::exit::{Exit, Usage};
use super::output::{self, Format};
use super::progress::Progress;
use super::service::{InNamespace, Service};
use crate::session::time::Time;
use crate::vault;

#[derive(Debug, Args)]
pub(super) struct Keys {
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
    /// Make a key: print a line for a key file, or add it to one
    New(New),
    /// Have the service look for newer keys at once
    Rotate,
    /// Have every tenant's key wrapped by the newest key, so that older ones can be removed
    Rewrap,
    /// Show which keys there are, and how many tenants' keys each of them wraps
    Status,
    /// Destroy a tenant's key: what was sealed with it can never be read again
    Destroy(Destroy),
}

#[derive(Debug, Args)]
struct New {
    /// The key's name; by default made of the date and the time
    #[arg(long)]
    id: Option<String>,
    /// Add it to this file, which is made if it is not there, instead of printing it
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Add it in front: other instances can learn it before anything is written with it
    #[arg(long, requires = "file")]
    standby: bool,
}

#[derive(Debug, Args)]
struct Destroy {
    #[command(flatten)]
    namespace: InNamespace,
    /// The tenant whose data becomes unreadable
    #[arg(long)]
    tenant: String,
    /// Do it: there is no way back
    #[arg(long)]
    yes: bool,
}

impl Keys {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let Keys {
            command,
            service,
            output,
        } = self;
        if let Command::New(new) = command {
            return new.run();
        }
        if let Command::Destroy(destroy) = &command {
            destroy.check()?;
        }
        service.connected(async |tenure| {
            let admin = tenure.admin();
            match command {
                Command::New(_) => Ok(Exit::Ok),
                Command::Rotate => rotate(&admin, output).await,
                Command::Rewrap => rewrap(&admin, output).await,
                Command::Status => status(&admin, output).await,
                Command::Destroy(destroy) => destroy.run(&admin, output).await,
            }
        })
    }
}

async fn rotate(admin: &Admin, output: Format) -> anyhow::Result<Exit> {
    let rotation = admin.rotate_keys().await?;
    let mut out = io::stdout().lock();
    match output {
        Format::Json => output::json(
            &mut out,
            &json!({"active_key_id": rotation.active_key_id, "rotated": rotation.rotated}),
        )?,
        Format::Table => output::fields(
            &mut out,
            &[
                ("active key", rotation.active_key_id),
                ("rotated", rotation.rotated.to_string()),
            ],
        )?,
    }
    Ok(Exit::Ok)
}

async fn rewrap(admin: &Admin, output: Format) -> anyhow::Result<Exit> {
    let mut progress = admin.rewrap_keys().await?;
    let bar = Progress::start(true);
    let mut last = Rewrapped::default();
    while let Some(told) = progress.next().await? {
        last = told;
        bar.show(last.seen, last.total);
    }
    drop(bar);
    let mut out = io::stdout().lock();
    match output {
        Format::Json => output::json(
            &mut out,
            &json!({"seen": last.seen, "rewrapped": last.rewrapped, "failed": last.failed}),
        )?,
        Format::Table => output::fields(
            &mut out,
            &[
                ("seen", last.seen.to_string()),
                ("rewrapped", last.rewrapped.to_string()),
                ("failed", last.failed.to_string()),
            ],
        )?,
    }
    if last.failed > 0 {
        output::note("help: `tenure keys status` shows which keys the service does not have");
        return Ok(Exit::Error);
    }
    Ok(Exit::Ok)
}

async fn status(admin: &Admin, output: Format) -> anyhow::Result<Exit> {
    let keys = admin.keys().await?;
    let mut out = io::stdout().lock();
    match output {
        Format::Json => {
            let each = keys.keys.iter().map(|key| {
                json!({
                    "key_id": key.key_id,
                    "active": key.active,
                    "loaded": key.loaded,
                    "tenant_keys": key.tenant_keys,
                })
            });
            let each: Vec<_> = each.collect();
            let damaged = keys.damaged_tenant_keys;
            output::json(
                &mut out,
                &json!({"keys": each, "damaged_tenant_keys": damaged}),
            )?;
        }
        Format::Table => {
            for key in &keys.keys {
                let state = match (key.active, key.loaded) {
                    (true, _) => "active",
                    (false, true) => "loaded",
                    (false, false) => "missing",
                };
                writeln!(
                    out,
                    "{}  {state}  {} tenant keys",
                    key.key_id, key.tenant_keys
                )?;
            }
            if keys.damaged_tenant_keys > 0 {
                writeln!(out, "damaged tenant keys: {}", keys.damaged_tenant_keys)?;
            }
        }
    }
    Ok(Exit::Ok)
}

impl Destroy {
    fn check(&self) -> Result<(), Usage> {
        if self.yes {
            return Ok(());
        }
        Err(Usage(
            "there is no way back from this: every credential and every encrypted state of the tenant becomes \
             unreadable; say --yes to do it"
                .to_owned(),
        ))
    }

    async fn run(&self, admin: &Admin, output: Format) -> anyhow::Result<Exit> {
        let destroyed = admin
            .destroy_tenant_key(&self.namespace.namespace, &self.tenant)
            .await?;
        let mut out = io::stdout().lock();
        match output {
            Format::Json => output::json(&mut out, &json!({"destroyed": destroyed}))?,
            Format::Table => output::fields(&mut out, &[("destroyed", destroyed.to_string())])?,
        }
        Ok(Exit::Ok)
    }
}

impl New {
    fn run(self) -> anyhow::Result<Exit> {
        let name = self.id.unwrap_or_else(dated);
        let Some(id) = vault::KeyId::new(&name) else {
            let advice = "--id must be 1 to 64 of letters, digits, '.', '_', '-'";
            return Err(Usage(advice.to_owned()).into());
        };
        let line = vault::generate_line(&id);
        match self.file {
            None => writeln!(io::stdout().lock(), "{}", line.expose_secret())?,
            Some(path) => {
                add(&path, &line, self.standby)?;
                output::note(&format!("the key {id} is in {}", path.display()));
            }
        }
        Ok(Exit::Ok)
    }
}

/// A name that sorts by time.
fn dated() -> String {
    let seconds = Time::from_system_clock().as_millis() / 1000;
    format!("k{seconds}")
}

/// Adds a line to a key file. A reader sees the file as it was or as it is to be.
fn add(path: &Path, line: &SecretString, in_front: bool) -> anyhow::Result<()> {
    let shown = path.display();
    let known = match fs::read_to_string(path) {
        Ok(text) => SecretString::from(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => SecretString::default(),
        Err(error) => bail!("{shown} cannot be read: {}", error.kind()),
    };
    let (known, line) = (known.expose_secret().trim_end(), line.expose_secret());
    let text = match (known.is_empty(), in_front) {
        (true, _) => format!("{line}\n"),
        (false, true) => format!("{line}\n{known}\n"),
        (false, false) => format!("{known}\n{line}\n"),
    };
    let text = SecretString::from(text);
    vault::Keys::parse(&text).with_context(|| format!("{shown} would not be a key file"))?;

    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut file: File| {
            // One that was left behind may have another mode.
            file.set_permissions(Permissions::from_mode(0o600))?;
            file.write_all(text.expose_secret().as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&beside, path));
    written.with_context(|| format!("{shown} cannot be written"))
}
