//! Giving back what is over. Any number of instances sweep without a leader: whichever script comes first ends
//! a session, and the others find it ended.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use redis::Value;

use super::due::Member;
use super::fleet::Fleet;
use super::keys::{self, Cell, HASH_LEN, Spot};
use super::link::Call;
use super::reply;
use super::{Shared, millis, scripts};
use crate::session::names::NamespaceName;
use crate::session::time::Time;
use crate::store::{Answer, Namespace, Place, Swept};

/// What the due list of a cell holds beside sessions.
const WALK: &[u8] = b"w";
const MARK: &[u8] = b"m";

/// How long a walk through a cell may take before another instance begins it anew.
const WALK_LEASE: Duration = Duration::from_secs(30);
/// Members of a due list that are looked at at once.
const SLICE: usize = 256;

/// Sessions by their owners' hashes.
type ByOwner = BTreeMap<[u8; HASH_LEN], Vec<Vec<u8>>>;

/// What is due in one cell.
#[derive(Default)]
struct Due {
    sessions: ByOwner,
    marks: Vec<Vec<u8>>,
    walk: bool,
}

impl Due {
    fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.marks.is_empty() && !self.walk
    }
}

impl Shared {
    pub(super) async fn sweep(&self, budget: usize) -> Answer<Swept> {
        if self.look_into_doubts().await.is_err() {
            tracing::debug!("what lost calls have ended is looked into at the next sweep");
        }
        self.fleets_of_others().await?;
        let mut swept = Swept::default();
        let mut left = budget;
        let mut fleets = self.fleets.all();
        // Each gets its turn, however small the budget is.
        let turn = self.fleets.next_turn();
        if !fleets.is_empty() {
            let start = turn % fleets.len();
            fleets.rotate_left(start);
        }
        for fleet in fleets {
            left = self.sweep_fleet(&fleet, left, &mut swept).await?;
        }
        Ok(swept)
    }

    async fn fleets_of_others(&self) -> Answer<()> {
        if self.fleets.wants_to_learn() {
            self.learn_namespaces().await?;
        }
        Ok(())
    }

    /// Sweeps one namespace. How much of the budget is left.
    pub(super) async fn sweep_fleet(
        &self,
        fleet: &Fleet,
        budget: usize,
        swept: &mut Swept,
    ) -> Answer<usize> {
        let namespace = fleet.namespace.load_full();
        let mut now = self.now();
        let mut left = budget;
        loop {
            let cells = fleet.take_due(now);
            if cells.is_empty() {
                return Ok(left);
            }
            if left == 0 {
                // They are due still.
                for cell in cells {
                    fleet.due_at(cell, now);
                }
                swept.more = true;
                return Ok(0);
            }
            let looks = cells.iter().map(|cell| self.due_in(fleet, *cell, now));
            let due = match try_join_all(looks).await {
                Ok(due) => due,
                Err(error) => {
                    for cell in cells {
                        fleet.due_at(cell, now);
                    }
                    return Err(error);
                }
            };
            for (cell, due) in cells.into_iter().zip(due) {
                if due.is_empty() {
                    continue;
                }
                // What comes next in the cell is known when it is looked at again.
                fleet.due_at(cell, now);
                if left > 0 {
                    let settled = self.settle_cell(&namespace, cell, due, swept).await?;
                    left = left.saturating_sub(settled.owners.max(1));
                    // Redis may be behind; what it does not call due is not due.
                    now = now.min(settled.now.unwrap_or(now));
                }
            }
        }
    }

    /// What is due in a cell. Tells the fleet when the next is.
    async fn due_in(&self, fleet: &Fleet, cell: Cell, now: Time) -> Answer<Due> {
        let namespace = fleet.namespace.load_full();
        let members = self.due_behind(&namespace.name, cell, None, SLICE).await?;
        let mut due = Due::default();
        for (member, at) in members {
            if at > now {
                fleet.due_at(cell, at);
                break;
            }
            match member.strip_prefix(keys::NO_HASH) {
                None => add_session(&mut due.sessions, &member),
                Some(WALK) => due.walk = true,
                Some(other) => {
                    if let Some(field) = other.strip_prefix(MARK) {
                        due.marks.push(field.to_vec());
                    }
                }
            }
        }
        Ok(due)
    }

