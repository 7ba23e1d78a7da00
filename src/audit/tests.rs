//! The log as a whole: written, tampered with, cut off, gone on with.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;

use super::chain::{Chain, Hash, Line};
use super::{
    Anchor, Audit, EncryptionKeys, Fsync, HashKey, Level, Lines, Origin, Outcome, PublicKey,
    Report, Settings, Shown, SigningKey, Sink, files, verify,
};

fn settings(directory: &Path) -> Settings {
    Settings {
        sink: Sink::File,
        directory: Some(directory.to_owned()),
        fsync: Fsync::Never,
        head_interval: Duration::from_hours(1),
        ..Settings::default()
    }
}

fn signed(directory: &Path, keys: &Path) -> (Settings, PublicKey) {
    let file = keys.join("signing.pem");
    let public = if file.exists() {
        SigningKey::read(&file).unwrap().public()
    } else {
        SigningKey::generate(&file).unwrap().public()
    };
    let settings = Settings {
        signing_key_file: Some(file),
        ..settings(directory)
    };
    (settings, public)
}

fn open(settings: &Settings) -> Arc<Audit> {
    Audit::open(settings).unwrap().expect("an audit")
}

fn origin(number: usize) -> Origin {
    Origin {
        operation: "GetSession",
        correlation_id: format!("call-{number}"),
        ..Origin::default()
    }
}

/// One call from its beginning to its end.
async fn record(audit: &Arc<Audit>, number: usize, level: Level) -> Result<(), super::Unrecorded> {
    let trail = audit.trail(origin(number), Level::On);
    trail.hold_to(level);
    trail.admit()?;
    trail.note(|entry| {
        entry.namespace = "crm".to_owned();
        entry.tenant = "acme".to_owned();
        entry.session = audit.hash_key().hashed("0123456789abcdef");
    });
    trail.finish(Outcome::Ok, "").await
}

/// A log of so many calls, in files of about this size.
fn write(settings: &Settings, calls: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let audit = open(settings);
        for number in 0..calls {
            // Required: each is written before the next, so that files end where they should.
            record(&audit, number, Level::Required).await.unwrap();
        }
        audit.close();
    });
}

fn check(directory: &Path, keys: &[PublicKey]) -> Report {
    verify(&[directory.to_owned()], keys, &[], false).unwrap()
}

fn findings(directory: &Path, keys: &[PublicKey]) -> Vec<String> {
    let report = check(directory, keys);
    report.findings.iter().map(ToString::to_string).collect()
}

fn copied(from: &Path) -> TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.path().join(path.file_name().unwrap())).unwrap();
    }
    to
}

/// A log of several files, made once.
fn several_files() -> &'static (TempDir, TempDir, PublicKey) {
    static LOG: std::sync::OnceLock<(TempDir, TempDir, PublicKey)> = std::sync::OnceLock::new();
    LOG.get_or_init(|| {
        let (log, keys) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (mut settings, public) = signed(log.path(), keys.path());
        settings.rotate_bytes = 1500;
        write(&settings, 10);
        write(&settings, 10);
        (log, keys, public)
    })
}

#[test]
fn what_was_written_verifies_over_rotations_and_restarts() {
    let (log, _, public) = several_files();
    let report = check(log.path(), &[*public]);
    assert_eq!(report.findings, []);
    assert!(report.files > 4, "{report:?}");
    // 20 calls, and for each file its beginning, its end and its head.
    assert_eq!(report.lines, 20 + 3 * u64::try_from(report.files).unwrap());
    assert_eq!(
        (report.last, report.signed),
        (report.lines, Some(report.lines - 1))
    );
    assert_eq!(check(log.path(), &[]).findings, []);
    // Later files stand for themselves only if that is said.
    let later = files::list(log.path()).unwrap().split_off(2);
    assert!(!verify(&later, &[], &[], false).unwrap().findings.is_empty());
    assert_eq!(verify(&later, &[*public], &[], true).unwrap().findings, []);
}

#[derive(Clone, Debug)]
enum Tampering {
    ChangeByte { at: usize, to: u8 },
    Delete { line: usize },
    Duplicate { line: usize, behind: usize },
    Swap { line: usize, with: usize },
    Truncate { at: usize },
    CutLines { keep: usize },
    Insert { before: usize, text: String },
    RemoveFile { file: usize },
    SwapFiles { file: usize },
    RemoveHead,
}

