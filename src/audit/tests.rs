//! The log as a whole: written, verified, encrypted, gone on with.

mod door;
mod failures;
mod tampering;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::chain::{Chain, Hash};
use super::{
    Audit, EncryptionKeys, Fsync, HashKey, Level, Lines, Origin, Outcome, PublicKey, Report,
    Settings, Shown, SigningKey, Sink, files, verify,
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

#[test]
fn a_directory_is_for_one_process() {
    let log = tempfile::tempdir().unwrap();
    let settings = settings(log.path());
    let first = open(&settings);
    let fault = Audit::open(&settings).expect_err("it is taken");
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
    let kept = HashKey::of_directory(log.path())
        .expect("kept there")
        .unwrap();
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
    // With its quotation mark: what is encrypted may hold any short word by chance.
    for word in ["acme", "crm", "call-", "GetSession", "event", "ok"] {
        assert!(!text.contains(&format!("\"{word}")), "{word}");
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

/// A file with the mode of a secret.
fn write_secret(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn keys_that_others_may_use_are_refused() {
    let (log, keys) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = |name: &str| keys.path().join(name);
    SigningKey::generate(&path("signing")).unwrap();
    EncryptionKeys::generate(&path("encryption")).unwrap();
    HashKey::generate(&path("hash")).unwrap();
    let all = Settings {
        signing_key_file: Some(path("signing")),
        encryption_key_file: Some(path("encryption")),
        hash_key_file: Some(path("hash")),
        ..settings(log.path())
    };
    let chmod = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    for name in ["signing", "encryption", "hash"] {
        for mode in [0o640, 0o604, 0o620] {
            chmod(&path(name), mode);
            let fault = Audit::open(&all)
                .expect_err("others may use it")
                .to_string();
            let shown = path(name).display().to_string();
            assert!(fault.starts_with(&shown), "{fault}");
            assert!(
                fault.contains(&format!("(mode {mode:04o}); make it 0600")),
                "{fault}"
            );
        }
        chmod(&path(name), 0o600);
    }
    open(&all).close();
    // The key that a directory keeps is no less a secret.
    let own = tempfile::tempdir().unwrap();
    let settings = settings(own.path());
    open(&settings).close();
    let kept = own.path().join("session-hash.key");
    assert_eq!(
        fs::metadata(&kept).unwrap().permissions().mode() & 0o777,
        0o600
    );
    chmod(&kept, 0o644);
    assert!(Audit::open(&settings).is_err());
    assert!(HashKey::of_directory(own.path()).unwrap().is_err());
    // A public key is everybody's.
    let public = path("public");
    let key = SigningKey::read(&path("signing")).unwrap().public();
    fs::write(&public, key.to_pem()).unwrap();
    chmod(&public, 0o644);
    assert_eq!(PublicKey::read(&public).unwrap(), key);
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
    write_secret(&a, private);
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
