//! What a server says of itself, for those who run it.

use std::sync::Arc;

use futures::future::join_all;
use redis::Value;

use crate::store::redis::link::node::Node;
use crate::store::redis::link::servers::Servers;
use crate::store::redis::link::watch::field;

/// A server that has slots, and what it answers to INFO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Where it is.
    pub address: String,
    info: Option<String>,
}

impl Report {
    /// Whether it answered.
    pub fn is_known(&self) -> bool {
        self.info.is_some()
    }

    /// A field of its answer; empty if there is none.
    pub fn text(&self, name: &str) -> &str {
        self.info.as_deref().map_or("", |info| field(info, name))
    }

    /// A field that is a number; 0 if there is none.
    pub fn number(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or(0)
    }
}

/// Asks all servers that have slots.
pub(super) async fn all(servers: &Servers) -> Vec<Report> {
    join_all(servers.primaries().iter().map(of)).await
}

async fn of(node: &Arc<Node>) -> Report {
    let answer = node.call(&redis::cmd("INFO")).await;
    let info = match answer {
        Ok(Value::BulkString(text)) => Some(String::from_utf8_lossy(&text).into_owned()),
        Ok(Value::VerbatimString { text, .. }) => Some(text),
        _ => None,
    };
    Report {
        address: node.address.to_string(),
        info,
    }
}
