//! What all instances agree on, and what needs a look at every cell: counts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use redis::Value;

use super::fleet::{ANONYMOUS_COUNTER, counter_of_tenant};
use super::keys::{CELLS, Cell};
use super::reply;
use super::{Shared, counts_tenants};
use crate::mint;
use crate::session::limits::Limits;
use crate::session::names::NamespaceName;
use crate::session::owner_record::Usage;
use crate::store::{Answer, Held, Namespace, Place, StoreError};

/// What the registry's fields begin with that are namespaces.
const NAMESPACE_FIELD: &str = "ns:";

impl Shared {
    /// How often a namespace's entry is written again, in case Redis has lost it.
    const REGISTER_EVERY: Duration = Duration::from_mins(1);

    /// Sees to it that every instance sweeps the namespace.
    pub(super) async fn register(&self, namespace: &Arc<Namespace>) -> Answer<()> {
        let fleet = self.fleets.of(namespace);
        {
            let mut registered = fleet.registered.lock();
            match *registered {
                Some(at) if at.elapsed() < Self::REGISTER_EVERY => return Ok(()),
                // Once is enough: those who come meanwhile need not wait.
                Some(_) => *registered = Some(Instant::now()),
                None => {}
            }
        }
        self.check_cells().await?;
        let limits = &namespace.limits;
        let spans = format!(
            "{}:{}",
            limits.tombstone_ttl.as_millis(),
            limits.max_lifetime_max.as_millis()
        );
        let field = format!("{NAMESPACE_FIELD}{}", namespace.name.as_str());
        self.registry_command(&["HSET"], &[field.as_bytes(), spans.as_bytes()])
            .await?;
        *fleet.registered.lock() = Some(Instant::now());
        Ok(())
    }

    async fn registry_command(&self, command: &[&str], args: &[&[u8]]) -> Answer<Value> {
        let key = self.keys.registry();
        let mut cmd = redis::Cmd::new();
        cmd.arg(command).arg(&key).arg(args);
        Ok(self.link.command(&key, cmd).await?)
    }

    /// Checks that the store was made with as many cells as this version uses.
    async fn check_cells(&self) -> Answer<()> {
        let cells = CELLS.to_string();
        let known = self.agreed(b"cells", cells.as_bytes()).await?;
        if known == cells.as_bytes() {
            return Ok(());
        }
        tracing::error!("the store in Redis was made with another number of cells");
        Err(StoreError::Unsafe)
    }

    /// What all instances take for a value: that of the first.
    async fn agreed(&self, field: &[u8], mine: &[u8]) -> Answer<Vec<u8>> {
        self.registry_command(&["HSETNX"], &[field, mine]).await?;
        match self.registry_command(&["HGET"], &[field]).await? {
            Value::BulkString(value) => Ok(value),
            _ => Err(reply::malformed()),
        }
    }

    /// A secret that all instances on this Redis share.
    pub(super) async fn shared_secret(&self) -> Answer<[u8; 32]> {
        let mine = mint::random::<32>();
        let secret = self.agreed(b"secret", &mine).await?;
        secret.try_into().map_err(|_| reply::malformed())
    }

    /// Learns of namespaces that other instances use.
    pub(super) async fn learn_namespaces(&self) -> Answer<()> {
        let Value::Array(entries) = self.registry_command(&["HGETALL"], &[]).await? else {
            return Err(reply::malformed());
        };
        let (pairs, _) = entries.as_chunks::<2>();
        for pair in pairs {
            if let [Value::BulkString(field), Value::BulkString(spans)] = pair
                && let Some(namespace) = read_namespace(field, spans)
            {
                self.fleets.add(&Arc::new(namespace));
            }
        }
        Ok(())
    }

    pub(super) async fn ping(&self) -> Answer<()> {
        let key = self.keys.registry();
        self.link.command(&key, redis::cmd("PING")).await?;
        self.check_cells().await
    }

    /// Runs a command on a key of each cell.
    pub(super) async fn on_all_cells(
        &self,
        namespace: &NamespaceName,
        command: impl Fn(&super::CellKeys) -> (Vec<u8>, redis::Cmd),
    ) -> Answer<Vec<(Cell, Value)>> {
        let answers = Cell::all().map(|cell| {
            let (key, cmd) = command(&self.keys.cell(namespace, cell));
            async move {
                let answer: Answer<Value> = Ok(self.link.command(&key, cmd).await?);
                Ok::<_, StoreError>((cell, answer?))
            }
        });
        try_join_all(answers).await
    }

    async fn sum(&self, namespace: &NamespaceName, counter: &str) -> Answer<usize> {
        let counts = self
            .on_all_cells(namespace, |keys| {
                let key = keys.counters();
                let mut cmd = redis::cmd("HGET");
                cmd.arg(&key).arg(counter);
                (key, cmd)
            })
            .await?;
        let sum: i64 = counts
            .iter()
            .filter_map(|(_, count)| reply::int(count))
            .map(|count| count.max(0))
            .sum();
        Ok(usize::try_from(sum).unwrap_or(0))
    }

    /// How much the others have that share a limit with an owner. A few seconds old.
    pub(super) async fn usage(&self, place: &Place) -> Answer<Usage> {
        let mut usage = Usage::default();
        if counts_tenants(&place.namespace.limits) {
            usage.tenant = self.count(place, &counter_of_tenant(&place.owner)).await?;
        }
        if place.owner.is_anonymous() {
            usage.anonymous = self.count(place, ANONYMOUS_COUNTER).await?;
        }
        Ok(usage)
    }

    async fn count(&self, place: &Place, counter: &str) -> Answer<usize> {
        let fleet = self.fleets.of(&place.namespace);
        if let Some(count) = fleet.counted(counter, self.options.usage_age) {
            return Ok(count);
        }
        let count = self.sum(&place.namespace.name, counter).await?;
        fleet.keep_count(counter, count);
        Ok(count)
    }

    /// Ends what is dead, so that it does not stand in the way of something new. Whether that was tried: not
    /// for each call of a crowd.
    pub(super) async fn give_back(&self, namespace: &Arc<Namespace>) -> Answer<bool> {
        const OWNERS: usize = 4096;
        let fleet = self.fleets.of(namespace);
        let pause = self.options.usage_age.min(Duration::from_secs(1));
        if !fleet.may_give_back(pause) {
            return Ok(false);
        }
        self.sweep_fleet(&fleet, OWNERS, &mut crate::store::Swept::default())
            .await?;
        fleet.forget_counts();
        Ok(true)
    }

    pub(super) async fn held(&self) -> Answer<Held> {
        self.learn_namespaces().await?;
        let mut held = Held::default();
        for fleet in self.fleets.all() {
            let name = fleet.namespace.load().name.clone();
            held.sessions += self.sum(&name, "n").await?;
        }
        Ok(held)
    }
}

/// A namespace that another instance has registered, with what the sweep has to know of it.
fn read_namespace(field: &[u8], spans: &[u8]) -> Option<Namespace> {
    let name = std::str::from_utf8(field)
        .ok()?
        .strip_prefix(NAMESPACE_FIELD)?;
    let (tombstone, longest) = std::str::from_utf8(spans).ok()?.split_once(':')?;
    let limits = Limits {
        tombstone_ttl: Duration::from_millis(tombstone.parse().ok()?),
        max_lifetime_max: Duration::from_millis(longest.parse().ok()?),
        ..Limits::default()
    };
    Some(Namespace {
        name: NamespaceName::new(name).ok()?,
        limits,
    })
}
