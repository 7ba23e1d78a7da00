//! What keeps the sessions: one trait, whose comments are the contract that every backend fulfils.
//!
//! The rules themselves are in [`crate::session::owner_record`]. A backend runs them (memory: under a
//! lock) or restates them (Redis: in Lua); the shared contract suite and the model test in `tests/it`
//! hold every backend against them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;

pub use self::clock::Clock;
pub use self::endings::{Ended, Listener, Told};
use self::inspection::{Position, Slice};
pub use self::measured::Measured;
use self::memory::MemoryStore;
use self::redis::RedisStore;
use self::status::{Glance, InUse, Status};
use crate::config;
use crate::config::redis::RedisConfig;
use crate::session::credentials::Sealed;
use crate::session::event::{Event, What};
use crate::session::filter::Filter;
use crate::session::limits::Limits;
use crate::session::marks::{Reach, Subject};
use crate::session::names::{CallerTag, CredentialName, NamespaceName, Owner, SessionId};
use crate::session::owner_record::{
    AbandonRefresh, BeginRefresh, Begun, Claim, Claimed, Create, Created, Looked, Page,
    PutCredential, Read, Rotate, Rotated, Update, Updated,
};
use crate::session::record::Session;
use crate::session::refusal::{InvalidationReason, Refusal};
use crate::session::story::Story;

mod clock;
mod endings;
pub mod inspection;
mod measured;
pub mod memory;
pub mod redis;
pub mod status;

/// Opens the store of the configuration. One that is elsewhere is connected to in the background: the
/// service starts without it.
pub async fn open(config: &config::Store) -> anyhow::Result<Arc<dyn Store>> {
    if config.url == "memory:" {
        return Ok(Arc::new(MemoryStore::new(config, Clock::system())));
    }
    let redis = RedisConfig::of(&config.url, &config.redis)?;
    let options = redis::Options {
        event_log_length: config.event_log_length,
        ..redis::Options::default()
    };
    Ok(Arc::new(RedisStore::open(&redis, options, None).await?))
}

/// How many callers' names a store keeps.
const CALLERS_KEPT: usize = 10_000;

/// A namespace as the service knows it: its name and what it allows.
#[derive(Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Its name.
    pub name: NamespaceName,
    /// What it allows.
    pub limits: Limits,
}

/// Whose data an operation is about.
#[derive(Clone, Debug)]
pub struct Place {
    /// Where.
    pub namespace: Arc<Namespace>,
    /// Whose.
    pub owner: Owner,
    /// Who asks for it.
    pub by: CallerTag,
}

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The rules refuse it. Nothing has changed.
    #[error("refused by the rules")]
    Refused(Refusal),
    /// No room for more. Reading and ending still work.
    #[error("the store is full")]
    Full,
    /// The store cannot be reached, or did not answer in time.
    #[error("the store is unavailable")]
    Unavailable {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// It was asked, and its answer is lost: wholly done, or not at all.
    #[error("the store's answer is lost")]
    Unanswered {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The store is set up so that it may lose sessions and marks on its own.
    #[error("the store's settings are unsafe")]
    Unsafe,
    /// This instance's clock and the store's are too far apart.
    #[error("the clocks of the store and of this instance are apart")]
    ClockSkew,
    /// The ending is in force, but would not yet survive a failover. Repeating it is right.
    #[error("the ending is not durable yet")]
    NotDurable,
    /// The log does not reach back to the cursor.
    #[error("the event log does not reach back to this cursor")]
    CursorExpired,
}

impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> StoreError {
        StoreError::Refused(refusal)
    }
}

/// What every operation of a store answers.
pub type Answer<T> = Result<T, StoreError>;

/// What to invalidate.
#[derive(Clone, Debug)]
pub struct Revocation {
    /// Which sessions.
    pub selector: Selector,
    /// Only logins up to then; `None`: everything made up to the moment of the call.
    pub authenticated_until: Option<crate::session::time::Time>,
    /// A session to leave alone.
    pub except: Option<SessionId>,
    /// Why.
    pub reason: InvalidationReason,
    /// Only count.
    pub dry_run: bool,
    /// Who asks for it.
    pub by: CallerTag,
}

/// Which sessions an invalidation is about.
#[derive(Clone, Debug)]
pub enum Selector {
    /// All bearers of an id, and of what it was rotated into.
    Id(SessionId),
    /// One session of one owner, and what it was rotated into. Leaves no mark.
    Session(Owner, SessionId),
    /// Everything of one owner.
    Owner(Owner),
    /// Everything from one login.
    ProviderSession {
        /// The identity provider.
        issuer: Box<str>,
        /// Its id of the login.
        provider_session_id: Box<str>,
    },
    /// Everything of a tenant, an issuer, a user over all tenants, or everything.
    Wide(Subject),
}

