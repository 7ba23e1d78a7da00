//! The rules of credentials: who reads and writes them, and who may refresh one.
//!
//! A write says which version it is, because the seal holds only for that one; it happens if that is still
//! the next version. Every operation that finds its session slides it.

use std::time::Duration;

use super::{Moment, OwnerRecord};
use crate::session::credentials::{Credentials, Field, Lease, Sealed};
use crate::session::limits::LimitName;
use crate::session::names::{CredentialName, LeaseId, RecordId, SessionId};
use crate::session::record::{Extras, Record};
use crate::session::refusal::Refusal;
use crate::session::time::Time;

/// A credential as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Which write of its name it is.
    pub version: u64,
    /// The secret.
    pub sealed: Sealed,
}

/// What is found under a name, and what a write of it has to be sealed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// The session's record.
    pub record_id: RecordId,
    /// The version that the next write of the name gets.
    pub next_version: u64,
    /// The credential, if there is one.
    pub credential: Option<Credential>,
}

/// A credential to write.
#[derive(Clone, Debug)]
pub struct PutCredential {
    /// Its name.
    pub name: CredentialName,
    /// The version that it was sealed for.
    pub version: u64,
    /// The secret.
    pub sealed: Sealed,
    /// If it is the result of a refresh: the right to it.
    pub lease: Option<LeaseId>,
}

impl PutCredential {
    /// About how many bytes an owner's record grows by, at most.
    pub fn len_bytes(&self) -> usize {
        size_of::<Extras>() + Credentials::bytes_of(&[(self.name.clone(), self.sealed.clone())])
    }
}

/// A caller that wants to refresh a credential.
#[derive(Clone, Debug)]
pub struct BeginRefresh {
    /// The credential's name.
    pub name: CredentialName,
    /// The version that the caller found stale.
    pub stale_version: u64,
    /// The name of its lease, if it gets one: minted for this call.
    pub lease: LeaseId,
    /// How long the lease holds.
    pub ttl: Duration,
}

/// A caller that gives the right to refresh back.
#[derive(Clone, Debug)]
pub struct AbandonRefresh {
    /// The credential's name.
    pub name: CredentialName,
    /// The lease.
    pub lease: LeaseId,
    /// Whether the refresh token may have been used all the same.
    pub uncertain: bool,
}

/// What a caller that wants to refresh is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// Refresh: it holds the lease.
    Leased {
        /// The session's record.
        record_id: RecordId,
        /// What to refresh.
        credential: Credential,
        /// When the lease runs out.
        until: Time,
        /// Whether an earlier holder disappeared or gave up: it may have used the refresh token.
        uncertain: bool,
    },
    /// Nothing: the credential is newer than the caller thinks.
    Refreshed {
        /// The session's record.
        record_id: RecordId,
        /// The newer one.
        credential: Credential,
    },
    /// Wait: somebody else holds the lease.
    Busy {
        /// When that lease runs out.
        until: Time,
    },
}

impl OwnerRecord {
    /// Looks a credential up.
    pub fn credential(
        &mut self,
        moment: &Moment<'_>,
        id: &SessionId,
        name: &CredentialName,
    ) -> Result<Looked, Refusal> {
        let record = self.use_live(moment, id)?;
        let credentials = record.kept.credentials();
        Ok(Looked {
            record_id: record.kept.record_id,
            next_version: credentials.map_or(1, |kept| kept.next_version(name)),
            credential: credentials
                .and_then(|kept| kept.get(name))
                .map(Credential::of),
        })
    }

