//! The keys of the audit, each in a file of its own.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use aws_lc_rs::{hkdf, hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};

use super::Fault;
use super::chain::{Chain, Hash, hex};
use crate::private;

/// What comes before the 32 bytes of an Ed25519 key in its DER form (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// The file in which a key that nobody configured is kept.
const OWN_HASH_KEY: &str = "session-hash.key";

fn read(path: &Path) -> Result<String, Fault> {
    fs::read_to_string(path)
        .map_err(|error| Fault::new(format_args!("{} cannot be read: {error}", path.display())))
}

/// Reads a key that is nobody else's to know.
fn read_secret(path: &Path) -> Result<String, Fault> {
    let shown = path.display();
    let unread = |error| Fault::new(format_args!("{shown} cannot be read: {error}"));
    // The same file that is looked at is read, whatever its name stands for by then.
    let mut file = File::open(path).map_err(unread)?;
    if let Some(mode) = private::exposed(&file.metadata().map_err(unread)?) {
        return Err(Fault::new(format_args!(
            "{shown} may be used by others (mode {mode:04o}); make it 0600"
        )));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(unread)?;
    Ok(text)
}

/// Writes a key where there is no file yet, readable by its owner only.
fn write_new(path: &Path, text: &str) -> Result<(), Fault> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
    written.map_err(|error| {
        Fault::new(format_args!(
            "{} cannot be written: {error}",
            path.display()
        ))
    })
}

/// The audit stands below the rest of the house, and so does not get its randomness from there.
pub(super) fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).expect("the system has randomness");
    bytes
}

fn derived(secret: &[u8], info: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"tenure audit")
        .extract(secret)
        .expand(&[info], hkdf::HKDF_SHA256)
        .and_then(|expanded| expanded.fill(&mut key))
        .expect("32 bytes can be had");
    key
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<&str> = body
        .as_bytes()
        .chunks(64)
        .map(|line| str::from_utf8(line).expect("ASCII"))
        .collect();
    let lines = lines.join("\n");
    format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
}

/// What a signature over the end of a chain is over.
fn statement(end: Chain) -> Vec<u8> {
    let mut statement = b"tenure audit head 1\0".to_vec();
    statement.extend_from_slice(&end.seq.to_be_bytes());
    statement.extend_from_slice(&end.hash.0);
    statement
}

/// The key that signs heads: Ed25519.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// Reads a PKCS#8 key in PEM, as `openssl genpkey -algorithm ed25519` writes it, too.
    pub fn read(path: &Path) -> Result<SigningKey, Fault> {
        let bad = || {
            Fault::new(format_args!(
                "{} holds no Ed25519 private key in PEM",
                path.display()
            ))
        };
        let der =
            PrivatePkcs8KeyDer::from_pem_slice(read_secret(path)?.as_bytes()).map_err(|_| bad())?;
        let key = Ed25519KeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| bad())?;
        Ok(SigningKey(key))
    }

    /// Makes a key and keeps it in a new file.
    pub fn generate(path: &Path) -> Result<SigningKey, Fault> {
        let key = Ed25519KeyPair::generate().expect("the system has randomness");
        let der = key.to_pkcs8v1().expect("a new key can be encoded");
        write_new(path, &pem("PRIVATE KEY", der.as_ref()))?;
        Ok(SigningKey(key))
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        let bytes = self.0.public_key().as_ref();
        PublicKey(bytes.try_into().expect("32 bytes"))
    }

    pub(super) fn sign(&self, end: Chain) -> String {
        STANDARD.encode(self.0.sign(&statement(end)).as_ref())
    }

    /// A key for something else, that is the same as long as this one is.
    fn derived(&self, info: &[u8]) -> [u8; 32] {
        let seed = self.0.seed().expect("a private key has a seed");
        let bytes = aws_lc_rs::encoding::AsBigEndian::<
            aws_lc_rs::encoding::Curve25519SeedBin<'static>,
        >::as_be_bytes(&seed)
        .expect("a seed can be encoded");
        derived(bytes.as_ref(), info)
    }
}

/// The key that signatures are checked with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads a key in PEM.
    pub fn read(path: &Path) -> Result<PublicKey, Fault> {
        let bad = || {
            Fault::new(format_args!(
                "{} holds no Ed25519 public key in PEM",
                path.display()
            ))
        };
        let der =
            SubjectPublicKeyInfoDer::from_pem_slice(read(path)?.as_bytes()).map_err(|_| bad())?;
        let key = der.as_ref().strip_prefix(&SPKI_PREFIX).ok_or_else(bad)?;
        Ok(PublicKey(key.try_into().map_err(|_| bad())?))
    }

    /// The key in PEM.
    pub fn to_pem(&self) -> String {
        pem("PUBLIC KEY", &[&SPKI_PREFIX[..], &self.0].concat())
    }

    /// By what lines call it.
    pub fn id(&self) -> String {
        hex(&Hash::of(&self.0).0[..8])
    }

    pub(super) fn checks(&self, end: Chain, signature: &str) -> bool {
        STANDARD.decode(signature).is_ok_and(|signature| {
            UnparsedPublicKey::new(&ED25519, &self.0)
                .verify(&statement(end), &signature)
                .is_ok()
        })
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id())
    }
}

