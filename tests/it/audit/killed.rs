//! The audit of a process that is killed, or whose disk is full. The real binary, under load.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tempfile::TempDir;
use tenure::audit::{PublicKey, SigningKey};
use tenure_client::{Code, Options, Sessions, Tenure};
use tokio::task::JoinSet;

use super::{events, text, verified};

/// The binary as a service. It is killed with the test.
pub(super) struct Service {
    child: Child,
    url: String,
}

pub(super) fn serve(log: &Path, key: Option<&Path>) -> Command {
    let mut command = Command::new("/bin/sh");
    // What writes beyond a limit on files is to get an error, not a signal.
    command.args([
        "-c",
        "trap '' XFSZ; [ -z \"$LIMIT\" ] || ulimit -f \"$LIMIT\"; exec \"$@\"",
        "sh",
    ]);
    command.arg(env!("CARGO_BIN_EXE_tenure"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
    let set = |command: &mut Command, key: &str, value: &str| {
        command.args(["--set", &format!("{key}={value}")]);
    };
    set(&mut command, "audit.sink", "file");
    set(&mut command, "audit.directory", &log.display().to_string());
    set(&mut command, "audit.head_interval", "100ms");
    set(&mut command, "namespaces.required.audit", "required");
    set(&mut command, "namespaces.on.audit", "on");
    if let Some(key) = key {
        let key = key.display().to_string();
        set(&mut command, "audit.signing_key_file", &key);
    }
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("TENURE_") {
            command.env_remove(name);
        }
    }
    command
}

impl Service {
    pub(super) fn start(mut command: Command) -> Service {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it was asked for");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("it speaks");
        let rest = line.strip_prefix("tenure listening grpc=");
        let address = rest.and_then(|rest| rest.split(' ').next());
        let address = address.unwrap_or_else(|| panic!("it says where it listens: {line:?}"));
        Service {
            child,
            url: format!("http://{address}"),
        }
    }

    pub(super) async fn client(&self) -> Tenure {
        let options = Options::new(&self.url).repetitions(0);
        Tenure::connect(options).await.expect("connected")
    }

    /// As a crash does.
    fn kill(&mut self) {
        self.child.kill().expect("it was running");
        self.child.wait().expect("it ended");
    }

    /// As an operator does. The clients of this test are asked to go, so they must be able to hear it.
    pub(super) async fn terminate(&mut self) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status();
        assert!(sent.expect("a signal").success());
        loop {
            if let Some(status) = self.child.try_wait().expect("our own child") {
                return assert!(status.success());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn of(client: &Tenure, namespace: &str) -> Sessions {
    client.namespace(namespace).owner("acme", "ada")
}

/// Calls until the service is gone. Notes what it answered, call by call.
async fn load(sessions: Sessions, name: String, answered: Arc<Mutex<Vec<String>>>) {
    for number in 0.. {
        let id = format!("{name}-{number}");
        let answer = sessions.list().correlation_id(&id).await;
        if answer.is_err() {
            return;
        }
        answered.lock().push(id);
    }
}

/// How many times a process is killed.
fn kills() -> usize {
    if env::var_os("TENURE_TESTS_LONG").is_some() {
        50
    } else {
        4
    }
}

#[tokio::test]
async fn a_killed_process_breaks_no_chain_and_loses_nothing_it_answered_for() {
    let root = TempDir::new().expect("a directory");
    let (log, key): (PathBuf, PathBuf) = (root.path().join("log"), root.path().join("key.pem"));
    let public: PublicKey = SigningKey::generate(&key).expect("a key").public();
    let answered = Arc::new(Mutex::new(Vec::new()));
    let command = || {
        let mut command = serve(&log, Some(&key));
        command.args(["--set", "audit.rotate_bytes=16KiB"]);
        command
    };
    for kill in 0..kills() {
        let mut service = Service::start(command());
        let client = service.client().await;
        let mut callers = JoinSet::new();
        for caller in 0..16 {
            let sessions = of(&client, "required");
            let name = format!("call-{kill}-{caller}");
            callers.spawn(load(sessions, name, Arc::clone(&answered)));
        }
        let enough = answered.lock().len() + 300;
        let start = Instant::now();
        while answered.lock().len() < enough {
            assert!(start.elapsed() < Duration::from_secs(30), "too slow");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        service.kill();
        callers.join_all().await;
        // As it lies there, before anybody has repaired anything.
        verified(&log, &[public]);
    }
    let mut service = Service::start(command());
    verified(&log, &[public]);
    of(&service.client().await, "required")
        .list()
        .await
        .expect("it goes on");
    service.terminate().await;
    let report = verified(&log, &[public]);
    assert_eq!((report.torn, report.lost), (0, 0));
    assert_eq!(report.signed, Some(report.last - 1));
    assert!(report.files > kills(), "{report:?}");

    let lines = events(&log);
    let written: std::collections::HashSet<&str> = lines
        .iter()
        .map(|line| text(line, "correlation_id"))
        .collect();
    let answered = answered.lock();
    let lost: Vec<&String> = answered
        .iter()
        .filter(|id| !written.contains(id.as_str()))
        .collect();
    assert!(lost.is_empty(), "answered, and not recorded: {lost:?}");
}

#[tokio::test]
async fn a_file_that_cannot_grow_refuses_what_has_to_be_recorded() {
    let root = TempDir::new().expect("a directory");
    let log = root.path().join("log");
    let mut command = serve(&log, None);
    command.env("LIMIT", "16");
    let mut service = Service::start(command);
    let client = service.client().await;
    let (required, on) = (of(&client, "required"), of(&client, "on"));
    let (mut refused, mut recovered) = (0, 0);
    let start = Instant::now();
    while refused < 3 || recovered < 2 {
        assert!(
            start.elapsed() < Duration::from_mins(1),
            "{refused}, {recovered}"
        );
        match required.list().await {
            Ok(_) => recovered += usize::from(refused > 0),
            Err(error) => {
                assert_eq!(
                    (error.code(), error.reason()),
                    (Code::Unavailable, "AUDIT_UNAVAILABLE")
                );
                refused += 1;
                on.list().await.expect("it goes on where it may");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(client);
    service.terminate().await;
    let report = verified(&log, &[]);
    assert!(report.lost > 0 && report.files > 1, "{report:?}");
}
