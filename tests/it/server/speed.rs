//! What makes the service fast changes no answer: each such choice switched off, the same calls are answered the same.

use serde_json::{Value, json};
use tenure_client::{Error, Session};

use crate::support::service::Service;

/// Calls at once, on one connection: enough for writes to be gathered.
const AT_ONCE: usize = 40;

fn shown(answer: Result<Session, Error>) -> Value {
    match answer {
        Ok(session) => {
            let state = serde_json::to_value(&session.state).expect("JSON");
            json!([session.id, session.revision, session.labels, state])
        }
        Err(error) => json!([format!("{:?}", error.code()), error.reason()]),
    }
}

/// What a mixed set of calls is answered.
async fn answers(config: &str) -> Vec<Value> {
    let service = Service::start_with("memory:", config);
    let tenure = service.client();
    let sessions = &tenure.namespace("crm").owner("acme", "ada");
    let calls = (0..AT_ONCE).map(|number| async move {
        let id = format!("a-session-of-its-own-{number}");
        let large = "x".repeat(number * 500);
        let create = sessions.create().session_id(&id);
        let state = json!({"large": large, "nested": {"list": [1, null, true, "é"]}});
        let created = create.state(&state).await.map(|created| created.session);
        let again = sessions.create().session_id(&id).await;
        let updated = sessions
            .update(&id)
            .set("page", number)
            .increment("calls", 2);
        let updated = updated.await.map(|updated| updated.session);
        let read = sessions.get(&id).await;
        let absent = sessions.get("a-session-that-is-not-there").await;
        [
            shown(created),
            shown(again.map(|created| created.session)),
            shown(updated),
            shown(read),
            shown(absent),
        ]
    });
    let given = futures::future::join_all(calls).await;
    given.into_iter().flatten().collect()
}

#[tokio::test]
async fn the_same_calls_have_the_same_answers_without_what_makes_them_fast() {
    let expected = answers("").await;
    assert_eq!(expected.len(), 5 * AT_ONCE);
    let last = &expected[5 * AT_ONCE - 2];
    assert_eq!(last[3]["page"], json!(AT_ONCE - 1), "{last}");
    assert_eq!(expected[1][1], "SESSION_EXISTS");
    for config in [
        "[grpc]\nthreads = 1",
        "[grpc]\nthreads = 5",
        "[grpc]\ncoalesce_writes = false",
        "[grpc]\nthreads = 1\ncoalesce_writes = false",
    ] {
        assert_eq!(answers(config).await, expected, "{config}");
    }
}
