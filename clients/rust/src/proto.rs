//! The generated messages and the bare stub, for what the native API does not cover.

/// `tenure.v1`
#[expect(
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated; the protos carry the comments"
)]
#[rustfmt::skip]
#[path = "proto/tenure.v1.rs"]
pub mod v1;
