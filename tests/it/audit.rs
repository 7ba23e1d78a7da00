//! The audit, over the wire and over crashes.

mod commands;
mod door;
mod endings;
mod killed;
mod odd_names;
mod redis_doubts;
mod synced;
mod timing;
mod wire;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tenure::audit::{Lines, PublicKey, Report, Shown, verify};

pub(crate) type Line = Map<String, Value>;

/// The lines of a log that are about calls, in order.
pub(crate) fn events(log: &Path) -> Vec<Line> {
    let lines = Lines::open(&[log.to_owned()], None).expect("a log");
    lines
        .filter_map(|line| match line.expect("readable") {
            Shown::Fields(fields) if fields["kind"] == "event" => Some(fields),
            _ => None,
        })
        .collect()
}

pub(crate) fn text<'a>(line: &'a Line, field: &str) -> &'a str {
    line.get(field).and_then(Value::as_str).unwrap_or_default()
}

pub(crate) fn verified(log: &Path, keys: &[PublicKey]) -> Report {
    let report = verify(&[log.to_owned()], keys, &[], false).expect("a log");
    assert_eq!(report.findings, [], "{}", log.display());
    report
}

pub(crate) fn files_with(log: &Path, part: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(log).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .filter(|path| path.display().to_string().contains(part))
        .collect()
}
