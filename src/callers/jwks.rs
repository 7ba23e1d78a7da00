//! An issuer's keys: fetched, kept, and fetched anew.
//!
//! A set that was read once stays in force until a newer one has been read: an endpoint that dies, or that
//! answers nonsense, takes no key away.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::digest;
use bytes::Bytes;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, sleep, timeout};

use self::fetch::Address;
use crate::config::TokenIssuer;
use crate::telemetry::call::{self, InCall};

mod fetch;

/// How often a file is looked at.
const LOOK_AT_FILE: Duration = Duration::from_secs(5);
/// How soon a failed look is repeated; twice as long each time, up to a minute.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_mins(1);
/// How long a call with an unknown key waits for the keys to be fetched.
const WAIT: Duration = Duration::from_secs(5);
/// How many calls may wait at once. Whoever sends nonsense shall not fill the house with it.
const WAITING: usize = 64;

/// A public key, and what it may be used with.
struct PublicKey {
    algorithms: &'static [Algorithm],
    key: DecodingKey,
}

/// The keys of one moment, by their ids.
#[derive(Default)]
pub(super) struct KeySet {
    keys: HashMap<String, Vec<PublicKey>>,
    /// Which set it is: what was checked with another one has to be checked again.
    pub(super) generation: u64,
}

/// What there is of a key.
pub(super) enum Found<'a> {
    Key(&'a DecodingKey),
    /// There is one of that id, but for other algorithms.
    OtherAlgorithm,
    Nothing,
}

impl KeySet {
    pub(super) fn find(&self, id: &str, algorithm: Algorithm) -> Found<'_> {
        let Some(keys) = self.keys.get(id) else {
            return Found::Nothing;
        };
        let key = keys.iter().find(|key| key.algorithms.contains(&algorithm));
        key.map_or(Found::OtherAlgorithm, |key| Found::Key(&key.key))
    }

    /// Reads a JWK set. Keys that are of no use here are passed over: other types, other purposes, without
    /// an id, too short.
    fn parse(text: &[u8]) -> Result<KeySet, &'static str> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<serde_json::Value>,
        }
        let set: Set = serde_json::from_slice(text).map_err(|_| "this is no JWK set")?;
        let mut keys: HashMap<String, Vec<PublicKey>> = HashMap::new();
        for jwk in set.keys {
            if let Some((id, key)) = usable(jwk) {
                keys.entry(id).or_default().push(key);
            }
        }
        if keys.is_empty() {
            return Err(
                "none of the keys can be used: it takes RSA (2048 bits or more), EC or Ed25519, for signatures, with a kid",
            );
        }
        Ok(KeySet {
            keys,
            generation: generation_of(text),
        })
    }
}

/// The set's own text says which one it is.
fn generation_of(text: &[u8]) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&digest::digest(&digest::SHA256, text).as_ref()[..8]);
    u64::from_le_bytes(first)
}

fn usable(jwk: serde_json::Value) -> Option<(String, PublicKey)> {
    const RSA: &[Algorithm] = &[
        Algorithm::RS256,
        Algorithm::RS384,
        Algorithm::RS512,
        Algorithm::PS256,
        Algorithm::PS384,
        Algorithm::PS512,
    ];
    let jwk: Jwk = serde_json::from_value(jwk).ok()?;
    let common = &jwk.common;
    let signs = common
        .public_key_use
        .as_ref()
        .is_none_or(|purpose| *purpose == PublicKeyUse::Signature)
        && common
            .key_operations
            .as_ref()
            .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    let id = common.key_id.clone().filter(|id| !id.is_empty() && signs)?;
    let mut algorithms: &'static [Algorithm] = match &jwk.algorithm {
        // Leading zeros aside, 2048 bits are 342 characters of base64.
        AlgorithmParameters::RSA(rsa) if rsa.n.trim_start_matches('A').len() >= 341 => RSA,
        AlgorithmParameters::EllipticCurve(ec) => match ec.curve {
            EllipticCurve::P256 => &[Algorithm::ES256],
            EllipticCurve::P384 => &[Algorithm::ES384],
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            &[Algorithm::EdDSA]
        }
        // A symmetric key in a public place signs nothing.
        _ => return None,
    };
    if let Some(own) = common.key_algorithm {
        let own = Algorithm::try_from(own).ok()?;
        let at = algorithms.iter().position(|algorithm| *algorithm == own)?;
        algorithms = &algorithms[at..=at];
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some((id, PublicKey { algorithms, key }))
}

enum Source {
    File(PathBuf),
    Address(Box<Address>),
}

