//! The policy in words, for `tenure config check` and `tenure policy test`.

use std::fmt::Write as _;

use super::{Access, Policy, Tenants};
use crate::call::{Operation, Pattern, Right, Rights};
use crate::config::{Callers, CertificateNames, Config, Rule};

/// Who can prove who they are, what each rule allows, and what deserves a second look.
pub fn explain(config: &Config) -> String {
    let Config {
        callers, policy, ..
    } = config;
    let mut text = String::new();
    if callers.authenticate() {
        let _ = writeln!(text, "callers: known by {}", means(callers).join(", "));
        for (name, rule) in policy {
            sentence(&mut text, name, rule);
        }
        let _ = writeln!(text, "policy: everything else is denied");
    } else {
        let reach = if config.grpc.listen.ip().is_loopback() {
            "from this machine"
        } else {
            "from anywhere (grpc.insecure)"
        };
        let _ = writeln!(
            text,
            "callers: not authenticated; whoever reaches {} {reach} may do everything",
            config.grpc.listen
        );
    }
    for (name, limits) in &config.namespaces {
        if !limits.owner_proof.is_empty() {
            let _ = writeln!(
                text,
                "namespace {}: owners are proved by tokens of {}",
                name.as_str(),
                limits.owner_proof.join(", ")
            );
        }
    }
    for warning in warnings(config) {
        let _ = writeln!(text, "look again: {warning}");
    }
    text
}

/// Whether a caller may do something, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It may.
    Yes(String),
    /// It may not.
    No(String),
}

/// Asks the policy of a configuration. No namespace, no tenant: all of them.
pub fn ask(
    config: &Config,
    caller: &str,
    right: Right,
    namespace: Option<&str>,
    tenant: Option<&str>,
) -> Answer {
    if !config.callers.authenticate() {
        let why = "callers are not authenticated, so everybody may do everything";
        return Answer::Yes(why.to_owned());
    }
    let policy = Policy::new(&config.policy);
    let tenants = tenant.map_or(Tenants::All, Tenants::One);
    if let Some(rule) = policy.rule_for(caller, namespace, Access { right, tenants }) {
        return Answer::Yes(format!("policy {rule} allows it"));
    }
    let near: Vec<String> = policy
        .rules_somewhere(caller, right)
        .map(|(name, rule)| {
            format!(
                "policy {name} allows it in {} for {}",
                scope(&rule.namespaces, "namespace"),
                scope(&rule.tenants, "tenant")
            )
        })
        .collect();
    Answer::No(if near.is_empty() {
        format!("no rule allows {} to {caller}", right.name())
    } else {
        format!("only {}", near.join(", and "))
    })
}

fn means(callers: &Callers) -> Vec<String> {
    let mut means = Vec::new();
    match callers.certificates {
        CertificateNames::Off => {}
        CertificateNames::Spiffe => means.push("SPIFFE id (spiffe://…)".to_owned()),
        CertificateNames::Subject => means.push("certificate subject (subject:…)".to_owned()),
    }
    for (name, issuer) in &callers.jwt {
        means.push(format!("token of {} (jwt:{name}:SUBJECT)", issuer.issuer));
    }
    if !callers.api_keys.is_empty() {
        let names: Vec<&str> = callers.api_keys.iter().map(|(name, _)| &**name).collect();
        means.push(format!("API key (apikey:{})", names.join(", apikey:")));
    }
    means
}

fn sentence(text: &mut String, name: &str, rule: &Rule) {
    let words: Vec<&str> = rule.allow.iter().map(|grant| &*grant.word).collect();
    let rights = rights(rule);
    let names: Vec<&str> = rights.iter().map(Right::name).collect();
    let _ = writeln!(
        text,
        "policy {name}: {} may act as {} in {} for {}\n  that is: {}",
        listed(&rule.callers),
        words.join(", "),
        scope(&rule.namespaces, "namespace"),
        scope(&rule.tenants, "tenant"),
        names.join(", "),
    );
}

fn rights(rule: &Rule) -> Rights {
    let granted = rule.allow.iter().map(|grant| grant.rights);
    granted.fold(Rights::default(), Rights::and)
}

fn listed(patterns: &[Pattern]) -> String {
    let texts: Vec<&str> = patterns.iter().map(Pattern::as_str).collect();
    texts.join(", ")
}

fn scope(patterns: &[Pattern], what: &str) -> String {
    if patterns.iter().any(Pattern::is_everything) {
        return format!("every {what}");
    }
    let plural = if patterns.len() == 1 { "" } else { "s" };
    format!("{what}{plural} {}", listed(patterns))
}

/// What deserves a second look, although it is no fault.
pub fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    for (name, rule) in &config.policy {
        if rule.callers.iter().any(Pattern::is_everything) {
            warnings.push(format!("policy {name} is for every caller there is"));
        }
        let rights = rights(rule);
        let invalidates = rights.contains(Right::InvalidateWide);
        if invalidates && !rights.contains(Right::Call(Operation::InvalidateSessions)) {
            warnings.push(format!(
                "policy {name} allows InvalidateWide without InvalidateSessions: single sessions and owners stay out of reach"
            ));
        }
        let everywhere = rule.namespaces.iter().any(Pattern::is_everything);
        let secrets = rights.contains(Right::Call(Operation::GetCredential));
        if everywhere && secrets {
            warnings.push(format!(
                "policy {name} allows to read credentials in every namespace"
            ));
        }
    }
    let bearer = !config.callers.jwt.is_empty() || !config.callers.api_keys.is_empty();
    if bearer && config.grpc.tls.is_none() && !config.grpc.listen.ip().is_loopback() {
        warnings.push(
            "tokens and API keys arrive in the clear: set grpc.tls_cert and grpc.tls_key, unless something in front \
             of this port does TLS"
                .to_owned(),
        );
    }
    if config.callers.authenticate() && config.grpc.insecure {
        warnings.push("grpc.insecure means nothing here: callers are authenticated".to_owned());
    }
    warnings
}

#[cfg(test)]
mod tests;
