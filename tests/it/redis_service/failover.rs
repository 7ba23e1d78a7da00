//! A primary that is killed under load, together with one of the two instances: what was acknowledged holds.
//! Without the protection it does not, or the test would prove nothing.
//!
//! TENURE_TESTS_LONG: ten rounds each instead of one, and more load in each.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream;
use tenure_client::Tenure;
use tokio::task::block_in_place;

use super::load::{Ending, Known, Ledger};
use super::{eventually, eventually_within};
use crate::support::redis::{Cluster, Sentinels, Server};
use crate::support::service::{Service, long};

/// Servers of which one primary is going to be killed.
enum Fleet {
    Sentinels(Sentinels),
    Cluster(Cluster),
}

impl Fleet {
    fn url(&self) -> String {
        match self {
            Fleet::Sentinels(sentinels) => sentinels.url(),
            Fleet::Cluster(cluster) => cluster.url(),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Fleet::Sentinels(_) => "sentinel",
            Fleet::Cluster(_) => "cluster",
        }
    }

    /// Those that follow the primary that will be killed.
    fn replicas(&self) -> &[Server] {
        match self {
            Fleet::Sentinels(sentinels) => &sentinels.servers[1..],
            Fleet::Cluster(cluster) => &cluster.servers[3..4],
        }
    }

    fn kill(&mut self) {
        match self {
            Fleet::Sentinels(sentinels) => sentinels.servers[0].kill(),
            Fleet::Cluster(cluster) => cluster.servers[0].kill(),
        }
    }

    fn wait_for_promotion(&self) {
        match self {
            Fleet::Sentinels(sentinels) => {
                sentinels.wait_for_other_than(sentinels.servers[0].port);
            }
            Fleet::Cluster(cluster) => cluster.wait_for_promotion(3),
        }
    }

    /// Brings the killed one back, as a replica.
    fn repair(&mut self) {
        match self {
            Fleet::Sentinels(sentinels) => sentinels.servers[0].restart(),
            Fleet::Cluster(cluster) => {
                cluster.servers[0].restart();
                cluster.wait_until_whole();
            }
        }
    }
}

/// Sessions in so many cells that every server has some.
const PROBES: usize = 48;

async fn probes(tenure: &Tenure) -> Vec<Known> {
    let mut probes = Vec::new();
    for number in 0..PROBES {
        let mut who = Known {
            tenant: "probe".to_owned(),
            user: format!("probe-{number}"),
            id: String::new(),
        };
        let made = who.owner(tenure).create().set("n", 0).await;
        who.id = made.expect("a session").session.id;
        probes.push(who);
    }
    probes
}

