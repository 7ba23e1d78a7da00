//! The wrapped keys of the tenants.

use std::collections::BTreeMap;
use std::ops::Bound;

use parking_lot::Mutex;

use crate::session::credentials::Sealed;
use crate::session::names::NamespaceName;
use crate::store::{TenantKey, TenantKeys};

/// Whose key it is: the namespace and the tenant, as one text that sorts and pages.
type Whose = String;

/// All wrapped keys. Few, and asked for seldom: the service keeps what it has unwrapped.
#[derive(Debug, Default)]
pub(super) struct KeyRing(Mutex<BTreeMap<Whose, Sealed>>);

impl KeyRing {
    /// Keys on a page.
    const PAGE: usize = 256;

    /// About how many bytes a key takes.
    pub(super) fn bytes_of(tenant: &str, wrapped: &Sealed) -> usize {
        size_of::<(Whose, Sealed)>() + 64 + 32 + tenant.len() + wrapped.as_bytes().len()
    }

    pub(super) fn get(&self, namespace: &NamespaceName, tenant: &str) -> Option<Sealed> {
        self.0.lock().get(&whose(namespace, tenant)).cloned()
    }

    /// Keeps a key if what is kept is still what was expected: then the bytes before and after.
    pub(super) fn put(
        &self,
        namespace: &NamespaceName,
        tenant: &str,
        expected: Option<&Sealed>,
        wrapped: Sealed,
    ) -> Option<(usize, usize)> {
        let mut keys = self.0.lock();
        let whose = whose(namespace, tenant);
        let known = keys.get(&whose);
        if known != expected {
            return None;
        }
        let before = known.map_or(0, |known| Self::bytes_of(tenant, known));
        let after = Self::bytes_of(tenant, &wrapped);
        keys.insert(whose, wrapped);
        Some((before, after))
    }

    /// Destroys a key: the bytes before and after, if there was one.
    pub(super) fn destroy(
        &self,
        namespace: &NamespaceName,
        tenant: &str,
    ) -> Option<(usize, usize)> {
        let destroyed = self.0.lock().remove(&whose(namespace, tenant))?;
        Some((Self::bytes_of(tenant, &destroyed), 0))
    }

    /// The keys behind a place in their order.
    pub(super) fn page(&self, after: Option<&str>) -> TenantKeys {
        let keys = self.0.lock();
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = keys.range::<str, _>((start, Bound::Unbounded));
        let page: Vec<_> = rest.by_ref().take(Self::PAGE).collect();
        let last = page.last().map(|(whose, _)| (*whose).clone());
        TenantKeys {
            keys: page
                .into_iter()
                .filter_map(|(whose, wrapped)| {
                    let (namespace, tenant) = whose.split_once('\0')?;
                    Some(TenantKey {
                        namespace: NamespaceName::new(namespace).ok()?,
                        tenant: tenant.into(),
                        wrapped: wrapped.clone(),
                    })
                })
                .collect(),
            next: rest.next().and(last),
        }
    }
}

/// No name of a namespace holds the character between the two.
fn whose(namespace: &NamespaceName, tenant: &str) -> Whose {
    format!("{}\0{tenant}", namespace.as_str())
}
