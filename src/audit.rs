//! The audit trail: what happened, in lines that cannot be changed, removed or moved unseen.
//!
//! It knows nothing of sessions. Whoever serves a call opens a [`Trail`], notes on it what the call is
//! about, and finishes it with the outcome; one thread writes what is finished, many lines at a time. Each
//! line holds a hash over itself and the line before ([`chain`]), and now and then a signature over all so
//! far. `docs/AUDIT.md` has the format.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;

mod chain;
mod clock;
mod entry;
mod files;
mod keys;
mod queue;
mod read;
mod sealing;
mod sink;
#[cfg(test)]
mod tests;
mod trail;
mod verify;
mod writer;

pub use clock::rfc3339;
pub use entry::{Entry, Outcome};
pub use keys::{EncryptionKeys, HashKey, PublicKey, SigningKey};
pub use read::{Lines, Shown};
pub use trail::{Origin, Trail};
pub use verify::{Anchor, Finding, Report, verify};

/// Whether what happens in a namespace is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Not at all.
    Off,
    /// As well as it can be: what could not be recorded is counted.
    #[default]
    On,
    /// What cannot be recorded is not done.
    Required,
}

/// Where the lines go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sink {
    /// Nowhere: there is no audit.
    #[default]
    Off,
    /// Into files of a directory.
    File,
    /// To stdout.
    Stdout,
}

/// When what was written is forced onto the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fsync {
    /// Before a line counts as written.
    Always,
    /// Every so often.
    #[default]
    Interval,
    /// When the system likes.
    Never,
}

/// How the audit is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where the lines go.
    pub sink: Sink,
    /// The directory of the files.
    pub directory: Option<PathBuf>,
    /// The size at which a new file begins.
    pub rotate_bytes: usize,
    /// The age at which a new file begins.
    pub rotate_after: Option<Duration>,
    /// When lines are forced onto the disk.
    pub fsync: Fsync,
    /// How often, with [`Fsync::Interval`].
    pub fsync_interval: Duration,
    /// The key that signs heads.
    pub signing_key_file: Option<PathBuf>,
    /// How often a head is written.
    pub head_interval: Duration,
    /// The keys that encrypt lines.
    pub encryption_key_file: Option<PathBuf>,
    /// The key under which session ids are hashed.
    pub hash_key_file: Option<PathBuf>,
    /// How many lines may wait to be written.
    pub queue_lines: usize,
    /// How many calls that were turned away get a line, each second.
    pub turned_away_per_second: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            sink: Sink::Off,
            directory: None,
            rotate_bytes: 64 * 1024 * 1024,
            rotate_after: Some(Duration::from_hours(24)),
            fsync: Fsync::Interval,
            fsync_interval: Duration::from_secs(1),
            signing_key_file: None,
            head_interval: Duration::from_mins(1),
            encryption_key_file: None,
            hash_key_file: None,
            queue_lines: 16_384,
            turned_away_per_second: 100,
        }
    }
}

/// What is wrong with the audit, for the person who runs the service. It never holds a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(String);

impl Fault {
    fn new(text: impl fmt::Display) -> Fault {
        Fault(text.to_string())
    }
}

/// The line could not be recorded, or it is not known to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unrecorded;

/// What has become of lines since somebody asked last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Became {
    /// Lines about what happened that were written.
    pub written: u64,
    /// What happened and found no place.
    pub lost: u64,
    /// Calls that were turned away, and only counted.
    pub turned_away: u64,
    /// How often nothing could be written.
    pub failures: u64,
    /// Lines that wait now.
    pub waiting: usize,
}

/// The audit of this process.
pub struct Audit {
    queue: Arc<queue::Queue>,
    hash_key: HashKey,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Audit {
    /// Opens the audit, goes on where the last process stopped, and starts to write. `None` if there is
    /// to be none.
    pub fn open(settings: &Settings) -> Result<Option<Arc<Audit>>, Fault> {
        let Some((writer, hash_key)) = writer::Writer::open(settings)? else {
            return Ok(None);
        };
        let queue = Arc::clone(writer.queue());
        let thread = thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writer.run())
            .map_err(Fault::new)?;
        Ok(Some(Arc::new(Audit {
            queue,
            hash_key,
            writer: Mutex::new(Some(thread)),
        })))
    }

    /// The key under which the ids of sessions are hashed.
    pub fn hash_key(&self) -> &HashKey {
        &self.hash_key
    }

    /// Begins to record a call.
    pub fn trail(self: &Arc<Self>, origin: Origin, level: Level) -> Arc<Trail> {
        Trail::open(self, origin, level)
    }

    /// Records what has happened beside a call, or by nobody's call at all. It cannot be refused any more, so
    /// where it has to be recorded it waits for as long as it takes.
    pub fn record(&self, level: Level, entry: Entry) {
        let room = match level {
            Level::Off => return,
            Level::On => queue::Room::IfAny,
            Level::Required => queue::Room::Owed,
        };
        self.queue.push(entry, room, None);
    }

    /// What has become of lines since this was asked last.
    pub fn became(&self) -> Became {
        let tally = &self.queue.tally;
        let since = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        Became {
            written: since(&tally.written),
            lost: since(&tally.lost),
            turned_away: since(&tally.passed_over),
            failures: since(&tally.failures),
            waiting: self.queue.len(),
        }
    }

    /// Writes what still waits, and the end. Later lines are lost.
    pub fn close(&self) {
        self.queue.close();
        let thread = self.writer.lock().take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(target: "tenure::audit", "the thread that writes the audit has died");
        }
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Audit")
    }
}
