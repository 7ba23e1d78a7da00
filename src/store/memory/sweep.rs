//! Giving back what is over: in slices, none of which holds a lock for long.

use std::sync::Arc;
use std::time::Duration;

use super::MemoryStore;
use super::fleet::moment;
use super::shard::{Due, Shard, Size};
use crate::session::names::CallerTag;
use crate::session::time::Time;
use crate::store::Swept;

/// How far sweeping has come.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// The shard to begin with: each gets its turn, however small the budget is.
    next_shard: usize,
    /// Where the search for what wide marks cover goes on; `None`: nothing is wanted.
    search: Option<Search>,
    /// A wide mark was raised behind the search: it has to begin again.
    again: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Search {
    shard: usize,
    slot: u32,
}

impl MemoryStore {
    /// Owners that are settled under one lock, and entries of the queue that are taken.
    const SLICE: usize = 128;
    /// Slots that are looked at under one lock, to see whether a wide mark covers them.
    const SEARCH_SLICE: u32 = 1024;
    /// Looking at so many slots costs about as much as settling one owner.
    const LOOKS_PER_OWNER: usize = 32;
    /// How much a call that finds no room settles before it tries again.
    const GIVE_BACK: usize = 4096;

    /// Asks for a search for the sessions that a wide mark covers.
    pub(super) fn want_search(&self) {
        let mut round = self.round.lock();
        if round.search.is_some() {
            round.again = true;
        } else {
            round.search = Some(Search::default());
        }
    }

    /// Settles about `budget` owners, letting others have their turn between slices.
    pub(super) async fn sweep_slices(&self, budget: usize) -> Swept {
        let mut swept = Swept::default();
        let mut left = budget;
        let start = {
            let mut round = self.round.lock();
            let start = round.next_shard;
            round.next_shard = (start + 1) % self.shards.len();
            start
        };
        for turn in 0..self.shards.len() {
            let shard = (start + turn) % self.shards.len();
            while left > 0 && self.settle_slice(shard, &mut left, &mut swept) {
                let_others_run().await;
            }
        }
        while left > 0 && self.search_slice(&mut left, &mut swept) {
            let_others_run().await;
        }
        let now = self.clock.now();
        for fleet in self.fleets.load().values() {
            let longest = fleet.namespace.limits.max_lifetime_max;
            fleet.marks.drop_spent(longest, now);
        }
        swept.more = self.round.lock().search.is_some()
            || left == 0 && self.shards.iter().any(|shard| shard.lock().is_due(now));
        swept
    }

    /// Settles some of what is due. Whether anything was.
    pub(super) fn give_back(&self) -> bool {
        let mut swept = Swept::default();
        let mut left = Self::GIVE_BACK;
        for shard in 0..self.shards.len() {
            while left > 0 && self.settle_slice(shard, &mut left, &mut swept) {}
        }
        while left > 0 && self.search_slice(&mut left, &mut swept) {}
        left < Self::GIVE_BACK
    }

    /// Settles a slice of what is due in a shard. Whether more is.
    fn settle_slice(&self, shard: usize, left: &mut usize, swept: &mut Swept) -> bool {
        let mut shard = self.shards[shard].lock();
        let now = self.clock.now();
        for _ in 0..Self::SLICE.min(*left) {
            match shard.next_due(now) {
                None => return false,
                Some(Due::Void) => {}
                Some(Due::Slot(number, due)) => {
                    swept.lag = swept.lag.max(now.since(due));
                    swept.ended += self.settle(&mut shard, number, now);
                    *left -= 1;
                }
            }
        }
        shard.is_due(now)
    }

    /// Looks at a slice of all slots for sessions that a wide mark covers. Whether there are more to look
    /// at.
    fn search_slice(&self, left: &mut usize, swept: &mut Swept) -> bool {
        let mut round = self.round.lock();
        let Some(search) = round.search else {
            return false;
        };
        let mut shard = self.shards[search.shard].lock();
        let now = self.clock.now();
        let mut end = shard.end().min(search.slot + Self::SEARCH_SLICE);
        let mut settled = 0;
        for number in search.slot..end {
            let covered = shard.slot(number).is_some_and(|slot| {
                slot.record.unended() > 0
                    && !slot.fleet.marks.concerning(slot.record.owner()).is_empty()
            });
            if covered {
                swept.ended += self.settle(&mut shard, number, now);
                *left = left.saturating_sub(1);
                settled += 1;
                if settled == Self::SLICE {
                    // Where a mark covers everybody, the lock is held for no longer than elsewhere.
                    end = number + 1;
                    break;
                }
            }
        }
        let looks = (end - search.slot) as usize;
        *left = left.saturating_sub(looks.div_ceil(Self::LOOKS_PER_OWNER));
        let next = if end < shard.end() {
            Some(Search {
                slot: end,
                ..search
            })
        } else if search.shard + 1 < self.shards.len() {
            Some(Search {
                shard: search.shard + 1,
                slot: 0,
            })
        } else {
            std::mem::take(&mut round.again).then(Search::default)
        };
        round.search = next;
        next.is_some()
    }

    /// Ends what is dead of an owner and forgets what is over. How many sessions ended.
    fn settle(&self, shard: &mut Shard, number: u32, now: Time) -> usize {
        let Some(slot) = shard.slot_mut(number) else {
            return 0;
        };
        let fleet = Arc::clone(&slot.fleet);
        let marks = fleet.marks.concerning(slot.record.owner());
        let moment = moment(&fleet.namespace, now, CallerTag::NOBODY, &marks);
        let before = Size::of(&slot.record);
        let mut events = Vec::new();
        let forgotten = slot.record.settle(&moment, &mut events);
        let ended = events.len();
        let next = slot
            .record
            .next_due(&moment)
            .map(|due| due.max(now.after(Duration::from_millis(1))));
        shard.conclude(&self.hashes, &self.totals, number, before, events, next);
        shard.forget(&self.hashes, &self.totals, number, &forgotten);
        ended
    }
}

/// After each slice: the other tasks of this thread have their turn, and so have the other threads where there are
/// more of them than processors. A sweep that has much to do would otherwise keep a processor until the kernel takes
/// it away, milliseconds later, and calls wait for that.
async fn let_others_run() {
    std::thread::yield_now();
    tokio::task::yield_now().await;
}
