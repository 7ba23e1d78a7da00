//! The chain: each line holds a hash over the line before and itself.
//!
//! A line is `{"seq":N,…,"hash":"…"}`. The hash is SHA-256 over the 32 bytes of the previous line's hash
//! and the bytes of the line up to `,"hash"`. The first line of all follows on 32 zero bytes.

use aws_lc_rs::digest;

/// The hash of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hash(pub(super) [u8; 32]);

impl Hash {
    /// What the first line of all follows on.
    pub(super) const NONE: Hash = Hash([0; 32]);

    pub(super) fn after(self, body: &[u8]) -> Hash {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&self.0);
        context.update(body);
        Hash::from_digest(&context.finish())
    }

    pub(super) fn of(bytes: &[u8]) -> Hash {
        Hash::from_digest(&digest::digest(&digest::SHA256, bytes))
    }

    fn from_digest(digest: &digest::Digest) -> Hash {
        Hash(digest.as_ref().try_into().expect("32 bytes"))
    }

    pub(super) fn to_hex(self) -> String {
        hex(&self.0)
    }

    pub(super) fn from_hex(text: &str) -> Option<Hash> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            // Only one way to write it: else a line could be changed without a trace.
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        let mut hash = [0; 32];
        for (byte, digits) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = value(digits[0])? << 4 | value(digits[1])?;
        }
        Some(Hash(hash))
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// Where a chain ends for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    /// The number of its last line; 0 if there is none.
    pub(super) seq: u64,
    /// The hash of that line.
    pub(super) hash: Hash,
}

impl Chain {
    pub(super) const EMPTY: Chain = Chain {
        seq: 0,
        hash: Hash::NONE,
    };

    /// Adds a line that says `fields`, the text of a JSON object.
    pub(super) fn add(&mut self, fields: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        let inner = fields
            .strip_prefix(b"{")
            .and_then(|fields| fields.strip_suffix(b"}"))
            .expect("an object");
        self.seq += 1;
        out.extend_from_slice(HEAD);
        out.extend_from_slice(self.seq.to_string().as_bytes());
        out.push(b',');
        out.extend_from_slice(inner);
        self.hash = self.hash.after(&out[start..]);
        out.extend_from_slice(TAIL);
        out.extend_from_slice(self.hash.to_hex().as_bytes());
        out.extend_from_slice(b"\"}\n");
    }
}

const HEAD: &[u8] = b"{\"seq\":";
const TAIL: &[u8] = b",\"hash\":\"";

/// A line that was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub(super) seq: u64,
    /// What the hash is over, beside the line before.
    pub(super) body: &'a [u8],
    /// The hash that it holds.
    pub(super) hash: Hash,
}

impl<'a> Line<'a> {
    /// Takes a line apart, without its line break. `None` if it is not one.
    pub(super) fn parse(line: &'a [u8]) -> Option<Line<'a>> {
        let rest = line.strip_suffix(b"\"}")?;
        let (rest, hash) = rest.split_at_checked(rest.len().checked_sub(64)?)?;
        let hash = Hash::from_hex(str::from_utf8(hash).ok()?)?;
        let body = rest.strip_suffix(TAIL)?;
        let after = body.strip_prefix(HEAD)?;
        let comma = after.iter().position(|byte| *byte == b',')?;
        let digits = str::from_utf8(&after[..comma]).ok()?;
        let seq: u64 = digits.parse().ok()?;
        // One way to write a number, too.
        (seq > 0 && digits == seq.to_string()).then_some(Line { seq, body, hash })
    }

    /// What it says, as JSON.
    pub(super) fn fields<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        let mut text = self.body.to_vec();
        text.push(b'}');
        serde_json::from_slice(&text).ok()
    }

    /// Whether it follows on this end of a chain.
    pub(super) fn follows(&self, chain: Chain) -> bool {
        self.seq == chain.seq + 1 && self.hash == chain.hash.after(self.body)
    }

    /// The end of the chain behind it.
    pub(super) fn end(&self) -> Chain {
        Chain {
            seq: self.seq,
            hash: self.hash,
        }
    }
}
