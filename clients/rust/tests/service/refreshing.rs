//! `with_fresh_token`: who refreshes, who waits, and what a failure leaves behind.

use std::error::Error as StdError;
use std::time::{Duration, SystemTime};

use tenure_client::proto::v1;
use tenure_client::{Code, Credential, Credentials, Error, ErrorKind, RefreshLease, TokenSet};

use tokio::sync::Notify;

use super::scripted::{Answer, Scripted, fail, say};

const ID: &str = "session-0123456789";

pub(crate) fn soon() -> TokenSet {
    TokenSet::bearer("old")
        .refresh_token("r-1")
        .expires_in(Duration::from_secs(5))
}

pub(crate) fn fresh() -> TokenSet {
    TokenSet::bearer("new")
        .refresh_token("r-2")
        .expires_in(Duration::from_hours(1))
}

fn stored(tokens: TokenSet, version: i64) -> Answer {
    say(&v1::GetCredentialResponse {
        credential: Some(Credential::from(tokens).into()),
        version,
    })
}

fn begun(outcome: v1::begin_refresh_response::Outcome) -> Answer {
    say(&v1::BeginRefreshResponse {
        outcome: Some(outcome),
    })
}

fn service() -> (Scripted, Credentials) {
    let service = Scripted::start();
    service.answers("GetCredential", [stored(soon(), 1)]);
    let lease = v1::RefreshLease {
        lease_id: "l-1".to_owned(),
        credential: Some(Credential::from(soon()).into()),
        version: 1,
        expires_at: Some(SystemTime::now().into()),
        uncertain: true,
    };
    service.answers(
        "BeginRefresh",
        [begun(v1::begin_refresh_response::Outcome::Lease(lease))],
    );
    service.answers(
        "CompleteRefresh",
        [say(&v1::CompleteRefreshResponse { version: 2 })],
    );
    service.answers("AbandonRefresh", [say(&v1::AbandonRefreshResponse {})]);
    let sessions = service.tenure().namespace("crm").owner("acme", "ada");
    let credentials = sessions.credentials(ID);
    (service, credentials)
}

pub(crate) async fn never(_: RefreshLease) -> Result<TokenSet, Error> {
    panic!("must not refresh")
}

async fn refresh(lease: RefreshLease) -> Result<TokenSet, Error> {
    assert_eq!(lease.tokens.refresh_token, "r-1");
    assert!(lease.uncertain && lease.version == 1);
    Ok(fresh())
}

#[tokio::test]
async fn a_fresh_one_is_used() {
    let (service, credentials) = service();
    service.answers("GetCredential", [stored(fresh(), 4)]);
    let used = credentials
        .with_fresh_token("github", never)
        .await
        .expect("read");
    assert_eq!((used.access_token(), used.version), ("new", 4));
    assert!(service.asked("BeginRefresh").is_empty());
}

#[tokio::test]
async fn one_with_a_lease_refreshes() {
    let (service, credentials) = service();
    let used = credentials
        .with_fresh_token("github", refresh)
        .await
        .expect("fresh");
    assert_eq!((used.access_token(), used.version), ("new", 2));
    let completed = &service.requests::<v1::CompleteRefreshRequest>("CompleteRefresh")[0];
    assert_eq!(
        (completed.lease_id.as_str(), completed.name.as_str()),
        ("l-1", "github")
    );
    match completed
        .credential
        .clone()
        .and_then(|stored| stored.secret)
    {
        Some(v1::credential::Secret::Oauth(tokens)) => assert_eq!(tokens.refresh_token, "r-2"),
        _ => panic!("no token set"),
    }
    assert!(service.asked("AbandonRefresh").is_empty());
}

#[tokio::test]
async fn anothers_result_is_used_and_a_rejected_one_is_not_read() {
    let (service, credentials) = service();
    let refreshed = v1::RefreshedCredential {
        credential: Some(Credential::from(fresh()).into()),
        version: 2,
    };
    let refreshed = v1::begin_refresh_response::Outcome::Refreshed(refreshed);
    service.answers("BeginRefresh", [begun(refreshed)]);
    let used = credentials
        .with_fresh_token("github", never)
        .await
        .expect("fresh");
    assert_eq!(used.version, 2);
    let reads = service.asked("GetCredential").len();
    let again = credentials.with_fresh_token("github", never).rejected(used);
    again.await.expect("fresh");
    assert_eq!(service.asked("GetCredential").len(), reads);
    let begun = service.requests::<v1::BeginRefreshRequest>("BeginRefresh");
    let stale: Vec<_> = begun.iter().map(|request| request.stale_version).collect();
    assert_eq!(stale, [1, 2]);
}

