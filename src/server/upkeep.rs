//! What the service does on its own: asking whether the store is there, and sweeping.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::readiness::Readiness;
use crate::sessions::Sessions;
use crate::store::{Answer, StoreError};

/// How often the store is asked, and how long it may take to answer.
const PING_EVERY: Duration = Duration::from_secs(1);
const PING_TIMEOUT: Duration = Duration::from_secs(1);

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

/// Sweeps at each interval, and goes on as long as more is due.
pub(super) async fn keep_sweeping(sessions: Arc<Sessions>, every: Duration) {
    let mut failing = false;
    loop {
        sleep(every).await;
        loop {
            match unless_it_panics(sessions.sweep(SWEEP_BUDGET)).await {
                Ok(swept) => {
                    if failing {
                        failing = false;
                        tracing::info!("sweeping again");
                    }
                    if !swept.more {
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
