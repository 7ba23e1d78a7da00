//! One server: whether it can be asked (the breaker), and the connections to it.

use std::collections::HashMap;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use deadpool_redis::Pool;
use parking_lot::{Mutex, RwLock};
use redis::{Cmd, Pipeline, Value};
use tokio::runtime;
use tokio::sync::{Notify, watch};

use crate::config::redis::{Address, BadRedisConfig, Credentials, RedisConfig};
use crate::store::redis::link::connect::{Dialer, Held};
use crate::store::redis::link::ending::EndingLane;
use crate::store::redis::link::fault::Trouble;
use crate::store::redis::link::lane::{self, Lane};
use crate::store::redis::link::watch::Findings;

/// A server. All runtimes share its breaker; each has its own connections, because a connection's driver is
/// a task of the runtime that made it.
pub(super) struct Node {
    pub(super) address: Address,
    pub(super) config: Arc<RedisConfig>,
    dialer: Arc<Dialer>,
    access: Mutex<Access>,
    /// What the watch has found; the authority, and how to wait for it.
    standing: watch::Sender<Standing>,
    /// The same, to look at on each call.
    glance: AtomicU8,
    in_flight: AtomicUsize,
    /// What the watch has found last.
    pub(super) findings: Mutex<Option<Findings>>,
    /// Wakes the watch: somebody has had trouble.
    pub(super) suspicion: Notify,
    /// How often in a row WAIT has found too few replicas.
    pub(super) shortfalls: AtomicU32,
    lanes: RwLock<HashMap<runtime::Id, Arc<Lanes>>>,
}

struct Access {
    pool: Pool,
    credentials: Credentials,
}

/// The breaker's position. Only the watch closes it, after it has looked at the server: version, role,
/// eviction. So no call is ever the one that tries whether the server is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not looked at yet: worth waiting for.
    Fresh = 0,
    /// Calls may go there.
    Good = 1,
    /// Calls are answered at once that it is unavailable.
    Down = 2,
}

/// One runtime's connections to a server.
struct Lanes {
    calls: Arc<Lane>,
    endings: EndingLane,
}

impl Node {
    pub(super) fn new(
        address: Address,
        config: &Arc<RedisConfig>,
        dialer: &Arc<Dialer>,
    ) -> Result<Arc<Node>, BadRedisConfig> {
        let credentials = config.credentials()?;
        let pool = dialer.pool(&address, &credentials)?;
        Ok(Arc::new(Node {
            address,
            config: Arc::clone(config),
            dialer: Arc::clone(dialer),
            access: Mutex::new(Access { pool, credentials }),
            standing: watch::Sender::new(Standing::Fresh),
            glance: AtomicU8::new(Standing::Fresh as u8),
            in_flight: AtomicUsize::new(0),
            findings: Mutex::new(None),
            suspicion: Notify::new(),
            shortfalls: AtomicU32::new(0),
            lanes: RwLock::default(),
        }))
    }

    pub(super) fn pool(&self) -> Pool {
        self.access.lock().pool.clone()
    }

    /// After the server has refused the credentials: reads the file anew, in case they have been changed.
    pub(super) fn renew_credentials(&self) {
        let Ok(credentials) = self.config.credentials() else {
            return;
        };
        let mut access = self.access.lock();
        if credentials.same_as(&access.credentials) {
            return;
        }
        if let Ok(pool) = self.dialer.pool(&self.address, &credentials) {
            *access = Access { pool, credentials };
        }
    }

    pub(super) fn standing(&self) -> Standing {
        *self.standing.borrow()
    }

    /// What the watch has found. Answers what it was before.
    pub(super) fn set_standing(&self, standing: Standing) -> Standing {
        self.glance.store(standing as u8, Ordering::Relaxed);
        self.standing.send_replace(standing)
    }

    /// A call had no answer in time, or no connection. Opens the breaker and wakes the watch, which closes it
    /// within a round trip if it was only that one call.
    pub(super) fn suspect(&self) {
        self.standing.send_if_modified(|standing| {
            let changes = *standing == Standing::Good;
            if changes {
                *standing = Standing::Down;
                self.glance.store(Standing::Down as u8, Ordering::Relaxed);
            }
            changes
        });
        self.suspicion.notify_one();
    }

    /// Waits until the watch has had a look.
    async fn open(&self) -> Result<(), Trouble> {
        let mut seen = self.standing.subscribe();
        let standing = seen.wait_for(|standing| *standing != Standing::Fresh).await;
        match standing.map(|standing| *standing) {
            Ok(Standing::Good) => Ok(()),
            _ => Err(Trouble::Shed),
        }
    }

