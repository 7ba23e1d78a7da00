//! `tenure audit verify`

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::super::exit::Exit;
use super::super::output::{self, Format};
use super::Log;
use crate::audit::{Anchor, PublicKey, Report, verify};

#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    log: Log,
    /// The public half of the signing key, PEM; repeated after a change of keys
    #[arg(long, value_name = "FILE")]
    public_key: Vec<PathBuf>,
    /// A line that is known from elsewhere, by its number and its hash; may be repeated
    #[arg(long, value_name = "LINE:HASH", value_parser = anchor)]
    head: Vec<Anchor>,
    /// The first files are kept elsewhere
    #[arg(long)]
    partial: bool,
    /// How the result is printed
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

fn anchor(text: &str) -> Result<Anchor, String> {
    let anchor = text.split_once(':').and_then(|(line, hash)| {
        let sound = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        let line = line.parse().ok()?;
        sound.then(|| Anchor {
            line,
            hash: hash.to_ascii_lowercase(),
        })
    });
    anchor.ok_or_else(|| "write LINE:HASH, with 64 hexadecimal digits".to_owned())
}

impl Verify {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let keys = self.public_key.iter().map(|path| PublicKey::read(path));
        let keys: Vec<PublicKey> = keys.collect::<Result<_, _>>()?;
        let report = verify(&self.log.paths, &keys, &self.head, self.partial)?;
        match self.output {
            Format::Json => as_json(&report)?,
            Format::Table => as_text(&report, !keys.is_empty())?,
        }
        Ok(if report.findings.is_empty() {
            Exit::Ok
        } else {
            Exit::Error
        })
    }
}

fn as_json(report: &Report) -> io::Result<()> {
    let findings: Vec<_> = report
        .findings
        .iter()
        .map(|finding| {
            json!({
                "file": finding.file.display().to_string(),
                "line": finding.line,
                "what": finding.what,
            })
        })
        .collect();
    let value = json!({
        "ok": findings.is_empty(),
        "files": report.files,
        "lines": report.lines,
        "last": report.last,
        "signed": report.signed,
        "lost": report.lost,
        "turned_away": report.turned_away,
        "torn": report.torn,
        "findings": findings,
    });
    output::json(&mut io::stdout().lock(), &value)
}

fn as_text(report: &Report, with_keys: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for finding in &report.findings {
        writeln!(out, "{finding}")?;
    }
    let verdict = match report.findings.len() {
        0 => "ok".to_owned(),
        1 => "1 finding".to_owned(),
        many => format!("{many} findings"),
    };
    writeln!(
        out,
        "{verdict}: {} lines in {} files, up to line {}",
        report.lines, report.files, report.last
    )?;
    match (with_keys, report.signed) {
        (false, _) => output::note("note: signatures were not checked: no --public-key was given"),
        (true, Some(signed)) if signed < report.last => output::note(&format!(
            "note: signed up to line {signed}; what comes after holds together, but is not signed yet"
        )),
        (true, _) => {}
    }
    if report.lost > 0 {
        output::note(&format!(
            "note: the log says that {} calls could not be recorded",
            report.lost
        ));
    }
    if report.turned_away > 0 {
        output::note(&format!(
            "note: the log only counts {} calls that were turned away",
            report.turned_away
        ));
    }
    if report.torn > 0 {
        output::note(&format!(
            "note: the last line was not written to its end ({} bytes); the next start sets it aside",
            report.torn
        ));
    }
    Ok(())
}
