//! The memory store with few and with many sessions: rate, bytes per session, the longest pause of the sweep, and
//! how long an invalidation of all takes.
//!
//!     cargo bench --bench memory -- 1000 1000000
//!     cargo bench --bench memory -- 1000 5000000        # takes 9 GiB
//!
//! Not Criterion's kind of benchmark: building up is the larger part, and a pause is a maximum.

use std::fmt;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use tenure::session::limits::Limits;
use tenure::session::marks::Subject;
use tenure::session::names::{CallerTag, NamespaceName, Owner, RecordId, SessionId};
use tenure::session::owner_record::{Create, OnExisting, Read, Shown};
use tenure::session::refusal::InvalidationReason;
use tenure::session::state::State;
use tenure::session::time::Time;
use tenure::store::memory::{Bounds, MemoryStore};
use tenure::store::{Clock, Namespace, Place, Revocation, Selector, Store};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const START: i64 = 1_800_000_000_000;
const IDLE: Duration = Duration::from_mins(15);
const PAYLOAD: usize = 1024;
const READS: u64 = 400_000;

/// As the service sweeps.
const SWEEP_BUDGET: usize = 256;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let sizes: Vec<u64> = arguments
        .iter()
        .filter_map(|text| text.parse().ok())
        .collect();
    // `cargo test --benches` only wants to see that it runs.
    let sizes = match (
        sizes.is_empty(),
        arguments.iter().any(|text| text == "--bench"),
    ) {
        (false, _) => sizes,
        (true, true) => vec![1_000, 1_000_000],
        (true, false) => vec![100],
    };
    for count in sizes {
        measure(count);
    }
}

/// One session of each user.
struct Filled {
    store: MemoryStore,
    clock: Clock,
    namespace: Arc<Namespace>,
}

impl Filled {
    fn place(&self, tenant: &str, number: u64) -> Place {
        Place {
            namespace: Arc::clone(&self.namespace),
            owner: Owner::new(tenant, &format!("user-{number}"), "").expect("a name"),
            by: CallerTag::NOBODY,
        }
    }

    fn id(number: u64) -> SessionId {
        SessionId::known(&uuid::Uuid::from_u128(u128::from(number)).to_string()).expect("an id")
    }

    fn create(&self, tenant: &str, number: u64, state: &State) {
        let create = Create {
            id: Filled::id(number),
            record_id: RecordId(u128::from(number)),
            conversation: None,
            // A copy of its own, as each session of the service has one.
            state: State::from_plain_wire(state.as_wire()),
            mcp: None,
            labels: None,
            credentials: Vec::new(),
            idle_ttl: IDLE,
            max_lifetime: Duration::from_hours(12),
            authenticated_at: None,
            provider_session_id: None,
            on_existing: OnExisting::Fail,
            request: None,
        };
        now(self.store.create(&self.place(tenant, number), create)).expect("room");
    }

    /// Reads a session as a Get does, and its state into an answer. Whether it is alive.
    fn read(&self, number: u64, answer: &mut Vec<u8>) -> bool {
        let read = Read {
            slide: true,
            show: Shown::All,
        };
        let place = self.place("acme", number);
        let found = now(self.store.read(&place, &Filled::id(number), read));
        answer.clear();
        if let Ok(session) = &found {
            answer.extend_from_slice(session.state.as_ref().expect("all of it").as_wire());
        }
        black_box(answer);
        found.is_ok()
    }
}

/// The memory store never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("an answer at once")
}

fn a_state() -> State {
    let value = [&[0x1A, 102][..], &[b'x'; 102]].concat();
    let keys: Vec<String> = (0..PAYLOAD / 102).map(|key| format!("key-{key}")).collect();
    State::from_entries(keys.iter().map(|key| (key.as_bytes(), &*value)))
}

