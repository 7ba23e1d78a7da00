//! A tenant's data key: what seals and opens, and the form in which a store keeps it.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk};
use zeroize::Zeroizing;

use super::envelope::{Binding, FORMAT, Framed};
use super::{Fault, KeyId, KeyService, Plain, Secret32, random};
use crate::session::credentials::Sealed;
use crate::session::names::NamespaceName;

/// Tells a data key from those that the tenant had before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataKeyId(pub [u8; 8]);

/// A data key in the clear. It has no `Debug`.
pub struct DataKey {
    id: DataKeyId,
    key: Secret32,
}

const TAG_LEN: usize = 16;
const HEAD_LEN: usize = 1 + 8 + NONCE_LEN;

impl DataKey {
    /// By how many bytes a sealed secret is longer than the plain one.
    pub const OVERHEAD: usize = HEAD_LEN + TAG_LEN;

    pub(super) fn generate() -> DataKey {
        DataKey {
            id: DataKeyId(random()),
            key: Zeroizing::new(random()),
        }
    }

    /// Which key it is.
    pub fn id(&self) -> DataKeyId {
        self.id
    }

    /// The key by whose id a secret says that it was sealed.
    pub fn id_in(sealed: &[u8]) -> Option<DataKeyId> {
        let (&format, rest) = sealed.split_first()?;
        let id = rest.first_chunk::<8>()?;
        (format == FORMAT && sealed.len() >= Self::OVERHEAD).then_some(DataKeyId(*id))
    }

    /// Seals a secret for its place.
    pub fn seal(&self, binding: &Binding<'_>, plain: &[u8]) -> Vec<u8> {
        // The record's own key seals few secrets, so that random nonces do not meet.
        let nonce: [u8; NONCE_LEN] = random();
        let mut sealed = Vec::with_capacity(plain.len() + Self::OVERHEAD);
        sealed.push(FORMAT);
        sealed.extend_from_slice(&self.id.0);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let tag = self
            .of_record(binding)
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(binding.associated_data(self.id.0)),
                &mut sealed[HEAD_LEN..],
            )
            .expect("a secret is far below what may be sealed at once");
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Opens a secret in its place.
    pub fn open(&self, binding: &Binding<'_>, sealed: &[u8]) -> Result<Plain, Fault> {
        if Self::id_in(sealed) != Some(self.id) {
            return Err(Fault::Unreadable);
        }
        let (head, text) = sealed.split_at(HEAD_LEN);
        let nonce = head[1 + 8..].try_into().map_err(|_| Fault::Unreadable)?;
        let mut text = Zeroizing::new(text.to_vec());
        let plain_len = self
            .of_record(binding)
            .open_in_place(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(binding.associated_data(self.id.0)),
                &mut text,
            )
            .map_err(|_| Fault::Unreadable)?
            .len();
        text.truncate(plain_len);
        Ok(text)
    }

    fn of_record(&self, binding: &Binding<'_>) -> LessSafeKey {
        let key = Prk::new_less_safe(HKDF_SHA256, self.key.as_slice())
            .expand(&[&binding.record()], &AES_256_GCM)
            .map(UnboundKey::from)
            .expect("32 bytes can be derived");
        LessSafeKey::new(key)
    }
}

/// A data key as a store keeps it.
pub struct Wrapped {
    by: KeyId,
    id: DataKeyId,
    bytes: Vec<u8>,
}

impl Wrapped {
    pub(super) async fn wrap(
        service: &dyn KeyService,
        namespace: &NamespaceName,
        tenant: &str,
        key: &DataKey,
    ) -> Result<Wrapped, Fault> {
        let context = context(namespace, tenant, key.id);
        let (by, bytes) = service.wrap(&context, &key.key).await?;
        Ok(Wrapped {
            by,
            id: key.id,
            bytes,
        })
    }

    pub(super) async fn unwrap(
        &self,
        service: &dyn KeyService,
        namespace: &NamespaceName,
        tenant: &str,
    ) -> Result<DataKey, Fault> {
        let context = context(namespace, tenant, self.id);
        let key = service.unwrap(&self.by, &context, &self.bytes).await?;
        Ok(DataKey { id: self.id, key })
    }

    /// Which key-encryption key wraps it.
    pub fn wrapped_by(&self) -> &KeyId {
        &self.by
    }

    /// Takes what a store has kept.
    pub fn parse(kept: &Sealed) -> Result<Wrapped, Fault> {
        Self::parts(kept.as_bytes()).ok_or(Fault::Unreadable)
    }

    fn parts(bytes: &[u8]) -> Option<Wrapped> {
        let (&[format, by_len], rest) = bytes.split_first_chunk::<2>()?;
        let (by, rest) = rest.split_at_checked(by_len.into())?;
        let (id, wrapped) = rest.split_first_chunk::<8>()?;
        if format != FORMAT {
            return None;
        }
        Some(Wrapped {
            by: KeyId::new(std::str::from_utf8(by).ok()?)?,
            id: DataKeyId(*id),
            bytes: wrapped.to_vec(),
        })
    }

    pub(super) fn to_sealed(&self) -> Sealed {
        let by = self.by.as_str().as_bytes();
        // An id is at most 64 bytes long.
        let by_len = u8::try_from(by.len()).unwrap_or_default();
        let parts = [&[FORMAT, by_len], by, &self.id.0, &self.bytes];
        Sealed::new(parts.concat())
    }
}

fn context(namespace: &NamespaceName, tenant: &str, id: DataKeyId) -> Vec<u8> {
    Framed::default()
        .part(b"tenure: key of a tenant")
        .part(&[FORMAT])
        .part(namespace.as_str().as_bytes())
        .part(tenant.as_bytes())
        .part(&id.0)
        .into_bytes()
}
