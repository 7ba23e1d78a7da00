//! The kinds of settings: how each is read from what was written, and shown as TOML.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::redis::{Secret, SecretString};
use super::value::{Written, Wrong, parse_duration, parse_size, show_duration, show_size};

/// A kind of setting.
pub(super) trait Kind {
    /// What the program works with.
    type Value;

    /// For the reference: what is expected.
    fn name(&self) -> String;

    /// Takes what was written, or says what is wrong with it.
    fn read(&self, written: &Written) -> Result<Self::Value, Wrong>;

    /// The value as TOML.
    fn show(&self, value: &Self::Value) -> String;
}

/// Text as TOML writes it.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn text<'a>(written: &'a Written, wanted: &str) -> Result<&'a str, Wrong> {
    match written {
        Written::Words(text) | Written::Text(text) if !text.trim().is_empty() => Ok(text.trim()),
        Written::Words(_) | Written::Text(_) => Err(Wrong::new(
            "is empty",
            format!("give {wanted}, or leave it out"),
        )),
        other => Err(Wrong::new(
            format!("is {}", other.type_name()),
            format!("write {wanted}, in quotes"),
        )),
    }
}

/// An address to listen on.
pub(super) struct Address;

impl Kind for Address {
    type Value = SocketAddr;

    fn name(&self) -> String {
        "address".to_owned()
    }

    fn read(&self, written: &Written) -> Result<SocketAddr, Wrong> {
        let text = text(written, "an address with its port")?;
        // The one name that always means the same.
        let numeric = text
            .strip_prefix("localhost:")
            .map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
        numeric.parse().map_err(|_| {
            Wrong::new(
                format!("{text:?} is not an address"),
                "write IP:PORT, for instance \"127.0.0.1:7070\" or \"[::1]:7070\"; port 0 takes a free one",
            )
        })
    }

    fn show(&self, value: &SocketAddr) -> String {
        quoted(&value.to_string())
    }
}

/// Yes or no.
pub(super) struct Switch;

impl Kind for Switch {
    type Value = bool;

    fn name(&self) -> String {
        "true or false".to_owned()
    }

    fn read(&self, written: &Written) -> Result<bool, Wrong> {
        let advice = "write true or false";
        match written {
            Written::Bool(value) => Ok(*value),
            Written::Words(text) if text == "true" => Ok(true),
            Written::Words(text) if text == "false" => Ok(false),
            Written::Words(text) => Err(Wrong::new(
                format!("{text:?} is neither true nor false"),
                advice,
            )),
            other => Err(Wrong::new(
                format!("is {}", other.type_name()),
                format!("{advice}, without quotes"),
            )),
        }
    }

    fn show(&self, value: &bool) -> String {
        value.to_string()
    }
}

/// A whole number that the program keeps as `usize` or `u32`.
pub(super) trait Number: Copy + Sized {
    fn from_u64(number: u64) -> Option<Self>;
    fn to_u64(self) -> u64;
}

impl Number for usize {
    fn from_u64(number: u64) -> Option<usize> {
        number.try_into().ok()
    }

    fn to_u64(self) -> u64 {
        self as u64
    }
}

impl Number for u32 {
    fn from_u64(number: u64) -> Option<u32> {
        number.try_into().ok()
    }

    fn to_u64(self) -> u64 {
        self.into()
    }
}

fn within<N: Number>(
    number: u64,
    least: u64,
    most: u64,
    show: fn(u64) -> String,
) -> Result<N, Wrong> {
    if number < least {
        return Err(Wrong::new(
            format!("{} is too small", show(number)),
            format!("the least is {}", show(least)),
        ));
    }
    match N::from_u64(number) {
        Some(value) if number <= most => Ok(value),
        _ => Err(Wrong::new(
            format!("{} is too large", show(number)),
            format!("the most is {}", show(most)),
        )),
    }
}

fn plain(number: u64) -> String {
    number.to_string()
}

fn unquoted_size(size: u64) -> String {
    show_size(size).trim_matches('"').to_owned()
}

/// How many, with the least and the most.
pub(super) struct Count<N>(pub(super) N, pub(super) N);

impl<N: Number> Kind for Count<N> {
    type Value = N;

    fn name(&self) -> String {
        "number".to_owned()
    }

