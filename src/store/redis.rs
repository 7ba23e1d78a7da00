//! Sessions in Redis: standalone, behind Sentinel, or in a Cluster.
//!
//! Reading order: [`link`] (how a script gets to the right server and its answer back), `keys` and `pack` (what lies where), `scripts` and the Lua files (the rules of
//! [`crate::session`], restated), `reply` (what scripts answer), then one file per operation, and `sweep` and
//! `watch`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use self::doubt::Doubts;
use self::fleet::Fleets;
use self::keys::{CellKeys, Keys, Spot};
use self::link::{Call, Durable, Link, Script};
use self::recent::Recent;
use super::endings::Endings;
use super::inspection::{Position, Slice};
use super::status::{Glance, InUse, Status};
use super::{
    Answer, Clock, Cursor, Held, Listener, Namespace, Place, Revocation, Revoked, Store,
    StoreError, Swept, TenantKeys, Watch,
};
use crate::config::redis::{BadRedisConfig, RedisConfig, Topology};
use crate::session::credentials::Sealed;
use crate::session::filter::Filter;
use crate::session::limits::Limits;
use crate::session::names::{CallerTag, CredentialName, NamespaceName, Owner, SessionId};
use crate::session::owner_record::{
    AbandonRefresh, BeginRefresh, Begun, Claim, Claimed, Create, Created, Looked, Page,
    PutCredential, Read, Rotate, Rotated, Update, Updated,
};
use crate::session::record::Session;
use crate::session::request::{Request, Rpc};
use crate::session::story::Story;
use crate::session::time::Time;

mod claim;
mod create;
mod credentials;
mod doubt;
mod due;
mod end;
mod fleet;
mod inspect;
mod keys;
pub mod link;
mod list;
mod pack;
mod poll;
mod read;
mod recent;
mod registry;
mod reply;
mod revoke;
mod rotate;
mod scripts;
mod status;
mod sweep;
mod tenant_keys;
mod update;
mod watch;

/// The store in Redis.
#[derive(Clone)]
pub struct RedisStore(Arc<Shared>);

/// What the store's own tasks share with it.
struct Shared {
    link: Link,
    topology: Topology,
    keys: Keys,
    /// A clock that a test moves by hand, for the store and for Redis.
    by_hand: Option<Clock>,
    options: Options,
    fleets: Fleets,
    recent: Recent,
    endings: Endings,
    doubts: Doubts,
}

/// How a store in Redis behaves, beside where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Events that are kept for watchers, per namespace.
    pub event_log_length: usize,
    /// How old the counts may be that the limits beyond one owner are held against.
    pub usage_age: Duration,
    /// How often the log is asked for news while somebody watches.
    pub poll_interval: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            event_log_length: 100_000,
            usage_age: Duration::from_secs(5),
            poll_interval: poll::POLL_INTERVAL,
        }
    }
}

impl RedisStore {
    /// Connects in the background; answers at once.
    pub async fn open(
        config: &RedisConfig,
        options: Options,
        by_hand: Option<Clock>,
    ) -> Result<RedisStore, BadRedisConfig> {
        let link = Link::open(config).await?;
        let store = RedisStore(Arc::new(Shared {
            link,
            topology: config.topology.clone(),
            keys: Keys::new(&config.key_prefix),
            by_hand,
            options,
            fleets: Fleets::default(),
            recent: Recent::default(),
            endings: Endings::default(),
            doubts: Doubts::new(),
        }));
        recent::watch_failovers(&store.0);
        Ok(store)
    }
}

impl Shared {
    /// The time as this instance knows it. A script knows better.
    fn now(&self) -> Time {
        self.by_hand
            .as_ref()
            .map_or_else(Time::from_system_clock, Clock::now)
    }

    /// The two arguments that every script begins with, where it asks for the time: who calls, and when.
    fn clock_args(&self, by: CallerTag) -> [Vec<u8>; 2] {
        match &self.by_hand {
            None => [pack::use_at(Time::from_system_clock(), by), Vec::new()],
            Some(clock) => {
                let now = clock.now();
                [pack::use_at(now, by), number(now.as_millis())]
            }
        }
    }

    /// A call that nobody has asked for.
    fn call(&self, script: &'static Script) -> Call {
        self.call_by(script, CallerTag::NOBODY)
    }

    fn call_by(&self, script: &'static Script, by: CallerTag) -> Call {
        Call {
            script,
            keys: Vec::with_capacity(10),
            args: Vec::with_capacity(24),
            absent: None,
        }
        .args(self.clock_args(by))
    }

