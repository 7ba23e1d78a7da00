//! Who has called: sessions carry a tag of each caller, and the store keeps the names once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::Call;
use crate::session::names::CallerTag;
use crate::store::Store;

/// The callers whose names this instance has given to the store lately.
#[derive(Debug, Default)]
pub(super) struct CallerNames(ArcSwap<HashMap<Box<str>, Given>>);

#[derive(Clone, Copy, Debug)]
struct Given {
    tag: CallerTag,
    at: Instant,
}

impl CallerNames {
    /// How often a name is given again, in case the store has lost it.
    const AGAIN: Duration = Duration::from_mins(10);
    /// Beyond so many, callers are told from each other still, but not named.
    const MOST: usize = 10_000;

    /// The tag of a caller, whose name the store knows from now on.
    pub(super) async fn tag(&self, store: &Arc<dyn Store>, call: &Call) -> CallerTag {
        let name = call.caller.name();
        let known = self.0.load().get(name).copied();
        if let Some(given) = known
            && call.came.saturating_duration_since(given.at) < Self::AGAIN
        {
            return given.tag;
        }
        let tag = CallerTag::of(name);
        if known.is_none() && self.0.load().len() >= Self::MOST {
            return tag;
        }
        // Without the name the story is poorer, and the call none the worse.
        if store.name_caller(tag, name).await.is_ok() {
            let at = call.came;
            self.0.rcu(|known| {
                let mut known = HashMap::clone(known);
                known.insert(name.into(), Given { tag, at });
                known
            });
        }
        tag
    }
}
