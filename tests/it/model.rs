//! The model test: random operations, clock jumps and repeated requests, by several owners; after each step
//! a store must have answered what the rules alone answer.

mod plain;
mod secrets;
mod steps;

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt as _;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use tenure::session::event::{Event, What};
use tenure::session::limits::{AtSessionLimit, Limits};
use tenure::session::names::Owner;
use tenure::session::state::{Patch, Tail};
use tenure::store::{Namespace, Revoked, Store, Watch};

use self::plain::Plain;
use self::steps::{SECOND, Step};
use crate::support::backend::{Backend, Memory, Redis, TimeMachine};
use crate::support::service::long;
use crate::support::world::{ROOMY, namespace};

/// How much is tried: runs, how long they are, and how often a failure is made shorter.
struct Effort {
    runs: u32,
    steps: std::ops::Range<usize>,
    shrinks: u32,
}

/// More than 10,000 steps in all.
const MUCH: Effort = Effort {
    runs: 120,
    steps: 80..160,
    shrinks: 5_000,
};
/// As many steps where each costs a hundred times as much, and so does beginning anew.
const AS_MUCH_AT_A_PRICE: Effort = Effort {
    runs: 40,
    steps: 250..320,
    shrinks: 100,
};

#[test]
fn the_memory_store_answers_as_the_rules_do() {
    holds_for(&Memory, MUCH);
}

#[test]
fn the_redis_store_answers_as_the_rules_do() {
    holds_for(&Redis::start(), AS_MUCH_AT_A_PRICE);
}

#[test]
fn the_redis_store_answers_as_the_rules_do_behind_sentinels() {
    holds_for(&Redis::behind_sentinels(), AS_MUCH_AT_A_PRICE);
}

#[test]
fn the_redis_store_answers_as_the_rules_do_in_a_cluster() {
    holds_for(&Redis::in_a_cluster(), AS_MUCH_AT_A_PRICE);
}

#[test]
fn the_redis_store_answers_as_the_rules_do_while_slots_move() {
    let cluster = Redis::in_a_cluster_whose_slots_move(&["one", "two"]);
    let effort = if long() {
        AS_MUCH_AT_A_PRICE
    } else {
        SOME_AT_A_HIGHER_PRICE
    };
    holds_for(&cluster, effort);
}

/// Where each call may be told to wait or to go elsewhere. TENURE_TESTS_LONG: as many steps as anywhere else.
const SOME_AT_A_HIGHER_PRICE: Effort = Effort {
    runs: 10,
    ..AS_MUCH_AT_A_PRICE
};

/// Each run tries others. TENURE_TESTS_SEED, with a number that a failed run has printed, tries the same again.
#[expect(clippy::print_stdout, reason = "a failed test shows it")]
fn seed() -> u64 {
    let given = std::env::var("TENURE_TESTS_SEED").ok();
    let seed = given.and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(any_seed);
    println!("TENURE_TESTS_SEED={seed}");
    seed
}

fn any_seed() -> u64 {
    std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0_u8)
}

fn holds_for(backend: &dyn Backend, effort: Effort) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let config = Config {
        cases: effort.runs,
        failure_persistence: None,
        max_shrink_iters: effort.shrinks,
        rng_seed: RngSeed::Fixed(seed()),
        ..Config::default()
    };
    let least = (effort.runs as usize * effort.steps.start).min(10_000);
    let steps_done = Cell::new(0);
    let answer = TestRunner::new(config).run(
        &proptest::collection::vec(steps::any_step(), effort.steps),
        |steps| {
            steps_done.set(steps_done.get() + steps.len());
            runtime.block_on(run(backend, &steps))
        },
    );
    if let Err(error) = answer {
        panic!("{error}");
    }
    assert!(steps_done.get() >= least, "{}", steps_done.get());
}

/// Two namespaces that differ in all that makes a difference.
fn namespaces() -> [Arc<Namespace>; 2] {
    let short = Limits {
        allow_anonymous: true,
        max_lifetime_max: 600 * SECOND,
        idle_ttl_max: 600 * SECOND,
        tombstone_ttl: 20 * SECOND,
        request_ttl: 15 * SECOND,
        sessions_per_owner: 3,
        claims_per_owner: 3,
        state_keys: 3,
        credentials_per_session: 2,
        ..Limits::default()
    };
    let evicting = Limits {
        at_session_limit: AtSessionLimit::EndLeastRecent,
        sessions_per_owner: 2,
        watch_updates: true,
        tombstone_ttl: SECOND,
        ..short.clone()
    };
    [namespace("one", short), namespace("two", evicting)]
}

async fn run(backend: &dyn Backend, steps: &[Step]) -> Result<(), TestCaseError> {
    let (store, time) = backend.open(ROOMY).await;
    let namespaces = namespaces();
    let mut watches = Vec::new();
    for namespace in &namespaces {
        let watch = store.watch(namespace, None).await;
        watches.push(watch.expect("a watch from now on"));
    }
    let mut model = Plain::new(namespaces.clone());
    for (number, step) in steps.iter().enumerate() {
        take(&*store, &*time, &mut model, number, step)
            .await
            .map_err(|error| TestCaseError::fail(format!("step {number}, {step:?}: {error}")))?;
    }
    // In the end nothing is alive, and everything has been told. (The clock may have been set back far.)
    time.advance(1_000_000 * SECOND).await;
    settle(&*store, &*time, &mut model).await;
    for (watch, told) in watches.iter_mut().zip(&model.told) {
        let seen = everything(backend, watch, told.len()).await;
        let (seen, told) = (by_owner(&seen), by_owner(told));
        let differs = told
            .iter()
            .find(|(owner, told)| seen.get(*owner) != Some(*told));
        if let Some((owner, told)) = differs {
            prop_assert_eq!(seen.get(owner), Some(told));
        }
        prop_assert_eq!(seen.len(), told.len());
    }
    prop_assert_eq!(store.held().await.expect("a count").sessions, 0);
    Ok(())
}

