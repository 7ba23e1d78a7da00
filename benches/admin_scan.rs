//! What a walk through all sessions costs those who call meanwhile: Gets at a fixed rate against a service in this
//! process, without and with a StreamSessions of everything, by turns in one run.
//!
//! `cargo bench --bench admin_scan -- [STORE_URL] [SESSIONS] [GETS_PER_SECOND]`
#![expect(clippy::print_stdout, reason = "a measurement tells what it has found")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt as _};
use hdrhistogram::Histogram;
use tenure::config::Config;
use tenure::session::limits::Limits;
use tenure::session::names::{CallerTag, NamespaceName, Owner, RecordId, SessionId};
use tenure::session::owner_record::{Create, OnExisting};
use tenure::session::refusal::Refusal;
use tenure::session::state::State;
use tenure::store::{Namespace, Place, Store, StoreError};
use tenure::{server, store};
use tenure_client::{Options, SessionFilter, Tenure};
use tokio::sync::mpsc;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How long Gets are measured without a walk.
const QUIET: Duration = Duration::from_secs(10);
const TURNS: usize = 3;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // Cargo says `--bench` to whatever it runs as one.
    let given = std::env::args().skip(1);
    let mut arguments = given.filter(|argument| !argument.starts_with("--"));
    let url = arguments.next().unwrap_or_else(|| "memory:".to_owned());
    let mut number = |default| arguments.next().map_or(Ok(default), |text| text.parse());
    let (sessions, rate): (usize, usize) = (number(1_000_000)?, number(2_000)?);
    let mut config = Config::default();
    config.grpc.listen = "127.0.0.1:0".parse()?;
    config.http.listen = "127.0.0.1:0".parse()?;
    config.store.url = url;
    config.store.max_sessions = sessions + 1;
    config.store.max_bytes = 8 << 30;
    let store = store::open(&config.store).await?;
    while store.ping().await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    preload(&store, sessions).await?;
    let bound = server::bind(config, store)?;
    let server = format!("http://{}", bound.grpc_address());
    let running = bound.start().await?;
    tokio::spawn(running.until(std::future::pending::<()>()));
    let options =
        Options::from_variables(|name| (name == "TENURE_SERVER").then(|| server.clone()))?;
    let gets = Tenure::connect(options.clone()).await?;
    let walks = Tenure::connect(options).await?;

    println!("{sessions} sessions, {rate} Gets per second; latencies in ms");
    println!(
        "{:<10} {:>8} {:>8} {:>8} {:>8} {:>9}",
        "", "p50", "p99", "p99.9", "max", "seconds"
    );
    for _ in 0..TURNS {
        let quiet = measure(&gets, sessions, rate, tokio::time::sleep(QUIET)).await;
        show("alone", &quiet);
        let walk = async {
            let admin = walks.admin();
            let all = admin.find_all("scan", SessionFilter::default()).await;
            let mut all = all.expect("a stream");
            let mut found = 0;
            while let Some(batch) = all.next().await.expect("a batch") {
                found += batch.sessions.len();
            }
            assert!(found >= sessions, "{found} of {sessions}");
        };
        let beside = measure(&gets, sessions, rate, walk).await;
        show("with walk", &beside);
    }
    Ok(())
}

fn id(number: usize) -> SessionId {
    SessionId::known(&format!("{number:032}")).expect("a good id")
}

async fn preload(store: &Arc<dyn Store>, sessions: usize) -> Result<(), Failure> {
    let namespace = Arc::new(Namespace {
        name: NamespaceName::new("scan").expect("a good name"),
        limits: Limits::default(),
    });
    let creations = stream::iter(0..sessions).map(|number| {
        let (namespace, store) = (Arc::clone(&namespace), Arc::clone(store));
        async move {
            let user = format!("user-{number}");
            let place = Place {
                namespace,
                owner: Owner::new("acme", &user, "").expect("a good owner"),
                by: CallerTag::of("preload"),
            };
            let create = Create {
                id: id(number),
                record_id: RecordId(number as u128),
                conversation: None,
                state: State::default(),
                mcp: None,
                labels: None,
                credentials: Vec::new(),
                idle_ttl: Duration::from_hours(1),
                max_lifetime: Duration::from_hours(2),
                authenticated_at: None,
                provider_session_id: None,
                on_existing: OnExisting::Fail,
                request: None,
            };
            loop {
                match store.create(&place, create.clone()).await {
                    // So many at once may be too much for a busy Redis.
                    Err(StoreError::Unavailable { retry_after }) => {
                        tokio::time::sleep(retry_after).await;
                    }
                    // Made the time before, whose answer did not arrive.
                    Err(StoreError::Refused(Refusal::SessionExists)) => return Ok(()),
                    made => return made.map(drop),
                }
            }
        }
    });
    let mut creations = creations.buffer_unordered(256);
    while let Some(made) = creations.next().await {
        made?;
    }
    Ok(())
}

/// Gets at a fixed rate, from when each was to begin, for as long as something takes.
async fn measure(
    tenure: &Tenure,
    sessions: usize,
    rate: usize,
    meanwhile: impl Future<Output = ()>,
) -> (Histogram<u64>, Duration) {
    let (sender, mut latencies) = mpsc::unbounded_channel();
    let began = Instant::now();
    let namespace = tenure.namespace("scan");
    let calls = tokio::spawn(async move {
        for number in 0usize.. {
            let due = began + Duration::from_micros((number * 1_000_000 / rate) as u64);
            tokio::time::sleep_until(due.into()).await;
            // All over the store, always in the same order.
            let which = number.wrapping_mul(7_919) % sessions;
            let owner = namespace.owner("acme", format!("user-{which}"));
            let sender = sender.clone();
            tokio::spawn(async move {
                let got = owner.get(&*id(which).text()).await;
                got.expect("a session");
                let _ = sender.send(due.elapsed());
            });
        }
    });
    meanwhile.await;
    let took = began.elapsed();
    calls.abort();
    let _ = calls.await;
    let mut histogram = Histogram::new(3).expect("three digits");
    while let Some(latency) = latencies.recv().await {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        // Widens by itself, which saturating does not.
        histogram.record(micros).expect("it grows");
    }
    (histogram, took)
}

fn show(what: &str, (histogram, took): &(Histogram<u64>, Duration)) {
    let millis = |quantile| {
        let micros = histogram.value_at_quantile(quantile);
        Duration::from_micros(micros).as_secs_f64() * 1000.0
    };
    println!(
        "{what:<10} {:>8.2} {:>8.2} {:>8.2} {:>8.2} {:>9.1}",
        millis(0.5),
        millis(0.99),
        millis(0.999),
        millis(1.0),
        took.as_secs_f64()
    );
}
