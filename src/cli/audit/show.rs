//! `tenure audit show`

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use serde_json::Value;
use tenure_client::parse_time;

use super::super::exit::{Exit, Usage};
use super::super::output::{self, Format};
use super::Log;
use crate::audit::{EncryptionKeys, HashKey, Lines, Shown, SigningKey, rfc3339};
use crate::visible;

#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    log: Log,
    /// The keys that encrypt the lines
    #[arg(long, value_name = "FILE")]
    encryption_key: Option<PathBuf>,
    /// Only of this namespace
    #[arg(short, long)]
    namespace: Option<String>,
    /// Only for owners of this tenant
    #[arg(long)]
    tenant: Option<String>,
    /// Only for this user
    #[arg(long)]
    user: Option<String>,
    /// Only by this caller
    #[arg(long)]
    caller: Option<String>,
    /// Only about the session with this id, which is hashed with --hash-key, or with what the directory holds
    #[arg(long, value_name = "ID", conflicts_with = "session_hash")]
    session: Option<String>,
    /// Only about the session with this hash
    #[arg(long, value_name = "HASH")]
    session_hash: Option<String>,
    /// The key under which the ids of sessions were hashed
    #[arg(long, value_name = "FILE", requires = "session")]
    hash_key: Option<PathBuf>,
    /// The signing key, where that key was derived from it
    #[arg(
        long,
        value_name = "FILE",
        requires = "session",
        conflicts_with = "hash_key"
    )]
    signing_key: Option<PathBuf>,
    /// Only this operation (`GetSession`) or deed (`rotated`)
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,
    /// Only with this outcome (`ok`, `denied`, `refused`, `failed`, `unknown`) or reason (`SESSION_NOT_FOUND`)
    #[arg(long, value_name = "NAME")]
    outcome: Option<String>,
    /// Only what belongs to this call
    #[arg(long, value_name = "ID")]
    correlation_id: Option<String>,
    /// Only from then on, RFC 3339
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<String>,
    /// Only before then
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<String>,
    /// Also the lines about the log itself
    #[arg(long)]
    all: bool,
    /// How lines are printed; json: one per line
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// A time as lines have it: such texts sort as the times do.
fn time(text: &str) -> Result<String, String> {
    let time: SystemTime = parse_time(text).map_err(|error| error.to_string())?;
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(rfc3339(
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
    ))
}

impl Show {
    pub(super) fn run(mut self) -> anyhow::Result<Exit> {
        if let Some(id) = self.session.take() {
            self.session_hash = Some(self.hash_key()?.hashed(&id));
        }
        let keys = self.encryption_key.as_deref();
        let keys = keys.map(EncryptionKeys::read).transpose()?;
        let mut out = io::stdout().lock();
        let (mut sealed, mut foreign) = (0_u64, 0_u64);
        for shown in Lines::open(&self.log.paths, keys)? {
            match shown? {
                Shown::Fields(fields) => {
                    let line = Shown::Fields(fields);
                    if self.wants(&line) {
                        self.print(&mut out, &line)?;
                    }
                }
                Shown::Sealed { .. } => sealed += 1,
                Shown::Foreign => foreign += 1,
            }
        }
        out.flush()?;
        if foreign > 0 {
            output::note(&format!(
                "note: {foreign} lines are not lines of an audit; `tenure audit verify` says more"
            ));
        }
        if sealed > 0 {
            output::note(&format!(
                "error: {sealed} lines are encrypted, and --encryption-key does not open them"
            ));
            return Ok(Exit::Error);
        }
        Ok(Exit::Ok)
    }

    fn hash_key(&self) -> anyhow::Result<HashKey> {
        if let Some(path) = &self.hash_key {
            return Ok(HashKey::read(path)?);
        }
        if let Some(path) = &self.signing_key {
            return Ok(HashKey::from_signing_key(&SigningKey::read(path)?));
        }
        let own = self
            .log
            .paths
            .iter()
            .find_map(|path| HashKey::of_directory(path));
        let own = own.ok_or_else(|| {
            Usage(
                "give --hash-key or --signing-key: the directory holds no key of its own"
                    .to_owned(),
            )
        })?;
        Ok(own?)
    }

    fn wants(&self, line: &Shown) -> bool {
        let is = |wanted: &Option<String>, fields: &[&str]| {
            wanted
                .as_ref()
                .is_none_or(|wanted| fields.iter().any(|field| line.text(field) == wanted))
        };
        let time = line.text("time");
        (self.all || line.text("kind") == "event")
            && is(&self.namespace, &["namespace"])
            && is(&self.tenant, &["tenant"])
            && is(&self.user, &["user"])
            && is(&self.caller, &["caller"])
            && is(&self.session_hash, &["session", "new_session"])
            && is(&self.operation, &["operation", "deed"])
            && is(&self.outcome, &["outcome", "reason"])
            && is(&self.correlation_id, &["correlation_id"])
            && self
                .since
                .as_ref()
                .is_none_or(|since| time >= since.as_str())
            && self
                .until
                .as_ref()
                .is_none_or(|until| time < until.as_str())
    }

    fn print(&self, out: &mut impl io::Write, line: &Shown) -> io::Result<()> {
        let Shown::Fields(fields) = line else {
            return Ok(());
        };
        if self.output == Format::Json {
            let json = serde_json::to_string(fields)?;
            write!(out, "{}", visible::escaped(json))?;
            return writeln!(out);
        }
        // What happened first, then what it was about; the rest is for programs.
        let mut words = vec![output::printable(line.text("time"))];
        words.extend(
            ["kind", "operation", "deed", "outcome", "reason"]
                .map(|name| line.text(name))
                .into_iter()
                .filter(|word| !word.is_empty() && *word != "event")
                .map(output::printable),
        );
        for (name, value) in fields {
            let shown = match (name.as_str(), value) {
                (
                    "time" | "kind" | "operation" | "deed" | "outcome" | "reason" | "hash"
                    | "previous",
                    _,
                ) => continue,
                (_, Value::String(text)) => format!("{text:?}"),
                (_, other) => other.to_string(),
            };
            // Whoever wrote the file may have named fields as they liked.
            words.push(format!("{}={shown}", output::printable(name)));
        }
        writeln!(out, "{}", words.join(" "))
    }
}