    /// Sends one command on this runtime's shared connection.
    pub(super) async fn call(self: &Arc<Node>, command: &Cmd) -> Result<Value, Trouble> {
        let lanes = self.lanes_here();
        let lane = &lanes.calls;
        let asking = pin!(async {
            let held = lane.connection(self).await?;
            match lane::send(&held, command).await {
                Ok(Value::ServerError(error)) => Err(given_up(
                    lane,
                    &held,
                    Trouble::from_server(&error, &self.address),
                )),
                Ok(value) => Ok(value),
                Err(sent) => Err(given_up(lane, &held, sent.trouble(self))),
            }
        });
        let outcome = self.within(asking).await;
        abandon_if_hanging(lane, &outcome);
        outcome
    }

    /// The same for many at once. A command's own error is a `Value::ServerError` in its place.
    pub(super) async fn call_many(
        self: &Arc<Node>,
        commands: &Pipeline,
    ) -> Result<Vec<Value>, Trouble> {
        let lanes = self.lanes_here();
        let lane = &lanes.calls;
        let asking = pin!(async {
            let held = lane.connection(self).await?;
            let values = lane::send_all(&held, commands).await;
            values.map_err(|sent| given_up(lane, &held, sent.trouble(self)))
        });
        let outcome = self.within(asking).await;
        abandon_if_hanging(lane, &outcome);
        outcome
    }

    /// Sends endings: they share a WAIT with others of this runtime. The answers, and whether enough replicas
    /// have them.
    pub(super) async fn end(
        self: &Arc<Node>,
        commands: Vec<Cmd>,
    ) -> Result<(Vec<Value>, bool), Trouble> {
        let lanes = self.lanes_here();
        // That one waited too long for others' batches says nothing about the server; the lane knows when one
        // of its batches has no answer.
        self.in_time(pin!(lanes.endings.send(commands))).await
    }

    /// Notes what an outcome says about the server.
    ///
    /// What is asked stays where it is: by value it would be copied at each step, and the future of every call to
    /// Redis was five times as large.
    async fn within<T>(
        &self,
        asking: Pin<&mut impl Future<Output = Result<T, Trouble>>>,
    ) -> Result<T, Trouble> {
        let outcome = self.in_time(asking).await;
        match &outcome {
            Err(Trouble::TimedOut) => self.suspect(),
            // Perhaps only this connection: the watch finds out, and the breaker stays where it is.
            Err(Trouble::Broken) => self.suspicion.notify_one(),
            _ => {}
        }
        outcome
    }

    /// Waits for the breaker, counts what is under way, and gives up in time.
    async fn in_time<T>(
        &self,
        asking: Pin<&mut impl Future<Output = Result<T, Trouble>>>,
    ) -> Result<T, Trouble> {
        let _counted = Counted::new(&self.in_flight, self.config.max_in_flight)?;
        let asking = async {
            if self.glance.load(Ordering::Relaxed) != Standing::Good as u8 {
                Box::pin(self.open()).await?;
            }
            asking.await
        };
        let outcome = tokio::time::timeout(self.config.response_timeout, asking).await;
        outcome.unwrap_or(Err(Trouble::TimedOut))
    }

    fn lanes_here(self: &Arc<Node>) -> Arc<Lanes> {
        let here = runtime::Handle::current().id();
        if let Some(lanes) = self.lanes.read().get(&here) {
            return Arc::clone(lanes);
        }
        let mut lanes = self.lanes.write();
        // A runtime's tasks go with it; so do its entries here, when the next one comes.
        lanes.retain(|_, lanes| lanes.endings.is_open());
        let made = || {
            Arc::new(Lanes {
                calls: Arc::default(),
                endings: EndingLane::spawn(self),
            })
        };
        Arc::clone(lanes.entry(here).or_insert_with(made))
    }

    /// How long to wait for replicas. After three shortfalls in a row it is no use to hold everybody up: they
    /// are asked all the same (never skipped: the answer must be true), but not waited for.
    pub(super) fn wait_timeout(&self) -> Duration {
        const AFTER_SHORTFALLS: Duration = Duration::from_millis(20);
        if self.shortfalls.load(Ordering::Relaxed) < 3 {
            self.config.wait_timeout
        } else {
            self.config.wait_timeout.min(AFTER_SHORTFALLS)
        }
    }
}

fn given_up(lane: &Lane, held: &Arc<Held>, trouble: Trouble) -> Trouble {
    if trouble.ends_connection() {
        lane.discard(held);
    }
    trouble
}

/// A connection that does not answer may hang for ever (a host that is gone sends no RST): nothing more is put
/// on it.
fn abandon_if_hanging<T>(lane: &Lane, outcome: &Result<T, Trouble>) {
    if matches!(outcome, Err(Trouble::TimedOut)) {
        lane.clear();
    }
}

/// One of at most so many.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicUsize, most: usize) -> Result<Counted<'a>, Trouble> {
        let counted = Counted(count);
        if count.fetch_add(1, Ordering::Relaxed) < most {
            Ok(counted)
        } else {
            Err(Trouble::Shed)
        }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
