//! API keys: `tnr_`, then 256 random bits and their checksum in base64url.
//!
//! Only hashes are kept. A key is random through and through, so its plain SHA-256 is as good as any slow
//! hash would be, and cheap enough for every call.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use super::unknown::Unknown;
use crate::call::{Caller, Means};
use crate::config::{ApiKey, KeyHash};
use crate::mint;

/// What every key begins with, so that scanners for leaked secrets find it.
pub(super) const PREFIX: &str = "tnr_";

const KEY_BYTES: usize = 32;
/// Enough to tell a slip of the hand. Together with the key it fills base64 without padding.
const CHECKSUM_BYTES: usize = 4;

/// Makes a new key, and the hash that the configuration holds of it.
///
/// # Panics
/// If the operating system has no randomness.
pub fn new_key() -> (SecretString, KeyHash) {
    let mut bytes = Zeroizing::new([0; KEY_BYTES + CHECKSUM_BYTES]);
    let (key, check) = bytes.split_at_mut(KEY_BYTES);
    key.copy_from_slice(Zeroizing::new(mint::random::<KEY_BYTES>()).as_slice());
    check.copy_from_slice(&checksum(key));
    let mut text = Zeroizing::new(PREFIX.to_owned());
    URL_SAFE_NO_PAD.encode_string(bytes.as_slice(), &mut text);
    let hash = hash_of(&text);
    (SecretString::from(std::mem::take(&mut *text)), hash)
}

fn checksum(key: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut check = [0; CHECKSUM_BYTES];
    check.copy_from_slice(&digest::digest(&digest::SHA256, key).as_ref()[..CHECKSUM_BYTES]);
    check
}

fn hash_of(text: &str) -> KeyHash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    KeyHash(hash)
}

/// Whether the text is a whole key, whoever has it.
fn is_whole(text: &str) -> bool {
    let body = text.strip_prefix(PREFIX).unwrap_or_default();
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(body).unwrap_or_default());
    bytes.len() == KEY_BYTES + CHECKSUM_BYTES && {
        let (key, check) = bytes.split_at(KEY_BYTES);
        checksum(key) == check
    }
}

/// Whose keys are known.
#[derive(Default)]
pub(super) struct ApiKeys {
    /// By the beginning of the hash. What follows is compared in constant time.
    callers: HashMap<[u8; 8], Vec<(KeyHash, Arc<Caller>)>>,
}

impl ApiKeys {
    pub(super) fn new(configured: &[(String, ApiKey)]) -> anyhow::Result<ApiKeys> {
        let mut keys = ApiKeys::default();
        for (name, key) in configured {
            let caller = Arc::new(Caller::Authenticated {
                means: Means::ApiKey,
                name: format!("apikey:{name}").into(),
            });
            let hashes = key
                .load()
                .map_err(|wrong| anyhow::anyhow!("callers.apikey.{name} {wrong}"))?;
            for hash in hashes {
                let same = keys.callers.entry(beginning(&hash)).or_default();
                same.push((hash, Arc::clone(&caller)));
            }
        }
        Ok(keys)
    }

    /// Whose key it is.
    pub(super) fn find(&self, key: &str) -> Result<Arc<Caller>, Unknown> {
        let hash = hash_of(key);
        let similar = self.callers.get(&beginning(&hash));
        let found = similar.into_iter().flatten().find(|(known, _)| {
            // Nobody can choose a key by its hash, so that the table itself tells nothing.
            verify_slices_are_equal(&known.0, &hash.0).is_ok()
        });
        match found {
            Some((_, caller)) => Ok(Arc::clone(caller)),
            None if is_whole(key) => Err(Unknown::KeyUnknown),
            None => Err(Unknown::KeyMistyped),
        }
    }
}

fn beginning(hash: &KeyHash) -> [u8; 8] {
    let mut beginning = [0; 8];
    beginning.copy_from_slice(&hash.0[..8]);
    beginning
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn keys(callers: &[(&str, Vec<KeyHash>)]) -> ApiKeys {
        let configured: Vec<_> = callers
            .iter()
            .map(|(name, hashes)| {
                let key = ApiKey {
                    hashes: hashes.clone(),
                    hash_file: None,
                };
                ((*name).to_owned(), key)
            })
            .collect();
        ApiKeys::new(&configured).expect("sound")
    }

    #[test]
    fn a_key_is_found_by_its_hash_and_two_may_be_in_use() {
        let ((old, old_hash), (new, new_hash), (other, other_hash)) =
            (new_key(), new_key(), new_key());
        let keys = keys(&[
            ("crm", vec![old_hash, new_hash]),
            ("billing", vec![other_hash]),
        ]);
        for (key, name) in [
            (&old, "apikey:crm"),
            (&new, "apikey:crm"),
            (&other, "apikey:billing"),
        ] {
            let caller = keys.find(key.expose_secret()).expect("known");
            assert_eq!(caller.name(), name);
        }
        let (stranger, _) = new_key();
        assert_eq!(
            keys.find(stranger.expose_secret()),
            Err(Unknown::KeyUnknown)
        );
    }

    #[test]
    fn a_slip_of_the_hand_is_told_from_a_strange_key() {
        let (key, hash) = new_key();
        let keys = keys(&[("crm", vec![hash])]);
        let key = key.expose_secret();
        assert_eq!(key.len(), PREFIX.len() + 48);
        for at in PREFIX.len()..key.len() {
            let mut slipped = key.to_owned();
            let other = if &key[at..=at] == "A" { "B" } else { "A" };
            slipped.replace_range(at..=at, other);
            assert_eq!(keys.find(&slipped), Err(Unknown::KeyMistyped), "{at}");
        }
        assert_eq!(keys.find(&key[..20]), Err(Unknown::KeyMistyped));
        assert_eq!(keys.find("tnr_"), Err(Unknown::KeyMistyped));
    }

    #[test]
    fn no_two_keys_are_the_same_and_hashes_read_back() {
        let ((a, a_hash), (b, _)) = (new_key(), new_key());
        assert_ne!(a.expose_secret(), b.expose_secret());
        assert_eq!(KeyHash::parse(&a_hash.show()), Ok(a_hash));
        for bad in ["", "sha256:", "sha256:+1", a.expose_secret()] {
            assert!(KeyHash::parse(bad).is_err(), "{bad}");
        }
    }
}
