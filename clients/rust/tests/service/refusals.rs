//! Errors that take more than one call to provoke, from the real service.

use std::sync::Arc;
use std::time::Duration;

use tenure_client::testing::Server;
use tenure_client::{Credential, Credentials, Error, ErrorKind, Sessions, Tenure, TokenSet};
use tokio::sync::Notify;

use super::refreshing::{fresh, never, soon};

/// A session of a new service with a token set that ends soon.
async fn stale(arguments: &[&str]) -> (Server, Sessions, String, Credentials) {
    let server = Server::start_with(arguments).expect("a service");
    let tenure = Tenure::connect(server.options()).await.expect("connected");
    let sessions = tenure.namespace("crm").owner("acme", "ada");
    let created = sessions.create().credential("t", Credential::from(soon()));
    let id = created.await.expect("created").session.id;
    let credentials = sessions.credentials(&id);
    (server, sessions, id, credentials)
}

#[tokio::test]
async fn who_waits_too_long_for_anothers_refresh_is_told() {
    let (_server, _, _, credentials) = stale(&[]).await;
    let done = credentials.with_fresh_token("t", async |_| {
        let waiting = credentials.with_fresh_token("t", never);
        let error = waiting.timeout(Duration::from_secs(5)).await;
        assert_eq!(
            *error.expect_err("too late").kind(),
            ErrorKind::RefreshInProgress
        );
        Ok::<_, Error>(fresh())
    });
    assert_eq!(done.await.expect("fresh").access_token(), "new");
}

#[tokio::test]
async fn a_refresh_that_is_given_up_leaves_its_place_to_others() {
    let (_server, _, _, credentials) = stale(&[]).await;
    let begun = Arc::new(Notify::new());
    let hanging = {
        let (credentials, begun) = (credentials.clone(), Arc::clone(&begun));
        tokio::spawn(async move {
            let refresh = |_| async move {
                begun.notify_one();
                std::future::pending::<Result<TokenSet, Error>>().await
            };
            let long = Duration::from_mins(5);
            credentials
                .with_fresh_token("t", refresh)
                .lease_ttl(long)
                .await
        })
    };
    begun.notified().await;
    hanging.abort();
    let done = credentials.with_fresh_token("t", |_| async { Ok::<_, Error>(fresh()) });
    assert_eq!(done.await.expect("fresh").access_token(), "new");
}

#[tokio::test]
async fn a_service_with_too_much_to_do_says_so() {
    let (_server, sessions, id, credentials) = stale(&["--set", "grpc.max_in_flight=1"]).await;
    let seen = credentials.get("t").await.expect("read");
    let done = credentials.with_fresh_token("t", async |_| {
        // Whoever waits for this refresh takes the only place.
        let waiting = {
            let credentials = credentials.clone();
            tokio::spawn(async move {
                credentials
                    .with_fresh_token("t", never)
                    .rejected(seen)
                    .await
            })
        };
        let error = loop {
            if let Err(error) = sessions.get(&id).await {
                break error;
            }
        };
        assert_eq!(*error.kind(), ErrorKind::Overloaded);
        assert!(error.retry_after().is_some());
        waiting.abort();
        while let Err(error) = sessions.get(&id).await {
            assert_eq!(*error.kind(), ErrorKind::Overloaded);
        }
        Ok::<_, Error>(fresh())
    });
    assert_eq!(done.await.expect("fresh").access_token(), "new");
}

#[tokio::test]
async fn what_a_destroyed_key_sealed_is_unreadable() {
    let (server, _, _, credentials) = stale(&[]).await;
    let tenure = Tenure::lazy(server.options()).expect("options");
    let destroyed = tenure.admin().destroy_tenant_key("crm", "acme").await;
    assert!(destroyed.expect("destroyed"));
    let error = credentials.get("t").await.expect_err("unreadable");
    assert_eq!(*error.kind(), ErrorKind::DataUnreadable);
}
