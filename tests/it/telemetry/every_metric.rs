//! Each metric of docs/METRICS.md is provoked here: what is in the table and never moves is found.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use tenure::config::Config;
use tenure::server;
use tenure::vault::{KeyId, generate_line};
use tenure_client::{Code, Sessions, Tenure, TokenSet};

use crate::server::fake_store::FakeStore;
use crate::server::probes;
use crate::support::redis::{Server, free_port, wait_until};
use crate::support::service::Service;

/// They tell how a service was started, and stay.
const STEADY: [&str; 2] = ["tenure_build_info", "tenure_calls_limit"];

/// The first column of the table.
fn documented() -> BTreeSet<&'static str> {
    let text = include_str!("../../../docs/METRICS.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split('`').next()).collect()
}

/// The series of one service, with all values that were seen.
#[derive(Default)]
struct Seen(BTreeMap<String, BTreeSet<String>>);

impl Seen {
    fn look(&mut self, page: &str) {
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let values = self.0.entry(series.to_owned()).or_default();
            values.insert(value.to_owned());
        }
    }

    /// The metrics whose value has changed. A histogram has no series before its first value.
    fn moved(&self) -> BTreeSet<&str> {
        let moved = self.0.iter().filter_map(|(series, values)| {
            let name = series.split('{').next().expect("a name");
            match name.strip_suffix("_count") {
                Some(histogram) => Some(histogram),
                None => (values.len() > 1).then_some(name),
            }
        });
        moved.collect()
    }
}

/// A service, and what its metrics have said so far.
struct Watched {
    service: Service,
    seen: Seen,
}

impl Watched {
    fn start(store: &str, config: &str) -> Watched {
        let service = Service::start_with(store, config);
        let seen = Seen::default();
        let mut watched = Watched { service, seen };
        watched.value("");
        watched
    }

    /// The value of a series now; 0 if it is not there.
    fn value(&mut self, series: &str) -> f64 {
        let (code, page) = self.service.http("/metrics");
        assert_eq!(code, 200);
        self.seen.look(&page);
        let value = |line: &str| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok();
        page.lines().find_map(value).unwrap_or(0.0)
    }

    #[track_caller]
    fn until(&mut self, series: &str, is_so: impl Fn(f64) -> bool) {
        wait_until(series, || is_so(self.value(series)));
    }

    fn ann(&self) -> Sessions {
        ann(&self.service.client())
    }
}

fn ann(tenure: &Tenure) -> Sessions {
    tenure.namespace("crm").owner("acme", "ann")
}

fn is(wanted: f64) -> impl Fn(f64) -> bool {
    move |value| (value - wanted).abs() < 0.5
}

