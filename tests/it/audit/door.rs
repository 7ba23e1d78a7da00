//! A flood of callers whom nobody knows, and of one who may do nothing.

use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use tenure::audit::Level;
use tenure::callers::new_key;
use tenure::config::{ApiKey, Callers};
use tenure_client::{Code, Tenure};

use super::wire::{Service, config, of, rule};
use super::{events, text, verified};

const FLOOD: u64 = 2_000;

/// The value of a series of `/metrics`.
async fn value(service: &Service, series: &str) -> u64 {
    let text = service.metrics().await;
    let value = |line: &str| Some(line.strip_prefix(series)?.strip_prefix(' ')?.to_owned());
    let value = text.lines().find_map(value).expect("a series");
    value.parse().expect("a number")
}

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
    let counted = value(&service, "tenure_audit_turned_away_total").await;
    assert!(counted > 0, "the flood was more than its share");
    assert_eq!(value(&service, "tenure_audit_lost_total").await, 0);
    assert_eq!(value(&service, "tenure_audit_failures_total").await, 0);
    let lines = value(&service, "tenure_audit_lines_total").await;
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
