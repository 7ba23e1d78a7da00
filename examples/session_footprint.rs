//! How much memory a session takes beside its payload: many owners with one session each.
//!
//! `cargo run --example session_footprint -- [SESSIONS] [STATE_BYTES]`. The resident set does not depend on
//! the optimisation, so any profile will do.
#![expect(clippy::print_stdout, reason = "an example tells what it has found")]

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prost::Message as _;
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use tenure::session::limits::Limits;
use tenure::session::names::{CallerTag, NamespaceName, Owner, RecordId, SessionId};
use tenure::session::owner_record::{Create, OnExisting, Read, Shown};
use tenure::session::state::State;
use tenure::store::Clock;
use tenure::store::memory::{Bounds, MemoryStore};
use tenure::store::{Namespace, Place, Store as _};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const KEYS: usize = 10;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |at: usize, default| arguments.get(at).map_or(Ok(default), |text| text.parse());
    let sessions: usize = number(1, 1_000_000)?;
    let state_bytes: usize = number(2, 1024)?;
    tokio::runtime::Builder::new_current_thread()
        .build()?
        .block_on(measure(sessions, state_bytes))
}

async fn measure(sessions: usize, state_bytes: usize) -> Result<(), Box<dyn std::error::Error>> {
    let limits = Limits::default();
    let state = state_of(state_bytes);
    let namespace = Arc::new(Namespace {
        name: NamespaceName::new("footprint").map_err(|bad| bad.0)?,
        limits: limits.clone(),
    });
    let bounds = Bounds {
        max_sessions: usize::MAX,
        max_bytes: usize::MAX,
        event_log_length: 1000,
    };
    let store = MemoryStore::new(bounds, Clock::system());
    let place = |number: usize| {
        let owner = Owner::new("acme", &format!("user-{number:09}"), "https://id.example");
        owner.map(|owner| Place {
            namespace: Arc::clone(&namespace),
            owner,
            by: CallerTag::NOBODY,
        })
    };
    let id = |number: usize| SessionId::known(&uuid::Uuid::from_u128(number as u128).to_string());

    let before = resident_bytes()?;
    let start = Instant::now();
    for number in 0..sessions {
        let create = Create {
            id: id(number).map_err(|bad| bad.0)?,
            record_id: RecordId(number as u128),
            conversation: None,
            // Each session has bytes of its own, as if they had come over the wire.
            state: State::from_wire(&state, "state", &limits).map_err(|_| "a bad state")?,
            mcp: None,
            labels: None,
            credentials: Vec::new(),
            idle_ttl: Duration::from_hours(1),
            max_lifetime: Duration::from_hours(10),
            authenticated_at: None,
            provider_session_id: None,
            on_existing: OnExisting::Fail,
            request: None,
        };
        let place = place(number).map_err(|(_, bad)| bad.0)?;
        store.create(&place, create).await?;
    }
    let made = start.elapsed();
    let taken = resident_bytes()? - before;
    let text = "acme".len() + "user-000000000".len() + "https://id.example".len() + 36;
    let each = taken / sessions;
    println!("sessions                    {sessions}, made in {made:?}");
    println!("state, as encoded           {} bytes", state.len());
    println!("resident                    {each} bytes each");
    println!("over the state              {} bytes", each - state.len());
    println!(
        "over state, id and owner    {} bytes",
        each - state.len() - text
    );
    let counted = store.held().await?.bytes.unwrap_or_default() / sessions;
    println!("as the store counts         {counted} bytes each");

    let start = Instant::now();
    let rounds = sessions.min(200_000);
    let stride = 7919;
    for round in 0..rounds {
        let number = round * stride % sessions;
        let place = place(number).map_err(|(_, bad)| bad.0)?;
        let read = Read {
            slide: true,
            show: Shown::All,
        };
        let id = id(number).map_err(|bad| bad.0)?;
        store.read(&place, &id, read).await?;
    }
    let each = start.elapsed() / u32::try_from(rounds)?;
    println!("a read, with making its id  {each:?}");
    Ok(())
}

fn state_of(bytes: usize) -> Vec<u8> {
    // What frames a key of five characters with a string of 100 takes.
    let value_bytes = (bytes / KEYS).saturating_sub(13);
    let fields = (0..KEYS).map(|key| {
        let value = Value {
            kind: Some(Kind::StringValue("v".repeat(value_bytes))),
        };
        (format!("key-{key}"), value)
    });
    Struct {
        fields: fields.collect(),
    }
    .encode_to_vec()
}

fn resident_bytes() -> Result<usize, Box<dyn std::error::Error>> {
    let statm = fs::read_to_string("/proc/self/statm")?;
    let pages: usize = statm
        .split_whitespace()
        .nth(1)
        .ok_or("no resident set")?
        .parse()?;
    Ok(pages * 4096)
}
