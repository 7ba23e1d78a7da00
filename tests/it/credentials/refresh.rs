//! One refreshes, the others wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use prost_types::Duration as WireDuration;
use tenure_client::proto::v1;
use tenure_client::proto::v1::begin_refresh_response::Outcome;
use tonic::{Code, Status};

use super::{Caller, Fleet, config, refused, tokens};

pub(super) const fn seconds(seconds: i64) -> WireDuration {
    WireDuration { seconds, nanos: 0 }
}

impl Caller {
    pub(super) fn refresh(&self, id: &str, stale_version: i64) -> v1::BeginRefreshRequest {
        v1::BeginRefreshRequest {
            namespace: self.namespace.clone(),
            owner: Some(self.owner.clone()),
            session_id: id.to_owned(),
            name: "token".to_owned(),
            stale_version,
            lease_ttl: None,
            wait: None,
        }
    }

    pub(super) async fn begin(
        &mut self,
        request: v1::BeginRefreshRequest,
    ) -> Result<Outcome, Status> {
        let answer = self.credentials.begin_refresh(request).await?.into_inner();
        Ok(answer.outcome.expect("an outcome"))
    }

    pub(super) async fn lease(&mut self, request: v1::BeginRefreshRequest) -> v1::RefreshLease {
        match self.begin(request).await.expect("begun") {
            Outcome::Lease(lease) => lease,
            Outcome::Refreshed(_) => panic!("somebody else refreshed it"),
        }
    }

    pub(super) async fn complete(
        &mut self,
        id: &str,
        lease: &v1::RefreshLease,
        credential: v1::Credential,
    ) -> Result<i64, Status> {
        let request = v1::CompleteRefreshRequest {
            namespace: self.namespace.clone(),
            owner: Some(self.owner.clone()),
            session_id: id.to_owned(),
            name: "token".to_owned(),
            lease_id: lease.lease_id.clone(),
            credential: Some(credential),
        };
        let answer = self.credentials.complete_refresh(request).await?;
        Ok(answer.into_inner().version)
    }

    async fn abandon(&mut self, id: &str, lease_id: &str) -> Result<(), Status> {
        let request = v1::AbandonRefreshRequest {
            namespace: self.namespace.clone(),
            owner: Some(self.owner.clone()),
            session_id: id.to_owned(),
            name: "token".to_owned(),
            lease_id: lease_id.to_owned(),
            uncertain: false,
        };
        self.credentials.abandon_refresh(request).await?;
        Ok(())
    }

    pub(super) async fn with_token(&mut self) -> String {
        let id = self.make().await;
        self.put(&id, "token", tokens("a-1", "r-1"))
            .await
            .expect("put");
        id
    }
}

#[tokio::test]
async fn fifty_refreshers_over_two_instances_make_one_refresh() {
    let file = super::keys::key_file(&["one"]);
    let mut config = config();
    config.keys.file = Some(file.path().to_owned());
    let fleet = Fleet::of(2, config).await;
    let mut ann = fleet.caller().await;
    let id = ann.with_token().await;
    let refreshes = Arc::new(AtomicUsize::new(0));
    let callers = (0..50).map(async |number| {
        let mut caller = Caller::new(fleet.channel(number % 2).await, "crm");
        let request = caller.refresh(&id, 1);
        match caller.begin(request).await.expect("begun") {
            Outcome::Lease(lease) => {
                assert!(!lease.uncertain);
                refreshes.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(200)).await;
                let version = caller.complete(&id, &lease, tokens("a-2", "r-2")).await;
                assert_eq!(version.expect("completed"), 2);
            }
            Outcome::Refreshed(result) => {
                assert_eq!(result.version, 2);
                assert_eq!(result.credential, Some(tokens("a-2", "r-2")));
            }
        }
    });
    futures::future::join_all(callers).await;
    assert_eq!(refreshes.load(Ordering::SeqCst), 1);
    assert_eq!(
        ann.get(&id, "token").await.expect("got"),
        (tokens("a-2", "r-2"), 2)
    );
}

#[tokio::test]
async fn who_waits_is_woken_by_the_result() {
    let fleet = Fleet::start(config()).await;
    let mut ann = fleet.caller().await;
    let id = ann.with_token().await;
    let lease = ann.lease(ann.refresh(&id, 1)).await;
    let (mut other, wanted) = (ann.clone(), ann.refresh(&id, 1));
    let waiting = tokio::spawn(async move { other.begin(wanted).await });
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert!(!waiting.is_finished());
    ann.complete(&id, &lease, tokens("a-2", "r-2"))
        .await
        .expect("completed");
    let woken = waiting.await.expect("no panic").expect("begun");
    let Outcome::Refreshed(refreshed) = woken else {
        panic!("two refreshes");
    };
    assert_eq!(refreshed.version, 2);
    // A repeated completion is the same one.
    assert_eq!(
        ann.complete(&id, &lease, tokens("a-2", "r-2"))
            .await
            .expect("again"),
        2
    );
}

