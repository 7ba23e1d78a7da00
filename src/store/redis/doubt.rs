//! Endings whose answer never came: the connection broke, Redis hung, or nobody waited any more.
//!
//! Whoever is told of endings has to hear of these, too, or a trail would lack what has happened. A call that may
//! end sessions carries a token, which the events of what it ended carry as well. Where its answer is lost, the log
//! of the cell is read for the token: at each sweep, for as long as Redis may still receive the call.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tokio::time::timeout;

use super::Shared;
use super::keys::{Cell, Spot};
use super::link::{Call, Fault};
use super::poll::{Entry, Position};
use crate::mint;
use crate::session::names::{NamespaceName, Owner};
use crate::store::{Answer, Place};

/// By what the endings of one call are known.
pub(super) type Token = [u8; 8];

/// How long after it was sent a call may still arrive: what a kernel has taken it sends again and again, also when
/// the socket is closed, for about a hundred seconds.
const MAY_ARRIVE: Duration = Duration::from_mins(2);

/// How far the clocks may be apart (the link sees to it), and then some.
const CLOCKS_APART: Duration = Duration::from_secs(5);

/// How long an instance that goes has for it.
const LAST_LOOK: Duration = Duration::from_millis(700);

/// How many calls are remembered. The breaker opens after few.
const MOST: usize = 4096;

/// The calls whose answers were lost.
#[derive(Default)]
pub(super) struct Doubts {
    /// Told apart from those of other instances by where it begins.
    next: AtomicU64,
    lost: Mutex<HashMap<(NamespaceName, Cell), Vec<Lost>>>,
}

/// A call whose answer was lost.
struct Lost {
    token: Token,
    owner: Owner,
    at: Instant,
    /// How far the log of the cell has been read for it.
    behind: Position,
    /// Whether the log is known to reach back to where that began.
    reaches: bool,
}

impl Doubts {
    pub(super) fn new() -> Doubts {
        Doubts {
            next: AtomicU64::new(u64::from_le_bytes(mint::random())),
            lost: Mutex::default(),
        }
    }
}

/// A call that may end sessions, until its answer is there. Given up before, it is remembered.
pub(super) struct Doubt<'a> {
    shared: &'a Shared,
    place: &'a Place,
    cell: Cell,
    token: Token,
    /// When it was begun, as the log counts.
    since: Position,
    answered: bool,
}

impl Doubt<'_> {
    /// The answer, or why there is none.
    pub(super) fn over<T>(mut self, answer: Result<T, Fault>) -> Result<T, Fault> {
        self.answered = !matches!(answer, Err(Fault::Unanswered { .. }));
        answer
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.shared.remember(self);
        }
    }
}

impl Shared {
    /// Marks a call that may end sessions. To be had before it is sent, and told of its answer.
    pub(super) fn doubt<'a>(&'a self, place: &'a Place, spot: &Spot, call: &mut Call) -> Doubt<'a> {
        let token = self
            .doubts
            .next
            .fetch_add(1, Ordering::Relaxed)
            .to_le_bytes();
        // Behind the time and who calls, which every script that can end something begins with.
        call.args[0].truncate(16);
        call.args[0].extend_from_slice(&token);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let since = now.unwrap_or_default().saturating_sub(CLOCKS_APART);
        Doubt {
            shared: self,
            place,
            cell: spot.cell,
            token,
            since: Position {
                millis: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
                sequence: 0,
            },
            answered: false,
        }
    }

    fn remember(&self, doubt: &Doubt<'_>) {
        let (namespace, owner) = (&doubt.place.namespace.name, &doubt.place.owner);
        let mut lost = self.doubts.lost.lock();
        if lost.values().map(Vec::len).sum::<usize>() >= MOST {
            drop(lost);
            self.endings.tell_unknown(namespace, owner);
            return;
        }
        let here = lost.entry((namespace.clone(), doubt.cell)).or_default();
        here.push(Lost {
            token: doubt.token,
            owner: owner.clone(),
            at: Instant::now(),
            behind: doubt.since,
            reaches: false,
        });
    }

    /// Tells of what calls have ended whose answers were lost, as far as it is known by now.
    pub(super) async fn look_into_doubts(&self) -> Answer<()> {
        let cells: Vec<_> = self.doubts.lost.lock().keys().cloned().collect();
        for place in cells {
            // Before the log is read: what arrives later is found the next time.
            let now = Instant::now();
            while self.read_on(&place).await? {}
            let mut lost = self.doubts.lost.lock();
            if let Some(here) = lost.get_mut(&place) {
                here.retain(|call| now.saturating_duration_since(call.at) < MAY_ARRIVE);
                if here.is_empty() {
                    lost.remove(&place);
                }
            }
        }
        Ok(())
    }

    /// Reads a page of a cell's log. Whether there is more.
    async fn read_on(&self, place: &(NamespaceName, Cell)) -> Answer<bool> {
        let behind = {
            let lost = self.doubts.lost.lock();
            let here = lost.get(place).into_iter().flatten();
            here.map(|call| call.behind).min()
        };
        let Some(behind) = behind else {
            return Ok(false);
        };
        let (namespace, cell) = place;
        let page = self.entries(namespace, *cell, behind).await?;
        let Some((first, end)) = page.first().zip(page.last()) else {
            return Ok(false);
        };
        let mut lost = self.doubts.lost.lock();
        let Some(here) = lost.get_mut(place) else {
            return Ok(false);
        };
        here.retain_mut(|call| {
            if !call.reaches && first.previous > call.behind {
                // The log was trimmed meanwhile: nobody can know any more.
                self.endings.tell_unknown(namespace, &call.owner);
                return false;
            }
            call.reaches = true;
            let own =
                |entry: &&Entry| entry.position > call.behind && entry.token == Some(call.token);
            for event in page
                .iter()
                .filter(own)
                .filter_map(|entry| entry.event.as_deref())
            {
                self.endings.tell_of(namespace, std::slice::from_ref(event));
            }
            call.behind = call.behind.max(end.position);
            true
        });
        Ok(page.len() == Shared::PAGE)
    }

    /// This instance goes: what it cannot find out now, nobody will tell.
    pub(super) async fn leave(&self) {
        let looking = timeout(LAST_LOOK, self.look_into_doubts()).await;
        if matches!(looking, Ok(Ok(()))) {
            return;
        }
        for ((namespace, _), lost) in std::mem::take(&mut *self.doubts.lost.lock()) {
            for call in lost {
                self.endings.tell_unknown(&namespace, &call.owner);
            }
        }
    }
}
