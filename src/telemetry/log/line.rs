//! One line of the log: what a place in the code says, and of which call it says that.

use std::fmt::{Debug, Write as _};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level};
use tracing_subscriber::fmt::{self, format::Writer, time::FormatTime as _};

use crate::telemetry::call;
use crate::telemetry::trace::SpanContext;
use crate::visible;

/// A line.
pub(super) struct Line {
    pub(super) at: String,
    pub(super) level: Level,
    pub(super) target: String,
    /// What it says in words; some say all in fields.
    pub(super) message: Option<String>,
    /// What it says in fields, in the order in which they were written.
    pub(super) fields: Vec<(&'static str, Value)>,
    pub(super) trace: Option<Box<SpanContext>>,
}

impl Line {
    pub(super) fn of(event: &Event<'_>) -> Line {
        let metadata = event.metadata();
        let mut line = Line {
            at: timestamp(),
            level: *metadata.level(),
            target: metadata.target().to_owned(),
            message: None,
            fields: Vec::with_capacity(8),
            trace: None,
        };
        event.record(&mut line);
        call::look(|call| {
            line.trace.clone_from(&call.trace);
            line.add("rpc", call.rpc);
            line.add("correlation_id", &call.correlation_id);
        });
        line
    }

    /// Adds a field, unless the line says it by itself.
    fn add(&mut self, name: &'static str, value: &str) {
        if self.fields.iter().all(|(known, _)| *known != name) {
            self.fields.push((name, value.into()));
        }
    }

    /// The ids of the trace, as fields.
    fn trace_ids(&self) -> impl Iterator<Item = (&'static str, String)> {
        let ids = self.trace.as_ref().map(|trace| {
            [
                ("trace_id", trace.trace_id().to_string()),
                ("span_id", trace.span_id().to_string()),
            ]
        });
        ids.into_iter().flatten()
    }

    /// As one line of JSON.
    pub(super) fn to_json(&self) -> String {
        let mut object = Map::new();
        object.insert("timestamp".into(), self.at.clone().into());
        object.insert("level".into(), self.level.as_str().into());
        object.insert("target".into(), self.target.clone().into());
        if let Some(message) = &self.message {
            object.insert("message".into(), message.clone().into());
        }
        for (name, value) in &self.fields {
            object.insert((*name).into(), value.clone());
        }
        for (name, id) in self.trace_ids() {
            object.insert(name.into(), id.into());
        }
        visible::escaped(Value::Object(object).to_string()) + "\n"
    }

    /// As one line for people. Nothing that was said by somebody else can end it or colour it.
    pub(super) fn to_text(&self, colours: bool) -> String {
        let colour = match self.level {
            _ if !colours => "",
            Level::ERROR => "\x1b[31m",
            Level::WARN => "\x1b[33m",
            Level::INFO => "\x1b[32m",
            _ => "\x1b[34m",
        };
        let plain = if colours { "\x1b[0m" } else { "" };
        let mut text = String::with_capacity(256);
        // Into a string: writing cannot fail, here and below.
        let _ = write!(
            text,
            "{} {colour}{:>5}{plain} {}:",
            self.at, self.level, self.target,
        );
        if let Some(message) = &self.message {
            text.push(' ');
            text.extend(
                message
                    .chars()
                    .map(|c| if visible::misleads(c) { ' ' } else { c }),
            );
        }
        for (name, value) in &self.fields {
            let _ = match value {
                Value::String(value) if is_plain(value) => write!(text, " {name}={value}"),
                value => write!(text, " {name}={}", visible::escaped(value.to_string())),
            };
        }
        for (name, id) in self.trace_ids() {
            let _ = write!(text, " {name}={id}");
        }
        text.push('\n');
        text
    }

    fn take(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(message)) => self.message = Some(message),
            // What comes by way of the crate `log` says in these where it is from.
            ("log.target", Value::String(target)) => self.target = target,
            ("log.module_path" | "log.file" | "log.line", _) => {}
            (name, value) => self.fields.push((name, value)),
        }
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.take(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.take(field, format!("{value:?}").into());
    }
}

/// The time now, as RFC 3339 in UTC, to the microsecond.
fn timestamp() -> String {
    let mut text = String::with_capacity(27);
    // It fails only for times that no clock shows.
    let _ = fmt::time::SystemTime.format_time(&mut Writer::new(&mut text));
    text
}

/// Whether a text can stand without quotes.
fn is_plain(text: &str) -> bool {
    let is_odd =
        |c: char| visible::misleads(c) || c.is_whitespace() || matches!(c, '"' | '\\' | '=');
    !text.is_empty() && !text.contains(is_odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_can_write_a_line_of_their_own() {
        let line = Line {
            at: timestamp(),
            level: Level::WARN,
            target: "tenure".to_owned(),
            message: Some("one\ntwo\x1b[31m\u{202E}".to_owned()),
            fields: vec![
                ("a", "x\n2026-01-01 INFO forged".into()),
                ("b", 7.into()),
                ("c", "plain".into()),
                ("d", "ada\u{202E}nimda\u{2028}".into()),
            ],
            trace: None,
        };
        for text in [line.to_text(false), line.to_json()] {
            assert_eq!(text.matches('\n').count(), 1, "{text}");
            let misleading = text.trim_end_matches('\n').contains(visible::misleads);
            assert!(text.ends_with('\n') && !misleading, "{text}");
        }
        assert!(line.to_text(false).contains(
            " a=\"x\\n2026-01-01 INFO forged\" b=7 c=plain d=\"ada\\u202enimda\\u2028\""
        ));
        let object: Value = serde_json::from_str(&line.to_json()).expect("JSON");
        assert_eq!(object["b"], 7);
        assert_eq!(object["level"], "WARN");
    }
}
