//! A store with a namespace, some owners and a clock: what the cases of the suite play in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use parking_lot::Mutex;
use tenure::session::event::{Change, Event, What};
use tenure::session::limits::Limits;
use tenure::session::names::{CallerTag, NamespaceName, Owner, RecordId, RequestId, SessionId};
use tenure::session::owner_record::{
    Claim, Create, Created, OnExisting, Page, Read, Rotate, Rotated, Shown, Update,
};
use tenure::session::record::Session;
use tenure::session::refusal::{EndReason, InvalidationReason, Refusal};
use tenure::session::request::Request;
use tenure::session::state::State;
use tenure::session::time::Time;
use tenure::store::memory::Bounds;
use tenure::store::{
    Answer, Cursor, Ended, Logged, Namespace, Place, Revocation, Revoked, Selector, Store,
    StoreError, Told, Watch,
};

use super::backend::{Backend, TimeMachine};

/// The default idle TTL of the suite's sessions.
pub(crate) const IDLE: Duration = Duration::from_mins(1);
/// Their lifetime.
pub(crate) const LIFETIME: Duration = Duration::from_mins(10);
/// As little as anything takes.
pub(crate) const MOMENT: Duration = Duration::from_millis(1);

/// Room for everything that a case makes.
pub(crate) const ROOMY: Bounds = Bounds {
    max_sessions: 1_000_000,
    max_bytes: 1 << 30,
    event_log_length: 10_000,
};

/// What a case plays in.
pub(crate) struct World {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) namespace: Arc<Namespace>,
    time: Arc<dyn TimeMachine>,
    quiet: Duration,
    minted: AtomicU64,
}

impl World {
    /// With the limits of everybody, but anonymous owners too.
    pub(crate) async fn open(backend: &dyn Backend) -> World {
        World::with(backend, ROOMY, |_| {}).await
    }

    /// With limits of its own.
    pub(crate) async fn with_limits(backend: &dyn Backend, set: impl FnOnce(&mut Limits)) -> World {
        World::with(backend, ROOMY, set).await
    }

    /// With bounds and limits of its own.
    pub(crate) async fn with(
        backend: &dyn Backend,
        bounds: Bounds,
        set: impl FnOnce(&mut Limits),
    ) -> World {
        let (store, time) = backend.open(bounds).await;
        let mut limits = Limits {
            allow_anonymous: true,
            ..Limits::default()
        };
        set(&mut limits);
        World {
            store,
            namespace: namespace("suite", limits),
            time,
            quiet: backend.quiet(),
            minted: AtomicU64::new(1),
        }
    }

    /// The same over another store.
    pub(crate) fn over(self, store: Arc<dyn Store>) -> World {
        World { store, ..self }
    }

    /// What the store tells of endings from now on.
    pub(crate) fn told(&self) -> Arc<Mutex<Vec<Ended>>> {
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let listener = move |ending| match ending {
            Told::Known(ended) => heard.lock().push(ended),
            Told::Unknown(..) => panic!("no answer was lost: {ending:?}"),
        };
        self.store.tell_endings_to(Box::new(listener));
        told
    }

    pub(crate) async fn now(&self) -> Time {
        self.time.now().await
    }

    pub(crate) async fn pass(&self, by: Duration) {
        self.time.advance(by).await;
    }

    pub(crate) async fn set_back(&self, by: Duration) {
        self.time.set_back(by).await;
    }

    /// A user of the issuer "idp" in the tenant "acme".
    pub(crate) fn user(&self, user: &str) -> Place {
        self.owner("acme", user, "idp")
    }

    pub(crate) fn owner(&self, tenant: &str, user: &str, issuer: &str) -> Place {
        Place {
            namespace: Arc::clone(&self.namespace),
            owner: Owner::new(tenant, user, issuer).expect("a good owner"),
            by: CallerTag::NOBODY,
        }
    }

    fn next(&self) -> u64 {
        self.minted.fetch_add(1, Ordering::Relaxed)
    }

    /// An id that nobody has had. Each has a place of its own.
    pub(crate) fn new_id(&self) -> SessionId {
        id(&format!("{:016}-of-the-contract-suite", self.next()))
    }

    /// A request that has not been made before.
    pub(crate) fn new_request(&self) -> Request {
        let number = u128::from(self.next());
        Request {
            id: RequestId(uuid::Uuid::from_u128(number)),
            fingerprint: number,
        }
    }

    /// A plain session to make.
    pub(crate) fn plain(&self) -> Create {
        Create {
            id: self.new_id(),
            record_id: RecordId(u128::from(self.next())),
            conversation: None,
            state: State::default(),
            mcp: None,
            labels: None,
            credentials: Vec::new(),
            idle_ttl: IDLE,
            max_lifetime: LIFETIME,
            authenticated_at: None,
            provider_session_id: None,
            on_existing: OnExisting::Fail,
            request: None,
        }
    }

    pub(crate) async fn create(&self, place: &Place, create: Create) -> Answer<Created> {
        self.store.create(place, create).await
    }

    /// Makes a session that nothing can be against.
    pub(crate) async fn make(&self, place: &Place, create: Create) -> Session {
        let created = self.create(place, create).await.expect("a new session");
        assert!(created.created);
        created.session
    }

    pub(crate) async fn make_plain(&self, place: &Place) -> Session {
        self.make(place, self.plain()).await
    }

    pub(crate) async fn get(&self, place: &Place, id: &SessionId) -> Answer<Session> {
        self.read(place, id, true).await
    }

