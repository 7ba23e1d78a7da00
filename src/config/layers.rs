//! The sources of the configuration, laid over one another.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::family::Family;
use super::fault::{Fault, Origin};
use super::settings::{LIMITS, SECTIONS, SERVICE};
use super::suggest::nearest;
use super::value::Written;
use crate::session::names::NamespaceName;

/// What there is to read. The environment is passed in, so that tests need no global one.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file.
    pub file: Option<File>,
    /// The environment: names and values. Names that are no settings are passed over.
    pub environment: Vec<(String, String)>,
    /// The flags, in the order in which they were given.
    pub flags: Vec<Flag>,
}

/// The configuration file.
#[derive(Clone, Debug)]
pub struct File {
    /// As it was named, for messages.
    pub path: String,
    /// What it holds.
    pub text: String,
}

/// A flag that stands for a setting.
#[derive(Clone, Debug)]
pub struct Flag {
    /// As it was written, for messages: `--listen`.
    pub name: String,
    /// The setting's key: `grpc.listen`.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// Which setting of which part.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slot {
    /// One of the service, by its whole key.
    Service(&'static str),
    /// One of `[defaults]`.
    Default(&'static str),
    /// One of a section that has a name of its own, like `[namespaces.NAME]`.
    Named(Family, String, &'static str),
}

/// A value and where it came from.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) written: Written,
    pub(super) origin: Origin,
}

/// All sources in one: of each setting what the highest one says.
#[derive(Debug, Default)]
pub(super) struct Layers {
    pub(super) given: BTreeMap<Slot, Given>,
    /// The sections with names of their own, each with the first place that names it: an empty section is
    /// one, too.
    pub(super) named: BTreeMap<(Family, String), Origin>,
    pub(super) faults: Vec<Fault>,
    /// Whether the file could not be read, so that nobody knows what it says.
    pub(super) file_is_broken: bool,
}

/// What stands at a path.
enum At {
    Setting(Slot),
    Section,
    Nothing,
}

fn look_up(path: &[&str]) -> At {
    for family in Family::ALL {
        let prefix = family.path();
        if prefix.starts_with(path) {
            return At::Section;
        }
        match path.strip_prefix(prefix) {
            Some([_]) => return At::Section,
            Some([name, key]) => {
                return family.setting(key).map_or(At::Nothing, |key| {
                    At::Setting(Slot::Named(family, (*name).to_owned(), key))
                });
            }
            _ => {}
        }
    }
    match path {
        ["defaults"] => At::Section,
        ["defaults", name] => LIMITS
            .iter()
            .find(|limit| limit.key == *name)
            .map_or(At::Nothing, |limit| At::Setting(Slot::Default(limit.key))),
        [name] if SECTIONS.iter().any(|section| section.name == *name) => At::Section,
        _ => {
            let key = path.join(".");
            let setting = SERVICE.iter().find(|setting| setting.key == key);
            setting.map_or(At::Nothing, |setting| {
                At::Setting(Slot::Service(setting.key))
            })
        }
    }
}

impl Layers {
    pub(super) fn of(sources: &Sources) -> Layers {
        let mut layers = Layers::default();
        if let Some(file) = &sources.file {
            layers.add_file(file);
        }
        for (name, value) in &sources.environment {
            layers.add_variable(name, value);
        }
        for flag in &sources.flags {
            layers.add_words(
                &split_key(&flag.key),
                &flag.value,
                Origin::Flag(flag.name.clone()),
            );
        }
        layers
    }

    fn add_file(&mut self, file: &File) {
        let (table, mut errors) = DeTable::parse_recoverable(&file.text);
        errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
        for error in &errors {
            let at = error.span().map_or(0, |span| span.start);
            self.faults.push(Fault {
                key: String::new(),
                origin: line_of(file, at),
                wrong: format!(
                    "not valid TOML: {}",
                    error.message().trim().replace('\n', ", ")
                ),
                advice: "mend the syntax".to_owned(),
            });
        }
        // What the parser makes of the rest is a guess, and faults in it would be guesses, too.
        self.file_is_broken = !errors.is_empty();
        if !self.file_is_broken {
            self.add_table(file, &mut Vec::new(), table.get_ref());
        }
    }

    fn add_table(&mut self, file: &File, path: &mut Vec<String>, table: &DeTable<'_>) {
        for (key, value) in table {
            path.push(key.get_ref().to_string());
            let origin = line_of(file, key.span().start);
            self.add_entry(file, path, value, origin);
            path.pop();
        }
    }

    fn add_entry(
        &mut self,
        file: &File,
        path: &mut Vec<String>,
        value: &Spanned<DeValue<'_>>,
        origin: Origin,
    ) {
        let segments: Vec<&str> = path.iter().map(String::as_str).collect();
        match (look_up(&segments), value.get_ref()) {
            (At::Section, DeValue::Table(table)) => {
                if let Some((family, name)) = Family::named_by(&segments) {
                    self.add_named(family, name, &origin);
                }
                self.add_table(file, path, table);
            }
            (At::Section, other) => self.faults.push(Fault {
                key: path.join("."),
                origin,
                wrong: format!("is a section, not {}", with_article(other.type_str())),
                advice: format!(
                    "write [{}] and its settings below it",
                    section_at(&segments)
                ),
            }),
            (At::Setting(slot), value) => {
                let written = written(value);
                self.given.insert(slot, Given { written, origin });
            }
            (At::Nothing, _) => self.unknown(&segments, origin),
        }
    }

    fn add_variable(&mut self, name: &str, value: &str) {
        // Kubernetes injects names like TENURE_PORT; only what has two underscores is meant for us.
        let Some(rest) = name.strip_prefix("TENURE_").filter(|_| name.contains("__")) else {
            return;
        };
        let lower = rest.to_ascii_lowercase();
        let path = lower.strip_prefix('_').unwrap_or(&lower).replace("__", ".");
        let origin = Origin::Variable(name.to_owned());
        let path = split_key(&path);
        // A name of a section may hold two underscores itself.
        let path: Vec<String> = path.iter().map(|part| part.replace('.', "__")).collect();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        self.add_words(&path, value, origin);
    }

    fn add_words(&mut self, path: &[&str], value: &str, origin: Origin) {
        match look_up(path) {
            At::Setting(slot) => {
                if let Slot::Named(family, name, _) = &slot {
                    self.add_named(*family, name, &origin);
                }
                let written = Written::Words(value.to_owned());
                self.given.insert(slot, Given { written, origin });
            }
            At::Section => self.faults.push(Fault {
                key: path.join("."),
                origin,
                wrong: "is a section, not a setting".to_owned(),
                advice: "name one of its settings; docs/SETTINGS.md lists them".to_owned(),
            }),
            At::Nothing => self.unknown(path, origin),
        }
    }

    fn add_named(&mut self, family: Family, name: &str, origin: &Origin) {
        let place = (family, name.to_owned());
        if self.named.contains_key(&place) {
            return;
        }
        if let Err(bad) = NamespaceName::new(name) {
            self.faults.push(Fault {
                key: format!("{}.{name}", family.path().join(".")),
                origin: origin.clone(),
                wrong: format!("{name:?} is no name of {}", family.what()),
                advice: format!("it {}", bad.0),
            });
        }
        self.named.insert(place, origin.clone());
    }

    fn unknown(&mut self, path: &[&str], origin: Origin) {
        self.faults.push(Fault {
            key: path.join("."),
            origin,
            wrong: "is not a setting".to_owned(),
            advice: nearest(path).map_or_else(
                || "remove it; docs/SETTINGS.md lists all settings".to_owned(),
                |known| format!("did you mean {known}?"),
            ),
        });
    }
}

/// A key's parts. The name of a section may hold dots, what comes after it never does.
fn split_key(key: &str) -> Vec<&str> {
    let parts: Vec<&str> = key.split('.').collect();
    for family in Family::ALL {
        let prefix = family.path();
        if parts.starts_with(prefix) && parts.len() > prefix.len() + 1 {
            let name_at: usize = prefix.iter().map(|part| part.len() + 1).sum();
            if let Some((name, setting)) = key[name_at..].rsplit_once('.') {
                return [prefix, &[name, setting]].concat();
            }
        }
    }
    parts
}

fn line_of(file: &File, at: usize) -> Origin {
    let before = file.text.get(..at).unwrap_or(&file.text);
    Origin::File {
        path: file.path.clone(),
        line: before.matches('\n').count() + 1,
    }
}

fn written(value: &DeValue<'_>) -> Written {
    match value {
        DeValue::String(text) => Written::Text(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => {
            Written::Integer(number.as_str().to_owned())
        }
        DeValue::Integer(_) => Written::Other("an integer that is not decimal"),
        DeValue::Boolean(value) => Written::Bool(*value),
        DeValue::Float(number) => Written::Fraction(number.as_str().to_owned()),
        DeValue::Datetime(_) => Written::Other("a date"),
        DeValue::Array(items) => texts(items).map_or(Written::Other("a list"), Written::Texts),
        DeValue::Table(_) => Written::Other("a section"),
    }
}

/// How a section is written: some need a name of their own.
fn section_at(path: &[&str]) -> String {
    let is_family = Family::ALL.iter().any(|family| family.path() == path);
    let name = if is_family { ".NAME" } else { "" };
    format!("{}{name}", path.join("."))
}

/// The items of a list, if all of them are texts.
fn texts(items: &[Spanned<DeValue<'_>>]) -> Option<Vec<String>> {
    items
        .iter()
        .map(|item| item.get_ref().as_str().map(ToOwned::to_owned))
        .collect()
}

fn with_article(name: &str) -> String {
    let article = if name.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {name}")
}