    /// Writes a credential, as the version that it was sealed for. Answers the version that is kept now.
    pub fn put_credential(
        &mut self,
        moment: &Moment<'_>,
        id: &SessionId,
        put: &PutCredential,
    ) -> Result<u64, Refusal> {
        let record = self.find(id, moment)?;
        let kept = record.kept.credentials();
        let field = kept.and_then(|kept| kept.get(&put.name));
        if let Some(lease) = put.lease {
            match field {
                // It is the repetition of a completion whose answer was lost.
                Some(field) if field.completed == Some(lease) => {
                    let version = field.version;
                    self.use_live(moment, id)?;
                    return Ok(version);
                }
                Some(field) if field.is_leased_to(lease, moment.now) => {}
                _ => return Err(Refusal::LeaseLost),
            }
        }
        if put.version != kept.map_or(1, |kept| kept.next_version(&put.name)) {
            return Err(Refusal::CredentialChanged);
        }
        if field.is_none() {
            LimitName::CredentialsPerSession.check(
                kept.map_or(0, Credentials::len) + 1,
                moment.limits.credentials_per_session,
            )?;
        }
        self.change_live(id, |record| {
            record.kept.slide(moment.now, moment.by);
            let extras = record.kept.extras_mut();
            let credentials = extras.credentials.get_or_insert_default();
            credentials.write(&put.name, put.sealed.clone(), put.lease);
        });
        Ok(put.version)
    }

    /// Destroys a credential. Whether there was one.
    pub fn delete_credential(
        &mut self,
        moment: &Moment<'_>,
        id: &SessionId,
        name: &CredentialName,
    ) -> Result<bool, Refusal> {
        self.use_live(moment, id)?;
        let deleted = self.change_live(id, |record| {
            let kept = record.kept.credentials_mut();
            kept.is_some_and(|kept| kept.remove(name))
        });
        Ok(deleted.unwrap_or_default())
    }

    /// Gives the right to refresh a credential to one caller at a time.
    pub fn begin_refresh(
        &mut self,
        moment: &Moment<'_>,
        id: &SessionId,
        begin: &BeginRefresh,
    ) -> Result<Begun, Refusal> {
        let record = self.use_live(moment, id)?;
        let record_id = record.kept.record_id;
        let kept = record.kept.credentials_mut();
        let field = kept
            .and_then(|kept| kept.get_mut(&begin.name))
            .ok_or(Refusal::CredentialNotFound)?;
        if field.version > begin.stale_version {
            return Ok(Begun::Refreshed {
                record_id,
                credential: Credential::of(field),
            });
        }
        match field.lease {
            // The caller's own: the answer to its first attempt was lost.
            Some(lease) if lease.id == begin.lease => {}
            Some(lease) if moment.now < lease.until => {
                return Ok(Begun::Busy { until: lease.until });
            }
            Some(_) => field.in_doubt = true,
            None => {}
        }
        let until = moment.now.after(begin.ttl);
        field.lease = Some(Lease {
            id: begin.lease,
            until,
        });
        Ok(Begun::Leased {
            record_id,
            credential: Credential::of(field),
            until,
            uncertain: field.in_doubt,
        })
    }

    /// Gives the right to refresh back. One that was lost is no error. Whether it was held.
    pub fn abandon_refresh(
        &mut self,
        moment: &Moment<'_>,
        id: &SessionId,
        abandon: &AbandonRefresh,
    ) -> Result<bool, Refusal> {
        let record = self.use_live(moment, id)?;
        let kept = record.kept.credentials_mut();
        let field = kept.and_then(|kept| kept.get_mut(&abandon.name));
        let held = |field: &&mut Field| field.lease.is_some_and(|held| held.id == abandon.lease);
        let Some(field) = field.filter(held) else {
            return Ok(false);
        };
        field.lease = None;
        // Whether an earlier holder is in doubt stays known: nothing has been refreshed since.
        field.in_doubt |= abandon.uncertain;
        Ok(true)
    }

    /// A live session, slid.
    fn use_live(&mut self, moment: &Moment<'_>, id: &SessionId) -> Result<&mut Record, Refusal> {
        self.find(id, moment)?;
        let record = self.live.get_mut(id).ok_or(Refusal::NotFound)?;
        record.kept.slide(moment.now, moment.by);
        Ok(record)
    }
}

impl Credential {
    fn of(field: &Field) -> Credential {
        Credential {
            version: field.version,
            sealed: field.sealed.clone(),
        }
    }
}

impl Field {
    fn is_leased_to(&self, lease: LeaseId, now: Time) -> bool {
        self.lease
            .is_some_and(|held| held.id == lease && now < held.until)
    }
}