#[tokio::test]
async fn a_failure_gives_the_lease_back_and_is_the_callers() {
    let (service, credentials) = service();
    service.answers("AbandonRefresh", [fail(Code::Internal, "INTERNAL", None)]);
    let failing = credentials.with_fresh_token("github", |_| async {
        Err::<TokenSet, Box<dyn StdError + Send + Sync>>("invalid_grant".into())
    });
    assert_eq!(
        failing.await.expect_err("its own").to_string(),
        "invalid_grant"
    );
    let given_back = &service.requests::<v1::AbandonRefreshRequest>("AbandonRefresh")[0];
    assert_eq!(
        (given_back.lease_id.as_str(), given_back.uncertain),
        ("l-1", true)
    );
    assert!(service.asked("CompleteRefresh").is_empty());
}

#[tokio::test]
async fn a_refresh_that_nobody_waits_for_gives_the_lease_back() {
    let (service, credentials) = service();
    let refreshing = Notify::new();
    let hanging = credentials
        .with_fresh_token("github", |_| {
            refreshing.notify_one();
            std::future::pending::<Result<_, Error>>()
        })
        .into_future();
    tokio::select! {
        _ = hanging => panic!("nobody refreshed"),
        () = refreshing.notified() => {}
    }
    service.until_asked("AbandonRefresh", 1).await;
    let given_back = &service.requests::<v1::AbandonRefreshRequest>("AbandonRefresh")[0];
    assert_eq!(
        (given_back.lease_id.as_str(), given_back.uncertain),
        ("l-1", true)
    );
}

#[tokio::test]
async fn the_wait_ends_before_the_deadline() {
    let (service, credentials) = service();
    let busy = fail(Code::Aborted, "REFRESH_IN_PROGRESS", None);
    service.answers("BeginRefresh", [busy]);
    let usual = credentials.with_fresh_token("github", never);
    let given = credentials
        .with_fresh_token("github", never)
        .timeout(Duration::from_secs(20));
    for waiting in [usual, given] {
        let error = waiting.await.expect_err("busy");
        assert_eq!(*error.kind(), ErrorKind::RefreshInProgress);
    }
    let waits = service.requests::<v1::BeginRefreshRequest>("BeginRefresh");
    let seconds: Vec<_> = waits
        .iter()
        .map(|request| request.wait.map(|wait| wait.seconds).unwrap_or_default())
        .collect();
    assert!((50..60).contains(&seconds[0]), "{seconds:?}");
    assert!((10..20).contains(&seconds[1]), "{seconds:?}");
}

#[tokio::test]
async fn a_lost_lease_may_be_an_answer_that_was_lost() {
    let (service, credentials) = service();
    let away = fail(Code::Unavailable, "STORE_UNAVAILABLE", None);
    let lost = fail(Code::Aborted, "REFRESH_LEASE_LOST", None);
    service.answers("CompleteRefresh", [away, lost.clone()]);
    service.answers("GetCredential", [stored(soon(), 1), stored(fresh(), 2)]);
    let used = credentials
        .with_fresh_token("github", refresh)
        .await
        .expect("stored");
    assert_eq!((used.access_token(), used.version), ("new", 2));

    service.answers("GetCredential", [stored(soon(), 1)]);
    service.answers("CompleteRefresh", [lost]);
    let error = credentials
        .with_fresh_token("github", refresh)
        .await
        .expect_err("lost");
    assert_eq!(*error.kind(), ErrorKind::RefreshLeaseLost);
}

#[tokio::test]
async fn what_is_no_token_set_cannot_be_refreshed() {
    let (service, credentials) = service();
    let opaque = v1::GetCredentialResponse {
        credential: Some(Credential::from(b"canary".to_vec()).into()),
        version: 1,
    };
    service.answers("GetCredential", [say(&opaque)]);
    let error = credentials
        .with_fresh_token("k", never)
        .await
        .expect_err("refused");
    assert!(error.is_refused() && !error.to_string().contains("canary"));
    service.answers(
        "GetCredential",
        [fail(
            Code::FailedPrecondition,
            "ENCRYPTION_NOT_CONFIGURED",
            None,
        )],
    );
    let error = credentials.get("k").await.expect_err("refused");
    assert_eq!(*error.kind(), ErrorKind::EncryptionNotConfigured);
}

#[tokio::test]
async fn a_result_is_stored_although_the_caller_gives_up() {
    let (service, credentials) = service();
    let away = fail(
        Code::Unavailable,
        "STORE_UNAVAILABLE",
        Some(Duration::from_secs(1)),
    );
    let stored = say(&v1::CompleteRefreshResponse { version: 2 });
    service.answers("CompleteRefresh", [away, stored]);
    let giving_up = credentials
        .with_fresh_token("github", refresh)
        .into_future();
    tokio::select! {
        _ = giving_up => panic!("it was stored at once"),
        () = service.until_asked("CompleteRefresh", 1) => {}
    }
    service.until_asked("CompleteRefresh", 2).await;
}
