//! What happened, told to whoever has to know on this side: the log, and the audit.
//!
//! Watchers are not told from here: their events come from the store, which has them in order.
//!
//! The log gets a line when something happens. The audit gets one line per call, whatever became of it: the
//! edge begins and ends its [`Trail`], and what is told here in between is noted on it.

use std::fmt;
use std::sync::Arc;

use crate::audit::{Audit, Entry, HashKey, Level, Origin, Outcome, Trail, Unrecorded, rfc3339};
use crate::call::Call;
use crate::session::marks::Subject;
use crate::session::names::{CredentialName, NamespaceName, Owner, SessionId};
use crate::session::refusal::{EndReason, InvalidationReason};
use crate::store::{Ended, Namespace, Revocation, Revoked, Selector};

mod admin;

pub use admin::NoGlass;

/// What a call did, as the inside is told. Never more than that: no state, no id in clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A session was made.
    Created,
    /// The live session of a conversation was found.
    Found,
    /// A session was read.
    Retrieved,
    /// A session's content changed.
    Updated,
    /// A session got a new id.
    Rotated,
    /// A session was ended by its owner.
    Ended,
    /// Sessions were invalidated.
    Invalidated,
    /// An owner's sessions were listed.
    Listed,
    /// A key was claimed.
    Claimed,
    /// A key had been claimed before.
    ClaimedBefore,
    /// Somebody began to watch a namespace.
    Watched,
    /// A session id was used by someone who does not own it.
    OwnershipViolation,
    /// A credential was given out.
    CredentialRead,
    /// A credential was stored.
    CredentialWritten,
    /// A credential was destroyed.
    CredentialDeleted,
    /// The names of a session's credentials were listed.
    CredentialsListed,
    /// Somebody was given the right to refresh a credential, and what is to be refreshed.
    RefreshBegun,
    /// What a refresh gave was stored.
    RefreshCompleted,
    /// The right to refresh was given back.
    RefreshAbandoned,
    /// What is kept does not open in its place.
    Unreadable,
    /// All that a tenant had sealed was made unreadable.
    TenantKeyDestroyed,
    /// A newer key-encryption key is in force.
    KeysRotated,
    /// Somebody had all keys wrapped by the newest one.
    KeysRewrapped,
    /// An admin looked at sessions; not at what they remember.
    Inspected,
    /// An admin was given what sessions remember.
    GlassBroken,
}

impl Deed {
    fn name(self) -> &'static str {
        match self {
            Deed::Created => "created",
            Deed::Found => "found",
            Deed::Retrieved => "retrieved",
            Deed::Updated => "updated",
            Deed::Rotated => "rotated",
            Deed::Ended => "ended",
            Deed::Invalidated => "invalidated",
            Deed::Listed => "listed",
            Deed::Claimed => "claimed",
            Deed::ClaimedBefore => "claimed_before",
            Deed::Watched => "watched",
            Deed::OwnershipViolation => "ownership_violation",
            Deed::CredentialRead => "credential_read",
            Deed::CredentialWritten => "credential_written",
            Deed::CredentialDeleted => "credential_deleted",
            Deed::CredentialsListed => "credentials_listed",
            Deed::RefreshBegun => "refresh_begun",
            Deed::RefreshCompleted => "refresh_completed",
            Deed::RefreshAbandoned => "refresh_abandoned",
            Deed::Unreadable => "unreadable",
            Deed::TenantKeyDestroyed => "tenant_key_destroyed",
            Deed::KeysRotated => "keys_rotated",
            Deed::KeysRewrapped => "keys_rewrapped",
            Deed::Inspected => "inspected",
            Deed::GlassBroken => "glass_broken",
        }
    }
}

/// Tells the inside what happened.
pub struct Events {
    hash_key: HashKey,
    audit: Option<Arc<Audit>>,
    /// Whether a call is recorded that never comes as far as a namespace.
    level: Level,
}

impl Events {
    /// Tells the log. Ids are hashed with a key of this process: lines about one session can be found
    /// together, and the id cannot be found from them.
    pub fn new() -> Events {
        Events {
            hash_key: HashKey::random(),
            audit: None,
            level: Level::Off,
        }
    }

    /// Tells the log and the audit, under the same hashes. `level` is for calls that are about no one
    /// namespace: those of callers that nobody knows, and what is done to the whole service.
    pub fn recorded(audit: Arc<Audit>, level: Level) -> Events {
        Events {
            hash_key: audit.hash_key().clone(),
            audit: Some(audit),
            level,
        }
    }

    /// Begins the record of a call. `None` if there is no audit.
    pub fn begin(&self, origin: impl FnOnce() -> Origin) -> Option<Arc<Trail>> {
        let audit = self.audit.as_ref()?;
        Some(audit.trail(origin(), self.level))
    }

