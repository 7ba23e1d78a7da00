//! The steps of a call, one by one: the rules on an owner's record, messages to state and back, and what a store adds.
//!
//!     cargo bench --bench steps                 # needs redis-server for the last group
//!     cargo bench --bench steps -- rules

use std::hint::black_box;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use futures::FutureExt as _;
use prost::Message as _;
use tenure::config::redis::RedisConfig;
use tenure::session::limits::Limits;
use tenure::session::names::{CallerTag, NamespaceName, Owner, RecordId, SessionId};
use tenure::session::owner_record::{
    Create, Moment, OnExisting, OwnerRecord, Read, Shown, Update, Usage,
};
use tenure::session::state::{Patch, State};
use tenure::session::time::Time;
use tenure::store::memory::{Bounds, MemoryStore};
use tenure::store::redis::{Options, RedisStore};
use tenure::store::{Clock, Namespace, Place, Store};
use tenure_client::proto::v1;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NOW: Time = Time::from_millis(1_800_000_000_000);

fn owner() -> Owner {
    Owner::new("acme", "ada", "https://id.example").expect("a name")
}

fn id(number: u128) -> SessionId {
    SessionId::known(&uuid::Uuid::from_u128(number).to_string()).expect("an id")
}

/// 1 KiB in ten keys.
fn fields() -> prost_types::Struct {
    let text = |text: String| prost_types::Value {
        kind: Some(prost_types::value::Kind::StringValue(text)),
    };
    prost_types::Struct {
        fields: (0..10)
            .map(|key| (format!("key-{key}"), text("x".repeat(102))))
            .collect(),
    }
}

fn state() -> State {
    let bytes = fields().encode_to_vec();
    State::from_wire(&bytes, "state", &Limits::default()).expect("sound")
}

fn create(number: u128) -> Create {
    Create {
        id: id(number),
        record_id: RecordId(number),
        conversation: None,
        state: state(),
        mcp: None,
        labels: None,
        credentials: Vec::new(),
        idle_ttl: Duration::from_mins(15),
        max_lifetime: Duration::from_hours(12),
        authenticated_at: None,
        provider_session_id: None,
        on_existing: OnExisting::Fail,
        request: None,
    }
}

fn get() -> Read {
    Read {
        slide: true,
        show: Shown::All,
    }
}

fn one_key() -> Update {
    let change = prost_types::Struct {
        fields: fields().fields.into_iter().take(1).collect(),
    };
    let set = State::from_wire(&change.encode_to_vec(), "set", &Limits::default());
    Update {
        patch: Patch {
            set: Some(set.expect("sound")),
            ..Patch::default()
        },
        show_state: true,
        ..Update::default()
    }
}

fn moment(limits: &Limits) -> Moment<'_> {
    Moment {
        now: NOW,
        by: CallerTag::NOBODY,
        limits,
        marks: &[],
        usage: Usage::default(),
    }
}

/// An owner with so many sessions.
fn record(sessions: u128) -> OwnerRecord {
    let limits = Limits::default();
    let mut record = OwnerRecord::new(owner());
    for number in 1..=sessions {
        record
            .create(&moment(&limits), &create(number), &mut Vec::new())
            .expect("room");
    }
    record
}