fn tampering() -> impl Strategy<Value = Tampering> {
    let number = || any::<prop::sample::Index>().prop_map(|index| index.index(1 << 30));
    prop_oneof![
        (number(), any::<u8>()).prop_map(|(at, to)| Tampering::ChangeByte { at, to }),
        number().prop_map(|line| Tampering::Delete { line }),
        (number(), number()).prop_map(|(line, behind)| Tampering::Duplicate { line, behind }),
        (number(), number()).prop_map(|(line, with)| Tampering::Swap { line, with }),
        number().prop_map(|at| Tampering::Truncate { at }),
        number().prop_map(|keep| Tampering::CutLines { keep }),
        (number(), "[ -~]{0,80}").prop_map(|(before, text)| Tampering::Insert { before, text }),
        number().prop_map(|file| Tampering::RemoveFile { file }),
        number().prop_map(|file| Tampering::SwapFiles { file }),
        Just(Tampering::RemoveHead),
    ]
}

/// Tampers with one file of the log. False if nothing has changed by it.
fn tamper(directory: &Path, file: usize, tampering: &Tampering) -> bool {
    let files = files::list(directory).unwrap();
    let path = &files[file % files.len()];
    let old = fs::read(path).unwrap();
    let mut lines: Vec<Vec<u8>> = old
        .split_inclusive(|b| *b == b'\n')
        .map(Vec::from)
        .collect();
    let count = lines.len();
    match tampering {
        Tampering::ChangeByte { at, to } => {
            let mut new = old.clone();
            new[at % old.len()] = *to;
            fs::write(path, &new).unwrap();
            return new != old;
        }
        Tampering::Delete { line } => drop(lines.remove(line % count)),
        Tampering::Duplicate { line, behind } => {
            let copy = lines[line % count].clone();
            lines.insert(behind % (count + 1), copy);
        }
        Tampering::Swap { line, with } => lines.swap(line % count, with % count),
        Tampering::Truncate { at } => {
            fs::write(path, &old[..at % old.len()]).unwrap();
            return true;
        }
        Tampering::CutLines { keep } => lines.truncate(keep % count),
        Tampering::Insert { before, text } => {
            lines.insert(before % (count + 1), format!("{text}\n").into_bytes());
        }
        Tampering::RemoveFile { file } => {
            fs::remove_file(&files[file % files.len()]).unwrap();
            return true;
        }
        Tampering::SwapFiles { file } => {
            let other = &files[file % files.len()];
            let content = fs::read(other).unwrap();
            fs::write(other, &old).unwrap();
            fs::write(path, &content).unwrap();
            return other != path;
        }
        Tampering::RemoveHead => {
            fs::remove_file(directory.join("head.json")).unwrap();
            return true;
        }
    }
    let new = lines.concat();
    fs::write(path, &new).unwrap();
    new != old
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_tampering_is_found(file in any::<prop::sample::Index>(), tampering in tampering()) {
        let (log, _, public) = several_files();
        let copy = copied(log.path());
        let changed = tamper(copy.path(), file.index(1000), &tampering);
        prop_assert_eq!(changed, !findings(copy.path(), &[]).is_empty());
        prop_assert_eq!(changed, !findings(copy.path(), &[*public]).is_empty());
    }
}

#[test]
fn every_changed_byte_of_a_file_is_found() {
    let (log, keys) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (settings, _) = signed(log.path(), keys.path());
    write(&settings, 1);
    let file = &files::list(log.path()).unwrap()[0];
    let old = fs::read(file).unwrap();
    for at in 0..old.len() {
        for flip in [1, 0x20, 0x80] {
            let mut new = old.clone();
            new[at] ^= flip;
            fs::write(file, &new).unwrap();
            assert!(!findings(log.path(), &[]).is_empty(), "byte {at} ^ {flip}");
        }
    }
}

