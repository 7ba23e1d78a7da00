//! Sessions, whoever owns them: finding, showing and explaining them, and ending many.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use tonic::Streaming;

use super::Admin;
use super::status::moment;
use crate::error::Error;
use crate::event::{
    EndReason, InvalidationReason, Selector, end_reason, invalidation_reason, selector,
};
use crate::model::{Owner, Session};
use crate::proto::admin_v1 as wire;
use crate::proto::v1;
use crate::time::{duration_to_wire, rfc3339_or_null};
use crate::transport::{Beside, CallOptions, Stub};

/// Which sessions are meant: those to which all of this applies. Without anything: every session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// The owner's tenant.
    pub tenant: Option<String>,
    /// The owner's user; empty: the anonymous owner.
    pub user: Option<String>,
    /// Who vouches for the owner.
    pub issuer: Option<String>,
    /// Labels that the session has, all of them.
    pub labels: Vec<String>,
    /// It was made so long ago at least.
    pub min_age: Option<Duration>,
    /// It was made so long ago at most.
    pub max_age: Option<Duration>,
    /// It was last used so long ago at least.
    pub min_idle: Option<Duration>,
    /// It was last used so long ago at most.
    pub max_idle: Option<Duration>,
}

/// A session that was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FoundSession {
    /// The session, without state.
    #[serde(flatten)]
    pub session: Session,
    /// How many bytes its state takes.
    pub state_bytes: i64,
    /// In how many keys.
    pub state_keys: i64,
}

/// Sessions that were found, and where the next page starts.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FoundPage {
    /// The sessions.
    pub sessions: Vec<FoundSession>,
    /// Where the next page starts; `None`: this was the last.
    pub next_page_token: Option<String>,
}

/// Sessions of a stream, and how far it has come.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FoundBatch {
    /// The sessions.
    pub sessions: Vec<FoundSession>,
    /// How many were looked at so far.
    pub looked: i64,
    /// How many there were at the start, about.
    pub total: i64,
}

/// A session with the keys of its state.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct InspectedSession {
    /// The session, without state.
    #[serde(flatten)]
    pub session: Session,
    /// The keys of its state, and how many bytes each value takes.
    pub state_keys: Vec<StateKey>,
}

/// A key of a session's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StateKey {
    /// The key.
    pub key: String,
    /// How many bytes its value takes.
    pub value_bytes: i64,
}

/// What is known of a session.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SessionStory {
    /// Whose it is.
    pub owner: Owner,
    /// The id that was asked for.
    pub session_id: String,
    /// When it was made.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub created_at: Option<SystemTime>,
    /// The caller that made it.
    pub created_by: String,
    /// When it was last used.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub last_used_at: Option<SystemTime>,
    /// The caller that used it.
    pub last_used_by: String,
    /// How it ended; `None`: it is alive.
    pub end: Option<SessionEnd>,
    /// Whether its end has been carried out; if not, it waits for the sweep.
    pub swept: bool,
    /// The id that it has been rotated to and lives on under.
    pub lives_on_as: Option<String>,
    /// Until when its owner is told how it ended, and this story is known.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub known_until: Option<SystemTime>,
    /// When it ends if it is not used.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub idle_expires_at: Option<SystemTime>,
    /// When it ends in any case.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub expires_at: Option<SystemTime>,
    /// The marks that its owner is under.
    pub marks: Vec<MarkSeen>,
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SessionEnd {
    /// When.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub ended_at: Option<SystemTime>,
    /// Why.
    pub reason: EndReason,
    /// Why it was invalidated, if it was.
    pub invalidation_reason: Option<InvalidationReason>,
    /// The caller that ended it; empty: time did.
    pub ended_by: String,
}

/// A mark that a session's owner is under.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MarkSeen {
    /// Whom it is about.
    pub selector: Option<Selector>,
    /// When it was set.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub set_at: Option<SystemTime>,
    /// The caller that set it.
    pub set_by: String,
    /// Why.
    pub reason: InvalidationReason,
    /// It covers everything made up to then; `None`: it is about logins alone.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub made_until: Option<SystemTime>,
    /// It covers every login up to then.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub authenticated_until: Option<SystemTime>,
    /// Whether it covers this session, if that has not been ended.
    pub covers: bool,
}

/// How far the ending of many sessions has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EndProgress {
    /// How many were looked at.
    pub looked: i64,
    /// How many there were at the start, about.
    pub total: i64,
    /// How many of them are meant.
    pub matched: i64,
    /// How many the call has ended.
    pub ended: i64,
    /// How many of these endings would not survive a failover yet. Repeating the call is right.
    pub not_durable: i64,
}

/// An owner and how many sessions it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OwnerUse {
    /// The owner.
    pub owner: Owner,
    /// How many sessions it has that have not been ended.
    pub sessions: i64,
}

/// Sessions as they are found.
#[derive(Debug)]
pub struct FoundStream(Streaming<wire::StreamSessionsResponse>);

/// The ending of many sessions. It goes on only as long as [`EndMany::next`] is called.
#[derive(Debug)]
pub struct EndMany(Streaming<wire::EndSessionsResponse>);

