//! Secrets that are planted everywhere and found nowhere but in their place.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use futures::StreamExt as _;
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use tempfile::NamedTempFile;
use tenure::session::names::{CredentialName, NamespaceName, Owner, SessionId};
use tenure::store::{Namespace, Place};
use tenure_client::proto::v1;
use tonic::transport::Endpoint;

use super::{Caller, Fleet, SECRET, config, opaque, tokens};

const CANARY: &str = "canary7f3a";

/// A service in a process of its own, which logs all that it can.
struct Loud {
    child: Child,
    log: NamedTempFile,
    address: String,
}

impl Loud {
    fn start() -> Loud {
        let log = NamedTempFile::new().expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TENURE_") {
                command.env_remove(name);
            }
        }
        command.args(["serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
        command.args(["--set", "log.filter=trace"]);
        command.args(["--set", &format!("namespaces.{SECRET}.encrypt_state=true")]);
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
        let words = line
            .strip_prefix("tenure listening grpc=")
            .expect("it says where");
        let address = words.split(' ').next().expect("an address").to_owned();
        Loud {
            child,
            log,
            address,
        }
    }
}

impl Drop for Loud {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn secrets_stay_in_their_place() {
    let service = Loud::start();
    let endpoint = Endpoint::from_shared(format!("http://{}", service.address));
    let channel = endpoint
        .expect("an address")
        .connect()
        .await
        .expect("connected");
    let mut ann = Caller::new(channel, SECRET);
    let mut seen: Vec<String> = Vec::new();

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
    seen.push(format!("{:?}", request.credentials));
    let value = Value {
        kind: Some(Kind::StringValue(CANARY.to_owned())),
    };
    let state = Struct {
        fields: [("a".to_owned(), value)].into(),
    };
    request.state = Some(state.clone());
    let secret = tokens(CANARY, CANARY);
    seen.push(format!("{secret:?} {:?}", secret.secret));
    let created = ann.create(request.clone()).await.expect("made");
    assert_eq!(created.state, Some(state));
    seen.push(without_place(created));
    ann.put(&id, "second", secret.clone()).await.expect("put");
    assert_eq!(
        ann.get(&id, "second").await.expect("got"),
        (secret.clone(), 1)
    );
    seen.push(without_place(ann.session(&id).await.expect("got")));
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
    seen.extend(listed.sessions.into_iter().map(without_place));
    // Errors: the id is taken, the name is bad, too large, not there, somebody else's.
    let huge = CANARY.repeat(10_000);
    for answer in [
        ann.create(request).await.map(drop),
        ann.put(&id, CANARY.repeat(9).as_str(), secret.clone())
            .await
            .map(drop),
        ann.put(&id, "third", opaque(&huge)).await.map(drop),
        ann.get(&id, "none").await.map(drop),
        ann.for_user("acme", "bob")
            .get(&id, "second")
            .await
            .map(drop),
    ] {
        let status = answer.expect_err("refused");
        seen.push(status.message().to_owned());
        seen.push(String::from_utf8_lossy(status.details()).into_owned());
    }
    ann.end(&id).await;
    for _ in 0..3 {
        let event = watch.next().await.expect("open").expect("an event");
        if let Some(mut event) = event.event {
            event.session_id.clear();
            seen.push(format!("{event:?}"));
        }
    }
    let found = seen.iter().find(|seen| seen.contains(CANARY));
    assert_eq!(found, None);
    let logged = std::fs::read_to_string(service.log.path()).expect("a log");
    assert!(logged.contains("credential_read"), "the service was heard");
    assert!(logged.contains("TRACE"), "at every level");
    let line = logged.lines().find(|line| line.contains(CANARY));
    assert_eq!(line, None);
}

/// A session without the id and the state, where the caller's own canaries belong.
fn without_place(session: v1::Session) -> String {
    assert!(
        !session
            .credential_names
            .iter()
            .any(|name| name.contains(CANARY))
    );
    let rest = v1::Session {
        id: String::new(),
        state: None,
        ..session
    };
    format!("{rest:?}")
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
