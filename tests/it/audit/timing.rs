//! What a stranger can measure: nothing. By Welch's t, over calls in random order, against the real process with
//! its log and its audit on, since what is written down about a violation takes time, too.

use std::time::Instant;

use serde_json::json;
use tempfile::TempDir;
use tenure_client::{Sessions, Tenure, Uuid};

use super::killed::{Service, serve};

/// Rounds of one trial, in each of which every kind of id is asked for once.
const ROUNDS: usize = 1500;
/// Beyond this a difference is one: chance goes there once in 100,000 trials.
const FOUND: f64 = 4.5;
/// A machine that is busy with something else can look like a difference, but not so often.
const TRIALS: usize = 4;

/// Microseconds of a call, and of the next one.
#[derive(Default)]
struct Samples {
    call: Vec<f64>,
    next: Vec<f64>,
}

/// Welch's t of two samples, without the slowest tenth: those are the machine's.
fn welch(one: &[f64], other: &[f64]) -> f64 {
    let mut all = [one, other].concat();
    all.sort_by(f64::total_cmp);
    let limit = all[all.len() * 9 / 10];
    let moments = |sample: &[f64]| {
        let kept: Vec<f64> = sample.iter().copied().filter(|it| *it <= limit).collect();
        #[expect(clippy::cast_precision_loss, reason = "thousands")]
        let count = kept.len() as f64;
        let mean = kept.iter().sum::<f64>() / count;
        let variance = kept.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    };
    let ((one, one_error), (other, other_error)) = (moments(one), moments(other));
    (one - other) / (one_error + other_error).sqrt()
}

async fn took(stranger: &Sessions, id: &str, is_there: bool) -> f64 {
    let began = Instant::now();
    let answer = stranger.get(id).await;
    let took = began.elapsed().as_secs_f64() * 1e6;
    assert_eq!(answer.is_ok(), is_there);
    took
}

/// Asks for each of the ids, again and again in another order. The first is the one that never was.
async fn trial(stranger: &Sessions, ids: &[(&str, String, bool)]) -> Vec<Samples> {
    let mut samples: Vec<Samples> = ids.iter().map(|_| Samples::default()).collect();
    let mut order: Vec<usize> = (0..ids.len()).collect();
    for _ in 0..ROUNDS {
        order.sort_by_cached_key(|_| Uuid::new_v4());
        for &kind in &order {
            let (_, id, is_there) = &ids[kind];
            samples[kind].call.push(took(stranger, id, *is_there).await);
            let next = took(stranger, &Uuid::new_v4().to_string(), false).await;
            samples[kind].next.push(next);
        }
    }
    samples
}

async fn made(client: &Tenure, namespace: &str, user: &str) -> String {
    let owner = client.namespace(namespace).owner("acme", user);
    let state = json!({ "key": "x".repeat(8000) });
    let created = owner.create().state(state).await.expect("made");
    created.session.id
}

#[tokio::test]
async fn a_stranger_cannot_tell_a_foreign_session_by_time() {
    let root = TempDir::new().expect("a directory");
    let mut command = serve(&root.path().join("log"), None);
    command.args(["--set", "grpc.threads=1"]);
    let mut service = Service::start(command);
    let client = service.client().await;
    let ended = made(&client, "on", "ada").await;
    let owner = client.namespace("on").owner("acme", "ada");
    assert!(owner.end(&ended).await.expect("ended"));
    let ids = [
        ("never made", Uuid::new_v4().to_string(), false),
        ("foreign", made(&client, "on", "ada").await, false),
        ("foreign and ended", ended, false),
        ("elsewhere", made(&client, "required", "eve").await, false),
        ("her own", made(&client, "on", "eve").await, true),
    ];
    let stranger = client.namespace("on").owner("acme", "eve");
    let mut found = Vec::new();
    for _ in 0..TRIALS {
        let samples = trial(&stranger, &ids).await;
        let (never, others) = samples.split_first().expect("the first");
        let own = welch(&others[3].call, &never.call);
        assert!(own > FOUND, "a difference that is there is found: {own}");
        found = Vec::new();
        for (samples, (kind, ..)) in others.iter().zip(&ids[1..4]) {
            for (what, t) in [
                ("the call", welch(&samples.call, &never.call)),
                ("the next one", welch(&samples.next, &never.next)),
            ] {
                if t.abs() > FOUND {
                    found.push(format!("{kind}: {what}, t = {t:.1}"));
                }
            }
        }
        if found.is_empty() {
            break;
        }
    }
    drop((client, owner, stranger));
    service.terminate().await;
    assert!(found.is_empty(), "in {TRIALS} trials: {found:?}");
}
