//! What is repeated, and what is not.

use std::time::{Duration, SystemTime};

use tenure_client::proto::v1;
use tenure_client::{Code, ErrorKind, Sessions, Tenure};

use super::scripted::{Answer, Scripted, fail, say};

const ID: &str = "session-0123456789";
const REQUEST_ID: &str = "5f0c8a52-3a53-4a0e-9b52-3f5d3d0f6a00";

fn sessions(tenure: &Tenure) -> Sessions {
    tenure.namespace("crm").owner("acme", "ada")
}

pub(super) fn session(revision: i64, n: Option<f64>) -> v1::Session {
    let now = Some(SystemTime::now().into());
    let state = n.map(|n| prost_types::Struct {
        fields: [("n".to_owned(), n.into())].into(),
    });
    v1::Session {
        id: ID.to_owned(),
        revision,
        state,
        idle_ttl: Duration::from_mins(1).try_into().ok(),
        created_at: now,
        last_used_at: now,
        idle_expires_at: now,
        expires_at: now,
        authenticated_at: now,
        ..v1::Session::default()
    }
}

fn got(revision: i64, n: f64) -> Answer {
    say(&v1::GetSessionResponse {
        session: Some(session(revision, Some(n))),
    })
}

fn away() -> Answer {
    fail(Code::Unavailable, "STORE_UNAVAILABLE", None)
}

#[tokio::test]
async fn a_read_is_repeated_and_a_write_with_the_same_request_id() {
    let service = Scripted::start();
    let tenure = service.tenure();
    service.answers("GetSession", [away(), away(), got(1, 1.0)]);
    assert_eq!(sessions(&tenure).get(ID).await.expect("read").id, ID);
    assert_eq!(service.asked("GetSession").len(), 3);

    let updated = say(&v1::UpdateSessionResponse {
        session: Some(session(2, None)),
        ..v1::UpdateSessionResponse::default()
    });
    service.answers("UpdateSession", [away(), updated]);
    for _ in 0..2 {
        let update = sessions(&tenure).update(ID).increment("n", 1);
        update.await.expect("updated");
    }
    let requests = service.requests::<v1::UpdateSessionRequest>("UpdateSession");
    let ids: Vec<_> = requests.iter().map(|request| &request.request_id).collect();
    assert_eq!((ids.len(), ids[0].len()), (3, 36));
    assert!(ids[0] == ids[1] && ids[1] != ids[2]);
}

#[tokio::test]
async fn an_answer_to_the_own_repetition_is_completed() {
    let service = Scripted::start();
    let tenure = service.tenure();
    let replayed = say(&v1::UpdateSessionResponse {
        session: Some(session(2, None)),
        increments: [("n".to_owned(), 7)].into(),
        replayed: true,
    });
    service.answers("UpdateSession", [replayed]);
    service.answers("GetSession", [got(3, 7.0)]);
    let update = || sessions(&tenure).update(ID).increment("n", 1);
    let completed = update().await.expect("updated");
    assert_eq!(completed.session.state.expect("state")["n"], 7);
    assert!(completed.replayed && completed.increments["n"] == 7);
    let own = update().request_id(REQUEST_ID).await.expect("updated");
    assert_eq!(own.session.state, None);
    assert_eq!(
        update().omit_state().await.expect("updated").session.state,
        None
    );
    let reads = service.requests::<v1::GetSessionRequest>("GetSession");
    assert!(reads.len() == 1 && reads[0].peek);
}

#[tokio::test]
async fn other_errors_and_puts_are_not_repeated() {
    let service = Scripted::start();
    let tenure = service.tenure();
    for (code, reason) in [
        (Code::Internal, "INTERNAL"),
        (Code::NotFound, "SESSION_NOT_FOUND"),
        (Code::ResourceExhausted, "STORE_FULL"),
        (Code::Aborted, "REVISION_MISMATCH"),
    ] {
        let before = service.asked("GetSession").len();
        service.answers("GetSession", [fail(code, reason, None), got(1, 1.0)]);
        let error = sessions(&tenure).get(ID).await.expect_err("it fails");
        assert_eq!((error.code(), error.reason()), (code, reason));
        assert_eq!(error.correlation_id(), Some("correlation-1"));
        assert_eq!(service.asked("GetSession").len(), before + 1);
    }
    service.answers("PutCredential", [away()]);
    let put = sessions(&tenure)
        .credentials(ID)
        .put("k", b"secret".to_vec());
    assert!(put.await.expect_err("away").is_retryable());
    assert_eq!(service.asked("PutCredential").len(), 1);
}

#[tokio::test]
async fn the_service_says_when_to_repeat_and_the_deadline_ends_it() {
    let service = Scripted::start();
    let tenure = service.tenure();
    let wait = Duration::from_millis(200);
    let busy = fail(Code::ResourceExhausted, "OVERLOADED", Some(wait));
    service.answers("GetSession", [busy, got(1, 1.0)]);
    sessions(&tenure).get(ID).await.expect("read");
    let asked = service.asked("GetSession");
    assert!(asked[1].at - asked[0].at >= wait);

    // Had it waited for its end, the deadline would have passed.
    let long = Duration::from_mins(1);
    service.answers(
        "GetSession",
        [fail(Code::Unavailable, "SHUTTING_DOWN", Some(long))],
    );
    let get = sessions(&tenure).get(ID).timeout(Duration::from_secs(30));
    let error = get.await.expect_err("away");
    assert_eq!(
        (error.reason(), error.retry_after()),
        ("SHUTTING_DOWN", Some(long))
    );

    service.answers("GetSession", [Answer::Hang]);
    let get = sessions(&tenure).get(ID).timeout(wait);
    assert_eq!(
        *get.await.expect_err("late").kind(),
        ErrorKind::DeadlineExceeded
    );
}

#[tokio::test]
async fn repetitions_have_an_end_and_a_budget() {
    let service = Scripted::start();
    let tenure = service.tenure();
    let soon = Some(Duration::from_millis(1));
    service.answers(
        "TouchSession",
        [fail(Code::Unavailable, "STORE_UNAVAILABLE", soon)],
    );
    let mut tries = Vec::new();
    for _ in 0..8 {
        let before = service.asked("TouchSession").len();
        sessions(&tenure).touch(ID).await.expect_err("away");
        tries.push(service.asked("TouchSession").len() - before);
    }
    // Five calls take all 20 tokens; the rest is tried once.
    assert_eq!(tries, [5, 5, 5, 5, 5, 1, 1, 1]);
}
