//! What waits to be written: bounded, with places that can be promised ahead.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::entry::Entry;
use super::{Unrecorded, clock};

/// How long the writer may be busy with what it took before it counts as stuck.
const STUCK: Duration = Duration::from_secs(5);

/// An entry on its way to the writer.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) at: u64,
    pub(super) entry: Entry,
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
    /// Whether the sink takes lines.
    able: bool,
    /// Since when the writer has been busy.
    busy: Option<Instant>,
    closed: bool,
}

/// Between those who record and the thread that writes.
#[derive(Debug)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    work: Condvar,
    capacity: usize,
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
}

/// What the writer takes.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) waiting: Vec<Waiting>,
    pub(super) lost: u64,
    pub(super) closed: bool,
}

impl Inner {
    fn has_room(&self, capacity: usize) -> bool {
        let stuck = self.busy.is_some_and(|since| since.elapsed() > STUCK);
        let held = self.waiting.len() + self.promised + self.unwritten;
        self.able && !self.closed && !stuck && held < capacity
    }
}

impl Queue {
    pub(super) fn new(capacity: usize) -> Queue {
        Queue {
            inner: Mutex::new(Inner {
                waiting: Vec::new(),
                promised: 0,
                unwritten: 0,
                lost: 0,
                able: true,
                busy: None,
                closed: false,
            }),
            work: Condvar::new(),
            capacity,
        }
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
        let owed = !matches!(room, Room::IfAny);
        // Before the lock: giving a promise back takes the lock, too. Nobody is refused in between who would
        // not be a moment later.
        if let Room::Promised(promise) = room {
            drop(promise);
        }
        let mut inner = self.inner.lock();
        if inner.closed || !(owed || inner.has_room(self.capacity)) {
            inner.lost += 1;
            return;
        }
        inner.waiting.push(Waiting { at, entry, done });
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
            closed: inner.closed,
        }
    }

    /// The writer is through with what it took: it has so many entries left, and the sink takes more or
    /// does not.
    pub(super) fn settle(&self, unwritten: usize, able: bool) {
        let mut inner = self.inner.lock();
        inner.unwritten = unwritten;
        inner.able = able;
        inner.busy = None;
    }

    /// No more is taken.
    pub(super) fn close(&self) {
        self.inner.lock().closed = true;
        self.work.notify_one();
    }
}
