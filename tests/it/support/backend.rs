//! The stores under test, and what drives their time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tenure::config::redis::RedisConfig;
use tenure::session::time::Time;
use tenure::store::memory::{Bounds, MemoryStore};
use tenure::store::redis::{Options, RedisStore};
use tenure::store::{Clock, Store};

use super::redis::{Cluster, Reshard, Sentinels, Server};

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

/// The store in Redis: servers of its own.
pub(crate) struct Redis {
    /// What moves the cluster's slots all the while. Ends before they do.
    reshard: Option<Reshard>,
    servers: Servers,
    /// Whether it comes as a user who may do no more than the documentation says.
    restricted: bool,
    /// Each store that is opened has keys and a clock of its own.
    opened: Mutex<(u64, Clock)>,
}

enum Servers {
    One(Server),
    Sentinels(Sentinels),
    Cluster(Cluster),
}

impl Servers {
    fn url(&self) -> String {
        match self {
            Servers::One(server) => server.url(),
            Servers::Sentinels(sentinels) => sentinels.url(),
            Servers::Cluster(cluster) => cluster.url(),
        }
    }
}

impl Redis {
    /// One server.
    pub(crate) fn start() -> Redis {
        Redis::over(Servers::One(Server::start()))
    }

    /// A primary and two replicas behind sentinels.
    pub(crate) fn behind_sentinels() -> Redis {
        Redis::over(Servers::Sentinels(Sentinels::start()))
    }

    /// A cluster of three primaries and three replicas.
    pub(crate) fn in_a_cluster() -> Redis {
        Redis::over(Servers::Cluster(Cluster::start()))
    }

    /// The same, as the users that docs/REDIS.md makes.
    pub(crate) fn restricted(mut self) -> Redis {
        let (servers, sentinels, is_cluster) = match &self.servers {
            Servers::One(server) => (std::slice::from_ref(server), &[][..], false),
            Servers::Sentinels(all) => (&*all.servers, &*all.sentinels, false),
            Servers::Cluster(cluster) => (&*cluster.servers, &[][..], true),
        };
        let documented = include_str!("../../../docs/REDIS.md");
        for line in documented.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let on = match words[..] {
                ["ACL", "SETUSER", "tenure-sentinel", ..] => sentinels,
                ["ACL", "SETUSER", "tenure", first, ..] => {
                    if first.starts_with("+cluster") && !is_cluster {
                        continue;
                    }
                    servers
                }
                _ => continue,
            };
            let set = words.iter().map(|word| match *word {
                "~tenure:*" => "~store-*",
                other => other,
            });
            let set: Vec<&str> = set.collect();
            for server in on {
                server.ask(&set);
            }
        }
        self.restricted = true;
        self
    }

    /// The same, while the slots of the namespaces' cells move from primary to primary.
    pub(crate) fn in_a_cluster_whose_slots_move(namespaces: &[&str]) -> Redis {
        let cluster = Cluster::start();
        cluster.never_fail_over();
        let slot = |namespace: &str, cell: u32| {
            let key = format!("{{{namespace}:{cell:02x}}}");
            let slot = cluster.servers[0].ask(&["CLUSTER", "KEYSLOT", &key]);
            redis::from_redis_value::<u16>(slot).expect("a slot")
        };
        let cells = |namespace| (0..256).map(move |cell| slot(namespace, cell));
        let mut slots: Vec<u16> = namespaces.iter().flat_map(|name| cells(name)).collect();
        slots.sort_unstable();
        slots.dedup();
        let reshard = Reshard::start(&cluster, slots);
        let mut moving = Redis::over(Servers::Cluster(cluster));
        moving.reshard = Some(reshard);
        moving
    }

    fn over(servers: Servers) -> Redis {
        Redis {
            reshard: None,
            servers,
            restricted: false,
            opened: Mutex::new((0, Clock::stopped_at(START))),
        }
    }

    async fn open_last(&self, bounds: Bounds) -> Arc<dyn Store> {
        let (number, clock) = self.opened.lock().expect("no panic").clone();
        let mut config = RedisConfig::parse(&self.servers.url()).expect("a URL");
        config.key_prefix = format!("store-{number}:");
        if self.restricted {
            let password = || Some("PASSWORD".into());
            (config.username, config.password) = (Some("tenure".into()), password());
            config.sentinel_username = Some("tenure-sentinel".into());
            config.sentinel_password = password();
        }
        // These tests are about answers. A busy machine must not turn them into outages.
        config.response_timeout = Duration::from_secs(10);
        config.wait_timeout = Duration::from_secs(5);
        let options = Options {
            event_log_length: bounds.event_log_length,
            usage_age: Duration::ZERO,
            poll_interval: Duration::from_millis(25),
        };
        let store = RedisStore::open(&config, options, Some(clock))
            .await
            .expect("good settings");
        // It connects in the background, to each primary.
        for _ in 0..500 {
            if store.ping().await.is_ok() && store.status().await.trouble.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Arc::new(store)
    }
}

/// Ends the moves, and sees that they were what they are for: how many there were, and how many calls were told so.
impl Drop for Redis {
    #[expect(clippy::print_stdout, reason = "the figures are what it is for")]
    fn drop(&mut self) {
        let (Some(reshard), Servers::Cluster(cluster)) = (self.reshard.take(), &self.servers)
        else {
            return;
        };
        if std::thread::panicking() {
            return;
        }
        let moves = reshard.stop();
        let told = ["MOVED", "ASK", "TRYAGAIN"].map(|code| (code, cluster.errors(code)));
        println!("{moves} slots with keys were moved; calls were told {told:?}");
        assert!(moves > 500, "{moves}");
        assert!(told.iter().all(|(_, count)| *count > 0), "{told:?}");
    }
}

#[async_trait]
impl Backend for Redis {
    async fn open(&self, bounds: Bounds) -> (Arc<dyn Store>, Arc<dyn TimeMachine>) {
        let clock = Clock::stopped_at(START);
        {
            let mut opened = self.opened.lock().expect("no panic");
            *opened = (opened.0 + 1, clock.clone());
        }
        (self.open_last(bounds).await, Arc::new(clock))
    }

    async fn reopen(&self, bounds: Bounds) -> Arc<dyn Store> {
        self.open_last(bounds).await
    }

    fn lacks(&self) -> &'static [(Capability, &'static str)] {
        &[(
            Capability::Bounds,
            "how much it holds is Redis' own setting (maxmemory), for all instances at once",
        )]
    }

    fn quiet(&self) -> Duration {
        Duration::from_secs(1)
    }
}