/// The keys that encrypt lines; the newest does, the others open what they sealed.
pub struct EncryptionKeys(Vec<(String, [u8; 32])>);

impl EncryptionKeys {
    /// Reads `ID:KEY` lines, KEY being 32 bytes in base64. The last one is the newest.
    pub fn read(path: &Path) -> Result<EncryptionKeys, Fault> {
        let shown = path.display();
        let text = read_secret(path)?;
        let mut keys = Vec::new();
        for (number, line) in (1..).zip(text.lines().map(str::trim)) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = line.split_once(':').and_then(|(id, key)| {
                let sound = !id.is_empty()
                    && id.len() <= 64
                    && id
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
                let key = STANDARD.decode(key.trim()).ok()?.try_into().ok()?;
                sound.then(|| (id.to_owned(), key))
            });
            let Some(key) = key else {
                return Err(Fault::new(format_args!(
                    "{shown}: line {number} is not ID:KEY with 32 bytes in base64"
                )));
            };
            if keys.iter().any(|(id, _)| *id == key.0) {
                return Err(Fault::new(format_args!(
                    "{shown}: line {number} repeats an id"
                )));
            }
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(Fault::new(format_args!("{shown} holds no key")));
        }
        Ok(EncryptionKeys(keys))
    }

    /// Makes a key and keeps it in a new file.
    pub fn generate(path: &Path) -> Result<(), Fault> {
        let id = hex(&random()[..4]);
        write_new(path, &format!("{id}:{}\n", STANDARD.encode(random())))
    }

    pub(super) fn newest(&self) -> &str {
        self.0.last().map_or("", |(id, _)| id)
    }

    pub(super) fn find(&self, id: &str) -> Option<&[u8; 32]> {
        let found = self.0.iter().find(|(own, _)| own == id);
        found.map(|(_, key)| key)
    }
}

impl fmt::Debug for EncryptionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&str> = self.0.iter().map(|(id, _)| id.as_str()).collect();
        write!(f, "EncryptionKeys({ids:?})")
    }
}

/// The key under which the ids of sessions are hashed, so that lines about one session can be found
/// together, and the id cannot be found from them.
#[derive(Clone)]
pub struct HashKey(hmac::Key);

impl HashKey {
    fn of(bytes: &[u8; 32]) -> HashKey {
        HashKey(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// A key of this process.
    pub fn random() -> HashKey {
        HashKey::of(&random())
    }

    /// Reads 32 bytes in base64.
    pub fn read(path: &Path) -> Result<HashKey, Fault> {
        let bytes = STANDARD.decode(read_secret(path)?.trim()).ok();
        let key: Option<[u8; 32]> = bytes.and_then(|bytes| bytes.try_into().ok());
        let key = key.ok_or_else(|| {
            Fault::new(format_args!(
                "{} does not hold 32 bytes in base64",
                path.display()
            ))
        })?;
        Ok(HashKey::of(&key))
    }

    /// Makes a key and keeps it in a new file.
    pub fn generate(path: &Path) -> Result<HashKey, Fault> {
        let key = random();
        write_new(path, &format!("{}\n", STANDARD.encode(key)))?;
        Ok(HashKey::of(&key))
    }

    /// The key that goes with a signing key, for who does not want to keep two.
    pub fn from_signing_key(key: &SigningKey) -> HashKey {
        HashKey::of(&key.derived(b"session hash"))
    }

    /// The key that a directory keeps because nobody configured one; it is made if it is not there.
    pub(super) fn kept_in(directory: &Path) -> Result<HashKey, Fault> {
        let path = directory.join(OWN_HASH_KEY);
        if path.exists() {
            HashKey::read(&path)
        } else {
            HashKey::generate(&path)
        }
    }

    /// The key that a directory, or the one of a file, keeps, if it keeps one.
    pub fn of_directory(path: &Path) -> Option<Result<HashKey, Fault>> {
        let directory = if path.is_dir() { path } else { path.parent()? };
        let path = directory.join(OWN_HASH_KEY);
        path.exists().then(|| HashKey::read(&path))
    }

    /// An id as lines show it.
    pub fn hashed(&self, id: &str) -> String {
        let tag = hmac::sign(&self.0, id.as_bytes());
        URL_SAFE_NO_PAD.encode(&tag.as_ref()[..12])
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey")
    }
}
