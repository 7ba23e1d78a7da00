//! The correlation id: in every log line of a call, and in the trailing metadata of its answer.

use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use crate::mint;

const HEADER: HeaderName = HeaderName::from_static("tenure-correlation-id");
const MAX_LEN: usize = 128;

/// The id of a call: the caller's own, if it sent a sound one.
pub(super) struct CorrelationId(HeaderValue);

impl CorrelationId {
    pub(super) fn of(headers: &HeaderMap) -> CorrelationId {
        let own = headers.get(&HEADER).filter(|id| {
            (1..=MAX_LEN).contains(&id.len())
                && id
                    .as_bytes()
                    .iter()
                    .all(|byte| (0x21..=0x7E).contains(byte))
        });
        CorrelationId(own.cloned().unwrap_or_else(minted))
    }

    pub(super) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// Adds the id to metadata.
    pub(super) fn put_into(mut self, metadata: &mut HeaderMap) {
        // No two answers have the same: in the table of known headers it would only take the place of those that
        // come again. "Sensitive" is how the HTTP/2 layer is told.
        self.0.set_sensitive(true);
        metadata.insert(HEADER, self.0);
    }
}

fn minted() -> HeaderValue {
    let uuid = mint::uuid();
    HeaderValue::from_str(
        uuid.as_hyphenated()
            .encode_lower(&mut Uuid::encode_buffer()),
    )
    .expect("hexadecimal digits and hyphens")
}
