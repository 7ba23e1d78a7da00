//! Secrets that are planted everywhere and found nowhere but in their place.

use std::fmt::Debug;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use futures::StreamExt as _;
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use secrecy::ExposeSecret as _;
use tempfile::{NamedTempFile, TempDir};
use tenure::callers::new_key;
use tenure::session::names::{CallerTag, CredentialName, NamespaceName, Owner, SessionId};
use tenure::store::{Namespace, Place};
use tenure_client::proto::admin_v1 as admin;
use tenure_client::proto::v1;
use tokio::task::spawn_blocking;
use tonic::transport::Endpoint;
use tonic::{Request, Status};

use crate::telemetry::collector::{Collector, Manner};

use super::{Caller, Fleet, SECRET, config, opaque, tokens};

const CANARY: &str = "canary7f3a";

/// A service in a process of its own, which tells all that it can.
struct Loud {
    child: Child,
    log: NamedTempFile,
    audit: TempDir,
    grpc: String,
    http: String,
    collector: Collector,
}

impl Loud {
    async fn start(settings: &[&str]) -> Loud {
        let collector = Collector::start(Manner::Takes).await;
        let endpoint = format!("telemetry.otlp_endpoint={}", collector.url());
        let log = NamedTempFile::new().expect("a file");
        let audit = TempDir::new().expect("a directory");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TENURE_") {
                command.env_remove(name);
            }
        }
        command.args(["serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
        let directory = format!("audit.directory={}", audit.path().display());
        let encrypts = format!("namespaces.{SECRET}.encrypt_state=true");
        let own = [
            "log.filter=trace",
            "audit.sink=file",
            &directory,
            &encrypts,
            &endpoint,
            "telemetry.trace_ratio=1",
            "telemetry.metrics_interval=100ms",
        ];
        for setting in own.iter().chain(settings) {
            command.args(["--set", setting]);
        }
        let stderr = log.reopen().expect("the same file");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .expect("the service starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it was asked for");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("it speaks");
        let at = |name: &str| {
            let mut words = line.split(' ');
            let found = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            found.expect("it says where").to_owned()
        };
        let (grpc, http) = (at("grpc"), at("http"));
        Loud {
            child,
            log,
            audit,
            grpc,
            http,
            collector,
        }
    }

    async fn caller(&self) -> Caller {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.grpc));
        let channel = endpoint.expect("an address").connect().await;
        Caller::new(channel.expect("connected"), SECRET)
    }

    fn http(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.http).expect("it listens");
        let request = format!("GET {path} HTTP/1.1\r\nhost: tenure\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("asked");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        answer
    }

    /// Everything that the service tells beside its answers, once it has ended: what it is, what proves that it
    /// was heard, and the text. Another way to tell something belongs here.
    fn outputs(mut self) -> Vec<(&'static str, &'static str, String)> {
        let metrics = self.http("/metrics");
        let ready = self.http("/readyz") + &self.http("/livez");
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status();
        assert!(sent.expect("a signal").success());
        assert!(self.child.wait().expect("our own child").success());
        let mut audit = String::new();
        for entry in std::fs::read_dir(self.audit.path()).expect("a directory") {
            let file = std::fs::read(entry.expect("an entry").path()).expect("a file");
            audit += &String::from_utf8_lossy(&file);
        }
        let log = std::fs::read(self.log.path()).expect("a log");
        let log = String::from_utf8_lossy(&log).into_owned();
        assert!(log.contains("lifecycle"), "the log is on");
        // It has sent all of it before it ended.
        assert!(!self.collector.spans().is_empty() && !self.collector.lines().is_empty());
        assert!(self.collector.metrics().is_some());
        let sent = format!("{:?}", self.collector.everything());
        vec![
            ("log", "TRACE", log),
            ("telemetry", "CreateSession", sent),
            ("metrics", "tenure_calls_limit", metrics),
            ("probes", "200 OK", ready),
            ("audit", "CreateSession", audit),
        ]
    }
}

