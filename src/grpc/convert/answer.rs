//! Answers: what the store said becomes a message.

use super::{duration, timestamp};
use crate::grpc::raw::Raw;
use crate::grpc::v1;
use crate::session::names::{CredentialName, Owner};
use crate::session::owner_record::{Created, Rotated, Updated};
use crate::session::record::{Mcp, Session};
use crate::store::{Namespace, Place, Revoked};

/// A session.
pub(crate) fn session(place: &Place, session: Session) -> v1::Session {
    session_of(&place.namespace, &place.owner, session)
}

/// A session of an owner.
pub(crate) fn session_of(namespace: &Namespace, whose: &Owner, session: Session) -> v1::Session {
    let Session {
        id,
        meta,
        state,
        credential_names,
    } = session;
    v1::Session {
        id: id.text().to_owned(),
        namespace: namespace.name.as_str().to_owned(),
        owner: Some(owner(whose)),
        conversation_id: text(meta.conversation.as_deref()),
        labels: meta
            .labels
            .as_deref()
            .unwrap_or_default()
            .iter()
            .map(ToString::to_string)
            .collect(),
        state: state.map(|state| Raw::Kept(state.to_shared_wire())),
        mcp: meta.mcp.as_deref().map(mcp),
        revision: meta.revision.cast_signed(),
        created_at: Some(timestamp(meta.created_at)),
        last_used_at: Some(timestamp(meta.last_used_at)),
        idle_ttl: Some(duration(meta.idle_ttl)),
        idle_expires_at: Some(timestamp(meta.idle_expires_at())),
        expires_at: Some(timestamp(meta.expires_at)),
        authenticated_at: Some(timestamp(meta.authenticated_at)),
        provider_session_id: text(meta.provider_session_id.as_deref()),
        credential_names: names(&credential_names),
    }
}

/// Names of credentials.
pub(crate) fn names(names: &[CredentialName]) -> Vec<String> {
    names.iter().map(|name| name.as_str().to_owned()).collect()
}

/// The answer to a CreateSession.
pub(crate) fn created(place: &Place, created: Created) -> v1::CreateSessionResponse {
    v1::CreateSessionResponse {
        session: Some(session(place, created.session)),
        created: created.created,
        replayed: created.replayed,
    }
}

/// The answer to an UpdateSession.
pub(crate) fn updated(place: &Place, updated: Updated) -> v1::UpdateSessionResponse {
    v1::UpdateSessionResponse {
        session: Some(session(place, updated.session)),
        increments: updated
            .increments
            .into_iter()
            .map(|(key, value)| (key.into_string(), value))
            .collect(),
        replayed: updated.replayed,
    }
}

/// The answer to a RotateSession.
pub(crate) fn rotated(place: &Place, rotated: Rotated) -> v1::RotateSessionResponse {
    v1::RotateSessionResponse {
        session: Some(session(place, rotated.session)),
        replayed: rotated.replayed,
    }
}

/// The answer to an InvalidateSessions.
pub(crate) fn revoked(revoked: Revoked) -> v1::InvalidateSessionsResponse {
    let count = |count: usize| i64::try_from(count).ok();
    let (ended_count, estimated_count) = match revoked {
        Revoked::Exactly(ended) => (count(ended), None),
        Revoked::InForce => (None, None),
        Revoked::Roughly(covered) => (None, count(covered)),
    };
    v1::InvalidateSessionsResponse {
        ended_count,
        estimated_count,
    }
}

/// An owner.
pub(crate) fn owner(owner: &Owner) -> v1::Owner {
    v1::Owner {
        tenant: owner.tenant().to_owned(),
        user: owner.user().to_owned(),
        issuer: owner.issuer().to_owned(),
    }
}

fn mcp(mcp: &Mcp) -> v1::McpContext {
    v1::McpContext {
        initialize_params_json: mcp.initialize_params_json.clone(),
        protocol_version: mcp.protocol_version.clone(),
        initialized: mcp.initialized,
        log_level: mcp.log_level.clone(),
        resource_subscriptions: mcp.resource_subscriptions.clone(),
    }
}

pub(super) fn text(text: Option<&str>) -> String {
    text.unwrap_or_default().to_owned()
}
