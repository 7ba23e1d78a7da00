//! All servers: who has which slot now, and what holds for the link as a whole.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use tokio::runtime;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::redis::{Address, BadRedisConfig, RedisConfig};
use crate::store::redis::link::connect::Dialer;
use crate::store::redis::link::fault::{Fault, Trouble};
use crate::store::redis::link::map::{Found, Map};
use crate::store::redis::link::node::{Node, Standing};
use crate::store::redis::link::watch::{self as watching, Findings};
use crate::store::redis::link::{LinkState, Way};

/// A server that is in no map any more is forgotten after this: one that slots are just moving to is not in
/// it yet.
const FORGET_AFTER: Duration = Duration::from_secs(10);

const UNSAFE: u8 = 1;
const SKEWED: u8 = 2;

pub(super) struct Servers {
    pub(super) config: Arc<RedisConfig>,
    pub(super) dialer: Arc<Dialer>,
    /// Where background tasks live.
    home: runtime::Handle,
    pub(super) stop: CancellationToken,
    map: ArcSwapOption<Map>,
    known: Mutex<HashMap<Address, Known>>,
    gate: AtomicU8,
    failovers: watch::Sender<u64>,
    /// How often the scout has been out, with or without success.
    scouted: watch::Sender<u64>,
    pub(super) wanted: Notify,
    /// Slots have moved: worth a look around by and by, for those that nobody has asked for yet.
    pub(super) drifted: Notify,
}

struct Known {
    node: Arc<Node>,
    watch: AbortHandle,
    asked_for: Instant,
}

impl Servers {
    /// Background tasks live on the calling runtime.
    pub(super) fn new(config: RedisConfig) -> Result<Servers, BadRedisConfig> {
        config.check()?;
        // An unreadable password file is better told now.
        config.credentials()?;
        config.sentinel_credentials()?;
        let dialer = Dialer::new(&config)?;
        Ok(Servers {
            config: Arc::new(config),
            dialer: Arc::new(dialer),
            home: runtime::Handle::current(),
            stop: CancellationToken::new(),
            map: ArcSwapOption::empty(),
            known: Mutex::default(),
            gate: AtomicU8::new(0),
            failovers: watch::Sender::new(0),
            scouted: watch::Sender::new(0),
            wanted: Notify::new(),
            drifted: Notify::new(),
        })
    }

    /// Whether calls of this kind are answered at all.
    pub(super) fn admit(&self, way: Way) -> Result<(), Fault> {
        match self.gate.load(Ordering::Relaxed) {
            0 => Ok(()),
            gate if gate & UNSAFE != 0 => Err(Fault::Unsafe),
            // An ending is right by any clock.
            _ => match way {
                Way::Plain => Err(Fault::ClockSkew),
                Way::Ending => Ok(()),
            },
        }
    }

    pub(super) fn is_gated(&self) -> bool {
        self.gate.load(Ordering::Relaxed) != 0
    }

    /// The primary that has the slot. Waits for the first look around, not for later ones.
    pub(super) async fn primary_of(&self, slot: u16) -> Result<Arc<Node>, Trouble> {
        if let Some(map) = &*self.map.load() {
            return map.primary_of(slot).ok_or(Trouble::ClusterDown);
        }
        let mut scouted = self.scouted.subscribe();
        let first = scouted.wait_for(|times| *times > 0);
        let first = tokio::time::timeout(self.config.response_timeout, first).await;
        drop(first);
        match &*self.map.load() {
            Some(map) => map.primary_of(slot).ok_or(Trouble::ClusterDown),
            None => Err(Trouble::Shed),
        }
    }

    /// The server at an address: a known one, or a new one with a watch of its own.
    pub(super) fn node_at(self: &Arc<Servers>, address: &Address) -> Result<Arc<Node>, Trouble> {
        let mut known = self.known.lock();
        if let Some(known) = known.get_mut(address) {
            known.asked_for = Instant::now();
            return Ok(Arc::clone(&known.node));
        }
        let node = Node::new(address.clone(), &self.config, &self.dialer).map_err(|error| {
            tracing::error!(server = %address, %error, "Redis cannot be reached");
            Trouble::Denied
        })?;
        let watching = watching::run(Arc::clone(self), Arc::clone(&node));
        let stop = self.stop.clone();
        let watch = self.home.spawn(stop.run_until_cancelled_owned(watching));
        known.insert(
            address.clone(),
            Known {
                node: Arc::clone(&node),
                watch: watch.abort_handle(),
                asked_for: Instant::now(),
            },
        );
        Ok(node)
    }

    /// Sends the scout out, if it is not about to go anyway.
    pub(super) fn locate_anew(&self) {
        self.wanted.notify_one();
    }

    /// A server has said who has a slot now. The next call for it goes there at once; that many others have moved
    /// with it is found out by one look around, not by one for each.
    pub(super) fn moved(&self, slot: u16, to: &Address) {
        let map = self.map.load();
        let Some(known) = &*map else { return };
        if let Some(amended) = known.amend(slot, to) {
            // Where somebody else was faster, the next call learns it anew.
            self.map.compare_and_swap(&*map, Some(Arc::new(amended)));
            self.drifted.notify_one();
        } else if !known.primaries().any(|node| node.address == *to) {
            // Somebody new, perhaps after a failover.
            self.locate_anew();
        }
    }

