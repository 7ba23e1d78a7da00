//! Values as Google's own types encode them.

use std::collections::BTreeMap;

use prost::Message as _;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use tenure::session::limits::Limits;
use tenure::session::state::{State, Tail};

/// A value of a kind.
pub(crate) fn value(kind: Kind) -> Value {
    Value { kind: Some(kind) }
}

/// A number.
pub(crate) fn number(number: f64) -> Value {
    value(Kind::NumberValue(number))
}

/// A string.
pub(crate) fn text(text: &str) -> Value {
    value(Kind::StringValue(text.to_owned()))
}

/// A list of numbers.
pub(crate) fn list(numbers: &[f64]) -> Value {
    value(Kind::ListValue(list_of(numbers)))
}

fn list_of(numbers: &[f64]) -> ListValue {
    ListValue {
        values: numbers.iter().copied().map(number).collect(),
    }
}

/// A state with these keys.
pub(crate) fn state(entries: &[(&str, Value)]) -> State {
    let fields: BTreeMap<String, Value> = entries
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.clone()))
        .collect();
    let bytes = Struct { fields }.encode_to_vec();
    State::from_wire(&bytes, "state", &Limits::default()).expect("a sound state")
}

/// What a state holds.
pub(crate) fn decoded(state: &State) -> BTreeMap<String, Value> {
    Struct::decode(state.as_wire())
        .expect("a state decodes everywhere")
        .fields
}

/// Numbers to append.
pub(crate) fn tail(numbers: &[f64], max_length: Option<usize>) -> Tail {
    let bytes = list_of(numbers).encode_to_vec();
    Tail::from_wire(&bytes, max_length, &Limits::default()).expect("a sound list")
}
