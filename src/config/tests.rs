//! Every fault, the order of the sources, suggestions and origins.

use std::net::SocketAddr;
use std::time::Duration;
use std::{env, fs};

use super::redact::redacted;
use super::value::{parse_size, show_size};
use super::{
    Config, Faults, File, Flag, Limits, Loaded, LogFormat, Origin, Sources, parse_duration,
    reference, show_duration,
};
use crate::session::limits::AtSessionLimit;

mod audit;
mod callers;
mod listeners;
mod telemetry;

fn file(text: &str) -> File {
    File {
        path: "tenure.toml".to_owned(),
        text: text.to_owned(),
    }
}

fn environment(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    variables.iter().map(owned).collect()
}

fn flag(name: &str, key: &str, value: &str) -> Flag {
    Flag {
        name: name.to_owned(),
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

fn load(text: &str) -> Result<Loaded, Faults> {
    Config::load(&Sources {
        file: Some(file(text)),
        ..Sources::default()
    })
}

fn load_variables(variables: &[(&str, &str)]) -> Result<Loaded, Faults> {
    Config::load(&Sources {
        environment: environment(variables),
        ..Sources::default()
    })
}

/// The faults as they are shown, one per line.
fn faults(result: Result<Loaded, Faults>) -> Vec<String> {
    let faults = result.expect_err("it should be refused").0;
    faults.iter().map(ToString::to_string).collect()
}

fn namespace<'a>(loaded: &'a Loaded, name: &str) -> &'a Limits {
    let mut namespaces = loaded.config.namespaces.iter();
    &namespaces.find(|(own, _)| own.as_str() == name).unwrap().1
}

#[test]
fn nothing_given_is_the_default() {
    let loaded = Config::load(&Sources::default()).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.config.grpc.listen.to_string(), "127.0.0.1:7070");
    assert_eq!(loaded.config.http.listen.to_string(), "127.0.0.1:7071");
    assert_eq!(loaded.config.store.url, "memory:");
    assert_eq!(loaded.config.grpc.max_message_bytes, 1_048_576);
}

#[test]
fn a_file_sets_everything() {
    let loaded = load(
        r#"
        strict_namespaces = true
        [grpc]
        listen = "127.0.0.1:0"
        threads = 3
        max_message_bytes = "2MiB"
        max_connection_age = "1h30m"
        drain_grace = "500ms"
        [http]
        listen = "[::]:8080"
        [store]
        max_sessions = 1_000
        max_bytes = 4096
        [log]
        filter = "warn,tenure=debug"
        format = "json"
        [defaults]
        idle_ttl = "5m"
        [namespaces.crm]
        at_session_limit = "end_least_recent"
        sessions_per_tenant = 50
        [namespaces."a.b"]
        "#,
    )
    .unwrap();
    let config = &loaded.config;
    assert!(config.strict_namespaces);
    assert_eq!(config.grpc.threads, Some(3));
    assert_eq!(config.grpc.max_message_bytes, 2 << 20);
    assert_eq!(
        config.grpc.max_connection_age,
        Some(Duration::from_mins(90))
    );
    assert_eq!(config.grpc.drain_grace, Duration::from_millis(500));
    assert_eq!(config.http.listen, SocketAddr::from(([0; 16], 8080)));
    assert_eq!(config.store.max_sessions, 1000);
    assert_eq!(config.store.max_bytes, 4096);
    assert_eq!(config.log.filter, "warn,tenure=debug");
    assert_eq!(config.log.format, LogFormat::Json);
    let crm = namespace(&loaded, "crm");
    assert_eq!(crm.idle_ttl, Duration::from_mins(5), "inherited");
    assert_eq!(crm.at_session_limit, AtSessionLimit::EndLeastRecent);
    assert_eq!(crm.sessions_per_tenant, Some(50));
    assert_eq!(namespace(&loaded, "a.b"), &config.defaults);
}

#[test]
fn a_higher_source_wins() {
    let mut sources = Sources {
        file: Some(file(
            "[http]\nlisten = \"127.0.0.1:1\"\n[log]\nfilter = \"warn\"\n[store]\nmax_sessions = 1\n",
        )),
        environment: environment(&[
            ("TENURE_HTTP__LISTEN", "127.0.0.1:2"),
            ("TENURE_LOG__FILTER", "error"),
        ]),
        flags: vec![flag("--http", "http.listen", "127.0.0.1:3")],
    };
    let config = Config::load(&sources).unwrap().config;
    assert_eq!(config.http.listen.port(), 3);
    assert_eq!(config.log.filter, "error");
    assert_eq!(config.store.max_sessions, 1);
    sources
        .flags
        .push(flag("--set", "http.listen", "127.0.0.1:4"));
    assert_eq!(
        Config::load(&sources).unwrap().config.http.listen.port(),
        4,
        "the last flag"
    );
}