/// Waits until each part of the store reads and writes.
async fn served_again(tenure: &Tenure, probes: &[Known]) {
    let is_served = async |who: &Known| {
        let touched = who.owner(tenure).touch(&who.id).await;
        let updated = who.owner(tenure).update(&who.id).increment("n", 1).await;
        touched.is_ok() && updated.is_ok()
    };
    let until = Instant::now() + crate::support::redis::DEADLINE;
    loop {
        let served = stream::iter(probes).map(is_served).buffer_unordered(PROBES);
        if served.all(std::future::ready).await {
            return;
        }
        assert!(Instant::now() < until, "the service is not back");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Figures of a round.
#[derive(Debug)]
struct Round {
    endings: usize,
    undone: Vec<Ending>,
    writes: usize,
    lost: usize,
    back: Duration,
}

/// Load over two instances; then the primary and one of the instances are killed in the same moment.
async fn kill_under_load(mut fleet: Fleet) -> Round {
    let (endings, least) = if long() { (2000, 6) } else { (400, 4) };
    let url = fleet.url();
    let (mut dying, surviving) = (Service::start(&url), Service::start(&url));
    dying.wait_until_ready();
    surviving.wait_until_ready();
    let clients = [dying.client(), surviving.client()];
    let probes = probes(&clients[1]).await;
    let ledger = Ledger::default();
    let workers = (0..12).map(|worker| ledger.work(&clients[worker % 2], worker));
    let script = async {
        let began = Instant::now();
        eventually_within(Duration::from_mins(5), "the load runs", || {
            ledger.endings() > endings && began.elapsed() > Duration::from_secs(least)
        })
        .await;
        block_in_place(|| fleet.replicas().iter().for_each(Server::freeze));
        tokio::time::sleep(Duration::from_millis(300)).await;
        let killed = Instant::now();
        block_in_place(|| {
            fleet.kill();
            dying.kill();
            fleet.replicas().iter().for_each(Server::thaw);
            fleet.wait_for_promotion();
        });
        let promoted = Instant::now();
        served_again(&clients[1], &probes).await;
        let back = promoted.elapsed();
        // What has been acknowledged is looked for at once: nobody has had time to mend anything.
        let undone = ledger.undone(&clients[1]).await;
        block_in_place(|| fleet.repair());
        let before = ledger.endings();
        eventually("endings are acknowledged again", || {
            ledger.endings() > before + 50
        })
        .await;
        ledger.stop();
        (killed, undone, back)
    };
    let (_, (killed, mut undone, back)) = tokio::join!(futures::future::join_all(workers), script);
    undone.extend(ledger.undone(&clients[1]).await);
    let moment = killed
        .checked_sub(Duration::from_secs(2))
        .expect("later than that");
    let (writes, lost) = ledger.lost_before(&clients[1], moment).await;
    let unexpected = ledger.unexpected.lock().expect("no panic");
    assert!(
        unexpected.is_empty(),
        "{} of {}: {:?}",
        unexpected.len(),
        ledger.failures(),
        unexpected.first()
    );
    Round {
        endings: ledger.endings(),
        undone,
        writes,
        lost,
        back,
    }
}

#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
async fn nothing_acknowledged_is_lost(start: impl Fn() -> Fleet) {
    for round in 0..if long() { 10 } else { 1 } {
        let fleet = block_in_place(&start);
        let name = fleet.name();
        let figures = kill_under_load(fleet).await;
        println!(
            "{name}, round {round}: endings undone {} / {}, older writes lost {} / {}, back {:?} after the promotion",
            figures.undone.len(),
            figures.endings,
            figures.lost,
            figures.writes,
            figures.back
        );
        assert!(figures.undone.is_empty(), "{figures:?}");
        assert_eq!(figures.lost, 0, "{figures:?}");
        assert!(figures.writes > 50, "{figures:?}");
        assert!(figures.back < Duration::from_secs(5), "{figures:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_behind_sentinels_is_killed_under_load() {
    nothing_acknowledged_is_lost(|| Fleet::Sentinels(Sentinels::start())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_of_a_cluster_is_killed_under_load() {
    nothing_acknowledged_is_lost(|| Fleet::Cluster(Cluster::start())).await;
}

const UNPROTECTED: &str = "[store]\nredis_replicas_to_wait = 0\n";

/// What became of endings whose primary died before its replicas had them.
#[derive(Debug)]
struct Behind {
    /// How many were acknowledged.
    acknowledged: usize,
    /// How many of those are undone.
    undone: usize,
    /// How many were in force, but not acknowledged: the callers know that they have to repeat them.
    not_durable: usize,
}

/// How many sessions are ended while the replicas are behind.
const DOOMED: usize = 60;

/// The primary is ahead of its replicas by more than comes through to them when they go on, and sessions are
/// ended then; it is killed, and the only instance with it, which would assert its endings again. What was not
/// acknowledged is repeated afterwards, as callers do who are told so.
async fn kill_with_replicas_behind(mut fleet: Fleet, config: &str) -> Behind {
    let mut service = Service::start_with(&fleet.url(), config);
    service.wait_until_ready();
    let tenure = service.client();
    let ledger = Ledger::default();
    let mut doomed = Vec::new();
    for _ in 0..DOOMED {
        let mut who = ledger.stranger();
        let made = who.owner(&tenure).create().set("n", 0).await;
        who.id = made.expect("a session").session.id;
        doomed.push(who);
    }
    replicas_have_everything(&fleet).await;
    block_in_place(|| fleet.replicas().iter().for_each(Server::freeze));
    flood(&tenure, &ledger).await;
    let kinds = [
        Ending::Delete,
        Ending::ByOwner,
        Ending::ById,
        Ending::Rotate,
    ];
    let mut to_repeat = Vec::new();
    for (who, kind) in doomed.into_iter().zip(kinds.into_iter().cycle()) {
        if let Err(error) = ledger.end(&tenure, who.clone(), kind).await {
            assert_eq!(error.reason(), "INVALIDATION_NOT_DURABLE", "{error}");
            to_repeat.push(who);
        }
    }
    let acknowledged = ledger.endings();
    block_in_place(|| {
        fleet.kill();
        service.kill();
        fleet.replicas().iter().for_each(Server::thaw);
        fleet.wait_for_promotion();
    });
    let service = Service::start_with(&fleet.url(), config);
    service.wait_until_ready();
    let tenure = service.client();
    let undone = ledger.undone(&tenure).await.len();
    block_in_place(|| fleet.repair());
    let not_durable = to_repeat.len();
    for who in to_repeat {
        let until = Instant::now() + crate::support::redis::DEADLINE;
        while let Err(error) = ledger.end(&tenure, who.clone(), Ending::Delete).await {
            assert!(Instant::now() < until, "{error}");
        }
    }
    assert_eq!(ledger.endings(), DOOMED);
    assert_eq!(
        ledger.undone(&tenure).await.len(),
        undone,
        "what was repeated is in force"
    );
    Behind {
        acknowledged,
        undone,
        not_durable,
    }
}

async fn replicas_have_everything(fleet: &Fleet) {
    let offset = |server: &Server| {
        let info = server.info("replication");
        let offset = |line: &str| {
            line.strip_prefix("master_repl_offset:")?
                .parse::<u64>()
                .ok()
        };
        info.lines().find_map(offset)
    };
    let primary = match fleet {
        Fleet::Sentinels(sentinels) => &sentinels.servers[0],
        Fleet::Cluster(cluster) => &cluster.servers[0],
    };
    let wanted = offset(primary);
    eventually("the replicas have the sessions", || {
        let replicas = fleet.replicas();
        replicas.iter().all(|replica| offset(replica) >= wanted)
    })
    .await;
}

/// More than the kernel holds for replicas that do not read.
async fn flood(tenure: &Tenure, ledger: &Ledger) {
    let filler = "x".repeat(60_000);
    let enough = AtomicBool::new(true);
    stream::iter(0..600)
        .for_each_concurrent(16, |_| async {
            let who = ledger.stranger();
            let made = who.owner(tenure).create().set("filler", &*filler).await;
            if let Err(error) = made {
                assert!(error.is_retryable(), "{error}");
                enough.store(false, Ordering::Relaxed);
            }
        })
        .await;
    assert!(enough.load(Ordering::Relaxed), "the primary serves");
}

/// The same twice. What is acknowledged without the protection and then lost is with the protection not acknowledged
/// in the first place.
#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
async fn control(start: impl Fn() -> Fleet) {
    let fleet = block_in_place(&start);
    let name = fleet.name();
    let off = kill_with_replicas_behind(fleet, UNPROTECTED).await;
    println!("{name}, protection off, replicas behind: {off:?}");
    assert_eq!(off.acknowledged, DOOMED, "{off:?}");
    assert!(off.undone > 0, "a test that cannot fail proves nothing");

    let on = kill_with_replicas_behind(block_in_place(&start), "").await;
    println!("{name}, protection on, replicas behind: {on:?}");
    assert_eq!(on.undone, 0, "{on:?}");
    // The owners are the same, so that as many are where the replicas are behind.
    assert_eq!(on.not_durable, off.undone, "{off:?} {on:?}");
    assert_eq!(on.acknowledged + on.not_durable, DOOMED, "{on:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_protection_endings_are_lost_behind_sentinels() {
    control(|| Fleet::Sentinels(Sentinels::start())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_protection_endings_are_lost_in_a_cluster() {
    control(|| Fleet::Cluster(Cluster::start())).await;
}
