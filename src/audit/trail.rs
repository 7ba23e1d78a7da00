//! The record of one call, while it is made.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::entry::{Entry, Outcome};
use super::queue::{Promise, Room};
use super::{Audit, Level, Unrecorded};

/// How long an answer waits for its line. The call is done by then; only its answer is late.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a call comes from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// What it is to do.
    pub operation: &'static str,
    /// Its peer.
    pub peer: Option<SocketAddr>,
    /// The id under which the caller and the logs know it.
    pub correlation_id: String,
    /// The id of its trace.
    pub trace_id: String,
}

/// The record of one call. It becomes one line: when it is finished, or when nobody holds it any more.
pub struct Trail {
    audit: Arc<Audit>,
    open: Mutex<Open>,
}

struct Open {
    entry: Entry,
    level: Level,
    promise: Option<Promise>,
    /// Whether the call has been let in. Before that nothing has been done.
    admitted: bool,
    finished: bool,
}

impl Trail {
    pub(super) fn open(audit: &Arc<Audit>, origin: Origin, level: Level) -> Arc<Trail> {
        let entry = Entry {
            operation: origin.operation,
            peer: origin
                .peer
                .map_or_else(String::new, |peer| peer.to_string()),
            correlation_id: origin.correlation_id,
            trace_id: origin.trace_id,
            ..Entry::default()
        };
        Arc::new(Trail {
            audit: Arc::clone(audit),
            open: Mutex::new(Open {
                entry,
                level,
                promise: None,
                admitted: false,
                finished: false,
            }),
        })
    }

    /// Notes what the call turns out to be about. What is noted after the end is not written.
    pub fn note(&self, note: impl FnOnce(&mut Entry)) {
        let mut open = self.open.lock();
        if open.level != Level::Off {
            note(&mut open.entry);
        }
    }

    /// Whether it is noted already what was done.
    pub fn has_deed(&self) -> bool {
        self.open.lock().entry.deed.is_some()
    }

    /// From here on the rules of a namespace hold.
    pub fn hold_to(&self, level: Level) {
        self.open.lock().level = level;
    }

    /// The caller may do this. Before anything is done: whether it can be recorded, where it has to be.
    pub fn admit(&self) -> Result<(), Unrecorded> {
        let mut open = self.open.lock();
        open.admitted = true;
        if open.level == Level::Required && open.promise.is_none() {
            open.promise = Some(self.audit.queue.promise()?);
        }
        Ok(())
    }

    /// Ends the record. Where it has to be recorded, this waits until it is written.
    pub async fn finish(&self, outcome: Outcome, reason: &str) -> Result<(), Unrecorded> {
        let written = {
            let mut open = self.open.lock();
            open.entry.outcome = outcome;
            reason.clone_into(&mut open.entry.reason);
            open.end(&self.audit)
        };
        match written {
            None => Ok(()),
            Some(written) => match timeout(PATIENCE, written).await {
                Ok(Ok(())) => Ok(()),
                _ => Err(Unrecorded),
            },
        }
    }

    /// Writes a line of its own about something that came to light beside the call.
    pub fn aside(&self, note: impl FnOnce(&mut Entry)) {
        let open = self.open.lock();
        if open.level == Level::Off {
            return;
        }
        let mut entry = Entry {
            deed: None,
            reason: String::new(),
            new_session: String::new(),
            ..open.entry.clone()
        };
        let level = open.level;
        drop(open);
        note(&mut entry);
        self.audit.record(level, entry);
    }
}

impl Open {
    /// Hands the entry over. What to wait for, if the line is required.
    fn end(&mut self, audit: &Audit) -> Option<oneshot::Receiver<()>> {
        if self.level == Level::Off || self.finished {
            return None;
        }
        self.finished = true;
        let (done, written) = match self.level {
            Level::Required => {
                let (done, written) = oneshot::channel();
                (Some(done), Some(written))
            }
            Level::Off | Level::On => (None, None),
        };
        // The violation that may come to light afterwards is told with the same words.
        let entry = self.entry.clone();
        let room = match self.promise.take() {
            Some(promise) => Room::Promised(promise),
            None if self.admitted => Room::IfAny,
            None => Room::AtDoor,
        };
        audit.queue.push(entry, room, done);
        written
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        // The call was given up half-way: what is left of it says so.
        let _ = self.open.get_mut().end(&self.audit);
    }
}

impl std::fmt::Debug for Trail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Trail")
    }
}
