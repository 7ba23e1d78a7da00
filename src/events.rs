//! What happened, told to whoever has to know on this side: the log today.
//!
//! Watchers are not told from here: their events come from the store, which has them in order.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::session::names::SessionId;
use crate::sessions::{Call, mint};
use crate::store::Namespace;

/// What a call did, as the inside is told. Never more than that: no state, no owner, no id in clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A session was made.
    Created,
    /// The live session of a conversation was found.
    Found,
    /// A session was read.
    Retrieved,
    /// A session's content changed.
    Updated,
    /// A session got a new id.
    Rotated,
    /// A session was ended by its owner.
    Ended,
    /// Sessions were invalidated.
    Invalidated,
    /// A session id was used by someone who does not own it.
    OwnershipViolation,
    /// A credential was given out.
    CredentialRead,
    /// A credential was stored.
    CredentialWritten,
    /// A credential was destroyed.
    CredentialDeleted,
    /// Somebody was given the right to refresh a credential.
    RefreshBegun,
    /// What is kept does not open in its place.
    Unreadable,
}

impl Deed {
    fn name(self) -> &'static str {
        match self {
            Deed::Created => "created",
            Deed::Found => "found",
            Deed::Retrieved => "retrieved",
            Deed::Updated => "updated",
            Deed::Rotated => "rotated",
            Deed::Ended => "ended",
            Deed::Invalidated => "invalidated",
            Deed::OwnershipViolation => "ownership_violation",
            Deed::CredentialRead => "credential_read",
            Deed::CredentialWritten => "credential_written",
            Deed::CredentialDeleted => "credential_deleted",
            Deed::RefreshBegun => "refresh_begun",
            Deed::Unreadable => "unreadable",
        }
    }
}

/// Tells the inside what happened.
pub struct Events {
    id_key: hmac::Key,
}

impl Events {
    /// Tells the log. Ids are hashed with a key of this process: lines about one session can be found
    /// together, and the id cannot be found from them.
    pub fn new() -> Events {
        Events {
            id_key: hmac::Key::new(hmac::HMAC_SHA256, &mint::random::<32>()),
        }
    }

    /// Something happened, to one session or to many.
    pub fn tell(&self, call: &Call, namespace: &Namespace, id: Option<&SessionId>, deed: Deed) {
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    target: "tenure::lifecycle",
                    event = deed.name(),
                    namespace = namespace.name.as_str(),
                    session = id.map(|id| tracing::field::display(self.hashed(id))),
                    caller = call.caller.name(),
                    correlation_id = &*call.correlation_id,
                )
            };
        }
        match deed {
            // Reads are most of what happens.
            Deed::Retrieved => line!(debug),
            Deed::OwnershipViolation | Deed::Unreadable => line!(warn),
            _ => line!(info),
        }
    }

    fn hashed<'a>(&'a self, id: &'a SessionId) -> impl fmt::Display + 'a {
        fmt::from_fn(move |f| {
            let tag = hmac::sign(&self.id_key, id.as_str().as_bytes());
            f.write_str(&URL_SAFE_NO_PAD.encode(&tag.as_ref()[..12]))
        })
    }
}

impl Default for Events {
    fn default() -> Self {
        Events::new()
    }
}