#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
#[expect(clippy::cast_precision_loss, reason = "they are rounded")]
fn measure(count: u64) {
    let clock = Clock::stopped_at(Time::from_millis(START));
    let bounds = Bounds {
        max_sessions: usize::MAX,
        max_bytes: usize::MAX,
        event_log_length: 65_536,
    };
    let namespace = Arc::new(Namespace {
        name: NamespaceName::new("bench").expect("a name"),
        limits: Limits::default(),
    });
    let filled = Filled {
        store: MemoryStore::new(bounds, clock.clone()),
        clock,
        namespace,
    };
    let state = a_state();
    // The log of events has its full length before anything is counted.
    for number in 0..66_000 {
        filled.create("before", number, &state);
    }
    let before = resident_bytes();
    for number in 0..count {
        filled.create("acme", number, &state);
    }
    let taken = resident_bytes().saturating_sub(before) as f64 / count as f64;
    println!(
        "{count} bytes per session: {:.0}",
        taken - state.len_bytes() as f64
    );

    let started = Instant::now();
    let mut number = 0;
    let mut answer = Vec::with_capacity(2 * PAYLOAD);
    for _ in 0..READS.min(count * 400) {
        // Far from the one before it, like real calls.
        number = (number + 7_919_777) % count;
        assert!(filled.read(number, &mut answer));
    }
    let rate = READS.min(count * 400) as f64 / started.elapsed().as_secs_f64();
    println!("{count} rate: {rate:.0}");

    // What a wide invalidation leaves to the sweep is the most that it ever finds.
    let started = Instant::now();
    let revocation = Revocation {
        selector: Selector::Wide(Subject::Tenant("acme".into())),
        authenticated_until: None,
        except: None,
        reason: InvalidationReason::Admin,
        dry_run: false,
        by: CallerTag::NOBODY,
    };
    now(filled.store.revoke(&filled.namespace, revocation)).expect("in force");
    println!(
        "{count} invalidation ms: {:.3}",
        started.elapsed().as_secs_f64() * 1000.0
    );
    assert!(!filled.read(count - 1, &mut answer));
    print_sweep(&filled, count, "after the invalidation");
    // And everything that is left expires at one moment.
    filled.clock.advance(IDLE + Duration::from_secs(1));
    print_sweep(&filled, count, "of what is over");
    println!("{count} MiB left: {}", resident_bytes() >> 20);
}

/// How long something took.
#[derive(Clone, Copy, Default)]
struct Took {
    wall: Duration,
    /// What the thread computed meanwhile, the kernel's work for it included. The rest is others' time: the
    /// machine's, and whoever had the processor.
    cpu: Duration,
    /// How often the thread met memory that the kernel had yet to give it.
    faults: u64,
}

impl Took {
    fn of<T>(work: impl FnOnce() -> T) -> (T, Took) {
        let faults = page_faults();
        let (began, began_cpu) = (Instant::now(), thread_cpu());
        let done = work();
        let (cpu, wall) = (thread_cpu().saturating_sub(began_cpu), began.elapsed());
        let faults = page_faults() - faults;
        (done, Took { wall, cpu, faults })
    }
}

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |time: Duration| time.as_secs_f64() * 1000.0;
        let (wall, cpu) = (millis(self.wall), millis(self.cpu));
        write!(
            f,
            "{wall:.3} ms, of CPU {cpu:.3} ms, {} page faults",
            self.faults
        )
    }
}

/// Sweeps until nothing is left. A pause is what one poll takes: it holds a thread, and for most of it a lock.
#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn print_sweep(filled: &Filled, count: u64, when: &str) {
    let (mut longest, mut busiest) = (Took::default(), Took::default());
    let (mut polls, mut ended) = (0, 0);
    let started = Instant::now();
    loop {
        let mut sweep = pin!(filled.store.sweep(SWEEP_BUDGET));
        let waker = futures::task::noop_waker();
        let mut cx = std::task::Context::from_waker(&waker);
        let swept = loop {
            let (polled, took) = Took::of(|| sweep.as_mut().poll(&mut cx));
            polls += 1;
            longest = if took.wall > longest.wall {
                took
            } else {
                longest
            };
            busiest = if took.cpu > busiest.cpu {
                took
            } else {
                busiest
            };
            if let std::task::Poll::Ready(swept) = polled {
                break swept.expect("a sweep");
            }
        };
        ended += swept.ended;
        if !swept.more {
            break;
        }
    }
    let millis = started.elapsed().as_millis();
    println!("{count} sweep {when}, longest pause: {longest}");
    println!("{count} sweep {when}, most CPU in a pause: {busiest}");
    println!("{count} sweep {when}: {ended} ended in {millis} ms, {polls} pauses");
}

#[cfg(target_os = "linux")]
fn thread_cpu() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(now).unwrap_or_default()
}

#[cfg(not(target_os = "linux"))]
fn thread_cpu() -> Duration {
    Duration::ZERO
}

/// Linux tells it; elsewhere it is nothing.
fn page_faults() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap_or_default();
    // The tenth field; the second one is a name in brackets.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let faults = fields.split_ascii_whitespace().nth(7);
    faults
        .and_then(|count| count.parse().ok())
        .unwrap_or_default()
}

/// Linux tells it; elsewhere it is nothing.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}
