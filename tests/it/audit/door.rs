//! Who is turned away: each is recorded, and a flood of them takes nobody's place.

use std::fs;

use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use tenure::audit::Level;
use tenure::callers::new_key;
use tenure::config::{ApiKey, Callers};
use tenure_client::{Code, Tenure};

use super::wire::{Service, config, of, rule};
use super::{events, text, verified};

const FLOOD: u64 = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_strangers_costs_nobody_a_call() {
    let log = TempDir::new().expect("a directory");
    let keys: Vec<_> = ["crm", "rogue"].map(|name| (name, new_key())).into();
    let mut config = config(log.path());
    config.audit.queue_lines = 16;
    config.audit.turned_away_per_second = 1;
    let listed = keys.iter().map(|(name, (_, hash))| {
        let key = ApiKey {
            hashes: vec![*hash],
            hash_file: None,
        };
        ((*name).to_owned(), key)
    });
    config.callers = Callers {
        api_keys: listed.collect(),
        ..Callers::default()
    };
    config.policy = vec![("crm".to_owned(), rule("server", "*"))];
    assert_eq!(config.namespaces[2].1.audit, Level::Required);
    let service = Service::start(config).await;
    let with_key = async |at: usize| {
        let key = keys[at].1.0.expose_secret();
        let options = service.options().api_key(key).allow_plaintext_token();
        Tenure::connect(options).await.expect("connected")
    };
    let (known, rogue, stranger) = (with_key(0).await, with_key(1).await, service.client().await);
    let session = of(&known, "required", "ada").create().await.expect("made");
    let session = session.session;
    let flood = tokio::spawn(async move {
        for number in 0..FLOOD {
            let (client, code) = if number % 2 == 0 {
                (&stranger, Code::Unauthenticated)
            } else {
                (&rogue, Code::PermissionDenied)
            };
            let denied = of(client, "required", "ada").list().await;
            assert_eq!(denied.expect_err("turned away").code(), code);
        }
    });
    let mut served = 0_u64;
    while !flood.is_finished() {
        let ada = of(&known, "required", "ada");
        ada.get(&session.id).await.expect("served, and recorded");
        served += 1;
    }
    flood.await.expect("all were turned away");
    assert!(served > 0);
    let counted = service.counted("turned_away").await;
    assert!(counted > 0, "the flood was more than its share");
    assert_eq!(service.counted("lost").await, 0);
    assert_eq!(service.counted("failures").await, 0);
    let lines = service.counted("lines").await;
    assert_eq!(lines + counted, served + FLOOD + 1);
    drop(known);
    service.stop().await;
    let report = verified(log.path(), &[]);
    assert_eq!((report.turned_away, report.lost), (counted, 0));
    let events = events(log.path());
    let denied = events
        .iter()
        .filter(|line| text(line, "outcome") == "denied");
    let denied = u64::try_from(denied.count()).expect("few");
    assert_eq!(denied + counted, FLOOD, "each is told or counted");
}

#[tokio::test]
async fn who_is_denied_is_recorded() {
    let log = TempDir::new().expect("a directory");
    let (key, hash) = new_key();
    let mut config = config(log.path());
    config.callers = Callers {
        api_keys: vec![(
            "crm".to_owned(),
            ApiKey {
                hashes: vec![hash],
                hash_file: None,
            },
        )],
        ..Callers::default()
    };
    config.policy = vec![("crm".to_owned(), rule("server", "on"))];
    let service = Service::start(config).await;
    let key = key.expose_secret();
    let stranger = service.client().await;
    let known = service.options().api_key(key).allow_plaintext_token();
    let known = Tenure::connect(known).await.expect("connected");
    of(&stranger, "on", "ada")
        .list()
        .await
        .expect_err("unknown");
    of(&known, "on", "ada").list().await.expect("allowed");
    for namespace in ["required", "off", "other"] {
        let denied = of(&known, namespace, "ada").list().await;
        assert_eq!(denied.expect_err("no rule").code(), Code::PermissionDenied);
    }
    drop((stranger, known));
    service.stop().await;
    let lines = events(log.path());
    let said: Vec<[&str; 5]> = lines
        .iter()
        .map(|line| {
            ["outcome", "reason", "caller", "namespace", "tenant"].map(|field| text(line, field))
        })
        .collect();
    let no_rule = "CALLER_NOT_ALLOWED";
    assert_eq!(
        said,
        [
            ["denied", "CALLER_UNKNOWN", "", "", ""],
            ["ok", "", "apikey:crm", "on", "acme"],
            ["denied", no_rule, "apikey:crm", "required", "acme"],
            ["denied", no_rule, "apikey:crm", "other", "acme"],
        ]
    );
    for file in super::files_with(log.path(), "") {
        assert!(!fs::read_to_string(file).expect("text").contains(key));
    }
}
