//! What a seal is bound to.

use crate::session::names::{CredentialName, NamespaceName, Owner, RecordId, RequestId};

/// The version of the envelope's form.
pub(super) const FORMAT: u8 = 1;

/// Where a secret belongs: it opens there and nowhere else. All of this is associated data of the seal.
#[derive(Clone, Copy)]
pub struct Binding<'a> {
    /// The namespace.
    pub namespace: &'a NamespaceName,
    /// The owner: issuer, tenant and user.
    pub owner: &'a Owner,
    /// The session's record, which survives a rotation of the id.
    pub record_id: RecordId,
    /// Which part of the record.
    pub part: Part<'a>,
    /// Which write of that part.
    pub version: u64,
}

/// A part of a session's record that is sealed on its own.
#[derive(Clone, Copy)]
pub enum Part<'a> {
    /// A credential.
    Credential(&'a CredentialName),
    /// The value of a key of the state.
    State(&'a str),
    /// What the increments of a request came to.
    Increments(RequestId),
}

impl Part<'_> {
    fn kind(&self) -> &'static [u8] {
        match self {
            Part::Credential(_) => b"credential",
            Part::State(_) => b"state",
            Part::Increments(_) => b"increments",
        }
    }

    fn name(&self) -> &[u8] {
        match self {
            Part::Credential(name) => name.as_str().as_bytes(),
            Part::State(key) => key.as_bytes(),
            Part::Increments(RequestId(id)) => id.as_bytes(),
        }
    }
}

/// Parts with their lengths before them: no byte can move from one to the next unseen.
#[derive(Default)]
pub(super) struct Framed(Vec<u8>);

impl Framed {
    pub(super) fn part(mut self, bytes: &[u8]) -> Framed {
        self.0
            .extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl Binding<'_> {
    /// The associated data of a seal.
    pub(super) fn associated_data(&self, key_id: [u8; 8]) -> Vec<u8> {
        Framed::default()
            .part(&[FORMAT])
            .part(&key_id)
            .part(self.namespace.as_str().as_bytes())
            .part(self.owner.issuer().as_bytes())
            .part(self.owner.tenant().as_bytes())
            .part(self.owner.user().as_bytes())
            .part(&self.record_id.0.to_le_bytes())
            .part(self.part.kind())
            .part(self.part.name())
            .part(&self.version.to_le_bytes())
            .into_bytes()
    }

    /// What tells the record's own key from those of all others under the same data key.
    pub(super) fn record(&self) -> Vec<u8> {
        Framed::default()
            .part(b"tenure: key of a record")
            .part(&[FORMAT])
            .part(self.namespace.as_str().as_bytes())
            .part(self.owner.issuer().as_bytes())
            .part(self.owner.tenant().as_bytes())
            .part(self.owner.user().as_bytes())
            .part(&self.record_id.0.to_le_bytes())
            .into_bytes()
    }
}
