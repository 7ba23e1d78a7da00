//! The heart: what a session is, and every rule about it, as functions without I/O.
//!
//! Reading order: [`names`] and [`time`], then [`record`] (one session, and whether it is alive),
//! [`marks`] (what invalidations leave behind), [`state`] on top of [`wire`] (the bytes that a session
//! remembers), [`credentials`], [`owner_record`] (all that one owner has, and the operations on it), [`event`].

pub mod credentials;
pub mod event;
pub mod fields;
pub mod filter;
pub mod limits;
pub mod marks;
pub mod names;
pub mod owner_record;
pub mod record;
pub mod refusal;
pub mod request;
pub mod state;
pub mod story;
pub mod time;
pub mod wire;
