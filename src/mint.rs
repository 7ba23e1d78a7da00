//! New ids. All randomness of the service comes from here.

use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::session::names::{LeaseId, Owner, RecordId, RequestId, SessionId};

/// A new id: a random UUID for a named owner.
///
/// For the anonymous owner the id is all that protects the session, so it holds 256 random bits. The
/// characters before them say where the session is kept: those of a repeated request are the same, so that
/// the retry finds its place.
pub fn session_id(owner: &Owner, request: Option<RequestId>) -> SessionId {
    let text = if owner.is_anonymous() {
        let place = match request {
            Some(RequestId(uuid)) => place_of_request(uuid),
            None => URL_SAFE_NO_PAD.encode(random::<12>()),
        };
        place + &URL_SAFE_NO_PAD.encode(random::<32>())
    } else {
        uuid().to_string()
    };
    SessionId::known(&text).expect("visible ASCII, longer than 16")
}

/// A rotated id: for the anonymous owner it stays in the old one's place.
pub fn rotated_id(owner: &Owner, old: &SessionId) -> SessionId {
    if !owner.is_anonymous() {
        return session_id(owner, None);
    }
    let text = old.place().to_owned() + &URL_SAFE_NO_PAD.encode(random::<32>());
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
    rand::fill(&mut bytes).expect("the system has randomness");
    bytes
}

fn place_of_request(uuid: Uuid) -> String {
    let hash = digest::digest(&digest::SHA256, uuid.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..12])
}