    fn read(&self, written: &Written) -> Result<N, Wrong> {
        let advice = "write a whole number";
        let digits = match written {
            Written::Words(text) | Written::Integer(text) => text.trim(),
            other => {
                return Err(Wrong::new(
                    format!("is {}", other.type_name()),
                    format!("{advice}, without quotes"),
                ));
            }
        };
        let number: i128 = digits
            .replace('_', "")
            .parse()
            .map_err(|_| Wrong::new(format!("{digits:?} is not a number"), advice))?;
        let number = u64::try_from(number.max(0)).unwrap_or(u64::MAX);
        within(number, self.0.to_u64(), self.1.to_u64(), plain)
    }

    fn show(&self, value: &N) -> String {
        value.to_u64().to_string()
    }
}

/// A share of all, from none to all.
pub(super) struct Share;

impl Kind for Share {
    type Value = f64;

    fn name(&self) -> String {
        "number from 0 to 1".to_owned()
    }

    fn read(&self, written: &Written) -> Result<f64, Wrong> {
        let advice = "write a number from 0 to 1, for instance 0.01";
        let text = match written {
            Written::Words(text) | Written::Integer(text) | Written::Fraction(text) => text.trim(),
            other => {
                return Err(Wrong::new(
                    format!("is {}", other.type_name()),
                    format!("{advice}, without quotes"),
                ));
            }
        };
        let share = text
            .parse()
            .ok()
            .filter(|share| (0.0..=1.0).contains(share));
        share.ok_or_else(|| Wrong::new(format!("{text:?} is no share"), advice))
    }

    fn show(&self, value: &f64) -> String {
        value.to_string()
    }
}

/// How many bytes, with the least and the most.
pub(super) struct Size<N>(pub(super) N, pub(super) N);

impl<N: Number> Kind for Size<N> {
    type Value = N;

    fn name(&self) -> String {
        "size".to_owned()
    }

    fn read(&self, written: &Written) -> Result<N, Wrong> {
        let size = match written {
            Written::Integer(digits) => parse_size(digits)?,
            other => parse_size(text(other, "a size, for instance \"64KiB\"")?)?,
        };
        within(size, self.0.to_u64(), self.1.to_u64(), unquoted_size)
    }

    fn show(&self, value: &N) -> String {
        show_size(value.to_u64())
    }
}

/// How long, with the least and the most.
pub(super) struct Lasting(pub(super) Duration, pub(super) Duration);

impl Kind for Lasting {
    type Value = Duration;

    fn name(&self) -> String {
        "duration".to_owned()
    }

    fn read(&self, written: &Written) -> Result<Duration, Wrong> {
        let example =
            "a duration with its unit, for instance \"15m\", \"12h\", \"1h30m\" or \"500ms\"";
        let duration = parse_duration(text(written, example)?)
            .map_err(|what| Wrong::new(what, format!("write {example}")))?;
        if duration < self.0 {
            return Err(Wrong::new(
                format!("{} is too short", show_duration(duration)),
                format!("the least is {}", show_duration(self.0)),
            ));
        }
        if duration > self.1 {
            return Err(Wrong::new(
                format!("{} is too long", show_duration(duration)),
                format!("the most is {}", show_duration(self.1)),
            ));
        }
        Ok(duration)
    }

    fn show(&self, value: &Duration) -> String {
        quoted(&show_duration(*value))
    }
}

/// A file.
pub(super) struct Path;

impl Kind for Path {
    type Value = PathBuf;

    fn name(&self) -> String {
        "path".to_owned()
    }

    fn read(&self, written: &Written) -> Result<PathBuf, Wrong> {
        text(written, "a path").map(PathBuf::from)
    }

    fn show(&self, value: &PathBuf) -> String {
        quoted(&value.display().to_string())
    }
}

