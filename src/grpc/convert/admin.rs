//! What an admin is answered.

use super::{duration, timestamp};
use crate::grpc::admin_v1 as v1;
use crate::sessions::{KeyStatus, NamespaceUse, Rewrapped, StoreStatus};
use crate::store::status::Server;

pub(in crate::grpc) fn key_status(status: KeyStatus) -> v1::GetKeyStatusResponse {
    let keys = status.keys.into_iter();
    v1::GetKeyStatusResponse {
        keys: keys
            .map(|(key_id, known)| v1::KeyStatus {
                key_id,
                active: known.active,
                loaded: known.loaded,
                tenant_keys: count(known.tenant_keys),
            })
            .collect(),
        damaged_tenant_keys: count(status.damaged),
    }
}

pub(in crate::grpc) fn rewrapped(told: Rewrapped) -> v1::RewrapKeysResponse {
    v1::RewrapKeysResponse {
        total_count: count(told.total),
        seen_count: count(told.seen),
        rewrapped_count: count(told.rewrapped),
        failed_count: count(told.failed),
    }
}

pub(in crate::grpc) fn namespace_use(namespace: &NamespaceUse) -> v1::NamespaceUse {
    v1::NamespaceUse {
        namespace: namespace.name.as_str().to_owned(),
        listed: namespace.listed,
        session_count: count(namespace.sessions),
        anonymous_session_count: count(namespace.anonymous),
        mark_count: count(namespace.marks),
    }
}

pub(in crate::grpc) fn store_status(status: StoreStatus) -> v1::GetStoreStatusResponse {
    let of_store = status.status;
    let (sweep_lag, last_swept_at) = status.swept.unzip();
    let (sessions, marks) = status.held.unzip();
    v1::GetStoreStatusResponse {
        kind: status.kind.to_owned(),
        topology: of_store.topology.to_owned(),
        reachable: status.reachable,
        ready: of_store.ready,
        troubles: of_store.trouble,
        servers: of_store.servers.into_iter().map(server).collect(),
        session_count: sessions.map(count),
        max_session_count: of_store.sessions.map(|(_, most)| count(most)),
        bytes: of_store.bytes.map(|(taken, _)| count(taken)),
        max_bytes: of_store.bytes.map(|(_, most)| count(most)),
        mark_count: marks.map(count),
        sweep_lag: sweep_lag.map(duration),
        last_swept_at: last_swept_at.map(timestamp),
    }
}

fn server(server: Server) -> v1::StoreServer {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    v1::StoreServer {
        address: server.address,
        reachable: server.reachable,
        version: server.version,
        memory_bytes: number(server.memory),
        max_memory_bytes: number(server.max_memory),
        eviction_policy: server.eviction,
        replica_count: number(server.replicas),
        uptime: server.reachable.then(|| duration(server.uptime)),
    }
}

fn count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