impl Drop for Loud {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What callers were told, but for what is theirs.
#[derive(Default)]
struct Told(Vec<(&'static str, String)>);

impl Told {
    fn hear(&mut self, what: &'static str, told: &impl Debug) {
        self.0.push((what, format!("{told:?}")));
    }

    fn refused<T>(&mut self, answer: Result<T, Status>) {
        let status = answer.err().expect("refused");
        // As it is on the wire, details and trailing metadata included.
        let details = String::from_utf8_lossy(status.details()).into_owned();
        self.hear("errors", &(&status, details));
    }

    /// Asserts that none of it, and nothing that the service told elsewhere, holds a canary.
    async fn holds_none_of(self, canaries: &[&str], service: Loud) {
        // Clients must be able to hear that they are asked to go.
        let outputs = spawn_blocking(|| service.outputs()).await.expect("told");
        for (what, proof, text) in &outputs {
            assert!(text.contains(proof), "{what} was not heard");
        }
        let told = self.0.iter().map(|(what, text)| (*what, text));
        let outputs = outputs.iter().map(|(what, _, text)| (*what, text));
        for (what, text) in told.chain(outputs) {
            for canary in canaries {
                let line = text.lines().find(|line| line.contains(canary));
                assert_eq!(line, None, "{canary} in {what}");
            }
        }
    }
}

#[tokio::test]
async fn secrets_stay_in_their_place() {
    let service = Loud::start(&[]).await;
    let mut ann = service.caller().await;
    let mut told = Told::default();

    let mut watch = ann
        .sessions
        .watch_sessions(v1::WatchSessionsRequest {
            namespace: SECRET.to_owned(),
            ..v1::WatchSessionsRequest::default()
        })
        .await
        .expect("a watch")
        .into_inner();
    let mut request = ann.new_session();
    let id = format!("{CANARY}-id-of-a-session");
    request.session_id.clone_from(&id);
    request
        .credentials
        .insert("first".to_owned(), opaque(CANARY));
    told.hear("debug", &request.credentials);
    let value = Value {
        kind: Some(Kind::StringValue(CANARY.to_owned())),
    };
    let state = Struct {
        fields: [("a".to_owned(), value)].into(),
    };
    request.state = Some(state.clone());
    let secret = tokens(CANARY, CANARY);
    told.hear("debug", &(&secret, &secret.secret));
    let created = ann.create(request.clone()).await.expect("made");
    assert_eq!(created.state, Some(state));
    told.hear("session", &without_place(created));
    ann.put(&id, "token", secret.clone()).await.expect("put");
    assert_eq!(
        ann.get(&id, "token").await.expect("got"),
        (secret.clone(), 1)
    );
    told.hear("names", &ann.names(&id).await.expect("listed"));
    let seen = ann.session(&id).await.expect("got");
    told.hear("session", &without_place(seen));
    let listed = v1::ListSessionsRequest {
        namespace: SECRET.to_owned(),
        owner: Some(ann.owner.clone()),
        ..v1::ListSessionsRequest::default()
    };
    let listed = ann
        .sessions
        .list_sessions(listed)
        .await
        .expect("listed")
        .into_inner();
    for session in listed.sessions {
        told.hear("session", &without_place(session));
    }
    // The id is taken, the name is bad, too large, not there, somebody else's, no lease of theirs.
    let huge = CANARY.repeat(10_000);
    told.refused(ann.create(request).await);
    told.refused(
        ann.put(&id, CANARY.repeat(9).as_str(), secret.clone())
            .await,
    );
    told.refused(ann.put(&id, "third", opaque(&huge)).await);
    told.refused(ann.get(&id, "none").await);
    told.refused(ann.for_user("acme", "bob").get(&id, "token").await);
    let lease = ann.lease(ann.refresh(&id, 1)).await;
    let other = v1::RefreshLease {
        lease_id: uuid::Uuid::new_v4().to_string(),
        ..lease.clone()
    };
    told.refused(ann.complete(&id, &other, secret.clone()).await);
    told.refused(ann.complete(&id, &lease, opaque(&huge)).await);
    hear_the_admin(&mut ann, &mut told).await;
    ann.end(&id).await;
    told.refused(ann.session(&id).await);
    for _ in 0..3 {
        let event = watch.next().await.expect("open").expect("an event");
        if let Some(mut event) = event.event {
            // Who may watch is told the id.
            event.session_id.clear();
            told.hear("events", &event);
        }
    }
    drop((watch, ann));
    told.holds_none_of(&[CANARY], service).await;
}

/// Asks the administration all that it can be asked, and changes the keys.
async fn hear_the_admin(ann: &mut Caller, told: &mut Told) {
    let asked = &mut ann.admin;
    let status = asked.get_key_status(admin::GetKeyStatusRequest {}).await;
    told.hear("admin", &status.expect("told").into_inner());
    let rotated = asked.rotate_keys(admin::RotateKeysRequest {}).await;
    told.hear("admin", &rotated.expect("told").into_inner());
    let rewrapped = asked.rewrap_keys(admin::RewrapKeysRequest {}).await;
    let mut progress = rewrapped.expect("told").into_inner();
    while let Some(one) = progress.next().await {
        told.hear("admin", &one.expect("told"));
    }
    let request = admin::ListNamespacesRequest::default();
    let namespaces = asked.list_namespaces(request).await;
    told.hear("admin", &namespaces.expect("told").into_inner());
    let request = admin::GetStoreStatusRequest::default();
    let store = asked.get_store_status(request).await;
    told.hear("admin", &store.expect("told").into_inner());
}

/// A key of the service, keys that are none, tokens that are none: the service says which of them failed, and
/// never what was shown.
#[tokio::test]
async fn what_callers_show_stays_with_them() {
    let (key, hash) = new_key();
    let (other, _) = new_key();
    let (key, other) = (key.expose_secret(), other.expose_secret());
    let service = Loud::start(&[
        &format!("callers.apikey.crm.hashes=[\"{}\"]", hash.show()),
        "policy.crm.callers=[\"apikey:crm\"]",
        "policy.crm.allow=[\"server\"]",
        &format!("policy.crm.namespaces=[\"{SECRET}\"]"),
    ])
    .await;
    let mut ann = service.caller().await;
    let mut told = Told::default();
    let shown = |name: &'static str, value: &str, request| {
        let mut request = Request::new(request);
        let value = value.parse().expect("a header");
        request.metadata_mut().insert(name, value);
        request
    };
    let request = ann.new_session();
    let good = shown("authorization", &format!("Bearer {key}"), request.clone());
    let created = ann.sessions.create_session(good).await.expect("made");
    told.hear("session", &created.into_inner());
    let elsewhere = v1::CreateSessionRequest {
        namespace: "elsewhere".to_owned(),
        ..request.clone()
    };
    let denied = shown("authorization", &format!("Bearer {key}"), elsewhere);
    told.refused(ann.sessions.create_session(denied).await);
    let token = format!("{CANARY}.{CANARY}.{CANARY}");
    for (name, value) in [
        ("authorization", format!("Bearer {other}")),
        ("authorization", format!("Bearer {key}{key}")),
        ("authorization", format!("Basic {key}")),
        ("authorization", key.to_owned()),
        ("authorization", format!("Bearer {}", &key[..key.len() - 1])),
        ("authorization", format!("Bearer {token}")),
        ("x-api-key", key.to_owned()),
    ] {
        let request = shown(name, &value, request.clone());
        told.refused(ann.sessions.create_session(request).await);
    }
    let mut proved = shown("authorization", &format!("Bearer {key}"), request);
    let token = token.parse().expect("a header");
    proved.metadata_mut().insert("tenure-user-token", token);
    let created = ann.sessions.create_session(proved).await;
    told.hear("session", &created.expect("made").into_inner());
    drop(ann);
    // Also without what all keys begin with.
    let bare = |key: &str| key.trim_start_matches("tnr_")[..20].to_owned();
    let canaries = [CANARY, &bare(key), &bare(other)];
    told.holds_none_of(&canaries, service).await;
}

/// A session without the id and the state, where the caller's own canaries belong.
fn without_place(session: v1::Session) -> v1::Session {
    assert!(
        !session
            .credential_names
            .iter()
            .any(|name| name.contains(CANARY))
    );
    v1::Session {
        id: String::new(),
        state: None,
        ..session
    }
}

#[tokio::test]
async fn a_store_sees_no_secret() {
    let fleet = Fleet::start(config()).await;
    let mut ann = fleet.caller().await;
    let id = ann.make().await;
    ann.put(&id, "a", opaque(CANARY)).await.expect("put");
    let place = Place {
        namespace: Arc::new(Namespace {
            name: NamespaceName::new("crm").expect("a good name"),
            limits: tenure::session::limits::Limits::default(),
        }),
        owner: Owner::new("acme", "ann", "idp").expect("a good owner"),
        by: CallerTag::NOBODY,
    };
    let id = SessionId::known(&id).expect("a good id");
    let name = CredentialName::new("a").expect("a good name");
    let looked = fleet
        .store
        .credential(&place, &id, &name)
        .await
        .expect("looked up");
    let sealed = looked.credential.expect("it is there").sealed;
    let bytes = String::from_utf8_lossy(sealed.as_bytes()).into_owned();
    assert!(!bytes.contains(CANARY));
    assert!(!format!("{sealed:?}").contains(CANARY));
}
