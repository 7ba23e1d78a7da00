//! New ids. All randomness of the service comes from here, but for the audit, which stands on its own.

use std::cell::RefCell;

use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;
use zeroize::Zeroize as _;

use crate::session::names::{LeaseId, Owner, RecordId, RequestId, SessionId};

/// A new id: a random UUID for a named owner.
///
/// For the anonymous owner the id is all that protects the session, so it holds 256 random bits. The
/// characters before them say where the session is kept: those of a repeated request are the same, so that
/// the retry finds its place.
pub fn session_id(owner: &Owner, request: Option<RequestId>) -> SessionId {
    if !owner.is_anonymous() {
        return SessionId::from(uuid());
    }
    let place = match request {
        Some(RequestId(uuid)) => place_of_request(uuid),
        None => URL_SAFE_NO_PAD.encode(random::<12>()),
    };
    let text = place + &URL_SAFE_NO_PAD.encode(random::<32>());
    SessionId::known(&text).expect("visible ASCII, longer than 16")
}

/// A rotated id: for the anonymous owner it stays in the old one's place.
pub fn rotated_id(owner: &Owner, old: &SessionId) -> SessionId {
    if !owner.is_anonymous() {
        return session_id(owner, None);
    }
    let text = old.place() + &URL_SAFE_NO_PAD.encode(random::<32>());
    SessionId::known(&text).expect("visible ASCII, longer than 16")
}

/// A new record's id.
pub fn record_id() -> RecordId {
    RecordId(u128::from_le_bytes(random()))
}

/// A new lease's id.
pub fn lease_id() -> LeaseId {
    LeaseId(uuid())
}

/// A new random UUID.
pub fn uuid() -> Uuid {
    uuid::Builder::from_random_bytes(random()).into_uuid()
}

/// Random bytes from the generator that the operating system seeds.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    STOCK.with_borrow_mut(|stock| stock.take(&mut bytes));
    bytes
}

thread_local! {
    static STOCK: RefCell<Stock> = const { RefCell::new(Stock { bytes: [0; Stock::LEN], left: 0 }) };
}

/// Random bytes fetched ahead: each call needs sixteen, and to fetch them one by one costs it 0.3 us (4.5% of a Get
/// from memory), nearly all of it the generator's reseeding. What is taken is wiped.
struct Stock {
    bytes: [u8; Stock::LEN],
    left: usize,
}

impl Stock {
    const LEN: usize = 1024;

    fn take(&mut self, wanted: &mut [u8]) {
        if wanted.len() > Self::LEN {
            return fetch(wanted);
        }
        if wanted.len() > self.left {
            fetch(&mut self.bytes);
            self.left = Self::LEN;
        }
        let start = self.left - wanted.len();
        let taken = &mut self.bytes[start..self.left];
        wanted.copy_from_slice(taken);
        taken.zeroize();
        self.left = start;
    }
}

fn fetch(bytes: &mut [u8]) {
    rand::fill(bytes).expect("the system has randomness");
}

fn place_of_request(uuid: Uuid) -> String {
    let hash = digest::digest(&digest::SHA256, uuid.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..12])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn what_is_taken_is_new_each_time_and_leaves_no_trace() {
        let mut stock = Stock {
            bytes: [0; Stock::LEN],
            left: 0,
        };
        let mut seen = HashSet::new();
        // Not a divisor of the stock: what is left over at its end is too short.
        for _ in 0..1000 {
            let mut taken = [0; 24];
            stock.take(&mut taken);
            assert!(seen.insert(taken));
            assert!(stock.bytes[stock.left..].iter().all(|&byte| byte == 0));
        }
        let mut large = [0; 2 * Stock::LEN];
        stock.take(&mut large);
        assert!(large.iter().any(|&byte| byte != 0));
    }

    #[test]
    fn threads_have_stocks_of_their_own() {
        let ids = || (0..100).map(|_| uuid()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(ids)).collect();
        let all = threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("ids"));
        assert_eq!(all.collect::<HashSet<_>>().len(), 400);
    }
}
