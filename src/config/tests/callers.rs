//! Callers and the policy: whole or not at all.

use std::fs;

use super::{Sources, environment, faults, file, flag, load};
use crate::call::{Operation, Right};
use crate::config::{Config, KeyHash, TokenAlgorithm};

const HASH: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const HASH_2: &str = "sha256:1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const HASH_3: &str = "sha256:2123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

const RULE: &str =
    "\n[policy.servers]\ncallers = [\"apikey:*\"]\nallow = [\"server\"]\nnamespaces = [\"crm\"]\n";

fn key() -> String {
    format!("[callers.apikey.crm]\nhashes = [\"{HASH}\"]\n")
}

fn issuer(more: &str) -> String {
    format!(
        "[callers.jwt.k8s]\nissuer = \"https://k\"\naudiences = [\"tenure\"]\n{more}\n\
         [policy.p]\ncallers = [\"jwt:k8s:**\"]\nallow = [\"server\"]\nnamespaces = [\"*\"]\n"
    )
}

/// The one fault of a configuration.
fn fault(text: &str) -> String {
    let mut all = faults(load(text));
    assert_eq!(all.len(), 1, "{text}: {all:#?}");
    all.remove(0)
}

#[test]
fn everything_can_be_said_in_a_file() {
    let text = format!(
        r#"
        [grpc]
        listen = "0.0.0.0:7070"
        [callers]
        jwks_refresh = "1m"
        [callers.jwt.k8s]
        issuer = "https://kubernetes.default.svc"
        audiences = ["tenure", "tenure.mcp.svc"]
        algorithms = ["RS256", "EdDSA"]
        jwks_url = "https://kubernetes.default.svc/openid/v1/jwks"
        leeway = "1m"
        [callers.apikey.crm]
        hashes = ["{HASH}", "{HASH_2}"]
        [callers.users.okta]
        issuer = "https://acme.okta.example"
        audiences = ["api"]
        jwks_url = "http://127.0.0.1:1/keys"
        [policy.servers]
        callers = ["jwt:k8s:system:serviceaccount:mcp:*", "apikey:crm"]
        allow = ["server", "credentials", "WatchSessions"]
        namespaces = ["crm"]
        tenants = ["acme-*"]
        [namespaces.crm]
        owner_proof = ["okta"]
        "#
    );
    let loaded = load(&text).unwrap();
    let callers = &loaded.config.callers;
    let (name, jwt) = &callers.jwt[0];
    assert_eq!((&**name, jwt.audiences.len()), ("k8s", 2));
    assert_eq!(
        jwt.algorithms,
        [TokenAlgorithm::Rs256, TokenAlgorithm::EdDsa]
    );
    assert_eq!(callers.api_keys[0].1.load().unwrap().len(), 2);
    let (_, rule) = &loaded.config.policy[0];
    assert!(rule.callers[0].matches("jwt:k8s:system:serviceaccount:mcp:crm"));
    assert!(
        rule.allow[1]
            .rights
            .contains(Right::Call(Operation::GetCredential))
    );
    assert_eq!(loaded.config.namespaces[0].1.owner_proof, ["okta"]);
    let shown = loaded.show();
    assert_eq!(load(&shown).unwrap().config, loaded.config, "{shown}");
}

#[test]
fn everything_can_be_said_in_variables_and_flags() {
    let loaded = Config::load(&Sources {
        file: Some(file("[callers.apikey.crm]\n")),
        environment: environment(&[
            ("TENURE_CALLERS__APIKEY__CRM__HASHES", HASH),
            ("TENURE_CALLERS__APIKEY__TWO__PARTS__HASHES", HASH_2),
            (
                "TENURE_POLICY__SERVERS__CALLERS",
                "apikey:crm, apikey:two__parts",
            ),
            (
                "TENURE_POLICY__SERVERS__ALLOW",
                "[\"server\", \"WatchSessions\"]",
            ),
        ]),
        flags: vec![flag("--set", "policy.servers.namespaces", "crm")],
    })
    .unwrap();
    let names: Vec<&str> = loaded
        .config
        .callers
        .api_keys
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["crm", "two__parts"]);
    let (_, rule) = &loaded.config.policy[0];
    assert_eq!((rule.callers.len(), rule.allow.len()), (2, 2));
    assert!(rule.tenants[0].is_everything(), "all of them by default");
}