#[tokio::test]
async fn a_holder_that_dies_leaves_a_doubt() {
    let fleet = Fleet::start(config()).await;
    let mut ann = fleet.caller().await;
    let id = ann.with_token().await;
    let brief = v1::BeginRefreshRequest {
        lease_ttl: Some(seconds(1)),
        ..ann.refresh(&id, 1)
    };
    let dead = ann.lease(brief).await;
    assert!(!dead.uncertain && dead.version == 1 && dead.expires_at.is_some());
    let started = Instant::now();
    let next = ann.lease(ann.refresh(&id, 1)).await;
    assert!(started.elapsed() > Duration::from_millis(500));
    assert!(next.uncertain);
    assert_eq!(next.credential, Some(tokens("a-1", "r-1")));
    let late = ann.complete(&id, &dead, tokens("late", "late")).await;
    refused(late, Code::Aborted, "REFRESH_LEASE_LOST");
    assert_eq!(
        ann.get(&id, "token").await.expect("kept"),
        (tokens("a-1", "r-1"), 1)
    );
    assert_eq!(
        ann.complete(&id, &next, tokens("a-2", "r-2"))
            .await
            .expect("completed"),
        2
    );
    let fresh = ann.lease(ann.refresh(&id, 2)).await;
    assert!(!fresh.uncertain);
}

#[tokio::test]
async fn a_lease_given_back_goes_to_the_next() {
    let fleet = Fleet::start(config()).await;
    let mut ann = fleet.caller().await;
    let id = ann.with_token().await;
    let lease = ann.lease(ann.refresh(&id, 1)).await;
    let (mut other, wanted) = (ann.clone(), ann.refresh(&id, 1));
    let waiting = tokio::spawn(async move { other.lease(wanted).await });
    tokio::time::sleep(Duration::from_millis(20)).await;
    ann.abandon(&id, &lease.lease_id).await.expect("given back");
    let next = waiting.await.expect("no panic");
    assert!(!next.uncertain);
    assert_ne!(next.lease_id, lease.lease_id);
    ann.abandon(&id, &lease.lease_id)
        .await
        .expect("a lost one is no error");
    assert!(ann.complete(&id, &next, tokens("a-2", "")).await.is_ok());
}

#[tokio::test]
async fn who_waits_in_vain_is_told() {
    let fleet = Fleet::start(config()).await;
    let mut ann = fleet.caller().await;
    let id = ann.with_token().await;
    let lease = ann.lease(ann.refresh(&id, 1)).await;
    for nanos in [0, 200_000_000] {
        let wait = Some(WireDuration { seconds: 0, nanos });
        let impatient = v1::BeginRefreshRequest {
            wait,
            ..ann.refresh(&id, 1)
        };
        let answer = ann.begin(impatient).await;
        refused(answer, Code::Aborted, "REFRESH_IN_PROGRESS");
    }
    // A put is a new login: the refresh of what was before is lost.
    assert_eq!(
        ann.put(&id, "token", tokens("b-1", "s-1"))
            .await
            .expect("put"),
        2
    );
    let answer = ann.complete(&id, &lease, tokens("a-2", "r-2")).await;
    refused(answer, Code::Aborted, "REFRESH_LEASE_LOST");

    let unknown = v1::BeginRefreshRequest {
        name: "other".to_owned(),
        ..ann.refresh(&id, 1)
    };
    let answer = ann.begin(unknown).await;
    refused(answer, Code::NotFound, "CREDENTIAL_NOT_FOUND");
    for lease_ttl in [seconds(0), seconds(301)] {
        let bad = v1::BeginRefreshRequest {
            lease_ttl: Some(lease_ttl),
            ..ann.refresh(&id, 2)
        };
        refused(ann.begin(bad).await, Code::InvalidArgument, "INVALID_FIELD");
    }
    let nonsense = v1::RefreshLease {
        lease_id: "nonsense".to_owned(),
        ..v1::RefreshLease::default()
    };
    let answer = ann.complete(&id, &nonsense, tokens("x", "x")).await;
    refused(answer, Code::InvalidArgument, "INVALID_FIELD");
}

#[tokio::test]
async fn the_end_of_the_session_ends_the_waiting() {
    let fleet = Fleet::start(config()).await;
    let mut ann = fleet.caller().await;
    let id = ann.with_token().await;
    let _lease = ann.lease(ann.refresh(&id, 1)).await;
    let (mut other, wanted) = (ann.clone(), ann.refresh(&id, 1));
    let waiting = tokio::spawn(async move { other.begin(wanted).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    ann.end(&id).await;
    let answer = waiting.await.expect("no panic");
    refused(answer, Code::NotFound, "SESSION_DELETED");
}
