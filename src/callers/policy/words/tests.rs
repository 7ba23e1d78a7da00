//! What the policy says of itself.

use super::*;
use crate::config::{File, Sources};

const KEY: &str = "[callers.apikey.crm]\nhashes = [\"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"]\n";
const RULE: &str =
    "[policy.servers]\ncallers = [\"apikey:*\"]\nallow = [\"server\"]\nnamespaces = [\"crm\"]\n";

fn load(text: &str) -> Config {
    let file = File {
        path: "tenure.toml".to_owned(),
        text: text.to_owned(),
    };
    let sources = Sources {
        file: Some(file),
        ..Sources::default()
    };
    Config::load(&sources).expect("sound").config
}

#[test]
fn the_policy_is_told_in_words() {
    let config = load(&format!("{KEY}{RULE}"));
    let text = explain(&config);
    for line in [
        "callers: known by API key (apikey:crm)\n",
        "policy servers: apikey:* may act as server in namespace crm for every tenant\n",
        "  that is: CreateSession, GetSession,",
        "policy: everything else is denied\n",
    ] {
        assert!(text.contains(line), "{line:?} is not in:\n{text}");
    }
    assert!(!text.contains("look again"), "{text}");
    let open = explain(&Config::default());
    assert!(open.contains("not authenticated"), "{open}");
    let wide = KEY.to_owned()
        + "[grpc]\nlisten = \"0.0.0.0:1\"\n[policy.all]\ncallers = [\"**\"]\nallow = [\"credentials\", \"InvalidateWide\"]\nnamespaces = [\"*\"]";
    let text = explain(&load(&wide));
    assert_eq!(text.matches("look again: ").count(), 4, "{text}");
}

#[test]
fn the_policy_can_be_asked() {
    let config = load(&format!("{KEY}{RULE}"));
    let get = Right::Call(Operation::GetSession);
    let yes = |answer| matches!(answer, Answer::Yes(_));
    assert_eq!(
        ask(&config, "apikey:crm", get, Some("crm"), Some("acme")),
        Answer::Yes("policy servers allows it".to_owned())
    );
    assert!(yes(ask(&config, "apikey:crm", get, Some("crm"), None)));
    assert_eq!(
        ask(&config, "apikey:crm", get, Some("billing"), None),
        Answer::No("only policy servers allows it in namespace crm for every tenant".to_owned())
    );
    assert!(
        !yes(ask(&config, "apikey:crm", get, None, None)),
        "not in every namespace"
    );
    assert_eq!(
        ask(
            &config,
            "apikey:crm",
            Right::InvalidateWide,
            Some("crm"),
            None
        ),
        Answer::No("no rule allows InvalidateWide to apikey:crm".to_owned())
    );
    assert!(!yes(ask(&config, "local", get, Some("crm"), None)));
    assert!(yes(ask(
        &Config::default(),
        "local",
        get,
        Some("crm"),
        None
    )));
}
