//! The keys of this process: from a file, which it follows, or from a setting.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use aws_lc_rs::digest::{self, SHA256};
use parking_lot::Mutex;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::sleep;

use super::keys::Keys;
use super::{Fault, KeyId, KeyService, Secret32};
use crate::private;

/// How often the file is looked at. A small file costs nothing to read, and unlike a watch on the directory
/// this follows every way of replacing it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// No key file is larger.
const MOST_BYTES: u64 = 1024 * 1024;

/// Where the keys are written down.
pub enum Source {
    /// In a file that only its owner may read.
    File(PathBuf),
    /// In a setting.
    Inline(SecretString),
    /// Nowhere: a random key for this process.
    Process,
}

/// Key-encryption keys in memory.
pub struct Keyring {
    source: Source,
    keys: ArcSwap<Keys>,
    /// Which contents of the file are in force, or were found to be at fault.
    judged: Mutex<Option<Vec<u8>>>,
}

impl Keyring {
    /// Reads the keys for the first time. Any fault is an error.
    pub fn open(source: Source) -> Result<Keyring, Fault> {
        let (keys, fingerprint) = match &source {
            Source::File(path) => {
                let text = read(path)?;
                (parsed(path, &text)?, Some(fingerprint(&text)))
            }
            Source::Inline(text) => {
                let keys = Keys::parse(text)
                    .map_err(|fault| Fault::Source(format!("keys.inline: {fault}")))?;
                (keys, None)
            }
            Source::Process => (Keys::ephemeral(), None),
        };
        Ok(Keyring {
            source,
            keys: ArcSwap::from_pointee(keys),
            judged: Mutex::new(fingerprint),
        })
    }

    /// Follows the file for ever; where there is none, there is nothing to do. While the file is at fault,
    /// the last good keys stay in force.
    pub async fn follow(self: Arc<Self>) {
        if !matches!(self.source, Source::File(_)) {
            return std::future::pending().await;
        }
        loop {
            sleep(LOOK_EVERY).await;
            let this = Arc::clone(&self);
            // What it says is in the log.
            let _ = tokio::task::spawn_blocking(move || this.look()).await;
        }
    }

    /// One look at the file. Whether the newest key is another one now.
    fn look(&self) -> Result<bool, Fault> {
        let Source::File(path) = &self.source else {
            return Ok(false);
        };
        let looked = read(path).and_then(|text| self.judge(path, &text));
        if let Err(fault) = &looked {
            let mut judged = self.judged.lock();
            // Told once, not with every look.
            if judged.take().is_some() {
                tracing::error!(error = %fault, "the key file is at fault; the old keys stay in force");
            }
        }
        looked
    }

    fn judge(&self, path: &Path, text: &SecretString) -> Result<bool, Fault> {
        let seen = Some(fingerprint(text));
        if *self.judged.lock() == seen {
            return Ok(false);
        }
        let keys = parsed(path, text)?;
        let before = self.active_key();
        let (active, count) = (keys.active().clone(), keys.ids().count());
        self.keys.store(Arc::new(keys));
        *self.judged.lock() = seen;
        tracing::info!(active_key = %active, keys = count, "new keys are in force");
        Ok(active != before)
    }
}

#[async_trait]
impl KeyService for Keyring {
    fn active_key(&self) -> KeyId {
        self.keys.load().active().clone()
    }

    fn keys(&self) -> Vec<KeyId> {
        self.keys.load().ids().cloned().collect()
    }

    async fn wrap(&self, context: &[u8], key: &Secret32) -> Result<(KeyId, Vec<u8>), Fault> {
        self.keys.load().wrap(context, key)
    }

    async fn unwrap(&self, by: &KeyId, context: &[u8], wrapped: &[u8]) -> Result<Secret32, Fault> {
        self.keys.load().unwrap(by, context, wrapped)
    }

    async fn look_for_newer(&self) -> Result<bool, Fault> {
        // A small local file: read on the spot, and seldom.
        self.look()
    }
}

fn fingerprint(text: &SecretString) -> Vec<u8> {
    let bytes = text.expose_secret().as_bytes();
    digest::digest(&SHA256, bytes).as_ref().to_vec()
}

fn parsed(path: &Path, text: &SecretString) -> Result<Keys, Fault> {
    Keys::parse(text).map_err(|fault| Fault::Source(format!("{}: {fault}", path.display())))
}

/// Reads a key file, if nobody but its owner may.
fn read(path: &Path) -> Result<SecretString, Fault> {
    let fault = |what: String| Fault::Source(format!("{}: {what}", path.display()));
    let unread = |error: std::io::Error| fault(format!("cannot be read: {error}"));
    let file = File::open(path).map_err(unread)?;
    let metadata = file.metadata().map_err(unread)?;
    if !metadata.is_file() {
        return Err(fault("is not a file".to_owned()));
    }
    if let Some(mode) = private::exposed(&metadata) {
        return Err(fault(format!(
            "others may use it (mode {mode:04o}); make it 0600"
        )));
    }
    if metadata.len() > MOST_BYTES {
        return Err(fault("is too large for a key file".to_owned()));
    }
    // Room for all of it at once: a buffer that grows leaves copies behind.
    let room = usize::try_from(metadata.len()).unwrap_or_default() + 1;
    let mut text = String::with_capacity(room);
    file.take(MOST_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| fault(format!("cannot be read: {}", error.kind())))?;
    Ok(SecretString::from(text))
}
