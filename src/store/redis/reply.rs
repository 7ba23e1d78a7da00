//! What scripts answer: the one place where their status codes become refusals.

use std::time::Duration;

use redis::Value;

use super::link::Fault;
use super::pack;
use crate::session::limits::{LimitExceeded, LimitName};
use crate::session::names::{RecordId, SessionId};
use crate::session::record::Session;
use crate::session::refusal::Refusal;
use crate::session::state::State;
use crate::session::time::Time;
use crate::store::{Answer, StoreError};

/// What a script did, where the rules did not refuse it.
pub(super) enum Reply {
    /// It was done.
    Done(Fields),
    /// The request was carried out before.
    Replayed(Fields),
    /// The conversation has a live session, which is the answer.
    Existing(Fields),
    /// Others have to be ended for it. Nothing was done.
    EndsOthers,
    /// A part of the session is missing. Nothing was done.
    Lost,
    /// The new id would lie elsewhere. Nothing was done.
    Misplaced,
}

/// An answer's values, one after the other.
pub(super) struct Fields(std::vec::IntoIter<Value>);

impl Fields {
    pub(super) fn of(value: Value) -> Answer<Fields> {
        match value {
            Value::Array(values) => Ok(Fields(values.into_iter())),
            _ => Err(malformed()),
        }
    }

    pub(super) fn value(&mut self) -> Value {
        self.0.next().unwrap_or(Value::Nil)
    }

    pub(super) fn int(&mut self) -> Answer<i64> {
        int(&self.value()).ok_or_else(malformed)
    }

    pub(super) fn count(&mut self) -> Answer<usize> {
        usize::try_from(self.int()?).map_err(|_| malformed())
    }

    pub(super) fn revision(&mut self) -> Answer<u64> {
        u64::try_from(self.int()?).map_err(|_| malformed())
    }

    pub(super) fn bytes(&mut self) -> Answer<Option<Vec<u8>>> {
        match self.value() {
            Value::Nil => Ok(None),
            Value::BulkString(bytes) => Ok(Some(bytes)),
            _ => Err(malformed()),
        }
    }

    pub(super) fn some_bytes(&mut self) -> Answer<Vec<u8>> {
        self.bytes()?.ok_or_else(malformed)
    }

    /// A list; nil is an empty one.
    pub(super) fn list(&mut self) -> Answer<Vec<Value>> {
        match self.value() {
            Value::Nil => Ok(Vec::new()),
            Value::Array(values) => Ok(values),
            _ => Err(malformed()),
        }
    }

    pub(super) fn time(&mut self) -> Answer<Time> {
        self.int().map(Time::from_millis)
    }

    pub(super) fn id(&mut self) -> Answer<SessionId> {
        pack::read_id(&self.some_bytes()?).ok_or_else(malformed)
    }

    pub(super) fn record_id(&mut self) -> Answer<RecordId> {
        let bytes = <[u8; 16]>::try_from(self.some_bytes()?).map_err(|_| malformed())?;
        Ok(RecordId(u128::from_le_bytes(bytes)))
    }

    /// A session as scripts answer it, without state: id, packed, last use, MCP context, names of credentials.
    pub(super) fn session(&mut self) -> Answer<Session> {
        let id = self.id()?;
        let packed = self.some_bytes()?;
        let used = self.some_bytes()?;
        let mcp = self.bytes()?;
        let meta = pack::read_meta(&packed, &used, mcp.as_deref()).ok_or_else(malformed)?;
        let names = self.bytes()?.unwrap_or_default();
        Ok(Session {
            id,
            meta,
            state: None,
            credential_names: pack::read_names(&names).ok_or_else(malformed)?,
        })
    }

    /// The same, and how much its state takes.
    pub(super) fn session_and_size(&mut self) -> Answer<(Session, (usize, usize))> {
        let packed = match self.0.as_slice().get(1) {
            Some(Value::BulkString(packed)) => pack::read_size(packed),
            _ => None,
        };
        let size = packed.ok_or_else(malformed)?;
        Ok((self.session()?, size))
    }