async fn settle(store: &dyn Store, time: &dyn TimeMachine, model: &mut Plain) {
    while store.sweep(usize::MAX).await.expect("a sweep").more {}
    model.sweep(time.now().await);
}

/// All events: as many as there must be at least, and what comes beyond them.
async fn everything(backend: &dyn Backend, watch: &mut Watch, least: usize) -> Vec<Event> {
    let mut seen = Vec::new();
    loop {
        // What is missing is worth waiting for; what is too much comes along with it.
        let patience = if seen.len() < least {
            10 * backend.quiet()
        } else {
            backend.quiet() / 20
        };
        let Ok(Some(logged)) = tokio::time::timeout(patience, watch.events.next()).await else {
            return seen;
        };
        seen.push(Event::clone(&logged.expect("an event").event));
    }
}

/// What happened to each owner. A sweep may find the same endings in another order.
fn by_owner(events: &[Event]) -> HashMap<Option<Owner>, Vec<String>> {
    let mut sorted: HashMap<_, Vec<_>> = HashMap::new();
    for event in events {
        let owner = match &event.what {
            What::Session { owner, .. } => Some(owner.clone()),
            What::Revoked { .. } => None,
        };
        // The text of an event hides its ids.
        let id = match &event.what {
            What::Session { id, .. } => id.text().to_owned(),
            What::Revoked { .. } => String::new(),
        };
        let text = format!("{id} {event:?}");
        sorted.entry(owner).or_default().push(text);
    }
    for texts in sorted.values_mut() {
        texts.sort_unstable();
    }
    sorted
}

/// Takes a step in the store and in the model, and compares the answers.
async fn take(
    store: &dyn Store,
    time: &dyn TimeMachine,
    model: &mut Plain,
    number: usize,
    step: &Step,
) -> Result<(), TestCaseError> {
    let now = time.now().await;
    match step {
        Step::Pass(by) => time.advance(*by).await,
        Step::SetBack(by) => time.set_back(*by).await,
        Step::Sweep => settle(store, time, model).await,
        Step::Create(place, create) => {
            let place = model.place(*place);
            let create = create.at(now, number);
            let expected = model.create(now, &place, &create);
            prop_assert_eq!(store.create(&place, create).await, expected);
        }
        Step::Read(place, id, read) => {
            let place = model.place(*place);
            let expected = model.read(now, &place, &id.id(), read);
            prop_assert_eq!(store.read(&place, &id.id(), read.clone()).await, expected);
        }
        Step::Update(place, id, update) => {
            let place = model.place(*place);
            let update = update.update();
            let expected = model.update(now, &place, &id.id(), &update);
            prop_assert_eq!(store.update(&place, &id.id(), update).await, expected);
        }
        Step::Rotate(place, id, rotate) => {
            let place = model.place(*place);
            let rotate = rotate.at(now);
            let expected = model.rotate(now, &place, &id.id(), &rotate);
            prop_assert_eq!(store.rotate(&place, &id.id(), rotate).await, expected);
        }
        Step::End(place, id) => {
            let place = model.place(*place);
            let expected = model.end(now, &place, &id.id());
            prop_assert_eq!(store.end(&place, &id.id()).await, Ok(expected));
        }
        Step::Revoke(namespace, revoke) => {
            let revocation = revoke.at(now, &model.owners);
            let expected = model.revoke(now, *namespace, &revocation);
            let namespace = Arc::clone(&model.namespaces[*namespace]);
            let answer = store.revoke(&namespace, revocation).await;
            if let (Ok(Revoked::Roughly(_)), Revoked::Roughly(_)) = (&answer, expected) {
                return Ok(());
            }
            prop_assert_eq!(answer, Ok(expected));
        }
        Step::List(place, size) => {
            let place = model.place(*place);
            let page = steps::page(*size);
            let expected = model.list(now, &place, &page);
            prop_assert_eq!(store.list(&place, page).await, Ok(expected));
        }
        Step::Claim(place, claim) => {
            let place = model.place(*place);
            let claim = claim.claim();
            let expected = model.claim(now, &place, &claim);
            prop_assert_eq!(store.claim_once(&place, claim).await, expected);
        }
        Step::Secret(place, id, secret) => {
            let place = model.place(*place);
            let expected = model.secret(now, &place, &id.id(), secret);
            prop_assert_eq!(secret.take(store, &place, &id.id()).await, expected);
        }
        Step::Bearers(namespace, id) => {
            let mut expected = model.bearers(now, *namespace, &id.id());
            let namespace = Arc::clone(&model.namespaces[*namespace]);
            let mut bearers = store.bearers(&namespace, &id.id()).await.expect("bearers");
            expected.sort_unstable();
            bearers.sort_unstable();
            prop_assert_eq!(bearers, expected);
        }
    }
    Ok(())
}

/// A change of one key, one of each kind.
fn patch(kind: u8, key: &str, tail: &Tail) -> Patch {
    let mut patch = Patch::default();
    match kind {
        0 => {
            let entries = [(key, crate::support::values::text("set"))];
            patch.set = Some(crate::support::values::state(&entries));
        }
        1 => patch.remove.push(key.into()),
        2 => patch.increment.push((key.into(), 7)),
        3 => patch.append.push((key.into(), tail.clone())),
        _ => {}
    }
    patch
}
