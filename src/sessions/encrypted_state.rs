//! State where the namespace encrypts it: values are sealed before the store sees them.
//!
//! A sealed value is `1 | version | envelope`. Setting and removing need to know nothing of what is there and
//! stay one step. An increment or an append looks at the value first, and writes if the session is unchanged.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::Error;
use super::tenant_keys::TenantKeys;
use crate::mint;
use crate::session::credentials::Sealed;
use crate::session::names::{RecordId, RequestId, SessionId};
use crate::session::owner_record::{Create, Read, Shown, Update, Updated};
use crate::session::record::Session;
use crate::session::refusal::Refusal;
use crate::session::state::{Increments, Patch, SEALED_VALUE, SEALED_VALUE_OVERHEAD, State};
use crate::session::time::Time;
use crate::store::{Place, Store, StoreError};
use crate::vault::{Binding, DataKey, Part};

/// Version and marker before the envelope of a value.
const HEAD_LEN: usize = 1 + 8;
const _: () = assert!(HEAD_LEN + DataKey::OVERHEAD == SEALED_VALUE_OVERHEAD);

/// The hash of an id with its place, and the record that it was found to bear.
type Guess = Mutex<Option<(u64, RecordId)>>;

/// Seals and opens state.
pub(super) struct EncryptedState {
    store: Arc<dyn Store>,
    keys: TenantKeys,
    hashes: RandomState,
    /// Which record an id was found to bear, so that a set need not ask first. Only a guess: the store
    /// checks it.
    /// Made when the first namespace encrypts.
    records: OnceLock<Box<[Guess]>>,
    /// Who counts in the same session on this instance takes turns instead of overtaking each other.
    turns: Box<[tokio::sync::Mutex<()>]>,
}

/// What an update looks at before it is sealed.
struct Seen {
    record_id: RecordId,
    /// What the values that are counted up or appended to come to.
    counted: Option<Counted>,
}

struct Counted {
    revision: u64,
    values: State,
    increments: Increments,
}

impl EncryptedState {
    const TRIES: usize = 5;
    const RECORDS: usize = 16_384;
    const TURNS: usize = 256;

    pub(super) fn new(store: Arc<dyn Store>, keys: TenantKeys) -> EncryptedState {
        EncryptedState {
            store,
            keys,
            hashes: RandomState::new(),
            records: OnceLock::new(),
            turns: (0..Self::TURNS)
                .map(|_| tokio::sync::Mutex::default())
                .collect(),
        }
    }

    /// Seals the first state of a session.
    pub(super) async fn seal_create(
        &self,
        place: &Place,
        create: &mut Create,
    ) -> Result<(), Error> {
        if create.state.len_bytes() > 0 {
            // Its plain size is what counts; the store can only tell it from the sealed one.
            create.state = self.seal(place, create.record_id, &create.state).await?;
        }
        Ok(())
    }

    /// Opens the state of an answer.
    pub(super) async fn open(&self, place: &Place, session: &mut Session) -> Result<(), Error> {
        self.keep_record(place, &session.id, session.meta.record_id);
        if let Some(state) = &session.state {
            let opened = self.opened(place, session.meta.record_id, state).await?;
            session.state = Some(opened);
        }
        Ok(())
    }

    /// Carries out an update whose values the store must not see.
    pub(super) async fn update(
        &self,
        place: &Place,
        id: &SessionId,
        update: Update,
    ) -> Result<Updated, Error> {
        let counts = !update.patch.increment.is_empty() || !update.patch.append.is_empty();
        let _turn = if counts {
            Some(self.turn(place, id).lock().await)
        } else {
            None
        };
        for _ in 0..Self::TRIES {
            let seen = if counts {
                match self.count(place, id, &update).await {
                    Ok(seen) => seen,
                    Err(error) => return self.repeated(place, id, &update, error).await,
                }
            } else {
                let record_id = self.record_of(place, id).await?;
                Seen {
                    record_id,
                    counted: None,
                }
            };
            let sealed = self.sealed(place, &update, &seen).await?;
            match self.store.update(place, id, sealed).await {
                Err(StoreError::Refused(Refusal::OtherRecord)) => self.forget_record(place, id),
                Err(StoreError::Refused(Refusal::RevisionMismatch { .. }))
                    if counts && update.if_revision.is_none() => {}
                answer => return self.with_increments(place, &update, seen, answer?).await,
            }
        }
        Err(Refusal::OtherRecord.into())
    }

