//! How Redis is, and how much is in it.

use std::time::Duration;

use redis::Value;

use super::fleet::ANONYMOUS_COUNTER;
use super::keys::Cell;
use super::link::Report;
use super::{Shared, reply};
use crate::config::redis::Topology;
use crate::session::names::{CallerTag, NamespaceName};
use crate::store::status::{InUse, Server, Status};
use crate::store::{Answer, CALLERS_KEPT};

impl Shared {
    pub(super) async fn namespaces(&self) -> Answer<Vec<InUse>> {
        self.learn_namespaces().await?;
        let mut found = Vec::new();
        for fleet in self.fleets.all() {
            let name = fleet.namespace.load().name.clone();
            let (sessions, anonymous) = self.counted(&name).await?;
            found.push(InUse {
                wide_marks: self.wide_marks(&name).await?,
                name,
                sessions,
                anonymous,
            });
        }
        Ok(found)
    }

    pub(super) async fn name_caller(&self, tag: CallerTag, name: &str) -> Answer<()> {
        let key = self.keys.callers();
        let mut cmd = redis::cmd("HLEN");
        cmd.arg(&key);
        let kept = reply::int(&self.link.command(&key, cmd).await?).unwrap_or(0);
        if usize::try_from(kept).is_ok_and(|kept| kept < CALLERS_KEPT) {
            let mut cmd = redis::cmd("HSETNX");
            cmd.arg(&key).arg(&tag.0).arg(name);
            self.link.command(&key, cmd).await?;
        }
        Ok(())
    }

    pub(super) async fn caller_name(&self, tag: CallerTag) -> Answer<Option<Box<str>>> {
        let key = self.keys.callers();
        let mut cmd = redis::cmd("HGET");
        cmd.arg(&key).arg(&tag.0);
        Ok(match self.link.command(&key, cmd).await? {
            Value::BulkString(name) => String::from_utf8(name).ok().map(String::into_boxed_str),
            _ => None,
        })
    }

    /// All sessions of a namespace, and those without a user.
    async fn counted(&self, name: &NamespaceName) -> Answer<(usize, usize)> {
        let counts = self
            .on_all_cells(name, |keys| {
                let key = keys.counters();
                let mut cmd = redis::cmd("HMGET");
                cmd.arg(&key).arg("n").arg(ANONYMOUS_COUNTER);
                (key, cmd)
            })
            .await?;
        let mut sums = (0, 0);
        for (_, counts) in counts {
            let Value::Array(counts) = counts else {
                return Err(reply::malformed());
            };
            let count = |at: usize| {
                let count = counts.get(at).and_then(reply::int).unwrap_or(0);
                usize::try_from(count).unwrap_or(0)
            };
            sums = (sums.0 + count(0), sums.1 + count(1));
        }
        Ok(sums)
    }

    /// Each cell has all wide marks: one will do. Beside them are the marks of its own owners.
    async fn wide_marks(&self, name: &NamespaceName) -> Answer<usize> {
        let fields = self.mark_fields(name, Cell(0)).await?;
        let is_wide = |field: &&Vec<u8>| {
            field.as_slice() == b"*"
                || [&b"t:"[..], b"i:", b"u:"]
                    .iter()
                    .any(|kind| field.starts_with(kind))
        };
        Ok(fields.iter().filter(is_wide).count())
    }

    pub(super) async fn status(&self) -> Status {
        let state = self.link.state();
        let mut trouble = Vec::new();
        if state.primaries == 0 {
            trouble.push("no server has been found yet that is a primary".to_owned());
        }
        if state.down > 0 {
            trouble.push(format!(
                "{} of {} primaries are away",
                state.down, state.primaries
            ));
        }
        if state.unsafe_eviction {
            let advice =
                "maxmemory-policy would evict sessions and marks: set it to noeviction".to_owned();
            trouble.push(advice);
        }
        if state.clock_skew {
            trouble.push("the clocks of Redis and of this instance are more than 2 s apart".into());
        }
        trouble.extend(state.refused);
        Status {
            topology: match self.topology {
                Topology::Standalone(_) => "standalone",
                Topology::Sentinel { .. } => "sentinel",
                Topology::Cluster { .. } => "cluster",
            },
            ready: state.ready,
            trouble,
            servers: self.link.reports().await.iter().map(server).collect(),
            ..Status::default()
        }
    }
}

fn server(report: &Report) -> Server {
    Server {
        address: report.address.clone(),
        reachable: report.is_known(),
        version: report.text("redis_version").to_owned(),
        memory: report.number("used_memory"),
        max_memory: report.number("maxmemory"),
        eviction: report.text("maxmemory_policy").to_owned(),
        replicas: report.number("connected_slaves"),
        uptime: Duration::from_secs(report.number("uptime_in_seconds")),
    }
}
