//! One connection to one server: enough to try the store with.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Value};
use tokio::sync::{OnceCell, watch};

use super::url::{BadRedisConfig, RedisConfig, Topology};

/// A script with its text.
pub(super) struct Script {
    name: &'static str,
    text: String,
    sha: String,
}

impl Script {
    pub(super) fn new(name: &'static str, text: String) -> Script {
        let digest = aws_lc_rs::digest::digest(
            &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY,
            text.as_bytes(),
        );
        let sha = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Script { name, text, sha }
    }
}

/// A script to run.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) script: &'static Script,
    pub(super) keys: Vec<Vec<u8>>,
    pub(super) args: Vec<Vec<u8>>,
}

pub(super) enum Durable {
    Yes,
    NotYet,
}

#[derive(Clone, Debug)]
pub enum Fault {
    Unavailable { retry_after: Duration },
    Full,
    Unsafe,
    ClockSkew,
    Script(String),
}

pub(super) struct Link {
    client: redis::Client,
    connection: OnceCell<MultiplexedConnection>,
    failovers: watch::Sender<u64>,
}

impl Link {
    pub(super) async fn open(config: &RedisConfig) -> Result<Link, BadRedisConfig> {
        config.check()?;
        let Topology::Standalone(address) = &config.topology else {
            unimplemented!()
        };
        let client = redis::Client::open(format!("redis://{address}")).expect("a URL");
        Ok(Link {
            client,
            connection: OnceCell::new(),
            failovers: watch::Sender::new(0),
        })
    }

    async fn connection(&self) -> Result<MultiplexedConnection, Fault> {
        let made = self
            .connection
            .get_or_try_init(|| self.client.get_multiplexed_async_connection())
            .await;
        made.cloned().map_err(fault)
    }

    pub(super) async fn call(&self, call: &Call) -> Result<Value, Fault> {
        let mut connection = self.connection().await?;
        let mut cmd = redis::cmd("EVALSHA");
        cmd.arg(&call.script.sha).arg(call.keys.len()).arg(&call.keys).arg(&call.args);
        match connection.send_packed_command(&cmd).await {
            Err(error) if error.code() == Some("NOSCRIPT") => {
                let mut cmd = redis::cmd("EVAL");
                cmd.arg(&call.script.text).arg(call.keys.len()).arg(&call.keys).arg(&call.args);
                connection.send_packed_command(&cmd).await
            }
            answer => answer,
        }
        .and_then(Value::extract_error)
        .map_err(|error| {
            eprintln!("{} {error:?}", call.script.name);
            fault(error)
        })
    }

    pub(super) async fn call_ending(&self, call: &Call) -> Result<(Value, Durable), Fault> {
        Ok((self.call(call).await?, Durable::Yes))
    }

    pub(super) async fn call_many(&self, calls: &[Call]) -> Vec<Result<Value, Fault>> {
        futures::future::join_all(calls.iter().map(|call| self.call(call))).await
    }

    pub(super) async fn call_many_ending(&self, calls: &[Call]) -> Vec<Result<(Value, Durable), Fault>> {
        futures::future::join_all(calls.iter().map(|call| self.call_ending(call))).await
    }

    pub(super) async fn command(&self, _slot_key: &[u8], cmd: Cmd) -> Result<Value, Fault> {
        let mut connection = self.connection().await?;
        connection
            .send_packed_command(&cmd)
            .await
            .and_then(Value::extract_error)
            .map_err(fault)
    }

    pub(super) fn failovers(&self) -> watch::Receiver<u64> {
        self.failovers.subscribe()
    }
}

fn fault(error: redis::RedisError) -> Fault {
    match error.code() {
        Some("OOM") => Fault::Full,
        Some(_) => Fault::Script(error.to_string()),
        None => Fault::Unavailable { retry_after: Duration::from_millis(250) },
    }
}
