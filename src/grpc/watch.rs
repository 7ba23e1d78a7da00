//! WatchSessions: the log of a namespace as a stream with heartbeats.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::convert::{event, request};
use super::session::Messages;
use super::v1;
use crate::session::event::Event;
use crate::session::names::Owner;
use crate::session::refusal::Refusal;
use crate::session::time::Time;
use crate::sessions::Error;
use crate::store::{Answer, Cursor, Logged, Namespace, Watch};
use crate::telemetry::Metrics;

/// Which events the caller wants.
pub(super) struct Filter {
    owner: Option<Owner>,
    kinds: Vec<v1::EventKind>,
}

impl Filter {
    /// Only events of an owner, if one is given, and only of these kinds, if any are.
    pub(super) fn new(owner: Option<v1::Owner>, kinds: &[i32]) -> Result<Filter, Refusal> {
        let owner = owner.map(|owner| request::owner(Some(owner))).transpose()?;
        if owner.as_ref().is_some_and(Owner::is_anonymous) {
            return Err(Refusal::invalid("owner.user", "must not be empty"));
        }
        let kinds = kinds
            .iter()
            .map(|kind| match v1::EventKind::try_from(*kind) {
                Ok(v1::EventKind::Unspecified) | Err(_) => Err(Refusal::invalid(
                    "kinds",
                    "holds something else than the kinds of this version",
                )),
                Ok(kind) => Ok(kind),
            })
            .collect::<Result<_, _>>()?;
        Ok(Filter { owner, kinds })
    }

    fn wants(&self, logged: &Logged) -> bool {
        let wanted_owner = self
            .owner
            .as_ref()
            .is_none_or(|owner| logged.event.concerns(owner));
        let wanted_kind = self.kinds.is_empty() || self.kinds.contains(&event::kind(&logged.event));
        wanted_owner && wanted_kind
    }
}

struct Watcher {
    namespace: Arc<Namespace>,
    events: BoxStream<'static, Answer<Logged>>,
    filter: Filter,
    cursor: Cursor,
    heartbeat: Duration,
    watching: Watching,
    /// When the next heartbeat is due; `None` before the first message, which says where the stream starts.
    next_heartbeat: Option<Instant>,
    stopping: CancellationToken,
    end: Option<Error>,
    over: bool,
}

/// The stream. It begins with a heartbeat. When the service goes down it ends with the last cursor and
/// SHUTTING_DOWN.
pub(super) fn stream(
    namespace: Arc<Namespace>,
    log: Watch,
    filter: Filter,
    heartbeat: Duration,
    metrics: Arc<Metrics>,
    stopping: CancellationToken,
) -> Messages<v1::WatchSessionsResponse> {
    let watcher = Watcher {
        namespace,
        events: log.events,
        filter,
        cursor: log.start,
        heartbeat,
        watching: Watching::new(metrics),
        next_heartbeat: None,
        stopping,
        end: None,
        over: false,
    };
    stream::unfold(watcher, |mut watcher| async move {
        let message = watcher.next().await?;
        Some((message, watcher))
    })
    .boxed()
}

/// A watcher, as the metrics see it.
struct Watching {
    metrics: Arc<Metrics>,
    since: Time,
}

impl Watching {
    fn new(metrics: Arc<Metrics>) -> Watching {
        metrics.watch_streams.come(());
        Watching {
            metrics,
            since: Time::from_system_clock(),
        }
    }

    /// Notes how late an event comes, unless it is history that the watcher has asked for.
    fn hand_over(&self, event: &Event) {
        if event.at >= self.since {
            let lag = Time::from_system_clock().since(event.at);
            self.metrics.watch_lag.record((), lag);
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.metrics.watch_streams.go(());
    }
}

impl Watcher {
    async fn next(&mut self) -> Option<Result<v1::WatchSessionsResponse, Error>> {
        if self.over {
            return None;
        }
        if let Some(error) = self.end.take() {
            self.over = true;
            return Some(Err(error));
        }
        let Some(next_heartbeat) = self.next_heartbeat else {
            return Some(Ok(self.message(None)));
        };
        loop {
            tokio::select! {
                biased;
                () = self.stopping.cancelled() => {
                    self.end = Some(Error::ShuttingDown);
                    return Some(Ok(self.message(None)));
                }
                () = sleep_until(next_heartbeat) => return Some(Ok(self.message(None))),
                logged = self.events.next() => match logged {
                    Some(Ok(logged)) => {
                        self.cursor = logged.cursor.clone();
                        if self.filter.wants(&logged) {
                            self.watching.hand_over(&logged.event);
                            return Some(Ok(self.message(Some(&logged))));
                        }
                    }
                    Some(Err(error)) => {
                        self.over = true;
                        return Some(Err(error.into()));
                    }
                    None => return None,
                },
            }
        }
    }

    fn message(&mut self, logged: Option<&Logged>) -> v1::WatchSessionsResponse {
        self.next_heartbeat = Some(Instant::now() + self.heartbeat);
        v1::WatchSessionsResponse {
            event: logged.map(|logged| event::message(self.namespace.name.as_str(), logged)),
            cursor: self.cursor.0.clone(),
        }
    }
}
