//! Requests: a message becomes an operation, or the field that is wrong is named.

use std::sync::Arc;

use super::{span_of, time_of};
use crate::grpc::v1;
use crate::mint;
use crate::session::fields;
use crate::session::limits::Limits;
use crate::session::marks::Subject;
use crate::session::names::{CallerTag, CredentialName, Owner, SessionId};
use crate::session::owner_record::{
    Claim, Create, OnExisting, Page, PageStart, Read, Rotate, Shown, Update,
};
use crate::session::record::Mcp;
use crate::session::refusal::{InvalidationReason, Refusal};
use crate::session::request::{Fingerprint, Request};
use crate::session::state::{Patch, State, Tail};
use crate::session::time::Time;
use crate::sessions::{Error, Secret, Sessions};
use crate::store::{Place, Revocation, Selector};

/// Sessions on a page when the request does not say.
const PAGE_SIZE: i32 = 50;
/// Sessions on a page at most.
const PAGE_SIZE_MAX: i32 = 1000;

/// The owner that a call is for.
pub(crate) fn owner(owner: Option<v1::Owner>) -> Result<Owner, Refusal> {
    let owner = owner.ok_or_else(|| Refusal::invalid("owner", "must be given"))?;
    fields::owner(&owner.tenant, &owner.user, &owner.issuer)
}

/// A CreateSession.
pub(crate) fn create(
    sessions: &Sessions,
    place: &Place,
    request: v1::CreateSessionRequest,
    secrets: &[(CredentialName, Secret)],
) -> Result<Create, Error> {
    let (limits, owner) = (&place.namespace.limits, &place.owner);
    let request_id = fields::request_id(&request.request_id)?;
    let supplied = !request.session_id.is_empty();
    let id = if supplied {
        fields::supplied_id("session_id", &request.session_id, owner)?
    } else {
        mint::session_id(owner, request_id)
    };
    let (idle_ttl, max_lifetime) = fields::lifetimes(
        optional(request.idle_ttl, |span| span_of("idle_ttl", span))?,
        optional(request.max_lifetime, |span| span_of("max_lifetime", span))?,
        limits,
    )?;
    let create = Create {
        id,
        record_id: mint::record_id(),
        conversation: fields::conversation(&request.conversation_id, owner)?,
        state: optional(request.state, |state| {
            State::from_wire(state.as_wire(), "state", limits)
        })?
        .unwrap_or_default(),
        mcp: optional(request.mcp, |mcp| mcp_of(mcp, limits))?,
        labels: labels_of("labels", request.labels)?,
        credentials: Vec::new(),
        idle_ttl,
        max_lifetime,
        authenticated_at: past_of("authenticated_at", request.authenticated_at)?,
        provider_session_id: fields::provider_session_id(&request.provider_session_id)?,
        on_existing: on_existing(request.on_existing)?,
        request: None,
    };
    let request = optional(request_id, |id| {
        let mut hash = sessions.fingerprint()?;
        let supplied = supplied.then(|| create.id.text());
        hash.part(supplied.as_deref().unwrap_or_default().as_bytes())
            .part(
                create
                    .conversation
                    .as_deref()
                    .unwrap_or_default()
                    .as_bytes(),
            )
            .number(millis(create.idle_ttl))
            .number(millis(create.max_lifetime))
            // A time that the service filled in is not part of what was asked.
            .number(create.authenticated_at.map_or(-1, Time::as_millis))
            .part(
                create
                    .provider_session_id
                    .as_deref()
                    .unwrap_or_default()
                    .as_bytes(),
            )
            .number(create.on_existing as i64);
        create.state.add_to(&mut hash);
        add_mcp(&mut hash, create.mcp.as_deref());
        add_labels(&mut hash, create.labels.as_deref());
        hash.count(secrets.len());
        for (name, secret) in secrets {
            hash.part(name.as_str().as_bytes()).part(&secret.0);
        }
        let fingerprint = hash.finish();
        Ok::<_, Error>(Request { id, fingerprint })
    })?;
    Ok(Create { request, ..create })
}

/// A GetSession.
pub(crate) fn read(peek: bool, state_keys: Vec<String>) -> Read {
    Read {
        slide: !peek,
        show: if state_keys.is_empty() {
            Shown::All
        } else {
            Shown::Keys(state_keys.into_iter().map(String::into_boxed_str).collect())
        },
    }
}

