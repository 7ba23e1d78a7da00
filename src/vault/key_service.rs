//! Who has the key-encryption keys: a keyring of this process, or a key management service.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::Fault;

/// A key of 256 bits in the clear. It is wiped when it is dropped.
pub type Secret32 = Zeroizing<[u8; 32]>;

/// The name of a key-encryption key. No secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Arc<str>);

impl KeyId {
    /// Takes 1 to 64 of letters, digits, '.', '_', '-'.
    pub fn new(text: &str) -> Option<KeyId> {
        let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        ((1..=64).contains(&text.len()) && text.bytes().all(sound)).then(|| KeyId(text.into()))
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Wraps data keys by key-encryption keys that it never gives away.
///
/// An adapter to a key management service implements this: `wrap` and `unwrap` are its Encrypt and Decrypt,
/// with the context as encryption context. What it answers is kept at hand by the vault, so that a call
/// to it is made per tenant, not per secret.
#[async_trait]
pub trait KeyService: Send + Sync + 'static {
    /// The key that wraps what is new.
    fn active_key(&self) -> KeyId;

    /// The keys that can unwrap, the active one among them.
    fn keys(&self) -> Vec<KeyId>;

    /// Wraps a data key by the active key, bound to a context. Answers which key that was.
    async fn wrap(&self, context: &[u8], key: &Secret32) -> Result<(KeyId, Vec<u8>), Fault>;

    /// Unwraps what was wrapped by a key in the same context.
    async fn unwrap(&self, by: &KeyId, context: &[u8], wrapped: &[u8]) -> Result<Secret32, Fault>;

    /// Looks at once for newer keys. Whether the active key is another one now.
    async fn look_for_newer(&self) -> Result<bool, Fault>;
}
