//! Requests that may be repeated: how one is recognised.

use aws_lc_rs::hmac;

use super::names::RequestId;

/// A request that may be repeated: its id, and a hash of all that it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The client's id of it.
    pub id: RequestId,
    /// The same for the same request, whatever order its maps came in.
    pub fingerprint: u128,
}

/// What is remembered of a request takes at most so many bytes: many are remembered at once.
pub const MOST_REMEMBERED: usize = 512;

/// The RPCs that remember their requests. Each has request ids of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rpc {
    /// `CreateSession`
    Create,
    /// `UpdateSession`
    Update,
    /// `RotateSession`
    Rotate,
    /// `ClaimOnce`
    Claim,
}

/// Hashes the parts of a request. The hash is keyed: it tells nothing about the state that it covers.
pub struct Fingerprint(hmac::Context);

impl Fingerprint {
    /// Starts with nothing.
    pub fn keyed(key: &hmac::Key) -> Fingerprint {
        Fingerprint(hmac::Context::with_key(key))
    }

    /// Adds a part. Parts are framed: moving a byte from one to the next changes the hash.
    pub fn part(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// Adds how many there are of something.
    pub fn count(&mut self, count: usize) -> &mut Self {
        self.0.update(&(count as u64).to_le_bytes());
        self
    }

    /// Adds a number.
    pub fn number(&mut self, number: i64) -> &mut Self {
        self.0.update(&number.to_le_bytes());
        self
    }

    /// The hash.
    pub fn finish(self) -> u128 {
        let tag = self.0.sign();
        let mut first = [0_u8; 16];
        first.copy_from_slice(&tag.as_ref()[..16]);
        u128::from_le_bytes(first)
    }
}