    async fn settle_cell(
        &self,
        namespace: &Arc<Namespace>,
        cell: Cell,
        due: Due,
        swept: &mut Swept,
    ) -> Answer<Settled> {
        let mut settled = self.settle(namespace, due.sessions, swept).await?;
        if due.walk {
            let walked = self.walk(namespace, cell, swept).await?;
            settled.owners += walked.owners;
        }
        let keys = self.keys.cell(&namespace.name, cell);
        for field in due.marks {
            let spent = self
                .call(&scripts::SPENT)
                .key(keys.marks())
                .key(keys.due())
                .arg(field);
            self.link.call(&spent).await?;
        }
        Ok(settled)
    }

    /// Settles sessions of some owners, each owner's in one script.
    async fn settle(
        &self,
        namespace: &Arc<Namespace>,
        sessions: ByOwner,
        swept: &mut Swept,
    ) -> Answer<Settled> {
        let mut settled = Settled::default();
        let spots: Vec<Spot> = sessions
            .keys()
            .map(|hash| self.keys.known(&namespace.name, *hash))
            .collect();
        let owners = self.with_owners(namespace, spots.clone()).await?;
        let known: HashSet<_> = owners.iter().map(|(_, spot)| spot.hash).collect();
        let (mut calls, mut places, mut doubts) = (Vec::new(), Vec::new(), Vec::new());
        for (place, spot) in &owners {
            for ids in sessions[&spot.hash].chunks(SLICE) {
                let mut call = self.settle_call(place, spot, ids);
                doubts.push(self.doubt(place, spot, &mut call));
                calls.push(call);
                places.push(place);
            }
        }
        let orphans: Vec<Call> = spots
            .iter()
            .filter(|spot| !known.contains(&spot.hash))
            .map(|spot| orphan_call(spot, &sessions[&spot.hash]))
            .collect();
        settled.owners = spots.len();
        let answers = self.link.call_many(&calls).await.into_iter().zip(doubts);
        let answers: Vec<_> = answers.map(|(answer, doubt)| doubt.over(answer)).collect();
        // All of them, also when one has failed: who ended a session is the only one that tells of it.
        for (place, answer) in places.into_iter().zip(&answers) {
            if let Ok(answer) = answer {
                self.tell_endings(place, answer, 4);
            }
        }
        for answer in answers {
            let mut fields = reply::read_done(answer?)?;
            swept.ended += fields.count()?;
            let lag = Duration::from_millis(u64::try_from(fields.int()?).unwrap_or(0));
            swept.lag = swept.lag.max(lag);
            let now = fields.time()?;
            settled.now = Some(settled.now.map_or(now, |earlier| earlier.min(now)));
        }
        for answer in self.link.call_many(&orphans).await {
            answer?;
        }
        Ok(settled)
    }

    pub(super) fn settle_call(&self, place: &Place, spot: &Spot, ids: &[Vec<u8>]) -> Call {
        let mut call = self.call_on_record(&scripts::SETTLE, place, spot);
        for id in ids {
            call = with_session(call, spot, id);
        }
        call
    }

