//! Whether the audit can be what the namespaces want it to be.

use std::path::Path;

use super::Checking;
use crate::audit::{EncryptionKeys, Fault, HashKey, Level, SigningKey, Sink};
use crate::config::Config;
use crate::config::family::Family;
use crate::config::layers::Slot;

impl Checking<'_> {
    pub(super) fn audit(&mut self, config: &Config) {
        let audit = &config.audit;
        if audit.sink == Sink::File && audit.directory.is_none() {
            self.service(
                "audit.directory",
                "is missing: audit.sink is \"file\"",
                "name a directory that only this instance writes to",
            );
        }
        if audit.sink == Sink::Off {
            self.recorded_nowhere(config);
        }
        self.audit_key(
            "audit.signing_key_file",
            audit.signing_key_file.as_deref(),
            |path| SigningKey::read(path).map(drop),
        );
        self.audit_key(
            "audit.encryption_key_file",
            audit.encryption_key_file.as_deref(),
            |path| EncryptionKeys::read(path).map(drop),
        );
        self.audit_key(
            "audit.hash_key_file",
            audit.hash_key_file.as_deref(),
            |path| HashKey::read(path).map(drop),
        );
    }

    /// A namespace that does nothing unrecorded, without anything to record it in.
    fn recorded_nowhere(&mut self, config: &Config) {
        let required = |level| level == Level::Required;
        let mut slots = Vec::new();
        if required(config.defaults.audit) {
            slots.push(Slot::Default("audit"));
        }
        for (name, limits) in &config.namespaces {
            let slot = Slot::Named(Family::Namespaces, name.as_str().to_owned(), "audit");
            // What is inherited is told once.
            if required(limits.audit)
                && (self.origins.is_set(&slot) || !required(config.defaults.audit))
            {
                slots.push(slot);
            }
        }
        for slot in slots {
            self.fault(
                &slot,
                "has to be recorded, but there is nothing to write it to",
                "set audit.sink and audit.directory",
            );
        }
    }

    fn audit_key(
        &mut self,
        key: &'static str,
        path: Option<&Path>,
        read: impl FnOnce(&Path) -> Result<(), Fault>,
    ) {
        let Some(path) = path else { return };
        if !self.is_private(key, path) {
            return;
        }
        if let Err(fault) = read(path) {
            let advice = "`tenure audit keygen` makes one";
            self.service(key, fault.to_string(), advice);
        }
    }
}
