//! Profiles: settings that nobody made are tightened, settings that somebody made laxer are faults.

use std::time::Duration;

use super::Checking;
use crate::audit::Level;
use crate::config::Config;
use crate::config::family::Family;
use crate::config::fault::Fault;
use crate::config::layers::Slot;
use crate::config::value::show_duration;
use crate::session::limits::{Limits, Profile};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// What a profile asks for.
struct Asked {
    name: &'static str,
    idle: Option<Duration>,
    lifetime: Option<Duration>,
    /// Whether everything has to be recorded and encrypted.
    guarded: bool,
}

fn asked(profile: Profile) -> Asked {
    let (name, idle, lifetime, guarded) = match profile {
        Profile::Pci => ("pci", Some(15 * MINUTE), None, false),
        Profile::Aal2 => ("aal2", Some(HOUR), Some(24 * HOUR), false),
        Profile::Aal3 => ("aal3", Some(15 * MINUTE), Some(12 * HOUR), false),
        Profile::Hipaa => ("hipaa", None, None, true),
    };
    Asked {
        name,
        idle,
        lifetime,
        guarded,
    }
}

impl Checking<'_> {
    pub(super) fn profiles(&mut self, config: &mut Config) {
        let keys = &config.keys;
        // What is only in memory may be sealed with a key that is.
        let has_key =
            keys.file.is_some() || keys.inline.is_some() || config.store.url.starts_with("memory:");
        self.profile(&mut config.defaults, Slot::Default, |_| false, has_key);
        for (name, limits) in &mut config.namespaces {
            let slot = |key| Slot::Named(Family::Namespaces, name.as_str().to_owned(), key);
            // What is inherited was set there.
            let origins = self.origins;
            let inherited = |key| origins.is_set(&Slot::Default(key));
            self.profile(limits, slot, inherited, has_key);
        }
    }

    fn profile(
        &mut self,
        limits: &mut Limits,
        slot: impl Fn(&'static str) -> Slot,
        inherited: impl Fn(&'static str) -> bool,
        has_key: bool,
    ) {
        let Some(profile) = limits.profile else {
            return;
        };
        let asked = asked(profile);
        let name = asked.name;
        let spans = [
            ("idle_ttl", &mut limits.idle_ttl, asked.idle),
            ("idle_ttl_max", &mut limits.idle_ttl_max, asked.idle),
            ("max_lifetime", &mut limits.max_lifetime, asked.lifetime),
            (
                "max_lifetime_max",
                &mut limits.max_lifetime_max,
                asked.lifetime,
            ),
        ];
        for (key, value, most) in spans {
            let Some(most) = most.filter(|most| *value > *most) else {
                continue;
            };
            let slot = slot(key);
            if !self.origins.is_set(&slot) && !inherited(key) {
                *value = most;
                continue;
            }
            self.lax(
                &slot,
                key,
                format!(
                    "{} is laxer than the profile \"{name}\" allows",
                    show_duration(*value)
                ),
                format!("set at most {}, or remove the profile", show_duration(most)),
            );
        }
        if asked.guarded {
            self.recorded(limits, &slot("audit"), inherited("audit"), name);
            let key = "encrypt_state";
            self.encrypted(limits, &slot(key), inherited(key), asked.name, has_key);
        }
    }

    fn recorded(&mut self, limits: &mut Limits, slot: &Slot, inherited: bool, name: &str) {
        if limits.audit == Level::Required {
            return;
        }
        if !self.origins.is_set(slot) && !inherited {
            limits.audit = Level::Required;
            return;
        }
        self.lax(
            slot,
            "audit",
            format!("is laxer than the profile \"{name}\" allows"),
            "set \"required\", or remove the profile".to_owned(),
        );
    }

    /// A fault of a setting that somebody made, here or for all namespaces.
    fn lax(&mut self, slot: &Slot, key: &'static str, wrong: String, advice: String) {
        if self.origins.is_set(slot) {
            return self.fault(slot, wrong, advice);
        }
        self.faults.push(Fault {
            key: slot.key(),
            origin: self.origins.of(&Slot::Default(key)),
            wrong,
            advice,
        });
    }

    /// State is sealed, and there is a key to do it with.
    fn encrypted(
        &mut self,
        limits: &mut Limits,
        slot: &Slot,
        inherited: bool,
        name: &str,
        has_key: bool,
    ) {
        if !limits.encrypt_state {
            if self.origins.is_set(slot) || inherited {
                return self.lax(
                    slot,
                    "encrypt_state",
                    format!("is laxer than the profile \"{name}\" allows"),
                    "set true, or remove the profile".to_owned(),
                );
            }
            limits.encrypt_state = true;
        }
        if !has_key {
            self.fault(
                slot,
                format!("is asked for by the profile \"{name}\", but there is no key"),
                "set keys.file; `tenure keys new` makes a key",
            );
        }
    }
}
