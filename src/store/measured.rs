//! A store that measures how long each step takes. What it is asked it passes on.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use tracing::Instrument as _;

use super::inspection::{Position, Slice};
use super::status::{Glance, InUse, Status};
use super::{
    Answer, Cursor, Held, Listener, Namespace, Place, Revocation, Revoked, Store, StoreError,
    Swept, TenantKeys, Watch,
};
use crate::session::credentials::Sealed;
use crate::session::filter::Filter;
use crate::session::names::{CallerTag, CredentialName, NamespaceName, Owner, SessionId};
use crate::session::owner_record::{
    AbandonRefresh, BeginRefresh, Begun, Claim, Claimed, Create, Created, Looked, Page,
    PutCredential, Read, Rotate, Rotated, Update, Updated,
};
use crate::session::record::Session;
use crate::session::story::Story;
use crate::telemetry::metrics::label::{Outcome, Step};
use crate::telemetry::{Metrics, call, trace};

/// A store, and where its steps are counted.
pub struct Measured {
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
}

impl Measured {
    /// Puts the measuring around a store.
    pub fn new(store: Arc<dyn Store>, metrics: Arc<Metrics>) -> Measured {
        Measured { store, metrics }
    }

    async fn step<T>(&self, step: Step, asked: impl Future<Output = Answer<T>>) -> Answer<T> {
        let span = trace::store(self.store.kind(), step.name());
        let began = Instant::now();
        let answer = if span.is_none() {
            asked.await
        } else {
            asked.instrument(span.clone()).await
        };
        let outcome = match &answer {
            Ok(_) => Outcome::Done,
            Err(StoreError::Refused(_) | StoreError::CursorExpired) => Outcome::Refused,
            Err(
                StoreError::Full
                | StoreError::Unavailable { .. }
                | StoreError::Unanswered { .. }
                | StoreError::Unsafe
                | StoreError::ClockSkew
                | StoreError::NotDurable,
            ) => Outcome::Failed,
        };
        if let Err(StoreError::Unanswered { .. } | StoreError::NotDurable) = answer {
            call::leave_in_doubt();
        }
        let took = began.elapsed();
        if let (Outcome::Failed, Err(error)) = (outcome, &answer) {
            trace::failed(&span, &error.to_string());
        }
        self.metrics.store_duration.record((step, outcome), took);
        answer
    }
}

macro_rules! steps {
    ($($step:ident: $method:ident($($name:ident: $given:ty),*) -> $answer:ty;)+) => {
        #[async_trait]
        impl Store for Measured {
            fn kind(&self) -> &'static str {
                self.store.kind()
            }

            async fn status(&self) -> Status {
                self.store.status().await
            }

            async fn leave(&self) {
                self.store.leave().await;
            }

            fn tell_endings_to(&self, listener: Listener) {
                self.store.tell_endings_to(listener);
            }

            fn glance(&self) -> Glance {
                self.store.glance()
            }

            $(async fn $method(&self, $($name: $given),*) -> Answer<$answer> {
                self.step(Step::$step, self.store.$method($($name),*)).await
            })+
        }
    };
}

steps! {
    Create: create(place: &Place, create: Create) -> Created;
    Read: read(place: &Place, id: &SessionId, read: Read) -> Session;
    Update: update(place: &Place, id: &SessionId, update: Update) -> Updated;
    Rotate: rotate(place: &Place, id: &SessionId, rotate: Rotate) -> Rotated;
    End: end(place: &Place, id: &SessionId) -> bool;
    Revoke: revoke(namespace: &Arc<Namespace>, revocation: Revocation) -> Revoked;
    List: list(place: &Place, page: Page) -> (Vec<Session>, bool);
    ClaimOnce: claim_once(place: &Place, claim: Claim) -> Claimed;
    Credential: credential(place: &Place, id: &SessionId, name: &CredentialName) -> Looked;
    PutCredential: put_credential(place: &Place, id: &SessionId, put: PutCredential) -> u64;
    DeleteCredential: delete_credential(place: &Place, id: &SessionId, name: &CredentialName) -> bool;
    BeginRefresh: begin_refresh(place: &Place, id: &SessionId, begin: BeginRefresh) -> Begun;
    AbandonRefresh: abandon_refresh(place: &Place, id: &SessionId, abandon: AbandonRefresh) -> bool;
    TenantKeys: tenant_key(namespace: &NamespaceName, tenant: &str) -> Option<Sealed>;
    TenantKeys: put_tenant_key(namespace: &NamespaceName, tenant: &str, expected: Option<&Sealed>, wrapped: Sealed) -> bool;
    TenantKeys: destroy_tenant_key(namespace: &NamespaceName, tenant: &str) -> bool;
    TenantKeys: tenant_keys(after: Option<String>) -> TenantKeys;
    Bearers: bearers(namespace: &Arc<Namespace>, id: &SessionId) -> Vec<Owner>;
    Watch: watch(namespace: &Arc<Namespace>, after: Option<Cursor>) -> Watch;
    Sweep: sweep(budget: usize) -> Swept;
    Ping: ping() -> ();
    Other: shared_secret() -> [u8; 32];
    Other: held() -> Held;
    Other: name_caller(tag: CallerTag, name: &str) -> ();
    Other: caller_name(tag: CallerTag) -> Option<Box<str>>;
    Other: slice(namespace: &Arc<Namespace>, filter: &Filter, after: Option<&Position>, most: usize) -> Slice;
    Other: stories(namespace: &Arc<Namespace>, id: &SessionId) -> Vec<Story>;
    Other: namespaces() -> Vec<InUse>;
}
