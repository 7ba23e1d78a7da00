//! Records as the bytes that are kept. The scripts read and write the same: see `parse` in `record.lua`.

use std::sync::Arc;
use std::time::Duration;

use crate::session::credentials::Sealed;
use crate::session::event::{Change, Event, What};
use crate::session::marks::{Reach, Subject};
use crate::session::names::{CallerTag, CredentialName, Owner, RecordId, SessionId};
use crate::session::record::{End, Life, Mcp, Meta};
use crate::session::refusal::{EndReason, InvalidationReason};
use crate::session::story::MarkSeen;
use crate::session::time::Time;

/// The version that a packed session begins with.
const VERSION: u8 = 1;
/// What a reason of invalidation is added to.
const INVALIDATED: u8 = 16;

/// Reads packed bytes from the front. `None` anywhere: they are not what was written.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        Some(self.array::<1>()?[0])
    }

    /// Lua's numbers are doubles; times and other whole numbers are exact in them.
    pub(super) fn whole(&mut self) -> Option<i64> {
        let number = f64::from_le_bytes(self.array()?);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole numbers that were put in"
        )]
        Some(number as i64)
    }

    pub(super) fn time(&mut self) -> Option<Time> {
        self.whole().map(Time::from_millis)
    }

    /// Six bytes, little end first.
    fn six(&mut self) -> Option<u64> {
        let six: [u8; 6] = self.array()?;
        let mut eight = [0; 8];
        eight[..6].copy_from_slice(&six);
        Some(u64::from_le_bytes(eight))
    }

    pub(super) fn tag(&mut self) -> Option<CallerTag> {
        self.array().map(CallerTag)
    }

    fn record_id(&mut self) -> Option<RecordId> {
        self.array().map(|id| RecordId(u128::from_le_bytes(id)))
    }

    pub(super) fn framed(&mut self) -> Option<&'a [u8]> {
        let len = u16::from_le_bytes(self.array()?);
        self.take(usize::from(len))
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.framed()?).ok()
    }

    pub(super) fn long(&mut self) -> Option<&'a [u8]> {
        let len = u32::from_le_bytes(self.array()?);
        self.take(usize::try_from(len).ok()?)
    }

    fn long_text(&mut self) -> Option<String> {
        String::from_utf8(self.long()?.to_vec()).ok()
    }

    fn owner(&mut self) -> Option<Owner> {
        let (tenant, user, issuer) = (self.text()?, self.text()?, self.text()?);
        Owner::new(tenant, user, issuer).ok()
    }

    fn id(&mut self) -> Option<SessionId> {
        read_id(self.framed()?)
    }
}

fn unless_empty(text: &str) -> Option<Arc<str>> {
    (!text.is_empty()).then(|| text.into())
}

fn put_framed(out: &mut Vec<u8>, bytes: &[u8]) {
    // Everything that is framed so has a limit far below.
    let len = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&bytes[..usize::from(len)]);
}

fn put_long(out: &mut Vec<u8>, text: &str) {
    let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Six bytes, little end first: `I6` in the scripts. What is more stands for "as much as you like".
pub(super) fn put_six(out: &mut Vec<u8>, number: impl TryInto<u64>) {
    let most = (1 << 48) - 1;
    let number = number.try_into().unwrap_or(most).min(most);
    out.extend_from_slice(&number.to_le_bytes()[..6]);
}

/// What a UUID begins with, for which sixteen bytes do instead of its text. No other id holds such a byte.
const UUID: u8 = 1;

/// An id as it is kept: it stands in several places for each session.
pub(super) fn id(id: &SessionId) -> Vec<u8> {
    match id.uuid() {
        Some(uuid) => {
            let mut out = Vec::with_capacity(17);
            out.push(UUID);
            out.extend_from_slice(uuid.as_bytes());
            out
        }
        None => id.text().as_bytes().to_vec(),
    }
}

pub(super) fn read_id(bytes: &[u8]) -> Option<SessionId> {
    match bytes.split_first() {
        Some((&UUID, rest)) => Some(SessionId::from(uuid::Uuid::from_slice(rest).ok()?)),
        _ => SessionId::known(std::str::from_utf8(bytes).ok()?).ok(),
    }
}

pub(super) fn owner(owner: &Owner) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    for part in [owner.tenant(), owner.user(), owner.issuer()] {
        put_framed(&mut out, part.as_bytes());
    }
    out
}

