//! Which namespaces there are, how the store is, and what the instance writes into its log.

use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::Admin;
use crate::error::Error;
use crate::proto::admin_v1 as wire;
use crate::time::{rfc3339_or_null, seconds_or_null};
use crate::transport::{CallOptions, Stub};

/// A namespace and how much is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NamespaceUse {
    /// Its name.
    pub namespace: String,
    /// Whether the service's configuration lists it.
    pub listed: bool,
    /// Sessions that have not been ended yet.
    pub sessions: i64,
    /// Those of them that have no user.
    pub anonymous_sessions: i64,
    /// How many tenants, issuers and users are under a mark now; and everybody, as one.
    pub marks: i64,
}

/// How the store is, as one instance sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StoreStatus {
    /// What kind it is: `memory`, `redis`.
    pub kind: String,
    /// How its servers hang together: `process`, `standalone`, `sentinel`, `cluster`.
    pub topology: String,
    /// Whether it answers.
    pub reachable: bool,
    /// Whether it serves calls.
    pub ready: bool,
    /// What is wrong, if anything is.
    pub troubles: Vec<String>,
    /// The servers that have the data.
    pub servers: Vec<StoreServer>,
    /// Sessions over all namespaces; `None`: the store is away.
    pub sessions: Option<i64>,
    /// How many it may hold, where that is its own limit.
    pub max_sessions: Option<i64>,
    /// The bytes that they take, where it counts them.
    pub bytes: Option<i64>,
    /// The bytes that they may take, where that is its own limit.
    pub max_bytes: Option<i64>,
    /// Subjects under a mark, over all namespaces; `None`: the store is away.
    pub marks: Option<i64>,
    /// How late the instance's last sweep was with what was due.
    #[serde(serialize_with = "seconds_or_null")]
    pub sweep_lag: Option<Duration>,
    /// When it last swept.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub last_swept_at: Option<SystemTime>,
}

/// A server that keeps sessions, or a share of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StoreServer {
    /// Where it is.
    pub address: String,
    /// Whether it answered. If not, the rest is not known.
    pub reachable: bool,
    /// Its version.
    pub version: String,
    /// The bytes that it takes.
    pub memory_bytes: i64,
    /// The bytes that it may take; 0: as many as its machine has.
    pub max_memory_bytes: i64,
    /// What it does when they are taken.
    pub eviction_policy: String,
    /// How many of its replicas are connected.
    pub replicas: i64,
    /// For how long it has been running.
    #[serde(serialize_with = "seconds_or_null")]
    pub uptime: Option<Duration>,
}

impl Admin {
    /// Which namespaces there are, and how much is in each.
    ///
    /// # Errors
    /// When the service refuses, or is away.
    pub async fn namespaces(&self) -> Result<Vec<NamespaceUse>, Error> {
        let rpc = |stub: Stub, request| async move { stub.admin().list_namespaces(request).await };
        let call = self.transport.begin(CallOptions::default());
        let message = wire::ListNamespacesRequest {};
        let answer: wire::ListNamespacesResponse = self.transport.call(&call, message, rpc).await?;
        let namespaces = answer.namespaces.into_iter().map(|told| NamespaceUse {
            namespace: told.namespace,
            listed: told.listed,
            sessions: told.session_count,
            anonymous_sessions: told.anonymous_session_count,
            marks: told.mark_count,
        });
        Ok(namespaces.collect())
    }

    /// How the store is, as the instance that answers sees it.
    ///
    /// # Errors
    /// When the service refuses, or is away; not when its store is.
    pub async fn store_status(&self) -> Result<StoreStatus, Error> {
        let rpc = |stub: Stub, request| async move { stub.admin().get_store_status(request).await };
        let call = self.transport.begin(CallOptions::default());
        let message = wire::GetStoreStatusRequest {};
        let told: wire::GetStoreStatusResponse = self.transport.call(&call, message, rpc).await?;
        Ok(StoreStatus {
            kind: told.kind,
            topology: told.topology,
            reachable: told.reachable,
            ready: told.ready,
            troubles: told.troubles,
            servers: told.servers.into_iter().map(StoreServer::of).collect(),
            sessions: told.session_count,
            max_sessions: told.max_session_count,
            bytes: told.bytes,
            max_bytes: told.max_bytes,
            marks: told.mark_count,
            sweep_lag: told.sweep_lag.and_then(span),
            last_swept_at: told.last_swept_at.and_then(moment),
        })
    }

    /// Which lines of its log the instance that answers writes.
    ///
    /// # Errors
    /// When the service refuses, or is away.
    pub async fn log_filter(&self) -> Result<String, Error> {
        let rpc = |stub: Stub, request| async move { stub.admin().get_log_level(request).await };
        let call = self.transport.begin(CallOptions::default());
        let message = wire::GetLogLevelRequest {};
        let answer: wire::GetLogLevelResponse = self.transport.call(&call, message, rpc).await?;
        Ok(answer.filter)
    }

    /// Changes which lines of its log the instance that answers writes: `debug`, or `info,tenure=debug`. Answers
    /// which were until now.
    ///
    /// # Errors
    /// When it is no filter, when the service refuses, or is away.
    pub async fn set_log_filter(&self, filter: &str) -> Result<String, Error> {
        let rpc = |stub: Stub, request| async move { stub.admin().set_log_level(request).await };
        let call = self.transport.begin(CallOptions::default());
        let message = wire::SetLogLevelRequest {
            filter: filter.to_owned(),
        };
        let answer: wire::SetLogLevelResponse = self.transport.call(&call, message, rpc).await?;
        Ok(answer.previous_filter)
    }
}

impl StoreServer {
    fn of(told: wire::StoreServer) -> StoreServer {
        StoreServer {
            address: told.address,
            reachable: told.reachable,
            version: told.version,
            memory_bytes: told.memory_bytes,
            max_memory_bytes: told.max_memory_bytes,
            eviction_policy: told.eviction_policy,
            replicas: told.replica_count,
            uptime: told.uptime.and_then(span),
        }
    }
}

pub(super) fn span(span: prost_types::Duration) -> Option<Duration> {
    Duration::try_from(span).ok()
}

pub(super) fn moment(at: prost_types::Timestamp) -> Option<SystemTime> {
    SystemTime::try_from(at).ok()
}