    /// The call names a namespace, which may not exist, and its caller may have no rights there.
    pub fn asked(&self, call: &Call, namespace: &str, level: impl FnOnce() -> Level) {
        let Some(trail) = &call.trail else { return };
        trail.hold_to(level());
        trail.note(|entry| {
            call.caller.name().clone_into(&mut entry.caller);
            // Anything can be asked for; only a name can be written down.
            if let Ok(name) = NamespaceName::new(namespace) {
                name.as_str().clone_into(&mut entry.namespace);
            }
        });
    }

    /// The call is about the whole service.
    pub fn asked_of_all(&self, call: &Call) {
        let Some(trail) = &call.trail else { return };
        trail.note(|entry| call.caller.name().clone_into(&mut entry.caller));
    }

    /// Of which tenant the call speaks, where it does not come as far as an owner.
    pub fn concerns_tenant(&self, call: &Call, tenant: &str) {
        let Some(trail) = &call.trail else { return };
        // Its message has not been checked: only what could be a tenant is written down.
        if let Ok(owner) = Owner::new(tenant, "", "") {
            trail.note(|entry| note_owner(entry, &owner));
        }
    }

    /// Before anything is done: whether it can be recorded, if it has to be.
    pub fn admit(&self, call: &Call) -> Result<(), Unrecorded> {
        match &call.trail {
            None => Ok(()),
            Some(trail) => trail.admit(),
        }
    }

    /// Whom and what the call is about.
    pub fn concerns(&self, call: &Call, owner: &Owner, id: Option<&SessionId>) {
        let Some(trail) = &call.trail else { return };
        let session = id.map(|id| self.hash_key.hashed(&id.text()));
        trail.note(|entry| {
            note_owner(entry, owner);
            if let Some(session) = session {
                entry.session = session;
            }
        });
    }

    /// Which sessions a call is to end.
    pub fn revoking(&self, call: &Call, revocation: &Revocation) {
        let Some(trail) = &call.trail else { return };
        trail.note(|entry| {
            entry.cause = Some(cause(revocation.reason));
            entry.dry_run = revocation.dry_run;
            entry.selector = Some(match &revocation.selector {
                Selector::Id(id) => {
                    entry.session = self.hash_key.hashed(&id.text());
                    "session_id"
                }
                Selector::Session(owner, id) => {
                    note_owner(entry, owner);
                    entry.session = self.hash_key.hashed(&id.text());
                    "session"
                }
                Selector::Owner(owner) => {
                    note_owner(entry, owner);
                    "owner"
                }
                // The login's id at the provider is as good as a session's id there.
                Selector::ProviderSession {
                    issuer,
                    provider_session_id,
                } => {
                    issuer.as_ref().clone_into(&mut entry.issuer);
                    entry.session = self.hash_key.hashed(provider_session_id);
                    "provider_session"
                }
                Selector::Wide(subject) => note_subject(entry, subject),
            });
        });
    }

    /// In whose name sessions are ended, and what is to be written down about it.
    pub fn annotated(&self, call: &Call, (actor, note): (String, String)) {
        let Some(trail) = &call.trail else { return };
        trail.note(|entry| {
            entry.actor = actor;
            entry.note = note;
        });
    }

    /// Sessions were ended.
    pub fn revoked(&self, call: &Call, namespace: &Namespace, revoked: Revoked) {
        if let (Some(trail), Revoked::Exactly(ended)) = (&call.trail, revoked) {
            trail.note(|entry| entry.ended = Some(ended));
        }
        self.tell(call, namespace, None, Deed::Invalidated);
    }

    /// Which credential of the session is meant. Its name is no secret.
    pub fn about_credential(&self, call: &Call, name: &CredentialName) {
        let Some(trail) = &call.trail else { return };
        trail.note(|entry| name.as_str().clone_into(&mut entry.credential));
    }

    /// The session has this id from now on.
    pub fn renamed(&self, call: &Call, id: &SessionId) {
        let Some(trail) = &call.trail else { return };
        let new = self.hash_key.hashed(&id.text());
        trail.note(|entry| entry.new_session = new);
    }