#[test]
fn half_of_it_is_a_fault() {
    let url = "jwks_url = \"https://k/jwks\"";
    let table = [
        (key(), "policy (built-in default): is missing: callers are authenticated, but none"),
        (RULE.to_owned(), "policy (built-in default): has rules, but callers are not authenticated"),
        ("[callers]\ncertificates = \"spiffe\"\n[policy.p]\ncallers = [\"spiffe://a/b\"]\nallow = [\"server\"]\nnamespaces = [\"*\"]".to_owned(), "nobody is named who signs them"),
        (issuer(url).replace("issuer = \"https://k\"", ""), "callers.jwt.k8s.issuer (built-in default): is missing"),
        (issuer(url).replace("audiences = [\"tenure\"]", ""), "callers.jwt.k8s.audiences (built-in default): is missing"),
        (issuer(&format!("{url}\nalgorithms = []")), "no token could be accepted"),
        (issuer(""), "no signature could be checked"),
        (issuer("jwks_url = \"http://k/jwks\""), "in the clear"),
        (issuer("jwks_url = \"ftp://k/jwks\""), "is not an https: URL"),
        (issuer("jwks_url = \"https://u:secret@k/jwks\""), "holds a user or a password"),
        (issuer("jwks_file = \"/nowhere/keys\""), "/nowhere/keys cannot be read"),
        (issuer(&format!("{url}\njwks_file = \"/etc/hostname\"")), "is set beside jwks_url"),
        (issuer("jwks_file = \"/etc/hostname\"\njwks_ca = \"/etc/hostname\""), "no jwks_url says where"),
        (issuer(&format!("{url}\nalgorithms = [\"HS256\"]")), "\"HS256\", which is none of RS256"),
        (issuer(&format!("{url}\nalgorithms = [\"none\"]")), "\"none\", which is none of RS256"),
        (issuer(&format!("{url}\n[callers.jwt.other]\nissuer = \"https://k\"\naudiences = [\"a\"]\n{url}\n")), "is the issuer of k8s, too"),
        (format!("[callers.apikey.crm]\n{RULE}"), "the caller has no key"),
        (format!("[callers.apikey.crm]\nhashes = [\"{HASH}\", \"{HASH_2}\", \"{HASH_3}\"]\n{RULE}"), "holds 3 hashes; two keys may be in use"),
        (format!("{}[callers.apikey.b]\nhashes = [\"{HASH}\"]\n{RULE}", key()), "has already"),
        (key().replace(HASH, "tnr_abc") + RULE, "is not a hash as `tenure apikey new` prints it"),
        (key() + RULE + "[defaults]\nowner_proof = [\"okta\"]", "no section below callers.users"),
        (key() + RULE + "[callers.users.okta]\nissuer = \"i\"\naudiences = [\"a\"]\n" + url, "is in no namespace's owner_proof"),
        (key() + RULE + "[grpc]\ntls_client_optional = true", "none are asked for"),
    ];
    for (text, expected) in table {
        let fault = fault(&text);
        assert!(fault.contains(expected), "{text}: {fault}");
        assert!(!fault.contains("secret"), "{fault}");
    }
}

#[test]
fn a_rule_that_would_allow_nothing_is_a_fault() {
    let table = [
        (
            RULE.replace("callers = [\"apikey:*\"]", ""),
            "policy.servers.callers (built-in default): is missing",
        ),
        (
            RULE.replace("allow = [\"server\"]", ""),
            "policy.servers.allow (built-in default): is missing",
        ),
        (
            RULE.replace("namespaces = [\"crm\"]", ""),
            "policy.servers.namespaces (built-in default): is missing",
        ),
        (
            RULE.to_owned() + "tenants = []",
            "policy.servers.tenants (tenure.toml:8): is missing",
        ),
        (
            RULE.replace("\"server\"", "\"servers\""),
            "(did you mean \"server\"?)",
        ),
        (
            RULE.replace("\"server\"", "\"GetSesion\""),
            "(did you mean \"GetSession\"?)",
        ),
        (
            RULE.replace("apikey:*", "apikey:cmr"),
            "\"apikey:cmr\" matches nobody: the API keys are those of crm",
        ),
        (
            RULE.replace("apikey:*", "jwt:k8s:*"),
            "\"jwt:k8s:*\" matches nobody",
        ),
        (
            RULE.replace("apikey:*", "spiffe://prod/**"),
            "callers.certificates does not make such names",
        ),
        (
            RULE.replace("apikey:*", "crm"),
            "names begin with spiffe://",
        ),
        (
            RULE.replace("[\"apikey:*\"]", "\"apikey:*\""),
            "is a text; write a list of patterns",
        ),
        (
            RULE.replace("[\"apikey:*\"]", "[1]"),
            "is a list; write a list of patterns",
        ),
        (
            RULE.replace("[\"apikey:*\"]", "[\" \"]"),
            "holds an empty text",
        ),
        (
            RULE.replace("namespaces", "namespace"),
            "did you mean policy.servers.namespaces?",
        ),
    ];
    for (rule, expected) in table {
        let all = faults(load(&(key() + &rule)));
        assert!(
            all.iter().any(|fault| fault.contains(expected)),
            "{rule}: {all:#?}"
        );
    }
    let list = faults(load("[[policy]]\nname = \"a\""));
    assert!(list[0].contains("write [policy.NAME]"), "{list:?}");
    for everybody in ["**", "*:crm", "jwt:**", "ap*"] {
        load(&(key() + &RULE.replace("apikey:*", everybody)))
            .unwrap_or_else(|faults| panic!("{everybody}: {faults}"));
    }
}

#[test]
fn with_callers_the_port_may_be_reached_from_elsewhere() {
    let open = "[grpc]\nlisten = \"0.0.0.0:7070\"\n";
    load(&format!("{open}{}{RULE}", key())).unwrap();
    assert!(fault(open).contains("without caller authentication"));
    // Users' tokens name no caller.
    let users = "[callers.users.okta]\nissuer = \"i\"\naudiences = [\"a\"]\njwks_url = \"https://k/\"\n[defaults]\nowner_proof = [\"okta\"]\n";
    assert!(fault(&format!("{open}{users}")).contains("without caller authentication"));
}

#[test]
fn hashes_may_stand_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hashes");
    let text = format!(
        "[callers.apikey.crm]\nhash_file = \"{}\"\n{RULE}",
        path.display()
    );
    assert!(fault(&text).contains("cannot be read"));
    fs::write(&path, format!("# the old one\n{HASH}\n\n{HASH_2}\n")).unwrap();
    let loaded = load(&text).unwrap();
    let hashes = loaded.config.callers.api_keys[0].1.load().unwrap();
    assert_eq!(
        hashes,
        [
            KeyHash::parse(HASH).unwrap(),
            KeyHash::parse(HASH_2).unwrap()
        ]
    );
    fs::write(&path, "tnr_secret\n").unwrap();
    let fault = fault(&text);
    assert!(
        fault.contains("a line of it is no hash") && !fault.contains("secret"),
        "{fault}"
    );
}
