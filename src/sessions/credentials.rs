//! The use cases of credentials.
//!
//! A secret is sealed for the version that its write will get, so a write is a look and a write-if-unchanged;
//! whoever is overtaken looks again.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::refreshes::Refreshes;
use super::{Call, Error, Sessions};
use crate::events::Deed;
use crate::session::credentials::Sealed;
use crate::session::names::{CredentialName, LeaseId, RecordId, SessionId};
use crate::session::owner_record::{
    AbandonRefresh, BeginRefresh, Begun, Credential, PutCredential, Read, Shown,
};
use crate::session::refusal::Refusal;
use crate::session::time::Time;
use crate::store::{Place, StoreError};
use crate::telemetry::metrics::label::SealFault;
use crate::vault::{Binding, Part, Plain};

/// A credential in the clear, as whoever carries it writes it down. It has no `Debug`.
pub struct Secret(pub Plain);

/// What a caller that wants to refresh is to do.
pub enum Refresh {
    /// Refresh: it holds the lease.
    Leased {
        /// The lease.
        lease: LeaseId,
        /// What to refresh.
        secret: Secret,
        /// Its version.
        version: u64,
        /// When the lease runs out.
        until: Time,
        /// Whether an earlier holder disappeared: it may have used the refresh token.
        uncertain: bool,
    },
    /// Nothing: somebody has refreshed it.
    Refreshed {
        /// The newer credential.
        secret: Secret,
        /// Its version.
        version: u64,
    },
}

impl Sessions {
    /// How often a write is tried that others may be ahead of.
    const TRIES: usize = 5;

    /// Stores a credential under a name, whole. Answers its version.
    pub async fn put_credential(
        &self,
        call: &Call,
        place: &Place,
        id: &SessionId,
        name: &CredentialName,
        secret: &Secret,
    ) -> Result<u64, Error> {
        self.events.about_credential(call, name);
        let written = self.write(call, place, id, name, secret, None).await;
        written.inspect_err(|error| self.count_seal_fault(error))
    }

    /// Reads a credential, and its version.
    pub async fn credential(
        &self,
        call: &Call,
        place: &Place,
        id: &SessionId,
        name: &CredentialName,
    ) -> Result<(Secret, u64), Error> {
        self.events.about_credential(call, name);
        self.keys.vault()?;
        let looked = self.store.credential(place, id, name).await;
        let looked = self.found(call, place, id, looked)?;
        let credential = looked.credential.ok_or(Refusal::CredentialNotFound)?;
        let opened = self
            .open_credential(place, looked.record_id, name, &credential)
            .await;
        let secret = self.readable(call, place, id, opened)?;
        self.tell(call, place, id, Deed::CredentialRead);
        Ok((secret, credential.version))
    }

    /// Destroys a credential. Whether there was one.
    pub async fn delete_credential(
        &self,
        call: &Call,
        place: &Place,
        id: &SessionId,
        name: &CredentialName,
    ) -> Result<bool, Error> {
        self.events.about_credential(call, name);
        let deleted = self.store.delete_credential(place, id, name).await;
        let deleted = self.found(call, place, id, deleted)?;
        if deleted {
            self.refreshes.bell(id, name).notify_waiters();
            self.tell(call, place, id, Deed::CredentialDeleted);
        }
        Ok(deleted)
    }

    /// The names of a session's credentials, in order.
    pub async fn credential_names(
        &self,
        call: &Call,
        place: &Place,
        id: &SessionId,
    ) -> Result<Vec<CredentialName>, Error> {
        let names_only = Read {
            slide: true,
            show: Shown::Nothing,
        };
        let session = self.store.read(place, id, names_only).await;
        let session = self.told(call, place, id, session, Deed::CredentialsListed)?;
        Ok(session.credential_names)
    }

    /// Gives the right to refresh to one caller at a time. The others wait for its result, at most for
    /// `wait`.
    pub async fn begin_refresh(
        &self,
        call: &Call,
        place: &Place,
        id: &SessionId,
        begin: BeginRefresh,
        wait: Duration,
    ) -> Result<Refresh, Error> {
        self.events.about_credential(call, &begin.name);
        let vault = self.keys.vault();
        vault.inspect_err(|error| self.count_seal_fault(error))?;
        let deadline = Instant::now() + wait;
        loop {
            // From here on no ringing is missed.
            let rung = self.refreshes.bell(id, &begin.name).notified();
            let mut rung = std::pin::pin!(rung);
            rung.as_mut().enable();
            let answer = self.store.begin_refresh(place, id, begin.clone()).await;
            match self.found(call, place, id, answer)? {
                Begun::Refreshed {
                    record_id,
                    credential,
                } => {
                    let name = &begin.name;
                    let opened = self
                        .open_credential(place, record_id, name, &credential)
                        .await;
                    let secret = self.readable(call, place, id, opened)?;
                    self.tell(call, place, id, Deed::CredentialRead);
                    return Ok(Refresh::Refreshed {
                        secret,
                        version: credential.version,
                    });
                }
                Begun::Leased {
                    record_id,
                    credential,
                    until,
                    uncertain,
                } => {
                    let opened = self
                        .open_credential(place, record_id, &begin.name, &credential)
                        .await;
                    if opened.is_err() {
                        // The caller learns of no lease, so it could not give it back.
                        let abandon = AbandonRefresh {
                            name: begin.name.clone(),
                            lease: begin.lease,
                            uncertain: false,
                        };
                        self.abandon(place, id, abandon).await?;
                    }
                    let secret = self.readable(call, place, id, opened)?;
                    self.tell(call, place, id, Deed::RefreshBegun);
                    return Ok(Refresh::Leased {
                        lease: begin.lease,
                        secret,
                        version: credential.version,
                        until,
                        uncertain,
                    });
                }
                Begun::Busy { .. } => {}
            }
            let now = Instant::now();
            if now >= deadline {
                return Err(Error::RefreshInProgress);
            }
            let _ = timeout_at(deadline.min(now + Refreshes::pause()), rung).await;
        }
    }