/// How many sessions an invalidation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// Exactly so many ended (or with a dry run would end).
    Exactly(usize),
    /// A wide one is in force; they are counted as they end.
    InForce,
    /// A dry run of a wide one: roughly so many.
    Roughly(usize),
}

/// Where a watcher is in the log of a namespace. Opaque: only the store that made it can read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub String);

/// One event of the log.
#[derive(Clone, Debug)]
pub struct Logged {
    /// Unique within the namespace; the same when the event is delivered again.
    pub event_id: String,
    /// What happened.
    pub event: Arc<Event>,
    /// Where to resume behind it.
    pub cursor: Cursor,
}

/// The log of a namespace, from some place on.
pub struct Watch {
    /// Where it starts.
    pub start: Cursor,
    /// The events, as they come. Ends with [`StoreError::CursorExpired`] when the reader fell behind the
    /// end of the log.
    pub events: BoxStream<'static, Answer<Logged>>,
}

/// A tenant's wrapped key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantKey {
    /// The namespace.
    pub namespace: NamespaceName,
    /// The tenant.
    pub tenant: Box<str>,
    /// The key, wrapped.
    pub wrapped: Sealed,
}

/// A page of wrapped keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantKeys {
    /// The keys, in no order.
    pub keys: Vec<TenantKey>,
    /// Where the next page begins; `None`: this was the last. Only the store can read it.
    pub next: Option<String>,
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// So many sessions were ended.
    pub ended: usize,
    /// Whether more is due already.
    pub more: bool,
    /// How late the oldest of what was due was settled.
    pub lag: Duration,
}

/// How much a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Sessions that have not been ended yet.
    pub sessions: usize,
    /// Bytes, where the store knows.
    pub bytes: Option<usize>,
}

