//! State where the namespace encrypts it: callers see no difference, the store sees nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use tempfile::TempDir;
use tenure::audit::{Level, Sink};
use tenure::config::Config;
use tenure::session::limits::Limits;
use tenure::session::names::{CallerTag, NamespaceName, Owner, SessionId};
use tenure::session::owner_record::{Read, Shown, Update};
use tenure::session::state::{Patch, State};
use tenure::store::{Namespace, Place};
use tenure_client::proto::v1;
use tonic::{Code, Status};

use super::{Caller, Fleet, SECRET, config, refused};
use crate::audit;

fn text(text: &str) -> Value {
    Value {
        kind: Some(Kind::StringValue(text.to_owned())),
    }
}

fn number(number: f64) -> Value {
    Value {
        kind: Some(Kind::NumberValue(number)),
    }
}

fn list(values: Vec<Value>) -> ListValue {
    ListValue { values }
}

fn state(entries: &[(&str, Value)]) -> Struct {
    let fields = entries.iter();
    Struct {
        fields: fields
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect(),
    }
}

impl Caller {
    fn change(&self, id: &str) -> v1::UpdateSessionRequest {
        v1::UpdateSessionRequest {
            namespace: self.namespace.clone(),
            owner: Some(self.owner.clone()),
            session_id: id.to_owned(),
            ..v1::UpdateSessionRequest::default()
        }
    }

    async fn update(
        &mut self,
        request: v1::UpdateSessionRequest,
    ) -> Result<v1::UpdateSessionResponse, Status> {
        Ok(self.sessions.update_session(request).await?.into_inner())
    }

    fn count(&self, id: &str, key: &str, by: i64) -> v1::UpdateSessionRequest {
        v1::UpdateSessionRequest {
            increment: BTreeMap::from([(key.to_owned(), by)]),
            ..self.change(id)
        }
    }
}

/// The state as the store has it.
async fn kept(fleet: &Fleet, id: &str) -> State {
    let (place, id) = at(id);
    let peek = Read {
        slide: false,
        show: Shown::All,
    };
    let session = fleet.store.read(&place, &id, peek).await.expect("alive");
    session.state.expect("its state")
}

fn at(id: &str) -> (Place, SessionId) {
    let place = Place {
        namespace: Arc::new(Namespace {
            name: NamespaceName::new(SECRET).expect("a good name"),
            limits: Limits {
                encrypt_state: true,
                ..Limits::default()
            },
        }),
        owner: Owner::new("acme", "ann", "idp").expect("a good owner"),
        by: CallerTag::NOBODY,
    };
    (place, SessionId::known(id).expect("a good id"))
}

/// Plants values in the store, as somebody might who can write to it.
async fn plant(fleet: &Fleet, id: &str, entries: &[(&str, &[u8])]) {
    let (place, id) = at(id);
    let entries = entries.iter().map(|(key, value)| (key.as_bytes(), *value));
    let update = Update {
        patch: Patch {
            set: Some(State::from_entries(entries)),
            ..Patch::default()
        },
        ..Update::default()
    };
    fleet
        .store
        .update(&place, &id, update)
        .await
        .expect("planted");
}

