//! The generated messages and the bare stub, for what the native API does not cover.

use std::fmt;

/// `tenure.v1`
#[expect(
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated; the protos carry the comments"
)]
#[rustfmt::skip]
#[path = "proto/tenure.v1.rs"]
pub mod v1;

/// `tenure.admin.v1`
#[expect(
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated; the protos carry the comments"
)]
#[rustfmt::skip]
#[path = "proto/tenure.admin.v1.rs"]
pub mod admin_v1;

impl fmt::Debug for v1::Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(redacted)")
    }
}

impl fmt::Debug for v1::credential::Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

impl fmt::Debug for v1::OAuthTokenSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OAuthTokenSet(redacted)")
    }
}
