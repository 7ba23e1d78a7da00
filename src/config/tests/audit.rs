//! The audit's settings, and the profiles.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::{faults, load, namespace};
use crate::audit::{EncryptionKeys, HashKey, Level, SigningKey};

#[test]
fn a_profile_tightens_what_nobody_set() {
    let loaded = load(
        "[namespaces.pci]\nprofile = \"pci\"\n[namespaces.aal2]\nprofile = \"aal2\"\n\
         [namespaces.aal3]\nprofile = \"aal3\"\nidle_ttl = \"5m\"\n[namespaces.plain]\n",
    )
    .unwrap();
    let spans = |name| {
        let limits = namespace(&loaded, name);
        [
            limits.idle_ttl,
            limits.idle_ttl_max,
            limits.max_lifetime,
            limits.max_lifetime_max,
        ]
        .map(|span| span.as_secs() / 60)
    };
    let (hour, day) = (60, 24 * 60);
    assert_eq!(spans("pci"), [15, 15, 12 * hour, 7 * day]);
    assert_eq!(spans("aal2"), [15, 60, 12 * hour, day]);
    assert_eq!(spans("aal3"), [5, 15, 12 * hour, 12 * hour]);
    assert_eq!(spans("plain"), [15, day, 12 * hour, 7 * day]);
    assert_eq!(
        loaded.config.defaults.idle_ttl_max,
        Duration::from_hours(24)
    );
}

#[test]
fn a_profile_refuses_what_somebody_set_laxer_all_at_once() {
    let told = faults(load(
        "[defaults]\nmax_lifetime_max = \"2d\"\n[namespaces.crm]\nprofile = \"aal3\"\n\
         idle_ttl = \"20m\"\nidle_ttl_max = \"1h\"\n[namespaces.erp]\nprofile = \"hipaa\"\naudit = \"on\"\n",
    ));
    let told: Vec<&str> = told.iter().map(String::as_str).collect();
    let advice = "or remove the profile";
    assert_eq!(
        told,
        [
            format!(
                "namespaces.crm.idle_ttl (tenure.toml:5): 20m is laxer than the profile \"aal3\" allows; set at most 15m, {advice}"
            ),
            format!(
                "namespaces.crm.idle_ttl_max (tenure.toml:6): 1h is laxer than the profile \"aal3\" allows; set at most 15m, {advice}"
            ),
            format!(
                "namespaces.crm.max_lifetime_max (tenure.toml:2): 2d is laxer than the profile \"aal3\" allows; set at most 12h, {advice}"
            ),
            format!(
                "namespaces.erp.audit (tenure.toml:9): is laxer than the profile \"hipaa\" allows; set \"required\", {advice}"
            ),
        ]
    );
    // For all namespaces, with one that goes its own way.
    let loaded =
        load("[defaults]\nprofile = \"pci\"\n[namespaces.own]\nprofile = \"none\"\n").unwrap();
    assert_eq!(loaded.config.defaults.idle_ttl_max, Duration::from_mins(15));
    assert_eq!(
        namespace(&loaded, "own").idle_ttl_max,
        Duration::from_hours(24)
    );
}

#[test]
fn hipaa_wants_everything_recorded() {
    let told = faults(load("[namespaces.erp]\nprofile = \"hipaa\"\n"));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("namespaces.erp.audit (built-in default): has to be recorded"));
    let text = "[audit]\nsink = \"file\"\ndirectory = \"/var/log/tenure\"\n[namespaces.erp]\nprofile = \"hipaa\"\n";
    let loaded = load(text).unwrap();
    assert_eq!(namespace(&loaded, "erp").audit, Level::Required);
    assert!(namespace(&loaded, "erp").encrypt_state);
    assert_eq!(loaded.config.defaults.audit, Level::On);
    // Elsewhere than in memory it takes a key that lasts.
    let redis = format!("{text}encrypt_state = true\n[store]\nurl = \"redis://127.0.0.1\"\n");
    let told = faults(load(&redis));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("the profile \"hipaa\", but there is no key"),
        "{told:?}"
    );
    let told = faults(load(&format!("{text}encrypt_state = false\n")));
    assert!(
        told[0].starts_with("namespaces.erp.encrypt_state (tenure.toml:6): is laxer"),
        "{told:?}"
    );
}

#[test]
fn half_an_audit_is_none() {
    let told = faults(load(
        "[audit]\nsink = \"file\"\n[defaults]\naudit = \"required\"\n",
    ));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("audit.directory (built-in default): is missing"));
    let told = faults(load(
        "[defaults]\naudit = \"required\"\n[namespaces.a]\n[namespaces.b]\naudit = \"required\"\n\
         [namespaces.c]\naudit = \"off\"\n",
    ));
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("defaults.audit (tenure.toml:2): has to be recorded"));
    assert!(told[1].starts_with("namespaces.b.audit (tenure.toml:5): has to be recorded"));
}

#[test]
fn keys_are_read_and_must_be_private() {
    let keys = tempfile::tempdir().unwrap();
    let path = |name: &str| keys.path().join(name);
    SigningKey::generate(&path("signing")).unwrap();
    EncryptionKeys::generate(&path("encryption")).unwrap();
    HashKey::generate(&path("hash")).unwrap();
    let text = |signing: &str| {
        let shown = |name: &str| path(name).display().to_string();
        format!(
            "[audit]\nsigning_key_file = {:?}\nencryption_key_file = {:?}\nhash_key_file = {:?}\n",
            shown(signing),
            shown("encryption"),
            shown("hash")
        )
    };
    load(&text("signing")).unwrap();
    fs::set_permissions(path("hash"), fs::Permissions::from_mode(0o640)).unwrap();
    let told = faults(load(&text("encryption")));
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("holds no Ed25519 private key"), "{told:?}");
    assert!(told[1].contains("(mode 0640); chmod 600"), "{told:?}");
    let secret = fs::read_to_string(path("encryption")).unwrap();
    let secret = secret.trim().split(':').next_back().unwrap();
    assert!(!told.iter().any(|fault| fault.contains(secret)));
}