#[test]
fn variables_name_paths() {
    let loaded = load_variables(&[
        ("TENURE_NAMESPACES__CRM__IDLE_TTL", "1m"),
        ("TENURE_NAMESPACES__TWO__PARTS__STATE_KEYS", "7"),
        ("TENURE_DEFAULTS__SESSIONS_PER_TENANT", "9"),
        ("TENURE_NAMESPACES__CRM__SESSIONS_PER_TENANT", "none"),
        ("TENURE__STRICT_NAMESPACES", "true"),
        ("TENURE_GRPC__MAX_CONCURRENT_STREAMS", "64"),
    ])
    .unwrap();
    assert!(loaded.config.strict_namespaces);
    assert_eq!(loaded.config.grpc.max_concurrent_streams, 64);
    let crm = namespace(&loaded, "crm");
    assert_eq!(crm.idle_ttl, Duration::from_mins(1));
    assert_eq!(crm.sessions_per_tenant, None);
    assert_eq!(namespace(&loaded, "two__parts").state_keys, 7);
    assert_eq!(loaded.config.defaults.sessions_per_tenant, Some(9));
}

#[test]
fn names_without_two_underscores_are_not_ours() {
    let loaded = load_variables(&[
        ("TENURE_PORT", "tcp://10.0.0.1:7070"),
        ("TENURE_SERVICE_HOST", "10.0.0.1"),
        ("TENURE_STORE_URL", "redis://nowhere"),
        ("OTHER__THING", "1"),
    ]);
    assert_eq!(loaded.unwrap().config, Config::default());
}

#[test]
fn all_faults_come_together_with_their_origins() {
    let sources = Sources {
        file: Some(file(
            "strict_namespaces = 1\n[grpc]\nlisen = \"127.0.0.1:1\"\nthreads = 0\n[defaults]\nidle_ttl = \"15\"\n",
        )),
        environment: environment(&[
            ("TENURE_STORE__MAX_SESSIONS", "many"),
            ("TENURE_STOR__URL", "memory:"),
        ]),
        flags: vec![flag("--http", "http.listen", "8080")],
    };
    assert_eq!(
        faults(Config::load(&sources)),
        [
            "grpc.lisen (tenure.toml:3): is not a setting; did you mean grpc.listen?",
            "stor.url (environment variable TENURE_STOR__URL): is not a setting; did you mean store.url?",
            "strict_namespaces (tenure.toml:1): is an integer; write true or false, without quotes",
            "grpc.threads (tenure.toml:4): 0 is too small; the least is 1",
            "http.listen (flag --http): \"8080\" is not an address; write IP:PORT, for instance \
             \"127.0.0.1:7070\" or \"[::1]:7070\"; port 0 takes a free one",
            "store.max_sessions (environment variable TENURE_STORE__MAX_SESSIONS): \"many\" is not a number; \
             write a whole number",
            "defaults.idle_ttl (tenure.toml:6): \"15\" has no unit; write a duration with its unit, for \
             instance \"15m\", \"12h\", \"1h30m\" or \"500ms\"",
        ]
    );
}