fn rules(criterion: &mut Criterion) {
    let limits = Limits::default();
    let moment = moment(&limits);
    let mut group = criterion.benchmark_group("rules");
    for sessions in [1, 100] {
        let mut record = record(sessions);
        let wanted = id(sessions / 2 + 1);
        group.bench_function(format!("read, one of {sessions}"), |bencher| {
            bencher.iter(|| record.read(&moment, &wanted, &get()).expect("alive"));
        });
    }
    let mut one = record(1);
    let (wanted, update) = (id(1), one_key());
    group.bench_function("update of one key in ten", |bencher| {
        bencher.iter(|| one.update(&moment, &wanted, &update, &mut Vec::new()));
    });
    let create = create(1);
    group.bench_function("create", |bencher| {
        bencher.iter_batched(
            || OwnerRecord::new(owner()),
            |mut record| record.create(&moment, &create, &mut Vec::new()),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn conversion(criterion: &mut Criterion) {
    let limits = Limits::default();
    let bytes = fields().encode_to_vec();
    let mut group = criterion.benchmark_group("conversion");
    group.bench_function("proving a state sound", |bencher| {
        bencher.iter(|| State::from_wire(black_box(&bytes), "state", &limits).expect("sound"));
    });
    // What the bytes spare: the same state as a tree, and back. `grpc::raw` has the figures.
    group.bench_function("a state to a tree and back", |bencher| {
        bencher.iter(|| {
            let tree = prost_types::Struct::decode(black_box(&*bytes)).expect("sound");
            tree.encode_to_vec()
        });
    });
    let request = v1::GetSessionRequest {
        namespace: "crm".to_owned(),
        owner: Some(v1::Owner {
            tenant: "acme".to_owned(),
            user: "ada".to_owned(),
            issuer: String::new(),
        }),
        session_id: id(1).text().to_owned(),
        ..v1::GetSessionRequest::default()
    };
    let request = request.encode_to_vec();
    group.bench_function("a Get's message", |bencher| {
        bencher.iter(|| {
            tenure::grpc::v1::GetSessionRequest::decode(black_box(&*request)).expect("sound")
        });
    });
    group.finish();
}

fn namespace() -> Arc<Namespace> {
    Arc::new(Namespace {
        name: NamespaceName::new("bench").expect("a name"),
        limits: Limits::default(),
    })
}

fn place(namespace: &Arc<Namespace>) -> Place {
    Place {
        namespace: Arc::clone(namespace),
        owner: owner(),
        by: CallerTag::NOBODY,
    }
}

fn memory_store(criterion: &mut Criterion) {
    let bounds = Bounds {
        max_sessions: 1000,
        max_bytes: usize::MAX,
        event_log_length: 1000,
    };
    let store = MemoryStore::new(bounds, Clock::system());
    let place = place(&namespace());
    let now = |answer: Option<bool>| assert_eq!(answer, Some(true));
    now(store
        .create(&place, create(1))
        .map(|made| made.is_ok())
        .now_or_never());
    let mut group = criterion.benchmark_group("memory store");
    group.bench_function("get", |bencher| {
        let id = id(1);
        bencher.iter(|| {
            let read = store.read(&place, &id, get());
            now(read.map(|found| found.is_ok()).now_or_never());
        });
    });
    group.bench_function("update", |bencher| {
        let id = id(1);
        bencher.iter(|| {
            let update = store.update(&place, &id, one_key());
            now(update.map(|done| done.is_ok()).now_or_never());
        });
    });
    group.finish();
}

/// A server that ends with this.
struct Server(Child, u16);

impl Server {
    fn start() -> Server {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|taken| taken.local_addr());
        let port = free.expect("a free port").port();
        let child = Command::new("redis-server")
            .args([
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--port",
                &port.to_string(),
            ])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is on the PATH");
        Server(child, port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Many at once, as the service asks: one at a time would measure the round trip.
fn redis_store(criterion: &mut Criterion) {
    const AT_ONCE: usize = 64;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let server = Server::start();
    let config = RedisConfig::parse(&format!("redis://127.0.0.1:{}", server.1)).expect("a URL");
    let place = place(&namespace());
    let store = runtime.block_on(async {
        let store = RedisStore::open(&config, Options::default(), None).await;
        let store = store.expect("good settings");
        while store.ping().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        store.create(&place, create(1)).await.expect("room");
        store
    });
    let mut group = criterion.benchmark_group("redis store, 64 at once");
    group.throughput(criterion::Throughput::Elements(AT_ONCE as u64));
    group.bench_function("get", |bencher| {
        bencher.iter(|| {
            let id = id(1);
            let reads = (0..AT_ONCE).map(|_| store.read(&place, &id, get()));
            let found = runtime.block_on(futures::future::join_all(reads));
            assert!(found.iter().all(Result::is_ok));
        });
    });
    group.bench_function("update", |bencher| {
        bencher.iter(|| {
            let id = id(1);
            let updates = (0..AT_ONCE).map(|_| store.update(&place, &id, one_key()));
            let done = runtime.block_on(futures::future::join_all(updates));
            assert!(done.iter().all(Result::is_ok));
        });
    });
    group.finish();
}

criterion_group!(steps, rules, conversion, memory_store, redis_store);
criterion_main!(steps);