#[tokio::test]
async fn callers_see_no_difference() {
    let fleet = Fleet::start(config()).await;
    let mut ann = fleet.caller().await.in_namespace(SECRET);
    let mut request = ann.new_session();
    request.state = Some(state(&[("a", text("canary-one")), ("n", number(41.0))]));
    let session = ann.create(request).await.expect("made");
    let id = session.id;
    assert_eq!(
        session.state,
        Some(state(&[("a", text("canary-one")), ("n", number(41.0))]))
    );

    let updated = ann
        .update(v1::UpdateSessionRequest {
            set: Some(state(&[("b", text("canary-two"))])),
            remove: vec!["a".to_owned()],
            increment: BTreeMap::from([("n".to_owned(), 1)]),
            append: BTreeMap::from([(
                "l".to_owned(),
                v1::Append {
                    values: Some(list(vec![text("x"), text("y"), text("z")])),
                    max_length: 2,
                },
            )]),
            ..ann.change(&id)
        })
        .await
        .expect("updated");
    assert_eq!(updated.increments["n"], 42);
    let values = list(vec![text("y"), text("z")]);
    let expected = state(&[
        ("b", text("canary-two")),
        ("n", number(42.0)),
        (
            "l",
            Value {
                kind: Some(Kind::ListValue(values)),
            },
        ),
    ]);
    let session = updated.session.expect("a session");
    assert_eq!(
        (session.state, session.revision),
        (Some(expected.clone()), 2)
    );
    assert_eq!(
        ann.session(&id).await.expect("got").state,
        Some(expected.clone())
    );

    let only = v1::GetSessionRequest {
        namespace: SECRET.to_owned(),
        owner: Some(ann.owner.clone()),
        session_id: id.clone(),
        state_keys: vec!["n".to_owned(), "none".to_owned()],
        ..v1::GetSessionRequest::default()
    };
    let got = ann
        .sessions
        .get_session(only)
        .await
        .expect("got")
        .into_inner();
    assert_eq!(
        got.session.expect("a session").state,
        Some(state(&[("n", number(42.0))]))
    );

    let listed = v1::ListSessionsRequest {
        namespace: SECRET.to_owned(),
        owner: Some(ann.owner.clone()),
        include_state: true,
        ..v1::ListSessionsRequest::default()
    };
    let listed = ann
        .sessions
        .list_sessions(listed)
        .await
        .expect("listed")
        .into_inner();
    assert_eq!(listed.sessions[0].state, Some(expected.clone()));

    let rotate = v1::RotateSessionRequest {
        namespace: SECRET.to_owned(),
        owner: Some(ann.owner.clone()),
        session_id: id.clone(),
        ..v1::RotateSessionRequest::default()
    };
    let rotated = ann
        .sessions
        .rotate_session(rotate)
        .await
        .expect("rotated")
        .into_inner();
    let session = rotated.session.expect("a session");
    assert_eq!(session.state, Some(expected));
    let kept = kept(&fleet, &session.id).await;
    let bytes = String::from_utf8_lossy(kept.as_wire()).into_owned();
    assert!(!bytes.contains("canary"));
    let keys: Vec<&str> = kept.entries().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["n", "b", "l"], "keys stay in clear");
}

#[tokio::test]
async fn rules_are_the_same() {
    let fleet = Fleet::start(config()).await;
    let mut ann = fleet.caller().await.in_namespace(SECRET);
    let id = ann.make().await;
    let set = |entries: &[(&str, Value)]| v1::UpdateSessionRequest {
        set: Some(state(entries)),
        ..v1::UpdateSessionRequest::default()
    };
    let for_ann = |request: v1::UpdateSessionRequest| v1::UpdateSessionRequest {
        namespace: SECRET.to_owned(),
        owner: Some(ann.owner.clone()),
        session_id: id.clone(),
        ..request
    };
    let (word, full) = (
        for_ann(set(&[("a", text("word"))])),
        for_ann(set(&[("f", text(&"x".repeat(900)))])),
    );
    let over = for_ann(set(&[("g", text(&"x".repeat(100)))]));
    let keys = for_ann(set(&[
        ("1", number(1.0)),
        ("2", number(1.0)),
        ("3", number(1.0)),
    ]));
    let mut other = ann.clone();
    other.update(word).await.expect("set");
    refused(
        other.update(ann.count(&id, "a", 1)).await,
        Code::FailedPrecondition,
        "NOT_AN_INTEGER",
    );
    // What counts are the plain bytes: 1000 are allowed.
    other.update(full).await.expect("it fits");
    let metadata = refused(
        other.update(over).await,
        Code::ResourceExhausted,
        "STATE_TOO_LARGE",
    );
    assert_eq!(metadata["maximum"], "1000");
    let asked: usize = metadata["asked"].parse().expect("a number");
    assert!((1000..1100).contains(&asked), "{asked}");
    refused(
        other.update(keys).await,
        Code::ResourceExhausted,
        "TOO_MANY_KEYS",
    );
    let stale = v1::UpdateSessionRequest {
        if_revision: Some(1),
        ..ann.count(&id, "n", 1)
    };
    let metadata = refused(
        other.update(stale).await,
        Code::Aborted,
        "REVISION_MISMATCH",
    );
    assert_eq!(metadata["revision"], "3");
    other.end(&id).await;
    refused(
        other.update(ann.count(&id, "n", 1)).await,
        Code::NotFound,
        "SESSION_DELETED",
    );
}

#[tokio::test]
async fn repeated_increments_come_to_the_same() {
    let fleet = Fleet::start(config()).await;
    let mut ann = fleet.caller().await.in_namespace(SECRET);
    let id = ann.make().await;
    let request = v1::UpdateSessionRequest {
        request_id: uuid::Uuid::new_v4().to_string(),
        ..ann.count(&id, "n", 5)
    };
    let first = ann.update(request.clone()).await.expect("counted");
    assert_eq!((first.increments["n"], first.replayed), (5, false));
    ann.update(ann.count(&id, "n", 1)).await.expect("counted");
    let again = ann.update(request.clone()).await.expect("repeated");
    assert_eq!((again.increments["n"], again.replayed), (5, true));
    // Also when it could not be counted any more.
    let word = v1::UpdateSessionRequest {
        set: Some(state(&[("n", text("word"))])),
        ..ann.change(&id)
    };
    ann.update(word).await.expect("set");
    let again = ann.update(request.clone()).await.expect("repeated");
    assert_eq!((again.increments["n"], again.replayed), (5, true));
    let reused = v1::UpdateSessionRequest {
        request_id: request.request_id,
        ..ann.count(&id, "m", 1)
    };
    refused(
        ann.update(reused).await,
        Code::InvalidArgument,
        "REQUEST_ID_REUSED",
    );
}

