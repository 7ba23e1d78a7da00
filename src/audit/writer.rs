//! The thread that writes: it takes all that waits, chains it, and writes it at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::oneshot;

use super::chain::Chain;
use super::entry::Entry;
use super::files::{self, Head, Opened, Torn};
use super::keys::{EncryptionKeys, HashKey, SigningKey};
use super::queue::{Queue, Waiting};
use super::sealing::{Cipher, FileKey};
use super::sink::Sink;
use super::{Fault, Fsync, Settings, clock};
use crate::visible;

/// How often a sink that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How often it is told how many calls that were turned away have no line.
const TELL_PASSED_OVER: Duration = Duration::from_secs(1);

/// How long the writer sleeps when nothing is due.
const IDLE: Duration = Duration::from_mins(1);

/// A line about the log itself.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Remark {
    /// The file is complete.
    Closed { why: &'static str },
    /// The chain up to the line before, signed.
    Head { signer: String, signature: String },
    /// So many entries could not be recorded, and of so many calls that were turned away no line tells.
    Lost {
        #[serde(skip_serializing_if = "is_none")]
        entries: u64,
        #[serde(skip_serializing_if = "is_none")]
        turned_away: u64,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_none(entries: &u64) -> bool {
    *entries == 0
}

#[derive(Serialize)]
struct Timed<'a, T> {
    time: String,
    #[serde(flatten)]
    what: &'a T,
}

#[derive(Serialize)]
struct Event<'a> {
    time: String,
    kind: &'static str,
    #[serde(flatten)]
    entry: &'a Entry,
}

/// Writes the log.
pub(super) struct Writer {
    queue: Arc<Queue>,
    sink: Sink,
    chain: Chain,
    signing: Option<SigningKey>,
    encryption: Option<EncryptionKeys>,
    /// The key of the file that is being written.
    file_key: Option<FileKey>,
    /// To be said by the next file.
    torn: Option<Torn>,
    broken: Option<String>,
    /// What is to be written.
    kept: Vec<Waiting>,
    /// Who is to be told that it is written.
    written: Vec<oneshot::Sender<()>>,
    lost: u64,
    passed_over: u64,
    passed_over_told_at: Option<Instant>,
    head_interval: Duration,
    head_at: Instant,
    head_seq: u64,
    sync_interval: Option<Duration>,
    synced_at: Instant,
    synced_seq: u64,
    /// When a sink that failed is tried again.
    retry_at: Option<Instant>,
}

impl Writer {
    /// Opens the sink and writes the first line. `None` if there is to be no audit.
    pub(super) fn open(settings: &Settings) -> Result<Option<(Writer, HashKey)>, Fault> {
        let signing = settings.signing_key_file.as_deref();
        let signing = signing.map(SigningKey::read).transpose()?;
        let encryption = settings.encryption_key_file.as_deref();
        let encryption = encryption.map(EncryptionKeys::read).transpose()?;
        let mut resumed = None;
        let (sink, directory) = match (settings.sink, &settings.directory) {
            (super::Sink::Off, _) => return Ok(None),
            (super::Sink::Stdout, _) => (Sink::stdout(), None),
            (super::Sink::File, None) => return Err(Fault::new("the audit has no directory")),
            (super::Sink::File, Some(directory)) => {
                let lock = files::lock(directory)?;
                resumed = Some(files::resume(directory)?);
                let sink = Sink::files(settings, directory, lock);
                (sink, Some(directory.as_path()))
            }
        };
        let hash_key = match (&settings.hash_key_file, &signing, directory) {
            (Some(path), _, _) => HashKey::read(path)?,
            (None, Some(signing), _) => HashKey::from_signing_key(signing),
            (None, None, Some(directory)) => HashKey::kept_in(directory)?,
            (None, None, None) => HashKey::random(),
        };
        let (chain, torn, broken) = match resumed {
            Some(resumed) => (resumed.chain, resumed.torn, resumed.broken),
            None => (Chain::EMPTY, None, None),
        };
        if let Some(torn) = &torn {
            tracing::warn!(
                target: "tenure::audit", bytes = torn.bytes, file = torn.file,
                "the last line had not been written to its end; set aside"
            );
        }
        if let Some(broken) = &broken {
            tracing::error!(target: "tenure::audit", "the audit is damaged: {broken}");
        }
        let now = Instant::now();
        let mut writer = Writer {
            queue: Arc::new(Queue::new(
                settings.queue_lines,
                settings.turned_away_per_second,
            )),
            sink,
            chain,
            signing,
            encryption,
            file_key: None,
            torn,
            broken,
            kept: Vec::new(),
            written: Vec::new(),
            lost: 0,
            passed_over: 0,
            passed_over_told_at: None,
            head_interval: settings.head_interval,
            head_at: now,
            head_seq: chain.seq,
            sync_interval: (settings.fsync == Fsync::Interval).then_some(settings.fsync_interval),
            synced_at: now,
            synced_seq: chain.seq,
            retry_at: None,
        };
        writer
            .begin()
            .map_err(|error| Fault::new(format_args!("the audit cannot be written: {error}")))?;
        Ok(Some((writer, hash_key)))
    }

