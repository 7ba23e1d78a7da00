//! Values that JSON does not have, as tests/vectors/README.md writes them.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::ser::{Serialize, Serializer};
use serde_json::Value;
use tenure_client::{parse_time, show_time};

/// A value of a case, with its `$` forms resolved: also what `serde_json` cannot hold.
#[derive(Clone, Debug)]
pub(crate) enum Given {
    Json(Value),
    Number(f64),
    Integer(i128),
    List(Vec<Given>),
    Map(BTreeMap<String, Given>),
}

impl Serialize for Given {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Given::Json(value) => value.serialize(serializer),
            Given::Number(number) => serializer.serialize_f64(*number),
            Given::Integer(integer) => serializer.serialize_i128(*integer),
            Given::List(values) => values.serialize(serializer),
            Given::Map(fields) => fields.serialize(serializer),
        }
    }
}

/// What a value of a case means. Panics at what the README does not know: a case is wrong then.
pub(crate) fn given(value: &Value) -> Given {
    match value {
        Value::Array(values) => Given::List(values.iter().map(given).collect()),
        Value::Object(fields) => {
            if let Some((form, inner)) = single(fields)
                && let Some(given) = special(form, inner)
            {
                return given;
            }
            let fields = fields.iter();
            Given::Map(
                fields
                    .map(|(key, value)| (key.clone(), given(value)))
                    .collect(),
            )
        }
        other => Given::Json(other.clone()),
    }
}

/// The same as JSON, for what is expected.
pub(crate) fn json(value: &Value) -> Value {
    match given(value) {
        // serde_json would make null of what is not finite, and nobody expects that.
        Given::Number(number) => Value::from(number),
        other => serde_json::to_value(other).expect("JSON has it"),
    }
}

pub(crate) fn single(fields: &serde_json::Map<String, Value>) -> Option<(&String, &Value)> {
    let mut all = fields.iter();
    all.next().filter(|_| all.next().is_none())
}

fn special(form: &str, inner: &Value) -> Option<Given> {
    let times = |name: &str| {
        let times = inner[name].as_u64().expect("a number of times");
        usize::try_from(times).expect("not too many")
    };
    Some(match form {
        "$now" => Given::Json(show_time(from_now(inner.as_f64().expect("seconds"))).into()),
        "$number" => Given::Number(match inner.as_str() {
            Some("nan") => f64::NAN,
            Some("inf") => f64::INFINITY,
            Some("-inf") => f64::NEG_INFINITY,
            Some("-0") => -0.0,
            _ => panic!("no such number: {inner}"),
        }),
        "$integer" => Given::Integer(inner.as_str().and_then(|digits| digits.parse().ok())?),
        "$text" => Given::Json(inner["repeat"].as_str()?.repeat(times("times")).into()),
        "$list" => Given::List(vec![given(&inner["repeat"]); times("times")]),
        "$map" => {
            let value = given(&inner["value"]);
            let keys = 0..times("keys");
            Given::Map(keys.map(|n| (format!("k{n}"), value.clone())).collect())
        }
        "$nest" => (0..times("levels")).fold(given(&inner["value"]), |value, _| {
            if inner["kind"] == "list" {
                Given::List(vec![value])
            } else {
                Given::Map([("k".to_owned(), value)].into())
            }
        }),
        _ => return None,
    })
}

pub(crate) fn from_now(seconds: f64) -> SystemTime {
    after(SystemTime::now(), seconds)
}

pub(crate) fn after(time: SystemTime, seconds: f64) -> SystemTime {
    let apart = Duration::from_secs_f64(seconds.abs());
    if seconds < 0.0 {
        time - apart
    } else {
        time + apart
    }
}

/// A time: RFC 3339, or so many seconds from now.
pub(crate) fn time(value: &Value) -> SystemTime {
    let text = json(value);
    parse_time(text.as_str().expect("a time")).expect("RFC 3339")
}
