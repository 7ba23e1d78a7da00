//! Sessions that end without their owner's call: one line each, whoever noticed it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tenure::audit::HashKey;
use tenure::config::Config;
use tenure::session::limits::AtSessionLimit;
use tenure_client::{InvalidationReason, OnExisting, Selector, Tenure};

use super::wire::{Service, config, of};
use super::{Line, events, text, verified};
use crate::support::redis::Server;

/// Sessions that are left to run out, on each instance.
const LEFT: usize = 40;

/// Instances that hash ids with the same key and have two seats per owner.
fn instance(root: &Path, number: usize, url: &str) -> Config {
    let mut config = config(&root.join(number.to_string()));
    url.clone_into(&mut config.store.url);
    config.store.sweep_interval = Duration::from_millis(20);
    config.audit.hash_key_file = Some(root.join("hash.key"));
    for (_, limits) in &mut config.namespaces {
        limits.sessions_per_owner = 2;
        limits.at_session_limit = AtSessionLimit::EndLeastRecent;
    }
    config
}

/// Makes sessions that end in every way. Their ids, and what is to be told of each.
async fn play(clients: &[Tenure]) -> BTreeMap<String, &'static str> {
    let mut expected = BTreeMap::new();
    for (number, client) in clients.iter().enumerate() {
        let second = Duration::from_secs(1);
        for left in 0..LEFT {
            let owner = of(client, "required", &format!("left-{number}-{left}"));
            let idle = owner.create().idle_ttl(second).await.expect("made");
            expected.insert(idle.session.id, "SESSION_EXPIRED_IDLE");
            let brief = owner.create().max_lifetime(second).await.expect("made");
            expected.insert(brief.session.id, "SESSION_EXPIRED_ABSOLUTE");
        }
        let owner = of(client, "required", &format!("busy-{number}"));
        let first = owner.create().await.expect("made").session;
        expected.insert(first.id, "SESSION_EVICTED");
        let talk = || owner.create().conversation("talk");
        let second = talk().await.expect("made").session;
        // Of two that were used in the same millisecond either may have to make room.
        while owner.get(&second.id).await.expect("live").last_used_at <= first.last_used_at {}
        let third = owner.create().await.expect("made, and the first is gone");
        expected.insert(second.id, "SESSION_REPLACED");
        let replacing = talk().on_existing(OnExisting::Replace);
        let replacing = replacing.await.expect("made").session;
        expected.insert(third.session.id.clone(), "SESSION_INVALIDATED");
        expected.insert(replacing.id, "SESSION_INVALIDATED");
        let deleted = of(client, "required", "gone").create().await;
        let deleted = deleted.expect("made").session.id;
        let ended = of(client, "required", "gone").end(&deleted).await;
        assert!(ended.expect("ended"));
        let namespace = client.namespace("required");
        let one = namespace.invalidate(Selector::SessionId(third.session.id));
        let one = one.reason(InvalidationReason::PasswordChanged);
        assert_eq!(one.await.expect("in force").ended_count, Some(1));
        let subject = Selector::Subject {
            issuer: String::new(),
            user: format!("busy-{number}"),
        };
        let wide = namespace.invalidate(subject);
        let wide = wide.reason(InvalidationReason::PasswordChanged);
        wide.await.expect("in force");
    }
    expected
}

async fn each_ending_is_one_line(url: &str, instances: usize) {
    let root = TempDir::new().expect("a directory");
    let hash = HashKey::generate(&root.path().join("hash.key")).expect("a key");
    let mut services = Vec::new();
    let mut clients = Vec::new();
    for number in 0..instances {
        let service = Service::start(instance(root.path(), number, url)).await;
        clients.push(service.client().await);
        services.push(service);
    }
    let expected = play(&clients).await;
    let endings = || -> Vec<Line> {
        let logs = (0..instances).map(|number| root.path().join(number.to_string()));
        let lines = logs.flat_map(|log| events(&log));
        let by_itself =
            |line: &Line| text(line, "deed") == "ended" && text(line, "operation").is_empty();
        lines.filter(by_itself).collect()
    };
    let start = Instant::now();
    while endings().len() < expected.len() {
        assert!(
            start.elapsed() < Duration::from_mins(1),
            "{}",
            endings().len()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(clients);
    for service in services {
        service.stop().await;
    }
    for number in 0..instances {
        verified(&root.path().join(number.to_string()), &[]);
    }
    let endings = endings();
    let mut told = BTreeMap::new();
    for line in &endings {
        let twice = told.insert(text(line, "session"), text(line, "reason"));
        assert_eq!(twice, None, "{line:?}");
        assert_eq!(text(line, "outcome"), "ok");
        assert_eq!(text(line, "namespace"), "required");
        assert_eq!(text(line, "tenant"), "acme");
        assert!(!text(line, "user").is_empty());
        assert!(text(line, "ended_at") <= text(line, "time"), "{line:?}");
        let cause = match text(line, "reason") {
            "SESSION_INVALIDATED" => "password_changed",
            _ => "",
        };
        assert_eq!(text(line, "cause"), cause);
    }
    let hashed: Vec<(String, &str)> = expected
        .iter()
        .map(|(id, reason)| (hash.hashed(id), *reason))
        .collect();
    let expected: BTreeMap<&str, &str> = hashed.iter().map(|(id, why)| (&**id, *why)).collect();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn each_ending_is_one_line_in_memory() {
    each_ending_is_one_line("memory:", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_ending_is_one_line_of_one_of_three_instances_over_redis() {
    let server = Server::start();
    each_ending_is_one_line(&server.url(), 3).await;
}