pub(super) fn read_owner(bytes: &[u8]) -> Option<Owner> {
    Reader(bytes).owner()
}

/// None is empty, so that a script can tell "no labels" from "leave the labels".
pub(super) fn labels(labels: Option<&Arc<[Box<str>]>>) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(labels) = labels {
        out.push(u8::try_from(labels.len()).unwrap_or(u8::MAX));
        for label in labels.iter() {
            put_framed(&mut out, label.as_bytes());
        }
    }
    out
}

fn read_labels(reader: &mut Reader<'_>) -> Option<Arc<[Box<str>]>> {
    let count = reader.byte()?;
    let labels: Option<Vec<Box<str>>> = (0..count).map(|_| reader.text().map(Box::from)).collect();
    Some(labels?.into())
}

/// None is empty.
pub(super) fn mcp(mcp: Option<&Arc<Mcp>>) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(mcp) = mcp {
        out.push(u8::from(mcp.initialized));
        put_long(&mut out, &mcp.initialize_params_json);
        put_long(&mut out, &mcp.protocol_version);
        put_long(&mut out, &mcp.log_level);
        for uri in &mcp.resource_subscriptions {
            put_long(&mut out, uri);
        }
    }
    out
}

fn read_mcp(bytes: &[u8]) -> Option<Mcp> {
    let mut reader = Reader(bytes);
    let mut mcp = Mcp {
        initialized: reader.byte()? != 0,
        initialize_params_json: reader.long_text()?,
        protocol_version: reader.long_text()?,
        log_level: reader.long_text()?,
        resource_subscriptions: Vec::new(),
    };
    while !reader.0.is_empty() {
        mcp.resource_subscriptions.push(reader.long_text()?);
    }
    Some(mcp)
}

/// Names of credentials, one behind the other.
pub(super) fn names<'a>(names: impl IntoIterator<Item = &'a CredentialName>) -> Vec<u8> {
    let mut out = Vec::new();
    for name in names {
        put_framed(&mut out, name.as_str().as_bytes());
    }
    out
}

/// The names, in order.
pub(super) fn read_names(bytes: &[u8]) -> Option<Vec<CredentialName>> {
    let mut reader = Reader(bytes);
    let mut names = Vec::new();
    while !reader.0.is_empty() {
        names.push(CredentialName::new(reader.text()?).ok()?);
    }
    names.sort_unstable();
    Some(names)
}

/// A credential that a session begins with, as version 1: see `write` in `credentials.lua`.
pub(super) fn first_credential(sealed: &Sealed) -> Vec<u8> {
    let sealed = sealed.as_bytes();
    let mut out = Vec::with_capacity(47 + sealed.len());
    out.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0]);
    // Nobody refreshes it, and it is no result of a refresh.
    out.extend_from_slice(&[0; 16 + 8 + 16]);
    out.extend_from_slice(sealed);
    out
}

/// A moment, and who used it: see `use_at` in `rules.lua`.
pub(super) fn use_at(at: Time, by: CallerTag) -> Vec<u8> {
    let mut out = Vec::with_capacity(16);
    #[expect(clippy::cast_precision_loss, reason = "Lua's numbers are doubles")]
    out.extend_from_slice(&(at.as_millis() as f64).to_le_bytes());
    out.extend_from_slice(&by.0);
    out
}