    /// A call that decides who is alive: owner record, marks and tombstones.
    fn call_on_owner(&self, script: &'static Script, place: &Place, spot: &Spot) -> Call {
        let call = self
            .call_by(script, place.by)
            .key(spot.keys.owner(spot.hash()))
            .key(spot.keys.marks())
            .key(spot.keys.tombstones(spot.hash()))
            .arg(millis(place.namespace.limits.tombstone_ttl))
            .arg(spot.own_mark());
        call.args(keys::wide_mark_fields(&place.owner))
    }

    /// A call that changes what is there of an owner's record.
    fn call_on_session(&self, script: &'static Script, place: &Place, spot: &Spot) -> Call {
        self.call_on_owner(script, place, spot)
            .absent(spot.keys.absent())
            .key(spot.keys.events())
            .arg(pack::owner(&place.owner))
            .arg(self.log_length())
    }

    /// A call that may make or end sessions.
    fn call_on_record(&self, script: &'static Script, place: &Place, spot: &Spot) -> Call {
        self.call_on_session(script, place, spot)
            .key(spot.keys.due())
            .key(spot.keys.ids())
            .key(spot.keys.counters())
            .arg(spot.hash())
            .arg(flag(counts_tenants(&place.namespace.limits)))
    }

    /// The length of each cell's part of the log: more than its share, since what happens is not spread evenly.
    /// Redis trims whole blocks of a hundred entries.
    fn log_length(&self) -> Vec<u8> {
        const LEAST: usize = 1000;
        let length = self.options.event_log_length;
        let share = 4 * length.div_ceil(keys::CELLS);
        number(share.max(LEAST).min(length).max(1))
    }

    /// Ends what an ending says only if it will stay so.
    async fn call_ending(&self, call: &Call) -> Answer<(redis::Value, Durable)> {
        Ok(self.link.call_ending(call).await?)
    }

    /// The same for one that may end what nobody has named: see [`doubt`].
    async fn call_in_doubt(
        &self,
        place: &Place,
        spot: &Spot,
        call: &mut Call,
    ) -> Answer<(redis::Value, Durable)> {
        let doubt = self.doubt(place, spot, call);
        Ok(doubt.over(self.link.call_ending(call).await)?)
    }
}

fn counts_tenants(limits: &Limits) -> bool {
    limits.sessions_per_tenant.is_some()
}

/// Refuses an ending that would not survive a failover yet.
fn insist(durable: Durable) -> Answer<()> {
    match durable {
        Durable::Yes => Ok(()),
        Durable::NotYet => Err(StoreError::NotDurable),
    }
}

impl Call {
    fn key(mut self, key: impl Into<Vec<u8>>) -> Call {
        self.keys.push(key.into());
        self
    }

    fn absent(mut self, key: Vec<u8>) -> Call {
        self.absent = Some(key);
        self
    }

    fn arg(mut self, arg: impl Into<Vec<u8>>) -> Call {
        self.args.push(arg.into());
        self
    }

    fn args<A: Into<Vec<u8>>>(mut self, args: impl IntoIterator<Item = A>) -> Call {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds the key of what is remembered of the request, if the request may be repeated.
    fn request_key(mut self, spot: &Spot, rpc: Rpc, request: Option<&Request>) -> Call {
        if let Some(request) = request {
            self.keys.push(spot.request(rpc, request.id));
        }
        self
    }

    /// Adds what a request is recognised by, and for how long.
    fn request_args(self, request: Option<&Request>, limits: &Limits) -> Call {
        let fingerprint = request.map(|request| request.fingerprint.to_le_bytes().to_vec());
        self.arg(fingerprint.unwrap_or_default())
            .arg(millis(limits.request_ttl))
    }
}

fn number(number: impl std::fmt::Display) -> Vec<u8> {
    number.to_string().into_bytes()
}

fn optional(value: Option<impl std::fmt::Display>) -> Vec<u8> {
    value.map(number).unwrap_or_default()
}

fn millis(span: Duration) -> Vec<u8> {
    number(span.as_millis())
}

fn flag(flag: bool) -> Vec<u8> {
    vec![if flag { b'1' } else { b'0' }]
}

#[async_trait]
impl Store for RedisStore {
    fn kind(&self) -> &'static str {
        "redis"
    }

    async fn create(&self, place: &Place, create: Create) -> Answer<Created> {
        self.0.create(place, &create).await
    }

    async fn read(&self, place: &Place, id: &SessionId, read: Read) -> Answer<Session> {
        self.0.read(place, id, &read).await
    }

    async fn update(&self, place: &Place, id: &SessionId, update: Update) -> Answer<Updated> {
        self.0.update(place, id, &update).await
    }

    async fn rotate(&self, place: &Place, id: &SessionId, rotate: Rotate) -> Answer<Rotated> {
        self.0.rotate(place, id, &rotate).await
    }

