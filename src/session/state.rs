//! A session's state: top-level keys with values that stay the bytes they came as.

use std::fmt;
use std::sync::Arc;

use super::limits::{LimitName, Limits};
use super::refusal::Refusal;
use super::request::Fingerprint;
use super::wire::{self, Fault, Kind};

/// The integers that every client can hold lie within plus or minus this.
pub const LARGEST_INTEGER: i64 = (1 << 53) - 1;

/// What a sealed value begins with. No plain value does: it would be a field without a number.
pub const SEALED_VALUE: u8 = 1;

/// By how many bytes a sealed value is longer than the plain one.
pub const SEALED_VALUE_OVERHEAD: usize = 46;

/// The incremented keys, with their values after the change.
pub type Increments = Vec<(Box<str>, i64)>;

/// A session's state: a `google.protobuf.Struct` in its plain wire form, keys unique, values sound.
///
/// Where the namespace encrypts state, it has the same form, with sealed bytes in the place of each value:
/// to a store they are values like any others, that it sets, removes and gives back without looking in.
#[derive(Clone)]
pub struct State(Arc<[u8]>);

impl State {
    /// Proves that the bytes of a `Struct` are sound and within the limits.
    pub fn from_wire(bytes: &[u8], field: &'static str, limits: &Limits) -> Result<State, Refusal> {
        let malformed = |fault| fault_refusal(field, fault, limits);
        let mut out = Vec::with_capacity(bytes.len());
        let entries = wire::last_of_each(bytes).map_err(malformed)?;
        let mut value = Vec::new();
        for (key, raw) in &entries {
            check_key(field, key, limits)?;
            value.clear();
            wire::put_sound_value(&mut value, raw, limits.state_depth).map_err(malformed)?;
            wire::put_entry(&mut out, key.as_bytes(), &value);
        }
        let state = State(out.into());
        state.check_size(entries.len(), limits)?;
        Ok(state)
    }

    /// Takes bytes that were written by [`State::as_wire`].
    pub fn from_plain_wire(bytes: &[u8]) -> State {
        State(bytes.into())
    }