    pub(super) fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    /// Writes until the queue is closed.
    pub(super) fn run(mut self) {
        loop {
            let taken = self.queue.take(self.due());
            self.kept.extend(taken.waiting);
            self.lost += taken.lost;
            self.passed_over += taken.passed_over;
            let now = Instant::now();
            if self.retry_at.is_none_or(|at| at <= now) || taken.closed {
                let worked = self.work(now, taken.closed);
                self.judge(worked);
            }
            self.queue.settle(&self.kept, self.retry_at.is_none());
            for done in self.written.drain(..) {
                // Whoever waited may have gone.
                let _ = done.send(());
            }
            // Whoever waits for the rest is told now; the lines are written when the sink takes them again.
            for waiting in &mut self.kept {
                waiting.done = None;
            }
            if taken.closed {
                break;
            }
        }
        let entries = u64::try_from(self.kept.len()).unwrap_or(u64::MAX) + self.lost;
        if entries > 0 {
            tracing::error!(target: "tenure::audit", entries, "the audit ends without its last lines");
        }
    }

    fn judge(&mut self, worked: io::Result<()>) {
        match worked {
            Ok(()) => {
                if self.retry_at.take().is_some() {
                    tracing::info!(target: "tenure::audit", "the audit is written again");
                }
            }
            Err(error) => {
                let tally = &self.queue.tally;
                tally.failures.fetch_add(1, Ordering::Relaxed);
                if self.retry_at.is_none() {
                    tracing::error!(target: "tenure::audit", %error, "the audit cannot be written; trying on");
                }
                self.retry_at = Some(Instant::now() + RETRY);
            }
        }
    }

    /// When there is something to do, even if nothing comes.
    fn due(&self) -> Instant {
        let dirty = |seq: u64| self.chain.seq > seq;
        let dues = [
            self.retry_at,
            self.sync_interval
                .filter(|_| dirty(self.synced_seq))
                .map(|interval| self.synced_at + interval),
            (self.passed_over > 0).then(|| self.passed_over_due()),
            dirty(self.head_seq).then(|| self.head_at + self.head_interval),
            self.sink.rotation_due(),
        ];
        let idle = Instant::now() + IDLE;
        dues.into_iter().flatten().min().unwrap_or(idle).min(idle)
    }

    /// Everything that is due. What fails is wholly undone, and done again later.
    fn work(&mut self, now: Instant, closing: bool) -> io::Result<()> {
        if self.retry_at.is_some() {
            self.sink.recover()?;
        }
        if self.sink.wants_rotation() {
            self.end("rotated")?;
        }
        if self.sink.wants_beginning() {
            self.begin()?;
        }
        let head_due = self.chain.seq > self.head_seq
            && now.duration_since(self.head_at) >= self.head_interval;
        // One line for all of a flood's second: a line with each write would be a flood of its own.
        let passed_over_due = self.passed_over > 0 && (closing || self.passed_over_due() <= now);
        if head_due || !self.kept.is_empty() || self.lost > 0 || passed_over_due {
            self.write(head_due, passed_over_due)?;
        }
        if let Some(interval) = self.sync_interval
            && self.chain.seq > self.synced_seq
            && now.duration_since(self.synced_at) >= interval
        {
            self.sync()?;
        }
        if closing {
            self.end("stopped")?;
        }
        Ok(())
    }

    fn passed_over_due(&self) -> Instant {
        self.passed_over_told_at
            .map_or_else(Instant::now, |at| at + TELL_PASSED_OVER)
    }

