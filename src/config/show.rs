//! The effective configuration as TOML, each value with its origin, secrets hidden.

use std::fmt::Write as _;

use super::Config;
use super::family::Family;
use super::fault::Origin;
use super::kind::quoted;
use super::layers::Slot;
use super::load::{Loaded, section};
use super::redact::redacted;
use super::settings::{API_KEY, Draft, LIMITS, RULE, SECTIONS, SERVICE, Setting, TOKEN_ISSUER};

impl Loaded {
    /// The configuration as a TOML file that means the same, secrets aside.
    pub fn show(&self) -> String {
        let draft = Draft::from(&self.config);
        let mut text = String::new();
        let top = SERVICE.iter().filter(|setting| !setting.key.contains('.'));
        self.show_settings(&mut text, top, &draft, Slot::Service);
        for section in SECTIONS {
            let _ = write!(text, "\n[{}]\n", section.name);
            let own = SERVICE
                .iter()
                .filter(|setting| section_of(setting.key) == section.name);
            self.show_settings(&mut text, own, &draft, Slot::Service);
        }
        text.push_str("\n[defaults]\n");
        self.show_settings(
            &mut text,
            LIMITS.iter(),
            &self.config.defaults,
            Slot::Default,
        );
        let Config {
            callers,
            policy,
            namespaces,
            ..
        } = &self.config;
        for (name, issuer) in &callers.jwt {
            self.show_section(&mut text, Family::Jwt, name, TOKEN_ISSUER, issuer);
        }
        for (name, key) in &callers.api_keys {
            self.show_section(&mut text, Family::ApiKeys, name, API_KEY, key);
        }
        for (name, issuer) in &callers.users {
            self.show_section(&mut text, Family::Users, name, TOKEN_ISSUER, issuer);
        }
        for (name, rule) in policy {
            self.show_section(&mut text, Family::Policy, name, RULE, rule);
        }
        for (name, limits) in namespaces {
            self.show_section(&mut text, Family::Namespaces, name.as_str(), LIMITS, limits);
        }
        text
    }

    /// How many settings differ from what is built in, or were set to it.
    pub fn settings_given(&self) -> usize {
        self.origins.len()
    }

    fn show_section<T: 'static>(
        &self,
        text: &mut String,
        family: Family,
        name: &str,
        settings: &[Setting<T>],
        target: &T,
    ) {
        let _ = write!(text, "\n[{}]\n", section(family, name));
        self.show_settings(text, settings.iter(), target, |key| {
            Slot::Named(family, name.to_owned(), key)
        });
    }

    fn show_settings<'s, T: 'static>(
        &self,
        text: &mut String,
        settings: impl Iterator<Item = &'s Setting<T>>,
        target: &T,
        slot: impl Fn(&'static str) -> Slot,
    ) {
        for setting in settings {
            let name = setting.key.rsplit('.').next().unwrap_or(setting.key);
            let mut value = (setting.show)(target);
            if setting.secret {
                value = quoted(&redacted(value.trim_matches(['"', '\''])));
            }
            let _ = write!(text, "{name} = {value}");
            if let Some(origin) = self.origin(&slot(setting.key)) {
                let _ = write!(text, "  # {origin}");
            }
            text.push('\n');
        }
    }

    /// Where a value came from, unless it is built in.
    fn origin(&self, slot: &Slot) -> Option<String> {
        match (self.origins.of(slot), slot) {
            (Origin::Default, Slot::Named(Family::Namespaces, _, key)) => {
                let inherited = self.origins.of(&Slot::Default(key));
                (inherited != Origin::Default).then(|| format!("[defaults], {inherited}"))
            }
            (Origin::Default, _) => None,
            (origin, _) => Some(origin.to_string()),
        }
    }
}

pub(super) fn section_of(key: &str) -> &str {
    key.split_once('.').map_or("", |(section, _)| section)
}