/// An UpdateSession.
pub(crate) fn update(
    sessions: &Sessions,
    place: &Place,
    id: &SessionId,
    request: v1::UpdateSessionRequest,
) -> Result<Update, Error> {
    let limits = &place.namespace.limits;
    let mut append = Vec::with_capacity(request.append.len());
    for (key, values) in request.append {
        let max_length = match usize::try_from(values.max_length) {
            Ok(0) => None,
            Ok(length) => Some(length),
            Err(_) => {
                return Err(Refusal::invalid("append", "max_length must not be negative").into());
            }
        };
        let list = values.values.unwrap_or_default();
        let tail = Tail::from_wire(list.as_wire(), max_length, limits)?;
        append.push((key.into_boxed_str(), tail));
    }
    let patch = Patch {
        set: optional(request.set, |set| {
            State::from_wire(set.as_wire(), "set", limits)
        })?,
        remove: request
            .remove
            .into_iter()
            .map(String::into_boxed_str)
            .collect(),
        increment: request
            .increment
            .into_iter()
            .map(|(key, by)| (key.into_boxed_str(), by))
            .collect(),
        append,
    };
    patch.check(limits)?;
    let update = Update {
        patch,
        mcp: optional(request.mcp, |mcp| mcp_of(mcp, limits))?,
        labels: optional(request.labels, |labels| {
            fields::labels("labels", labels.values)
        })?,
        if_revision: optional(request.if_revision, |revision| {
            u64::try_from(revision)
                .map_err(|_| Refusal::invalid("if_revision", "must not be negative"))
        })?,
        show_state: !request.omit_state,
        of_record: None,
        sealed_increments: None,
        request: None,
    };
    let request_id = fields::request_id(&request.request_id)?;
    let request = optional(request_id, |request_id| {
        let mut hash = sessions.fingerprint()?;
        hash.part(id.text().as_bytes());
        add_patch(&mut hash, &update.patch);
        add_mcp(&mut hash, update.mcp.as_deref());
        add_labels(&mut hash, update.labels.as_deref());
        hash.number(update.labels.is_some().into())
            .number(update.if_revision.map_or(-1, u64::cast_signed));
        let fingerprint = hash.finish();
        Ok::<_, Error>(Request {
            id: request_id,
            fingerprint,
        })
    })?;
    let update = Update { request, ..update };
    update.check_repeatable(id)?;
    Ok(update)
}

/// A RotateSession.
pub(crate) fn rotate(
    sessions: &Sessions,
    place: &Place,
    id: &SessionId,
    request: &v1::RotateSessionRequest,
) -> Result<Rotate, Error> {
    let request_id = fields::request_id(&request.request_id)?;
    let new_id = if request.new_session_id.is_empty() {
        mint::rotated_id(&place.owner, id)
    } else {
        fields::supplied_id("new_session_id", &request.new_session_id, &place.owner)?
    };
    let authenticated_at = past_of("authenticated_at", request.authenticated_at)?;
    let provider_session_id = optional(request.provider_session_id.as_deref(), |text| {
        fields::provider_session_id(text)
    })?;
    let repeated = optional(request_id, |request_id| {
        let mut hash = sessions.fingerprint()?;
        hash.part(id.text().as_bytes())
            .part(request.new_session_id.as_bytes())
            .number(authenticated_at.map_or(-1, Time::as_millis))
            .number(provider_session_id.is_some().into())
            .part(
                request
                    .provider_session_id
                    .as_deref()
                    .unwrap_or_default()
                    .as_bytes(),
            );
        Ok::<_, Error>(Request {
            id: request_id,
            fingerprint: hash.finish(),
        })
    })?;
    Ok(Rotate {
        new_id,
        authenticated_at,
        provider_session_id,
        request: repeated,
    })
}

