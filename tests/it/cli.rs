//! The command line, as a shell sees it: exit codes, what goes to stdout, and what does not.

mod admin;
mod bench;
mod callers;
mod operations;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::{env, fs};

use serde_json::{Value, json};

/// The binary, without the settings of whoever runs the tests.
fn tenure(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("TENURE_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// A service that ends with the test.
struct Service {
    child: Child,
    url: String,
}

impl Service {
    fn start() -> Service {
        Service::start_with(&[])
    }

    fn start_with(settings: &[&str]) -> Service {
        let mut command = tenure(&["serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
        command.args(settings);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the service starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it was asked for");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("it speaks");
        let words = line
            .strip_prefix("tenure listening grpc=")
            .expect("it says where");
        let address = words.split(' ').next().expect("an address");
        Service {
            child,
            url: format!("http://{address}"),
        }
    }

    /// The sessions of an owner of `tenure bench`.
    fn session_of(&self, name: &str, user: &str) -> Value {
        let list = [
            "session", "list", "-n", name, "--tenant", name, "--user", user, "-o", "json",
        ];
        Ended::of(tenure(&list).env("TENURE_SERVER", &self.url)).data()
    }

    /// `tenure session` for ada, with JSON as output.
    fn session(&self, command: &str, rest: &[&str]) -> Ended {
        let owner = [
            "-n", "crm", "--tenant", "acme", "--user", "ada", "-o", "json",
        ];
        let arguments = [&["session", command], &owner[..], rest].concat();
        Ended::of(tenure(&arguments).env("TENURE_SERVER", &self.url))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ended {
    fn of(command: &mut Command) -> Ended {
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().expect("it runs");
        Ended {
            code: status.code(),
            stdout: String::from_utf8(stdout).expect("text"),
            stderr: String::from_utf8(stderr).expect("text"),
        }
    }

    /// The data of a command that did what it was asked for.
    fn data(&self) -> Value {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        serde_json::from_str(&self.stdout).expect("JSON")
    }

    /// The complaint of a command that did not: no data, and this code.
    fn complaint(&self, code: i32) -> &str {
        assert_eq!(
            (self.code, self.stdout.as_str()),
            (Some(code), ""),
            "{self:?}"
        );
        assert!(self.stderr.starts_with("error: "), "{self:?}");
        &self.stderr
    }
}

#[test]
fn a_session_from_a_shell() {
    let service = Service::start();
    let created = service
        .session(
            "create",
            &[
                "--conversation",
                "c1",
                "--state",
                r#"{"filter":"open"}"#,
                "--label",
                "vip",
            ],
        )
        .data();
    assert_eq!(created["created"], json!(true));
    let id = created["session"]["id"].as_str().expect("an id");

    let updated = service
        .session(
            "update",
            &[
                id,
                "--set",
                "page=2",
                "--increment",
                "calls=1",
                "--append",
                r#"log="a""#,
            ],
        )
        .data();
    assert_eq!(updated["increments"], json!({"calls": 1}));
    let read = service.session("get", &[id]).data();
    let state = json!({"filter": "open", "page": 2, "calls": 1, "log": ["a"]});
    assert_eq!(read["session"]["state"], state);
    assert_eq!(read["session"]["labels"], json!(["vip"]));
    let listed = service.session("list", &["--all"]).data();
    assert_eq!(listed["sessions"][0]["id"], json!(id));
    assert_eq!(listed["sessions"][0]["state"], Value::Null);

    let taken = service.session("create", &["--conversation", "c1"]);
    assert!(
        taken.complaint(4).contains("[CONVERSATION_EXISTS]"),
        "{taken:?}"
    );
    let late = service.session("update", &[id, "--set", "page=3", "--if-revision", "1"]);
    assert!(
        late.complaint(4).contains("[REVISION_MISMATCH]"),
        "{late:?}"
    );
    let short = service.session("get", &["short"]);
    assert!(short.complaint(2).contains("session_id"), "{short:?}");

    let rotated = service.session("rotate", &[id]).data();
    let new = rotated["session"]["id"].as_str().expect("an id");
    assert!(
        service
            .session("get", &[id])
            .complaint(3)
            .contains("[SESSION_ROTATED]")
    );
    assert_eq!(
        service.session("delete", &[new]).data(),
        json!({"deleted": true})
    );
    assert_eq!(
        service.session("delete", &[new]).data(),
        json!({"deleted": false})
    );
}

#[test]
fn an_invalidation_and_who_watches_it() {
    let service = Service::start();
    let mut watch = tenure(&[
        "session", "watch", "-n", "crm", "-o", "json", "--kind", "ended", "--count", "1",
    ]);
    let mut watch = watch
        .env("TENURE_SERVER", &service.url)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut ready = String::new();
    let stderr = watch.stderr.take().expect("it was asked for");
    BufReader::new(stderr)
        .read_line(&mut ready)
        .expect("it speaks");
    assert_eq!(ready, "watching\n");

    let created = service.session("create", &[]).data();
    let id = created["session"]["id"].as_str().expect("an id");
    let selector = [
        "--owner-tenant",
        "acme",
        "--owner-user",
        "ada",
        "--reason",
        "password-changed",
    ];
    let arguments = [
        &["session", "invalidate", "-n", "crm", "-o", "json"],
        &selector[..],
    ]
    .concat();
    let ended = Ended::of(tenure(&arguments).env("TENURE_SERVER", &service.url)).data();
    assert_eq!(ended["ended_count"], json!(1));
    let why = service.session("get", &[id]);
    assert!(
        why.complaint(3).contains("[SESSION_INVALIDATED]"),
        "{why:?}"
    );

    let watched = watch.wait_with_output().expect("it ends");
    assert_eq!(watched.status.code(), Some(0));
    let line: Value = serde_json::from_slice(&watched.stdout).expect("one line of JSON");
    assert_eq!(line["event"]["session_id"], json!(id));
    assert_eq!(
        line["event"]["invalidation_reason"],
        json!("PASSWORD_CHANGED")
    );
    assert!(line["cursor"].is_string());
}

#[test]
fn a_claim_tells_by_its_exit_code() {
    let service = Service::start();
    let first = service.session("claim", &["nonce", "--ttl", "1m"]);
    assert_eq!(first.data()["claimed"], json!(true));
    let second = service.session("claim", &["nonce", "--ttl", "1m"]);
    assert_eq!(second.code, Some(4), "{second:?}");
}

#[test]
fn nobody_there() {
    let ended = Ended::of(&mut tenure(&[
        "session",
        "list",
        "-n",
        "crm",
        "--server",
        "http://127.0.0.1:1",
    ]));
    let complaint = ended.complaint(5);
    assert!(complaint.contains("127.0.0.1:1"), "{complaint}");
    assert!(complaint.contains("help: is it running"), "{complaint}");
}

#[test]
fn a_configuration_is_checked_and_shown() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("tenure.toml");
    fs::write(
        &file,
        "[grpc]\nlisen = 1\n[store]\nurl = \"redis://u:canary@h?x\"\n",
    )
    .expect("written");
    for command in [&["config", "check"][..], &["config", "show"], &["serve"]] {
        let ended = Ended::of(tenure(command).env("TENURE_CONFIG", &file));
        let complaint = ended.complaint(2);
        for part in [
            "the configuration has 2 faults",
            "tenure.toml:2",
            "grpc.listen?",
            "tenure.toml:4",
        ] {
            assert!(complaint.contains(part), "{part:?} is not in {complaint}");
        }
        assert!(!complaint.contains("canary"), "{complaint}");
    }
    let shown = Ended::of(tenure(&["config", "show"]).env("TENURE_GRPC__DRAIN_GRACE", "3s"));
    assert_eq!(shown.code, Some(0));
    let line = "drain_grace = \"3s\"  # environment variable TENURE_GRPC__DRAIN_GRACE\n";
    assert!(shown.stdout.contains(line), "{shown:?}");
}

#[test]
fn a_closed_output_is_no_panic() {
    for arguments in [
        &["config", "show"][..],
        &["completions", "zsh"],
        &["man"],
        &["--help"],
    ] {
        let mut command = tenure(arguments);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        drop(child.stdout.take());
        let ended = child.wait_with_output().expect("it ends");
        assert_eq!(ended.status.code(), Some(0), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&ended.stderr), "", "{arguments:?}");
    }
}