impl Admin {
    /// A page of a namespace's sessions, in no order.
    ///
    /// # Errors
    /// When the service refuses, or is away.
    pub async fn find(
        &self,
        namespace: &str,
        filter: SessionFilter,
        page_size: i32,
        page_token: Option<String>,
    ) -> Result<FoundPage, Error> {
        let rpc = |stub: Stub, request| async move { stub.admin().find_sessions(request).await };
        let call = self.transport.begin(CallOptions::default());
        let message = wire::FindSessionsRequest {
            namespace: namespace.to_owned(),
            filter: Some(filter.to_wire()?),
            page_size,
            page_token: page_token.unwrap_or_default(),
        };
        let answer: wire::FindSessionsResponse = self.transport.call(&call, message, rpc).await?;
        Ok(FoundPage {
            sessions: found(answer.sessions)?,
            next_page_token: (!answer.next_page_token.is_empty()).then_some(answer.next_page_token),
        })
    }

    /// All sessions of a namespace that are meant, in no order.
    ///
    /// # Errors
    /// When the service refuses, or is away.
    pub async fn find_all(
        &self,
        namespace: &str,
        filter: SessionFilter,
    ) -> Result<FoundStream, Error> {
        let rpc = |stub: Stub, request| async move { stub.admin().stream_sessions(request).await };
        let message = wire::StreamSessionsRequest {
            namespace: namespace.to_owned(),
            filter: Some(filter.to_wire()?),
        };
        // It may take longer than any call: no deadline.
        let request = self.transport.request(&Beside::default(), message).await?;
        Ok(FoundStream(self.transport.send(request, &rpc).await?))
    }

    /// The live sessions that bear an id, with the keys of their state, over all tenants or in one.
    ///
    /// # Errors
    /// When the service refuses, or is away.
    pub async fn inspect(
        &self,
        namespace: &str,
        session_id: &str,
        tenant: Option<&str>,
    ) -> Result<Vec<InspectedSession>, Error> {
        let rpc = |stub: Stub, request| async move { stub.admin().inspect_session(request).await };
        let call = self.transport.begin(CallOptions::default());
        let message = wire::InspectSessionRequest {
            namespace: namespace.to_owned(),
            session_id: session_id.to_owned(),
            tenant: tenant.map(str::to_owned),
        };
        let answer: wire::InspectSessionResponse = self.transport.call(&call, message, rpc).await?;
        let sessions = answer.sessions.into_iter().map(|told| {
            let keys = told.state_keys.into_iter().map(|told| StateKey {
                key: told.key,
                value_bytes: told.value_bytes,
            });
            Ok(InspectedSession {
                session: Session::from_wire(told.session)?,
                state_keys: keys.collect(),
            })
        });
        sessions.collect()
    }

    /// The live sessions that bear an id, with what they remember. For emergencies: the reason stands in the audit.
    ///
    /// # Errors
    /// When the service refuses, has no audit, or is away.
    pub async fn read_state(
        &self,
        namespace: &str,
        session_id: &str,
        tenant: Option<&str>,
        reason: &str,
        state_keys: Vec<String>,
    ) -> Result<Vec<Session>, Error> {
        let rpc =
            |stub: Stub, request| async move { stub.admin().read_session_state(request).await };
        let call = self.transport.begin(CallOptions::default());
        let message = wire::ReadSessionStateRequest {
            namespace: namespace.to_owned(),
            session_id: session_id.to_owned(),
            tenant: tenant.map(str::to_owned),
            reason: reason.to_owned(),
            state_keys,
        };
        let answer: wire::ReadSessionStateResponse =
            self.transport.call(&call, message, rpc).await?;
        let sessions = answer.sessions.into_iter();
        sessions
            .map(|session| Session::from_wire(Some(session)))
            .collect()
    }

    /// The stories of the sessions that bear an id or bore it, over all tenants or in one.
    ///
    /// # Errors
    /// When the service refuses, or is away.
    pub async fn explain(
        &self,
        namespace: &str,
        session_id: &str,
        tenant: Option<&str>,
    ) -> Result<Vec<SessionStory>, Error> {
        let rpc = |stub: Stub, request| async move { stub.admin().explain_session(request).await };
        let call = self.transport.begin(CallOptions::default());
        let message = wire::ExplainSessionRequest {
            namespace: namespace.to_owned(),
            session_id: session_id.to_owned(),
            tenant: tenant.map(str::to_owned),
        };
        let answer: wire::ExplainSessionResponse = self.transport.call(&call, message, rpc).await?;
        Ok(answer.stories.into_iter().map(SessionStory::of).collect())
    }

