//! The tenants' wrapped keys: one hash for all namespaces. They are asked for seldom, since the service keeps
//! what it has unwrapped.

use redis::Value;

use super::link::{Call, Script};
use super::{Shared, insist, number, reply, scripts};
use crate::session::credentials::Sealed;
use crate::session::names::NamespaceName;
use crate::store::{Answer, TenantKey, TenantKeys};

impl Shared {
    const KEYS_ON_A_PAGE: usize = 256;

    pub(super) async fn tenant_key(
        &self,
        namespace: &NamespaceName,
        tenant: &str,
    ) -> Answer<Option<Sealed>> {
        let [keys, _] = self.keys.tenant_keys();
        let mut cmd = redis::cmd("HGET");
        cmd.arg(&keys).arg(whose(namespace, tenant));
        match self.link.command(&keys, cmd).await? {
            Value::Nil => Ok(None),
            Value::BulkString(wrapped) => Ok(Some(Sealed::new(wrapped))),
            _ => Err(reply::malformed()),
        }
    }

    pub(super) async fn put_tenant_key(
        &self,
        namespace: &NamespaceName,
        tenant: &str,
        expected: Option<&Sealed>,
        wrapped: &Sealed,
    ) -> Answer<bool> {
        let expected = expected.map(|expected| [b"=", expected.as_bytes()].concat());
        let call = self
            .call_on_tenant_keys(&scripts::PUT_TENANT_KEY)
            .arg(whose(namespace, tenant))
            .arg(expected.unwrap_or_default())
            .arg(wrapped.as_bytes());
        self.change_tenant_keys(&call).await
    }

    pub(super) async fn destroy_tenant_key(
        &self,
        namespace: &NamespaceName,
        tenant: &str,
    ) -> Answer<bool> {
        let call = self
            .call_on_tenant_keys(&scripts::DESTROY_TENANT_KEY)
            .arg(whose(namespace, tenant));
        self.change_tenant_keys(&call).await
    }

    pub(super) async fn tenant_keys(&self, after: Option<String>) -> Answer<TenantKeys> {
        let start = after.map_or_else(|| "-".to_owned(), |last| format!("({last}"));
        let call = self
            .call_on_tenant_keys(&scripts::TENANT_KEYS)
            .arg(start)
            .arg(number(Self::KEYS_ON_A_PAGE));
        let mut fields = reply::read_done(self.link.call(&call).await?)?;
        let (whose, wrapped) = (fields.list()?, fields.list()?);
        let mut page = TenantKeys::default();
        for (whose, wrapped) in whose.iter().zip(&wrapped) {
            let (Value::BulkString(whose), Value::BulkString(wrapped)) = (whose, wrapped) else {
                return Err(reply::malformed());
            };
            page.keys
                .push(read_key(whose, wrapped).ok_or_else(reply::malformed)?);
        }
        if page.keys.len() == Self::KEYS_ON_A_PAGE
            && let Some(Value::BulkString(last)) = whose.last()
        {
            page.next = String::from_utf8(last.clone()).ok();
        }
        Ok(page)
    }

    fn call_on_tenant_keys(&self, script: &'static Script) -> Call {
        let [keys, order] = self.keys.tenant_keys();
        let (keys, args) = (vec![keys, order], Vec::new());
        Call {
            script,
            keys,
            args,
            absent: None,
        }
    }

    /// Everything of a tenant depends on its key: a change must outlast a failover. Whether there was one.
    async fn change_tenant_keys(&self, call: &Call) -> Answer<bool> {
        let (answer, durable) = self.call_ending(call).await?;
        let changed = reply::read_done(answer)?.int()? == 1;
        insist(durable)?;
        Ok(changed)
    }
}

/// Whose key it is. No name of a namespace holds the character between the two.
fn whose(namespace: &NamespaceName, tenant: &str) -> String {
    format!("{}\0{tenant}", namespace.as_str())
}

fn read_key(whose: &[u8], wrapped: &[u8]) -> Option<TenantKey> {
    let (namespace, tenant) = std::str::from_utf8(whose).ok()?.split_once('\0')?;
    Some(TenantKey {
        namespace: NamespaceName::new(namespace).ok()?,
        tenant: tenant.into(),
        wrapped: Sealed::new(wrapped),
    })
}