    /// The same with the content, all of it, behind it.
    pub(super) fn session_with_state(&mut self) -> Answer<Session> {
        let mut session = self.session()?;
        let content = self.list()?;
        session.state = Some(state(&content));
        Ok(session)
    }
}

/// A number, however Redis sent it.
pub(super) fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::BulkString(text) => std::str::from_utf8(text).ok()?.parse().ok(),
        _ => None,
    }
}

/// What a content key begins the fields with that are keys of the state.
pub(super) const STATE_FIELD: u8 = b'k';

/// The state from fields and values of a content key.
pub(super) fn state(content: &[Value]) -> State {
    let (pairs, _) = content.as_chunks::<2>();
    State::from_entries(pairs.iter().filter_map(|pair| match pair {
        [Value::BulkString(field), Value::BulkString(value)] => {
            let (kind, key) = field.split_first()?;
            (*kind == STATE_FIELD).then_some((key, &**value))
        }
        _ => None,
    }))
}

/// Reads what a script answered.
pub(super) fn read(value: Value) -> Answer<Reply> {
    let mut fields = Fields::of(value)?;
    let refusal = match fields.int()? {
        0 => return Ok(Reply::Done(fields)),
        12 => return Ok(Reply::Lost),
        20 => return Ok(Reply::Replayed(fields)),
        21 => return Ok(Reply::Existing(fields)),
        22 => return Ok(Reply::EndsOthers),
        23 => return Ok(Reply::Misplaced),
        1 => Refusal::NotFound,
        2 => {
            let reason = u8::try_from(fields.int()?)
                .ok()
                .and_then(pack::read_end_reason);
            Refusal::Ended(reason.ok_or_else(malformed)?)
        }
        3 => Refusal::SessionExists,
        4 => Refusal::ConversationExists,
        5 => Refusal::RevisionMismatch {
            current: fields.revision()?,
        },
        6 => Refusal::AuthenticationRevoked,
        7 => Refusal::NotAnInteger,
        8 => Refusal::NotAList,
        9 => Refusal::IntegerOutOfRange,
        10 => Refusal::Limit(LimitExceeded {
            limit: limit_name(fields.int()?).ok_or_else(malformed)?,
            maximum: fields.count()?,
            asked: fields.count()?,
        }),
        11 => Refusal::RequestIdReused,
        13 => Refusal::OtherRecord,
        14 => Refusal::CredentialNotFound,
        15 => Refusal::CredentialChanged,
        16 => Refusal::LeaseLost,
        _ => return Err(malformed()),
    };
    Err(refusal.into())
}

/// Reads the answer of a script that can only be done or refused.
pub(super) fn read_done(value: Value) -> Answer<Fields> {
    match read(value)? {
        Reply::Done(fields) => Ok(fields),
        _ => Err(malformed()),
    }
}

fn limit_name(code: i64) -> Option<LimitName> {
    Some(match code {
        1 => LimitName::StateBytes,
        2 => LimitName::StateKeys,
        6 => LimitName::SessionsPerOwner,
        7 => LimitName::SessionsPerTenant,
        8 => LimitName::AnonymousSessions,
        9 => LimitName::ClaimsPerOwner,
        10 => LimitName::CredentialsPerSession,
        _ => return None,
    })
}

/// An answer, or data, that no version of these scripts makes.
pub(super) fn malformed() -> StoreError {
    tracing::error!("redis answered something that the store does not understand");
    in_doubt()
}

/// What a script did before it failed, or before its answer was not understood, nobody knows.
fn in_doubt() -> StoreError {
    StoreError::Unanswered {
        retry_after: Duration::from_secs(1),
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> StoreError {
        match fault {
            Fault::Unavailable { retry_after } => StoreError::Unavailable { retry_after },
            Fault::Unanswered { retry_after } => StoreError::Unanswered { retry_after },
            Fault::Full => StoreError::Full,
            Fault::Unsafe => StoreError::Unsafe,
            Fault::ClockSkew => StoreError::ClockSkew,
            // The link has logged it.
            Fault::Script(_) => in_doubt(),
        }
    }
}