#[test]
fn a_bad_value_of_each_kind_says_what_to_do() {
    let table = [
        ("grpc.listen = 7070", "is an integer; write an address"),
        ("grpc.listen = \"\"", "is empty; give an address"),
        (
            "grpc.insecure = \"true\"",
            "is a text; write true or false, without quotes",
        ),
        (
            "grpc.threads = \"4\"",
            "is a text; write a whole number, without quotes",
        ),
        ("grpc.threads = -1", "0 is too small; the least is 1"),
        ("grpc.threads = 0x10", "an integer that is not decimal"),
        ("grpc.threads = 99999999999999999999", "too large"),
        (
            "grpc.max_concurrent_streams = 5000000000",
            "too large; the most is 65536",
        ),
        (
            "grpc.max_message_bytes = \"1MB\"",
            "\"MB\" is not a unit of size; write bytes",
        ),
        (
            "grpc.max_message_bytes = 1",
            "1 is too small; the least is 4KiB",
        ),
        ("grpc.drain_grace = 20", "is an integer; write a duration"),
        (
            "grpc.drain_grace = \"2h\"",
            "2h is too long; the most is 1h",
        ),
        ("grpc.drain_grace = \"5 s\"", "has no unit"),
        (
            "grpc.watch_heartbeat = \"1ms\"",
            "1ms is too short; the least is 100ms",
        ),
        (
            "grpc.watch_heartbeat = \"15M\"",
            "\"M\" is not a unit of time",
        ),
        (
            "log.format = \"xml\"",
            "\"xml\" is unknown; write \"text\" or \"json\"",
        ),
        ("log.filter = \"tenure=loud=er\"", "is not a filter"),
        (
            "defaults.state_depth = 31",
            "31 is too large; the most is 30",
        ),
        (
            "defaults.idle_ttl = \"0s\"",
            "0s is too short; the least is 1s",
        ),
        ("defaults.idle_ttl = []", "is a list; write a duration"),
        (
            "defaults.at_session_limit = \"drop\"",
            "write \"reject\" or \"end_least_recent\"",
        ),
        (
            "grpc = 5",
            "grpc (tenure.toml:1): is a section, not an integer",
        ),
        (
            "namespaces.crm = true",
            "is a section, not a boolean; write [namespaces.crm]",
        ),
        ("[grpc.listen]", "is a section; write an address"),
        (
            "[namespaces.CRM]",
            "\"CRM\" is no name of a namespace; it must be 1 to 63",
        ),
        ("store.url = \"memory:x\"", "takes nothing after"),
        (
            "store.url = \"redis://a,b\"",
            "several hosts need redis+sentinel:// or redis+cluster://",
        ),
        (
            "store.url = \"file:/x\"",
            "the store `file:` is not in this build yet",
        ),
        ("store.url = \"postgres://h\"", "`postgres:` is no store"),
        ("store.url = \"memory\"", "is not a store URL"),
    ];
    for (text, expected) in table {
        let faults = faults(load(text));
        assert_eq!(faults.len(), 1, "{text}: {faults:#?}");
        assert!(faults[0].contains(expected), "{text}: {}", faults[0]);
        assert!(faults[0].contains("; "), "no advice: {}", faults[0]);
    }
}

#[test]
fn unknown_keys_suggest_the_nearest() {
    let table = [
        ("grpc.lissten = 1", "did you mean grpc.listen?"),
        ("listen = 1", "did you mean grpc.listen?"),
        ("[storage]\nurl = 1", "did you mean store?"),
        ("store.uri = 1", "did you mean store.url?"),
        ("[namespace.crm]\nidle_ttl = 1", "did you mean namespaces?"),
        (
            "namespaces.crm.idle_tll = 1",
            "did you mean namespaces.crm.idle_ttl?",
        ),
        ("default.idle_ttl = 1", "did you mean defaults?"),
        (
            "grpc.max_streams_per_moon = 1",
            "remove it; docs/SETTINGS.md lists all",
        ),
        ("vault.key = 1", "remove it; docs/SETTINGS.md lists all"),
    ];
    for (text, expected) in table {
        let faults = faults(load(text));
        assert_eq!(faults.len(), 1, "{faults:#?}");
        assert!(faults[0].contains(expected), "{text}: {}", faults[0]);
    }
    let one = faults(load_variables(&[("TENURE_GRPC__LISTN", "x")]));
    assert!(one[0].contains("did you mean grpc.listen?"), "{one:?}");
    let section = faults(load_variables(&[("TENURE__GRPC", "x")]));
    assert!(section[0].contains("is a section"), "{section:?}");
}

#[test]
fn bad_syntax_says_where() {
    let faults = faults(load("[grpc]\nlisten = \n\n[http\n"));
    assert!(!faults.is_empty());
    assert!(
        faults[0].starts_with("tenure.toml:2: not valid TOML:"),
        "{faults:?}"
    );
    assert!(
        faults[1].starts_with("tenure.toml:4: not valid TOML:"),
        "{faults:?}"
    );
}