fn key_file(dir: &TempDir) -> std::path::PathBuf {
    let file = dir.path().join("keys");
    let line = generate_line(&KeyId::new("one").expect("a good name"));
    fs::write(&file, line.expose_secret()).expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("a mode");
    file
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn is_seen_to_move() {
    let mut moved = BTreeSet::new();
    for seen in [
        over_redis().await,
        strangers().await,
        an_audit_that_cannot_be_written().await,
        a_store_that_panics().await,
    ] {
        moved.extend(seen.moved().into_iter().map(str::to_owned));
    }
    let never: Vec<_> = documented()
        .into_iter()
        .filter(|name| !moved.contains(*name) && !STEADY.contains(name))
        .collect();
    assert!(never.is_empty(), "nothing provokes {never:?}");
}

/// Calls, sessions, secrets, and a Redis that is frozen, killed and started again.
async fn over_redis() -> Seen {
    let dir = TempDir::new().expect("a directory");
    let mut redis = Server::start();
    let config = format!(
        "[grpc]\nmax_in_flight = 3\n[store]\nsweep_interval = \"100ms\"\nredis_response_timeout = \"10s\"\n\
         [keys]\nfile = \"{}\"\n[namespaces.crm]\n\
         [telemetry]\notlp_endpoint = \"http://127.0.0.1:{}\"\notlp_timeout = \"200ms\"\nmetrics_interval = \"100ms\"\n",
        key_file(&dir).display(),
        free_port(),
    );
    let mut watched = Watched::start(&redis.url(), &config);
    watched.service.wait_until_ready();
    assert!(is(3.0)(watched.value("tenure_calls_limit")));
    let client = watched.service.client();
    let mut events = client.namespace("crm").watch().await.expect("watching");
    watched.until("tenure_watch_streams", is(1.0));
    watched.until("tenure_connections_open", |open| open > 0.0);
    let made = ann(&client).create().await.expect("made").session;
    events.next().await.expect("an event");
    watched.until("tenure_watch_lag_seconds_count", |count| count > 0.0);
    drop(events);
    watched.until("tenure_watch_streams", is(0.0));
    watched.until("tenure_sessions_live{namespace=\"crm\"}", is(1.0));

    let other = client.namespace("crm").owner("acme", "bob");
    other.get(&made.id).await.expect_err("ann's");
    let violations = "tenure_ownership_violations_total{namespace=\"crm\"}";
    watched.until(violations, is(1.0));
    let brief = other.create().idle_ttl(Duration::from_secs(1));
    brief.await.expect("made");
    let expired = "tenure_sessions_ended_total{namespace=\"crm\",cause=\"expired_idle\"}";
    watched.until(expired, is(1.0));
    sealed(&mut watched, &redis, &made.id).await;
    let lost = |signal| format!("tenure_telemetry_lost_total{{signal=\"{signal}\"}}");
    watched.until(&lost("metrics"), |count| count > 0.0);

    let trouble = "tenure_store_trouble{what=\"unsafe_eviction\"}";
    for (policy, is_trouble) in [("allkeys-lru", 1.0), ("noeviction", 0.0)] {
        redis.ask(&["CONFIG", "SET", "maxmemory-policy", policy]);
        watched.until(trouble, is(is_trouble));
    }
    watched.until("tenure_store_ready", is(1.0));

    // Redis hangs: calls wait, and more than the service takes is turned away.
    redis.freeze();
    let waiting: Vec<_> = (0..3)
        .map(|_| tokio::spawn(ann(&client).get(&made.id).into_future()))
        .collect();
    watched.until("tenure_calls_in_flight", is(3.0));
    let shed = ann(&client).get(&made.id).await.expect_err("no place");
    assert_eq!(shed.code(), Code::ResourceExhausted);
    watched.until("tenure_calls_shed_total", is(1.0));
    let [closed, open] = ["closed", "open"].map(|breaker| {
        let series = format!("tenure_store_servers{{breaker=\"{breaker}\"}}");
        move |watched: &mut Watched, servers| watched.until(&series, is(servers))
    });
    closed(&mut watched, 1.0);
    // And is gone.
    redis.kill();
    for call in waiting {
        let failed = call.await.expect("no panic").expect_err("no answer");
        assert_eq!(failed.code(), Code::Unavailable);
    }
    watched.until("tenure_store_ready", is(0.0));
    open(&mut watched, 1.0);
    closed(&mut watched, 0.0);
    redis.restart();
    watched.until("tenure_store_ready", is(1.0));
    open(&mut watched, 0.0);
    closed(&mut watched, 1.0);
    drop((client, other));
    watched.until("tenure_connections_open", is(0.0));
    watched.seen
}

/// A credential that is kept, and one whose tenant's key is none.
async fn sealed(watched: &mut Watched, redis: &Server, session: &str) {
    let keys = "tenure_encryption_data_keys";
    assert!(is(0.0)(watched.value(keys)));
    let credentials = watched.ann().credentials(session);
    let put = credentials.put("token", TokenSet::bearer("secret"));
    put.await.expect("sealed");
    watched.until(keys, is(1.0));
    redis.ask(&["HSET", "tenure:{tenant-keys}:k", "crm\0umbrella", "no key"]);
    let bob = watched.service.client();
    let bob = bob.namespace("crm").owner("umbrella", "bob");
    let made = bob.create().await.expect("made").session;
    let put = bob.credentials(made.id);
    let put = put.put("token", TokenSet::bearer("secret"));
    put.await.expect_err("no key opens");
    let unreadable = "tenure_encryption_failures_total{why=\"unreadable\"}";
    watched.until(unreadable, is(1.0));
}

fn audited(directory: &Path, rest: &str) -> String {
    let directory = directory.display();
    format!("[audit]\nsink = \"file\"\ndirectory = \"{directory}\"\n{rest}\n[namespaces.crm]\n")
}

/// Callers whom nobody knows, more of them than the audit gives a line each.
async fn strangers() -> Seen {
    let log = TempDir::new().expect("a directory");
    let config = audited(log.path(), "turned_away_per_second = 1")
        + &format!("[callers.apikey.crm]\nhashes = [\"sha256:{:064}\"]\n", 0)
        + "[policy.crm]\ncallers = [\"apikey:crm\"]\nallow = [\"server\"]\nnamespaces = [\"*\"]\n";
    let mut watched = Watched::start("memory:", &config);
    let calls = watched.ann();
    let mut turned_away = 0.0;
    while watched.value("tenure_audit_turned_away_total") == 0.0 {
        let denied = calls.list().await.expect_err("turned away");
        assert_eq!(denied.code(), Code::Unauthenticated);
        turned_away += 1.0;
    }
    let barred = watched.value("tenure_calls_barred_total{why=\"unknown\"}");
    assert!(is(turned_away)(barred), "{barred}");
    watched.seen
}

/// Its directory is not there when the next file is due, and comes back.
async fn an_audit_that_cannot_be_written() -> Seen {
    let dir = TempDir::new().expect("a directory");
    let (log, away) = (dir.path().join("log"), dir.path().join("away"));
    let config = audited(&log, "rotate_bytes = \"4KiB\"\nqueue_lines = 16");
    let mut watched = Watched::start("memory:", &config);
    let calls = watched.ann();
    let session = calls.create().await.expect("made").session;
    watched.until("tenure_audit_lines_total", |lines| lines > 0.0);
    watched.until("tenure_store_size_bytes", |bytes| bytes > 0.0);
    fs::rename(&log, &away).expect("moved");
    while watched.value("tenure_audit_lost_total") == 0.0 {
        calls.get(&session.id).await.expect("it goes on");
    }
    watched.until("tenure_audit_failures_total", |failures| failures > 0.0);
    assert!(watched.value("tenure_audit_waiting") > 0.0);
    fs::rename(&away, &log).expect("moved back");
    watched.until("tenure_audit_waiting", is(0.0));
    calls.end(&session.id).await.expect("ended");
    watched.value("");
    watched.seen
}

/// It panics when it is asked whose a session is.
async fn a_store_that_panics() -> Seen {
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut config = Config::default();
    (config.grpc.listen, config.http.listen) = (any_port, any_port);
    let store = Arc::new(FakeStore::default());
    let bound = server::bind(config, Arc::clone(&store) as Arc<_>).expect("bound");
    let (grpc, http) = (bound.grpc_address(), bound.http_address());
    let running = bound.start().await.expect("started");
    let running = tokio::spawn(running.until(std::future::pending()));
    let options = tenure_client::Options::new(&format!("http://{grpc}"));
    let client = Tenure::lazy(options).expect("good options");
    let mut seen = Seen::default();
    seen.look(&probes::get(http, "/metrics").await.1);
    store.set_panicking_about_bearers(true);
    ann(&client)
        .end("0123456789abcdef")
        .await
        .expect("no error");
    for _ in 0..1000 {
        seen.look(&probes::get(http, "/metrics").await.1);
        if seen.moved().contains("tenure_ownership_unchecked_total") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    running.abort();
    seen
}