    /// Joins keys and values that a store kept apart.
    pub fn from_entries<'a>(entries: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> State {
        let mut out = Vec::new();
        for (key, value) in entries {
            wire::put_entry(&mut out, key, value);
        }
        State(out.into())
    }

    /// The wire form of the `Struct`.
    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }

    /// Asks memory for its beginning, in one go: whoever copies or parses it would wait for one piece after the
    /// other. What follows the processor fetches by itself.
    pub fn fetch(&self) {
        const LINE: usize = 64;
        const MOST: usize = 32 * LINE;
        let lines = self.0.iter().take(MOST).step_by(LINE);
        std::hint::black_box(lines.fold(0, |sum: u8, byte| sum ^ byte));
    }

    /// The wire form, shared.
    pub fn to_shared_wire(&self) -> Arc<[u8]> {
        Arc::clone(&self.0)
    }

    /// How many bytes it takes.
    pub fn len_bytes(&self) -> usize {
        self.0.len()
    }

    /// The keys with the bytes of their values.
    pub fn entries(&self) -> Vec<(&str, &[u8])> {
        wire::list_elements(&self.0)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|entry| wire::entry_parts(entry).ok())
            .collect()
    }

    /// Adds the state to the hash of a request, whatever order its keys came in.
    pub fn add_to(&self, fingerprint: &mut Fingerprint) {
        let mut entries = self.entries();
        entries.sort_unstable_by_key(|(key, _)| *key);
        fingerprint.count(entries.len());
        for (key, value) in entries {
            fingerprint.part(key.as_bytes()).part(&plain(value));
        }
    }

    /// Only the named keys; those that are not there are left out.
    #[must_use]
    pub fn only(&self, keys: &[Box<str>]) -> State {
        let entries = self.entries();
        State::from_entries(
            entries
                .iter()
                .filter(|(key, _)| keys.iter().any(|wanted| **wanted == **key))
                .map(|(key, value)| (key.as_bytes(), *value)),
        )
    }

    /// The state after a patch, with the values of the incremented keys.
    pub fn patched(&self, patch: &Patch, limits: &Limits) -> Result<(State, Increments), Refusal> {
        let before = self.entries();
        let mut changes: hashbrown::HashMap<&str, Option<Vec<u8>>> = hashbrown::HashMap::new();
        let mut increments = Vec::with_capacity(patch.increment.len());
        let looked_at = patch.increment.len() + patch.append.len();
        let current: hashbrown::HashMap<&str, &[u8]> = if looked_at == 0 {
            hashbrown::HashMap::new()
        } else {
            before.iter().copied().collect()
        };
        for (key, by) in &patch.increment {
            let sum = incremented(current.get(&**key).copied(), *by)?;
            #[expect(clippy::cast_precision_loss, reason = "within the exact integers")]
            changes.insert(key, Some(wire::number_value(sum as f64)));
            increments.push((key.clone(), sum));
        }
        for (key, tail) in &patch.append {
            let list = appended(current.get(&**key).copied(), tail)?;
            changes.insert(key, Some(list));
        }
        let set = patch.set.as_ref().map(State::entries).unwrap_or_default();
        for (key, value) in &set {
            changes.insert(key, Some(value.to_vec()));
        }
        for key in &patch.remove {
            changes.insert(key, None);
        }

        let mut out = Vec::with_capacity(self.0.len());
        let mut count = 0;
        let mut put = |key: &str, value: &[u8]| {
            wire::put_entry(&mut out, key.as_bytes(), value);
            count += 1;
        };
        for (key, value) in before {
            match changes.remove(key) {
                None => put(key, value),
                Some(Some(value)) => put(key, &value),
                Some(None) => {}
            }
        }
        // New keys follow in the order in which the request names them.
        let named = set.iter().map(|(key, _)| *key);
        let incremented = patch.increment.iter().map(|(key, _)| &**key);
        let appended = patch.append.iter().map(|(key, _)| &**key);
        for key in named.chain(incremented).chain(appended) {
            if let Some(Some(value)) = changes.remove(key) {
                put(key, &value);
            }
        }
        let state = State(out.into());
        state.check_size(count, limits)?;
        Ok((state, increments))
    }

    fn check_size(&self, keys: usize, limits: &Limits) -> Result<(), Refusal> {
        LimitName::StateKeys.check(keys, limits.state_keys)?;
        LimitName::StateBytes.check(self.counted_bytes(limits), limits.state_bytes)?;
        Ok(())
    }

    /// How many bytes count against the limit: of sealed values those that are in the seal, so that a
    /// namespace allows the same with encryption as without.
    fn counted_bytes(&self, limits: &Limits) -> usize {
        if limits.encrypt_state {
            self.plain_len_bytes()
        } else {
            self.0.len()
        }
    }

    /// How many bytes it takes, of sealed values only what is in the seal.
    pub fn plain_len_bytes(&self) -> usize {
        if !self.is_sealed() {
            return self.0.len();
        }
        let entries = self.entries().into_iter();
        entries
            .map(|(key, value)| {
                let plain = value.len().saturating_sub(SEALED_VALUE_OVERHEAD);
                wire::entry_len(key.len(), plain)
            })
            .sum()
    }

    /// Whether its values are sealed. They are all, or none is.
    pub fn is_sealed(&self) -> bool {
        // Of a plain entry the first bytes are frames and the key.
        wire::first_value(&self.0).is_some_and(|value| value.first() == Some(&SEALED_VALUE))
    }
}

impl Default for State {
    fn default() -> Self {
        State(Arc::new([]))
    }
}

/// Two states are equal when the same keys have the same values, in whatever order.
impl PartialEq for State {
    fn eq(&self, other: &State) -> bool {
        let (mut mine, mut theirs) = (self.entries(), other.entries());
        mine.sort_unstable();
        theirs.sort_unstable();
        mine == theirs
    }
}

impl Eq for State {}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "State({} bytes, redacted)", self.0.len())
    }
}

/// Changes of single keys. No key stands in two of them; [`Patch::check`] has made sure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// Keys to set, whole.
    pub set: Option<State>,
    /// Keys to remove.
    pub remove: Vec<Box<str>>,
    /// Integers to add.
    pub increment: Vec<(Box<str>, i64)>,
    /// Values to append to lists.
    pub append: Vec<(Box<str>, Tail)>,
}

/// Values to append to a list.
#[derive(Clone, PartialEq, Eq)]
pub struct Tail {
    elements: Box<[u8]>,
    /// The list keeps at most so many.
    pub max_length: Option<usize>,
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tail({} bytes, redacted)", self.elements.len())
    }
}

impl Tail {
    /// Proves that the bytes of a `ListValue` are sound.
    pub fn from_wire(
        list: &[u8],
        max_length: Option<usize>,
        limits: &Limits,
    ) -> Result<Tail, Refusal> {
        let malformed = |fault| fault_refusal("append", fault, limits);
        let mut elements = Vec::with_capacity(list.len());
        let mut value = Vec::new();
        for raw in wire::list_elements(list).map_err(malformed)? {
            value.clear();
            // The list itself is a level.
            wire::put_sound_value(&mut value, raw, limits.state_depth.saturating_sub(1))
                .map_err(malformed)?;
            wire::put_element(&mut elements, &value);
        }
        Ok(Tail {
            elements: elements.into(),
            max_length,
        })
    }

    /// The elements' wire form.
    pub fn as_wire(&self) -> &[u8] {
        &self.elements
    }

