//! Callers that wait for another one's refresh.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use tokio::sync::Notify;

use crate::session::names::{CredentialName, SessionId};

/// Wakes those who wait on this instance as soon as a refresh ends here. One that ends on another instance
/// is found by asking the store now and then.
pub(super) struct Refreshes {
    hashes: RandomState,
    /// Some share a bell: whoever is woken for nothing asks once more and waits on.
    bells: Box<[Notify]>,
}

impl Default for Refreshes {
    fn default() -> Self {
        Refreshes {
            hashes: RandomState::new(),
            bells: (0..Self::BELLS).map(|_| Notify::new()).collect(),
        }
    }
}

impl Refreshes {
    const BELLS: usize = 256;

    /// The bell of a credential.
    pub(super) fn bell(&self, id: &SessionId, name: &CredentialName) -> &Notify {
        let hash = self.hashes.hash_one((id, name));
        &self.bells[(hash >> 32) as usize % Self::BELLS]
    }

    /// How long to wait before the store is asked again: 50 to 100 ms, never the same for two callers.
    pub(super) fn pause() -> Duration {
        // Each RandomState has keys of its own: the cheapest random number that std has.
        Duration::from_millis(50 + RandomState::new().hash_one(()) % 51)
    }
}