    /// Stores what a refresh gave, and ends the lease. Answers its version.
    pub async fn complete_refresh(
        &self,
        call: &Call,
        place: &Place,
        id: &SessionId,
        name: &CredentialName,
        lease: LeaseId,
        secret: &Secret,
    ) -> Result<u64, Error> {
        self.events.about_credential(call, name);
        let written = self.write(call, place, id, name, secret, Some(lease)).await;
        written.inspect_err(|error| self.count_seal_fault(error))
    }

    /// Gives the right to refresh back. One that was lost is no error.
    pub async fn abandon_refresh(
        &self,
        call: &Call,
        place: &Place,
        id: &SessionId,
        abandon: AbandonRefresh,
    ) -> Result<(), Error> {
        self.events.about_credential(call, &abandon.name);
        let abandoned = self.abandon(place, id, abandon).await;
        self.told(call, place, id, abandoned, Deed::RefreshAbandoned)
    }

    async fn abandon(
        &self,
        place: &Place,
        id: &SessionId,
        abandon: AbandonRefresh,
    ) -> Result<(), StoreError> {
        let bell = self.refreshes.bell(id, &abandon.name);
        if self.store.abandon_refresh(place, id, abandon).await? {
            bell.notify_waiters();
        }
        Ok(())
    }

    async fn write(
        &self,
        call: &Call,
        place: &Place,
        id: &SessionId,
        name: &CredentialName,
        secret: &Secret,
        lease: Option<LeaseId>,
    ) -> Result<u64, Error> {
        self.keys.vault()?;
        for _ in 0..Self::TRIES {
            let looked = self.store.credential(place, id, name).await;
            let looked = self.found(call, place, id, looked)?;
            let key = self.keys.to_seal(place).await?;
            let binding = Binding {
                namespace: &place.namespace.name,
                owner: &place.owner,
                record_id: looked.record_id,
                part: Part::Credential(name),
                version: looked.next_version,
            };
            let put = PutCredential {
                name: name.clone(),
                version: looked.next_version,
                sealed: Sealed::new(key.seal(&binding, &secret.0)),
                lease,
            };
            let written = self.store.put_credential(place, id, put).await;
            if let Err(StoreError::Refused(Refusal::CredentialChanged)) = written {
                continue;
            }
            let deed = match lease {
                None => Deed::CredentialWritten,
                Some(_) => Deed::RefreshCompleted,
            };
            let version = self.told(call, place, id, written, deed)?;
            self.refreshes.bell(id, name).notify_waiters();
            return Ok(version);
        }
        Err(Refusal::CredentialChanged.into())
    }

    /// Seals the credentials that a session begins with.
    pub(super) async fn seal_first(
        &self,
        place: &Place,
        record_id: RecordId,
        secrets: &[(CredentialName, Secret)],
    ) -> Result<Vec<(CredentialName, Sealed)>, Error> {
        let key = self.keys.to_seal(place).await?;
        let sealed = secrets.iter().map(|(name, secret)| {
            let binding = Binding {
                namespace: &place.namespace.name,
                owner: &place.owner,
                record_id,
                part: Part::Credential(name),
                version: 1,
            };
            (name.clone(), Sealed::new(key.seal(&binding, &secret.0)))
        });
        Ok(sealed.collect())
    }

    async fn open_credential(
        &self,
        place: &Place,
        record_id: RecordId,
        name: &CredentialName,
        credential: &Credential,
    ) -> Result<Secret, Error> {
        let sealed = credential.sealed.as_bytes();
        let key = self.keys.to_open(place, sealed).await?;
        let binding = Binding {
            namespace: &place.namespace.name,
            owner: &place.owner,
            record_id,
            part: Part::Credential(name),
            version: credential.version,
        };
        Ok(Secret(key.open(&binding, sealed)?))
    }

    /// Passes what was opened on; where it does not open, the inside hears of it.
    pub(super) fn readable<T>(
        &self,
        call: &Call,
        place: &Place,
        id: &SessionId,
        opened: Result<T, Error>,
    ) -> Result<T, Error> {
        if let Err(Error::Unreadable) = opened {
            self.tell(call, place, id, Deed::Unreadable);
        }
        opened.inspect_err(|error| self.count_seal_fault(error))
    }

    /// Counts what stood in the way of sealing or opening.
    pub(super) fn count_seal_fault(&self, error: &Error) {
        let why = match error {
            Error::Unreadable => SealFault::Unreadable,
            Error::KeyUnavailable => SealFault::KeyUnavailable,
            Error::KeysAtFault => SealFault::KeysAtFault,
            Error::EncryptionNotConfigured => SealFault::NotConfigured,
            _ => return,
        };
        self.metrics.encryption_failures.one((why,));
    }
}