    /// Ends the sessions that are meant, or with `dry_run` counts them. A filter that means every session takes
    /// `all`.
    ///
    /// # Errors
    /// When the service refuses, or is away.
    pub async fn end_all(
        &self,
        namespace: &str,
        filter: SessionFilter,
        all: bool,
        dry_run: bool,
        note: &str,
    ) -> Result<EndMany, Error> {
        let rpc = |stub: Stub, request| async move { stub.admin().end_sessions(request).await };
        let message = wire::EndSessionsRequest {
            namespace: namespace.to_owned(),
            filter: Some(filter.to_wire()?),
            all,
            dry_run,
            note: note.to_owned(),
        };
        // It may take longer than any call: no deadline.
        let request = self.transport.request(&Beside::default(), message).await?;
        Ok(EndMany(self.transport.send(request, &rpc).await?))
    }

    /// The owners that have the most sessions, those with the most first.
    ///
    /// # Errors
    /// When the service refuses, or is away.
    pub async fn top_owners(
        &self,
        namespace: &str,
        tenant: Option<&str>,
        limit: i32,
    ) -> Result<Vec<OwnerUse>, Error> {
        let rpc = |stub: Stub, request| async move { stub.admin().list_top_owners(request).await };
        let call = self.transport.begin(CallOptions::default());
        let message = wire::ListTopOwnersRequest {
            namespace: namespace.to_owned(),
            limit,
            tenant: tenant.map(str::to_owned),
        };
        let answer: wire::ListTopOwnersResponse = self.transport.call(&call, message, rpc).await?;
        let owners = answer.owners.into_iter().map(|told| OwnerUse {
            owner: told.owner.unwrap_or_default().into(),
            sessions: told.session_count,
        });
        Ok(owners.collect())
    }
}

fn found(sessions: Vec<wire::FoundSession>) -> Result<Vec<FoundSession>, Error> {
    let sessions = sessions.into_iter().map(|told| {
        Ok(FoundSession {
            session: Session::from_wire(told.session)?,
            state_bytes: told.state_bytes,
            state_keys: told.state_keys,
        })
    });
    sessions.collect()
}

fn why(reason: i32) -> Option<InvalidationReason> {
    let reason = v1::InvalidationReason::try_from(reason).unwrap_or_default();
    (reason != v1::InvalidationReason::Unspecified).then(|| invalidation_reason(reason))
}

impl FoundStream {
    /// The next sessions; `None` when these were all.
    ///
    /// # Errors
    /// When the service fails, or is away.
    pub async fn next(&mut self) -> Result<Option<FoundBatch>, Error> {
        let Some(message) = self.0.message().await? else {
            return Ok(None);
        };
        Ok(Some(FoundBatch {
            sessions: found(message.sessions)?,
            looked: message.looked_count,
            total: message.total_count,
        }))
    }
}

impl EndMany {
    /// How far it has come; `None` when it is done.
    ///
    /// # Errors
    /// When the service fails, or is away. What has been ended stays so.
    pub async fn next(&mut self) -> Result<Option<EndProgress>, Error> {
        let message = self.0.message().await?;
        Ok(message.map(|told| EndProgress {
            looked: told.looked_count,
            total: told.total_count,
            matched: told.matched_count,
            ended: told.ended_count,
            not_durable: told.not_durable_count,
        }))
    }
}

impl SessionFilter {
    fn to_wire(&self) -> Result<wire::SessionFilter, Error> {
        let span = |field: &str, span: Option<Duration>| {
            span.map(|span| duration_to_wire(field, span)).transpose()
        };
        Ok(wire::SessionFilter {
            tenant: self.tenant.clone(),
            user: self.user.clone(),
            issuer: self.issuer.clone(),
            labels: self.labels.clone(),
            min_age: span("min_age", self.min_age)?,
            max_age: span("max_age", self.max_age)?,
            min_idle: span("min_idle", self.min_idle)?,
            max_idle: span("max_idle", self.max_idle)?,
        })
    }
}

impl SessionStory {
    fn of(told: wire::SessionStory) -> SessionStory {
        SessionStory {
            owner: told.owner.unwrap_or_default().into(),
            session_id: told.session_id,
            created_at: told.created_at.and_then(moment),
            created_by: told.created_by,
            last_used_at: told.last_used_at.and_then(moment),
            last_used_by: told.last_used_by,
            end: told.end.map(|end| SessionEnd {
                ended_at: end.ended_at.and_then(moment),
                reason: end_reason(end.reason, end.invalidation_reason)
                    .unwrap_or(EndReason::Unknown),
                invalidation_reason: why(end.invalidation_reason),
                ended_by: end.ended_by,
            }),
            swept: told.swept,
            lives_on_as: (!told.lives_on_as.is_empty()).then_some(told.lives_on_as),
            known_until: told.known_until.and_then(moment),
            idle_expires_at: told.idle_expires_at.and_then(moment),
            expires_at: told.expires_at.and_then(moment),
            marks: told.marks.into_iter().map(MarkSeen::of).collect(),
        }
    }
}

impl MarkSeen {
    fn of(told: wire::MarkSeen) -> MarkSeen {
        MarkSeen {
            selector: told.selector.and_then(selector),
            set_at: told.set_at.and_then(moment),
            set_by: told.set_by,
            reason: why(told.reason).unwrap_or_default(),
            made_until: told.made_until.and_then(moment),
            authenticated_until: told.authenticated_until.and_then(moment),
            covers: told.covers,
        }
    }
}
