//! What the store in Redis promises beyond the suite: what it costs, what several instances do together, and
//! what it leaves behind. Against a real server.

mod cost;
mod credentials;
mod instances;
mod left_behind;
mod moving;
mod searches;
mod time;

use std::sync::Arc;
use std::time::Duration;

use tenure::config::redis::RedisConfig;
use tenure::session::limits::Limits;
use tenure::session::names::{CallerTag, Owner, RecordId, SessionId};
use tenure::session::owner_record::{Create, OnExisting, Read, Shown};
use tenure::session::state::State;
use tenure::store::Clock;
use tenure::store::redis::{Options, RedisStore};
use tenure::store::{Answer, Namespace, Place, Store, StoreError};

use crate::support::redis::Server;
use crate::support::world::{id, namespace};

/// An instance, ready to work.
async fn instance(server: &Server, clock: Option<Clock>) -> RedisStore {
    let mut config = RedisConfig::parse(&server.url()).expect("a URL");
    // A busy machine must not turn these tests into outages, and nothing may look after the server meanwhile.
    config.response_timeout = Duration::from_secs(10);
    config.watch_interval = Duration::from_hours(1);
    instance_with(&config, clock).await
}

async fn instance_with(config: &RedisConfig, clock: Option<Clock>) -> RedisStore {
    let options = Options {
        usage_age: Duration::ZERO,
        ..Options::default()
    };
    let store = RedisStore::open(config, options, clock)
        .await
        .expect("good settings");
    until_ready(&store).await;
    store
}

async fn until_ready(store: &RedisStore) {
    let ready = async {
        while store.ping().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ready)
        .await
        .expect("ready");
}

fn fleet() -> Arc<Namespace> {
    let limits = Limits {
        sessions_per_owner: 1000,
        ..Limits::default()
    };
    namespace("fleet", limits)
}

fn place(namespace: &Arc<Namespace>, user: usize) -> Place {
    Place {
        namespace: Arc::clone(namespace),
        owner: Owner::new("acme", &format!("user-{user}@example.com"), "idp").expect("an owner"),
        by: CallerTag::NOBODY,
    }
}

fn session_id(number: usize) -> SessionId {
    let uuid = uuid::Uuid::from_u128(0x9d1f_30a2_77b3_4c55_a1c2_0000_0000_0000 + number as u128);
    id(&uuid.to_string())
}

fn a_session(number: usize, state: State) -> Create {
    Create {
        id: session_id(number),
        record_id: RecordId(number as u128),
        conversation: None,
        state,
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

/// Makes sessions, each of another user, many at once.
async fn fill(store: &RedisStore, namespace: &Arc<Namespace>, count: usize, state: &State) {
    let numbers: Vec<usize> = (0..count).collect();
    for numbers in numbers.chunks(200) {
        let made = numbers.iter().map(|&number| async move {
            let create = a_session(number, state.clone());
            store.create(&place(namespace, number), create).await
        });
        for made in futures::future::join_all(made).await {
            made.expect("a new session");
        }
    }
}

async fn is_alive(store: &RedisStore, place: &Place, number: usize) -> bool {
    let peek = Read {
        slide: false,
        show: Shown::Nothing,
    };
    let answer: Answer<_> = store.read(place, &session_id(number), peek).await;
    match answer {
        Ok(_) => true,
        Err(StoreError::Refused(_)) => false,
        Err(error) => panic!("{error:?}"),
    }
}