#[tokio::test]
async fn no_increment_is_lost() {
    let fleet = Fleet::start(config()).await;
    let mut ann = fleet.caller().await.in_namespace(SECRET);
    let id = ann.make().await;
    let counted = (0..50).map(|_| {
        let (mut caller, request) = (ann.clone(), ann.count(&id, "n", 1));
        async move { caller.update(request).await }
    });
    let answers = futures::future::join_all(counted).await;
    let mut came_to: Vec<i64> = answers
        .into_iter()
        .map(|answer| answer.expect("counted").increments["n"])
        .collect();
    came_to.sort_unstable();
    assert_eq!(came_to, (1..=50).collect::<Vec<_>>());
    let session = ann.session(&id).await.expect("got");
    assert_eq!(session.state, Some(state(&[("n", number(50.0))])));
}

/// With an audit that has every line before its answer goes out.
fn recorded(log: &Path) -> Config {
    let mut config = config();
    config.audit.sink = Sink::File;
    config.audit.directory = Some(log.to_owned());
    for (_, limits) in &mut config.namespaces {
        limits.audit = Level::Required;
    }
    config
}

#[tokio::test]
async fn what_was_changed_in_the_store_is_refused() {
    let log = TempDir::new().expect("a directory");
    let fleet = Fleet::start(recorded(log.path())).await;
    let mut ann = fleet.caller().await.in_namespace(SECRET);
    let (one, two) = (ann.make().await, ann.make().await);
    for (id, word) in [(&one, "first"), (&two, "second")] {
        let set = v1::UpdateSessionRequest {
            set: Some(state(&[("a", text(word))])),
            ..ann.change(id)
        };
        ann.update(set).await.expect("set");
    }
    let stolen = kept(&fleet, &one).await;
    let (_, sealed) = stolen.entries()[0];
    let mut newer = sealed.to_vec();
    newer[8] ^= 1;
    let mut flipped = sealed.to_vec();
    *flipped.last_mut().expect("not empty") ^= 1;
    let plain = prost::Message::encode_to_vec(&text("planted"));
    let cases: [(&str, &str, &[u8]); 5] = [
        (&two, "a", sealed),
        (&one, "b", sealed),
        (&one, "a", &newer),
        (&one, "a", &flipped),
        // Whoever can write to the store cannot plant values of his own either.
        (&one, "a", &plain),
    ];
    for (id, key, value) in cases {
        let id = &id.to_owned();
        plant(&fleet, id, &[(key, value)]).await;
        refused(ann.session(id).await, Code::DataLoss, "DATA_UNREADABLE");
        let counted = ann.update(ann.count(id, key, 1)).await;
        refused(counted.map(drop), Code::DataLoss, "DATA_UNREADABLE");
        let mend = v1::UpdateSessionRequest {
            set: Some(state(&[("a", text("mended"))])),
            remove: vec!["b".to_owned()],
            ..ann.change(id)
        };
        ann.update(mend).await.expect("writing needs no reading");
        assert!(ann.session(id).await.is_ok());
    }
    plant(&fleet, &one, &[("a", &flipped)]).await;
    let rotate = v1::RotateSessionRequest {
        namespace: SECRET.to_owned(),
        owner: Some(ann.owner.clone()),
        session_id: one.clone(),
        ..v1::RotateSessionRequest::default()
    };
    let rotated = ann.sessions.rotate_session(rotate).await;
    refused(rotated.map(drop), Code::DataLoss, "DATA_UNREADABLE");

    let lines = audit::events(log.path());
    let unreadable = lines.iter().filter_map(|line| {
        let told = ["operation", "deed", "outcome", "reason"];
        let told = told.map(|field| audit::text(line, field));
        (told[2] == "failed").then_some(told)
    });
    let read = ["GetSession", "unreadable", "failed", "DATA_UNREADABLE"];
    let counted = ["UpdateSession", "unreadable", "failed", "DATA_UNREADABLE"];
    let mut expected = [read, counted].repeat(cases.len());
    // It has its new id all the same, and both is told.
    expected.push(["RotateSession", "unreadable", "failed", ""]);
    expected.push(["RotateSession", "rotated", "failed", "DATA_UNREADABLE"]);
    assert_eq!(unreadable.collect::<Vec<_>>(), expected);
}
