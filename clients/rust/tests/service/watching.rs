//! A watch over breaks.

use std::time::{Duration, SystemTime};

use futures_util::TryStreamExt as _;
use tenure_client::proto::v1;
use tenure_client::{Code, ErrorKind, Watched};

use super::scripted::{Answer, Scripted, fail, say_all};

fn message(cursor: &str, event_id: &str) -> v1::WatchSessionsResponse {
    let event = (!event_id.is_empty()).then(|| v1::SessionEvent {
        event_id: event_id.to_owned(),
        occurred_at: Some(SystemTime::now().into()),
        ..v1::SessionEvent::default()
    });
    v1::WatchSessionsResponse {
        cursor: cursor.to_owned(),
        event,
    }
}

fn shown(watched: &Watched) -> String {
    match watched {
        Watched::StartedAnew => "anew".to_owned(),
        Watched::Event(event) => event.event_id.clone(),
    }
}

#[tokio::test]
async fn it_resumes_and_says_when_it_could_not() {
    let service = Scripted::start();
    let soon = Some(Duration::from_millis(10));
    service.answers(
        "WatchSessions",
        [
            fail(Code::Unavailable, "STORE_UNAVAILABLE", None),
            say_all(&[&message("c0", ""), &message("c1", "e1")]),
            fail(Code::Unavailable, "SHUTTING_DOWN", soon),
            say_all(&[&message("c1", ""), &message("c2", "e2")]),
            fail(Code::OutOfRange, "CURSOR_EXPIRED", None),
            // The marker must wait for a stream that is open.
            fail(Code::Unavailable, "STORE_UNAVAILABLE", None),
            say_all(&[&message("d0", ""), &message("d1", "e7")]),
            fail(Code::PermissionDenied, "CALLER_NOT_ALLOWED", None),
        ],
    );
    let tenure = service.tenure();
    let mut watch = tenure.namespace("crm").watch().await.expect("open");
    assert_eq!(watch.cursor(), "c0");
    let mut seen = Vec::new();
    let error = loop {
        match watch.next().await {
            Ok(watched) => seen.push((shown(&watched), watch.cursor().to_owned())),
            Err(error) => break error,
        }
    };
    assert_eq!(*error.kind(), ErrorKind::CallerNotAllowed);
    let seen: Vec<_> = seen
        .iter()
        .map(|(what, at)| (what.as_str(), at.as_str()))
        .collect();
    assert_eq!(
        seen,
        [("e1", "c1"), ("e2", "c2"), ("anew", "d0"), ("e7", "d1")]
    );
    let requests = service.requests::<v1::WatchSessionsRequest>("WatchSessions");
    let cursors: Vec<_> = requests
        .iter()
        .map(|request| request.cursor.as_str())
        .collect();
    assert_eq!(cursors, ["", "", "c1", "c1", "c2", "", "", "d1"]);
}

#[tokio::test]
async fn what_was_not_told_is_not_passed_over_by_the_cursor() {
    let service = Scripted::start();
    service.answers(
        "WatchSessions",
        [
            say_all(&[&message("c1", "e1")]),
            fail(Code::PermissionDenied, "CALLER_NOT_ALLOWED", None),
        ],
    );
    let tenure = service.tenure();
    let mut watch = tenure
        .namespace("crm")
        .watch()
        .cursor("c0")
        .await
        .expect("open");
    assert_eq!(watch.cursor(), "c0");
    watch.next().await.expect("an event");
    assert_eq!(watch.cursor(), "c1");
    assert!(watch.into_stream().try_collect::<Vec<_>>().await.is_err());
}

#[tokio::test]
async fn opening_has_a_deadline() {
    let service = Scripted::start();
    let tenure = service.tenure();
    let open = |within| tenure.namespace("crm").watch().timeout(within);
    service.answers("WatchSessions", [Answer::Hang]);
    assert_eq!(
        *open(Duration::from_millis(300))
            .await
            .expect_err("late")
            .kind(),
        ErrorKind::DeadlineExceeded
    );
    // Had it waited for its end, the deadline would have passed.
    let long = Some(Duration::from_mins(1));
    service.answers(
        "WatchSessions",
        [fail(Code::Unavailable, "SHUTTING_DOWN", long)],
    );
    let error = open(Duration::from_secs(30)).await.expect_err("away");
    assert_eq!(error.reason(), "SHUTTING_DOWN");
}
