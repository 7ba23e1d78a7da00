//! What the service does on its own: asking whether the store is there, sweeping, and counting what is kept.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::readiness::Readiness;
use crate::audit::Audit;
use crate::sessions::Sessions;
use crate::store::status::Glance;
use crate::store::{Answer, Store, StoreError};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::label::{Breaker, Trouble};

/// How often the store is asked, and how long it may take to answer.
const PING_EVERY: Duration = Duration::from_secs(1);
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// How often sessions are counted.
const COUNT_EVERY: Duration = Duration::from_secs(15);

/// How often it is looked into what was not there.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Owners that one sweep looks at. Small, so that a sweep never holds the thread for long.
const SWEEP_BUDGET: usize = 256;

/// A panic of the store costs one question, not the upkeep.
async fn unless_it_panics<T>(question: impl Future<Output = Answer<T>>) -> Answer<T> {
    let answer = AssertUnwindSafe(question).catch_unwind().await;
    answer.unwrap_or_else(|_| {
        Err(StoreError::Unavailable {
            retry_after: PING_EVERY,
        })
    })
}

/// Asks the store once.
pub(super) async fn ping(sessions: &Sessions, readiness: &Readiness) {
    let unanswered = StoreError::Unavailable {
        retry_after: PING_EVERY,
    };
    let answer = timeout(PING_TIMEOUT, unless_it_panics(sessions.ping()))
        .await
        .unwrap_or(Err(unanswered));
    let said = answer.clone();
    if readiness.store_answered(answer) {
        match said {
            Ok(()) => tracing::info!("the store answers"),
            Err(error) => tracing::error!(%error, "not serving"),
        }
    }
}

/// Asks the store each second.
pub(super) async fn keep_pinging(sessions: Arc<Sessions>, readiness: Readiness) {
    let mut every = interval(PING_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        ping(&sessions, &readiness).await;
    }
}

/// Sweeps at each interval, and goes on as long as more is due. Never stops in the midst of a sweep: what it
/// has ended would be told to nobody.
pub(super) async fn keep_sweeping(
    sessions: Arc<Sessions>,
    every: Duration,
    stopping: CancellationToken,
    metrics: Arc<Metrics>,
) {
    let mut failing = false;
    loop {
        if timeout(every, stopping.cancelled()).await.is_ok() {
            return;
        }
        let mut lag = Duration::ZERO;
        loop {
            match unless_it_panics(sessions.sweep(SWEEP_BUDGET)).await {
                Ok(swept) => {
                    lag = lag.max(swept.lag);
                    metrics.sweep_lag.set((), lag.as_secs_f64());
                    if failing {
                        failing = false;
                        tracing::info!("sweeping again");
                    }
                    if !swept.more || stopping.is_cancelled() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
                Err(error) => {
                    if !failing {
                        failing = true;
                        tracing::warn!(%error, "cannot sweep; trying on");
                    }
                    break;
                }
            }
        }
    }
}

/// Looks now and then into what callers were told is not there. At its own times: nobody who asks for somebody
/// else's session can measure it.
pub(super) async fn keep_looking_for_violations(sessions: Arc<Sessions>) {
    loop {
        sleep(LOOK_EVERY).await;
        sessions.look_into_misses().await;
    }
}

/// Tells the metrics what becomes of the audit's lines, whenever somebody reads them.
pub(super) fn report_audit(metrics: &Metrics, audit: &Arc<Audit>) {
    let audit = Arc::downgrade(audit);
    metrics.ask_before_reading(move |metrics| {
        let Some(audit) = audit.upgrade() else { return };
        let became = audit.became();
        metrics.audit_lines.many((), became.written);
        metrics.audit_lost.many((), became.lost);
        metrics.audit_turned_away.many((), became.turned_away);
        metrics.audit_failures.many((), became.failures);
        metrics.audit_waiting.set_count((), became.waiting);
    });
}

/// Tells the metrics how the store is, whenever somebody reads them.
pub(super) fn report_store(metrics: &Metrics, readiness: &Readiness, store: &Arc<dyn Store>) {
    let (state, store) = (readiness.subscribe(), Arc::clone(store));
    metrics.ask_before_reading(move |metrics| {
        let ready = state.borrow().is_store_ready();
        metrics.store_ready.set((), f64::from(u8::from(ready)));
        let Glance {
            bytes,
            closed_breakers,
            open_breakers,
            unsafe_eviction,
            clock_skew,
        } = store.glance();
        if let Some(bytes) = bytes {
            metrics.store_size.set_count((), bytes);
        }
        let servers = &metrics.store_servers;
        servers.set_count((Breaker::Closed,), closed_breakers);
        servers.set_count((Breaker::Open,), open_breakers);
        let trouble = &metrics.store_trouble;
        trouble.set_count((Trouble::UnsafeEviction,), unsafe_eviction.into());
        trouble.set_count((Trouble::ClockSkew,), clock_skew.into());
    });
}

/// Counts sessions, for the metrics. Where that takes long, a hundredth of the time goes into it.
pub(super) async fn keep_counting(store: Arc<dyn Store>, metrics: Arc<Metrics>) {
    loop {
        let began = Instant::now();
        let in_use = unless_it_panics(store.namespaces()).await;
        let counted = in_use.map(|in_use| {
            let sessions = in_use.into_iter().map(|one| (one.name, one.sessions));
            sessions.collect::<Vec<_>>()
        });
        metrics.report_sessions(counted.ok().as_deref());
        sleep(COUNT_EVERY.max(began.elapsed() * 100)).await;
    }
}
