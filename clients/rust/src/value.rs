//! State: between `serde_json` maps and what travels.
//!
//! Every number travels as a double. Integers are exact within ±(2⁵³−1); larger ones are refused here, so
//! that no other language's client reads something else.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::Error;

mod serializer;

use serializer::ToValue;

/// The largest integer that every client holds exactly, 2⁵³−1.
pub const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;

/// A session's state.
pub type State = Map<String, Value>;

/// A value, seen from the place where it stands.
pub(crate) fn to_value(
    place: &str,
    value: &(impl Serialize + ?Sized),
) -> Result<prost_types::Value, Error> {
    value
        .serialize(ToValue)
        .map_err(|misfit| misfit.told(place))
}

pub(crate) fn to_struct(place: &str, state: &(impl Serialize + ?Sized)) -> Result<Struct, Error> {
    match to_value(place, state)?.kind {
        Some(Kind::StructValue(state)) => Ok(state),
        _ => Err(Error::bad_value(place.to_owned(), "is no map")),
    }
}

pub(crate) fn to_list(
    place: &str,
    values: impl IntoIterator<Item = impl Serialize>,
) -> Result<ListValue, Error> {
    let values = values.into_iter().enumerate().map(|(index, value)| {
        value
            .serialize(ToValue)
            .map_err(|misfit| misfit.told(&format!("{place}[{index}]")))
    });
    Ok(ListValue {
        values: values.collect::<Result<_, Error>>()?,
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
    if double.fract() == 0.0 && double.abs() <= MAX_SAFE_INTEGER as f64 {
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
    fn what_not_all_can_hold_is_refused_without_being_shown() {
        for (number, why) in [
            (json!(MAX_SAFE_INTEGER + 1), "store it as text"),
            (json!(-MAX_SAFE_INTEGER - 1), "store it as text"),
            (json!(u64::MAX), "store it as text"),
            (json!(i64::MIN), "store it as text"),
        ] {
            let shown = number.to_string();
            let refused = to_struct("set", &state(&json!({"a": [1, {"b": number}]})));
            let text = refused.expect_err("too large").to_string();
            assert!(text.starts_with("set.a[1].b: "), "{text}");
            assert!(text.contains(why) && !text.contains(&shown), "{text}");
        }
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(to_value("n", &number).is_err());
            assert!(to_value("n", &[Some(number)]).is_err());
        }
        assert!(to_value("n", &u128::MAX).is_err());
        assert!(to_struct("state", &[1]).is_err());
        assert!(to_struct("state", &std::collections::BTreeMap::from([(1, 2)])).is_err());
    }

    #[test]
    fn types_of_the_caller_become_maps() {
        #[derive(Serialize)]
        enum Step {
            Start,
            At(u8),
            Between { low: f32, high: Option<i128> },
        }
        #[derive(Serialize)]
        struct Cart<'a> {
            name: &'a str,
            steps: Vec<Step>,
            pair: (char, ()),
        }
        let cart = Cart {
            name: "ü",
            steps: vec![
                Step::Start,
                Step::At(7),
                Step::Between {
                    low: 0.5,
                    high: None,
                },
            ],
            pair: ('x', ()),
        };
        let there = to_struct("state", &cart).expect("sound");
        assert_eq!(
            from_struct(there),
            state(&json!({
                "name": "ü",
                "steps": ["Start", {"At": 7}, {"Between": {"low": 0.5, "high": null}}],
                "pair": ["x", null],
            }))
        );
    }
}
