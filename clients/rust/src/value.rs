//! State: between `serde_json` maps and what travels.
//!
//! Every number travels as a double. Integers are exact within ±(2⁵³−1); larger ones are refused here, so
//! that no other language's client reads something else.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct};
use serde_json::{Map, Number, Value};

use crate::error::Error;

/// The largest integer that every client holds exactly, 2⁵³−1.
pub const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;

/// A session's state.
pub type State = Map<String, Value>;

/// Where a value stands, for the error.
enum Place<'a> {
    Root(&'a str),
    Key(&'a Place<'a>, &'a str),
    Index(&'a Place<'a>, usize),
}

impl Place<'_> {
    fn show(&self) -> String {
        match self {
            Place::Root(name) => (*name).to_owned(),
            Place::Key(parent, key) => format!("{}.{key}", parent.show()),
            Place::Index(parent, index) => format!("{}[{index}]", parent.show()),
        }
    }
}

pub(crate) fn to_struct(field: &str, state: &State) -> Result<Struct, Error> {
    map(&Place::Root(field), state)
}

pub(crate) fn to_list(field: &str, values: &[Value]) -> Result<ListValue, Error> {
    list(&Place::Root(field), values)
}

fn map(place: &Place<'_>, state: &State) -> Result<Struct, Error> {
    let fields = state
        .iter()
        .map(|(key, value)| Ok((key.clone(), to_value(&Place::Key(place, key), value)?)));
    Ok(Struct {
        fields: fields.collect::<Result<_, Error>>()?,
    })
}

fn list(place: &Place<'_>, values: &[Value]) -> Result<ListValue, Error> {
    let values = values
        .iter()
        .enumerate()
        .map(|(index, value)| to_value(&Place::Index(place, index), value));
    Ok(ListValue {
        values: values.collect::<Result<_, Error>>()?,
    })
}

fn to_value(place: &Place<'_>, value: &Value) -> Result<prost_types::Value, Error> {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Number(number) => Kind::NumberValue(to_double(place, number)?),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(values) => Kind::ListValue(list(place, values)?),
        Value::Object(state) => Kind::StructValue(map(place, state)?),
    };
    Ok(prost_types::Value { kind: Some(kind) })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the range was checked: every integer in it is a double"
)]
fn to_double(place: &Place<'_>, number: &Number) -> Result<f64, Error> {
    if let Some(integer) = number.as_i64()
        && (-MAX_SAFE_INTEGER..=MAX_SAFE_INTEGER).contains(&integer)
    {
        return Ok(integer as f64);
    }
    if !number.is_f64() {
        return Err(Error::refused(
            place.show(),
            format!(
                "{number} is beyond ±(2^53-1), where integers are no longer exact; store it as text"
            ),
        ));
    }
    number
        .as_f64()
        .filter(|double| double.is_finite())
        .ok_or_else(|| {
            Error::refused(
                place.show(),
                "is not a finite number; store it as text".to_owned(),
            )
        })
}

pub(crate) fn from_struct(state: Struct) -> State {
    let fields = state.fields.into_iter();
    fields
        .map(|(key, value)| (key, from_value(value)))
        .collect()
}

fn from_value(value: prost_types::Value) -> Value {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(value),
        Some(Kind::NumberValue(double)) => from_double(double),
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::ListValue(list)) => {
            Value::Array(list.values.into_iter().map(from_value).collect())
        }
        Some(Kind::StructValue(state)) => Value::Object(from_struct(state)),
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "the range was checked"
)]
fn from_double(double: f64) -> Value {
    let whole = double.fract() == 0.0 && double.abs() <= MAX_SAFE_INTEGER as f64;
    // Negative zero is no integer.
    if whole && (double != 0.0 || double.is_sign_positive()) {
        return Value::from(double as i64);
    }
    Value::from(double)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn state(value: &Value) -> State {
        value.as_object().expect("a map").clone()
    }

    #[test]
    fn every_shape_comes_back() {
        let all = state(&json!({
            "null": null, "yes": true, "no": false, "zero": 0, "negative": -7, "max": MAX_SAFE_INTEGER,
            "min": -MAX_SAFE_INTEGER, "half": 0.5, "huge": 1e300, "text": "Grüße, 世界 🦀", "empty": "",
            "list": [1, [2, []], {"a": {}}], "map": {"deep": {"er": [null]}}, "": "empty key",
        }));
        let there = to_struct("state", &all).expect("sound");
        assert_eq!(from_struct(there), all);
    }

    #[test]
    fn integers_that_not_all_can_hold_are_refused() {
        for number in [
            json!(MAX_SAFE_INTEGER + 1),
            json!(-MAX_SAFE_INTEGER - 1),
            json!(u64::MAX),
            json!(i64::MIN),
        ] {
            let refused =
                to_struct("set", &state(&json!({"a": [{"b": number}]}))).expect_err("too large");
            let text = refused.to_string();
            assert!(text.starts_with("set.a[0].b: "), "{text}");
            assert!(text.contains("store it as text"), "{text}");
        }
    }
}
