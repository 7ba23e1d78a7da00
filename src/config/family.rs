//! Sections that come with names of their own: one for each namespace, issuer, key, rule.

use super::settings::{API_KEY, LIMITS, RULE, Setting, TOKEN_ISSUER};

/// A kind of such sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    /// `[callers.jwt.NAME]`
    Jwt,
    /// `[callers.apikey.NAME]`
    ApiKeys,
    /// `[callers.users.NAME]`
    Users,
    /// `[policy.NAME]`
    Policy,
    /// `[namespaces.NAME]`
    Namespaces,
}

impl Family {
    pub(super) const ALL: [Family; 5] = [
        Family::Jwt,
        Family::ApiKeys,
        Family::Users,
        Family::Policy,
        Family::Namespaces,
    ];

    /// What stands before the name.
    pub(super) fn path(self) -> &'static [&'static str] {
        match self {
            Family::Jwt => &["callers", "jwt"],
            Family::ApiKeys => &["callers", "apikey"],
            Family::Users => &["callers", "users"],
            Family::Policy => &["policy"],
            Family::Namespaces => &["namespaces"],
        }
    }

    /// What one of them is, for messages.
    pub(super) fn what(self) -> &'static str {
        match self {
            Family::Jwt | Family::Users => "an issuer of tokens",
            Family::ApiKeys => "a caller with API keys",
            Family::Policy => "a rule",
            Family::Namespaces => "a namespace",
        }
    }

    /// What it may say.
    pub(super) fn keys(self) -> Vec<&'static str> {
        fn keys<T>(settings: &[Setting<T>]) -> Vec<&'static str> {
            settings.iter().map(|setting| setting.key).collect()
        }
        match self {
            Family::Jwt | Family::Users => keys(TOKEN_ISSUER),
            Family::ApiKeys => keys(API_KEY),
            Family::Policy => keys(RULE),
            Family::Namespaces => keys(LIMITS),
        }
    }

    /// The setting of this name.
    pub(super) fn setting(self, name: &str) -> Option<&'static str> {
        self.keys().into_iter().find(|key| *key == name)
    }

    /// The section that a path names.
    pub(super) fn named_by<'a>(path: &[&'a str]) -> Option<(Family, &'a str)> {
        Family::ALL
            .into_iter()
            .find_map(|family| match path.strip_prefix(family.path()) {
                Some([name]) => Some((family, *name)),
                _ => None,
            })
    }
}
