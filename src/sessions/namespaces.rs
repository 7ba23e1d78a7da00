//! Which namespaces there are, and what each allows.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::RwLock;

use crate::audit::Level;
use crate::session::limits::Limits;
use crate::session::names::{BadName, NamespaceName};
use crate::store::Namespace;

/// The namespaces of the configuration, and those that were used without being listed there.
#[derive(Debug)]
pub struct Namespaces {
    defaults: Limits,
    strict: bool,
    listed: BTreeSet<NamespaceName>,
    known: RwLock<HashMap<NamespaceName, Arc<Namespace>>>,
}

impl Namespaces {
    /// How many namespaces that the configuration does not list are kept in mind. Beyond, each call gets
    /// a copy of its own: slower, never wrong.
    const UNLISTED_KEPT: usize = 10_000;

    /// The namespaces of the configuration. Others take the defaults, or with `strict` do not exist.
    pub fn new(
        defaults: Limits,
        listed: impl IntoIterator<Item = (NamespaceName, Limits)>,
        strict: bool,
    ) -> Namespaces {
        let known: HashMap<_, _> = listed
            .into_iter()
            .map(|(name, limits)| {
                let namespace = Namespace {
                    name: name.clone(),
                    limits,
                };
                (name, Arc::new(namespace))
            })
            .collect();
        Namespaces {
            defaults,
            strict,
            listed: known.keys().cloned().collect(),
            known: RwLock::new(known),
        }
    }

    /// Whether what is asked of a namespace of this name is recorded, also if there is no such namespace.
    pub fn audit_level(&self, name: &str) -> Level {
        let known = self.known.read();
        known
            .get(name)
            .map_or(self.defaults.audit, |namespace| namespace.limits.audit)
    }

    /// Those that the configuration lists.
    pub fn listed(&self) -> &BTreeSet<NamespaceName> {
        &self.listed
    }

    /// The namespace of this name, unless it has to be listed and is not.
    pub fn find(&self, name: &str) -> Result<Option<Arc<Namespace>>, BadName> {
        if let Some(namespace) = self.known.read().get(name) {
            return Ok(Some(Arc::clone(namespace)));
        }
        let name = NamespaceName::new(name)?;
        if self.strict {
            return Ok(None);
        }
        let namespace = Arc::new(Namespace {
            name: name.clone(),
            limits: self.defaults.clone(),
        });
        let mut known = self.known.write();
        if known.len() < Self::UNLISTED_KEPT {
            known.insert(name, Arc::clone(&namespace));
        }
        Ok(Some(namespace))
    }
}