/// Keeps sessions. Every method is one atomic step of the store.
///
/// For all of them:
/// - an operation that fails has changed nothing;
/// - liveness is decided by the deadlines and the marks at the moment of the call, never by whether a
///   sweep has passed;
/// - dropping the future leaves nothing half done: the step happens wholly or not at all;
/// - what an operation did is in the log of the namespace, in the order in which it happened to its
///   owner, before the operation answers.
///
/// There are no default implementations: a backend that forgets a method does not compile.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// What kind of store it is, for the line that `serve` prints and for metrics.
    fn kind(&self) -> &'static str;

    /// Makes a session, or finds the live one of its conversation, by [`OwnerRecord::create`].
    ///
    /// [`OwnerRecord::create`]: crate::session::owner_record::OwnerRecord::create
    async fn create(&self, place: &Place, create: Create) -> Answer<Created>;

    /// Reads a session and, unless it peeks, slides it: one step.
    async fn read(&self, place: &Place, id: &SessionId, read: Read) -> Answer<Session>;

    /// Changes single keys and slides. Never makes a session.
    async fn update(&self, place: &Place, id: &SessionId, update: Update) -> Answer<Updated>;

    /// Moves a session to a new id; the old one is dead in the same step.
    async fn rotate(&self, place: &Place, id: &SessionId, rotate: Rotate) -> Answer<Rotated>;

    /// The owner's own end. Answers whether there was a live session; no error if there was none.
    async fn end(&self, place: &Place, id: &SessionId) -> Answer<bool>;

    /// Ends all that a revocation covers. Once it has answered, no call serves a covered session again,
    /// on any instance.
    async fn revoke(&self, namespace: &Arc<Namespace>, revocation: Revocation) -> Answer<Revoked>;

    /// The owner's live sessions, newest first, and whether more follow. Never slides.
    async fn list(&self, place: &Place, page: Page) -> Answer<(Vec<Session>, bool)>;

    /// Claims a key: true exactly once until its TTL has passed.
    async fn claim_once(&self, place: &Place, claim: Claim) -> Answer<Claimed>;

    /// Looks a credential up and slides its session, by [`OwnerRecord::credential`]. A name that is not there
    /// is no error: the answer says which version it would get.
    ///
    /// [`OwnerRecord::credential`]: crate::session::owner_record::OwnerRecord::credential
    async fn credential(
        &self,
        place: &Place,
        id: &SessionId,
        name: &CredentialName,
    ) -> Answer<Looked>;

    /// Writes a credential if the version that it was sealed for is still the next one, and, for the result
    /// of a refresh, if the lease is still held. Answers the version that is kept now. Slides.
    async fn put_credential(
        &self,
        place: &Place,
        id: &SessionId,
        put: PutCredential,
    ) -> Answer<u64>;

    /// Destroys a credential. Answers whether there was one. Slides.
    async fn delete_credential(
        &self,
        place: &Place,
        id: &SessionId,
        name: &CredentialName,
    ) -> Answer<bool>;

    /// Gives the right to refresh a credential to one caller at a time. Never waits. Slides.
    async fn begin_refresh(
        &self,
        place: &Place,
        id: &SessionId,
        begin: BeginRefresh,
    ) -> Answer<Begun>;

    /// Gives the right to refresh back. Answers whether it was held; one that was lost is no error. Slides.
    async fn abandon_refresh(
        &self,
        place: &Place,
        id: &SessionId,
        abandon: AbandonRefresh,
    ) -> Answer<bool>;

    /// The key under which a tenant's data is sealed, itself wrapped by a key that the store never sees.
    async fn tenant_key(&self, namespace: &NamespaceName, tenant: &str) -> Answer<Option<Sealed>>;

    /// Keeps a tenant's wrapped key if what is kept is still `expected` (`None`: nothing). Answers whether it
    /// is kept now. It stays until it is destroyed, whatever happens to the tenant's sessions.
    async fn put_tenant_key(
        &self,
        namespace: &NamespaceName,
        tenant: &str,
        expected: Option<&Sealed>,
        wrapped: Sealed,
    ) -> Answer<bool>;

    /// Destroys a tenant's wrapped key, for ever. Answers whether there was one.
    async fn destroy_tenant_key(&self, namespace: &NamespaceName, tenant: &str) -> Answer<bool>;

    /// Some of the wrapped keys of all namespaces, from the start or from where an earlier page ended. A key
    /// that is there all the time is on one of the pages, at least once.
    async fn tenant_keys(&self, after: Option<String>) -> Answer<TenantKeys>;

    /// Who bears an id, over all owners of the namespace, alive or lately ended. For telling a violation
    /// from a miss, after the answer has gone out.
    async fn bearers(&self, namespace: &Arc<Namespace>, id: &SessionId) -> Answer<Vec<Owner>>;

    /// The log of a namespace behind a cursor, or from now on.
    async fn watch(&self, namespace: &Arc<Namespace>, after: Option<Cursor>) -> Answer<Watch>;

    /// Has a listener told of each session that a step of this instance ends otherwise than by
    /// [`Store::end`], exactly once over all instances, as long as the store forgets no ending. Where the answer of a
    /// step is lost, that is told later, or at least that something may have ended. Whoever listens must not block, and must not call the
    /// store. The latest listener takes the place of the one before.
    fn tell_endings_to(&self, listener: Listener);

    /// This instance goes. What it may have ended without knowing it is told as far as it can be found out.
    async fn leave(&self);

    /// Ends what is dead and gives space back, for at most about `budget` owners. Its cost follows what is
    /// due, not what is kept.
    async fn sweep(&self, budget: usize) -> Answer<Swept>;

    /// Whether the store can do its work now.
    async fn ping(&self) -> Answer<()>;

    /// A secret that all instances on this store share, made by the first of them. By a hash that is keyed
    /// with it a repeated request is recognised, whichever instance it reaches.
    async fn shared_secret(&self) -> Answer<[u8; 32]>;

    /// Keeps a caller's name, so that its tag can be read later. Keeps a bounded number of them.
    async fn name_caller(&self, tag: CallerTag, name: &str) -> Answer<()>;

    /// The name of a caller; `None`: it was never kept, or it is nobody's tag.
    async fn caller_name(&self, tag: CallerTag) -> Answer<Option<Box<str>>>;

    /// How much it holds.
    async fn held(&self) -> Answer<Held>;

    /// The sessions of a namespace that are alive and meant by a filter: a slice of them, from the start or from
    /// where an earlier slice ended, and at most about so many. One slice costs little, however many sessions
    /// there are: no lock is held and no server kept busy for long. It may have found nothing, and not be the last.
    ///
    /// A session that is alive and meant during all slices is in one of them at least; in two, if what the store
    /// keeps was rearranged meanwhile.
    async fn slice(
        &self,
        namespace: &Arc<Namespace>,
        filter: &Filter,
        after: Option<&Position>,
        most: usize,
    ) -> Answer<Slice>;

    /// The stories of all sessions that bear an id, or bore it, as far as they are known still, over all owners.
    /// Shows no value and slides nothing.
    async fn stories(&self, namespace: &Arc<Namespace>, id: &SessionId) -> Answer<Vec<Story>>;

    /// The namespaces that have been used, in no order, with what each holds.
    async fn namespaces(&self) -> Answer<Vec<InUse>>;

    /// How it is. Answers also when the store is away: then it says so.
    async fn status(&self) -> Status;

    /// What it knows of itself without asking anybody.
    fn glance(&self) -> Glance;
}

impl Revocation {
    /// What it reaches when it is carried out at `now`.
    pub fn reach(&self, now: crate::session::time::Time) -> Reach {
        match self.authenticated_until {
            Some(until) => Reach::Authenticated(until.min(now)),
            None => Reach::Made(now),
        }
    }
}

impl Event {
    /// Whether the event is about this owner, alone or among others.
    pub fn concerns(&self, owner: &Owner) -> bool {
        match &self.what {
            What::Session { owner: whose, .. } => whose == owner,
            What::Revoked { subject, .. } => subject.includes(owner),
        }
    }
}
