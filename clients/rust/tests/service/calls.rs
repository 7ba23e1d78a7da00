//! The calls, against a real service.

use std::time::Duration;

use serde_json::{Value, json};
use tenure_client::testing::Server;
use tenure_client::{
    EndReason, Error, ErrorKind, EventKind, InvalidationReason, OnExisting, Options, Owner,
    Selector, Sessions, State, Tenure, Uuid, Watch, Watched,
};

struct Fixture {
    server: Server,
    tenure: Tenure,
    sessions: Sessions,
}

async fn fixture(arguments: &[&str]) -> Fixture {
    let server = Server::start_with(arguments).expect("a service");
    let tenure = Tenure::connect(server.options()).await.expect("connected");
    let sessions = tenure
        .namespace("crm")
        .owner("acme", "anna")
        .issuer("https://idp.example");
    Fixture {
        server,
        tenure,
        sessions,
    }
}

fn state(value: Value) -> State {
    match value {
        Value::Object(state) => state,
        other => panic!("not a map: {other}"),
    }
}

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorKind {
    result.expect_err("it should fail").kind().clone()
}

#[tokio::test]
async fn a_session_lives_and_ends() {
    let Fixture {
        sessions,
        server: _server,
        ..
    } = fixture(&[]).await;
    let first = state(
        json!({"list": [1, null, {"a": {}}], "text": "Grüße 🦀", "half": 0.5, "n": 9_007_199_254_740_991_i64}),
    );
    let created = sessions
        .create()
        .conversation("c1")
        .state(first.clone())
        .labels(["vip"])
        .idle_ttl(Duration::from_mins(1))
        .max_lifetime(Duration::from_hours(1))
        .provider_session_id("sid-1")
        .await
        .expect("created");
    assert!(created.created && !created.replayed);
    let id = created.session.id.clone();

    let read = sessions.get(&id).await.expect("read");
    assert_eq!(read.state, Some(first));
    assert_eq!(read.revision, 1);
    assert_eq!(read.conversation_id.as_deref(), Some("c1"));
    assert_eq!(read.labels, ["vip"]);
    assert_eq!(read.owner.issuer, "https://idp.example");
    assert_eq!(read.idle_ttl, Duration::from_mins(1));
    let part = sessions.get(&id).keys(["half"]).peek().await.expect("read");
    assert_eq!(part.state, Some(state(json!({"half": 0.5}))));

    let updated = sessions
        .update(&id)
        .set("half", 1)
        .remove("text")
        .increment("calls", 3)
        .append_capped("log", [json!("a"), json!("b"), json!("c")], 2)
        .if_revision(1)
        .await
        .expect("updated");
    assert_eq!(updated.increments["calls"], 3);
    let now = updated.session.state.expect("with state");
    assert_eq!(now["log"], json!(["b", "c"]));
    assert!(!now.contains_key("text"));
    let stale = kind(sessions.update(&id).set("x", 1).if_revision(1).await);
    assert_eq!(stale, ErrorKind::RevisionMismatch { current: Some(2) });

    assert_eq!(sessions.touch(&id).await.expect("touched").state, None);
    let rotated = sessions.rotate(&id).await.expect("rotated").session;
    assert_eq!(
        kind(sessions.get(&id).await),
        ErrorKind::SessionEnded(EndReason::Rotated)
    );
    assert!(sessions.end(&rotated.id).await.expect("deleted"));
    assert!(!sessions.end(&rotated.id).await.expect("no error"));
    assert_eq!(
        kind(sessions.get(&rotated.id).await),
        ErrorKind::SessionEnded(EndReason::Deleted)
    );
}

#[tokio::test]
async fn strangers_find_nothing() {
    let Fixture {
        tenure,
        sessions,
        server: _server,
    } = fixture(&[]).await;
    let id = sessions.create().await.expect("created").session.id;
    let stranger = tenure.namespace("crm").owner("acme", "bert");
    assert_eq!(kind(stranger.get(&id).await), ErrorKind::SessionNotFound);
    assert!(!stranger.end(&id).await.expect("no error"));
    sessions.get(&id).await.expect("still there");
}

#[tokio::test]
async fn conversations_and_request_ids() {
    let Fixture {
        sessions,
        server: _server,
        ..
    } = fixture(&[]).await;
    let first = sessions.get_or_create("c1").await.expect("made");
    let again = sessions.get_or_create("c1").await.expect("found");
    assert!(first.created && !again.created);
    assert_eq!(first.session.id, again.session.id);
    let fails = kind(sessions.create().conversation("c1").await);
    assert_eq!(fails, ErrorKind::ConversationExists);
    let replaced = sessions
        .create()
        .conversation("c1")
        .on_existing(OnExisting::Replace)
        .await;
    assert!(replaced.expect("replaced").created);
    let old = kind(sessions.get(&first.session.id).await);
    assert_eq!(old, ErrorKind::SessionEnded(EndReason::Replaced));

    let request = Uuid::new_v4();
    let once = sessions.create().request_id(request).await.expect("made");
    let twice = sessions
        .create()
        .request_id(request)
        .await
        .expect("replayed");
    assert!(twice.replayed);
    assert_eq!(once.session.id, twice.session.id);
    let other = kind(
        sessions
            .create()
            .conversation("else")
            .request_id(request)
            .await,
    );
    assert_eq!(other, ErrorKind::RequestIdReused);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let Fixture {
        sessions,
        server: _server,
        ..
    } = fixture(&[]).await;
    for n in 0..5 {
        sessions.create().set("n", n).await.expect("made");
    }
    let page = sessions.list().page_size(2).await.expect("listed");
    assert_eq!(page.sessions.len(), 2);
    assert!(page.next_page_token.is_some());
    let all = sessions
        .list()
        .page_size(2)
        .include_state()
        .all()
        .await
        .expect("listed");
    assert_eq!(all.len(), 5);
    assert!(all.iter().all(|session| session.state.is_some()));
}

