//! What calls leave behind, and what they are told when they cannot.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tenure::audit::{HashKey, Level, Settings, Sink};
use tenure::call::{Pattern, Rights};
use tenure::config::{Config, Grant, Grpc, Http, Rule};
use tenure::session::limits::Limits;
use tenure::session::names::NamespaceName;
use tenure::{server, store};
use tenure_client::proto::v1;
use tenure_client::proto::v1::begin_refresh_response::Outcome;
use tenure_client::proto::v1::credential::Secret;
use tenure_client::proto::v1::credential_service_client::CredentialServiceClient;
use tenure_client::{
    Code, Error, InvalidationReason, Options, Selector, Sessions, Tenure, TraceContext, Uuid,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;

use super::{Line, events, text, verified};
use crate::server::probes::get;

pub(super) struct Service {
    grpc: SocketAddr,
    http: SocketAddr,
    stop: CancellationToken,
    running: JoinHandle<anyhow::Result<()>>,
}

/// Namespaces by how they are recorded: `off`, `on`, `required`.
pub(super) fn config(log: &Path) -> Config {
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let levels = [
        ("off", Level::Off),
        ("on", Level::On),
        ("required", Level::Required),
    ];
    let namespaces = levels.map(|(name, audit)| {
        let limits = Limits {
            audit,
            ..Limits::default()
        };
        (NamespaceName::new(name).expect("a name"), limits)
    });
    Config {
        grpc: Grpc {
            listen: any_port,
            threads: Some(1),
            ..Grpc::default()
        },
        http: Http { listen: any_port },
        audit: Settings {
            sink: Sink::File,
            directory: Some(log.to_owned()),
            ..Settings::default()
        },
        namespaces: namespaces.into(),
        ..Config::default()
    }
}

impl Service {
    pub(super) async fn start(config: Config) -> Service {
        let store = store::open(&config.store).await.expect("a store");
        let bound = server::bind(config, store).expect("bound");
        let (grpc, http) = (bound.grpc_address(), bound.http_address());
        let running = bound.start().await.expect("started");
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        Service {
            grpc,
            http,
            stop,
            running: tokio::spawn(async move { running.until(stopped.cancelled()).await }),
        }
    }

    pub(super) fn options(&self) -> Options {
        Options::new(&format!("http://{}", self.grpc)).repetitions(0)
    }

    pub(super) async fn client(&self) -> Tenure {
        Tenure::connect(self.options()).await.expect("connected")
    }

    pub(super) async fn metrics(&self) -> String {
        let (status, text) = get(self.http, "/metrics").await;
        assert_eq!(status, "HTTP/1.1 200 OK");
        text
    }

    /// What the audit counts, by the middle of the series' name.
    pub(super) async fn counted(&self, what: &str) -> u64 {
        let series = format!("tenure_audit_{what}_total ");
        let metrics = self.metrics().await;
        let value = metrics.lines().find_map(|line| line.strip_prefix(&series));
        value.expect("a series").parse().expect("a number")
    }

    /// Whether the store does not answer, as the service knows.
    pub(super) async fn is_away(&self) -> bool {
        self.metrics().await.contains("\ntenure_store_ready 0\n")
    }

    pub(super) async fn stop(self) {
        self.stop.cancel();
        let ended = self.running.await.expect("no panic");
        ended.expect("a clean end");
    }
}

pub(super) fn of(client: &Tenure, namespace: &str, user: &str) -> Sessions {
    client.namespace(namespace).owner("acme", user)
}

/// Operation, deed, outcome and reason of each line.
fn told(lines: &[Line]) -> Vec<[&str; 4]> {
    lines
        .iter()
        .map(|line| ["operation", "deed", "outcome", "reason"].map(|field| text(line, field)))
        .collect()
}

const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";
const CANARY: &str = "canary-of-the-state";

#[tokio::test]
async fn every_call_leaves_one_line_that_says_who_what_where_and_how_it_ended() {
    let log = TempDir::new().expect("a directory");
    let service = Service::start(config(log.path())).await;
    let client = service.client().await;
    let ada = of(&client, "required", "ada");
    let state = json!({ "key": CANARY });
    let created = ada.create().state(state).await.expect("created").session;
    let id = created.id.as_str();
    ada.get(id).await.expect("read");
    ada.touch(id).await.expect("touched");
    ada.update(id).set("key", CANARY).await.expect("updated");
    ada.list().await.expect("listed");
    ada.claim_once(CANARY, Duration::from_mins(1))
        .await
        .expect("claimed");
    ada.claim_once(CANARY, Duration::from_mins(1))
        .await
        .expect("claimed before");
    let rotated = ada.rotate(id).await.expect("rotated").session;
    ada.get(id).await.expect_err("it has another id");
    ada.get("short").await.expect_err("no id");
    let bob = of(&client, "required", "bob");
    bob.get(&rotated.id).await.expect_err("not his");
    ada.end(&rotated.id).await.expect("deleted");
    client
        .namespace("required")
        .invalidate(Selector::Tenant("acme".to_owned()))
        .reason(InvalidationReason::Admin)
        .actor("root")
        .note("ticket 7")
        .await
        .expect("in force");
    of(&client, "off", "ada").list().await.expect("listed");
    of(&client, "on", "ada").list().await.expect("listed");
    drop(client);
    service.stop().await;

    let (violations, lines): (Vec<_>, Vec<_>) = events(log.path())
        .into_iter()
        .partition(|line| text(line, "deed") == "ownership_violation");
    assert_eq!(
        told(&lines),
        [
            ["CreateSession", "created", "ok", ""],
            ["GetSession", "retrieved", "ok", ""],
            ["TouchSession", "retrieved", "ok", ""],
            ["UpdateSession", "updated", "ok", ""],
            ["ListSessions", "listed", "ok", ""],
            ["ClaimOnce", "claimed", "ok", ""],
            ["ClaimOnce", "claimed_before", "ok", ""],
            ["RotateSession", "rotated", "ok", ""],
            ["GetSession", "", "refused", "SESSION_ROTATED"],
            ["GetSession", "", "refused", "INVALID_FIELD"],
            ["GetSession", "", "refused", "SESSION_NOT_FOUND"],
            ["DeleteSession", "ended", "ok", ""],
            ["InvalidateSessions", "invalidated", "ok", ""],
            ["ListSessions", "listed", "ok", ""],
        ]
    );
    assert_eq!(
        told(&violations),
        [["GetSession", "ownership_violation", "denied", ""]]
    );
    assert_eq!(text(&violations[0], "user"), "bob");
    let hash = HashKey::of_directory(log.path()).expect("its own key");
    let hash = hash.expect("readable");
    let (old, new) = (hash.hashed(id), hash.hashed(&rotated.id));
    for line in &lines {
        assert_eq!(text(line, "caller"), "local");
        assert!(text(line, "peer").starts_with("127.0.0.1:"));
        assert_eq!(text(line, "correlation_id").len(), 36);
        assert_eq!(text(line, "time").len(), "2026-07-28T12:00:00.000Z".len());
        assert_eq!(text(line, "tenant"), "acme");
    }
    for line in &lines[..4] {
        assert_eq!(text(line, "session"), old);
    }
    assert_eq!(
        (text(&lines[7], "session"), text(&lines[7], "new_session")),
        (&*old, &*new)
    );
    assert_eq!(text(&lines[10], "session"), new);
    let invalidated = &lines[12];
    let said = ["selector", "cause", "actor", "note"].map(|field| text(invalidated, field));
    assert_eq!(said, ["tenant", "admin", "root", "ticket 7"]);
    assert_eq!(text(&lines[13], "namespace"), "on");
    verified(log.path(), &[]);
    for file in super::files_with(log.path(), "") {
        let written = fs::read_to_string(&file).expect("text");
        for canary in [CANARY, id, &rotated.id] {
            assert!(!written.contains(canary), "{canary} in {}", file.display());
        }
    }
}

#[tokio::test]
async fn a_line_is_found_by_what_the_caller_knows() {
    let log = TempDir::new().expect("a directory");
    let service = Service::start(config(log.path())).await;
    let traced = service.options().trace_context_from(|| {
        Some(TraceContext {
            traceparent: format!("00-{TRACE_ID}-b7ad6b7169203331-01"),
            tracestate: String::new(),
        })
    });
    let traced = Tenure::connect(traced).await.expect("connected");
    let called = of(&traced, "on", "ada").list().correlation_id("my-call");
    called.await.expect("listed");
    drop(traced);
    service.stop().await;
    let traced = events(log.path()).pop().expect("one line");
    assert_eq!(text(&traced, "trace_id"), TRACE_ID);
    assert_eq!(text(&traced, "correlation_id"), "my-call");
}

#[tokio::test]
async fn credentials_and_keys_are_recorded_and_no_secret_is() {
    let log = TempDir::new().expect("a directory");
    let service = Service::start(config(log.path())).await;
    let client = service.client().await;
    let ada = of(&client, "required", "ada");
    let id = ada.create().await.expect("created").session.id;
    let credentials = ada.credentials(&id);
    let secret = CANARY.as_bytes().to_vec();
    credentials.put("github", secret).await.expect("kept");
    credentials.get("github").await.expect("read");
    credentials.get("gitlab").await.expect_err("not there");
    credentials.names().await.expect("listed");
    let server = format!("http://{}", service.grpc);
    refresh_twice(&server, &id).await;
    credentials.delete("github").await.expect("destroyed");
    let commands = tokio::task::spawn_blocking(move || {
        for arguments in [
            &["keys", "status"][..],
            &["keys", "rewrap"],
            &[
                "keys",
                "destroy",
                "--namespace",
                "required",
                "--tenant",
                "acme",
                "--yes",
            ],
        ] {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tenure"));
            let ended = command
                .args(arguments)
                .env("TENURE_SERVER", &server)
                .output();
            let ended = ended.expect("it runs");
            assert!(ended.status.success(), "{arguments:?}: {ended:?}");
        }
    });
    commands.await.expect("done");
    drop((client, ada, credentials));
    service.stop().await;
    let lines = events(log.path());
    assert_eq!(
        told(&lines)[1..],
        [
            ["PutCredential", "credential_written", "ok", ""],
            ["GetCredential", "credential_read", "ok", ""],
            ["GetCredential", "", "refused", "CREDENTIAL_NOT_FOUND"],
            ["ListCredentials", "credentials_listed", "ok", ""],
            ["BeginRefresh", "refresh_begun", "ok", ""],
            ["AbandonRefresh", "refresh_abandoned", "ok", ""],
            ["BeginRefresh", "refresh_begun", "ok", ""],
            ["CompleteRefresh", "refresh_completed", "ok", ""],
            ["CompleteRefresh", "", "refused", "REFRESH_LEASE_LOST"],
            ["BeginRefresh", "credential_read", "ok", ""],
            ["DeleteCredential", "credential_deleted", "ok", ""],
            ["GetKeyStatus", "", "ok", ""],
            ["RewrapKeys", "keys_rewrapped", "ok", ""],
            ["DestroyTenantKey", "tenant_key_destroyed", "ok", ""],
        ]
    );
    assert_eq!(text(&lines[2], "credential"), "github");
    assert_eq!(text(&lines[2], "session"), text(&lines[0], "session"));
    for line in &lines[5..=10] {
        assert_eq!(text(line, "credential"), "github");
        assert_eq!(text(line, "session"), text(&lines[0], "session"));
    }
    let destroyed = lines.last().expect("the last");
    assert_eq!(text(destroyed, "tenant"), "acme");
    for file in super::files_with(log.path(), "") {
        let written = fs::read_to_string(&file).expect("text");
        assert!(!written.contains(CANARY), "{}", file.display());
    }
}

/// Gives the right to refresh back once, then refreshes; then twice finds that it was done.
async fn refresh_twice(server: &str, id: &str) {
    let endpoint = Endpoint::from_shared(server.to_owned()).expect("an address");
    let channel = endpoint.connect().await.expect("connected");
    let mut client = CredentialServiceClient::new(channel);
    let owner = Some(v1::Owner {
        tenant: "acme".to_owned(),
        user: "ada".to_owned(),
        issuer: String::new(),
    });
    let begin = v1::BeginRefreshRequest {
        namespace: "required".to_owned(),
        owner: owner.clone(),
        session_id: id.to_owned(),
        name: "github".to_owned(),
        stale_version: 1,
        ..v1::BeginRefreshRequest::default()
    };
    let lease = |begun: tonic::Response<v1::BeginRefreshResponse>| {
        let Some(Outcome::Lease(lease)) = begun.into_inner().outcome else {
            panic!("somebody else refreshed it");
        };
        lease.lease_id
    };
    let leased = client.begin_refresh(begin.clone()).await;
    let abandon = v1::AbandonRefreshRequest {
        namespace: begin.namespace.clone(),
        owner: owner.clone(),
        session_id: id.to_owned(),
        name: begin.name.clone(),
        lease_id: lease(leased.expect("a lease")),
        uncertain: true,
    };
    let abandoned = client.abandon_refresh(abandon).await;
    abandoned.expect("given back");
    let leased = client.begin_refresh(begin.clone()).await;
    let complete = v1::CompleteRefreshRequest {
        namespace: begin.namespace.clone(),
        owner,
        session_id: id.to_owned(),
        name: begin.name.clone(),
        lease_id: lease(leased.expect("a lease")),
        credential: Some(v1::Credential {
            secret: Some(Secret::Opaque(CANARY.as_bytes().to_vec())),
        }),
    };
    let completed = client.complete_refresh(complete.clone()).await;
    completed.expect("stored");
    let foreign = v1::CompleteRefreshRequest {
        lease_id: Uuid::new_v4().to_string(),
        ..complete
    };
    let lost = client.complete_refresh(foreign).await;
    lost.expect_err("no such lease");
    let found = client.begin_refresh(begin).await;
    let found = found.expect("an answer").into_inner().outcome;
    assert!(matches!(found, Some(Outcome::Refreshed(it)) if it.version == 2));
}

pub(super) fn rule(allow: &str, namespace: &str) -> Rule {
    Rule {
        callers: vec![Pattern::of_callers("apikey:crm")],
        allow: vec![Grant {
            word: allow.to_owned(),
            rights: Rights::named(allow).expect("a role"),
        }],
        namespaces: vec![Pattern::of_names(namespace)],
        tenants: vec![Pattern::of_names("*")],
    }
}

fn assert_unavailable(error: &Error) {
    assert_eq!(
        (error.code(), error.reason()),
        (Code::Unavailable, "AUDIT_UNAVAILABLE")
    );
    assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_done_where_it_has_to_be() {
    let root = TempDir::new().expect("a directory");
    let (log, away) = (root.path().join("log"), root.path().join("away"));
    let mut config = config(&log);
    config.audit.rotate_bytes = 512;
    let service = Service::start(config).await;
    let client = service.client().await;
    let (required, on) = (of(&client, "required", "ada"), of(&client, "on", "ada"));
    let session = required.create().await.expect("created").session;
    required.get(&session.id).await.expect("read");
    // No file can be begun any more, and one is due.
    fs::rename(&log, &away).expect("moved");
    let mut failures = Vec::new();
    while failures.len() < 5 {
        if let Err(error) = required.get(&session.id).await {
            failures.push(error);
        }
    }
    failures.iter().for_each(assert_unavailable);
    let request_id = Uuid::from_u128(7).to_string();
    let refused = required.create().request_id(&request_id).await;
    assert_unavailable(&refused.expect_err("it cannot be recorded"));
    let invalidate = required.invalidate().await;
    assert_unavailable(&invalidate.expect_err("it cannot be recorded"));
    // The control: the same service, where recording is not a condition.
    on.create().await.expect("it goes on");
    on.list().await.expect("it goes on");

    fs::rename(&away, &log).expect("moved back");
    while let Err(error) = required.get(&session.id).await {
        assert_unavailable(&error);
    }
    let live = required.list().await.expect("listed");
    assert_eq!(live.sessions.len(), 1, "what was refused was not done");
    let made = required.create().request_id(request_id).await.expect("now");
    assert!(!made.replayed);
    let (lost, failures) = (
        service.counted("lost").await,
        service.counted("failures").await,
    );
    drop(client);
    service.stop().await;
    let report = verified(&log, &[]);
    assert!(report.lost >= 2, "what went on is counted: {report:?}");
    assert_eq!(lost, report.lost);
    assert!(failures > 0);
}