/// Reads a packed session, with what is kept beside it.
pub(super) fn read_meta(packed: &[u8], used: &[u8], mcp: Option<&[u8]>) -> Option<Meta> {
    let mut last_use = Reader(used);
    let mcp = match mcp {
        Some(mcp) => Some(Arc::new(read_mcp(mcp)?)),
        None => None,
    };
    let mut reader = Reader(packed);
    if reader.byte()? != VERSION {
        return None;
    }
    let created_at = reader.time()?;
    let expires_at = reader.time()?;
    let authenticated_at = reader.time()?;
    let idle_ttl = Duration::from_millis(reader.six()?);
    let revision = reader.six()?;
    // Size and number of keys of the state are for the scripts.
    reader.take(8)?;
    Some(Meta {
        record_id: reader.record_id()?,
        made_by: reader.tag()?,
        revision,
        created_at,
        last_used_at: last_use.time()?,
        last_used_by: last_use.tag()?,
        idle_ttl,
        expires_at,
        authenticated_at,
        conversation: unless_empty(reader.text()?),
        provider_session_id: unless_empty(reader.text()?),
        labels: match reader.0 {
            [] => None,
            _ => Some(read_labels(&mut reader)?),
        },
        mcp,
    })
}

/// How many bytes the state of a packed session takes, and in how many keys.
pub(super) fn read_size(packed: &[u8]) -> Option<(usize, usize)> {
    let mut reader = Reader(packed);
    reader.take(37)?;
    let mut four = || {
        let number = u32::from_le_bytes(reader.array()?);
        usize::try_from(number).ok()
    };
    Some((four()?, four()?))
}

/// Reads a tombstone as `bury` in `record.lua` writes it.
pub(super) fn read_tombstone(packed: &[u8]) -> Option<(End, Life)> {
    let mut reader = Reader(packed);
    let (reason, at) = (read_end_reason(reader.byte()?)?, reader.time()?);
    reader.record_id()?;
    let by = reader.tag()?;
    let end = End { at, reason, by };
    let life = Life {
        made_at: reader.time()?,
        made_by: reader.tag()?,
        used_at: reader.time()?,
        used_by: reader.tag()?,
    };
    Some((end, life))
}

/// An end as a script answers it; none if its reason is none.
pub(super) fn read_end(reason: i64, at: Time, by: &[u8]) -> Option<End> {
    Some(End {
        at,
        reason: read_end_reason(u8::try_from(reason).ok()?)?,
        by: CallerTag(by.try_into().ok()?),
    })
}

/// Reads a mark as `mark.lua` writes it, and from when on it covers nothing.
pub(super) fn read_mark(
    packed: &[u8],
    subject: Option<Subject>,
    covers: bool,
) -> Option<(MarkSeen, Time)> {
    let mut reader = Reader(packed);
    // A frontier that was never set is behind every time.
    let mut frontier = || {
        let until = f64::from_le_bytes(reader.array()?);
        #[expect(clippy::cast_possible_truncation, reason = "whole milliseconds")]
        Some(until.is_finite().then(|| Time::from_millis(until as i64)))
    };
    let (made_until, authenticated_until) = (frontier()?, frontier()?);
    let reason = EndReason::Invalidated(read_invalidation_reason(reader.byte()?)?);
    let (at, spent_at) = (reader.time()?, reader.time()?);
    let by = reader.tag()?;
    let seen = MarkSeen {
        subject,
        end: End { at, reason, by },
        made_until,
        authenticated_until,
        covers,
    };
    Some((seen, spent_at))
}

pub(super) fn end_reason(reason: EndReason) -> u8 {
    match reason {
        EndReason::ExpiredIdle => 1,
        EndReason::ExpiredAbsolute => 2,
        EndReason::Deleted => 3,
        EndReason::Rotated => 4,
        EndReason::Replaced => 5,
        EndReason::Evicted => 6,
        EndReason::Invalidated(reason) => INVALIDATED + invalidation_reason(reason),
    }
}

pub(super) fn read_end_reason(byte: u8) -> Option<EndReason> {
    Some(match byte {
        1 => EndReason::ExpiredIdle,
        2 => EndReason::ExpiredAbsolute,
        3 => EndReason::Deleted,
        4 => EndReason::Rotated,
        5 => EndReason::Replaced,
        6 => EndReason::Evicted,
        byte => EndReason::Invalidated(read_invalidation_reason(byte.checked_sub(INVALIDATED)?)?),
    })
}

/// A tombstone: reason, time, record and caller; when and by whom it was made and last used.
pub(super) const TOMBSTONE_LEN: usize = 1 + 8 + 16 + 8 + 2 * 16;

