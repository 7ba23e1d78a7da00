//! Endings whose answer from Redis is lost: each is told all the same, once, or it is said that nobody knows.

use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tenure::audit::HashKey;
use tenure::config::Config;
use tenure_client::{OnExisting, Tenure};

use super::wire::{Service, config, of};
use super::{Line, events, text, verified};
use crate::support::redis::{Proxy, Server};

fn over(log: &Path, url: String) -> Config {
    let mut config = config(log);
    config.store.url = url;
    config.store.sweep_interval = Duration::from_millis(20);
    // Nothing but what is lost on purpose.
    config.store.redis.response_timeout = Some(Duration::from_secs(4));
    config
}

/// Lines about endings that nobody called for, without their times.
fn endings(log: &Path) -> Vec<Line> {
    let mut lines = events(log);
    lines.retain(|line| text(line, "deed") == "ended" && text(line, "operation").is_empty());
    lines
}

/// Waits until so many endings are told.
async fn until_told(log: &Path, count: usize) {
    let start = Instant::now();
    while endings(log).len() < count {
        let told = endings(log);
        assert!(start.elapsed() < Duration::from_secs(30), "{told:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The lines of one kind of call.
fn calls(log: &Path, operation: &str) -> Vec<[String; 2]> {
    let lines = events(log);
    let calls = lines
        .iter()
        .filter(|line| text(line, "operation") == operation);
    let said = |line: &Line| ["outcome", "reason"].map(|field| text(line, field).to_owned());
    calls.map(said).collect()
}

/// A service on a Redis whose answers get lost.
struct Lossy {
    root: TempDir,
    server: Server,
    proxy: Proxy,
    service: Service,
    client: Tenure,
}

impl Lossy {
    async fn start(change: impl FnOnce(&mut Config)) -> Lossy {
        let root = TempDir::new().expect("a directory");
        let server = Server::start();
        let proxy = Proxy::before(server.port);
        let mut config = over(&root.path().join("log"), proxy.url());
        config.audit.hash_key_file = Some(root.path().join("hash.key"));
        HashKey::generate(&root.path().join("hash.key")).expect("a key");
        change(&mut config);
        let service = Service::start(config).await;
        let client = service.client().await;
        Lossy {
            root,
            server,
            proxy,
            service,
            client,
        }
    }

    fn log(&self) -> std::path::PathBuf {
        self.root.path().join("log")
    }

    fn hashed(&self, id: &str) -> String {
        let key = HashKey::read(&self.root.path().join("hash.key")).expect("a key");
        key.hashed(id)
    }

    fn lose(&self, bytes: &str) {
        self.proxy.lose_answer_to(bytes.as_bytes());
    }

    /// Waits until so many endings are told; then that no more are, and that the log is sound.
    async fn told(self, count: usize) -> (Vec<Line>, TempDir) {
        let log = self.log();
        until_told(&log, count).await;
        assert!(self.proxy.has_lost(), "the answer was not lost");
        drop(self.client);
        self.service.stop().await;
        verified(&log, &[]);
        let told = endings(&log);
        assert_eq!(told.len(), count, "{told:?}");
        (told, self.root)
    }
}

const OLD: &str = "the-first-session";
const NEW: &str = "the-second-session";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expiry_whose_answer_is_lost_is_told() {
    let lossy = Lossy::start(|_| {}).await;
    let second = Duration::from_secs(1);
    // The server has to know the script: else it says only that it does not.
    let bob = of(&lossy.client, "required", "bob");
    bob.create().idle_ttl(second).await.expect("made");
    until_told(&lossy.log(), 1).await;
    let ada = of(&lossy.client, "required", "ada");
    // Long enough for what comes before the sweep speaks of it, also on a busy machine.
    let made = ada.create().session_id(OLD).idle_ttl(3 * second);
    made.await.expect("made");
    // Only the sweep speaks of it from now on.
    lossy.lose(OLD);
    let hash = lossy.hashed(OLD);
    let (told, _root) = lossy.told(2).await;
    assert_eq!(text(&told[1], "session"), hash);
    let said = ["outcome", "reason", "user"].map(|field| text(&told[1], field));
    assert_eq!(said, ["ok", "SESSION_EXPIRED_IDLE", "ada"]);
    assert!(text(&told[1], "ended_at") <= text(&told[1], "time"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_creation_has_ended_is_told_and_what_became_of_it_is_unknown() {
    let lossy = Lossy::start(|_| {}).await;
    let ada = of(&lossy.client, "required", "ada");
    let first = ada.create().session_id(OLD).conversation("talk");
    first.await.expect("made");
    lossy.lose(NEW);
    let replacing = ada.create().session_id(NEW).conversation("talk");
    let replacing = replacing.on_existing(OnExisting::Replace).await;
    assert_eq!(
        replacing.expect_err("no answer").reason(),
        "STORE_UNAVAILABLE"
    );
    let (log, hash) = (lossy.log(), lossy.hashed(OLD));
    let (told, _root) = lossy.told(1).await;
    let said = ["session", "reason"].map(|field| text(&told[0], field));
    assert_eq!(said, [hash.as_str(), "SESSION_REPLACED"]);
    // It was made, and nobody can say so: but not that it was not.
    let unknown = ["unknown".to_owned(), "STORE_UNAVAILABLE".to_owned()];
    assert_eq!(calls(&log, "CreateSession")[1], unknown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_invalidation_has_ended_is_told_also_when_redis_wakes_up_late() {
    let lossy = Lossy::start(|_| {}).await;
    let ada = of(&lossy.client, "required", "ada");
    let first = ada.create().session_id(OLD).await;
    first.expect("made");
    ada.create().session_id(NEW).await.expect("made");
    // There is a connection, and the server knows the script.
    let nobody = of(&lossy.client, "required", "bob").invalidate();
    nobody.await.expect("in force");
    // Nothing is lost on the way: it has not been answered when it is given up.
    lossy.server.freeze();
    let invalidated = ada.invalidate().await;
    assert_eq!(
        invalidated.expect_err("no answer").reason(),
        "STORE_UNAVAILABLE"
    );
    // And nothing is asked while it is known to be away, so nothing is unknown.
    while !lossy.service.is_away().await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let refused = ada.create().session_id("the-refused-session").await;
    refused.expect_err("no store");
    lossy.server.thaw();
    lossy.lose("the-fourth-session");
    let fourth = loop {
        let fourth = ada.create().session_id("the-fourth-session").await;
        if lossy.proxy.has_lost() {
            break fourth;
        }
    };
    fourth.expect_err("its answer was lost, and it has ended nothing");
    let (log, mut hashes) = (lossy.log(), [OLD, NEW].map(|id| lossy.hashed(id)));
    hashes.sort_unstable();
    let (told, _root) = lossy.told(2).await;
    let mut sessions: Vec<&str> = told.iter().map(|line| text(line, "session")).collect();
    sessions.sort_unstable();
    assert_eq!(sessions, hashes);
    assert!(
        told.iter()
            .all(|line| text(line, "reason") == "SESSION_INVALIDATED")
    );
    assert_eq!(calls(&log, "InvalidateSessions")[1][0], "unknown");
    let creations = calls(&log, "CreateSession");
    assert_eq!(
        creations[2][0], "failed",
        "it was not even sent: {creations:?}"
    );
    assert_eq!(creations.last().expect("the last")[0], "unknown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_goes_finds_out_what_it_can() {
    for trimmed in [false, true] {
        // Nobody sweeps: it is found out as the service ends.
        let lossy = Lossy::start(|config| {
            config.store.sweep_interval = Duration::from_hours(1);
            config.store.event_log_length = 1;
        })
        .await;
        let ada = of(&lossy.client, "required", "ada");
        let first = ada.create().session_id(OLD).conversation("talk");
        first.await.expect("made");
        lossy.lose(NEW);
        let replacing = ada.create().session_id(NEW).conversation("talk");
        let replacing = replacing.on_existing(OnExisting::Replace).await;
        replacing.expect_err("no answer");
        if trimmed {
            // The log of the owner's cell keeps a hundred entries or two.
            for _ in 0..200 {
                let made = ada.create().await.expect("made").session;
                ada.end(&made.id).await.expect("ended");
            }
        }
        let (log, hash) = (lossy.log(), lossy.hashed(OLD));
        drop(lossy.client);
        lossy.service.stop().await;
        verified(&log, &[]);
        let told = endings(&log);
        let said: Vec<_> = told
            .iter()
            .map(|line| ["outcome", "session", "user"].map(|field| text(line, field)))
            .collect();
        if trimmed {
            assert_eq!(said, [["unknown", "", "ada"]]);
        } else {
            assert_eq!(said, [["ok", hash.as_str(), "ada"]]);
        }
    }
}

/// A failover to a replica that had not heard of the last second: the same as a server that comes back with what
/// it had saved before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ending_that_redis_forgets_is_told_again_with_the_same_words() {
    let root = TempDir::new().expect("a directory");
    let mut server = Server::start();
    let log = root.path().join("log");
    let service = Service::start(over(&log, server.url())).await;
    let client = service.client().await;
    let ada = of(&client, "required", "ada");
    let idle = ada.create().idle_ttl(Duration::from_secs(1));
    idle.await.expect("made");
    of(&client, "required", "bob").create().await.expect("made");
    server.ask(&["SAVE"]);
    of(&client, "required", "bob")
        .invalidate()
        .await
        .expect("in force");
    until_told(&log, 2).await;
    server.kill();
    server.restart();
    until_told(&log, 3).await;
    // What came back and was ended again by this instance, which still knew of it, is told once.
    while ada.list().await.is_err() {}
    let back = of(&client, "required", "bob").list().await.expect("listed");
    assert_eq!(back.sessions.len(), 0);
    drop(client);
    service.stop().await;
    verified(&log, &[]);
    let told = endings(&log);
    let words = |line: &Line| {
        ["session", "user", "reason", "outcome", "ended_at"]
            .map(|field| text(line, field).to_owned())
    };
    let of_user = |user: &str| -> Vec<[String; 5]> {
        let lines = told.iter().filter(|line| text(line, "user") == user);
        lines.map(words).collect()
    };
    let (ada, bob) = (of_user("ada"), of_user("bob"));
    assert_eq!((ada.len(), bob.len()), (2, 1), "{told:?}");
    assert_eq!(ada[0], ada[1]);
    assert_eq!(ada[0][2], "SESSION_EXPIRED_IDLE");
    assert_eq!(bob[0][2], "SESSION_INVALIDATED");
}
