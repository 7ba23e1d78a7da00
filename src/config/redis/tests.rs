use super::*;

type Change = fn(&mut RedisConfig);

fn at(host: &str, port: u16) -> Address {
    Address {
        host: host.to_owned(),
        port,
    }
}

fn password(config: &RedisConfig) -> Option<&str> {
    config.password.as_ref().map(ExposeSecret::expose_secret)
}

#[test]
fn reads_each_kind_of_url() {
    let config = RedisConfig::parse("redis://cache").unwrap();
    assert_eq!(config.topology, Topology::Standalone(at("cache", 6379)));
    assert!(!config.tls);
    assert_eq!((config.replicas, config.replicas_to_wait()), (0, 0));
    assert_eq!(config.username, None);

    let config = RedisConfig::parse("rediss://app:p%40ss%2F@[::1]:7000/3").unwrap();
    assert_eq!(config.topology, Topology::Standalone(at("::1", 7000)));
    assert!(config.tls);
    assert_eq!(config.database, 3);
    assert_eq!(config.username.as_deref(), Some("app"));
    assert_eq!(password(&config), Some("p@ss/"));

    let config = RedisConfig::parse("redis+sentinel://:pw@a,b:1/main/2").unwrap();
    let sentinels = vec![at("a", 26379), at("b", 1)];
    let master = "main".to_owned();
    assert_eq!(config.topology, Topology::Sentinel { sentinels, master });
    assert_eq!((config.database, config.replicas_to_wait()), (2, 1));
    assert_eq!(
        (config.username.as_deref(), password(&config)),
        (None, Some("pw"))
    );

    let config = RedisConfig::parse("rediss+cluster://a:1,b:2,c/").unwrap();
    let seeds = vec![at("a", 1), at("b", 2), at("c", 6379)];
    assert_eq!(config.topology, Topology::Cluster { seeds });
    assert!(config.tls);
}

#[test]
fn says_what_is_wrong_without_the_secret() {
    for (url, expected) in [
        ("cache:6379", "not a URL"),
        ("http://h", "scheme must be one of redis, rediss"),
        ("redis://a,b", "several hosts need"),
        ("redis://", "lacks a host"),
        ("redis://u:hunter2@h:x", "not a number from 1 to 65535"),
        ("redis://u:hunter2@h:0", "not a number from 1 to 65535"),
        ("redis://u:hunter2@h/x", "database must be a number"),
        ("redis://u:hunter2%zz@h", "two hexadecimal digits"),
        ("redis://u:hunter2@h?tls=true", "takes no `?`"),
        ("redis://[::1/0", "without a `]`"),
        ("redis+sentinel://u:hunter2@h", "needs the master's name"),
        ("redis+cluster://h/1", "only database 0"),
        ("redis://h/1/2", "too many parts"),
    ] {
        let error = RedisConfig::parse(url).unwrap_err().to_string();
        assert!(error.contains(expected), "{url}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn checks_settings_against_each_other() {
    let fine = || RedisConfig::parse("redis+cluster://h").unwrap();
    fine().check().unwrap();
    let cases: [(&str, Change); 9] = [
        ("password_file", |c| {
            c.password = Some("x".into());
            c.password_file = Some("f".into());
        }),
        ("sentinel_password_file", |c| {
            c.sentinel_password = Some("x".into());
            c.sentinel_password_file = Some("f".into());
        }),
        ("username", |c| c.username = Some("app".to_owned())),
        ("key_prefix", |c| c.key_prefix = "a{b".to_owned()),
        ("replicas_to_wait", |c| c.replicas_to_wait = Some(2)),
        ("wait_timeout", |c| c.wait_timeout = c.response_timeout),
        ("wait_timeout", |c| c.wait_timeout = Duration::ZERO),
        ("tls_cert", |c| c.tls_cert = Some("f".into())),
        ("tls_ca", |c| c.tls_ca = Some("f".into())),
    ];
    for (part, change) in cases {
        let mut config = fine();
        change(&mut config);
        assert_eq!(config.check().unwrap_err().part, part);
    }
}

#[test]
fn keeps_secrets_out_of_debug() {
    let config = RedisConfig::parse("redis://app:hunter2@h").unwrap();
    let shown = format!("{config:?} {:?}", config.credentials().unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn reads_a_password_from_a_file_each_time() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut config = RedisConfig::parse("redis://h").unwrap();
    config.password_file = Some(file.path().to_owned());
    std::fs::write(file.path(), "one\n").unwrap();
    let one = config.credentials().unwrap();
    assert_eq!(one.password.as_ref().unwrap().expose_secret(), "one");
    std::fs::write(file.path(), "two\r\n").unwrap();
    let two = config.credentials().unwrap();
    assert!(!one.same_as(&two) && two.same_as(&two.clone()));
    config.password_file = Some("/nowhere/at/all".into());
    assert_eq!(config.credentials().unwrap_err().part, "password_file");
}

#[test]
fn understands_redirections() {
    let here = at("here", 1);
    let read = |text| Address::from_redirect(text, &here);
    assert_eq!(read("h:2"), Some(at("h", 2)));
    assert_eq!(read(":2"), Some(at("here", 2)));
    assert_eq!(read("fe80::1:2"), Some(at("fe80::1", 2)));
    assert_eq!(read("h"), None);
    assert_eq!(at("fe80::1", 2).to_string(), "[fe80::1]:2");
}