    pub(crate) async fn peek(&self, place: &Place, id: &SessionId) -> Answer<Session> {
        self.read(place, id, false).await
    }

    async fn read(&self, place: &Place, id: &SessionId, slide: bool) -> Answer<Session> {
        let read = Read {
            slide,
            show: Shown::All,
        };
        self.store.read(place, id, read).await
    }

    /// Whether the session is served, to its owner at least.
    pub(crate) async fn is_alive(&self, place: &Place, id: &SessionId) -> bool {
        self.peek(place, id).await.is_ok()
    }

    /// Why its owner is told that it ended.
    pub(crate) async fn end_reason(&self, place: &Place, id: &SessionId) -> Option<EndReason> {
        match self.peek(place, id).await {
            Err(StoreError::Refused(Refusal::Ended(reason))) => Some(reason),
            Err(StoreError::Refused(Refusal::NotFound)) => None,
            other => panic!("neither ended nor unknown: {other:?}"),
        }
    }

    pub(crate) async fn rotate_to(
        &self,
        place: &Place,
        id: &SessionId,
        new_id: &SessionId,
    ) -> Answer<Rotated> {
        self.store.rotate(place, id, plain_rotate(new_id)).await
    }

    pub(crate) async fn update(
        &self,
        place: &Place,
        id: &SessionId,
        update: Update,
    ) -> Answer<Session> {
        let updated = self.store.update(place, id, update).await?;
        Ok(updated.session)
    }

    /// Ends what a selector covers.
    pub(crate) async fn revoke(&self, selector: Selector) -> Revoked {
        self.revoke_as(revocation(selector)).await
    }

    pub(crate) async fn revoke_as(&self, revocation: Revocation) -> Revoked {
        let revoked = self.store.revoke(&self.namespace, revocation).await;
        revoked.expect("a revocation that is carried out")
    }

    pub(crate) async fn list(&self, place: &Place) -> Vec<SessionId> {
        let page = Page {
            size: 1000,
            after: None,
            include_state: false,
        };
        let (sessions, more) = self.store.list(place, page).await.expect("a list");
        assert!(!more);
        sessions.into_iter().map(|session| session.id).collect()
    }

    pub(crate) async fn claim(&self, place: &Place, key: &str, ttl: Duration) -> Answer<bool> {
        let claim = Claim {
            key: key.into(),
            ttl,
            request: None,
        };
        Ok(self.store.claim_once(place, claim).await?.claimed)
    }

    /// Sweeps until nothing is due; how many sessions ended.
    pub(crate) async fn sweep(&self) -> usize {
        let mut ended = 0;
        loop {
            let swept = self.store.sweep(1000).await.expect("a sweep");
            ended += swept.ended;
            if !swept.more {
                return ended;
            }
        }
    }

    pub(crate) async fn held(&self) -> usize {
        self.store.held().await.expect("a count").sessions
    }

    pub(crate) async fn watch(&self, after: Option<Cursor>) -> Answer<Watch> {
        self.store.watch(&self.namespace, after).await
    }

    pub(crate) async fn watch_from_now(&self) -> Watch {
        self.watch(None).await.expect("a watch from now on")
    }

    /// All that a watcher has to see by now.
    pub(crate) async fn seen(&self, watch: &mut Watch) -> Vec<Logged> {
        let mut seen = Vec::new();
        while let Ok(Some(logged)) = tokio::time::timeout(self.quiet, watch.events.next()).await {
            seen.push(logged.expect("an event"));
        }
        seen
    }

    /// What happened to sessions by now: which, and what.
    pub(crate) async fn changes(&self, watch: &mut Watch) -> Vec<(SessionId, Change)> {
        let seen = self.seen(watch).await;
        seen.iter()
            .filter_map(|logged| change(&logged.event))
            .collect()
    }

    /// Which sessions ended by now, and why.
    pub(crate) async fn endings(&self, watch: &mut Watch) -> Vec<(SessionId, EndReason)> {
        let changes = self.changes(watch).await;
        let ended = changes.into_iter().filter_map(|(id, change)| match change {
            Change::Ended(reason) => Some((id, reason)),
            _ => None,
        });
        ended.collect()
    }
}

pub(crate) fn change(event: &Event) -> Option<(SessionId, Change)> {
    match &event.what {
        What::Session { id, change, .. } => Some((id.clone(), change.clone())),
        What::Revoked { .. } => None,
    }
}

pub(crate) fn namespace(name: &str, limits: Limits) -> Arc<Namespace> {
    Arc::new(Namespace {
        name: NamespaceName::new(name).expect("a good name"),
        limits,
    })
}

pub(crate) fn id(text: &str) -> SessionId {
    SessionId::known(text).expect("a good id")
}

pub(crate) fn plain_rotate(new_id: &SessionId) -> Rotate {
    Rotate {
        new_id: new_id.clone(),
        authenticated_at: None,
        provider_session_id: None,
        request: None,
    }
}

pub(crate) fn revocation(selector: Selector) -> Revocation {
    Revocation {
        selector,
        authenticated_until: None,
        except: None,
        reason: InvalidationReason::Admin,
        dry_run: false,
        by: CallerTag::NOBODY,
    }
}

/// What [`revocation`] ends sessions with.
pub(crate) const REVOKED: EndReason = EndReason::Invalidated(InvalidationReason::Admin);

/// Why the rules refused.
#[track_caller]
pub(crate) fn refusal<T: std::fmt::Debug>(answer: Answer<T>) -> Refusal {
    match answer {
        Err(StoreError::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}