impl Source {
    async fn read(&self) -> Result<Bytes, String> {
        match self {
            Source::File(path) => std::fs::read(path)
                .map(Bytes::from)
                .map_err(|error| format!("{} cannot be read: {error}", path.display())),
            Source::Address(address) => address.fetch().await,
        }
    }
}

/// How far the looking has come.
#[derive(Clone, Copy, Debug, Default)]
struct Looking {
    looks: u64,
    in_progress: bool,
    last: Option<Instant>,
}

/// An issuer's keys as they are known now.
pub(super) struct Keys {
    issuer: String,
    source: Source,
    refresh: Duration,
    cooldown: Duration,
    current: ArcSwap<KeySet>,
    looking: watch::Sender<Looking>,
    /// Somebody met a key that is not known.
    wanted: Notify,
    /// For which call: the look is part of its trace.
    wanted_for: Mutex<Option<InCall>>,
    waiting: Semaphore,
}

impl Keys {
    /// A file is read at once, and has to be sound. An address is asked when [`Keys::follow`] runs: the
    /// service starts also while an issuer is away.
    pub(super) fn new(
        issuer: &TokenIssuer,
        refresh: Duration,
        cooldown: Duration,
    ) -> anyhow::Result<Keys> {
        let mut current = KeySet::default();
        let (source, refresh) = match (&issuer.jwks_file, &issuer.jwks_url) {
            (Some(path), _) => {
                let wrong = |what: String| anyhow::anyhow!("{}: {what}", path.display());
                let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
                current = KeySet::parse(&text).map_err(|what| wrong(what.to_owned()))?;
                (Source::File(path.clone()), refresh.min(LOOK_AT_FILE))
            }
            (None, Some(url)) => (
                Source::Address(Box::new(Address::new(url, issuer)?)),
                refresh,
            ),
            (None, None) => anyhow::bail!("the issuer {} has no keys", issuer.issuer),
        };
        Ok(Keys {
            issuer: issuer.issuer.clone(),
            source,
            refresh,
            cooldown,
            current: ArcSwap::from_pointee(current),
            looking: watch::Sender::new(Looking::default()),
            wanted: Notify::new(),
            wanted_for: Mutex::new(None),
            waiting: Semaphore::new(WAITING),
        })
    }

    /// The keys as they are known.
    pub(super) fn current(&self) -> Arc<KeySet> {
        self.current.load_full()
    }

    /// The keys after another look, because one was missing. Not sooner than the cooldown after the last
    /// look: then it is the keys as they are known, and the look comes later.
    pub(super) async fn looked_again(&self) -> Arc<KeySet> {
        let mut looking = self.looking.subscribe();
        let before = *looking.borrow_and_update();
        let fresh = before
            .last
            .is_some_and(|last| last.elapsed() < self.cooldown);
        if !before.in_progress {
            *self.wanted_for.lock() = call::now();
        }
        self.wanted.notify_one();
        if (before.in_progress || !fresh)
            && let Ok(_place) = self.waiting.try_acquire()
        {
            let looked = looking.wait_for(|looking| looking.looks > before.looks);
            let _ = timeout(WAIT, looked).await;
        }
        self.current()
    }

    /// Follows the issuer's keys for ever.
    pub(super) async fn follow(self: Arc<Self>) {
        let mut retry = FIRST_RETRY;
        loop {
            self.looking
                .send_modify(|looking| looking.in_progress = true);
            let wanted_for = self.wanted_for.lock().take();
            let read = call::resumed(wanted_for, self.source.read()).await;
            let pause = match read.and_then(|text| self.take_over(&text).map_err(str::to_owned)) {
                Ok(()) => {
                    retry = FIRST_RETRY;
                    self.refresh
                }
                Err(error) => {
                    let known = self.current.load().keys.len();
                    tracing::error!(
                        target: "tenure::callers",
                        issuer = self.issuer,
                        error,
                        known_keys = known,
                        "the issuer's keys could not be read; the known ones stay in force"
                    );
                    let pause = retry.min(self.refresh);
                    retry = (retry * 2).min(LAST_RETRY);
                    pause
                }
            };
            self.looking.send_modify(|looking| {
                looking.looks += 1;
                looking.in_progress = false;
                looking.last = Some(Instant::now());
            });
            let wanted = async {
                sleep(self.cooldown).await;
                self.wanted.notified().await;
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = wanted => {}
            }
        }
    }

    fn take_over(&self, text: &[u8]) -> Result<(), &'static str> {
        let current = self.current.load();
        if current.generation == generation_of(text) {
            return Ok(());
        }
        let keys = KeySet::parse(text)?;
        tracing::info!(
            target: "tenure::callers",
            issuer = self.issuer,
            keys = keys.keys.len(),
            "new keys of the issuer are in force"
        );
        self.current.store(Arc::new(keys));
        Ok(())
    }
}
