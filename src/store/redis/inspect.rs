//! What those see of sessions who run the service. A slice is two short scripts, so that no server is kept busy for
//! long.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::future::try_join_all;
use redis::Value;

use super::due::Member;
use super::keys::{self, CELLS, Cell, HASH_LEN, Spot};
use super::reply::{self, Fields};
use super::{Shared, number, pack, scripts};
use crate::session::filter::Filter;
use crate::session::marks::Subject;
use crate::session::names::{NamespaceName, Owner, SessionId};
use crate::session::record::{Life, Meta};
use crate::session::refusal::Refusal;
use crate::session::story::{Inside, Story};
use crate::session::time::Time;
use crate::store::inspection::{Found, Position, Slice};
use crate::store::{Answer, Namespace, Place, StoreError};

/// Sessions that are looked at at once.
const MEMBERS: usize = 128;
/// Cells that are asked at once whether there is anything in them.
const CELLS_AT_ONCE: usize = 32;

/// Where a slice begins: in a cell, behind what was looked at last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct At {
    cell: usize,
    behind: Option<Member>,
}

impl At {
    fn position(&self) -> Position {
        let (member, at) = self.behind.clone().unwrap_or_default();
        let member = URL_SAFE_NO_PAD.encode(member);
        Position(format!("{}.{}.{member}", self.cell, at.as_millis()))
    }

    fn read(position: &Position) -> Option<At> {
        let mut parts = position.0.splitn(3, '.');
        let (cell, at, member) = (parts.next()?, parts.next()?, parts.next()?);
        let (at, member) = (at.parse().ok()?, URL_SAFE_NO_PAD.decode(member).ok()?);
        Some(At {
            cell: cell.parse().ok()?,
            behind: (!member.is_empty()).then_some((member, Time::from_millis(at))),
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
            None => At::default(),
            Some(position) => At::read(position).ok_or_else(bad)?,
        };
        let one = filter.one_owner();
        if one.is_none() && at.behind.is_none() {
            match self.next_cell_in_use(&namespace.name, at.cell).await? {
                None => return Ok(Slice::default()),
                Some(cell) => at.cell = cell,
            }
        }
        let (cell, mut members) = if let Some(owner) = &one {
            self.members_of(namespace, owner, at.behind).await?
        } else {
            let Some(cell) = Cell::all().nth(at.cell) else {
                return Ok(Slice::default());
            };
            let behind = at.behind.as_ref();
            let members = self.due_behind(&namespace.name, cell, behind, MEMBERS + 1);
            (cell, members.await?)
        };
        let mut rest = members.len() > MEMBERS;
        members.truncate(MEMBERS);
        let mut alive = self.alive(namespace, filter, cell, &members).await?;
        let (mut slice, mut last) = (Slice::default(), None);
        for member in members {
            if slice.found.len() >= most.max(1) {
                rest = true;
                break;
            }
            slice.looked += usize::from(!member.0.starts_with(keys::NO_HASH));
            slice.found.extend(alive.remove(&member.0));
            last = Some(member);
        }
        let next = if rest {
            Some(At {
                cell: at.cell,
                behind: last,
            })
        } else {
            (one.is_none() && at.cell + 1 < CELLS).then(|| At {
                cell: at.cell + 1,
                behind: None,
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

    /// One owner's sessions behind one of them, as a due list would name them, in the order of their ids: a record
    /// holds no more than an owner may have. Their times say nothing.
    async fn members_of(
        &self,
        namespace: &Namespace,
        owner: &Owner,
        behind: Option<Member>,
    ) -> Answer<(Cell, Vec<Member>)> {
        let spot = self.keys.of_owner(&namespace.name, owner);
        let key = spot.keys.owner(spot.hash());
        let mut cmd = redis::cmd("HKEYS");
        cmd.arg(&key);
        let Value::Array(fields) = self.link.command(&key, cmd).await? else {
            return Err(reply::malformed());
        };
        let (behind, _) = behind.unwrap_or_default();
        let mut members: Vec<Member> = Vec::new();
        for field in fields {
            if let Value::BulkString(field) = field
                && let Some(id) = field.strip_prefix(b"m:")
            {
                members.push(([spot.hash(), id].concat(), Time::default()));
            }
        }
        members.retain(|(member, _)| *member > behind);
        members.sort_unstable();
        Ok((spot.cell, members))
    }

    /// Those of some sessions of a cell that are alive and meant, by their members.
    async fn alive(
        &self,
        namespace: &Arc<Namespace>,
        filter: &Filter,
        cell: Cell,
        members: &[Member],
    ) -> Answer<HashMap<Vec<u8>, Found>> {
        let mut by_owner: BTreeMap<&[u8; HASH_LEN], Vec<&[u8]>> = BTreeMap::new();
        for (member, _) in members {
            if let Some((hash, id)) = member.split_first_chunk()
                && hash != keys::NO_HASH
            {
                by_owner.entry(hash).or_default().push(id);
            }
        }
        if by_owner.is_empty() {
            return Ok(HashMap::new());
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
        let mut found = HashMap::new();
        for owner in fields.list()? {
            let mut owner = Fields::of(owner)?;
            let whose = pack::read_owner(&owner.some_bytes()?).ok_or_else(reply::malformed)?;
            let of_owner = owner.count()?;
            for entry in owner.list()? {
                let (session, state) = Fields::of(entry)?.session_and_size()?;
                if filter.admits(&session.meta, now) {
                    let name = &namespace.name;
                    let spot = self.keys.of_session(name, &whose, &session.id);
                    let member = [spot.hash(), &*pack::id(&session.id)].concat();
                    let one = Found {
                        owner: whose.clone(),
                        session,
                        state,
                        of_owner,
                    };
                    found.insert(member, one);
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