    /// Goes through all sessions of a cell and settles those of owners that wide marks concern.
    async fn walk(
        &self,
        namespace: &Arc<Namespace>,
        cell: Cell,
        swept: &mut Swept,
    ) -> Answer<Settled> {
        let mut settled = Settled::default();
        let raised = self.walk_step(namespace, cell, Vec::new()).await?;
        if raised.is_empty() {
            // Another instance is at it.
            return Ok(settled);
        }
        let fields = self.mark_fields(&namespace.name, cell).await?;
        // Whoever is settled may be due later than before. Without an end those who are in use all the time would be
        // met again and again.
        let end = self.last_due(&namespace.name, cell).await?;
        let mut behind: Option<Member> = None;
        loop {
            let page = self.due_behind(&namespace.name, cell, behind.as_ref(), SLICE);
            let mut page = page.await?;
            page.retain(|(_, at)| Some(*at) <= end);
            behind = page.last().cloned();
            if behind.is_none() {
                break;
            }
            let mut sessions = ByOwner::new();
            for (member, _) in page {
                if !member.starts_with(keys::NO_HASH) {
                    add_session(&mut sessions, &member);
                }
            }
            let concerned = self.concerned(namespace, sessions, &fields).await?;
            settled.owners += self.settle(namespace, concerned, swept).await?.owners;
        }
        self.walk_step(namespace, cell, raised).await?;
        Ok(settled)
    }

    /// Begins a walk (with nothing) or ends it (with what the beginning answered).
    async fn walk_step(
        &self,
        namespace: &Arc<Namespace>,
        cell: Cell,
        raised: Vec<u8>,
    ) -> Answer<Vec<u8>> {
        let keys = self.keys.cell(&namespace.name, cell);
        let step = self
            .call(&scripts::WALK)
            .key(keys.marks())
            .key(keys.due())
            .arg(millis(WALK_LEASE))
            .arg(raised);
        reply::read_done(self.link.call(&step).await?)?.some_bytes()
    }

    /// The fields of a cell's marks: whom they are about.
    pub(super) async fn mark_fields(
        &self,
        name: &NamespaceName,
        cell: Cell,
    ) -> Answer<HashSet<Vec<u8>>> {
        let key = self.keys.cell(name, cell).marks();
        let mut cmd = redis::cmd("HKEYS");
        cmd.arg(&key);
        let Value::Array(fields) = self.link.command(&key, cmd).await? else {
            return Err(reply::malformed());
        };
        Ok(fields
            .into_iter()
            .filter_map(|field| match field {
                Value::BulkString(field) => Some(field),
                _ => None,
            })
            .collect())
    }

    /// Leaves those owners whom a wide mark concerns.
    async fn concerned(
        &self,
        namespace: &Arc<Namespace>,
        mut sessions: ByOwner,
        fields: &HashSet<Vec<u8>>,
    ) -> Answer<ByOwner> {
        if fields.contains(&b"*"[..]) {
            return Ok(sessions);
        }
        let spots = sessions
            .keys()
            .map(|hash| self.keys.known(&namespace.name, *hash));
        let owners = self.with_owners(namespace, spots.collect()).await?;
        let concerned: HashSet<_> = owners
            .into_iter()
            .filter(|(place, _)| {
                let theirs = keys::wide_mark_fields(&place.owner);
                theirs.iter().any(|field| fields.contains(field))
            })
            .map(|(_, spot)| spot.hash)
            .collect();
        sessions.retain(|hash, _| concerned.contains(hash));
        Ok(sessions)
    }
}

fn orphan_call(spot: &Spot, ids: &[Vec<u8>]) -> Call {
    let mut call = Call {
        script: &scripts::ORPHAN,
        keys: Vec::new(),
        args: Vec::new(),
        absent: Some(spot.keys.absent()),
    }
    .key(spot.keys.owner(spot.hash()))
    .key(spot.keys.tombstones(spot.hash()))
    .key(spot.keys.due())
    .key(spot.keys.ids())
    .arg(spot.hash());
    for id in ids {
        call = with_session(call, spot, id);
    }
    call
}

fn with_session(call: Call, spot: &Spot, id: &[u8]) -> Call {
    call.key(spot.keys.content(spot.hash(), id))
        .key(spot.keys.credentials(spot.hash(), id))
        .arg(id)
}

/// What settling has cost, and what Redis took for the time.
#[derive(Default)]
struct Settled {
    owners: usize,
    now: Option<Time>,
}

fn add_session(sessions: &mut ByOwner, member: &[u8]) {
    if let Some((hash, id)) = member.split_first_chunk() {
        sessions.entry(*hash).or_default().push(id.to_vec());
    }
}
