//! What those see of sessions who run the service. A slice is one ZSCAN and one short script, so that no server is
//! kept busy for long.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::future::try_join_all;
use redis::Value;

use super::keys::{self, CELLS, Cell, HASH_LEN, Spot};
use super::reply::{self, Fields};
use super::{Shared, number, pack, scripts, sweep};
use crate::session::filter::Filter;
use crate::session::marks::Subject;
use crate::session::names::{NamespaceName, Owner, SessionId};
use crate::session::record::{Life, Meta};
use crate::session::refusal::Refusal;
use crate::session::story::{Inside, Story};
use crate::store::inspection::{Found, Position, Slice};
use crate::store::{Answer, Namespace, Place, StoreError};

/// Members of a due list that are looked at at once, about.
const MEMBERS: usize = 128;
/// Cells that are asked at once whether there is anything in them.
const CELLS_AT_ONCE: usize = 32;

/// Where a slice begins: a cell, where its due list is read on, and behind which of the members that this gives.
#[derive(Clone, Debug, PartialEq, Eq)]
struct At {
    cell: usize,
    cursor: Vec<u8>,
    behind: Vec<u8>,
}

impl At {
    fn cell(cell: usize) -> At {
        At {
            cell,
            cursor: b"0".to_vec(),
            behind: Vec::new(),
        }
    }

    fn is_at_start(&self) -> bool {
        self.cursor == b"0" && self.behind.is_empty()
    }

    fn position(&self) -> Position {
        let cursor = String::from_utf8_lossy(&self.cursor);
        let behind = URL_SAFE_NO_PAD.encode(&self.behind);
        Position(format!("{}.{cursor}.{behind}", self.cell))
    }

    fn read(position: &Position) -> Option<At> {
        let mut parts = position.0.splitn(3, '.');
        let (cell, cursor, behind) = (parts.next()?, parts.next()?, parts.next()?);
        let is_number = !cursor.is_empty() && cursor.bytes().all(|byte| byte.is_ascii_digit());
        Some(At {
            cell: cell.parse().ok()?,
            cursor: is_number.then(|| cursor.as_bytes().to_vec())?,
            behind: URL_SAFE_NO_PAD.decode(behind).ok()?,
        })
    }
}

impl Shared {
    pub(super) async fn slice(
        &self,
        namespace: &Arc<Namespace>,
        filter: &Filter,
        after: Option<&Position>,
        most: usize,
    ) -> Answer<Slice> {
        let bad = || Refusal::invalid("page_token", "is not a token that this service gave");
        let mut at = match after {
            None => At::cell(0),
            Some(position) => At::read(position).ok_or_else(bad)?,
        };
        let one = filter.one_owner();
        if let Some(owner) = &one {
            // All of its sessions are in one cell.
            at.cell = self.keys.of_owner(&namespace.name, owner).cell.index();
        } else if at.is_at_start() {
            match self.next_cell_in_use(&namespace.name, at.cell).await? {
                None => return Ok(Slice::default()),
                Some(cell) => at.cell = cell,
            }
        }
        let Some(cell) = Cell::all().nth(at.cell) else {
            return Ok(Slice::default());
        };
        let (next_cursor, mut members) = self.members(&namespace.name, cell, &at).await?;
        members.retain(|member| !member.starts_with(keys::NO_HASH) && *member > at.behind);
        if let Some(owner) = &one {
            let spot = self.keys.of_owner(&namespace.name, owner);
            members.retain(|member| member.starts_with(spot.hash()));
        }
        members.sort_unstable();
        members.dedup();
        let rest = members.len() > most;
        members.truncate(most.max(1));
        let mut slice = Slice {
            looked: members.len(),
            ..Slice::default()
        };
        if !members.is_empty() {
            slice.found = self.alive(namespace, filter, cell, &members).await?;
        }
        let next = if rest {
            // The same part of the list once more, behind what has been looked at.
            members.pop().map(|behind| At { behind, ..at })
        } else if next_cursor == b"0" {
            (one.is_none() && at.cell + 1 < CELLS).then(|| At::cell(at.cell + 1))
        } else {
            Some(At {
                cell: at.cell,
                cursor: next_cursor,
                behind: Vec::new(),
            })
        };
        slice.next = next.map(|next| next.position());
        Ok(slice)
    }

    /// The first cell from one on that has anything in it.
    async fn next_cell_in_use(&self, name: &NamespaceName, from: usize) -> Answer<Option<usize>> {
        for first in (from..CELLS).step_by(CELLS_AT_ONCE) {
            let cards = Cell::all()
                .skip(first)
                .take(CELLS_AT_ONCE)
                .map(|cell| async move {
                    let key = self.keys.cell(name, cell).due();
                    let mut cmd = redis::cmd("ZCARD");
                    cmd.arg(&key);
                    Ok::<_, StoreError>(self.link.command(&key, cmd).await?)
                });
            let cards = try_join_all(cards).await?;
            let in_use = |card: &Value| reply::int(card).is_some_and(|card| card > 0);
            if let Some(found) = cards.iter().position(in_use) {
                return Ok(Some(first + found));
            }
        }
        Ok(None)
    }