    /// Looks at the values that are counted up or appended to.
    async fn count(&self, place: &Place, id: &SessionId, update: &Update) -> Result<Seen, Error> {
        let Patch {
            increment, append, ..
        } = &update.patch;
        let incremented = increment.iter().map(|(key, _)| key.clone());
        let appended = append.iter().map(|(key, _)| key.clone());
        let read = Read {
            slide: false,
            show: Shown::Keys(incremented.chain(appended).collect()),
        };
        let mut session = self.store.read(place, id, read).await?;
        self.open(place, &mut session).await?;
        let revision = session.meta.revision;
        if update.if_revision.is_some_and(|wanted| wanted != revision) {
            return Err(Refusal::RevisionMismatch { current: revision }.into());
        }
        let patch = Patch {
            increment: increment.clone(),
            append: append.clone(),
            ..Patch::default()
        };
        let before = session.state.unwrap_or_default();
        let (values, increments) = before.patched(&patch, &place.namespace.limits)?;
        Ok(Seen {
            record_id: session.meta.record_id,
            counted: Some(Counted {
                revision,
                values,
                increments,
            }),
        })
    }

    /// The update with its values sealed.
    async fn sealed(&self, place: &Place, update: &Update, seen: &Seen) -> Result<Update, Error> {
        let mut sealed = Update {
            of_record: Some(seen.record_id),
            ..update.clone()
        };
        if let Some(set) = &update.patch.set {
            sealed.patch.set = Some(self.seal(place, seen.record_id, set).await?);
        }
        let Some(counted) = &seen.counted else {
            return Ok(sealed);
        };
        sealed.if_revision = Some(counted.revision);
        sealed.patch.increment.clear();
        sealed.patch.append.clear();
        let counted_values = self.seal(place, seen.record_id, &counted.values).await?;
        let set = sealed.patch.set.unwrap_or_default();
        // No key stands in both.
        let entries = set.entries().into_iter().chain(counted_values.entries());
        sealed.patch.set = Some(State::from_entries(
            entries.map(|(key, value)| (key.as_bytes(), value)),
        ));
        if let Some(request) = &update.request {
            let key = self.keys.to_seal(place).await?;
            let binding = increments_of(place, seen.record_id, request.id);
            let plain = written(&counted.increments);
            sealed.sealed_increments = Some(Sealed::new(key.seal(&binding, &plain)));
        }
        Ok(sealed)
    }

    /// The answer with what the increments came to: just now, or when the request came first.
    async fn with_increments(
        &self,
        place: &Place,
        update: &Update,
        seen: Seen,
        mut updated: Updated,
    ) -> Result<Updated, Error> {
        if !updated.replayed {
            updated.increments = seen
                .counted
                .map_or_else(Vec::new, |counted| counted.increments);
        } else if let (Some(sealed), Some(request)) = (&updated.sealed_increments, &update.request)
        {
            let key = self.keys.to_open(place, sealed.as_bytes()).await?;
            let binding = increments_of(place, updated.session.meta.record_id, request.id);
            let plain = key.open(&binding, sealed.as_bytes())?;
            updated.increments = read_back(update, &plain).ok_or(Error::Unreadable)?;
        }
        Ok(updated)
    }

    /// What cannot be counted now may have been counted when the request came first.
    async fn repeated(
        &self,
        place: &Place,
        id: &SessionId,
        update: &Update,
        error: Error,
    ) -> Result<Updated, Error> {
        if update.request.is_none() || !matches!(error, Error::Store(StoreError::Refused(_))) {
            return Err(error);
        }
        let only_if_known = Update {
            // No session gets there: what is not remembered is refused.
            if_revision: Some(u64::MAX),
            request: update.request,
            ..Update::default()
        };
        let known = self.store.update(place, id, only_if_known).await;
        match known {
            Ok(updated) => {
                let seen = Seen {
                    record_id: updated.session.meta.record_id,
                    counted: None,
                };
                self.with_increments(place, update, seen, updated).await
            }
            Err(StoreError::Refused(Refusal::RevisionMismatch { .. })) => Err(error),
            Err(other) => Err(other.into()),
        }
    }

    async fn seal(
        &self,
        place: &Place,
        record_id: RecordId,
        state: &State,
    ) -> Result<State, Error> {
        let key = self.keys.to_seal(place).await?;
        let version = new_version();
        let sealed = state.entries().into_iter().map(|(name, plain)| {
            let binding = value_of(place, record_id, name, version);
            let mut value = vec![SEALED_VALUE];
            value.extend_from_slice(&version.to_be_bytes());
            value.extend_from_slice(&key.seal(&binding, plain));
            (name, value)
        });
        let sealed: Vec<_> = sealed.collect();
        let entries = sealed
            .iter()
            .map(|(name, value)| (name.as_bytes(), &**value));
        Ok(State::from_entries(entries))
    }

