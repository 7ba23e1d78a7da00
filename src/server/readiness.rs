//! Whether calls should come here: known in one place, told by gRPC health and by `/readyz`.

use tokio::sync::watch;

use crate::store::StoreError;

/// Whether calls should come here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The store has not answered yet.
    Starting,
    /// Yes.
    Serving,
    /// No: the store says this.
    StoreAway(StoreError),
    /// No, and never again.
    Draining,
}

impl State {
    /// Why not; `None`: calls should come here. Names no address: a store's error holds none.
    pub(crate) fn reason_against(&self) -> Option<String> {
        match self {
            State::Serving => None,
            State::Starting => Some("starting".to_owned()),
            State::StoreAway(error) => Some(error.to_string()),
            State::Draining => Some("shutting down".to_owned()),
        }
    }

    /// Whether the store can do its work, as far as is known.
    pub(crate) fn is_store_ready(&self) -> bool {
        matches!(self, State::Serving | State::Draining)
    }
}

/// The one place that knows.
#[derive(Clone, Debug)]
pub(crate) struct Readiness(watch::Sender<State>);

impl Readiness {
    pub(crate) fn new() -> Readiness {
        Readiness(watch::Sender::new(State::Starting))
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<State> {
        self.0.subscribe()
    }

    /// What the store's ping has answered. Says whether that is news.
    pub(crate) fn store_answered(&self, answer: Result<(), StoreError>) -> bool {
        let next = match answer {
            Ok(()) => State::Serving,
            Err(error) => State::StoreAway(error),
        };
        self.0.send_if_modified(|state| {
            let news = *state != State::Draining && *state != next;
            if news {
                *state = next;
            }
            news
        })
    }

    /// From now on no more calls.
    pub(crate) fn drain(&self) {
        self.0.send_replace(State::Draining);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_changes_are_news_and_draining_is_for_good() {
        let readiness = Readiness::new();
        let state = readiness.subscribe();
        let away = StoreError::Unavailable {
            retry_after: Duration::ZERO,
        };
        assert_eq!(state.borrow().reason_against().as_deref(), Some("starting"));
        assert!(readiness.store_answered(Err(away.clone())));
        assert!(!readiness.store_answered(Err(away)));
        assert_eq!(
            state.borrow().reason_against().as_deref(),
            Some("the store is unavailable")
        );
        assert!(readiness.store_answered(Ok(())));
        assert!(!readiness.store_answered(Ok(())));
        assert_eq!(state.borrow().reason_against(), None);
        readiness.drain();
        assert!(!readiness.store_answered(Ok(())));
        assert_eq!(
            state.borrow().reason_against().as_deref(),
            Some("shutting down")
        );
    }
}
