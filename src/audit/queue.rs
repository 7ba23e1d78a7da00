//! What waits to be written: bounded, with places that can be promised ahead.
//!
//! Calls that were turned away at the door have a share of their own ([`Door`]): whoever may do nothing here can
//! neither take the places of those who may, nor fill the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::entry::Entry;
use super::{Unrecorded, clock};

/// How long the writer may be busy with what it took before it counts as stuck.
const STUCK: Duration = Duration::from_secs(5);

/// What has become of lines since the start.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) written: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) passed_over: AtomicU64,
    /// How often the sink has failed.
    pub(super) failures: AtomicU64,
}

/// An entry on its way to the writer.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) at: u64,
    pub(super) entry: Entry,
    /// Whether it is about a call that was turned away at the door.
    at_door: bool,
    /// Who wants to know whether it was written.
    pub(super) done: Option<oneshot::Sender<()>>,
}

#[derive(Debug)]
struct Inner {
    waiting: Vec<Waiting>,
    /// Places that were promised and not taken yet.
    promised: usize,
    /// Entries that the writer has, and has not written.
    unwritten: usize,
    /// Entries that there was no place for.
    lost: u64,
    door: Door,
    /// Whether the sink takes lines.
    able: bool,
    /// Since when the writer has been busy.
    busy: Option<Instant>,
    closed: bool,
}

/// What calls may take that were turned away: so many lines at once, and so many each second.
#[derive(Debug)]
struct Door {
    /// Those among the waiting and the unwritten ones.
    held: usize,
    /// How many may be held.
    places: usize,
    /// How many more may come now.
    left: f64,
    each_second: f64,
    counted_at: Instant,
    /// Calls for which there was none left.
    passed_over: u64,
}

impl Door {
    fn new(capacity: usize, each_second: usize) -> Door {
        let places = (capacity / 4).max(1);
        Door {
            held: 0,
            places,
            left: as_f64(places),
            each_second: as_f64(each_second),
            counted_at: Instant::now(),
            passed_over: 0,
        }
    }

    /// Takes a place, if there is one.
    fn admit(&mut self) -> bool {
        let now = Instant::now();
        let passed = now.duration_since(self.counted_at).as_secs_f64();
        self.counted_at = now;
        self.left = (self.left + passed * self.each_second).min(as_f64(self.places));
        let admitted = self.held < self.places && self.left >= 1.0;
        if admitted {
            self.held += 1;
            self.left -= 1.0;
        }
        admitted
    }
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn as_f64(number: usize) -> f64 {
    number as f64
}

/// Between those who record and the thread that writes.
#[derive(Debug)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    work: Condvar,
    capacity: usize,
    pub(super) tally: Tally,
}

/// A promise that an entry will find a place.
#[derive(Debug)]
pub(super) struct Promise(Arc<Queue>);

impl Drop for Promise {
    fn drop(&mut self) {
        self.0.inner.lock().promised -= 1;
    }
}

/// By what right an entry takes a place.
#[derive(Debug)]
pub(super) enum Room {
    /// If there is one. Otherwise it is counted as lost.
    IfAny,
    /// It was promised one.
    Promised(Promise),
    /// There is one, however many wait: what has happened cannot be refused any more.
    Owed,
    /// The call was turned away at the door, and nothing was done: only if those have one left.
    AtDoor,
}

/// What the writer takes.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) waiting: Vec<Waiting>,
    pub(super) lost: u64,
    /// Calls that were turned away, and that no line tells of.
    pub(super) passed_over: u64,
    pub(super) closed: bool,
}

impl Inner {
    fn is_able(&self) -> bool {
        let stuck = self.busy.is_some_and(|since| since.elapsed() > STUCK);
        self.able && !self.closed && !stuck
    }

    fn has_room(&self, capacity: usize) -> bool {
        let held = self.waiting.len() + self.unwritten - self.door.held + self.promised;
        self.is_able() && held < capacity
    }

    /// Whether an entry is taken. One that is not is counted.
    fn takes(&mut self, room: &Room, capacity: usize) -> bool {
        let taken = match room {
            _ if self.closed => false,
            Room::Promised(_) | Room::Owed => true,
            Room::IfAny => self.has_room(capacity),
            Room::AtDoor => {
                let taken = self.is_able() && self.door.admit();
                self.door.passed_over += u64::from(!taken);
                return taken;
            }
        };
        self.lost += u64::from(!taken);
        taken
    }
}

impl Queue {
    pub(super) fn new(capacity: usize, at_door_each_second: usize) -> Queue {
        Queue {
            inner: Mutex::new(Inner {
                waiting: Vec::new(),
                promised: 0,
                unwritten: 0,
                lost: 0,
                door: Door::new(capacity, at_door_each_second),
                able: true,
                busy: None,
                closed: false,
            }),
            work: Condvar::new(),
            capacity,
            tally: Tally::default(),
        }
    }

    /// How many entries wait, or are being written.
    pub(super) fn len(&self) -> usize {
        let inner = self.inner.lock();
        inner.waiting.len() + inner.unwritten
    }

    /// Asks whether an entry could be recorded, and keeps a place for it.
    pub(super) fn promise(self: &Arc<Self>) -> Result<Promise, Unrecorded> {
        let mut inner = self.inner.lock();
        if !inner.has_room(self.capacity) {
            return Err(Unrecorded);
        }
        inner.promised += 1;
        Ok(Promise(Arc::clone(self)))
    }

    /// Hands an entry to the writer.
    pub(super) fn push(&self, entry: Entry, room: Room, done: Option<oneshot::Sender<()>>) {
        let at = clock::now();
        let at_door = matches!(room, Room::AtDoor);
        // Before the lock: giving a promise back takes the lock, too. Nobody is refused in between who would
        // not be a moment later.
        let room = match room {
            Room::Promised(promise) => {
                drop(promise);
                Room::Owed
            }
            other => other,
        };
        let mut inner = self.inner.lock();
        if !inner.takes(&room, self.capacity) {
            let tally = if at_door {
                &self.tally.passed_over
            } else {
                &self.tally.lost
            };
            tally.fetch_add(1, Ordering::Relaxed);
            return;
        }
        inner.waiting.push(Waiting {
            at,
            entry,
            at_door,
            done,
        });
        drop(inner);
        self.work.notify_one();
    }

    /// Waits for entries, for the end, or until then.
    pub(super) fn take(&self, until: Instant) -> Taken {
        let mut inner = self.inner.lock();
        while inner.waiting.is_empty() && !inner.closed {
            if self.work.wait_until(&mut inner, until).timed_out() {
                break;
            }
        }
        let waiting = std::mem::take(&mut inner.waiting);
        inner.unwritten += waiting.len();
        inner.busy = Some(Instant::now());
        Taken {
            waiting,
            lost: std::mem::take(&mut inner.lost),
            passed_over: std::mem::take(&mut inner.door.passed_over),
            closed: inner.closed,
        }
    }

    /// The writer is through with what it took: these entries are left, and the sink takes more or does not.
    pub(super) fn settle(&self, left: &[Waiting], able: bool) {
        let at_door = |waiting: &[Waiting]| waiting.iter().filter(|one| one.at_door).count();
        let mut inner = self.inner.lock();
        inner.unwritten = left.len();
        inner.door.held = at_door(left) + at_door(&inner.waiting);
        inner.able = able;
        inner.busy = None;
    }

    /// No more is taken.
    pub(super) fn close(&self) {
        self.inner.lock().closed = true;
        self.work.notify_one();
    }
}
