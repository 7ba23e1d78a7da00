//! Key-encryption keys as they are written down.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::envelope::Framed;
use super::{Fault, KeyId, Secret32, random};

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Key-encryption keys, the newest last.
pub struct Keys(Vec<(KeyId, WrappingKey)>);

/// What wraps data keys. The key that was written down is not kept.
struct WrappingKey(LessSafeKey);

/// A line of a key file with a new key: `ID:KEY`.
pub fn generate_line(id: &KeyId) -> SecretString {
    let key: Secret32 = Zeroizing::new(random());
    let text = Zeroizing::new(STANDARD.encode(key.as_slice()));
    SecretString::from(format!("{id}:{}", *text))
}

impl Keys {
    /// Reads `ID:KEY`, one on each line (or between commas), where KEY is 32 bytes in base64. Lines that
    /// begin with `#` are comments. The last one is the newest.
    pub fn parse(text: &SecretString) -> Result<Keys, Fault> {
        let mut keys: Vec<(KeyId, WrappingKey)> = Vec::new();
        let lines = text.expose_secret().lines().enumerate();
        for (number, line) in lines {
            // A fault names the line and never quotes it.
            let fault = |what: &str| Err(Fault::Source(format!("line {}: {what}", number + 1)));
            if line.trim_start().starts_with('#') {
                continue;
            }
            for entry in line.split(',').map(str::trim) {
                if entry.is_empty() {
                    continue;
                }
                let Some((id, key)) = entry.split_once(':') else {
                    return fault("not of the form ID:KEY");
                };
                let Some(id) = KeyId::new(id.trim()) else {
                    return fault("the id must be 1 to 64 of letters, digits, '.', '_', '-'");
                };
                let Some(key) = decoded(key.trim()) else {
                    return fault("the key must be 32 bytes in base64");
                };
                if keys.iter().any(|(known, _)| *known == id) {
                    return fault("this id stands here twice");
                }
                keys.push((id, WrappingKey::new(&key)));
            }
        }
        if keys.is_empty() {
            return Err(Fault::Source("holds no key".to_owned()));
        }
        Ok(Keys(keys))
    }

    /// One random key that ends with the process.
    pub(super) fn ephemeral() -> Keys {
        let id = KeyId::new("process").expect("a name of letters");
        let key: Secret32 = Zeroizing::new(random());
        Keys(vec![(id, WrappingKey::new(&key))])
    }

    /// The newest.
    pub fn active(&self) -> &KeyId {
        let (id, _) = self.0.last().expect("there is at least one key");
        id
    }

    /// All of them, the newest last.
    pub fn ids(&self) -> impl Iterator<Item = &KeyId> {
        self.0.iter().map(|(id, _)| id)
    }

    pub(super) fn wrap(&self, context: &[u8], key: &Secret32) -> Result<(KeyId, Vec<u8>), Fault> {
        let (id, wrapping) = self.0.last().ok_or(Fault::Unavailable)?;
        let nonce: [u8; NONCE_LEN] = random();
        let mut bytes = nonce.to_vec();
        let mut text = Zeroizing::new(key.to_vec());
        let aad = Aad::from(bound(id, context));
        let tag = wrapping
            .0
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, &mut text)
            .map_err(|_| Fault::Unavailable)?;
        bytes.extend_from_slice(&text);
        bytes.extend_from_slice(tag.as_ref());
        Ok((id.clone(), bytes))
    }

    pub(super) fn unwrap(
        &self,
        by: &KeyId,
        context: &[u8],
        wrapped: &[u8],
    ) -> Result<Secret32, Fault> {
        let found = self.0.iter().find(|(id, _)| id == by);
        let (id, wrapping) = found.ok_or_else(|| Fault::KeyNotLoaded(by.clone()))?;
        let (nonce, text) = wrapped
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(Fault::Unreadable)?;
        let mut text = Zeroizing::new(text.to_vec());
        let aad = Aad::from(bound(id, context));
        let opened = wrapping
            .0
            .open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut text)
            .map_err(|_| Fault::Unreadable)?;
        let key = <[u8; 32]>::try_from(&*opened).map_err(|_| Fault::Unreadable)?;
        Ok(Zeroizing::new(key))
    }
}

impl WrappingKey {
    /// The key that was written down is only ever a source of others, so that one purpose cannot be turned
    /// against another.
    fn new(key: &Secret32) -> WrappingKey {
        let source = Prk::new_less_safe(HKDF_SHA256, key.as_slice());
        let key = source
            .expand(&[b"tenure: wraps data keys, 1"], &AES_256_GCM)
            .map(UnboundKey::from)
            .expect("32 bytes can be derived");
        WrappingKey(LessSafeKey::new(key))
    }
}

fn bound(id: &KeyId, context: &[u8]) -> Vec<u8> {
    Framed::default()
        .part(id.as_str().as_bytes())
        .part(context)
        .into_bytes()
}

fn decoded(text: &str) -> Option<Secret32> {
    let bytes = STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text));
    let bytes = Zeroizing::new(bytes.ok()?);
    Some(Zeroizing::new(<[u8; 32]>::try_from(bytes.as_slice()).ok()?))
}
