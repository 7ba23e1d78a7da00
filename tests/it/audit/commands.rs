//! `tenure audit`, as a shell sees it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use tenure::audit::{Audit, Fsync, Level, Origin, Outcome, Settings, Sink};

/// Code, stdout and stderr of `tenure audit …`.
fn audit(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tenure"))
        .arg("audit")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let code = output.status.code().expect("no signal");
    (code, text(output.stdout), text(output.stderr))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// A log of three calls.
async fn write(settings: &Settings) {
    let audit = Audit::open(settings).expect("no fault").expect("an audit");
    let calls = [
        ("GetSession", "ada", Outcome::Ok, ""),
        ("GetSession", "bob", Outcome::Refused, "SESSION_NOT_FOUND"),
        ("ListSessions", "ada\u{1b}[2J", Outcome::Ok, ""),
    ];
    for (operation, user, outcome, reason) in calls {
        let origin = Origin {
            operation,
            ..Origin::default()
        };
        let trail = audit.trail(origin, Level::Required);
        trail.note(|entry| {
            "acme".clone_into(&mut entry.tenant);
            user.clone_into(&mut entry.user);
            if operation == "GetSession" {
                entry.session = audit.hash_key().hashed("0123456789abcdef");
            }
        });
        trail.finish(outcome, reason).await.expect("written");
    }
    audit.close();
}

fn settings(log: &Path) -> Settings {
    Settings {
        sink: Sink::File,
        directory: Some(log.to_owned()),
        fsync: Fsync::Never,
        ..Settings::default()
    }
}

#[tokio::test]
async fn a_log_is_verified() {
    let root = TempDir::new().expect("a directory");
    let (log, key, public) = (
        root.path().join("log"),
        root.path().join("key"),
        root.path().join("pub"),
    );
    let (code, pem, _) = audit(&["keygen", "signing", &shown(&key)]);
    assert_eq!(code, 0);
    fs::write(&public, pem).expect("written");
    let mode = fs::metadata(&key).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        audit(&["keygen", "signing", &shown(&key)]).0,
        1,
        "never overwritten"
    );
    write(&Settings {
        signing_key_file: Some(key),
        ..settings(&log)
    })
    .await;

    let (log, public) = (shown(&log), shown(&public));
    let (code, out, err) = audit(&["verify", &log, "--public-key", &public]);
    assert_eq!(
        (code, out.as_str(), err.as_str()),
        (
            0,
            "ok: 6 lines in 1 files, up to line 6\n",
            "note: signed up to line 5; what comes after holds together, but is not signed yet\n"
        )
    );
    let (code, out, _) = audit(&["verify", &log, "-o", "json"]);
    let report: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(
        (code, &report["ok"], &report["lines"]),
        (0, &Value::Bool(true), &6.into())
    );

    let file = super::files_with(Path::new(&log), "audit-").remove(0);
    let text = fs::read_to_string(&file).expect("text");
    fs::write(&file, text.replacen("\"bob\"", "\"eve\"", 1)).expect("written");
    let (code, out, _) = audit(&["verify", &log]);
    let file = shown(&file);
    assert_eq!(code, 1);
    assert_eq!(
        out,
        format!(
            "{file}:3: line 3 was changed, or what it follows on was\n1 finding: 6 lines in 1 files, up to line 6\n"
        )
    );
    assert_eq!(audit(&["verify", &file]).0, 1);
    let (code, _, err) = audit(&["verify", &shown(root.path())]);
    assert_eq!(
        (code, err.as_str()),
        (1, "error: there are no files of an audit here\n")
    );
    let wrong = format!("1:{}", "0".repeat(64));
    let (code, out, _) = audit(&[
        "verify",
        &log,
        "--head",
        &wrong,
        "--head",
        &wrong.replace("1:", "9:"),
    ]);
    assert_eq!(code, 1);
    assert!(out.contains("line 1 is not the one that is known"), "{out}");
    assert!(
        out.contains("line 9 had been written, and is missing"),
        "{out}"
    );
}