    /// Adds the values to the hash of a request.
    pub fn add_to(&self, fingerprint: &mut Fingerprint) {
        let elements = wire::list_elements(&self.elements).unwrap_or_default();
        fingerprint
            .count(self.max_length.unwrap_or(usize::MAX))
            .count(elements.len());
        for element in elements {
            fingerprint.part(&plain(element));
        }
    }
}

impl Patch {
    /// Refuses keys that are bad or stand in two places.
    pub fn check(&self, limits: &Limits) -> Result<(), Refusal> {
        let set = self.set.as_ref().map(State::entries).unwrap_or_default();
        let mut seen = hashbrown::HashMap::new();
        let fields = [
            ("set", set.iter().map(|(key, _)| *key).collect::<Vec<_>>()),
            ("remove", self.remove.iter().map(|key| &**key).collect()),
            (
                "increment",
                self.increment.iter().map(|(key, _)| &**key).collect(),
            ),
            (
                "append",
                self.append.iter().map(|(key, _)| &**key).collect(),
            ),
        ];
        for (field, keys) in &fields {
            for key in keys {
                check_key(field, key, limits)?;
                let earlier = *seen.entry(*key).or_insert(*field);
                if earlier != *field {
                    return Err(Refusal::invalid(
                        field,
                        "holds a key that another part of the update names too",
                    ));
                }
            }
        }
        Ok(())
    }

    /// How many bytes a state grows by, at most.
    pub fn len_bytes(&self) -> usize {
        // An entry's frame, or a number with it.
        const FRAME: usize = 32;
        let set = self.set.as_ref().map_or(0, State::len_bytes);
        let increments = self.increment.iter().map(|(key, _)| key.len() + FRAME);
        let appends = self
            .append
            .iter()
            .map(|(key, tail)| key.len() + tail.elements.len() + FRAME);
        set + increments.chain(appends).sum::<usize>()
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.set.as_ref().is_none_or(|set| set.len_bytes() == 0)
            && self.remove.is_empty()
            && self.increment.is_empty()
            && self.append.is_empty()
    }
}

/// A value in the one form that equal values share.
fn plain(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    // A sound value can always be written anew.
    let _ = wire::put_plain_value(&mut out, value);
    out
}

fn check_key(field: &'static str, key: &str, limits: &Limits) -> Result<(), Refusal> {
    LimitName::StateKeyBytes
        .check(key.len(), limits.state_key_bytes)
        .map_err(|exceeded| Refusal::FieldLimit { field, exceeded })
}

fn fault_refusal(field: &'static str, fault: Fault, limits: &Limits) -> Refusal {
    let why = match fault {
        Fault::Malformed => "is not a well-formed protobuf value",
        Fault::NotUtf8 => "holds a string that is not UTF-8",
        Fault::NotFinite => "holds NaN or an infinity, which not every language can read",
        Fault::NoKind => "holds a value without a kind; say null_value for null",
        Fault::TooDeep(asked) => {
            return Refusal::FieldLimit {
                field,
                exceeded: super::limits::LimitExceeded {
                    limit: LimitName::StateDepth,
                    maximum: limits.state_depth,
                    asked,
                },
            };
        }
    };
    Refusal::invalid(field, why)
}

fn incremented(value: Option<&[u8]>, by: i64) -> Result<i64, Refusal> {
    let current = match value.map(wire::kind_of) {
        None => 0,
        Some(Kind::Number(number)) => exact_integer(number).ok_or(Refusal::NotAnInteger)?,
        Some(_) => return Err(Refusal::NotAnInteger),
    };
    current
        .checked_add(by)
        .filter(|sum| (-LARGEST_INTEGER..=LARGEST_INTEGER).contains(sum))
        .ok_or(Refusal::IntegerOutOfRange)
}

fn exact_integer(number: f64) -> Option<i64> {
    #[expect(clippy::cast_precision_loss, reason = "the bound is exact")]
    let within = number.abs() <= LARGEST_INTEGER as f64;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole and within the bound"
    )]
    (within && number.fract() == 0.0).then_some(number as i64)
}

fn appended(value: Option<&[u8]>, tail: &Tail) -> Result<Vec<u8>, Refusal> {
    let head = match value.map(wire::kind_of) {
        None => &[][..],
        Some(Kind::List(elements)) => elements,
        Some(_) => return Err(Refusal::NotAList),
    };
    let Some(max_length) = tail.max_length else {
        return Ok(wire::list_value(&[head, &tail.elements].concat()));
    };
    let mut all = wire::list_elements(head).unwrap_or_default();
    all.extend(wire::list_elements(&tail.elements).unwrap_or_default());
    let dropped = all.len().saturating_sub(max_length);
    let mut kept = Vec::new();
    for element in &all[dropped..] {
        wire::put_element(&mut kept, element);
    }
    Ok(wire::list_value(&kept))
}