    async fn opened(
        &self,
        place: &Place,
        record_id: RecordId,
        state: &State,
    ) -> Result<State, Error> {
        let mut last: Option<Arc<DataKey>> = None;
        let mut opened = Vec::new();
        for (name, value) in state.entries() {
            // A plain value is refused, too: anybody who can write to the store could plant it.
            let (version, envelope) = taken_apart(value).ok_or(Error::Unreadable)?;
            let key = match last.take() {
                Some(key) if DataKey::id_in(envelope) == Some(key.id()) => key,
                _ => self.keys.to_open(place, envelope).await?,
            };
            let plain = key.open(&value_of(place, record_id, name, version), envelope)?;
            opened.push((name, plain));
            last = Some(key);
        }
        let entries = opened
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_slice()));
        Ok(State::from_entries(entries))
    }

    /// The record that an id bears.
    async fn record_of(&self, place: &Place, id: &SessionId) -> Result<RecordId, Error> {
        let (slot, hash) = self.slot(place, id);
        let known = *slot.lock();
        if let Some((of, record_id)) = known
            && of == hash
        {
            return Ok(record_id);
        }
        let peek = Read {
            slide: false,
            show: Shown::Nothing,
        };
        let session = self.store.read(place, id, peek).await?;
        self.keep_record(place, id, session.meta.record_id);
        Ok(session.meta.record_id)
    }

    fn keep_record(&self, place: &Place, id: &SessionId, record_id: RecordId) {
        let (slot, hash) = self.slot(place, id);
        *slot.lock() = Some((hash, record_id));
    }

    fn forget_record(&self, place: &Place, id: &SessionId) {
        *self.slot(place, id).0.lock() = None;
    }

    fn slot(&self, place: &Place, id: &SessionId) -> (&Guess, u64) {
        let hash = self.hash(place, id);
        let records = self
            .records
            .get_or_init(|| (0..Self::RECORDS).map(|_| Mutex::default()).collect());
        (&records[(hash >> 32) as usize % Self::RECORDS], hash)
    }

    fn turn(&self, place: &Place, id: &SessionId) -> &tokio::sync::Mutex<()> {
        &self.turns[(self.hash(place, id) >> 32) as usize % Self::TURNS]
    }

    fn hash(&self, place: &Place, id: &SessionId) -> u64 {
        self.hashes
            .hash_one((&place.namespace.name, &place.owner, id))
    }
}

/// The version of a write that does not know the one before: the time, and below a millisecond chance. It
/// grows, and no two writes of a value share one.
fn new_version() -> u64 {
    let millis = u64::try_from(Time::from_system_clock().as_millis()).unwrap_or_default();
    let chance = u32::from_le_bytes(mint::random()) & 0x000F_FFFF;
    millis << 20 | u64::from(chance)
}

fn value_of<'a>(place: &'a Place, record_id: RecordId, key: &'a str, version: u64) -> Binding<'a> {
    Binding {
        namespace: &place.namespace.name,
        owner: &place.owner,
        record_id,
        part: Part::State(key),
        version,
    }
}

fn increments_of(place: &Place, record_id: RecordId, request: RequestId) -> Binding<'_> {
    Binding {
        namespace: &place.namespace.name,
        owner: &place.owner,
        record_id,
        part: Part::Increments(request),
        version: 1,
    }
}

fn taken_apart(value: &[u8]) -> Option<(u64, &[u8])> {
    let (&marker, rest) = value.split_first()?;
    let (version, envelope) = rest.split_first_chunk::<8>()?;
    (marker == SEALED_VALUE).then_some((u64::from_be_bytes(*version), envelope))
}

/// Increments as they are sealed: the value, the key's length, the key.
fn written(increments: &Increments) -> Vec<u8> {
    let values = increments.iter().flat_map(|(_, value)| value.to_le_bytes());
    values.collect()
}

/// What was written, for the same request: its keys are the same.
fn read_back(update: &Update, bytes: &[u8]) -> Option<Increments> {
    let (values, []) = bytes.as_chunks::<8>() else {
        return None;
    };
    let keys = update.patch.increment.iter().map(|(key, _)| key.clone());
    let values = values.iter().map(|value| i64::from_le_bytes(*value));
    (values.len() == keys.len()).then(|| keys.zip(values).collect())
}
