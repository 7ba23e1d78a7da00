//! What an instance remembers of each namespace: when its cells have something due, and how many sessions
//! others have. Nothing of it is needed for a right answer.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};

use super::keys::{CELLS, Cell};
use super::poll::Poller;
use crate::session::names::{NamespaceName, Owner};
use crate::session::time::Time;
use crate::store::Namespace;

/// The namespaces that this instance knows.
#[derive(Default)]
pub(super) struct Fleets {
    known: RwLock<HashMap<NamespaceName, Arc<Fleet>>>,
    turn: AtomicUsize,
    learned: Mutex<Option<Instant>>,
}

impl Fleets {
    /// The namespace, which is known from now on.
    pub(super) fn of(&self, namespace: &Arc<Namespace>) -> Arc<Fleet> {
        if let Some(fleet) = self.known.read().get(&namespace.name) {
            if !Arc::ptr_eq(&fleet.namespace.load(), namespace) {
                fleet.namespace.store(Arc::clone(namespace));
            }
            return Arc::clone(fleet);
        }
        self.add(namespace)
    }

    /// Makes a namespace known, unless it is.
    pub(super) fn add(&self, namespace: &Arc<Namespace>) -> Arc<Fleet> {
        let mut known = self.known.write();
        let fleet = known
            .entry(namespace.name.clone())
            .or_insert_with(|| Arc::new(Fleet::new(Arc::clone(namespace))));
        Arc::clone(fleet)
    }

    /// Whether it is time to ask which namespaces others use.
    pub(super) fn wants_to_learn(&self) -> bool {
        let mut learned = self.learned.lock();
        let wants = learned.is_none_or(|at| at.elapsed() >= Fleet::FULL_LOOK);
        if wants {
            *learned = Some(Instant::now());
        }
        wants
    }

    /// Counts the sweeps.
    pub(super) fn next_turn(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn all(&self) -> Vec<Arc<Fleet>> {
        self.known.read().values().cloned().collect()
    }
}

/// One namespace.
pub(super) struct Fleet {
    pub(super) namespace: ArcSwap<Namespace>,
    /// When each cell has something due, in milliseconds; as far as this instance knows.
    due: Box<[AtomicI64]>,
    /// When each cell was last looked at for what others have put there.
    looked: Mutex<Vec<Option<Instant>>>,
    pub(super) registered: Mutex<Option<Instant>>,
    counts: Mutex<HashMap<Box<str>, Count>>,
    gave_back: Mutex<Option<Instant>>,
    /// Who reads the events, while somebody watches.
    pub(super) poller: Mutex<Weak<Poller>>,
}

/// Sessions that share a limit, counted over all cells.
#[derive(Clone, Copy)]
struct Count {
    counted: Instant,
    sessions: usize,
}

impl Fleet {
    /// How often a cell is looked at whose next deadline may be another instance's.
    const FULL_LOOK: Duration = Duration::from_secs(30);
    /// How many counts are kept.
    const COUNTS: usize = 10_000;

    fn new(namespace: Arc<Namespace>) -> Fleet {
        Fleet {
            namespace: ArcSwap::new(namespace),
            due: (0..CELLS).map(|_| AtomicI64::new(i64::MAX)).collect(),
            looked: Mutex::new(vec![None; CELLS]),
            registered: Mutex::default(),
            counts: Mutex::default(),
            gave_back: Mutex::default(),
            poller: Mutex::default(),
        }
    }

    /// Something in a cell will be due then.
    pub(super) fn due_at(&self, cell: Cell, time: Time) {
        self.due[cell.index()].fetch_min(time.as_millis(), Ordering::AcqRel);
    }

    pub(super) fn all_due_at(&self, time: Time) {
        for cell in Cell::all() {
            self.due_at(cell, time);
        }
    }

    /// The cells to look at now. Whoever takes them says anew when they are due.
    pub(super) fn take_due(&self, now: Time) -> Vec<Cell> {
        let instant = Instant::now();
        let mut looked = self.looked.lock();
        Cell::all()
            .filter(|cell| {
                let looked = &mut looked[cell.index()];
                let long_ago =
                    looked.is_none_or(|at| instant.duration_since(at) >= Self::FULL_LOOK);
                let due = self.due[cell.index()].load(Ordering::Acquire) <= now.as_millis();
                if long_ago || due {
                    *looked = Some(instant);
                    self.due[cell.index()].store(i64::MAX, Ordering::Release);
                }
                long_ago || due
            })
            .collect()
    }

    /// How many sessions share a limit, if they were counted lately.
    pub(super) fn counted(&self, what: &str, at_most: Duration) -> Option<usize> {
        let counts = self.counts.lock();
        let count = counts.get(what)?;
        (count.counted.elapsed() < at_most).then_some(count.sessions)
    }

    pub(super) fn keep_count(&self, what: &str, sessions: usize) {
        let mut counts = self.counts.lock();
        if counts.len() >= Self::COUNTS {
            counts.clear();
        }
        let count = Count {
            counted: Instant::now(),
            sessions,
        };
        counts.insert(what.into(), count);
    }

    /// This instance has made a session of the owner.
    pub(super) fn count_one_more(&self, owner: &Owner) {
        let mut counts = self.counts.lock();
        if let Some(count) = counts.get_mut(&*counter_of_tenant(owner)) {
            count.sessions += 1;
        }
        if owner.is_anonymous()
            && let Some(count) = counts.get_mut(ANONYMOUS_COUNTER)
        {
            count.sessions += 1;
        }
    }

    /// Whether it is time again to look for room.
    pub(super) fn may_give_back(&self, pause: Duration) -> bool {
        let mut gave_back = self.gave_back.lock();
        if gave_back.is_some_and(|at| at.elapsed() < pause) {
            return false;
        }
        *gave_back = Some(Instant::now());
        true
    }

    pub(super) fn forget_counts(&self) {
        self.counts.lock().clear();
    }
}

/// The field of a cell's counters for all anonymous sessions.
pub(super) const ANONYMOUS_COUNTER: &str = "a";

/// The field of a cell's counters for a tenant's sessions.
pub(super) fn counter_of_tenant(owner: &Owner) -> String {
    format!("t:{}", owner.tenant())
}