/// An InvalidateSessions.
pub(crate) fn revocation(request: v1::InvalidateSessionsRequest) -> Result<Revocation, Error> {
    fields::audit_text("note", &request.note, 1024)?;
    fields::audit_text("actor", &request.actor, 256)?;
    let reason = v1::InvalidationReason::try_from(request.reason)
        .map_err(|_| Refusal::invalid("reason", "is not one of the reasons of this version"))?;
    let selector = request.selector.and_then(|selector| selector.selector);
    let selector = selector
        .ok_or_else(|| Refusal::invalid("selector", "must say which sessions are meant"))?;
    let except = (!request.except_session_id.is_empty())
        .then(|| fields::known_id("except_session_id", &request.except_session_id))
        .transpose()?;
    Ok(Revocation {
        selector: selector_of(selector)?,
        authenticated_until: past_of("authenticated_until", request.authenticated_until)?,
        except,
        reason: invalidation_reason(reason),
        dry_run: request.dry_run,
        by: CallerTag::NOBODY,
    })
}

/// A ListSessions.
pub(crate) fn page(request: &v1::ListSessionsRequest) -> Result<Page, Error> {
    let size = match request.page_size {
        0 => PAGE_SIZE,
        size if size < 0 => {
            return Err(Refusal::invalid("page_size", "must not be negative").into());
        }
        size => size.min(PAGE_SIZE_MAX),
    };
    Ok(Page {
        size: usize::try_from(size).unwrap_or_default(),
        after: (!request.page_token.is_empty())
            .then(|| page_start(&request.page_token))
            .transpose()?,
        include_state: request.include_state,
    })
}

/// A ClaimOnce.
pub(crate) fn claim(sessions: &Sessions, request: &v1::ClaimOnceRequest) -> Result<Claim, Error> {
    let key = fields::claim_key(&request.key)?;
    let ttl = fields::claim_ttl(optional(request.ttl, |ttl| span_of("ttl", ttl))?)?;
    let request_id = fields::request_id(&request.request_id)?;
    let repeated = optional(request_id, |id| {
        let mut hash = sessions.fingerprint()?;
        hash.part(key.as_bytes()).number(millis(ttl));
        let fingerprint = hash.finish();
        Ok::<_, Error>(Request { id, fingerprint })
    })?;
    Ok(Claim {
        key,
        ttl,
        request: repeated,
    })
}

/// The end of a page as the token of the next.
pub(crate) fn page_token(last: &PageStart) -> String {
    format!("{}.{}", last.created_at.as_millis(), &*last.id.text())
}

fn page_start(token: &str) -> Result<PageStart, Refusal> {
    let bad = || Refusal::invalid("page_token", "is not a token that this service gave");
    let (millis, id) = token.split_once('.').ok_or_else(bad)?;
    Ok(PageStart {
        created_at: Time::from_millis(millis.parse().map_err(|_| bad())?),
        id: SessionId::known(id).map_err(|_| bad())?,
    })
}

fn selector_of(selector: v1::selector::Selector) -> Result<Selector, Refusal> {
    use v1::selector::Selector as Wire;
    let wide =
        |tenant: &str, user: &str, issuer: &str| fields::owner_of("selector", tenant, user, issuer);
    Ok(match selector {
        Wire::SessionId(id) => Selector::Id(fields::known_id("selector.session_id", &id)?),
        Wire::Owner(owner) => Selector::Owner(fields::owner_of(
            "selector.owner",
            &owner.tenant,
            &owner.user,
            &owner.issuer,
        )?),
        Wire::Subject(subject) => {
            wide("", &subject.user, &subject.issuer)?;
            if subject.user.is_empty() {
                return Err(Refusal::invalid(
                    "selector.subject.user",
                    "must not be empty",
                ));
            }
            Selector::Wide(Subject::User {
                issuer: subject.issuer.into(),
                user: subject.user.into(),
            })
        }
        Wire::ProviderSession(login) => {
            wide("", "", &login.issuer)?;
            if fields::provider_session_id(&login.provider_session_id)?.is_none() {
                return Err(Refusal::invalid(
                    "selector.provider_session.provider_session_id",
                    "must not be empty",
                ));
            }
            Selector::ProviderSession {
                issuer: login.issuer.into(),
                provider_session_id: login.provider_session_id.into(),
            }
        }
        Wire::Tenant(tenant) => {
            wide(&tenant, "", "")?;
            Selector::Wide(Subject::Tenant(tenant.into()))
        }
        Wire::Issuer(issuer) => {
            wide("", "", &issuer)?;
            Selector::Wide(Subject::Issuer(issuer.into()))
        }
        Wire::All(true) => Selector::Wide(Subject::Everybody),
        Wire::All(false) => {
            return Err(Refusal::invalid(
                "selector.all",
                "must be true if it is given",
            ));
        }
    })
}