#[tokio::test]
async fn invalidations_tell_the_owner_why() {
    let Fixture {
        tenure,
        sessions,
        server: _server,
    } = fixture(&[]).await;
    let kept = sessions.create().await.expect("made").session.id;
    let ended = sessions.create().await.expect("made").session.id;
    let dry = sessions
        .invalidate()
        .except(&kept)
        .dry_run()
        .await
        .expect("counted");
    assert_eq!(dry.ended_count, Some(1));
    let reason = InvalidationReason::PasswordChanged;
    let done = sessions
        .invalidate()
        .except(&kept)
        .reason(reason)
        .note("ticket 7")
        .actor("ops")
        .await;
    assert_eq!(done.expect("done").ended_count, Some(1));
    sessions.get(&kept).await.expect("kept");
    let why = kind(sessions.get(&ended).await);
    assert_eq!(why, ErrorKind::SessionEnded(EndReason::Invalidated(reason)));

    let wide = tenure
        .namespace("crm")
        .invalidate(Selector::Tenant("acme".to_owned()))
        .await;
    assert_eq!(wide.expect("done").ended_count, None);
    assert!(sessions.get(&kept).await.expect_err("ended").is_not_found());
}

#[tokio::test]
async fn a_claim_succeeds_once() {
    let Fixture {
        sessions,
        server: _server,
        ..
    } = fixture(&[]).await;
    let claim = || sessions.claim_once("nonce", Duration::from_mins(1));
    assert!(claim().await.expect("answered").claimed);
    assert!(!claim().await.expect("answered").claimed);
}

#[tokio::test]
async fn errors_say_what_was_wrong() {
    let Fixture {
        sessions,
        server: _server,
        ..
    } = fixture(&["--set", "defaults.sessions_per_owner=1"]).await;
    let short = sessions.get("short").await.expect_err("no id");
    assert_eq!(*short.kind(), ErrorKind::InvalidField);
    assert_eq!(short.violations()[0].field, "session_id");
    assert!(short.correlation_id().is_some());
    sessions.create().await.expect("made");
    let full = sessions.create().await.expect_err("too many");
    assert_eq!(*full.kind(), ErrorKind::TooManySessions);
    let limit = full.limit().expect("which");
    assert_eq!(
        (limit.name.as_str(), limit.maximum),
        ("sessions_per_owner", Some(1))
    );
    let big = kind(sessions.update("0123456789abcdef").set("n", u64::MAX).await);
    assert_eq!(
        big,
        ErrorKind::Refused {
            field: "set.n".to_owned()
        }
    );
}

async fn next_event(watch: &mut Watch) -> Watched {
    let next = tokio::time::timeout(Duration::from_secs(10), watch.next());
    next.await.expect("an event in time").expect("no error")
}

#[tokio::test]
async fn a_watch_survives_its_service() {
    let Fixture {
        mut server,
        tenure,
        sessions,
    } = fixture(&[]).await;
    let mut watch = sessions
        .watch()
        .kinds([EventKind::Created, EventKind::Ended])
        .await
        .expect("open");
    let id = sessions.create().await.expect("made").session.id;
    match next_event(&mut watch).await {
        Watched::Event(event) => {
            assert_eq!(
                (event.kind, event.session_id),
                (EventKind::Created, Some(id.clone()))
            );
            assert_eq!(
                event.owner,
                Some(Owner {
                    issuer: "https://idp.example".to_owned(),
                    ..Owner::new("acme", "anna")
                })
            );
        }
        Watched::StartedAnew => panic!("nothing was lost"),
    }
    sessions.end(&id).await.expect("deleted");
    match next_event(&mut watch).await {
        Watched::Event(event) => assert_eq!(event.end_reason, Some(EndReason::Deleted)),
        Watched::StartedAnew => panic!("nothing was lost"),
    }

    // A memory store that starts anew knows no old cursor.
    let address = server.address().to_owned();
    server.kill();
    let server = Server::start_at(&address, &[]).expect("a service");
    assert_eq!(next_event(&mut watch).await, Watched::StartedAnew);
    let again = tenure.namespace("crm").sessions_of(sessions_owner());
    again
        .create()
        .await
        .expect("the old connection was made anew");
    assert!(matches!(next_event(&mut watch).await, Watched::Event(_)));
    drop(server);
}

fn sessions_owner() -> Owner {
    Owner {
        issuer: "https://idp.example".to_owned(),
        ..Owner::new("acme", "anna")
    }
}

#[tokio::test]
async fn addresses_take_turns_and_one_may_be_away() {
    let first = Server::start().expect("a service");
    let mut second = Server::start().expect("a service");
    let both = Options::new(&format!("{},{}", first.address(), second.address()));
    let tenure = Tenure::connect(both).await.expect("connected");
    second.kill();
    let sessions = tenure.namespace("crm").owner("acme", "anna");
    for _ in 0..4 {
        sessions.create().await.expect("repeated at the other one");
    }
    assert_eq!(sessions.list().all().await.expect("listed").len(), 4);
}

#[tokio::test]
async fn hundred_clients_count_exactly() {
    let Fixture {
        sessions,
        server: _server,
        ..
    } = fixture(&[]).await;
    let id = sessions.create().await.expect("made").session.id;
    let calls = (0..100).map(|_| {
        let (sessions, id) = (sessions.clone(), id.clone());
        tokio::spawn(async move { sessions.update(&id).increment("n", 1).omit_state().await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.expect("no panic").expect("counted");
    }
    let sum = sessions.get(&id).await.expect("read").state.expect("state");
    assert_eq!(sum["n"], json!(100));
}
