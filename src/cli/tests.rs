//! What the parser takes, and how errors end.

use std::io;

use clap::{CommandFactory as _, Parser as _};
use tenure_client::{Code, parse_time};

use super::exit::{Exit, Usage};
use super::{Cli, output};
use crate::config::Faults;

fn parses(line: &str) -> Result<Cli, String> {
    let words = line.split(' ').filter(|word| !word.is_empty());
    Cli::try_parse_from(words).map_err(|error| error.to_string())
}

#[test]
fn the_declarations_are_sound() {
    Cli::command().debug_assert();
}

#[test]
fn what_the_documentation_shows_is_understood() {
    for line in [
        "tenure serve",
        "tenure serve --listen 127.0.0.1:0 --http 127.0.0.1:0 --store memory: --config tenure.toml --insecure",
        "tenure serve --set grpc.drain_grace=5s --set namespaces.crm.idle_ttl=1m",
        "tenure keys new --id 2026-11 --file keys --standby",
        "tenure keys rotate --server http://a:1",
        "tenure keys rewrap -o json",
        "tenure keys status",
        "tenure keys destroy -n crm --tenant acme --yes",
        "tenure config check --config tenure.toml",
        "tenure config show",
        "tenure audit verify /var/lib/tenure/audit --public-key audit.pub",
        "tenure audit verify a.jsonl b.jsonl --partial -o json",
        "tenure audit show /var/lib/tenure/audit --tenant acme --outcome denied --since 2026-07-28T00:00:00Z",
        "tenure audit show /var/lib/tenure/audit --session 67e55044-10b1-426f-9247-bb680e5fe0c8 -o json",
        "tenure audit keygen signing /etc/tenure/audit.pem",
        "tenure health",
        "tenure health --server https://a:1 --tls-ca ca.pem --timeout 1s",
        "tenure health --http a:1",
        "tenure completions bash",
        "tenure man session create",
        r#"tenure session create --namespace crm --tenant acme --user ada --conversation c1 --state {"a":1}"#,
        "tenure session create -n crm --user ada --state-file - --set a=[1] --label x --label y --idle-ttl 15m",
        "tenure session create -n crm --user ada --max-lifetime 1h30m --authenticated-at 2026-07-28T12:00:00Z",
        "tenure session create -n crm --user ada --mcp-initialize {} --mcp-initialized --mcp-log-level debug",
        "tenure session create -n crm --user ada --request-id 67e55044-10b1-426f-9247-bb680e5fe0c8",
        "tenure session get -n crm --user ada 0123456789abcdef -o json --peek --key a --key b",
        "tenure session update -n crm ID --set page=2 --increment calls=1 --increment left=-1 --remove x",
        "tenure session update -n crm ID --append log=1 --append-max-length 10 --no-labels --if-revision 3",
        "tenure session touch -n crm ID --server http://a:1,http://b:2",
        "tenure session rotate -n crm ID --new-session-id 0123456789abcdef --provider-session sid",
        "tenure session delete -n crm ID -o json",
        "tenure -h",
        "tenure session list -n crm --user ada --page-size 10 --all --include-state",
        "tenure session invalidate -n crm --owner-tenant acme --owner-user ada --reason password-changed",
        "tenure session invalidate -n crm --session-id ID --note why --actor who --dry-run",
        "tenure session invalidate -n crm --subject-issuer i --subject-user u --except ID",
        "tenure session invalidate -n crm --provider-issuer i --provider-session s",
        "tenure session invalidate -n crm --tenant acme --authenticated-until 2026-07-28T12:00:00Z",
        "tenure session invalidate -n crm --issuer i",
        "tenure session invalidate -n crm --all",
        "tenure session claim -n crm --user ada nonce --ttl 10m",
        "tenure session watch -n crm --user ada --kind ended --kind revoked --cursor c --count 3 -o json",
    ] {
        match parses(line) {
            Ok(_) => {}
            Err(help) if line.ends_with("-h") => assert!(help.contains("Usage:")),
            Err(error) => panic!("{line}: {error}"),
        }
    }
}

#[test]
fn what_is_wrong_is_said() {
    for (line, expected) in [
        ("tenure", "Usage:"),
        ("tenure serv", "serve"),
        ("tenure serve --set novalue", "write KEY=VALUE"),
        ("tenure session create -n crm --set a", "write KEY=JSON"),
        (
            "tenure session create -n crm --set a=open",
            r#"a text needs quotes: a='"open"'"#,
        ),
        (
            "tenure session create -n crm --state [1]",
            "must be a JSON object",
        ),
        ("tenure session create -n crm --idle-ttl 15", "has no unit"),
        (
            "tenure session create -n crm --authenticated-at yesterday",
            "is not RFC 3339",
        ),
        (
            "tenure session update -n crm ID --increment a=1.5",
            "is not an integer",
        ),
        ("tenure session invalidate -n crm", "required"),
        (
            "tenure session invalidate -n crm --all --tenant acme",
            "cannot be used with",
        ),
        (
            "tenure session invalidate -n crm --owner-tenant acme",
            "--owner-user",
        ),
        (
            "tenure session invalidate -n crm --subject-user u",
            "--subject-issuer",
        ),
        ("tenure session get -n crm", "SESSION_ID"),
        ("tenure session claim -n crm nonce", "--ttl"),
    ] {
        let error = parses(line).expect_err(line);
        assert!(error.contains(expected), "{line}: {error}");
    }
}

#[test]
fn errors_have_exit_codes() {
    let bad_time = parse_time("yesterday").expect_err("no time");
    assert_eq!(bad_time.code(), Code::InvalidArgument);
    for (error, exit) in [
        (anyhow::anyhow!("anything"), Exit::Error),
        (Usage("how".to_owned()).into(), Exit::Usage),
        (Faults(Vec::new()).into(), Exit::Usage),
        (bad_time.into(), Exit::Usage),
        (io::Error::from(io::ErrorKind::BrokenPipe).into(), Exit::Ok),
        (
            io::Error::from(io::ErrorKind::StorageFull).into(),
            Exit::Error,
        ),
    ] {
        assert_eq!(Exit::of(&error), exit, "{error}");
    }
}

#[test]
fn an_error_says_what_and_why() {
    let mut text = Vec::new();
    output::complain(&mut text, &anyhow::anyhow!("inner").context("outer"));
    assert_eq!(String::from_utf8(text).unwrap(), "error: outer: inner\n");
}

#[test]
fn no_secret_is_in_the_help() {
    for command in ["serve", "session"] {
        let help = parses(&format!("tenure {command} --help")).expect_err("help");
        assert!(!help.contains("[env: TENURE_TOKEN="), "{help}");
    }
}
