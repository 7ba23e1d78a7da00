//! What the client costs beside its bare stub: calls per second of both, over the same kind of connection, in many
//! short turns, so that what else the machine does falls on both alike.
//!
//!     cargo run -p tenure-client --features testing --example overhead [-- SECONDS_PER_TURN]

use std::error::Error;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tenure_client::proto::v1;
use tenure_client::proto::v1::session_service_client::SessionServiceClient;
use tenure_client::testing::Server;
use tenure_client::{Sessions, Tenure, Uuid};
use tonic::Request;
use tonic::transport::{Channel, Endpoint};

const TURNS: usize = 41;
const AT_ONCE: usize = 16;
/// In percent of the bare stub's calls per second.
const LIMIT: f64 = 15.0;
const TIMEOUT: Duration = Duration::from_secs(10);

type Stub = SessionServiceClient<Channel>;
type Done = Result<(), Box<dyn Error>>;

/// The same call through both.
#[derive(Clone, Copy)]
enum Call {
    Get,
    Update,
}

struct Both {
    sessions: Sessions,
    stub: Stub,
    session_id: String,
}

fn state() -> Value {
    json!({"filter": "open", "page": 3, "tags": ["a", "b", "c"], "customer": {"id": 4711, "name": "Grüße"}})
}

impl Both {
    async fn wrapped(&self, call: Call) -> Done {
        let session = match call {
            Call::Get => self.sessions.get(&self.session_id).await?,
            Call::Update => {
                let update = self.sessions.update(&self.session_id);
                update.set("page", 4).increment("calls", 1).await?.session
            }
        };
        let state = session.state.ok_or("no state")?;
        read(state.get("filter").and_then(Value::as_str))
    }

    async fn bare(&self, call: Call) -> Done {
        let owner = Some(v1::Owner {
            tenant: "acme".to_owned(),
            user: "ada".to_owned(),
            issuer: String::new(),
        });
        let (namespace, session_id) = ("bench".to_owned(), self.session_id.clone());
        let mut stub = self.stub.clone();
        let session = match call {
            Call::Get => {
                let get = v1::GetSessionRequest {
                    namespace,
                    owner,
                    session_id,
                    ..v1::GetSessionRequest::default()
                };
                stub.get_session(timed(get)).await?.into_inner().session
            }
            Call::Update => {
                let page = ("page".to_owned(), 4.0.into());
                let update = v1::UpdateSessionRequest {
                    namespace,
                    owner,
                    session_id,
                    set: Some(prost_types::Struct {
                        fields: [page].into(),
                    }),
                    increment: [("calls".to_owned(), 1)].into(),
                    request_id: Uuid::new_v4().to_string(),
                    ..v1::UpdateSessionRequest::default()
                };
                stub.update_session(timed(update))
                    .await?
                    .into_inner()
                    .session
            }
        };
        let state = session
            .and_then(|session| session.state)
            .ok_or("no state")?;
        match state
            .fields
            .get("filter")
            .and_then(|value| value.kind.as_ref())
        {
            Some(prost_types::value::Kind::StringValue(filter)) => read(Some(filter)),
            _ => read(None),
        }
    }

    /// Calls per second, with so many at once.
    async fn rate(&self, call: Call, wrapped: bool, turn: Duration) -> Result<f64, Box<dyn Error>> {
        let start = Instant::now();
        let workers = (0..AT_ONCE).map(|_| async {
            let mut calls = 0_u32;
            while start.elapsed() < turn {
                if wrapped {
                    self.wrapped(call).await?;
                } else {
                    self.bare(call).await?;
                }
                calls += 1;
            }
            Ok::<u32, Box<dyn Error>>(calls)
        });
        let mut calls = 0;
        for done in join_all(workers).await {
            calls += done?;
        }
        Ok(f64::from(calls) / start.elapsed().as_secs_f64())
    }
}

fn timed<M>(message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.set_timeout(TIMEOUT);
    request
}

fn read(filter: Option<&str>) -> Done {
    match filter {
        Some("open") => Ok(()),
        _ => Err("another state".into()),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "it shows what it measured")]
async fn main() -> Done {
    let seconds = std::env::args()
        .nth(1)
        .map_or(Ok(0.1), |text| text.parse())?;
    let turn = Duration::from_secs_f64(seconds);
    let server = Server::start()?;
    let tenure = Tenure::connect(server.options().timeout(TIMEOUT)).await?;
    let sessions = tenure.namespace("bench").owner("acme", "ada");
    let endpoint = Endpoint::from_shared(format!("http://{}", server.address()))?.tcp_nodelay(true);
    let both = Both {
        session_id: sessions.create().state(state()).await?.session.id,
        sessions,
        stub: Stub::new(endpoint.connect().await?),
    };
    let mut within = true;
    for (name, call) in [("get", Call::Get), ("update", Call::Update)] {
        both.rate(call, true, turn).await?;
        both.rate(call, false, turn).await?;
        let (mut wrapped, mut bare, mut shares) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..TURNS {
            // The order changes with each turn: who comes first has no advantage.
            let wrapper_first = number % 2 == 0;
            let first = both.rate(call, wrapper_first, turn).await?;
            let second = both.rate(call, !wrapper_first, turn).await?;
            let (own, stubs) = if wrapper_first {
                (first, second)
            } else {
                (second, first)
            };
            wrapped.push(own);
            bare.push(stubs);
            shares.push(own / stubs);
        }
        let overhead = 100.0 * (1.0 - median(shares));
        within &= overhead < LIMIT;
        println!(
            "{name}: client {:.0}/s, bare stub {:.0}/s, overhead {overhead:.1} % (must stay under {LIMIT} %)",
            median(wrapped),
            median(bare)
        );
    }
    if within {
        Ok(())
    } else {
        Err("the client costs too much".into())
    }
}
