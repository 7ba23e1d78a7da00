//! What reaches the disk, and when: the real process, with its calls of fdatasync counted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tenure_client::Code;

use super::killed::{Service, of, serve};
use super::{events, text, verified};

/// Counts in a file how often something was synced, and lets it fail while another file is there.
const COUNTING: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    int out = open(getenv("SYNCS"), O_WRONLY | O_APPEND | O_CREAT, 0600);
    ssize_t written = write(out, ".", 1);
    close(out);
    if (written != 1 || access(getenv("SYNCS_FAIL"), F_OK) == 0) { errno = EIO; return -1; }
    return real(fd);
}
"#;

/// The library, compiled once: Rust needs a C compiler to link, so there is one.
static LIBRARY: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let root = TempDir::new().expect("a directory");
    let (source, library) = (root.path().join("syncs.c"), root.path().join("syncs.so"));
    fs::write(&source, COUNTING).expect("written");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]);
    let compiled = compiler.arg(&library).arg(&source).arg("-ldl").status();
    assert!(compiled.expect("a C compiler").success());
    (root, library)
});

/// A log, and how often it was synced.
struct Synced {
    root: TempDir,
}

impl Synced {
    fn new() -> Synced {
        Synced {
            root: TempDir::new().expect("a directory"),
        }
    }

    fn log(&self) -> PathBuf {
        self.root.path().join("log")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn start(&self, settings: &[&str]) -> Service {
        let mut command = serve(&self.log(), None);
        for setting in settings {
            command.args(["--set", setting]);
        }
        // Without a head in between there is only what the calls themselves bring about.
        command.args(["--set", "audit.head_interval=1h"]);
        command
            .env("LD_PRELOAD", &LIBRARY.1)
            .env("SYNCS", self.path("syncs"))
            .env("SYNCS_FAIL", self.path("fail"));
        Service::start(command)
    }

    fn count(&self) -> usize {
        fs::read(self.path("syncs")).map_or(0, |syncs| syncs.len())
    }
}

#[tokio::test]
async fn each_answer_follows_its_sync_where_that_is_asked() {
    const CALLS: usize = 20;
    for (fsync, at_least, at_most) in [
        ("audit.fsync=always", CALLS, usize::MAX),
        // The first hour is not over.
        ("audit.fsync_interval=1h", 0, 0),
        ("audit.fsync=never", 0, 0),
    ] {
        let synced = Synced::new();
        let mut service = synced.start(&[fsync]);
        let client = service.client().await;
        let before = synced.count();
        for call in 1..=CALLS {
            let id = format!("call-{call}");
            let listed = of(&client, "required").list().correlation_id(&id);
            listed.await.expect("listed");
            // Whatever comes now, this line is there.
            let lines = events(&synced.log());
            assert_eq!(lines.len(), call, "{fsync}");
            assert_eq!(text(&lines[call - 1], "correlation_id"), id);
            assert!(synced.count() - before >= call.min(at_least), "{fsync}");
        }
        assert!(synced.count() - before <= at_most, "{fsync}");
        drop(client);
        service.terminate().await;
        // The end of a log is synced, unless it never is.
        let ends = usize::from(fsync != "audit.fsync=never");
        assert!(synced.count() - before >= at_least + ends, "{fsync}");
        verified(&synced.log(), &[]);
    }
}

#[tokio::test]
async fn now_and_then_is_soon() {
    let synced = Synced::new();
    let mut service = synced.start(&["audit.fsync_interval=50ms"]);
    let client = service.client().await;
    let before = synced.count();
    of(&client, "required").list().await.expect("listed");
    // No other call comes: it is synced all the same.
    eventually(|| synced.count() > before).await;
    drop(client);
    service.terminate().await;
}

#[tokio::test]
async fn a_disk_that_fails_refuses_what_has_to_be_recorded() {
    let synced = Synced::new();
    let mut service = synced.start(&["audit.fsync=always"]);
    let client = service.client().await;
    of(&client, "required").list().await.expect("listed");
    fs::write(synced.path("fail"), "").expect("written");
    for _ in 0..2 {
        let refused = of(&client, "required").list().await.expect_err("no disk");
        let told = (refused.code(), refused.reason());
        assert_eq!(told, (Code::Unavailable, "AUDIT_UNAVAILABLE"));
        of(&client, "on")
            .list()
            .await
            .expect("it goes on where it may");
    }
    fs::remove_file(synced.path("fail")).expect("removed");
    let mut calls = 6;
    let start = Instant::now();
    while of(&client, "required").list().await.is_err() {
        calls += 1;
        assert!(start.elapsed() < Duration::from_mins(1), "it recovers");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(client);
    service.terminate().await;
    let report = verified(&synced.log(), &[]);
    assert!(report.files > 1, "a new file after the failure: {report:?}");
    // The first, the last, and the one that was done before the disk failed; all others are known to lack.
    let lines = events(&synced.log());
    let done = lines.iter().filter(|line| text(line, "outcome") == "ok");
    assert!(done.count() >= 3);
    let lost = usize::try_from(report.lost).expect("few");
    assert_eq!(lines.len() + lost, calls, "{report:?}");
}

#[tokio::test]
async fn a_file_that_is_old_enough_is_the_last_of_its_kind() {
    let synced = Synced::new();
    let mut service = synced.start(&["audit.rotate_after=1s"]);
    let client = service.client().await;
    of(&client, "required").list().await.expect("listed");
    // Also when nothing happens.
    eventually(|| files(&synced.log()).len() >= 3).await;
    of(&client, "required").list().await.expect("listed");
    drop(client);
    service.terminate().await;
    let report = verified(&synced.log(), &[]);
    assert!(report.files >= 3, "{report:?}");
    assert_eq!(events(&synced.log()).len(), 2);
}

fn files(log: &Path) -> Vec<PathBuf> {
    super::files_with(log, "audit-")
}

async fn eventually(came: impl Fn() -> bool) {
    let start = Instant::now();
    while !came() {
        assert!(start.elapsed() < Duration::from_mins(1), "it never came");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
