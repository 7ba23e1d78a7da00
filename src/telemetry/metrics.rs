//! The metrics: every one is declared once, in the table below. `/metrics`, what is sent over OTLP and
//! `docs/METRICS.md` come from there.
//!
//! [`instrument`] counts, [`label`] knows what may stand behind a name, [`text`] writes for Prometheus.

use std::collections::HashMap;
use std::fmt;

use parking_lot::RwLock;

use self::instrument::{Counter, Gauge, Histogram, Instrument, Presence};
use self::label::{
    Barred, Breaker, Cause, Code, Known, Method, Namespace, Outcome, SealFault, Signal, Step,
    System, Trouble, Version,
};
use crate::session::names::NamespaceName;
use crate::session::refusal::EndReason;

pub mod instrument;
pub mod label;
#[cfg(test)]
mod reference;
mod text;

pub use text::CONTENT_TYPE;

/// For what takes from tens of microseconds to the longest deadlines.
const SECONDS: &[f64] = &[
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0,
];

macro_rules! metrics {
    ($($field:ident: $kind:ident<$labels:ty> = $name:literal, $unit:literal $(, $bounds:ident)?; $about:literal)+) => {
        /// The metrics of a service.
        #[derive(Debug)]
        pub struct Metrics {
            namespaces: HashMap<NamespaceName, Namespace>,
            sources: Sources,
            $(#[doc = $about] pub $field: $kind<$labels>,)+
        }

        impl Metrics {
            /// Metrics that stand at zero, for a service with these namespaces.
            pub fn new<'a>(namespaces: impl IntoIterator<Item = &'a NamespaceName>) -> Metrics {
                let listed: Vec<&NamespaceName> = namespaces.into_iter().collect();
                let known = Known {
                    namespaces: listed.iter().map(|name| name.as_str().into()).collect(),
                };
                let places = listed.into_iter().cloned().zip((0..).map(Namespace::listed));
                let metrics = Metrics {
                    namespaces: places.collect(),
                    sources: Sources::default(),
                    $($field: $kind::new($name, $unit, $about, $($bounds,)? &known),)+
                };
                metrics.build.set((Version,), 1.0);
                metrics
            }

            /// All of them, as they stand now.
            pub fn all(&self) -> Vec<&dyn Instrument> {
                for source in &*self.sources.0.read() {
                    source(self);
                }
                vec![$(&self.$field,)+]
            }
        }
    };
}

metrics! {
    rpc_duration: Histogram<(System, Method, Code)> = "rpc.server.call.duration", "s", SECONDS;
        "How long calls took, by method and by the code of their answer: from their head to the end of their answer."
    calls_in_flight: Gauge<()> = "tenure.calls.in_flight", "{call}";
        "Calls that are in progress and hold one of the places of `grpc.max_in_flight`."
    calls_limit: Gauge<()> = "tenure.calls.limit", "{call}";
        "Calls that may be in progress at once: `grpc.max_in_flight`."
    calls_shed: Counter<()> = "tenure.calls.shed", "{call}";
        "Calls that were turned away because too many were in progress."
    calls_barred: Counter<(Barred,)> = "tenure.calls.barred", "{call}";
        "Calls that were not let in, by what they lacked."
    connections_open: Presence<()> = "tenure.connections.open", "{connection}";
        "Connections of clients that are open."
    store_duration: Histogram<(Step, Outcome)> = "tenure.store.duration", "s", SECONDS;
        "How long the store took, by what it was asked. `refused` is the rules' answer, `failed` the store's own failure."
    store_ready: Gauge<()> = "tenure.store.ready", "";
        "1 while the store can do its work, else 0; asked each second."
    store_servers: Gauge<(Breaker,)> = "tenure.store.servers", "{server}";
        "Primaries of the store, by the position of their breakers: `closed` lets calls through. The memory store has none."
    store_trouble: Gauge<(Trouble,)> = "tenure.store.trouble", "";
        "1 while the store answers and cannot be used all the same: it may evict what must stay (every call is refused), or its clock and this instance's are more than 2 s apart (only endings are accepted)."
    store_size: Gauge<()> = "tenure.store.size", "By";
        "Bytes that the store holds, about; only the memory store knows."
    sessions_live: Gauge<(Namespace,)> = "tenure.sessions.live", "{session}";
        "Sessions that have not been ended, counted every 15 seconds, or less often where that takes long. Every instance on a shared store tells all of them: take the maximum, not the sum."
    sessions_created: Counter<(Namespace,)> = "tenure.sessions.created", "{session}";
        "Sessions that were made here."
    sessions_ended: Counter<(Namespace, Cause)> = "tenure.sessions.ended", "{session}";
        "Sessions that ended here, by why. One that was over is counted by the instance that found it so, at the latest in a sweep."
    ownership_violations: Counter<(Namespace,)> = "tenure.ownership.violations", "{violation}";
        "Uses of a session id by an owner to whom it does not belong."
    ownership_unchecked: Counter<()> = "tenure.ownership.unchecked", "{call}";
        "Calls for a session that is not there which were not looked into, because too many came at once."
    sweep_lag: Gauge<()> = "tenure.sweep.lag", "s";
        "How late the last sweep came to what had been due for longest."
    watch_lag: Histogram<()> = "tenure.watch.lag", "s", SECONDS;
        "How old events were when they were handed to a watcher."
    watch_streams: Presence<()> = "tenure.watch.streams", "{stream}";
        "Watchers that are being served."
    encryption_data_keys: Gauge<()> = "tenure.encryption.data_keys", "{key}";
        "Tenants' data keys that are kept unwrapped."
    encryption_failures: Counter<(SealFault,)> = "tenure.encryption.failures", "{failure}";
        "Calls that failed because something could not be sealed or opened."
    audit_lines: Counter<()> = "tenure.audit.lines", "{line}";
        "Lines about calls and sessions that were written into the audit."
    audit_lost: Counter<()> = "tenure.audit.lost", "{line}";
        "What happened and found no place in the audit, because the disk was full, failed or was too slow. A namespace with `audit = required` refuses such calls."
    audit_turned_away: Counter<()> = "tenure.audit.turned_away", "{call}";
        "Calls that were turned away, beyond `audit.turned_away_per_second`: the audit holds only their number."
    audit_failures: Counter<()> = "tenure.audit.failures", "{failure}";
        "How often the audit could not be written. It is tried again each second."
    audit_waiting: Gauge<()> = "tenure.audit.waiting", "{line}";
        "Lines that wait to be written into the audit, of `audit.queue_lines`."
    telemetry_lost: Counter<(Signal,)> = "tenure.telemetry.lost", "{item}";
        "Spans, lines of the log and series that the collector did not take."
    build: Gauge<(Version,)> = "tenure.build.info", "";
        "Always 1; says which version runs."
}