#[test]
fn a_finding_says_where() {
    let (log, _, _) = several_files();
    let copy = copied(log.path());
    let path = files::list(copy.path()).unwrap()[0].clone();
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    fs::write(&path, text.replacen("call-1\"", "call-9\"", 1)).unwrap();
    let shown = path.display();
    assert_eq!(
        findings(copy.path(), &[]),
        [format!(
            "{shown}:3: line 3 was changed, or what it follows on was"
        )]
    );
    let without: Vec<&str> = [&lines[..2], &lines[3..]].concat();
    fs::write(&path, without.join("\n") + "\n").unwrap();
    assert_eq!(
        findings(copy.path(), &[]),
        [format!("{shown}:3: line 3 is missing before line 4")]
    );
    let twice: Vec<&str> = [&lines[..3], &lines[2..]].concat();
    fs::write(&path, twice.join("\n") + "\n").unwrap();
    assert_eq!(
        findings(copy.path(), &[]),
        [format!(
            "{shown}:4: line 3 stands behind line 3: repeated or moved"
        )]
    );
}

#[test]
fn logs_that_are_spliced_are_found() {
    let (log, keys, public) = several_files();
    // Another log, signed by the same key.
    let other = tempfile::tempdir().unwrap();
    let (mut settings, _) = signed(other.path(), keys.path());
    settings.rotate_bytes = 1500;
    write(&settings, 10);
    write(&settings, 10);
    let (mine, theirs) = (
        files::list(log.path()).unwrap(),
        files::list(other.path()).unwrap(),
    );
    for cut in 1..mine.len().min(theirs.len()) {
        let spliced = [&mine[..cut], &theirs[cut..]].concat();
        let report = verify(&spliced, &[*public], &[], false).unwrap();
        assert!(!report.findings.is_empty(), "{cut}");
    }
    let copy = copied(other.path());
    fs::copy(log.path().join("head.json"), copy.path().join("head.json")).unwrap();
    assert!(!findings(copy.path(), &[*public]).is_empty());
}

