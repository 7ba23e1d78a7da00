//! Events, as watchers see them.

use super::answer::{owner, text};
use super::timestamp;
use crate::grpc::v1;
use crate::session::event::{Change, Event, What};
use crate::session::marks::{Reach, Subject};
use crate::session::refusal::{EndReason, InvalidationReason};
use crate::store::Logged;

/// What kind of event it is.
pub(crate) fn kind(event: &Event) -> v1::EventKind {
    match &event.what {
        What::Revoked { .. } => v1::EventKind::Revoked,
        What::Session { change, .. } => match change {
            Change::Created => v1::EventKind::Created,
            Change::Updated => v1::EventKind::Updated,
            Change::Rotated { .. } => v1::EventKind::Rotated,
            Change::Ended(_) => v1::EventKind::Ended,
        },
    }
}

/// An event as a message.
pub(crate) fn message(namespace: &str, logged: &Logged) -> v1::SessionEvent {
    let event = &logged.event;
    let mut message = v1::SessionEvent {
        event_id: logged.event_id.clone(),
        kind: kind(event).into(),
        occurred_at: Some(timestamp(event.at)),
        namespace: namespace.to_owned(),
        ..v1::SessionEvent::default()
    };
    match &event.what {
        What::Session {
            owner: whose,
            id,
            conversation,
            revision,
            change,
            ..
        } => {
            message.owner = Some(owner(whose));
            id.text().clone_into(&mut message.session_id);
            message.conversation_id = text(conversation.as_deref());
            message.revision = revision.cast_signed();
            match change {
                Change::Created | Change::Updated => {}
                Change::Rotated { previous, .. } => {
                    previous.text().clone_into(&mut message.previous_session_id);
                }
                Change::Ended(reason) => {
                    message.end_reason = end_reason(*reason).into();
                    if let EndReason::Invalidated(why) = reason {
                        message.invalidation_reason = invalidation_reason(*why).into();
                    }
                }
            }
        }
        What::Revoked {
            subject,
            reach,
            reason,
        } => {
            message.selector = Some(selector(subject));
            message.invalidation_reason = invalidation_reason(*reason).into();
            let (Reach::Made(until) | Reach::Authenticated(until)) = reach;
            message.authenticated_until = Some(timestamp(*until));
        }
    }
    message
}

pub(super) fn selector(subject: &Subject) -> v1::Selector {
    use v1::selector::Selector;
    let selector = match subject {
        Subject::User { issuer, user } => Selector::Subject(v1::Subject {
            issuer: issuer.to_string(),
            user: user.to_string(),
        }),
        Subject::Tenant(tenant) => Selector::Tenant(tenant.to_string()),
        Subject::Issuer(issuer) => Selector::Issuer(issuer.to_string()),
        Subject::Everybody => Selector::All(true),
    };
    v1::Selector {
        selector: Some(selector),
    }
}

pub(super) fn end_reason(reason: EndReason) -> v1::EndReason {
    match reason {
        EndReason::ExpiredIdle => v1::EndReason::ExpiredIdle,
        EndReason::ExpiredAbsolute => v1::EndReason::ExpiredAbsolute,
        EndReason::Deleted => v1::EndReason::Deleted,
        EndReason::Rotated => v1::EndReason::Rotated,
        EndReason::Replaced => v1::EndReason::Replaced,
        EndReason::Evicted => v1::EndReason::Evicted,
        EndReason::Invalidated(_) => v1::EndReason::Invalidated,
    }
}

pub(super) fn invalidation_reason(reason: InvalidationReason) -> v1::InvalidationReason {
    match reason {
        InvalidationReason::Unspecified => v1::InvalidationReason::Unspecified,
        InvalidationReason::PasswordChanged => v1::InvalidationReason::PasswordChanged,
        InvalidationReason::LoggedOut => v1::InvalidationReason::LoggedOut,
        InvalidationReason::PermissionsChanged => v1::InvalidationReason::PermissionsChanged,
        InvalidationReason::AccountDisabled => v1::InvalidationReason::AccountDisabled,
        InvalidationReason::CredentialCompromised => v1::InvalidationReason::CredentialCompromised,
        InvalidationReason::Admin => v1::InvalidationReason::Admin,
        InvalidationReason::ProviderSessionEnded => v1::InvalidationReason::ProviderSessionEnded,
    }
}