#[tokio::test]
async fn lines_are_shown_and_filtered() {
    let root = TempDir::new().expect("a directory");
    let log = root.path().join("log");
    write(&settings(&log)).await;
    let log = shown(&log);
    let users = |filter: &[&str]| {
        let arguments = [&["show", &log, "-o", "json"], filter].concat();
        let (code, out, err) = audit(&arguments);
        assert_eq!((code, err.as_str()), (0, ""), "{filter:?}");
        let lines = out
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let users = lines.map(|line| line["user"].as_str().unwrap_or("-")[..1].to_owned());
        users.collect::<String>()
    };
    assert_eq!(users(&[]), "aba");
    assert_eq!(users(&["--all"]), "-aba-");
    assert_eq!(users(&["--tenant", "acme", "--user", "bob"]), "b");
    assert_eq!(users(&["--operation", "GetSession"]), "ab");
    assert_eq!(users(&["--outcome", "refused"]), "b");
    assert_eq!(users(&["--outcome", "SESSION_NOT_FOUND"]), "b");
    assert_eq!(users(&["--session", "0123456789abcdef"]), "ab");
    assert_eq!(users(&["--session", "0123456789abcdeX"]), "");
    assert_eq!(
        users(&[
            "--since",
            "2026-01-01T00:00:00Z",
            "--until",
            "2099-01-01T00:00:00Z"
        ]),
        "aba"
    );
    assert_eq!(users(&["--until", "2026-01-01T00:00:00Z"]), "");
    let (code, out, _) = audit(&["show", &log]);
    assert_eq!(code, 0);
    assert_eq!(out.lines().count(), 3);
    assert!(
        out.contains(
            r#"Z GetSession refused SESSION_NOT_FOUND seq=3 tenant="acme" user="bob" session=""#
        ),
        "{out}"
    );
    assert!(!out.contains('\u{1b}'), "nothing steers a terminal");
}

#[test]
fn a_log_that_somebody_else_wrote_does_nothing_to_the_terminal() {
    let root = TempDir::new().expect("a directory");
    let file = root.path().join("audit-0000000000000001.jsonl");
    let line = json!({
        "seq": 1,
        "time": "\u{1b}[2J",
        "kind": "event",
        "operation": "\u{1b}[31m",
        "user": "\u{1b}]0;title\u{7}\u{202e}",
        "\u{1b}[8m": "\u{9b}31m",
        "hash": "0".repeat(64),
    });
    fs::write(&file, format!("{line}\n")).expect("written");
    let (_, out, err) = audit(&["show", &shown(root.path())]);
    assert!(out.contains("title"), "it is shown: {out:?} {err:?}");
    let acts = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
    assert!(!out.contains(acts), "{out:?}");
    assert!(!err.contains(acts), "{err:?}");
}

#[tokio::test]
async fn encrypted_lines_are_shown_to_who_has_the_key() {
    let root = TempDir::new().expect("a directory");
    let (log, key, other) = (
        root.path().join("log"),
        root.path().join("key"),
        root.path().join("other"),
    );
    for key in [&key, &other] {
        assert_eq!(
            audit(&["keygen", "encryption", &shown(key)]),
            (0, String::new(), String::new())
        );
    }
    write(&Settings {
        encryption_key_file: Some(key.clone()),
        ..settings(&log)
    })
    .await;
    let log = shown(&log);
    let (code, out, _) = audit(&[
        "show",
        &log,
        "--encryption-key",
        &shown(&key),
        "--user",
        "bob",
    ]);
    assert_eq!((code, out.lines().count()), (0, 1));
    for without in [
        &["show", &log][..],
        &["show", &log, "--encryption-key", &shown(&other)],
    ] {
        let (code, out, err) = audit(without);
        assert_eq!((code, out.as_str()), (1, ""));
        assert!(err.contains("3 lines are encrypted"), "{err}");
    }
    assert_eq!(audit(&["verify", &log]).0, 0, "no key is needed for that");
}

#[test]
fn stdout_holds_a_whole_log() {
    let root = TempDir::new().expect("a directory");
    let mut service = Command::new(env!("CARGO_BIN_EXE_tenure"));
    service.args(["serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
    service.args(["--set", "audit.sink=stdout"]);
    let mut service = service
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(service.stdout.take().expect("asked for")).lines();
    let mut log = String::new();
    let address = loop {
        let line = lines.next().expect("it speaks").expect("text");
        match line.strip_prefix("tenure listening grpc=") {
            Some(rest) => break rest.split(' ').next().expect("an address").to_owned(),
            None => log += &(line + "\n"),
        }
    };
    let called = Command::new(env!("CARGO_BIN_EXE_tenure"))
        .args(["session", "list", "-n", "crm", "--user", "ada"])
        .env("TENURE_SERVER", format!("http://{address}"))
        .status();
    assert!(called.expect("it runs").success());
    let id = service.id().to_string();
    let sent = Command::new("kill").args(["-TERM", &id]).status();
    assert!(sent.expect("a signal").success());
    for line in lines {
        log += &(line.expect("text") + "\n");
    }
    assert!(service.wait().expect("it ends").success());
    assert!(log.contains("\"operation\":\"ListSessions\""), "{log}");
    let file = root.path().join("log");
    fs::write(&file, log).expect("written");
    let (code, out, _) = audit(&["verify", &shown(&file)]);
    assert_eq!((code, &*out), (0, "ok: 3 lines in 1 files, up to line 3\n"));
}