    fn write(&mut self, head_due: bool, passed_over_due: bool) -> io::Result<()> {
        let mut chain = self.chain;
        let mut lines = Vec::with_capacity(512 * (self.kept.len() + 1));
        let turned_away = if passed_over_due { self.passed_over } else { 0 };
        if self.lost > 0 || turned_away > 0 {
            let lost = Remark::Lost {
                entries: self.lost,
                turned_away,
            };
            chain.add(&remark(&lost), &mut lines);
        }
        for waiting in &self.kept {
            let event = json(&Event {
                time: clock::rfc3339(waiting.at),
                kind: "event",
                entry: &waiting.entry,
            });
            match &self.file_key {
                Some(key) => chain.add(&json(&key.seal(chain.seq + 1, event)), &mut lines),
                None => chain.add(&event, &mut lines),
            }
        }
        if head_due {
            self.add_head(&mut chain, &mut lines);
        }
        self.sink.append(&lines)?;
        self.chain = chain;
        if self.lost > 0 {
            tracing::warn!(target: "tenure::audit", entries = self.lost, "what happened was not recorded");
            self.lost = 0;
        }
        if turned_away > 0 {
            tracing::warn!(target: "tenure::audit", calls = turned_away, "too many calls were turned away to record each");
            self.passed_over = 0;
            self.passed_over_told_at = Some(Instant::now());
        }
        let events = u64::try_from(self.kept.len()).unwrap_or(u64::MAX);
        self.queue
            .tally
            .written
            .fetch_add(events, Ordering::Relaxed);
        let written = self.kept.drain(..).filter_map(|waiting| waiting.done);
        self.written.extend(written);
        if head_due {
            self.write_head();
        }
        Ok(())
    }

    fn begin(&mut self) -> io::Result<()> {
        let mut chain = self.chain;
        let cipher = self.encryption.as_ref().map(Cipher::new);
        let file_key = cipher
            .as_ref()
            .zip(self.encryption.as_ref())
            .and_then(|(cipher, keys)| cipher.open(keys));
        let opened = Opened {
            time: clock::rfc3339(clock::now()),
            kind: "opened".to_owned(),
            version: 1,
            previous: chain.hash.to_hex(),
            cipher,
            torn: self.torn.clone(),
            broken: self.broken.clone(),
        };
        let mut line = Vec::new();
        chain.add(&json(&opened), &mut line);
        self.sink.begin(chain.seq, &line)?;
        self.chain = chain;
        self.file_key = file_key;
        (self.torn, self.broken) = (None, None);
        self.write_head();
        Ok(())
    }

    fn end(&mut self, why: &'static str) -> io::Result<()> {
        let mut chain = self.chain;
        let mut lines = Vec::new();
        chain.add(&remark(&Remark::Closed { why }), &mut lines);
        self.add_head(&mut chain, &mut lines);
        self.sink.append(&lines)?;
        self.chain = chain;
        self.sync()?;
        self.write_head();
        self.sink.end();
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sink.sync()?;
        self.synced_at = Instant::now();
        self.synced_seq = self.chain.seq;
        Ok(())
    }

    fn add_head(&self, chain: &mut Chain, lines: &mut Vec<u8>) {
        if let Some(key) = &self.signing {
            let head = Remark::Head {
                signer: key.public().id(),
                signature: key.sign(*chain),
            };
            chain.add(&remark(&head), lines);
        }
    }

    /// Writes down, beside the log and in this process's own log, how far the chain has come.
    fn write_head(&mut self) {
        let hash = self.chain.hash.to_hex();
        tracing::info!(target: "tenure::audit", line = self.chain.seq, hash, "head of the audit");
        let head = Head {
            seq: self.chain.seq,
            hash,
            signer: self.signing.as_ref().map(|key| key.public().id()),
            signature: self.signing.as_ref().map(|key| key.sign(self.chain)),
        };
        if let Err(error) = self.sink.write_head(&head) {
            tracing::warn!(target: "tenure::audit", %error, "the head of the audit cannot be written");
        }
        self.head_at = Instant::now();
        self.head_seq = self.chain.seq;
    }
}

fn remark(remark: &Remark) -> Vec<u8> {
    json(&Timed {
        time: clock::rfc3339(clock::now()),
        what: remark,
    })
}

fn json(value: &impl Serialize) -> Vec<u8> {
    let json = serde_json::to_string(value).expect("plain data");
    visible::escaped(json).into_bytes()
}