    /// Some members of a cell's due list, and where it is read on.
    async fn members(
        &self,
        name: &NamespaceName,
        cell: Cell,
        at: &At,
    ) -> Answer<(Vec<u8>, Vec<Vec<u8>>)> {
        let key = self.keys.cell(name, cell).due();
        let mut cmd = redis::cmd("ZSCAN");
        cmd.arg(&key).arg(&at.cursor).arg("COUNT").arg(MEMBERS);
        let mut page = Fields::of(self.link.command(&key, cmd).await?)?;
        let cursor = page.some_bytes()?;
        let members = sweep::read_members(page.value())?.into_iter();
        Ok((cursor, members.map(|(member, _)| member).collect()))
    }

    /// Those of some sessions of a cell that are alive and meant.
    async fn alive(
        &self,
        namespace: &Arc<Namespace>,
        filter: &Filter,
        cell: Cell,
        members: &[Vec<u8>],
    ) -> Answer<Vec<Found>> {
        let mut by_owner: BTreeMap<&[u8; HASH_LEN], Vec<&[u8]>> = BTreeMap::new();
        for member in members {
            if let Some((hash, id)) = member.split_first_chunk() {
                by_owner.entry(hash).or_default().push(id);
            }
        }
        let keys = self.keys.cell(&namespace.name, cell);
        let meant = |part: &Option<Box<str>>| {
            let part = part.as_ref();
            part.map_or_else(Vec::new, |part| format!("={part}").into_bytes())
        };
        let mut asked = self
            .call(&scripts::SLICE)
            .key(keys.marks())
            .arg(meant(&filter.tenant))
            .arg(meant(&filter.user))
            .arg(meant(&filter.issuer));
        for (hash, ids) in by_owner {
            asked = asked
                .key(keys.owner(hash))
                .arg(hash.as_slice())
                .arg(number(ids.len()))
                .args(ids);
        }
        let mut fields = reply::read_done(self.link.call(&asked).await?)?;
        let now = fields.time()?;
        let mut found = Vec::new();
        for owner in fields.list()? {
            let mut owner = Fields::of(owner)?;
            let whose = pack::read_owner(&owner.some_bytes()?).ok_or_else(reply::malformed)?;
            let of_owner = owner.count()?;
            for entry in owner.list()? {
                let (session, state) = Fields::of(entry)?.session_and_size()?;
                if filter.admits(&session.meta, now) {
                    found.push(Found {
                        owner: whose.clone(),
                        session,
                        state,
                        of_owner,
                    });
                }
            }
        }
        Ok(found)
    }

    pub(super) async fn stories(
        &self,
        namespace: &Arc<Namespace>,
        id: &SessionId,
    ) -> Answer<Vec<Story>> {
        let mut stories = Vec::new();
        for (place, spot) in self.indexed(namespace, &keys::id_field(id)).await? {
            stories.extend(self.story(&place, &spot, id).await?);
        }
        Ok(stories)
    }

    async fn story(&self, place: &Place, spot: &Spot, id: &SessionId) -> Answer<Option<Story>> {
        let call = self
            .call_on_record(&scripts::INSPECT, place, spot)
            .key(spot.content(id))
            .arg(pack::id(id));
        let mut fields = reply::read_done(self.link.call(&call).await?)?;
        let limits = &place.namespace.limits;
        let now = fields.time()?;
        let grave = fields.bytes()?;
        let lives_on = fields.bytes()?;
        let (reason, at, by) = (fields.int()?, fields.time()?, fields.some_bytes()?);
        let mut marks = Vec::new();
        for seen in fields.list()? {
            let mut seen = Fields::of(seen)?;
            let (whose, packed) = (seen.count()?, seen.some_bytes()?);
            let covers = seen.int()? == 1;
            let subject = subject_of(&place.owner, whose);
            let (mark, spent_at) =
                pack::read_mark(&packed, subject, covers).ok_or_else(reply::malformed)?;
            // Whether the sweep has dropped the others makes no difference.
            if now < spent_at {
                marks.push(mark);
            }
        }
        let mut state: Vec<(Box<str>, usize)> = Vec::new();
        let sizes = fields.list()?;
        for pair in sizes.as_chunks::<2>().0 {
            if let [Value::BulkString(key), Value::Int(len)] = pair {
                let key = String::from_utf8_lossy(key).into_owned();
                state.push((key.into(), usize::try_from(*len).unwrap_or(0)));
            }
        }
        state.sort_unstable();
        let is_kept = fields.int()? == 1;
        let (kept, life, end) = if is_kept {
            let session = fields.session()?;
            let life = life_of(&session.meta);
            let end = pack::read_end(reason, at, &by);
            (Some(Inside { session, state }), life, end)
        } else {
            let Some(grave) = grave else {
                return Ok(None);
            };
            let (end, life) = pack::read_tombstone(&grave).ok_or_else(reply::malformed)?;
            (None, life, Some(end))
        };
        Ok(Some(Story {
            owner: place.owner.clone(),
            id: id.clone(),
            life,
            end,
            told_until: end.map(|end| end.at.after(limits.tombstone_ttl)),
            kept,
            lives_on_as: lives_on.as_deref().and_then(pack::read_id),
            marks,
        }))
    }
}

fn life_of(meta: &Meta) -> Life {
    Life {
        made_at: meta.created_at,
        made_by: meta.made_by,
        used_at: meta.last_used_at,
        used_by: meta.last_used_by,
    }
}

/// Whom the mark is about that a script has at this place: see `wide_mark_fields`.
fn subject_of(owner: &Owner, place: usize) -> Option<Subject> {
    let [everybody, tenant, issuer, user] = Subject::all_of(owner);
    match place {
        2 => Some(everybody),
        3 => Some(tenant),
        4 => Some(issuer),
        5 => Some(user),
        _ => None,
    }
}
