//! The generated messages and the bare stub, for what the native API does not cover.

use std::fmt;

/// The modules lie as the packages do, so that one finds the other.
#[expect(
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated; the protos carry the comments"
)]
#[rustfmt::skip]
#[path = "proto"]
mod tenure {
    /// `tenure.v1`
    #[path = "tenure.v1.rs"]
    pub mod v1;
    #[path = "."]
    pub(super) mod admin {
        /// `tenure.admin.v1`
        #[path = "tenure.admin.v1.rs"]
        pub mod v1;
    }
}

pub use self::tenure::admin::v1 as admin_v1;
pub use self::tenure::v1;

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
