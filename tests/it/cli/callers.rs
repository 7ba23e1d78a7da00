//! Keys and policies from a shell.

use std::fs;

use serde_json::Value;

use super::{Ended, tenure};

#[test]
fn a_key_is_made_and_the_policy_asked() {
    let made = Ended::of(&mut tenure(&["apikey", "new", "-o", "json"])).data();
    let (key, hash) = (text(&made["key"]), text(&made["hash"]));
    assert!(key.starts_with("tnr_") && hash.starts_with("sha256:"));
    let again = Ended::of(&mut tenure(&["apikey", "new"]));
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(again.stdout.contains("tnr_") && !again.stdout.contains(&key));
    assert!(again.stderr.contains("[callers.apikey.NAME]"), "{again:?}");

    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("tenure.toml");
    let rules = "[policy.servers]\ncallers = [\"apikey:crm\"]\nallow = [\"server\"]\nnamespaces = [\"crm\"]\n";
    let config = format!("[callers.apikey.crm]\nhashes = [\"{hash}\"]\n{rules}");
    fs::write(&path, config).expect("written");
    let path = path.display().to_string();
    let ask = |rest: &[&str]| {
        let head = [
            "policy",
            "test",
            "--config",
            &path,
            "--caller",
            "apikey:crm",
        ];
        let ended = Ended::of(&mut tenure(&[&head[..], rest].concat()));
        assert_eq!(ended.stderr, "", "{ended:?}");
        (ended.code, ended.stdout)
    };
    assert_eq!(
        ask(&[
            "--rpc",
            "GetSession",
            "--namespace",
            "crm",
            "--tenant",
            "acme"
        ]),
        (Some(0), "yes: policy servers allows it\n".to_owned())
    );
    let (code, answer) = ask(&["--rpc", "GetSession"]);
    assert_eq!(code, Some(6));
    assert!(
        answer.starts_with("no: only policy servers allows it in namespace crm"),
        "{answer}"
    );
    let (code, answer) = ask(&["--rpc", "WatchSessions", "--namespace", "crm"]);
    assert_eq!(
        (code, &*answer),
        (Some(6), "no: no rule allows WatchSessions to apikey:crm\n")
    );

    let checked = Ended::of(&mut tenure(&["config", "check", "--config", &path]));
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(
        checked
            .stdout
            .contains("policy servers: apikey:crm may act as server in namespace crm")
    );

    let mut bad = tenure(&["policy", "test", "--caller", "x", "--rpc", "Everything"]);
    let bad = Ended::of(&mut bad);
    assert!(
        bad.code == Some(2) && bad.stderr.contains("InvalidateWide"),
        "{bad:?}"
    );
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
