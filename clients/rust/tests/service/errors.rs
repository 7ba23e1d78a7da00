//! Every reason that the service gives is a kind of error of its own, or one of a family that is named.

use std::path::Path;

use serde_json::Value;
use tenure_client::{Code, EndReason, ErrorKind};

use super::scripted::{Scripted, fail};

/// The kind's name as all languages have it.
fn name(kind: &ErrorKind) -> String {
    match kind {
        ErrorKind::SessionEnded(EndReason::ExpiredIdle | EndReason::ExpiredAbsolute) => {
            "SessionExpired".to_owned()
        }
        ErrorKind::SessionEnded(EndReason::Invalidated(_)) => "SessionInvalidated".to_owned(),
        ErrorKind::SessionEnded(reason) => format!("Session{reason:?}"),
        ErrorKind::RevisionMismatch { .. } => "RevisionMismatch".to_owned(),
        other => format!("{other:?}"),
    }
}

fn code(name: &str) -> Code {
    match name {
        "INVALID_ARGUMENT" => Code::InvalidArgument,
        "UNAUTHENTICATED" => Code::Unauthenticated,
        "PERMISSION_DENIED" => Code::PermissionDenied,
        "NOT_FOUND" => Code::NotFound,
        "ALREADY_EXISTS" => Code::AlreadyExists,
        "ABORTED" => Code::Aborted,
        "FAILED_PRECONDITION" => Code::FailedPrecondition,
        "OUT_OF_RANGE" => Code::OutOfRange,
        "RESOURCE_EXHAUSTED" => Code::ResourceExhausted,
        "UNAVAILABLE" => Code::Unavailable,
        "DEADLINE_EXCEEDED" => Code::DeadlineExceeded,
        "DATA_LOSS" => Code::DataLoss,
        "UNIMPLEMENTED" => Code::Unimplemented,
        "INTERNAL" => Code::Internal,
        other => panic!("{other} is a code that no reason had"),
    }
}

#[tokio::test]
async fn each_reason_has_its_kind() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/reasons.json");
    let text = std::fs::read_to_string(file).expect("the reasons");
    let listed: Value = serde_json::from_str(&text).expect("JSON");
    let rows = listed["reasons"].as_array().expect("a list");
    assert!(!rows.is_empty());
    let service = Scripted::start();
    let tenure = service.tenure();
    for row in rows {
        let text = |key: &str| row[key].as_str().expect("a text");
        let answer = fail(code(text("code")), text("reason"), None);
        service.answers("PutCredential", [answer]);
        // The one call that is never repeated.
        let sessions = tenure.namespace("crm").owner("acme", "ada");
        let credentials = sessions.credentials("session-0123456789");
        let error = credentials.put("k", b"secret".to_vec()).await;
        let error = error.expect_err("told to fail");
        assert_eq!(name(error.kind()), text("kind"), "{}", text("reason"));
        assert_eq!(error.reason(), text("reason"));
        assert_eq!(error.code(), code(text("code")));
        let is = |family: &str| {
            row["of"]
                .as_array()
                .is_some_and(|of| of.contains(&family.into()))
        };
        assert_eq!(error.is_unavailable(), is("Unavailable"), "{error}");
        let not_found = is("SessionNotFound") || text("kind") == "SessionNotFound";
        assert_eq!(error.is_not_found(), not_found, "{error}");
    }
}
