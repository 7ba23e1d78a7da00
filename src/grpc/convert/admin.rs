//! What an admin is answered.

use super::{answer, duration, event, span_of, timestamp};
use crate::grpc::admin_v1 as v1;
use crate::grpc::v1 as session_v1;
use crate::session::fields;
use crate::session::filter::{Filter, Span};
use crate::session::marks::Subject;
use crate::session::names::{CallerTag, Owner, SessionId};
use crate::session::record::{End, Session};
use crate::session::refusal::{EndReason, Refusal};
use crate::session::story::{MarkSeen, Story};
use crate::sessions::{Explained, KeyStatus, NamespaceUse, Progress, Rewrapped, StoreStatus};
use crate::store::inspection::Found;
use crate::store::status::Server;
use crate::store::{Namespace, Place};

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

/// Which sessions are meant.
pub(in crate::grpc) fn filter(wire: Option<v1::SessionFilter>) -> Result<Filter, Refusal> {
    let wire = wire.unwrap_or_default();
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    let (tenant, user, issuer) = (part(&wire.tenant), part(&wire.user), part(&wire.issuer));
    fields::owner_of("filter", &tenant, &user, &issuer)?;
    let span =
        |field: &'static str, span: Option<_>| span.map(|span| span_of(field, span)).transpose();
    Ok(Filter {
        tenant: wire.tenant.map(Into::into),
        user: wire.user.map(Into::into),
        issuer: wire.issuer.map(Into::into),
        labels: wire.labels.into_iter().map(Into::into).collect(),
        age: Span {
            min: span("filter.min_age", wire.min_age)?,
            max: span("filter.max_age", wire.max_age)?,
        },
        idle: Span {
            min: span("filter.min_idle", wire.min_idle)?,
            max: span("filter.max_idle", wire.max_idle)?,
        },
    })
}

pub(in crate::grpc) fn found(namespace: &Namespace, found: Found) -> v1::FoundSession {
    v1::FoundSession {
        session: Some(shown(namespace, &found.owner, found.session)),
        state_bytes: count(found.state.0),
        state_keys: count(found.state.1),
    }
}

/// A session without what is in it.
fn shown(namespace: &Namespace, owner: &Owner, mut session: Session) -> session_v1::Session {
    session.state = None;
    session.meta.mcp = None;
    answer::session_of(namespace, owner, session)
}

/// The sessions of these stories that are alive, with the keys of their states.
pub(in crate::grpc) fn inspected(
    namespace: &Namespace,
    stories: Vec<Story>,
) -> Vec<v1::InspectedSession> {
    let alive = stories.into_iter().filter(|story| story.end.is_none());
    alive
        .filter_map(|story| {
            let inside = story.kept?;
            let keys = inside.state.into_iter();
            Some(v1::InspectedSession {
                session: Some(shown(namespace, &story.owner, inside.session)),
                state_keys: keys
                    .map(|(key, len)| v1::StateKey {
                        key: key.into(),
                        value_bytes: count(len),
                    })
                    .collect(),
            })
        })
        .collect()
}

/// A session with what it remembers.
pub(in crate::grpc) fn with_state((place, mut session): (Place, Session)) -> session_v1::Session {
    session.meta.mcp = None;
    answer::session(&place, session)
}

pub(in crate::grpc) fn story(explained: Explained) -> v1::SessionStory {
    let Explained { story, callers } = explained;
    let name = |tag: CallerTag| callers.get(&tag).cloned().unwrap_or_default();
    let alive = match story.end {
        None => story.kept.as_ref(),
        Some(_) => None,
    };
    v1::SessionStory {
        owner: Some(answer::owner(&story.owner)),
        session_id: story.id.text().to_owned(),
        created_at: Some(timestamp(story.life.made_at)),
        created_by: name(story.life.made_by),
        last_used_at: Some(timestamp(story.life.used_at)),
        last_used_by: name(story.life.used_by),
        end: story.end.map(|end| ended(end, name(end.by))),
        swept: story.kept.is_none(),
        lives_on_as: story
            .lives_on_as
            .as_ref()
            .map_or_else(String::new, |id: &SessionId| id.text().to_owned()),
        known_until: story.told_until.map(timestamp),
        idle_expires_at: alive.map(|inside| timestamp(inside.session.meta.idle_expires_at())),
        expires_at: alive.map(|inside| timestamp(inside.session.meta.expires_at)),
        marks: story
            .marks
            .iter()
            .map(|seen| {
                let by = name(seen.end.by);
                mark(&story.owner, seen, by)
            })
            .collect(),
    }
}

fn ended(end: End, by: String) -> v1::SessionEnd {
    let invalidated = match end.reason {
        EndReason::Invalidated(why) => event::invalidation_reason(why),
        _ => session_v1::InvalidationReason::Unspecified,
    };
    v1::SessionEnd {
        ended_at: Some(timestamp(end.at)),
        reason: event::end_reason(end.reason).into(),
        invalidation_reason: invalidated.into(),
        ended_by: by,
    }
}

fn mark(owner: &Owner, mark: &MarkSeen, by: String) -> v1::MarkSeen {
    let selector = |subject: &Subject| event::selector(subject);
    let own = || session_v1::Selector {
        selector: Some(session_v1::selector::Selector::Owner(answer::owner(owner))),
    };
    let end = ended(mark.end, by);
    v1::MarkSeen {
        selector: Some(mark.subject.as_ref().map_or_else(own, selector)),
        set_at: end.ended_at,
        set_by: end.ended_by,
        reason: end.invalidation_reason,
        made_until: mark.made_until.map(timestamp),
        authenticated_until: mark.authenticated_until.map(timestamp),
        covers: mark.covers,
    }
}

pub(in crate::grpc) fn ending(progress: Progress) -> v1::EndSessionsResponse {
    v1::EndSessionsResponse {
        looked_count: count(progress.looked),
        total_count: count(progress.total),
        matched_count: count(progress.matched),
        ended_count: count(progress.ended),
        not_durable_count: count(progress.not_durable),
    }
}

pub(in crate::grpc) fn owner_use((owner, sessions): (Owner, usize)) -> v1::OwnerUse {
    v1::OwnerUse {
        owner: Some(answer::owner(&owner)),
        session_count: count(sessions),
    }
}

/// How many are asked for, of so many that may be.
pub(in crate::grpc) fn size(
    field: &'static str,
    asked: i32,
    default: usize,
) -> Result<usize, Refusal> {
    const MOST: usize = 1000;
    match usize::try_from(asked) {
        Err(_) => Err(Refusal::invalid(field, "must not be negative")),
        Ok(0) => Ok(default),
        Ok(size) => Ok(size.min(MOST)),
    }
}

pub(in crate::grpc) fn count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
