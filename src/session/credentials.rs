//! The credentials of one session, as they are kept: sealed, each with a version that never comes again.

use std::fmt;
use std::sync::Arc;

use super::names::{CredentialName, LeaseId};
use super::time::Time;

/// Bytes that only the vault can open. All that a store ever sees of a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Arc<[u8]>);

impl Sealed {
    /// Takes what the vault has sealed, or a store has kept.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Sealed {
        Sealed(bytes.into())
    }

    /// The bytes, for a store to keep and for the vault to open.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// One credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Which write of this name it is. The seal holds only for this one.
    pub version: u64,
    /// The secret.
    pub sealed: Sealed,
    /// Who may refresh it now, if anybody does.
    pub lease: Option<Lease>,
    /// Whether a holder of a lease disappeared since this version was written: it may have used the
    /// refresh token.
    pub in_doubt: bool,
    /// The lease under which this version was written, so that a repeated completion is recognised.
    pub completed: Option<LeaseId>,
}

/// The right to refresh a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its name.
    pub id: LeaseId,
    /// When it runs out.
    pub until: Time,
}

/// The credentials of one session. Few: a sorted list takes a fraction of a map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    fields: Vec<(CredentialName, Field)>,
    /// The highest version that was destroyed. A name that comes back goes on behind it, so that what was
    /// sealed for an old version never fits again.
    destroyed: u64,
}

impl Credentials {
    /// Those that a session begins with; `None` for none.
    pub fn first(sealed: &[(CredentialName, Sealed)]) -> Option<Box<Credentials>> {
        if sealed.is_empty() {
            return None;
        }
        let mut credentials = Box::<Credentials>::default();
        for (name, sealed) in sealed {
            credentials.write(name, sealed.clone(), None);
        }
        Some(credentials)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The names, in order.
    pub fn names(&self) -> Vec<CredentialName> {
        self.fields.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The credential of a name.
    pub fn get(&self, name: &CredentialName) -> Option<&Field> {
        let place = self.place(name).ok()?;
        Some(&self.fields[place].1)
    }

    /// The credential of a name, to change who refreshes it.
    pub fn get_mut(&mut self, name: &CredentialName) -> Option<&mut Field> {
        let place = self.place(name).ok()?;
        Some(&mut self.fields[place].1)
    }

    /// The version that the next write of a name gets.
    pub fn next_version(&self, name: &CredentialName) -> u64 {
        self.get(name).map_or(self.destroyed, |field| field.version) + 1
    }

    /// Writes the next version of a name. Whoever was refreshing it has lost the right.
    pub fn write(&mut self, name: &CredentialName, sealed: Sealed, completed: Option<LeaseId>) {
        let field = Field {
            version: self.next_version(name),
            sealed,
            lease: None,
            in_doubt: false,
            completed,
        };
        match self.place(name) {
            Ok(place) => self.fields[place].1 = field,
            Err(place) => self.fields.insert(place, (name.clone(), field)),
        }
    }

    /// Destroys a credential. Whether there was one.
    pub fn remove(&mut self, name: &CredentialName) -> bool {
        let Ok(place) = self.place(name) else {
            return false;
        };
        let (_, field) = self.fields.remove(place);
        self.destroyed = self.destroyed.max(field.version);
        true
    }

    /// About how many bytes they take.
    pub fn len_bytes(&self) -> usize {
        let each = self.fields.iter();
        size_of::<Credentials>()
            + each
                .map(|(name, field)| field_bytes(name, &field.sealed))
                .sum::<usize>()
    }

    /// About how many bytes those that a session begins with will take.
    pub fn bytes_of(sealed: &[(CredentialName, Sealed)]) -> usize {
        if sealed.is_empty() {
            return 0;
        }
        let each = sealed.iter();
        size_of::<Credentials>()
            + each
                .map(|(name, sealed)| field_bytes(name, sealed))
                .sum::<usize>()
    }

    fn place(&self, name: &CredentialName) -> Result<usize, usize> {
        self.fields.binary_search_by(|(known, _)| known.cmp(name))
    }
}

fn field_bytes(name: &CredentialName, sealed: &Sealed) -> usize {
    size_of::<(CredentialName, Field)>() + name.as_str().len() + sealed.as_bytes().len() + 32
}
