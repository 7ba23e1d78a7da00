//! Processes that end in the middle, sinks that fail, calls that are given up.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::{Level, Outcome, Settings, files};
use super::{check, findings, open, origin, record, settings, shown, write};

fn append(path: &Path, bytes: &[u8]) {
    let mut file = OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

#[test]
fn half_a_line_is_set_aside() {
    let log = tempfile::tempdir().unwrap();
    let settings = settings(log.path());
    write(&settings, 3);
    let file = files::list(log.path()).unwrap().pop().unwrap();
    append(&file, b"{\"seq\":6,\"time\":\"2026-07-2");
    let torn = check(log.path(), &[]);
    assert_eq!((torn.torn, torn.findings), (26, vec![]));
    write(&settings, 3);
    let report = check(log.path(), &[]);
    assert_eq!((report.torn, report.findings), (0, vec![]));
    assert_eq!(fs::read(file.with_extension("torn-1")).unwrap().len(), 26);
    // A file that had not even its first line.
    let next = log.path().join(files::name(report.last + 1));
    fs::write(&next, b"{\"seq\":").unwrap();
    assert_eq!(check(log.path(), &[]).findings, []);
    write(&settings, 1);
    assert_eq!(check(log.path(), &[]).findings, []);
}

#[test]
fn more_than_half_a_line_is_damage_for_ever() {
    for damage in ["cut", "garbage", "head"] {
        let log = tempfile::tempdir().unwrap();
        let settings = settings(log.path());
        write(&settings, 5);
        let file = files::list(log.path()).unwrap().pop().unwrap();
        let text = fs::read_to_string(&file).unwrap();
        match damage {
            "cut" => {
                let kept: Vec<&str> = text.lines().take(4).collect();
                fs::write(&file, kept.join("\n") + "\n").unwrap();
            }
            "garbage" => append(&file, b"garbage\ngarbage\n"),
            _ => fs::remove_file(log.path().join("head.json")).unwrap(),
        }
        write(&settings, 5);
        write(&settings, 5);
        let found = findings(log.path(), &[]);
        assert_eq!(found.len(), 1, "{damage}: {found:?}");
        assert!(
            found[0].contains("was damaged when this file began"),
            "{found:?}"
        );
    }
}

/// A directory that no file can be begun in, whoever asks.
fn break_directory(log: &Path) -> PathBuf {
    let away = log.with_extension("away");
    fs::rename(log, &away).unwrap();
    away
}

#[tokio::test]
async fn what_is_required_is_refused_while_the_sink_fails_and_what_is_not_goes_on() {
    let root = tempfile::tempdir().unwrap();
    let log = root.path().join("log");
    let mut settings = settings(&log);
    settings.rotate_bytes = 600;
    let audit = open(&settings);
    for number in 0..3 {
        record(&audit, number, Level::Required).await.unwrap();
    }
    // The next file cannot be begun.
    let away = break_directory(&log);
    let mut refused = 0_u64;
    for number in 3..20 {
        refused += u64::from(record(&audit, number, Level::Required).await.is_err());
    }
    assert!(refused >= 15, "{refused}");
    for number in 20..30 {
        record(&audit, number, Level::On).await.expect("it goes on");
    }
    fs::rename(&away, &log).unwrap();
    let mut tries = 0_u64;
    while record(&audit, 100, Level::Required).await.is_err() {
        tries += 1;
        assert!(tries < 500, "it never recovers");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    audit.close();
    let report = check(&log, &[]);
    assert_eq!(report.findings, []);
    // Those that went on, and the refusals; the first one was under way, and is written late.
    assert_eq!(report.lost, 10 + refused - 1 + tries);
    let all = shown(&log, None);
    let calls: Vec<&str> = all.iter().map(|line| line.text("correlation_id")).collect();
    assert!(
        calls.contains(&"call-100") && calls.contains(&"call-2"),
        "{calls:?}"
    );
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_recorded_too() {
    let log = tempfile::tempdir().unwrap();
    let audit = open(&settings(log.path()));
    let trail = audit.trail(origin(1), Level::Required);
    trail.admit().unwrap();
    drop(trail);
    let trail = audit.trail(origin(2), Level::Off);
    drop(trail);
    let trail = audit.trail(origin(3), Level::On);
    trail
        .finish(Outcome::Denied, "CALLER_UNKNOWN")
        .await
        .unwrap();
    trail.aside(|entry| entry.deed = Some("seen"));
    drop(trail);
    audit.close();
    let lines = shown(log.path(), None);
    let told: Vec<[&str; 4]> = lines
        .iter()
        .filter(|line| line.text("kind") == "event")
        .map(|line| ["correlation_id", "outcome", "reason", "deed"].map(|name| line.text(name)))
        .collect();
    assert_eq!(
        told,
        [
            ["call-1", "unknown", "", ""],
            ["call-3", "denied", "CALLER_UNKNOWN", ""],
            ["call-3", "denied", "", "seen"],
        ]
    );
}

#[tokio::test]
async fn a_full_queue_refuses_what_is_required_and_counts_the_rest() {
    let log = tempfile::tempdir().unwrap();
    let audit = open(&Settings {
        queue_lines: 4,
        ..settings(log.path())
    });
    let held: Vec<_> = (0..4)
        .map(|number| {
            let trail = audit.trail(origin(number), Level::Required);
            trail.admit().unwrap();
            trail
        })
        .collect();
    let refused = audit.trail(origin(5), Level::Required);
    assert!(refused.admit().is_err());
    refused.hold_to(Level::Off);
    record(&audit, 6, Level::On).await.unwrap();
    for trail in held {
        trail
            .finish(Outcome::Ok, "")
            .await
            .expect("there is a place");
    }
    record(&audit, 7, Level::Required)
        .await
        .expect("room again");
    audit.close();
    let report = check(log.path(), &[]);
    assert_eq!((report.lost, report.findings), (1, vec![]));
}
