//! What the tests share.

pub(crate) mod backend;
pub(crate) mod redis;
pub(crate) mod service;
pub(crate) mod values;
pub(crate) mod world;
