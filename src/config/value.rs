//! Values as they are written: durations, sizes, and what a source says about their type.

use std::time::Duration;

/// A value as a source has it. Only a file knows types; a variable and a flag are words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// From a variable or a flag.
    Words(String),
    /// A TOML string.
    Text(String),
    /// A TOML integer, in decimal digits.
    Integer(String),
    /// A TOML float, as it is written.
    Fraction(String),
    /// A TOML boolean.
    Bool(bool),
    /// A TOML list of strings.
    Texts(Vec<String>),
    /// Anything else of TOML, by the name of its type.
    Other(&'static str),
}

impl Written {
    /// How to call it in an error, without the value.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Written::Words(_) | Written::Text(_) => "a text",
            Written::Integer(_) => "an integer",
            Written::Fraction(_) => "a number with a fraction",
            Written::Bool(_) => "a boolean",
            Written::Texts(_) => "a list",
            Written::Other(name) => name,
        }
    }
}

/// Why a value cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// What is wrong.
    pub(super) what: String,
    /// What to do.
    pub(super) advice: String,
}

impl Wrong {
    pub(super) fn new(what: impl Into<String>, advice: impl Into<String>) -> Wrong {
        Wrong {
            what: what.into(),
            advice: advice.into(),
        }
    }
}

const UNITS: [(&str, u64); 5] = [
    ("d", 24 * 60 * 60 * 1000),
    ("h", 60 * 60 * 1000),
    ("m", 60 * 1000),
    ("s", 1000),
    ("ms", 1),
];

/// Reads `15m`, `1h30m`, `500ms`: whole numbers, each with one of `d`, `h`, `m`, `s`, `ms`.
///
/// # Errors
/// What is wrong with the text, as a clause without a subject.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("is empty".to_owned());
    }
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let letters = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        if number.is_empty() {
            return Err(format!("{text:?} is not a duration"));
        }
        if unit.is_empty() {
            return Err(format!("{text:?} has no unit"));
        }
        let Some((_, millis)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(format!("{unit:?} is not a unit of time"));
        };
        total = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(*millis))
            .and_then(|part| total.checked_add(part))
            .ok_or_else(|| format!("{text:?} is too long"))?;
        rest = after;
    }
    Ok(Duration::from_millis(total))
}

/// Writes a duration the way [`parse_duration`] reads it.
pub fn show_duration(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, length) in UNITS {
        let number = millis / length;
        millis %= length;
        if number > 0 {
            text.push_str(&number.to_string());
            text.push_str(unit);
        }
    }
    text
}

const BINARY: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// Reads `65536`, `64KiB`, `1GiB`.
pub(super) fn parse_size(text: &str) -> Result<u64, Wrong> {
    let text = text.trim();
    let advice = "write bytes, or a number with KiB, MiB or GiB";
    let letters = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(letters);
    let Ok(number) = number.trim().parse::<u64>() else {
        return Err(Wrong::new(format!("{text:?} is not a size"), advice));
    };
    let factor = match (unit, BINARY.iter().find(|(name, _)| *name == unit)) {
        ("" | "B", _) => 1,
        (_, Some((_, factor))) => *factor,
        _ => {
            return Err(Wrong::new(
                format!("{unit:?} is not a unit of size"),
                advice,
            ));
        }
    };
    number
        .checked_mul(factor)
        .ok_or_else(|| Wrong::new(format!("{text:?} is too large"), advice))
}

/// Reads a size where no setting is at fault.
///
/// # Errors
/// What is wrong with the text.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    parse_size(text).map_err(|wrong| format!("{}; {}", wrong.what, wrong.advice))
}

/// Writes a size the way [`parse_size`] reads it: as TOML, a plain integer or a string with its unit.
pub(super) fn show_size(size: u64) -> String {
    for (unit, factor) in BINARY {
        if size > 0 && size.is_multiple_of(factor) {
            return format!("\"{}{unit}\"", size / factor);
        }
    }
    size.to_string()
}
