//! From the sources to a configuration that is sound.

use std::collections::BTreeMap;

use super::Config;
use super::check::check;
use super::fault::{Fault, Faults, Origin};
use super::kind::quoted;
use super::layers::{Given, Layers, Slot, Sources};
use super::settings::{Draft, LIMITS, SERVICE, Setting};
use crate::session::limits::Limits;
use crate::session::names::NamespaceName;

/// A sound configuration, and where each of its values came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    pub(super) origins: Origins,
}

/// Where values came from.
#[derive(Clone, Debug, Default)]
pub(super) struct Origins(BTreeMap<Slot, Origin>);

impl Origins {
    /// Where a setting's value came from.
    pub(super) fn of(&self, slot: &Slot) -> Origin {
        self.0.get(slot).cloned().unwrap_or(Origin::Default)
    }

    /// Whether anybody set it.
    pub(super) fn is_set(&self, slot: &Slot) -> bool {
        self.0.contains_key(slot)
    }

    /// How many were set, by origin without its details.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Slot {
    /// The whole key.
    pub(super) fn key(&self) -> String {
        match self {
            Slot::Service(key) => (*key).to_owned(),
            Slot::Default(key) => format!("defaults.{key}"),
            Slot::Namespace(name, key) => {
                // As TOML needs it: a dot in a name would be a level.
                let name = if name.contains('.') {
                    quoted(name)
                } else {
                    name.clone()
                };
                format!("namespaces.{name}.{key}")
            }
        }
    }
}

impl Config {
    /// Lays the sources over one another and checks the result.
    ///
    /// # Errors
    /// All faults at once.
    pub fn load(sources: &Sources) -> Result<Loaded, Faults> {
        let layers = Layers::of(sources);
        let mut reading = Reading {
            given: layers.given,
            origins: Origins::default(),
            faults: layers.faults,
        };
        let mut draft = Draft::default();
        reading.take(SERVICE, &mut draft, Slot::Service);
        reading.take(LIMITS, &mut draft.config.defaults, Slot::Default);
        for name in layers.namespaces.keys() {
            let mut limits: Limits = draft.config.defaults.clone();
            reading.take(LIMITS, &mut limits, |key| {
                Slot::Namespace(name.clone(), key)
            });
            if let Ok(name) = NamespaceName::new(name) {
                draft.config.namespaces.push((name, limits));
            }
        }
        let Reading {
            origins,
            mut faults,
            ..
        } = reading;
        if !layers.file_is_broken {
            check(&mut draft, &origins, &mut faults);
        }
        if !faults.is_empty() {
            return Err(Faults(faults));
        }
        Ok(Loaded {
            config: draft.config,
            origins,
        })
    }
}

struct Reading {
    given: BTreeMap<Slot, Given>,
    origins: Origins,
    faults: Vec<Fault>,
}

impl Reading {
    fn take<T>(
        &mut self,
        settings: &[Setting<T>],
        target: &mut T,
        slot: impl Fn(&'static str) -> Slot,
    ) {
        for setting in settings {
            let slot = slot(setting.key);
            let Some(given) = self.given.get(&slot) else {
                continue;
            };
            if let Err(wrong) = (setting.read)(target, &given.written) {
                self.faults.push(Fault {
                    key: slot.key(),
                    origin: given.origin.clone(),
                    wrong: wrong.what,
                    advice: wrong.advice,
                });
            }
            // Also of a bad value: what is checked against it would only repeat the fault.
            self.origins.0.insert(slot, given.origin.clone());
        }
    }
}
