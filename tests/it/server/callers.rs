//! Who calls, over the wire: every way to be known, every way not to be, and what the policy makes of it.

mod api_keys;
mod certificates;
mod issuer;
mod log;
mod matrix;
mod owner_proof;
mod raw;
mod tokens;

use std::net::SocketAddr;
use std::sync::Arc;

use tenure::call::{Pattern, Rights};
use tenure::config::{Callers, Config, Grant, Rule};
use tenure::{server, store};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use self::raw::Answered;
use super::config;

/// A service over a memory store. It ends with the test.
struct House {
    grpc: SocketAddr,
    stop: CancellationToken,
    _running: JoinHandle<anyhow::Result<()>>,
}

impl House {
    async fn start(config: Config) -> House {
        let store = store::open(&config.store).await.expect("a memory store");
        let bound = server::bind(config, Arc::clone(&store)).expect("bound");
        let grpc = bound.grpc_address();
        let running = bound.start().await.expect("started");
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        House {
            grpc,
            stop,
            _running: tokio::spawn(async move { running.until(stopped.cancelled()).await }),
        }
    }

    async fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.grpc)).expect("an address");
        endpoint.connect().await.expect("connected")
    }

    /// ListSessions of acme's ada in `crm`: what a caller may do who may do anything.
    async fn list(&self, headers: &[(&'static str, &str)]) -> Answered {
        let request = raw::request("ListSessions", "crm", "acme");
        let path = "/tenure.v1.SessionService/ListSessions";
        raw::call(self.channel().await, path, headers, request).await
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn rule(name: &str, caller: &str, allow: &[&str], namespace: &str, tenant: &str) -> (String, Rule) {
    let rule = Rule {
        callers: vec![Pattern::of_callers(caller)],
        allow: allow
            .iter()
            .map(|word| Grant {
                word: (*word).to_owned(),
                rights: Rights::named(word).expect("a role or an RPC"),
            })
            .collect(),
        namespaces: vec![Pattern::of_names(namespace)],
        tenants: vec![Pattern::of_names(tenant)],
    };
    (name.to_owned(), rule)
}

/// With these callers, all of which may do what a server does.
fn with_callers(callers: Callers) -> Config {
    let mut config = config();
    config.callers = callers;
    config.policy = vec![rule("servers", "**", &["server"], "*", "*")];
    config
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// What every unknown caller is told, whatever is wrong with what it shows.
fn assert_unknown(answered: &Answered, what: &str) {
    assert_eq!(answered.code, Code::Unauthenticated, "{what}");
    assert_eq!(answered.reason, "CALLER_UNKNOWN", "{what}");
}