    /// Something happened, to one session or to many.
    pub fn tell(&self, call: &Call, namespace: &Namespace, id: Option<&SessionId>, deed: Deed) {
        if let Some(trail) = &call.trail {
            self.record(trail, id, deed);
        }
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    target: "tenure::lifecycle",
                    event = deed.name(),
                    namespace = namespace.name.as_str(),
                    session = id.map(|id| tracing::field::display(self.hashed(id))),
                    caller = call.caller.name(),
                    correlation_id = &*call.correlation_id,
                )
            };
        }
        match deed {
            // Reads are most of what happens.
            Deed::Retrieved
            | Deed::Listed
            | Deed::CredentialsListed
            | Deed::Claimed
            | Deed::ClaimedBefore
            | Deed::Watched => line!(debug),
            Deed::OwnershipViolation | Deed::Unreadable | Deed::TenantKeyDestroyed => line!(warn),
            _ => line!(info),
        }
    }

    /// Something was done to the whole service.
    pub fn tell_of_all(&self, call: &Call, deed: Deed) {
        if let Some(trail) = &call.trail {
            self.record(trail, None, deed);
        }
        tracing::info!(
            target: "tenure::lifecycle",
            event = deed.name(),
            caller = call.caller.name(),
            correlation_id = &*call.correlation_id,
        );
    }

    /// A session has ended that its owner did not end: it was over, had to make room, or was invalidated.
    pub fn ended(&self, level: Level, ended: &Ended) {
        let session = self.hash_key.hashed(&ended.id.text());
        tracing::info!(
            target: "tenure::lifecycle",
            event = Deed::Ended.name(),
            reason = ended.reason.code(),
            namespace = ended.namespace.as_str(),
            session,
        );
        let Some(audit) = &self.audit else { return };
        let mut entry = Entry {
            deed: Some(Deed::Ended.name()),
            outcome: Outcome::Ok,
            reason: ended.reason.code().to_owned(),
            cause: match ended.reason {
                EndReason::Invalidated(reason) => Some(cause(reason)),
                _ => None,
            },
            ended_at: rfc3339(u64::try_from(ended.at.as_millis()).unwrap_or_default()),
            namespace: ended.namespace.as_str().to_owned(),
            session,
            ..Entry::default()
        };
        note_owner(&mut entry, &ended.owner);
        audit.record(level, entry);
    }

    /// Sessions of an owner may have ended: the store was asked to end some, and its answer is lost for good.
    pub fn may_have_ended(&self, level: Level, namespace: &NamespaceName, owner: &Owner) {
        tracing::warn!(
            target: "tenure::lifecycle",
            event = Deed::Ended.name(),
            namespace = namespace.as_str(),
            "the store's answer is lost: it is unknown whether sessions have ended"
        );
        let Some(audit) = &self.audit else { return };
        let mut entry = Entry {
            deed: Some(Deed::Ended.name()),
            outcome: Outcome::Unknown,
            namespace: namespace.as_str().to_owned(),
            ..Entry::default()
        };
        note_owner(&mut entry, owner);
        audit.record(level, entry);
    }

    fn record(&self, trail: &Trail, id: Option<&SessionId>, deed: Deed) {
        let note = |entry: &mut Entry| {
            entry.deed = Some(deed.name());
            if let Some(id) = id
                && entry.session.is_empty()
            {
                entry.session = self.hash_key.hashed(&id.text());
            }
        };
        match deed {
            // The call has been answered by now, and does not know.
            Deed::OwnershipViolation => trail.aside(|entry| {
                note(entry);
                entry.outcome = Outcome::Denied;
            }),
            // What was done stays what the call did.
            Deed::Unreadable if trail.has_deed() => trail.aside(|entry| {
                note(entry);
                entry.outcome = Outcome::Failed;
            }),
            _ => trail.note(note),
        }
    }

    fn hashed<'a>(&'a self, id: &'a SessionId) -> impl fmt::Display + 'a {
        fmt::from_fn(move |f| f.write_str(&self.hash_key.hashed(&id.text())))
    }
}

impl Default for Events {
    fn default() -> Self {
        Events::new()
    }
}

fn note_owner(entry: &mut Entry, owner: &Owner) {
    owner.tenant().clone_into(&mut entry.tenant);
    owner.user().clone_into(&mut entry.user);
    owner.issuer().clone_into(&mut entry.issuer);
}

fn note_subject(entry: &mut Entry, subject: &Subject) -> &'static str {
    match subject {
        Subject::User { issuer, user } => {
            issuer.as_ref().clone_into(&mut entry.issuer);
            user.as_ref().clone_into(&mut entry.user);
            "subject"
        }
        Subject::Tenant(tenant) => {
            tenant.as_ref().clone_into(&mut entry.tenant);
            "tenant"
        }
        Subject::Issuer(issuer) => {
            issuer.as_ref().clone_into(&mut entry.issuer);
            "issuer"
        }
        Subject::Everybody => "all",
    }
}

fn cause(reason: InvalidationReason) -> &'static str {
    match reason {
        InvalidationReason::Unspecified => "unspecified",
        InvalidationReason::PasswordChanged => "password_changed",
        InvalidationReason::LoggedOut => "logged_out",
        InvalidationReason::PermissionsChanged => "permissions_changed",
        InvalidationReason::AccountDisabled => "account_disabled",
        InvalidationReason::CredentialCompromised => "credential_compromised",
        InvalidationReason::Admin => "admin",
        InvalidationReason::ProviderSessionEnded => "provider_session_ended",
    }
}
