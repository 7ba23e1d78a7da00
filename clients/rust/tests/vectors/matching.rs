//! What matches, as tests/vectors/README.md says.

use std::time::SystemTime;

use serde_json::{Map, Value};
use tenure_client::parse_time;

use super::calls::values;

/// Whether an answer is what a case expects; if not, why.
pub(crate) fn matches(expected: &Value, actual: &Value, at: &str) -> Result<(), String> {
    match expected {
        Value::Object(fields) => {
            if let Some((name, argument)) = values::single(fields)
                && let Some(outcome) = special(name, argument, actual, at)
            {
                return outcome;
            }
            object(fields, actual, at)
        }
        Value::Array(expected) => {
            let Some(actual) = actual.as_array().filter(|all| all.len() == expected.len()) else {
                return Err(format!("{at}: {actual}, expected {expected:?}"));
            };
            let mut pairs = expected.iter().zip(actual).enumerate();
            pairs.try_for_each(|(index, (one, other))| {
                matches(one, other, &format!("{at}[{index}]"))
            })
        }
        _ => equal(expected, actual, at),
    }
}

fn object(expected: &Map<String, Value>, actual: &Value, at: &str) -> Result<(), String> {
    let Some(fields) = actual.as_object() else {
        // What is left are the forms of values: a long text, a time.
        return equal(&values::json(&Value::Object(expected.clone())), actual, at);
    };
    for (key, inner) in expected {
        let at = format!("{at}.{key}");
        match fields.get(key) {
            found if inner.get("$absent").is_some() => {
                if found.is_some() {
                    return Err(format!("{at}: must be absent"));
                }
            }
            None => return Err(format!("{at}: is absent")),
            Some(found) if key == "state" => {
                equal(&values::json(inner), found, &at)?;
                if has_lost_integers(found) {
                    return Err(format!("{at}: a number without a fraction is no integer"));
                }
            }
            Some(found) => matches(inner, found, &at)?,
        }
    }
    Ok(())
}

fn equal(expected: &Value, actual: &Value, at: &str) -> Result<(), String> {
    if same(expected, actual) {
        return Ok(());
    }
    let short = |value: &Value| value.to_string().chars().take(400).collect::<String>();
    Err(format!(
        "{at}: {}, expected {}",
        short(actual),
        short(expected)
    ))
}

/// Equality where numbers are numbers.
fn same(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let found = |(key, value)| other.get(key).is_some_and(|other| same(value, other));
            one.len() == other.len() && one.iter().all(found)
        }
        (one, other) => one == other,
    }
}

/// Whether a number of a state that has no fraction came as something else than an integer.
fn has_lost_integers(state: &Value) -> bool {
    match state {
        Value::Number(number) => {
            let whole = |number: f64| number.fract() == 0.0 && number.abs() < 2_f64.powi(53);
            number.is_f64() && number.as_f64().is_some_and(whole)
        }
        Value::Array(values) => values.iter().any(has_lost_integers),
        Value::Object(fields) => fields.values().any(has_lost_integers),
        _ => false,
    }
}

fn special(name: &str, argument: &Value, actual: &Value, at: &str) -> Option<Result<(), String>> {
    Some(match name {
        "$any" => any(argument, actual, at),
        "$not" => match matches(argument, actual, at) {
            Ok(()) => Err(format!("{at}: {actual} is what it must not be")),
            Err(_) => Ok(()),
        },
        "$unordered" => unordered(argument, actual, at),
        "$between" => between(argument, actual, at),
        "$plus" => {
            let wanted = bound(&serde_json::json!({"$plus": argument}));
            if wanted == bound(actual) {
                Ok(())
            } else {
                Err(format!("{at}: {actual}, expected {wanted:?}"))
            }
        }
        _ => return None,
    })
}

fn any(kind: &Value, actual: &Value, at: &str) -> Result<(), String> {
    let text = actual.as_str();
    let right = match kind.as_str().unwrap_or_default() {
        "text" => text.is_some_and(|text| !text.is_empty()),
        "time" => text.is_some_and(|text| parse_time(text).is_ok()),
        "number" => actual.is_number(),
        "uuid" => text
            .and_then(|text| tenure_client::Uuid::try_parse(text).ok())
            .is_some_and(|id| id.get_version_num() == 4),
        "any" => true,
        other => panic!("no such kind: {other}"),
    };
    right
        .then_some(())
        .ok_or_else(|| format!("{at}: {actual} is no {kind}"))
}

fn unordered(expected: &Value, actual: &Value, at: &str) -> Result<(), String> {
    let mut left = actual.as_array().cloned().unwrap_or_default();
    for each in expected.as_array().into_iter().flatten() {
        let found = left
            .iter()
            .position(|other| matches(each, other, at).is_ok());
        match found {
            Some(index) => left.remove(index),
            None => return Err(format!("{at}: nothing matches {each} in {actual}")),
        };
    }
    if left.is_empty() {
        return Ok(());
    }
    Err(format!("{at}: {left:?} is too much"))
}

/// A time or a number, which can be compared.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
enum Bound {
    Time(SystemTime),
    Number(f64),
}

fn bound(value: &Value) -> Bound {
    if let Some(plus) = value.get("$plus") {
        let seconds = plus[1].as_f64().expect("seconds");
        return match bound(&plus[0]) {
            Bound::Time(time) => Bound::Time(values::after(time, seconds)),
            Bound::Number(_) => panic!("{plus} adds to no time"),
        };
    }
    match values::json(value) {
        Value::String(text) => Bound::Time(parse_time(&text).expect("a time")),
        other => Bound::Number(other.as_f64().expect("a number")),
    }
}

fn between(bounds: &Value, actual: &Value, at: &str) -> Result<(), String> {
    let found = bound(actual);
    let low = bounds[0].is_null() || bound(&bounds[0]) <= found;
    let high = bounds[1].is_null() || found <= bound(&bounds[1]);
    if low && high {
        return Ok(());
    }
    Err(format!("{at}: {actual} is not between {bounds}"))
}
