//! A store that can go away on request. It keeps nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tenure::session::credentials::Sealed;
use tenure::session::filter::Filter;
use tenure::session::names::{CallerTag, CredentialName, NamespaceName, Owner, SessionId};
use tenure::session::owner_record::{
    AbandonRefresh, BeginRefresh, Begun, Claim, Claimed, Create, Created, Looked, Page,
    PutCredential, Read, Rotate, Rotated, Update, Updated,
};
use tenure::session::record::Session;
use tenure::session::story::Story;
use tenure::store::inspection::{Position, Slice};
use tenure::store::status::{Glance, InUse, Status};
use tenure::store::{
    Answer, Cursor, Held, Listener, Namespace, Place, Revocation, Revoked, Store, StoreError,
    Swept, TenantKeys, Watch,
};
use tokio::sync::watch;

#[derive(Default)]
pub(crate) struct FakeStore {
    away: AtomicBool,
    panicking: AtomicBool,
    panicking_about_bearers: AtomicBool,
    /// Sweeps that still find something.
    due: AtomicUsize,
    sweeps: AtomicUsize,
    /// Whether listing hangs.
    holding: watch::Sender<bool>,
}

impl FakeStore {
    /// From now on listing hangs, or no longer.
    pub(crate) fn set_holding(&self, holding: bool) {
        self.holding.send_replace(holding);
    }

    pub(crate) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    pub(crate) fn set_panicking(&self, panicking: bool) {
        self.panicking.store(panicking, Ordering::SeqCst);
    }

    pub(crate) fn set_panicking_about_bearers(&self, panicking: bool) {
        self.panicking_about_bearers
            .store(panicking, Ordering::SeqCst);
    }

    pub(crate) fn set_due(&self, sweeps: usize) {
        self.due.store(sweeps, Ordering::SeqCst);
    }

    pub(crate) fn due(&self) -> usize {
        self.due.load(Ordering::SeqCst)
    }

    pub(crate) fn sweeps(&self) -> usize {
        self.sweeps.load(Ordering::SeqCst)
    }

    fn answer<T>(&self, answer: T) -> Answer<T> {
        assert!(!self.panicking.load(Ordering::SeqCst), "as the test asked");
        if self.away.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable {
                retry_after: Duration::from_secs(1),
            });
        }
        Ok(answer)
    }
}

#[async_trait]
impl Store for FakeStore {
    fn kind(&self) -> &'static str {
        "fake"
    }

    async fn create(&self, _: &Place, _: Create) -> Answer<Created> {
        Err(StoreError::Full)
    }

    async fn read(&self, _: &Place, _: &SessionId, _: Read) -> Answer<Session> {
        Err(StoreError::Full)
    }

    async fn update(&self, _: &Place, _: &SessionId, _: Update) -> Answer<Updated> {
        Err(StoreError::Full)
    }

    async fn rotate(&self, _: &Place, _: &SessionId, _: Rotate) -> Answer<Rotated> {
        Err(StoreError::Full)
    }

    async fn end(&self, _: &Place, _: &SessionId) -> Answer<bool> {
        self.answer(false)
    }

    async fn revoke(&self, _: &Arc<Namespace>, _: Revocation) -> Answer<Revoked> {
        self.answer(Revoked::Exactly(0))
    }

    async fn list(&self, _: &Place, _: Page) -> Answer<(Vec<Session>, bool)> {
        let mut holding = self.holding.subscribe();
        let _ = holding.wait_for(|holding| !holding).await;
        self.answer((Vec::new(), false))
    }

    async fn claim_once(&self, _: &Place, _: Claim) -> Answer<Claimed> {
        Err(StoreError::Full)
    }

    async fn credential(&self, _: &Place, _: &SessionId, _: &CredentialName) -> Answer<Looked> {
        Err(StoreError::Full)
    }

    async fn put_credential(&self, _: &Place, _: &SessionId, _: PutCredential) -> Answer<u64> {
        Err(StoreError::Full)
    }

    async fn delete_credential(
        &self,
        _: &Place,
        _: &SessionId,
        _: &CredentialName,
    ) -> Answer<bool> {
        self.answer(false)
    }

    async fn begin_refresh(&self, _: &Place, _: &SessionId, _: BeginRefresh) -> Answer<Begun> {
        Err(StoreError::Full)
    }

    async fn abandon_refresh(&self, _: &Place, _: &SessionId, _: AbandonRefresh) -> Answer<bool> {
        self.answer(false)
    }

    async fn tenant_key(&self, _: &NamespaceName, _: &str) -> Answer<Option<Sealed>> {
        self.answer(None)
    }

    async fn put_tenant_key(
        &self,
        _: &NamespaceName,
        _: &str,
        _: Option<&Sealed>,
        _: Sealed,
    ) -> Answer<bool> {
        Err(StoreError::Full)
    }

    async fn destroy_tenant_key(&self, _: &NamespaceName, _: &str) -> Answer<bool> {
        self.answer(false)
    }

    async fn tenant_keys(&self, _: Option<String>) -> Answer<TenantKeys> {
        self.answer(TenantKeys::default())
    }

    async fn bearers(&self, _: &Arc<Namespace>, _: &SessionId) -> Answer<Vec<Owner>> {
        let panicking = self.panicking_about_bearers.load(Ordering::SeqCst);
        assert!(!panicking, "as the test asked");
        self.answer(Vec::new())
    }

    async fn watch(&self, _: &Arc<Namespace>, _: Option<Cursor>) -> Answer<Watch> {
        Err(StoreError::CursorExpired)
    }

    async fn leave(&self) {}

    fn tell_endings_to(&self, _: Listener) {}

    async fn sweep(&self, _: usize) -> Answer<Swept> {
        self.sweeps.fetch_add(1, Ordering::SeqCst);
        let swept = self
            .due
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |due| due.checked_sub(1));
        self.answer(Swept {
            more: swept.is_ok_and(|before| before > 1),
            ..Swept::default()
        })
    }

    async fn ping(&self) -> Answer<()> {
        self.answer(())
    }

    async fn shared_secret(&self) -> Answer<[u8; 32]> {
        Ok([7; 32])
    }

    async fn held(&self) -> Answer<Held> {
        self.answer(Held::default())
    }

    async fn name_caller(&self, _: CallerTag, _: &str) -> Answer<()> {
        self.answer(())
    }

    async fn caller_name(&self, _: CallerTag) -> Answer<Option<Box<str>>> {
        self.answer(None)
    }

    async fn slice(
        &self,
        _: &Arc<Namespace>,
        _: &Filter,
        _: Option<&Position>,
        _: usize,
    ) -> Answer<Slice> {
        self.answer(Slice::default())
    }

    async fn stories(&self, _: &Arc<Namespace>, _: &SessionId) -> Answer<Vec<Story>> {
        self.answer(Vec::new())
    }

    async fn namespaces(&self) -> Answer<Vec<InUse>> {
        self.answer(Vec::new())
    }

    async fn status(&self) -> Status {
        Status {
            topology: "fake",
            ready: self.answer(()).is_ok(),
            ..Status::default()
        }
    }

    fn glance(&self) -> Glance {
        Glance::default()
    }
}