#[test]
fn lifetimes_stay_below_their_maxima() {
    let both = faults(load(
        "[defaults]\nidle_ttl = \"25h\"\n[namespaces.crm]\nmax_lifetime_max = \"1h\"\n",
    ));
    assert_eq!(both.len(), 2, "{both:#?}");
    assert!(
        both[0].starts_with(
            "defaults.idle_ttl (tenure.toml:2): idle_ttl (1d1h) is longer than idle_ttl_max (1d)"
        ),
        "{both:#?}"
    );
    assert!(
        both[1].starts_with(
            "namespaces.crm.max_lifetime_max (tenure.toml:4): max_lifetime (12h) is longer than"
        ),
        "{both:#?}"
    );
    let big = faults(load("[namespaces.crm]\nstate_bytes = \"2MiB\"\n"));
    assert!(big[0].contains("could never arrive"), "{big:?}");
    load("[grpc]\nmax_message_bytes = \"2MiB\"\n[namespaces.crm]\nstate_bytes = \"2MiB\"\n")
        .unwrap();
}

#[test]
fn show_means_the_same_and_tells_origins() {
    let loaded = Config::load(&Sources {
        file: Some(file("[grpc]\nthreads = 2\n[defaults]\nstate_keys = 9\n[namespaces.\"a.b\"]\nwatch_updates = true\n")),
        environment: environment(&[("TENURE_GRPC__DRAIN_GRACE", "1500ms")]),
        flags: vec![flag("--http", "http.listen", "127.0.0.1:0")],
    })
    .unwrap();
    let shown = loaded.show();
    for line in [
        "strict_namespaces = false\n",
        "[grpc]\nlisten = \"127.0.0.1:7070\"\n",
        "threads = 2  # tenure.toml:2\n",
        "drain_grace = \"1s500ms\"  # environment variable TENURE_GRPC__DRAIN_GRACE\n",
        "listen = \"127.0.0.1:0\"  # flag --http\n",
        "max_connection_age = \"none\"\n",
        "[namespaces.\"a.b\"]\n",
        "state_keys = 9  # [defaults], tenure.toml:4\n",
        "watch_updates = true  # tenure.toml:6\n",
    ] {
        assert!(shown.contains(line), "{line:?} is not in:\n{shown}");
    }
    assert_eq!(load(&shown).unwrap().config, loaded.config);
}

#[test]
fn no_password_is_shown() {
    for (url, shown) in [
        ("redis://user:pa:ss@h:1/0", "redis://user:***@h:1/0"),
        ("rediss://:p@s/s@h", "rediss://:***@h"),
        ("redis://token@h", "redis://***@h"),
        (
            "redis+sentinel://u:p@a:1,b:2/main?sentinel_password=x&db=1",
            "redis+sentinel://u:***@a:1,b:2/main?sentinel_password=***&db=***",
        ),
        ("memory:", "memory:"),
    ] {
        assert_eq!(redacted(url), shown);
    }
    let mut loaded = Config::load(&Sources::default()).unwrap();
    loaded.config.store.url = "redis://user:secret@h".to_owned();
    assert!(loaded.show().contains("url = \"redis://user:***@h\""));
    for url in ["redis://user:secret@h?x", "user:secret@h", "secret"] {
        let faults = faults(load_variables(&[("TENURE_STORE__URL", url)]));
        assert!(!faults[0].contains("secret"), "{faults:?}");
    }
}

#[test]
fn durations_and_sizes_read_back() {
    for (text, millis) in [
        ("500ms", 500),
        ("15m", 900_000),
        ("1h30m", 5_400_000),
        ("7d", 604_800_000),
    ] {
        assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)));
        assert_eq!(show_duration(Duration::from_millis(millis)), text);
    }
    for bad in [
        "",
        "m",
        "1",
        "1x",
        "-1s",
        "1.5h",
        "99999999999999999999s",
        "1s 2",
    ] {
        assert!(parse_duration(bad).is_err(), "{bad:?}");
    }
    for (text, size, shown) in [
        ("0", 0, "0"),
        ("65536", 65536, "\"64KiB\""),
        ("1000", 1000, "1000"),
    ] {
        assert_eq!(parse_size(text), Ok(size));
        assert_eq!(show_size(size), shown);
    }
    assert!(parse_size("17179869184GiB").is_err());
}

#[test]
fn origins_are_told() {
    assert_eq!(Origin::Default.to_string(), "built-in default");
    let two = Faults(load("a = 1\nb = 2\n").unwrap_err().0).to_string();
    assert!(
        two.starts_with("the configuration has 2 faults:\n  a (tenure.toml:1): "),
        "{two}"
    );
}

/// `UPDATE_DOCS=1` writes the file instead.
#[test]
fn the_reference_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/SETTINGS.md");
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, reference()).unwrap();
    }
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == reference(),
        "docs/SETTINGS.md is out of date: run `UPDATE_DOCS=1 cargo test`"
    );
}