    /// All addresses that could know who has what.
    pub(super) fn informants(&self) -> Vec<Address> {
        self.map
            .load()
            .as_ref()
            .map_or_else(Vec::new, |map| map.members())
    }

    /// Takes over what the scout has found.
    pub(super) fn adopt(self: &Arc<Servers>, found: &Found) {
        let old = self.map.load_full();
        if old.as_ref().is_some_and(|old| old.says(found)) {
            return;
        }
        let Ok(map) = Map::build(found, |address| self.node_at(address)) else {
            return;
        };
        let taken_over = old.as_ref().is_some_and(|old| old.loses_primary_to(found));
        let map = Arc::new(map);
        self.map.store(Some(Arc::clone(&map)));
        if old.is_none_or(|old| !old.has_the_primaries_of(&map)) {
            tracing::info!(primaries = %map, "Redis: found the primaries");
        } else {
            tracing::debug!(primaries = %map, "Redis: slots have moved");
        }
        self.forget(&map);
        self.judge();
        if taken_over {
            self.failed_over();
        }
    }

    /// Notes that the scout is back.
    pub(super) fn scouted(&self) {
        self.scouted.send_modify(|times| *times += 1);
    }

    /// Grows with each change of a primary: endings of the last minutes may be lost with the old one.
    pub(super) fn failovers(&self) -> watch::Receiver<u64> {
        self.failovers.subscribe()
    }

    fn failed_over(&self) {
        tracing::warn!("Redis: another process is primary now");
        self.failovers.send_modify(|epoch| *epoch += 1);
    }

    fn forget(&self, map: &Map) {
        self.known.lock().retain(|_, known| {
            let keep = map.has(&known.node) || known.asked_for.elapsed() < FORGET_AFTER;
            if !keep {
                known.watch.abort();
            }
            keep
        });
    }

    /// Takes over what a server's watch has found.
    pub(super) fn found(&self, node: &Arc<Node>, findings: &Findings) {
        let old = node.findings.lock().replace(findings.clone());
        report(node, old.as_ref(), findings);
        let restarted = old.is_some_and(|old| old.run_id != findings.run_id);
        // The gate first: a call that finds the breaker closed must find the gate right.
        self.judge();
        node.set_standing(match findings.refusal {
            None => Standing::Good,
            Some(_) => Standing::Down,
        });
        if restarted {
            self.failed_over();
        }
    }

    /// Sets the gate by what is known of the primaries.
    fn judge(&self) {
        let map = self.map.load();
        let Some(map) = &*map else { return };
        let mut gate = 0;
        for node in map.primaries() {
            if let Some(findings) = &*node.findings.lock() {
                gate |= if findings.is_unsafe() { UNSAFE } else { 0 };
                gate |= if findings.is_skewed() { SKEWED } else { 0 };
            }
        }
        self.gate.store(gate, Ordering::Relaxed);
    }

    /// Those that have slots now.
    pub(super) fn primaries(&self) -> Vec<Arc<Node>> {
        let map = self.map.load();
        map.as_ref()
            .map_or_else(Vec::new, |map| map.primaries().cloned().collect())
    }

    pub(super) fn state(&self) -> LinkState {
        let gate = self.gate.load(Ordering::Relaxed);
        let mut state = LinkState {
            ready: false,
            unsafe_eviction: gate & UNSAFE != 0,
            clock_skew: gate & SKEWED != 0,
            primaries: 0,
            down: 0,
            refused: None,
        };
        if let Some(map) = &*self.map.load() {
            for node in map.primaries() {
                state.primaries += 1;
                state.down += usize::from(node.standing() != Standing::Good);
                let findings = node.findings.lock();
                let refusal = findings.as_ref().and_then(|found| found.refusal.clone());
                state.refused = state.refused.or(refusal);
            }
        }
        // One primary of many that is away is no reason to take every instance off the network.
        state.ready = gate == 0 && state.down < state.primaries;
        state
    }
}

/// Logs what has changed, once.
fn report(node: &Node, old: Option<&Findings>, new: &Findings) {
    let server = &node.address;
    if old.is_none_or(|old| old.eviction != new.eviction) {
        if new.is_unsafe() {
            tracing::error!(%server, "maxmemory-policy is {}: Redis would evict sessions and marks. Every call is \
                refused until it is noeviction", new.eviction);
        } else if new.eviction.starts_with("volatile-") {
            tracing::warn!(%server, "maxmemory-policy is {}: live sessions may vanish when memory runs out; \
                noeviction is recommended", new.eviction);
        } else if old.is_some() {
            tracing::info!(%server, "maxmemory-policy is {}", new.eviction);
        }
    }
    if old.is_some_and(Findings::is_skewed) != new.is_skewed() {
        if new.is_skewed() {
            tracing::error!(%server, clock_ahead_ms = new.clock_ahead, "the clocks of Redis and of this instance \
                are more than 2 s apart: only endings are accepted");
        } else {
            tracing::info!(%server, "the clocks agree again");
        }
    }
    if old.and_then(|old| old.refusal.as_ref()) != new.refusal.as_ref() {
        if let Some(refusal) = &new.refusal {
            tracing::error!(%server, "Redis cannot be used: {refusal}");
        } else {
            tracing::info!(%server, "Redis can be used now");
        }
    }
}
