//! The stores under test, and what drives their time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tenure::config::redis::RedisConfig;
use tenure::session::time::Time;
use tenure::store::Store;
use tenure::store::memory::{Bounds, Clock, MemoryStore};
use tenure::store::redis::{Options, RedisStore};

use super::redis::Server;

/// A kind of store.
#[async_trait]
pub(crate) trait Backend: Send + Sync {
    /// An empty store, and the clock that it goes by.
    async fn open(&self, bounds: Bounds) -> (Arc<dyn Store>, Arc<dyn TimeMachine>);

    /// The same store after its process was started anew.
    async fn reopen(&self, bounds: Bounds) -> Arc<dyn Store>;

    /// What it cannot do, and why that is right. The suite asserts each lack.
    fn lacks(&self) -> &'static [(Capability, &'static str)];

    /// How long nothing has to happen until a watcher has seen everything.
    fn quiet(&self) -> Duration;

    /// Whether it lacks something.
    fn is_without(&self, capability: Capability) -> bool {
        self.lacks().iter().any(|(lack, _)| *lack == capability)
    }
}

/// What some stores can do and others cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Capability {
    /// Sessions outlive the process.
    Durability,
    /// It counts sessions and bytes itself, and refuses more than it is told.
    Bounds,
}

/// Moves a store's time.
#[async_trait]
pub(crate) trait TimeMachine: Send + Sync {
    /// What the store will take for the time.
    async fn now(&self) -> Time;
    /// Moves it forwards.
    async fn advance(&self, by: Duration);
    /// Sets the machine's clock back, as happens in a machine's life.
    async fn set_back(&self, by: Duration);
}

/// The store in memory.
pub(crate) struct Memory;

/// Some moment in the year 2030, a whole second.
pub(crate) const START: Time = Time::from_millis(1_900_000_000_000);

#[async_trait]
impl Backend for Memory {
    async fn open(&self, bounds: Bounds) -> (Arc<dyn Store>, Arc<dyn TimeMachine>) {
        let clock = Clock::stopped_at(START);
        let store = MemoryStore::new(bounds, clock.clone());
        (Arc::new(store), Arc::new(clock))
    }

    async fn reopen(&self, bounds: Bounds) -> Arc<dyn Store> {
        Arc::new(MemoryStore::new(bounds, Clock::stopped_at(START)))
    }

    fn lacks(&self) -> &'static [(Capability, &'static str)] {
        &[(
            Capability::Durability,
            "it keeps nothing anywhere but in memory, and says so",
        )]
    }

    fn quiet(&self) -> Duration {
        Duration::from_millis(10)
    }
}

#[async_trait]
impl TimeMachine for Clock {
    async fn now(&self) -> Time {
        Clock::now(self)
    }

    async fn advance(&self, by: Duration) {
        Clock::advance(self, by);
    }

    async fn set_back(&self, by: Duration) {
        Clock::set_back(self, by);
    }
}

/// The store in a Redis server of its own.
pub(crate) struct Redis {
    server: Server,
    clock: Clock,
    /// Each store that is opened has keys of its own.
    opened: AtomicU64,
}

impl Redis {
    pub(crate) fn start() -> Redis {
        Redis {
            server: Server::start(),
            clock: Clock::stopped_at(START),
            opened: AtomicU64::new(0),
        }
    }

    async fn open_number(&self, number: u64, bounds: Bounds) -> Arc<dyn Store> {
        let mut config = RedisConfig::parse(&self.server.url()).expect("a URL");
        config.key_prefix = format!("store-{number}:");
        // These tests are about answers. A busy machine must not turn them into outages.
        config.response_timeout = Duration::from_secs(10);
        let options = Options {
            event_log_length: bounds.event_log_length,
            usage_age: Duration::ZERO,
            poll_interval: Duration::from_millis(100),
        };
        let store = RedisStore::open(&config, options, Some(self.clock.clone()))
            .await
            .expect("good settings");
        // It connects in the background.
        for _ in 0..500 {
            if store.ping().await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Arc::new(store)
    }
}

#[async_trait]
impl Backend for Redis {
    async fn open(&self, bounds: Bounds) -> (Arc<dyn Store>, Arc<dyn TimeMachine>) {
        let number = self.opened.fetch_add(1, Ordering::Relaxed) + 1;
        let store = self.open_number(number, bounds).await;
        (store, Arc::new(self.clock.clone()))
    }

    async fn reopen(&self, bounds: Bounds) -> Arc<dyn Store> {
        self.open_number(self.opened.load(Ordering::Relaxed), bounds)
            .await
    }

    fn lacks(&self) -> &'static [(Capability, &'static str)] {
        &[(
            Capability::Bounds,
            "how much it holds is Redis' own setting (maxmemory), for all instances at once",
        )]
    }

    fn quiet(&self) -> Duration {
        Duration::from_millis(300)
    }
}
