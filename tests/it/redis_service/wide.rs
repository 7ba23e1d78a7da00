//! All sessions of a tenant, ended at once.
//!
//! TENURE_TESTS_LONG: 100,000 of them instead of 5,000.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures::stream;
use futures::{StreamExt as _, TryStreamExt as _};
use tenure_client::{EventKind, Selector, Tenure, Watch, Watched};

use super::NAMESPACE;
use super::load::Known;
use crate::support::redis::{DEADLINE, Server};
use crate::support::service::{Service, long};

const AT_ONCE: usize = 64;

async fn fill(tenures: &[Tenure], tenant: &str, count: usize) -> Vec<Known> {
    let make = async |number: usize| {
        let mut who = Known {
            tenant: tenant.to_owned(),
            user: format!("user-{number}"),
            id: String::new(),
        };
        let owner = who.owner(&tenures[number % tenures.len()]);
        who.id = owner.create().set("n", 0).await?.session.id;
        Ok::<_, tenure_client::Error>(who)
    };
    let sessions = stream::iter(0..count).map(make).buffer_unordered(AT_ONCE);
    sessions.try_collect().await.expect("sessions")
}

/// How many of them a service still serves.
async fn alive(tenure: &Tenure, sessions: &[Known]) -> usize {
    let read = async |who: &Known| match who.owner(tenure).get(&who.id).await {
        Ok(_) => 1,
        Err(error) => {
            assert_eq!(error.reason(), "SESSION_INVALIDATED", "{error}");
            0
        }
    };
    let answers = stream::iter(sessions).map(read).buffer_unordered(AT_ONCE);
    answers.fold(0, async |sum, one| sum + one).await
}

/// The commands of one invalidation, and how long it took.
async fn invalidate(server: &Server, tenure: &Tenure, tenant: &str) -> (usize, Duration) {
    let mut took = Duration::ZERO;
    let lines = server.monitor(async {
        let selector = Selector::Tenant(tenant.to_owned());
        let began = Instant::now();
        let answer = tenure.namespace(NAMESPACE).invalidate(selector).await;
        took = began.elapsed();
        answer.expect("in force");
    });
    let lines = lines.await;
    // What instances ask all the time is not about this: whether Redis is there, and what they agree on.
    let own = |line: &&String| {
        let is_upkeep = line.contains("\"PING\"") || line.contains("tenure:registry");
        !is_upkeep && !line.contains(" lua] ")
    };
    (lines.iter().filter(own).count(), took)
}

/// Reads the endings of so many sessions, and for a while whether there are more.
async fn endings(watch: &mut Watch, count: usize) -> HashMap<String, u32> {
    let mut seen = HashMap::new();
    loop {
        let patience = if seen.len() < count {
            DEADLINE
        } else {
            Duration::from_secs(2)
        };
        let Ok(next) = tokio::time::timeout(patience, watch.next()).await else {
            return seen;
        };
        match next.expect("a watch") {
            Watched::Event(event) => {
                let id = event.session_id.expect("an ending names its session");
                *seen.entry(id).or_default() += 1;
            }
            other @ Watched::StartedAnew => panic!("{other:?} after {} endings", seen.len()),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
async fn an_invalidated_tenant_is_dead_everywhere_at_once() {
    let count = if long() { 100_000 } else { 5_000 };
    let server = Server::start();
    // Nothing is swept until it is time to: only what the invalidation does itself counts. And a busy machine must
    // not turn this into an outage.
    let idle = "[store]\nsweep_interval = \"1h\"\nredis_response_timeout = \"10s\"\n";
    let services = [
        Service::start_with(&server.url(), idle),
        Service::start_with(&server.url(), idle),
    ];
    services.iter().for_each(Service::wait_until_ready);
    let tenures = services.each_ref().map(Service::client);

    // The script is known to the server from here on.
    invalidate(&server, &tenures[0], "nobody").await;
    let few = fill(&tenures, "few", 1).await;
    let (commands_for_one, _) = invalidate(&server, &tenures[0], "few").await;
    assert_eq!(alive(&tenures[1], &few).await, 0);

    let many = fill(&tenures, "many", count).await;
    let spared = fill(&tenures, "spared", 20).await;
    let watch = tenures[1].namespace(NAMESPACE).watch();
    let mut watch = watch.kinds([EventKind::Ended]).await.expect("a watch");
    let (commands, took) = invalidate(&server, &tenures[0], "many").await;
    println!("{count} sessions of a tenant: ended in {took:?} by {commands} commands");
    let (one, other) = tokio::join!(alive(&tenures[0], &many), alive(&tenures[1], &many));
    assert_eq!((one, other), (0, 0), "dead on both");
    assert_eq!(alive(&tenures[1], &spared).await, spared.len());
    assert_eq!(commands, commands_for_one);

    // Two that sweep at once, and the endings of each session are told exactly once.
    let sweeping = "[store]\nsweep_interval = \"50ms\"\nredis_response_timeout = \"10s\"\n";
    let _sweepers = [
        Service::start_with(&server.url(), sweeping),
        Service::start_with(&server.url(), sweeping),
    ];
    let ended = endings(&mut watch, count + few.len()).await;
    assert_eq!(ended.len(), count + few.len());
    let twice = ended.values().filter(|times| **times != 1).count();
    assert_eq!(twice, 0, "told more than once");
    assert!(many.iter().all(|who| ended.contains_key(&who.id)));
}