/// Who knows what no call passes by: asked when somebody reads the metrics.
#[derive(Default)]
struct Sources(RwLock<Vec<Source>>);

type Source = Box<dyn Fn(&Metrics) + Send + Sync>;

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sources", self.0.read().len())
    }
}

impl Metrics {
    /// Sets gauges before each reading. It must not wait for anything.
    pub fn ask_before_reading(&self, source: impl Fn(&Metrics) + Send + Sync + 'static) {
        self.sources.0.write().push(Box::new(source));
    }

    /// So many sessions are in the namespaces that have been used; `None`: nobody knows.
    pub fn report_sessions(&self, counted: Option<&[(NamespaceName, usize)]>) {
        let all = self.namespaces.values().copied().chain([Namespace::OTHER]);
        for namespace in all {
            let Some(counted) = counted else {
                self.sessions_live.unset((namespace,));
                continue;
            };
            let here = counted
                .iter()
                .filter(|(name, _)| self.namespace(name) == namespace);
            let sessions = here.map(|(_, sessions)| sessions).sum();
            self.sessions_live.set_count((namespace,), sessions);
        }
    }

    /// A session ended. One that got a new id lives on.
    pub fn count_ending(&self, namespace: &NamespaceName, reason: EndReason) {
        if let Some(cause) = Cause::of(reason) {
            self.sessions_ended.one((self.namespace(namespace), cause));
        }
    }

    /// The label of a namespace: its own only if the configuration lists it.
    pub fn namespace(&self, name: &NamespaceName) -> Namespace {
        self.namespaces
            .get(name)
            .copied()
            .unwrap_or(Namespace::OTHER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_that_a_caller_invents_gets_no_series() {
        let name = |text: &str| NamespaceName::new(text).expect("a good name");
        let metrics = Metrics::new([&name("crm"), &name("shop")]);
        let before = metrics.text().lines().count();
        for invented in 0..1000 {
            let label = metrics.namespace(&name(&format!("n{invented}")));
            metrics.sessions_created.one((label,));
        }
        metrics
            .sessions_created
            .one((metrics.namespace(&name("shop")),));
        let text = metrics.text();
        assert_eq!(text.lines().count(), before);
        assert!(text.contains("tenure_sessions_created_total{namespace=\"_OTHER\"} 1000\n"));
        assert!(text.contains("tenure_sessions_created_total{namespace=\"shop\"} 1\n"));
    }

    #[test]
    fn bounds_rise() {
        assert!(SECONDS.is_sorted_by(|a, b| a < b));
    }
}