pub(super) fn invalidation_reason(reason: InvalidationReason) -> u8 {
    match reason {
        InvalidationReason::Unspecified => 0,
        InvalidationReason::PasswordChanged => 1,
        InvalidationReason::LoggedOut => 2,
        InvalidationReason::PermissionsChanged => 3,
        InvalidationReason::AccountDisabled => 4,
        InvalidationReason::CredentialCompromised => 5,
        InvalidationReason::Admin => 6,
        InvalidationReason::ProviderSessionEnded => 7,
    }
}

fn read_invalidation_reason(byte: u8) -> Option<InvalidationReason> {
    Some(match byte {
        0 => InvalidationReason::Unspecified,
        1 => InvalidationReason::PasswordChanged,
        2 => InvalidationReason::LoggedOut,
        3 => InvalidationReason::PermissionsChanged,
        4 => InvalidationReason::AccountDisabled,
        5 => InvalidationReason::CredentialCompromised,
        6 => InvalidationReason::Admin,
        7 => InvalidationReason::ProviderSessionEnded,
        _ => return None,
    })
}

pub(super) fn subject(subject: &Subject) -> Vec<u8> {
    let mut out = Vec::new();
    let (kind, parts): (u8, Vec<&str>) = match subject {
        Subject::Everybody => (0, vec![]),
        Subject::Tenant(tenant) => (1, vec![tenant]),
        Subject::Issuer(issuer) => (2, vec![issuer]),
        Subject::User { issuer, user } => (3, vec![issuer, user]),
    };
    out.push(kind);
    for part in parts {
        put_framed(&mut out, part.as_bytes());
    }
    out
}

fn read_subject(reader: &mut Reader<'_>) -> Option<Subject> {
    Some(match reader.byte()? {
        0 => Subject::Everybody,
        1 => Subject::Tenant(reader.text()?.into()),
        2 => Subject::Issuer(reader.text()?.into()),
        3 => Subject::User {
            issuer: reader.text()?.into(),
            user: reader.text()?.into(),
        },
        _ => return None,
    })
}

/// Reads an event as `record.lua` and `raise.lua` write it.
pub(super) fn read_event(bytes: &[u8]) -> Option<Event> {
    let mut reader = Reader(bytes);
    let kind = reader.byte()?;
    let at = reader.time()?;
    if kind == 5 {
        let made = reader.byte()? == 1;
        let until = reader.time()?;
        let reach = if made {
            Reach::Made(until)
        } else {
            Reach::Authenticated(until)
        };
        let reason = read_invalidation_reason(reader.byte()?)?;
        let subject = read_subject(&mut reader)?;
        let what = What::Revoked {
            subject,
            reach,
            reason,
        };
        return Some(Event { at, what });
    }
    let revision = reader.six()?;
    let record_id = reader.record_id()?;
    let owner = reader.owner()?;
    let id = reader.id()?;
    let conversation = unless_empty(reader.text()?);
    let provider_session_id = unless_empty(reader.text()?);
    let change = match kind {
        1 => Change::Created,
        2 => Change::Updated,
        3 => Change::Rotated {
            previous: reader.id()?,
            previous_provider_session_id: unless_empty(reader.text()?),
        },
        4 => Change::Ended(read_end_reason(reader.byte()?)?),
        _ => return None,
    };
    let what = What::Session {
        owner,
        id,
        record_id,
        conversation,
        provider_session_id,
        revision,
        change,
    };
    Some(Event { at, what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_as_they_were() {
        for (text, len) in [
            ("9d1f30a2-77b3-4c55-a1c2-000000000001", 17),
            ("9D1F30A2-77B3-4C55-A1C2-000000000001", 36),
            ("9d1f30a277b34c55a1c2000000000001", 32),
            ("{9d1f30a2-77b3-4c55-a1c2-000000000001}", 38),
            ("a-session-of-some-sdk", 21),
        ] {
            let known = SessionId::known(text).unwrap();
            let packed = id(&known);
            assert_eq!(packed.len(), len, "{text}");
            assert_eq!(read_id(&packed), Some(known));
        }
    }
}