/// Text of its own grammar; what is wrong with it is said elsewhere.
pub(super) struct Text(pub(super) &'static str);

impl Kind for Text {
    type Value = String;

    fn name(&self) -> String {
        self.0.to_owned()
    }

    fn read(&self, written: &Written) -> Result<String, Wrong> {
        text(written, &format!("a {}", self.0)).map(ToOwned::to_owned)
    }

    fn show(&self, value: &String) -> String {
        quoted(value)
    }
}

/// A secret. It is never shown.
pub(super) struct Hidden;

impl Kind for Hidden {
    type Value = Secret;

    fn name(&self) -> String {
        "secret".to_owned()
    }

    fn read(&self, written: &Written) -> Result<Secret, Wrong> {
        text(written, "a secret").map(|secret| Secret(SecretString::from(secret)))
    }

    fn show(&self, _: &Secret) -> String {
        quoted("***")
    }
}

/// One of a few words.
pub(super) struct Choice<T: 'static>(pub(super) &'static [(&'static str, T)]);

impl<T: Copy + PartialEq> Kind for Choice<T> {
    type Value = T;

    fn name(&self) -> String {
        let words: Vec<String> = self.0.iter().map(|(word, _)| format!("`{word}`")).collect();
        words.join(" or ")
    }

    fn read(&self, written: &Written) -> Result<T, Wrong> {
        let words: Vec<String> = self.0.iter().map(|(word, _)| format!("{word:?}")).collect();
        let wanted = words.join(" or ");
        let text = text(written, &wanted)?;
        match self.0.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Ok(*value),
            None => Err(Wrong::new(
                format!("{text:?} is unknown"),
                format!("write {wanted}"),
            )),
        }
    }

    fn show(&self, value: &T) -> String {
        let word = self.0.iter().find(|(_, known)| known == value);
        quoted(word.map_or("", |(word, _)| word))
    }
}

/// A setting that may be `none`, in which case something else holds.
pub(super) struct Optional<K>(pub(super) K);

impl<K: Kind> Kind for Optional<K> {
    type Value = Option<K::Value>;

    fn name(&self) -> String {
        format!("{} or `none`", self.0.name())
    }

    fn read(&self, written: &Written) -> Result<Option<K::Value>, Wrong> {
        match written {
            Written::Words(text) | Written::Text(text) if text == "none" => Ok(None),
            other => self.0.read(other).map(Some),
        }
    }

    fn show(&self, value: &Option<K::Value>) -> String {
        value
            .as_ref()
            .map_or_else(|| quoted("none"), |value| self.0.show(value))
    }
}

/// A list of texts, each of which means something.
pub(super) struct List<T: 'static> {
    /// What one of them is, for the reference.
    pub(super) of: &'static str,
    /// What one means, or what is wrong with it.
    pub(super) read: fn(&str) -> Result<T, String>,
    /// How one is written.
    pub(super) show: fn(&T) -> String,
}

impl<T> List<T> {
    /// What stands in a variable or a flag: a TOML list, or texts between commas.
    fn texts_of(words: &str) -> Option<Vec<String>> {
        if !words.trim_start().starts_with('[') {
            return Some(
                words
                    .split(',')
                    .map(|text| text.trim().to_owned())
                    .collect(),
            );
        }
        let list: toml::Table = toml::from_str(&format!("list = {words}")).ok()?;
        let list = list.get("list")?.as_array()?;
        list.iter()
            .map(|text| text.as_str().map(ToOwned::to_owned))
            .collect()
    }
}

impl<T> Kind for List<T> {
    type Value = Vec<T>;

    fn name(&self) -> String {
        format!("list of {}", self.of)
    }

    fn read(&self, written: &Written) -> Result<Vec<T>, Wrong> {
        let advice = format!("write a list of {}: [\"…\", \"…\"]", self.of);
        let texts = match written {
            Written::Texts(texts) => texts.clone(),
            Written::Words(words) => Self::texts_of(words)
                .ok_or_else(|| Wrong::new("is not a list of texts", advice.clone()))?,
            other => {
                return Err(Wrong::new(format!("is {}", other.type_name()), advice));
            }
        };
        let mut values = Vec::with_capacity(texts.len());
        for text in &texts {
            if text.trim().is_empty() {
                return Err(Wrong::new("holds an empty text", advice));
            }
            values.push((self.read)(text).map_err(|what| Wrong::new(what, advice.clone()))?);
        }
        Ok(values)
    }

    fn show(&self, values: &Vec<T>) -> String {
        let texts: Vec<String> = values
            .iter()
            .map(|value| quoted(&(self.show)(value)))
            .collect();
        format!("[{}]", texts.join(", "))
    }
}