    async fn end(&self, place: &Place, id: &SessionId) -> Answer<bool> {
        self.0.end(place, id).await
    }

    async fn revoke(&self, namespace: &Arc<Namespace>, revocation: Revocation) -> Answer<Revoked> {
        Shared::revoke(&self.0, namespace, revocation).await
    }

    async fn list(&self, place: &Place, page: Page) -> Answer<(Vec<Session>, bool)> {
        self.0.list(place, &page).await
    }

    async fn claim_once(&self, place: &Place, claim: Claim) -> Answer<Claimed> {
        self.0.claim_once(place, &claim).await
    }

    async fn credential(
        &self,
        place: &Place,
        id: &SessionId,
        name: &CredentialName,
    ) -> Answer<Looked> {
        self.0.credential(place, id, name).await
    }

    async fn put_credential(
        &self,
        place: &Place,
        id: &SessionId,
        put: PutCredential,
    ) -> Answer<u64> {
        self.0.put_credential(place, id, &put).await
    }

    async fn delete_credential(
        &self,
        place: &Place,
        id: &SessionId,
        name: &CredentialName,
    ) -> Answer<bool> {
        self.0.delete_credential(place, id, name).await
    }

    async fn begin_refresh(
        &self,
        place: &Place,
        id: &SessionId,
        begin: BeginRefresh,
    ) -> Answer<Begun> {
        self.0.begin_refresh(place, id, &begin).await
    }

    async fn abandon_refresh(
        &self,
        place: &Place,
        id: &SessionId,
        abandon: AbandonRefresh,
    ) -> Answer<bool> {
        self.0.abandon_refresh(place, id, &abandon).await
    }

    async fn tenant_key(&self, namespace: &NamespaceName, tenant: &str) -> Answer<Option<Sealed>> {
        self.0.tenant_key(namespace, tenant).await
    }

    async fn put_tenant_key(
        &self,
        namespace: &NamespaceName,
        tenant: &str,
        expected: Option<&Sealed>,
        wrapped: Sealed,
    ) -> Answer<bool> {
        self.0
            .put_tenant_key(namespace, tenant, expected, &wrapped)
            .await
    }

    async fn destroy_tenant_key(&self, namespace: &NamespaceName, tenant: &str) -> Answer<bool> {
        self.0.destroy_tenant_key(namespace, tenant).await
    }

    async fn tenant_keys(&self, after: Option<String>) -> Answer<TenantKeys> {
        self.0.tenant_keys(after).await
    }

    async fn bearers(&self, namespace: &Arc<Namespace>, id: &SessionId) -> Answer<Vec<Owner>> {
        self.0.bearers(namespace, id).await
    }

    async fn watch(&self, namespace: &Arc<Namespace>, after: Option<Cursor>) -> Answer<Watch> {
        Shared::watch(&self.0, namespace, after).await
    }

    async fn leave(&self) {
        self.0.leave().await;
    }

    fn tell_endings_to(&self, listener: Listener) {
        self.0.endings.tell_to(listener);
    }

    async fn sweep(&self, budget: usize) -> Answer<Swept> {
        self.0.sweep(budget).await
    }

    async fn ping(&self) -> Answer<()> {
        self.0.ping().await
    }

    async fn shared_secret(&self) -> Answer<[u8; 32]> {
        self.0.shared_secret().await
    }

    async fn name_caller(&self, tag: CallerTag, name: &str) -> Answer<()> {
        self.0.name_caller(tag, name).await
    }

    async fn caller_name(&self, tag: CallerTag) -> Answer<Option<Box<str>>> {
        self.0.caller_name(tag).await
    }

    async fn held(&self) -> Answer<Held> {
        self.0.held().await
    }

    async fn slice(
        &self,
        namespace: &Arc<Namespace>,
        filter: &Filter,
        after: Option<&Position>,
        most: usize,
    ) -> Answer<Slice> {
        self.0.slice(namespace, filter, after, most).await
    }

    async fn stories(&self, namespace: &Arc<Namespace>, id: &SessionId) -> Answer<Vec<Story>> {
        self.0.stories(namespace, id).await
    }

    async fn namespaces(&self) -> Answer<Vec<InUse>> {
        self.0.namespaces().await
    }

    async fn status(&self) -> Status {
        self.0.status().await
    }

    fn glance(&self) -> Glance {
        let state = self.0.link.state();
        Glance {
            closed_breakers: state.primaries.saturating_sub(state.down),
            open_breakers: state.down,
            unsafe_eviction: state.unsafe_eviction,
            clock_skew: state.clock_skew,
            ..Glance::default()
        }
    }
}