fn on_existing(value: i32) -> Result<OnExisting, Refusal> {
    match v1::OnExisting::try_from(value) {
        Ok(v1::OnExisting::Unspecified | v1::OnExisting::Fail) => Ok(OnExisting::Fail),
        Ok(v1::OnExisting::Return) => Ok(OnExisting::Return),
        Ok(v1::OnExisting::Replace) => Ok(OnExisting::Replace),
        Err(_) => Err(Refusal::invalid(
            "on_existing",
            "is not one of the choices of this version",
        )),
    }
}

fn invalidation_reason(reason: v1::InvalidationReason) -> InvalidationReason {
    match reason {
        v1::InvalidationReason::Unspecified => InvalidationReason::Unspecified,
        v1::InvalidationReason::PasswordChanged => InvalidationReason::PasswordChanged,
        v1::InvalidationReason::LoggedOut => InvalidationReason::LoggedOut,
        v1::InvalidationReason::PermissionsChanged => InvalidationReason::PermissionsChanged,
        v1::InvalidationReason::AccountDisabled => InvalidationReason::AccountDisabled,
        v1::InvalidationReason::CredentialCompromised => InvalidationReason::CredentialCompromised,
        v1::InvalidationReason::Admin => InvalidationReason::Admin,
        v1::InvalidationReason::ProviderSessionEnded => InvalidationReason::ProviderSessionEnded,
    }
}

fn mcp_of(mcp: v1::McpContext, limits: &Limits) -> Result<Arc<Mcp>, Refusal> {
    let mcp = Mcp {
        initialize_params_json: mcp.initialize_params_json,
        protocol_version: mcp.protocol_version,
        initialized: mcp.initialized,
        log_level: mcp.log_level,
        resource_subscriptions: mcp.resource_subscriptions,
    };
    fields::mcp(mcp, limits)
}

fn labels_of(field: &'static str, labels: Vec<String>) -> Result<Option<Arc<[Box<str>]>>, Refusal> {
    if labels.is_empty() {
        return Ok(None);
    }
    fields::labels(field, labels).map(Some)
}

fn past_of(
    field: &'static str,
    at: Option<prost_types::Timestamp>,
) -> Result<Option<Time>, Refusal> {
    optional(at, |at| {
        fields::past(field, time_of(field, at)?, Time::from_system_clock())
    })
}

pub(super) fn optional<T, U, E>(
    value: Option<T>,
    convert: impl FnOnce(T) -> Result<U, E>,
) -> Result<Option<U>, E> {
    value.map(convert).transpose()
}

fn add_patch(hash: &mut Fingerprint, patch: &Patch) {
    match &patch.set {
        Some(set) => set.add_to(hash),
        None => {
            hash.count(0);
        }
    }
    let mut remove: Vec<_> = patch.remove.iter().collect();
    remove.sort_unstable();
    hash.count(remove.len());
    for key in remove {
        hash.part(key.as_bytes());
    }
    // These two come from ordered maps.
    hash.count(patch.increment.len());
    for (key, by) in &patch.increment {
        hash.part(key.as_bytes()).number(*by);
    }
    hash.count(patch.append.len());
    for (key, tail) in &patch.append {
        hash.part(key.as_bytes());
        tail.add_to(hash);
    }
}

fn add_mcp(hash: &mut Fingerprint, mcp: Option<&Mcp>) {
    hash.number(mcp.is_some().into());
    if let Some(mcp) = mcp {
        hash.part(mcp.initialize_params_json.as_bytes())
            .part(mcp.protocol_version.as_bytes())
            .number(mcp.initialized.into())
            .part(mcp.log_level.as_bytes())
            .count(mcp.resource_subscriptions.len());
        for uri in &mcp.resource_subscriptions {
            hash.part(uri.as_bytes());
        }
    }
}

fn add_labels(hash: &mut Fingerprint, labels: Option<&[Box<str>]>) {
    let labels = labels.unwrap_or_default();
    hash.count(labels.len());
    for label in labels {
        hash.part(label.as_bytes());
    }
}

fn millis(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
