//! Encrypted lines. Each file has a key of its own, derived from the configured one and a random salt, so a
//! line's number is nonce enough: no number occurs twice in a file.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::keys::{EncryptionKeys, random};

const INFO: &[u8] = b"tenure audit file 1";
const ASSOCIATED: &[u8] = b"tenure audit line 1";

/// What a file says of its encryption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cipher {
    /// The key's id.
    pub(super) key: String,
    /// The salt of the file's own key.
    pub(super) salt: String,
}

impl Cipher {
    /// For a new file, with the newest key.
    pub(super) fn new(keys: &EncryptionKeys) -> Cipher {
        Cipher {
            key: keys.newest().to_owned(),
            salt: STANDARD.encode(random()),
        }
    }

    /// The file's own key, if the key is among these.
    pub(super) fn open(&self, keys: &EncryptionKeys) -> Option<FileKey> {
        let salt = STANDARD.decode(&self.salt).ok()?;
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, &salt).extract(keys.find(&self.key)?);
        let mut key = [0; 32];
        prk.expand(&[INFO], hkdf::HKDF_SHA256)
            .and_then(|expanded| expanded.fill(&mut key))
            .expect("32 bytes can be had");
        let key = UnboundKey::new(&AES_256_GCM, &key).expect("32 bytes");
        Some(FileKey(LessSafeKey::new(key)))
    }
}

/// The key of one file.
pub(super) struct FileKey(LessSafeKey);

/// A line whose content is sealed.
#[derive(Serialize, Deserialize)]
pub(super) struct SealedLine {
    /// The content, in base64.
    pub(super) sealed: String,
}

impl FileKey {
    pub(super) fn seal(&self, seq: u64, mut content: Vec<u8>) -> SealedLine {
        self.0
            .seal_in_place_append_tag(nonce(seq), Aad::from(ASSOCIATED), &mut content)
            .expect("a line is short enough");
        SealedLine {
            sealed: STANDARD.encode(content),
        }
    }

    pub(super) fn open(&self, seq: u64, line: &SealedLine) -> Option<Vec<u8>> {
        let mut content = STANDARD.decode(&line.sealed).ok()?;
        let opened = self
            .0
            .open_in_place(nonce(seq), Aad::from(ASSOCIATED), &mut content)
            .ok()?;
        Some(opened.to_vec())
    }
}

fn nonce(seq: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&seq.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}
