//! From the sources to a configuration that is sound.

use std::collections::BTreeMap;

use super::Config;
use super::callers::{ApiKey, Rule, TokenIssuer};
use super::check::check;
use super::family::Family;
use super::fault::{Fault, Faults, Origin};
use super::kind::quoted;
use super::layers::{Given, Layers, Slot, Sources};
use super::settings::{API_KEY, Draft, LIMITS, RULE, SERVICE, Setting, TOKEN_ISSUER};
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
            Slot::Named(family, name, key) => format!("{}.{key}", section(*family, name)),
        }
    }
}

/// The key of a section with a name of its own.
pub(super) fn section(family: Family, name: &str) -> String {
    let path = family.path().join(".");
    // As TOML needs it: a dot in a name would be a level.
    if name.contains('.') {
        format!("{path}.{}", quoted(name))
    } else {
        format!("{path}.{name}")
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
        for (family, name) in layers.named.keys() {
            let (family, name) = (*family, name.clone());
            let slot = |key| Slot::Named(family, name.clone(), key);
            let config = &mut draft.config;
            match family {
                Family::Jwt => {
                    let issuer = reading.taken(TOKEN_ISSUER, TokenIssuer::default(), slot);
                    config.callers.jwt.push((name, issuer));
                }
                Family::Users => {
                    let issuer = reading.taken(TOKEN_ISSUER, TokenIssuer::default(), slot);
                    config.callers.users.push((name, issuer));
                }
                Family::ApiKeys => {
                    let key = reading.taken(API_KEY, ApiKey::default(), slot);
                    config.callers.api_keys.push((name, key));
                }
                Family::Policy => {
                    let rule = reading.taken(RULE, Rule::default(), slot);
                    config.policy.push((name, rule));
                }
                Family::Namespaces => {
                    let limits = reading.taken(LIMITS, config.defaults.clone(), slot);
                    if let Ok(name) = NamespaceName::new(&name) {
                        config.namespaces.push((name, limits));
                    }
                }
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
    fn taken<T>(
        &mut self,
        settings: &[Setting<T>],
        mut target: T,
        slot: impl Fn(&'static str) -> Slot,
    ) -> T {
        self.take(settings, &mut target, slot);
        target
    }

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