/// Somebody without the key writes the whole log anew: every hash fits.
fn rewritten(text: &str) -> String {
    let mut chain = Chain::EMPTY;
    let mut out = Vec::new();
    for line in text.lines() {
        let line = Line::parse(line.as_bytes()).expect("a line");
        let mut fields: serde_json::Map<String, serde_json::Value> = line.fields().unwrap();
        fields.shift_remove("seq");
        if fields.contains_key("previous") {
            fields.insert("previous".to_owned(), chain.hash.to_hex().into());
        }
        let fields = serde_json::to_vec(&fields).unwrap();
        chain.add(&fields, &mut out);
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn a_log_that_is_written_anew_needs_the_key() {
    let (log, keys) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (settings, public) = signed(log.path(), keys.path());
    write(&settings, 5);
    let path = files::list(log.path()).unwrap()[0].clone();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(rewritten(&text), text, "nothing was changed yet");
    let forged = rewritten(&text.replace("acme", "evil"));
    fs::write(&path, &forged).unwrap();
    let last = Line::parse(forged.lines().last().unwrap().as_bytes()).unwrap();
    let head = format!(r#"{{"seq":{},"hash":"{}"}}"#, last.seq, last.hash.to_hex());
    fs::write(log.path().join("head.json"), head).unwrap();
    // Nobody can tell without a signature…
    assert_eq!(findings(log.path(), &[]), [""; 0]);
    // …and everybody with one, or with a head from elsewhere.
    assert!(findings(log.path(), &[public]).len() >= 2);
    let honest = Line::parse(text.lines().nth(3).unwrap().as_bytes()).unwrap();
    let anchor = Anchor {
        line: honest.seq,
        hash: honest.hash.to_hex(),
    };
    let report = verify(&[log.path().to_owned()], &[], &[anchor], false).unwrap();
    assert_eq!(report.findings.len(), 1);
    // A key of somebody else is no key.
    let other = SigningKey::generate(&keys.path().join("other.pem")).unwrap();
    assert!(!findings(log.path(), &[other.public()]).is_empty());
}

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

#[test]
fn a_directory_is_for_one_process() {
    let log = tempfile::tempdir().unwrap();
    let settings = settings(log.path());
    let first = open(&settings);
    let fault = Audit::open(&settings).err().expect("it is taken");
    assert!(fault.to_string().contains("another process"), "{fault}");
    first.close();
    drop(first);
    open(&settings);
}

#[test]
fn a_session_has_the_same_hash_after_a_restart() {
    let (log, keys) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let hash = |settings: &Settings| open(settings).hash_key().hashed("0123456789abcdef");
    let own = settings(log.path());
    let first = hash(&own);
    assert_eq!(first, hash(&own));
    let kept = HashKey::of_directory(log.path()).expect("kept there");
    assert_eq!(first, kept.hashed("0123456789abcdef"));
    let (signed, _) = signed(log.path(), keys.path());
    let derived = hash(&signed);
    assert_eq!(derived, hash(&signed));
    assert_ne!(derived, first);
    let file = keys.path().join("hash.key");
    HashKey::generate(&file).unwrap();
    let configured = Settings {
        hash_key_file: Some(file),
        ..signed
    };
    assert_ne!(hash(&configured), derived);
    assert_eq!(hash(&configured), hash(&configured));
}

fn shown(log: &Path, keys: Option<&Path>) -> Vec<Shown> {
    let keys = keys.map(|path| EncryptionKeys::read(path).unwrap());
    let lines = Lines::open(&[log.to_owned()], keys).unwrap();
    lines.map(Result::unwrap).collect()
}

#[test]
fn encrypted_lines_say_nothing_without_the_key() {
    let (log, keys) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (first, second) = (keys.path().join("a"), keys.path().join("b"));
    EncryptionKeys::generate(&first).unwrap();
    EncryptionKeys::generate(&second).unwrap();
    let encrypted = Settings {
        encryption_key_file: Some(first.clone()),
        ..settings(log.path())
    };
    write(&encrypted, 3);
    let text: String = files::list(log.path())
        .unwrap()
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for word in ["acme", "crm", "call-", "GetSession", "event", "ok"] {
        assert!(!text.contains(word), "{word}");
    }
    assert_eq!(findings(log.path(), &[]), [""; 0]);
    let sealed = |shown: &[Shown]| {
        let is_sealed = |line: &&Shown| matches!(line, Shown::Sealed { .. });
        shown.iter().filter(is_sealed).count()
    };
    assert_eq!(sealed(&shown(log.path(), None)), 3);
    assert_eq!(sealed(&shown(log.path(), Some(&second))), 3);
    // The old key still opens what it sealed, after the new one took over.
    let both = fs::read_to_string(&first).unwrap() + &fs::read_to_string(&second).unwrap();
    fs::write(&first, both).unwrap();
    write(&encrypted, 2);
    let all = shown(log.path(), Some(&first));
    assert_eq!(sealed(&all), 0);
    let calls: Vec<&str> = all
        .iter()
        .filter(|line| line.text("kind") == "event")
        .map(|line| line.text("correlation_id"))
        .collect();
    assert_eq!(calls, ["call-0", "call-1", "call-2", "call-0", "call-1"]);
    assert_eq!(sealed(&shown(log.path(), Some(&second))), 3);
}

#[test]
fn keys_of_other_tools_are_read() {
    let keys = tempfile::tempdir().unwrap();
    // The first key of RFC 8032, as openssl pkey writes it.
    let private = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
    let public = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
    let (a, b) = (keys.path().join("a"), keys.path().join("b"));
    fs::write(&a, private).unwrap();
    fs::write(&b, public).unwrap();
    let key = SigningKey::read(&a).unwrap();
    assert_eq!(key.public(), PublicKey::read(&b).unwrap());
    assert_eq!(key.public().to_pem(), public);
    let end = Chain {
        seq: 7,
        hash: Hash::of(b"x"),
    };
    let signature = key.sign(end);
    assert!(key.public().checks(end, &signature));
    assert!(!key.public().checks(Chain { seq: 8, ..end }, &signature));
    assert!(SigningKey::read(&b).is_err() && PublicKey::read(&a).is_err());
    let generated = SigningKey::generate(&keys.path().join("c")).unwrap();
    let read = SigningKey::read(&keys.path().join("c")).unwrap();
    assert_eq!(generated.public(), read.public());
    assert!(
        SigningKey::generate(&a).is_err(),
        "a key is never overwritten"
    );
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
