//! Whether authentication is configured whole. Half of it would look like protection and be none.

use std::collections::BTreeMap;
use std::path::Path;

use http::Uri;

use super::Checking;
use crate::call::Pattern;
use crate::config::callers::{CertificateNames, TokenIssuer};
use crate::config::family::Family;
use crate::config::fault::{Fault, Origin};
use crate::config::layers::Slot;
use crate::config::settings::Draft;
use crate::config::{Callers, Config, KeyHash};

impl Checking<'_> {
    pub(super) fn callers(&mut self, config: &Config) {
        let client_ca = config
            .grpc
            .tls
            .as_ref()
            .is_some_and(|tls| tls.client_ca.is_some());
        let callers = &config.callers;
        if callers.certificates != CertificateNames::Off && !client_ca {
            self.service(
                "callers.certificates",
                "needs client certificates, but nobody is named who signs them",
                "set grpc.tls_cert, grpc.tls_key and grpc.tls_client_ca",
            );
        }
        for (family, issuers) in [(Family::Jwt, &callers.jwt), (Family::Users, &callers.users)] {
            let mut seen = BTreeMap::new();
            for (name, issuer) in issuers {
                self.issuer(family, name, issuer);
                let before = seen.insert(&issuer.issuer, name);
                if let Some(other) = before.filter(|_| !issuer.issuer.is_empty()) {
                    self.fault(
                        &Slot::Named(family, name.clone(), "issuer"),
                        format!("is the issuer of {other}, too"),
                        "one section per issuer; give it all audiences",
                    );
                }
            }
        }
        self.api_keys(callers);
        self.policy(config);
        self.owner_proof(config);
    }

    pub(super) fn client_optional(&mut self, draft: &Draft) {
        if !draft.tls_client_optional {
            return;
        }
        let callers = &draft.config.callers;
        let (wrong, advice) = if draft.tls_client_ca.is_none() {
            (
                "speaks of clients' certificates, but none are asked for",
                "set grpc.tls_client_ca, or remove it",
            )
        } else if callers.jwt.is_empty() && callers.api_keys.is_empty() {
            (
                "lets clients in without a certificate, but they have no other way to prove who they are",
                "configure callers.jwt or callers.apikey, or remove it",
            )
        } else {
            return;
        };
        self.service("grpc.tls_client_optional", wrong, advice);
    }

    fn issuer(&mut self, family: Family, name: &str, issuer: &TokenIssuer) {
        let slot = |key| Slot::Named(family, name.to_owned(), key);
        if issuer.issuer.is_empty() {
            self.fault(
                &slot("issuer"),
                "is missing: anybody's tokens would do",
                "set it to what the tokens have as `iss`",
            );
        }
        if issuer.audiences.is_empty() {
            self.fault(
                &slot("audiences"),
                "is missing: tokens meant for other services would do",
                "list what the tokens have as `aud` when they are meant for this service",
            );
        }
        if issuer.algorithms.is_empty() {
            self.fault(
                &slot("algorithms"),
                "is empty: no token could be accepted",
                "list what the issuer signs with, for instance [\"RS256\"]",
            );
        }
        match (&issuer.jwks_url, &issuer.jwks_file) {
            (None, None) => self.fault(
                &slot("jwks_url"),
                "is missing, and so is jwks_file: no signature could be checked",
                "set one of the two",
            ),
            (Some(_), Some(_)) => self.fault(
                &slot("jwks_file"),
                "is set beside jwks_url",
                "keep one of the two",
            ),
            (Some(url), None) => self.jwks_url(&slot("jwks_url"), url),
            (None, Some(path)) => self.readable(&slot("jwks_file"), path),
        }
        for (key, path) in [
            ("jwks_ca", &issuer.jwks_ca),
            ("jwks_token_file", &issuer.jwks_token_file),
        ] {
            let Some(path) = path else { continue };
            if issuer.jwks_url.is_none() {
                self.fault(
                    &slot(key),
                    "says how to fetch keys, but no jwks_url says where",
                    "set jwks_url, or remove it",
                );
            } else {
                self.readable(&slot(key), path);
            }
        }
    }

    fn jwks_url(&mut self, slot: &Slot, url: &str) {
        let uri = url.parse::<Uri>().ok();
        let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
        let loopback = matches!(host, "127.0.0.1" | "[::1]" | "localhost");
        let scheme = uri.as_ref().and_then(Uri::scheme_str);
        let has_user = uri
            .as_ref()
            .and_then(Uri::authority)
            .is_some_and(|authority| authority.as_str().contains('@'));
        match scheme {
            _ if has_user => self.fault(
                slot,
                "holds a user or a password",
                "put the token for the server into jwks_token_file",
            ),
            Some("https") => {}
            Some("http") if loopback => {}
            Some("http") => self.fault(
                slot,
                "would fetch keys in the clear: whoever is between could put in their own",
                "use https:",
            ),
            _ => self.fault(slot, "is not an https: URL", "write https://HOST/PATH"),
        }
    }

    fn readable(&mut self, slot: &Slot, path: &Path) {
        if let Err(error) = std::fs::read(path) {
            let shown = path.display();
            self.fault(
                slot,
                format!("{shown} cannot be read: {error}"),
                "mend the path or its permissions",
            );
        }
    }

    fn api_keys(&mut self, callers: &Callers) {
        let mut owners: BTreeMap<KeyHash, &str> = BTreeMap::new();
        for (name, key) in &callers.api_keys {
            let slot = |key| Slot::Named(Family::ApiKeys, name.clone(), key);
            let own = slot(if key.hash_file.is_some() {
                "hash_file"
            } else {
                "hashes"
            });
            if key.hash_file.is_some() && !key.hashes.is_empty() {
                self.fault(&own, "is set beside hashes", "keep one of the two");
                continue;
            }
            let hashes = match key.load() {
                Ok(hashes) => hashes,
                Err(wrong) => {
                    self.fault(&own, wrong, "`tenure apikey new` makes a key and its hash");
                    continue;
                }
            };
            for hash in hashes {
                if let Some(other) = owners.insert(hash, name) {
                    self.fault(
                        &own,
                        format!("holds a hash that {other} has already"),
                        "each key is one caller's, once",
                    );
                }
            }
        }
    }

    fn policy(&mut self, config: &Config) {
        match (config.callers.authenticate(), config.policy.is_empty()) {
            (true, true) => self.whole(
                "policy",
                "is missing: callers are authenticated, but none of them may do anything",
                "add a rule, for instance [policy.servers] with callers, allow and namespaces",
            ),
            (false, false) => self.whole(
                "policy",
                "has rules, but callers are not authenticated, so nobody would ask them",
                "configure callers (certificates, jwt or apikey), or remove the rules",
            ),
            _ => {}
        }
        for (name, rule) in &config.policy {
            let slot = |key| Slot::Named(Family::Policy, name.clone(), key);
            for (key, is_empty, advice) in [
                (
                    "callers",
                    rule.callers.is_empty(),
                    "name the callers it is for",
                ),
                ("allow", rule.allow.is_empty(), "name roles or RPCs"),
                (
                    "namespaces",
                    rule.namespaces.is_empty(),
                    "name the namespaces it is for; \"*\" for all",
                ),
                (
                    "tenants",
                    rule.tenants.is_empty(),
                    "name the tenants it is for, or leave it out for all",
                ),
            ] {
                if is_empty {
                    self.fault(
                        &slot(key),
                        "is missing: the rule would allow nothing",
                        advice,
                    );
                }
            }
            for pattern in &rule.callers {
                // Without any authentication the one fault about that is enough.
                let callers = &config.callers;
                if callers.authenticate()
                    && let Some(wrong) = unmatched(pattern, callers)
                {
                    self.fault(
                        &slot("callers"),
                        format!("{:?} {wrong}", pattern.as_str()),
                        "mend the pattern, or configure such callers",
                    );
                }
            }
        }
    }

    fn owner_proof(&mut self, config: &Config) {
        let known = |name: &String| config.callers.users.iter().any(|(own, _)| own == name);
        let sections = config.namespaces.iter().map(|(name, limits)| {
            let name = name.as_str().to_owned();
            (Slot::Named(Family::Namespaces, name, "owner_proof"), limits)
        });
        let all = [(Slot::Default("owner_proof"), &config.defaults)];
        let mut used = Vec::new();
        for (slot, limits) in all.into_iter().chain(sections) {
            used.extend(&limits.owner_proof);
            for name in limits.owner_proof.iter().filter(|name| !known(name)) {
                self.fault(
                    &slot,
                    format!("names {name:?}, which is no section below callers.users"),
                    format!("add [callers.users.{name}] with issuer, audiences and jwks_url"),
                );
            }
        }
        for (name, _) in &config.callers.users {
            if !used.contains(&name) {
                self.whole(
                    &format!("callers.users.{name}"),
                    "is in no namespace's owner_proof: no owner would be proved by it",
                    "add it to owner_proof of a namespace or of [defaults], or remove it",
                );
            }
        }
    }

    /// A fault of a whole section.
    fn whole(&mut self, key: &str, wrong: &str, advice: &str) {
        self.faults.push(Fault {
            key: key.to_owned(),
            origin: Origin::Default,
            wrong: wrong.to_owned(),
            advice: advice.to_owned(),
        });
    }
}

