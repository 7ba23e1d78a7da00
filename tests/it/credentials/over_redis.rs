//! The same over Redis, where instances share nothing else: one refreshes, and Redis sees no secret.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use prost_types::value::Kind;
use prost_types::{Struct, Value as StateValue};
use redis::Value;
use tenure::config::Config;
use tenure::config::redis::RedisConfig;
use tenure::store::Store;
use tenure::store::redis::{Options, RedisStore};
use tenure_client::proto::v1;
use tenure_client::proto::v1::begin_refresh_response::Outcome;
use tonic::Code;

use super::refresh::seconds;
use super::{Caller, Fleet, SECRET, config, opaque, refused, tokens};
use crate::support::redis::{Options as ServerOptions, Server};

/// Instances over one Redis, each with a store and a configuration of its own.
async fn fleet(server: &Server, instances: usize, config: Config) -> Fleet {
    let mut stores: Vec<Arc<dyn Store>> = Vec::new();
    for _ in 0..instances {
        let mut redis = RedisConfig::parse(&server.url()).expect("a URL");
        // A busy machine must not turn this into an outage.
        redis.response_timeout = Duration::from_secs(10);
        let store = RedisStore::open(&redis, Options::default(), None).await;
        let store = store.expect("good settings");
        let ready = async {
            while store.ping().await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let ready = tokio::time::timeout(Duration::from_secs(30), ready).await;
        ready.expect("it can work");
        stores.push(Arc::new(store));
    }
    Fleet::over(stores, config).await
}

/// The configuration of all instances, and the file with their key.
fn shared_config() -> (Config, tempfile::NamedTempFile) {
    let file = super::keys::key_file(&["one"]);
    let mut config = config();
    config.keys.file = Some(file.path().to_owned());
    (config, file)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_refreshers_over_two_instances_make_one_refresh() {
    let server = Server::start();
    let (config, _file) = shared_config();
    let fleet = fleet(&server, 2, config).await;
    let mut ann = fleet.caller().await;
    let id = ann.with_token().await;
    let refreshes = Arc::new(AtomicUsize::new(0));
    let callers = (0..50).map(async |number| {
        let mut caller = Caller::new(fleet.channel(number % 2).await, "crm");
        match caller.begin(caller.refresh(&id, 1)).await.expect("begun") {
            Outcome::Lease(lease) => {
                assert!(!lease.uncertain);
                refreshes.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(200)).await;
                let version = caller.complete(&id, &lease, tokens("a-2", "r-2")).await;
                assert_eq!(version.expect("completed"), 2);
            }
            Outcome::Refreshed(result) => {
                assert_eq!(result.version, 2);
                assert_eq!(result.credential, Some(tokens("a-2", "r-2")));
            }
        }
    });
    futures::future::join_all(callers).await;
    assert_eq!(refreshes.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_holder_that_dies_leaves_a_doubt_on_every_instance() {
    let server = Server::start();
    let (config, _file) = shared_config();
    let fleet = fleet(&server, 2, config).await;
    let mut ann = fleet.caller().await;
    let id = ann.with_token().await;
    let brief = v1::BeginRefreshRequest {
        lease_ttl: Some(seconds(1)),
        ..ann.refresh(&id, 1)
    };
    let dead = ann.lease(brief).await;
    assert!(!dead.uncertain);
    let mut other = Caller::new(fleet.channel(1).await, "crm");
    let next = other.lease(other.refresh(&id, 1)).await;
    assert!(next.uncertain);
    assert_eq!(next.credential, Some(tokens("a-1", "r-1")));
    let late = ann.complete(&id, &dead, tokens("late", "late")).await;
    refused(late, Code::Aborted, "REFRESH_LEASE_LOST");
    let completed = other.complete(&id, &next, tokens("a-2", "r-2")).await;
    assert_eq!(completed.expect("completed"), 2);
    let seen = ann.get(&id, "token").await.expect("got");
    assert_eq!(seen, (tokens("a-2", "r-2"), 2));
}

/// Everything in Redis: names of keys, and what they hold.
fn everything(server: &Server) -> Vec<u8> {
    let mut found = Vec::new();
    let Value::Array(names) = server.ask(&["KEYS", "*"]) else {
        panic!("not a list of keys");
    };
    let mut connection = server.connect().expect("connected");
    for name in names {
        let Value::BulkString(name) = name else {
            panic!("not a name");
        };
        let read: &[&str] = match redis::cmd("TYPE").arg(&name).query(&mut connection) {
            Ok(Value::SimpleString(kind)) if kind == "hash" => &["HGETALL"],
            Ok(Value::SimpleString(kind)) if kind == "string" => &["GET"],
            Ok(Value::SimpleString(kind)) if kind == "zset" => &["ZRANGE", "0", "-1"],
            Ok(Value::SimpleString(kind)) if kind == "stream" => &["XRANGE", "-", "+"],
            other => panic!("what is this? {other:?}"),
        };
        let mut command = redis::cmd(read[0]);
        command.arg(&name).arg(&read[1..]);
        let value: Value = command.query(&mut connection).expect("a value");
        add(&mut found, &Value::BulkString(name));
        add(&mut found, &value);
    }
    found
}

fn add(found: &mut Vec<u8>, value: &Value) {
    match value {
        Value::BulkString(bytes) => {
            found.extend_from_slice(bytes);
            found.push(b'\n');
        }
        Value::Array(values) => values.iter().for_each(|value| add(found, value)),
        _ => {}
    }
}

#[tokio::test]
async fn redis_sees_no_secret() {
    const TOKEN: &str = "canary-token-5d1e";
    const API_KEY: &str = "canary-key-77b0";
    const STATE: &str = "canary-state-c3f9";
    for (namespace, sees_state) in [(SECRET, false), ("crm", true)] {
        // Compressed, nothing could be found.
        let server = Server::start_with(ServerOptions::default().line("rdbcompression no"));
        let (config, file) = shared_config();
        let fleet = fleet(&server, 1, config).await;
        let mut ann = Caller::new(fleet.channel(0).await, namespace);
        let text = |text: &str| StateValue {
            kind: Some(Kind::StringValue(text.to_owned())),
        };
        let mut request = ann.new_session();
        request.request_id = uuid::Uuid::new_v4().to_string();
        request.state = Some(Struct {
            fields: [("a".to_owned(), text(STATE))].into(),
        });
        let first = tokens(&format!("{TOKEN} access"), &format!("{TOKEN} refresh"));
        request.credentials.insert("token".to_owned(), first);
        let created = ann.create(request).await.expect("made");
        let id = created.id;
        let put = ann.put(&id, "key", opaque(API_KEY)).await;
        put.expect("put");
        let lease = ann.lease(ann.refresh(&id, 1)).await;
        let completed = ann.complete(&id, &lease, tokens(TOKEN, TOKEN)).await;
        completed.expect("completed");
        let change = v1::UpdateSessionRequest {
            namespace: namespace.to_owned(),
            owner: Some(ann.owner.clone()),
            session_id: id.clone(),
            set: Some(Struct {
                fields: [("b".to_owned(), text(STATE))].into(),
            }),
            request_id: uuid::Uuid::new_v4().to_string(),
            ..v1::UpdateSessionRequest::default()
        };
        ann.sessions.update_session(change).await.expect("changed");
        // What is sealed can be read.
        let seen = ann.get(&id, "token").await.expect("got");
        assert_eq!(seen, (tokens(TOKEN, TOKEN), 2));
        let session = ann.session(&id).await.expect("alive");
        assert_eq!(session.credential_names, ["key", "token"]);
        let state = session.state.expect("a state");
        assert_eq!(state.fields.get("b"), Some(&text(STATE)));

        let key_file = std::fs::read_to_string(file.path()).expect("keys");
        let (_, key) = key_file.trim().split_once(':').expect("a key");
        for (place, bytes) in [
            ("keys and values", everything(&server)),
            ("dump", server.dump()),
        ] {
            let holds = |wanted: &str| contains(&bytes, wanted.as_bytes());
            for canary in [TOKEN, API_KEY, key] {
                assert!(!holds(canary), "{canary} in {place} of {namespace}");
            }
            // Without encryption it is found, so that the search is known to work.
            assert_eq!(holds(STATE), sees_state, "{place} of {namespace}");
            assert!(holds("token"), "the name of the credential in {place}");
        }
    }
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
