//! The events of one namespace: a bounded ring that watchers read at their own pace.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt as _};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::session::event::Event;
use crate::store::{Answer, Cursor, Logged, StoreError, Watch};

/// The last events of a namespace.
#[derive(Debug)]
pub(super) struct EventLog {
    /// Tells this log from one of an earlier run, whose numbers mean other events.
    epoch: u64,
    length: usize,
    ring: Mutex<Ring>,
    /// Wakes the readers. Says nothing but that there is something new.
    news: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Ring {
    /// The number of the first event that is still here.
    first: u64,
    events: VecDeque<Arc<Event>>,
}

impl Ring {
    /// The number that the next event will have.
    fn next(&self) -> u64 {
        self.first + self.events.len() as u64
    }
}

impl EventLog {
    /// How many events a reader takes at once, so that it does not lock for each.
    const BATCH: usize = 64;

    /// A log that keeps the last `length` events.
    pub(super) fn new(epoch: u64, length: usize) -> EventLog {
        EventLog {
            epoch,
            length: length.max(1),
            ring: Mutex::default(),
            news: watch::Sender::new(()),
        }
    }

    /// Adds what happened, in this order.
    pub(super) fn append(&self, events: impl IntoIterator<Item = Event>) {
        let mut ring = self.ring.lock();
        for event in events {
            if ring.events.len() == self.length {
                ring.events.pop_front();
                ring.first += 1;
            }
            ring.events.push_back(Arc::new(event));
        }
        drop(ring);
        // A reader subscribes before it looks into the ring: it has seen these events, or is counted here.
        if self.news.receiver_count() > 0 {
            self.news.send_replace(());
        }
    }

    /// The events behind a cursor, or from now on.
    pub(super) fn watch(self: &Arc<Self>, after: Option<&Cursor>) -> Answer<Watch> {
        let next = {
            let ring = self.ring.lock();
            match after {
                None => ring.next(),
                Some(cursor) => self
                    .number_of(cursor)
                    .filter(|number| (ring.first..=ring.next()).contains(number))
                    .ok_or(StoreError::CursorExpired)?,
            }
        };
        Ok(Watch {
            start: self.cursor(next),
            events: self.read_from(next),
        })
    }

    fn read_from(self: &Arc<Self>, next: u64) -> BoxStream<'static, Answer<Logged>> {
        let reader = Reader {
            log: Arc::clone(self),
            news: self.news.subscribe(),
            next,
            batch: VecDeque::new(),
            fell_behind: false,
        };
        stream::unfold(reader, Reader::step).boxed()
    }

    /// The next events from a number on, or `None` if the first of them is gone.
    fn batch(&self, from: u64) -> Option<VecDeque<Logged>> {
        let ring = self.ring.lock();
        let skipped = usize::try_from(from.checked_sub(ring.first)?).ok()?;
        let events = ring.events.iter().skip(skipped).take(Self::BATCH);
        let numbered = events.zip(from..).map(|(event, number)| Logged {
            event_id: format!("{:016x}-{number:x}", self.epoch),
            event: Arc::clone(event),
            cursor: self.cursor(number + 1),
        });
        Some(numbered.collect())
    }

    /// Where a reader stands who will read the event of this number next.
    fn cursor(&self, next: u64) -> Cursor {
        Cursor(format!("{:016x}.{next:x}", self.epoch))
    }

    fn number_of(&self, cursor: &Cursor) -> Option<u64> {
        let (epoch, number) = cursor.0.split_once('.')?;
        let epoch = u64::from_str_radix(epoch, 16).ok()?;
        let number = u64::from_str_radix(number, 16).ok()?;
        (epoch == self.epoch).then_some(number)
    }
}

/// Somebody who reads the log.
struct Reader {
    log: Arc<EventLog>,
    news: watch::Receiver<()>,
    next: u64,
    batch: VecDeque<Logged>,
    fell_behind: bool,
}

impl Reader {
    async fn step(mut self) -> Option<(Answer<Logged>, Reader)> {
        loop {
            if let Some(logged) = self.batch.pop_front() {
                return Some((Ok(logged), self));
            }
            if self.fell_behind {
                return None;
            }
            self.news.mark_unchanged();
            match self.log.batch(self.next) {
                None => {
                    self.fell_behind = true;
                    return Some((Err(StoreError::CursorExpired), self));
                }
                Some(batch) if batch.is_empty() => self.news.changed().await.ok()?,
                Some(batch) => {
                    self.next += batch.len() as u64;
                    self.batch = batch;
                }
            }
        }
    }
}
