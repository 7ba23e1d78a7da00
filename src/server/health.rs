//! The gRPC health service, v1.
//!
//! Its own, because the ready-made one never ends a watch: each would hold up the drain for the whole
//! grace.

use futures::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::watch;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::readiness::State;

/// The services whose health can be asked for; empty is the whole server.
const SERVICES: [&str; 4] = [
    "",
    "tenure.v1.SessionService",
    "tenure.v1.CredentialService",
    "tenure.admin.v1.AdminService",
];

/// Tells [`State`] to gRPC clients.
pub(crate) struct Answers {
    state: watch::Receiver<State>,
}

/// The service over a state.
pub(crate) fn service(state: watch::Receiver<State>) -> HealthServer<Answers> {
    HealthServer::new(Answers { state })
}

fn status_of(state: &State) -> ServingStatus {
    match state {
        State::Serving => ServingStatus::Serving,
        State::Starting | State::StoreAway(_) | State::Draining => ServingStatus::NotServing,
    }
}

fn message(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}

#[tonic::async_trait]
impl Health for Answers {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        if !SERVICES.contains(&request.get_ref().service.as_str()) {
            return Err(Status::not_found("no such service"));
        }
        let status = status_of(&self.state.borrow());
        Ok(Response::new(message(status)))
    }

    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    /// The status now and at each change; ends behind the `NOT_SERVING` of a drain.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let known = SERVICES.contains(&request.get_ref().service.as_str());
        let mut state = self.state.clone();
        state.mark_changed();
        let told = None::<ServingStatus>;
        let changes = stream::unfold(Some((state, told)), move |position| async move {
            let (mut state, told) = position?;
            loop {
                state.changed().await.ok()?;
                let seen = state.borrow_and_update().clone();
                let last = seen == State::Draining;
                let status = if known {
                    status_of(&seen)
                } else {
                    ServingStatus::ServiceUnknown
                };
                if told != Some(status) {
                    let next = (!last).then_some((state, Some(status)));
                    return Some((Ok(message(status)), next));
                }
                if last {
                    return None;
                }
            }
        });
        Ok(Response::new(changes.boxed()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::readiness::Readiness;
    use super::*;

    fn asking(service: &str) -> Request<HealthCheckRequest> {
        Request::new(HealthCheckRequest {
            service: service.to_owned(),
        })
    }

    async fn watched(answers: &Answers, service: &str) -> BoxStream<'static, i32> {
        let stream = answers.watch(asking(service)).await.expect("a watch");
        stream
            .into_inner()
            .map(|message| message.expect("a status").status)
            .boxed()
    }

    #[tokio::test]
    async fn a_watch_tells_changes_and_ends_with_the_drain() {
        let readiness = Readiness::new();
        let answers = Answers {
            state: readiness.subscribe(),
        };
        let mut watch = watched(&answers, "").await;
        assert_eq!(watch.next().await, Some(ServingStatus::NotServing.into()));
        readiness.store_answered(Ok(()));
        assert_eq!(watch.next().await, Some(ServingStatus::Serving.into()));
        readiness.drain();
        assert_eq!(watch.next().await, Some(ServingStatus::NotServing.into()));
        assert_eq!(watch.next().await, None);
    }

    #[tokio::test]
    async fn a_watch_of_an_unknown_service_says_so_and_ends_with_the_drain() {
        let readiness = Readiness::new();
        let answers = Answers {
            state: readiness.subscribe(),
        };
        let mut watch = watched(&answers, "other").await;
        assert_eq!(
            watch.next().await,
            Some(ServingStatus::ServiceUnknown.into())
        );
        readiness.drain();
        assert_eq!(watch.next().await, None);
        let error = answers.check(asking("other")).await.expect_err("unknown");
        assert_eq!(error.code(), tonic::Code::NotFound);
    }

    #[tokio::test]
    async fn a_watch_that_starts_during_the_drain_ends_at_once() {
        let readiness = Readiness::new();
        readiness.drain();
        let answers = Answers {
            state: readiness.subscribe(),
        };
        let all: Vec<i32> = watched(&answers, "").await.collect().await;
        assert_eq!(all, [i32::from(ServingStatus::NotServing)]);
    }
}
