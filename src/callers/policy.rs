//! What callers may do. What no rule allows is denied.

use crate::call::{Caller, Pattern, Right, Rights};
use crate::config::Rule;

mod words;

pub use words::{Answer, ask, explain, warnings};

/// What a call asks for.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// What is to be done.
    pub right: Right,
    /// For whom.
    pub tenants: Tenants<'a>,
}

/// Whose data a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tenants<'a> {
    /// One tenant's.
    One(&'a str),
    /// Any tenant's.
    All,
}

/// The rules.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    rules: Vec<(String, Rule, Rights)>,
}

impl Policy {
    /// The rules of the configuration.
    pub fn new(rules: &[(String, Rule)]) -> Policy {
        let rules = rules.iter().map(|(name, rule)| {
            let granted = rule.allow.iter().map(|grant| grant.rights);
            let rights = granted.fold(Rights::default(), Rights::and);
            (name.clone(), rule.clone(), rights)
        });
        Policy {
            rules: rules.collect(),
        }
    }

    /// The name of a rule that allows it, if one does. One rule has to allow all of it: rights here and a
    /// tenant there do not add up.
    ///
    /// No namespace means every namespace.
    pub fn rule_for(
        &self,
        caller: &str,
        namespace: Option<&str>,
        access: Access<'_>,
    ) -> Option<&str> {
        self.rules
            .iter()
            .find(|(_, rule, rights)| {
                rights.contains(access.right)
                    && match namespace {
                        Some(namespace) => any(&rule.namespaces, namespace),
                        None => rule.namespaces.iter().any(Pattern::is_everything),
                    }
                    && covers(&rule.tenants, access.tenants)
                    && any(&rule.callers, caller)
            })
            .map(|(name, _, _)| name.as_str())
    }

    /// Whether the caller may.
    pub fn allows(&self, caller: &Caller, namespace: &str, access: Access<'_>) -> bool {
        match caller {
            Caller::Local => true,
            Caller::Authenticated { name, .. } => {
                self.rule_for(name, Some(namespace), access).is_some()
            }
        }
    }

    /// Whether the caller may in every namespace.
    pub fn allows_everywhere(&self, caller: &Caller, access: Access<'_>) -> bool {
        match caller {
            Caller::Local => true,
            Caller::Authenticated { name, .. } => self.rule_for(name, None, access).is_some(),
        }
    }

    /// The rules that allow the caller to do it, wherever and for whomever.
    pub fn rules_somewhere(
        &self,
        caller: &str,
        right: Right,
    ) -> impl Iterator<Item = (&str, &Rule)> {
        self.rules
            .iter()
            .filter(move |(_, rule, rights)| rights.contains(right) && any(&rule.callers, caller))
            .map(|(name, rule, _)| (name.as_str(), rule))
    }
}

fn any(patterns: &[Pattern], text: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(text))
}

fn covers(patterns: &[Pattern], tenants: Tenants<'_>) -> bool {
    match tenants {
        Tenants::One(tenant) => any(patterns, tenant),
        Tenants::All => patterns.iter().any(Pattern::is_everything),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{Operation, Role};
    use crate::config::Grant;

    fn rule(
        name: &str,
        callers: &str,
        role: Role,
        namespace: &str,
        tenant: &str,
    ) -> (String, Rule) {
        let granted = Rule {
            callers: vec![Pattern::of_callers(callers)],
            allow: vec![Grant {
                word: "role".to_owned(),
                rights: role.rights(),
            }],
            namespaces: vec![Pattern::of_names(namespace)],
            tenants: vec![Pattern::of_names(tenant)],
        };
        (name.to_owned(), granted)
    }

    fn get(tenant: &str) -> Access<'_> {
        Access {
            right: Right::Call(Operation::GetSession),
            tenants: Tenants::One(tenant),
        }
    }

    fn invalidate(tenants: Tenants<'_>) -> Access<'_> {
        Access {
            right: Right::InvalidateWide,
            tenants,
        }
    }

    #[test]
    fn what_no_rule_allows_is_denied() {
        let policy = Policy::new(&[
            rule("crm", "apikey:crm", Role::Server, "crm*", "*"),
            rule("acme", "apikey:acme", Role::Server, "*", "acme-*"),
        ]);
        assert_eq!(
            policy.rule_for("apikey:crm", Some("crm"), get("x")),
            Some("crm")
        );
        assert_eq!(
            policy.rule_for("apikey:crm", Some("crm2"), get("")),
            Some("crm")
        );
        assert_eq!(
            policy.rule_for("apikey:crm", Some("billing"), get("x")),
            None
        );
        assert_eq!(policy.rule_for("apikey:other", Some("crm"), get("x")), None);
        assert_eq!(
            policy.rule_for("apikey:acme", Some("crm"), get("acme-1")),
            Some("acme")
        );
        assert_eq!(
            policy.rule_for("apikey:acme", Some("crm"), get("beta")),
            None
        );
        assert_eq!(policy.rule_for("apikey:acme", Some("crm"), get("")), None);
        assert!(!Policy::default().allows(
            &Caller::Authenticated {
                means: crate::call::Means::ApiKey,
                name: "local".into(),
            },
            "crm",
            get("x")
        ));
        assert!(Policy::default().allows(&Caller::Local, "crm", get("x")));
    }

    #[test]
    fn rules_do_not_add_up() {
        let policy = Policy::new(&[
            rule("a", "apikey:x", Role::Server, "crm", "acme"),
            rule("b", "apikey:x", Role::Events, "billing", "beta"),
        ]);
        assert_eq!(policy.rule_for("apikey:x", Some("crm"), get("beta")), None);
        let wide = invalidate(Tenants::One("acme"));
        assert_eq!(policy.rule_for("apikey:x", Some("crm"), wide), None);
        assert_eq!(policy.rule_for("apikey:x", Some("billing"), wide), None);
        let wide = invalidate(Tenants::One("beta"));
        assert_eq!(
            policy.rule_for("apikey:x", Some("billing"), wide),
            Some("b")
        );
    }

    #[test]
    fn all_tenants_take_a_rule_for_all_tenants() {
        let policy = Policy::new(&[
            rule("some", "apikey:some", Role::Events, "*", "a*"),
            rule("all", "apikey:all", Role::Events, "*", "*"),
        ]);
        let everybody = invalidate(Tenants::All);
        assert_eq!(policy.rule_for("apikey:some", Some("crm"), everybody), None);
        assert_eq!(
            policy.rule_for("apikey:all", Some("crm"), everybody),
            Some("all")
        );
    }
}
