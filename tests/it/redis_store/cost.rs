//! What calls and sessions cost.

use tenure::session::marks::Subject;
use tenure::session::names::CallerTag;
use tenure::session::owner_record::{Read, Shown};
use tenure::session::refusal::{InvalidationReason, Refusal};
use tenure::store::{Revocation, Revoked, Selector, Store as _, StoreError};

use super::{a_session, fill, fleet, instance, is_alive, place, session_id};
use crate::support::redis::{Options, Server};
use crate::support::service::long;
use crate::support::values::{state, text};

#[tokio::test]
async fn a_get_is_one_script_and_nothing_else() {
    let server = Server::start();
    let store = instance(&server, None).await;
    let namespace = fleet();
    fill(&store, &namespace, 10, &state(&[("a", text("b"))])).await;
    let get = Read {
        slide: true,
        show: Shown::All,
    };
    // The script is known to the server from here on.
    store
        .read(&place(&namespace, 0), &session_id(0), get.clone())
        .await
        .expect("a session");
    let lines = server
        .monitor(async {
            for number in 0..1000 {
                let number = number % 10;
                let place = place(&namespace, number);
                let answer = store.read(&place, &session_id(number), get.clone()).await;
                answer.expect("a session");
            }
        })
        .await;
    let (inside, outside): (Vec<_>, Vec<_>) =
        lines.iter().partition(|line| line.contains(" lua] "));
    let gets = outside
        .iter()
        .filter(|line| line.contains("\"EVALSHA\""))
        .count();
    assert_eq!((gets, outside.len()), (1000, 1000));
    // TIME, owner record, marks, content, and the slide where the millisecond is a new one.
    assert!(inside.len() <= 5000, "{}", inside.len());
}

#[tokio::test]
async fn a_wide_invalidation_costs_the_same_for_few_and_for_many() {
    let mut sent = Vec::new();
    for count in [1, 3000] {
        let server = Server::start();
        let store = instance(&server, None).await;
        let namespace = fleet();
        fill(&store, &namespace, count, &state(&[])).await;
        let revocation = |subject| Revocation {
            selector: Selector::Wide(subject),
            authenticated_until: None,
            except: None,
            reason: InvalidationReason::Admin,
            dry_run: false,
            by: CallerTag::NOBODY,
        };
        // The script is known to the server from here on.
        let other = revocation(Subject::Tenant("other".into()));
        store.revoke(&namespace, other).await.expect("in force");
        let lines = server.monitor(async {
            let acme = revocation(Subject::Tenant("acme".into()));
            assert_eq!(store.revoke(&namespace, acme).await, Ok(Revoked::InForce));
        });
        let lines = lines.await;
        sent.push(lines.iter().filter(|line| !line.contains(" lua] ")).count());
        for number in [0, count / 2, count - 1] {
            assert!(!is_alive(&store, &place(&namespace, number), number).await);
        }
        let mut ended = 0;
        loop {
            let swept = store.sweep(1000).await.expect("a sweep");
            ended += swept.ended;
            if !swept.more {
                break;
            }
        }
        assert_eq!(ended, count);
    }
    assert_eq!(sent[0], sent[1]);
    assert!(sent[0] <= 1024, "{sent:?}");
}

/// Prints what a session takes. The payload is 1 KiB in 10 keys. TENURE_TESTS_LONG: of more sessions.
#[tokio::test]
#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
async fn memory_per_session() {
    let sessions = if long() { 20_000 } else { 4_000 };
    let keys: Vec<String> = (0..10).map(|number| format!("key-{number:04}")).collect();
    let value = "v".repeat(94);
    let entries: Vec<(&str, _)> = keys.iter().map(|key| (&**key, text(&value))).collect();
    let payload: usize = keys.iter().map(|key| key.len() + value.len()).sum();
    assert_eq!(payload, 1020);
    let tuned = [
        "hash-max-listpack-value 4096",
        "hash-max-listpack-entries 512",
    ];
    for (name, lines) in [("untuned", &[][..]), ("tuned", &tuned[..])] {
        let options = lines.iter().fold(Options::default(), |options, line| {
            options.line((*line).to_owned())
        });
        let server = Server::start_with(options);
        let store = instance(&server, None).await;
        let namespace = fleet();
        // Cells, scripts, and blocks of the log are there before counting begins.
        let before = used(&server);
        fill(&store, &namespace, sessions, &state(&entries)).await;
        let with_log = (used(&server) - before) / sessions;
        let logs = log_bytes(&server) / sessions;
        let over = (with_log - logs) - payload;
        println!(
            "{name}: {over} bytes per session beyond its payload of {payload}, and {logs} for its event"
        );
        if name == "tuned" {
            assert!(over <= 1024, "{over}");
        }
    }
}

fn used(server: &Server) -> usize {
    let memory = server.info("memory");
    let line = memory
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"));
    line.and_then(|bytes| bytes.trim().parse().ok())
        .expect("a number")
}

/// What the logs of all cells take.
fn log_bytes(server: &Server) -> usize {
    let mut sum = 0;
    for cell in 0..256 {
        let key = format!("tenure:{{fleet:{cell:02x}}}:e");
        let answer = server.ask(&["MEMORY", "USAGE", &key, "SAMPLES", "0"]);
        sum += redis::from_redis_value::<Option<usize>>(answer)
            .expect("a number")
            .unwrap_or(0);
    }
    sum
}

#[tokio::test]
async fn a_full_redis_still_reads_and_ends() {
    let options = Options::default()
        .line("maxmemory 6mb")
        .line("maxmemory-policy noeviction");
    let server = Server::start_with(options);
    let store = instance(&server, None).await;
    let namespace = fleet();
    let filler = state(&[("filler", text(&"x".repeat(50_000)))]);
    let mut made = 0;
    let full = loop {
        let create = a_session(made, filler.clone());
        match store.create(&place(&namespace, made), create).await {
            Ok(_) => made += 1,
            Err(error) => break error,
        }
        assert!(made < 1000, "bounded");
    };
    assert_eq!(full, StoreError::Full);
    assert!(made > 5, "{made}");
    let get = Read {
        slide: true,
        show: Shown::All,
    };
    store
        .read(&place(&namespace, 0), &session_id(0), get.clone())
        .await
        .expect("a session");
    for number in 0..made {
        let place = place(&namespace, number);
        assert_eq!(store.end(&place, &session_id(number)).await, Ok(true));
    }
    store
        .create(&place(&namespace, 0), a_session(made, filler))
        .await
        .expect("room again");
    let old = store.read(&place(&namespace, 1), &session_id(1), get).await;
    assert!(matches!(old, Err(StoreError::Refused(Refusal::Ended(_)))));
}