/// Why no caller could ever have a name that matches.
fn unmatched(pattern: &Pattern, callers: &Callers) -> Option<String> {
    let text = pattern.as_str();
    // What comes before the first `*` says which kind is meant.
    let fixed = &text[..text.find('*').unwrap_or(text.len())];
    let is_kind = |kind: &str| fixed.starts_with(kind) || kind.starts_with(fixed) && fixed != text;
    let certificates = [
        (CertificateNames::Spiffe, "spiffe://"),
        (CertificateNames::Subject, "subject:"),
    ];
    for (names, kind) in certificates {
        if fixed.starts_with(kind) && callers.certificates != names {
            return Some(
                "matches nobody: callers.certificates does not make such names".to_owned(),
            );
        }
    }
    if let Some(rest) = fixed.strip_prefix("jwt:") {
        let (name, known) = (rest.split(':').next().unwrap_or_default(), &callers.jwt);
        if rest.contains(':') || fixed == text {
            let found = known.iter().any(|(own, _)| own == name);
            return (!found || !text[4..].contains(':')).then(|| {
                format!("matches nobody: tokens make names like jwt:ISSUER:SUBJECT, and ISSUER is one of {}", listed(known))
            });
        }
    }
    if let (Some(name), true) = (fixed.strip_prefix("apikey:"), fixed == text) {
        let known = &callers.api_keys;
        let found = known.iter().any(|(own, _)| own == name);
        return (!found).then(|| {
            format!(
                "matches nobody: the API keys are those of {}",
                listed(known)
            )
        });
    }
    let kinds = ["spiffe://", "subject:", "jwt:", "apikey:"];
    (!kinds.into_iter().any(is_kind))
        .then(|| "matches nobody: names begin with spiffe://, subject:, jwt: or apikey:".to_owned())
}

fn listed<T>(sections: &[(String, T)]) -> String {
    if sections.is_empty() {
        return "nobody".to_owned();
    }
    let names: Vec<&str> = sections.iter().map(|(name, _)| name.as_str()).collect();
    names.join(", ")
}
