//! The running service: from a configuration to bound ports, to serving, to the end of a drain.
//!
//! One control thread accepts connections, serves the HTTP port and does the upkeep; the [`worker`]
//! threads serve gRPC. Shutdown is an argument, so that tests stop a service as a signal does.
//!
//! HTTP/2 is served with hyper, not with tonic's server: that one cuts connections of a certain age off without
//! a GOAWAY as soon as there is a grace for them, ages all of them in step, and answers a passed deadline with
//! CANCELLED. Health and reflection are tonic's own services; they run on it unchanged.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures::future::{select_all, try_join_all};
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::AbortOnDropHandle;

use self::accept::{accept, listen};
use self::readiness::Readiness;
use self::tls::Certificates;
use self::worker::{Common, Ended, Port, Workers};
use crate::audit::{Audit, Level};
use crate::callers::{self, Authenticator, OwnerProof, Policy};
use crate::config::{self, Config};
use crate::events::Events;
use crate::sessions::{Namespaces, Sessions};
use crate::store::{self, Measured, Store};
use crate::telemetry::{self, LogFilter, Metrics, Telemetry};
use crate::vault::{self, KeyService as _, Keyring, Vault};

mod accept;
mod coalesce;
mod connection;
mod health;
mod http;
mod readiness;
mod reflection;
mod tls;
mod upkeep;
mod worker;

pub(crate) use coalesce::Coalesce;

/// How long the threads may take to drop what they are cut off from.
const CUT_OFF_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the last lines of the audit may take to be written.
const LAST_LINES_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves until SIGTERM or SIGINT, then drains. A second signal ends it at once, with an error.
pub fn run(config: Config) -> anyhow::Result<()> {
    let telemetry = telemetry::start(&config)?;
    let served = serve(config, &telemetry);
    telemetry.end();
    served
}

fn serve(config: Config, telemetry: &Telemetry) -> anyhow::Result<()> {
    for warning in callers::warnings(&config) {
        tracing::warn!(target: "tenure::callers", "{warning}");
    }
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    let served = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let store = store::open(&config.store).await?;
        let bound = bind(config, store)?.logging(telemetry.filter().clone());
        telemetry.send(&bound.metrics);
        let running = bound.start().await?;
        running.announce(&mut io::stdout().lock())?;

        let stop = CancellationToken::new();
        let signalled = async {
            signals.next().await;
            stop.cancel();
            signals.next().await;
        };
        tokio::select! {
            served = running.until(stop.cancelled()) => served,
            () = signalled => bail!("a second signal came before all calls had finished"),
        }
    });
    // Not waiting for a blocking read of a file that may hang.
    runtime.shutdown_background();
    served
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Signals> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Signals {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        let name = tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "told to stop");
    }
}

/// Takes the ports. Callers can connect from here on, and are served once it runs.
pub fn bind(config: Config, store: Arc<dyn Store>) -> anyhow::Result<Bound> {
    let certificates = match &config.grpc.tls {
        Some(files) => Some(Arc::new(Certificates::load(files.clone())?)),
        None => None,
    };
    let audit = Audit::open(&config.audit).context("there can be no audit")?;
    let keyring = open_keyring(&config.keys, store.kind())?;
    let authenticator = Arc::new(Authenticator::new(&config.callers)?);
    let owner_proof = Arc::new(OwnerProof::new(&config.callers)?);
    let grpc = listen(config.grpc.listen)?;
    let http = listen(config.http.listen)?;
    let metrics = Arc::new(Metrics::new(config.namespaces.iter().map(|(name, _)| name)));
    let store = Arc::new(Measured::new(store, Arc::clone(&metrics)));
    Ok(Bound {
        grpc_address: grpc.local_addr()?,
        http_address: http.local_addr()?,
        grpc,
        http,
        certificates,
        audit,
        keyring,
        authenticator,
        owner_proof,
        config,
        store,
        log: None,
        metrics,
    })
}

/// The keys of the configuration. Sessions in memory end with the process, so a key that does so, too, is
/// good enough for them.
fn open_keyring(keys: &config::Keys, store_kind: &str) -> anyhow::Result<Option<Arc<Keyring>>> {
    let source = match (&keys.file, &keys.inline) {
        (Some(path), _) => vault::Source::File(path.clone()),
        (None, Some(text)) => vault::Source::Inline(text.0.clone()),
        (None, None) if store_kind == "memory" => vault::Source::Process,
        (None, None) => return Ok(None),
    };
    let keyring = Keyring::open(source).context("the keys cannot be read")?;
    tracing::info!(active_key = %keyring.active_key(), "keys are in force");
    Ok(Some(Arc::new(keyring)))
}

/// What seals and opens, if there are keys.
fn open_vault(keyring: Option<Arc<Keyring>>, metrics: &Metrics) -> Option<Arc<Vault>> {
    let vault = Arc::new(Vault::new(keyring?));
    let seen = Arc::clone(&vault);
    metrics.ask_before_reading(move |metrics| {
        let keys = &metrics.encryption_data_keys;
        keys.set_count((), seen.count_at_hand());
    });
    Some(vault)
}

/// A service that has its ports, but does not serve yet.
pub struct Bound {
    grpc: std::net::TcpListener,
    http: std::net::TcpListener,
    grpc_address: SocketAddr,
    http_address: SocketAddr,
    certificates: Option<Arc<Certificates>>,
    audit: Option<Arc<Audit>>,
    keyring: Option<Arc<Keyring>>,
    authenticator: Arc<Authenticator>,
    owner_proof: Arc<OwnerProof>,
    config: Config,
    store: Arc<dyn Store>,
    log: Option<LogFilter>,
    metrics: Arc<Metrics>,
}

impl Bound {
    /// With the log that an admin may change while it runs.
    #[must_use]
    pub fn logging(mut self, log: LogFilter) -> Bound {
        self.log = Some(log);
        self
    }

    /// Where it listens for gRPC.
    pub fn grpc_address(&self) -> SocketAddr {
        self.grpc_address
    }

    /// Where it listens for HTTP.
    pub fn http_address(&self) -> SocketAddr {
        self.http_address
    }

    /// Serves until `shutdown`, then drains.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        self.start().await?.until(shutdown).await
    }

    /// Starts to serve. The store has been asked once when this returns; the service starts also when it
    /// did not answer.
    pub async fn start(self) -> anyhow::Result<Running> {
        let Config {
            grpc,
            store: store_config,
            defaults,
            namespaces,
            strict_namespaces,
            policy,
            ..
        } = self.config;
        let threads = match grpc.threads {
            Some(threads) => threads.max(1),
            None => thread::available_parallelism().map_or(1, NonZero::get),
        };
        let events = match &self.audit {
            Some(audit) => {
                // What is about all namespaces is recorded as in the strictest of them.
                let levels = namespaces.iter().map(|(_, limits)| limits.audit);
                let strictest = levels.fold(defaults.audit, Ord::max);
                Events::recorded(Arc::clone(audit), strictest.max(Level::On))
            }
            None => Events::new(),
        };
        let namespaces = Namespaces::new(defaults, namespaces, strict_namespaces);
        let vault = open_vault(self.keyring.clone(), &self.metrics);
        let sessions = Sessions::new(Arc::clone(&self.store), namespaces)
            .guarded(Policy::new(&policy), Arc::clone(&self.owner_proof))
            .measured(Arc::clone(&self.metrics))
            .told_to(Arc::new(events))
            .sealing(vault)
            .logging(self.log);
        let sessions = Arc::new(sessions);
        let abort = CancellationToken::new();
        let common = Arc::new(Common {
            config: grpc,
            readiness: Readiness::new(),
            metrics: Arc::clone(&self.metrics),
            certificates: self.certificates.clone(),
            stopping: CancellationToken::new(),
            abort: abort.clone(),
        });
        let abort = abort.drop_guard();
        upkeep::ping(&sessions, &common.readiness).await;
        upkeep::report_store(&self.metrics, &common.readiness, &self.store);
        if let Some(audit) = &self.audit {
            upkeep::report_audit(&self.metrics, audit);
        }

        let grpc = TcpListener::from_std(self.grpc)?;
        let http = TcpListener::from_std(self.http)?;
        // One for all workers: what it admits at once is a limit of the service.
        let port = Port::new(&sessions, &self.authenticator, &common);
        let (workers, ended) = Workers::start(threads, &common, &port)?;
        let workers = Arc::new(workers);
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(
            "grpc",
            grpc,
            common.stopping.clone(),
            move |stream, address| Arc::clone(&workers).hand(stream, address),
        ));
        tasks.spawn(http::serve(
            http,
            http::routes(common.readiness.subscribe(), Arc::clone(&self.metrics)),
        ));
        tasks.spawn(upkeep::keep_pinging(
            Arc::clone(&sessions),
            common.readiness.clone(),
        ));
        tasks.spawn(upkeep::keep_looking_for_violations(Arc::clone(&sessions)));
        let sweeping = AbortOnDropHandle::new(tokio::spawn(upkeep::keep_sweeping(
            Arc::clone(&sessions),
            store_config.sweep_interval,
            common.stopping.clone(),
            Arc::clone(&self.metrics),
        )));
        tasks.spawn(upkeep::keep_counting(
            Arc::clone(&self.store),
            Arc::clone(&self.metrics),
        ));
        for follower in callers::followers(&self.authenticator, &self.owner_proof) {
            tasks.spawn(follower);
        }
        if let Some(certificates) = self.certificates {
            tasks.spawn(certificates.follow());
        }
        if let Some(keyring) = self.keyring {
            tasks.spawn(keyring.follow());
        }
        Ok(Running {
            grpc_address: self.grpc_address,
            http_address: self.http_address,
            store_kind: self.store.kind(),
            common,
            audit: self.audit,
            workers: ended,
            sessions,
            sweeping,
            tasks,
            _abort: abort,
        })
    }
}

/// A service that serves. It ends when it is dropped, without a drain.
pub struct Running {
    grpc_address: SocketAddr,
    http_address: SocketAddr,
    store_kind: &'static str,
    common: Arc<Common>,
    audit: Option<Arc<Audit>>,
    workers: Vec<Ended>,
    sessions: Arc<Sessions>,
    /// Ends with the service, after the sweep that it is at.
    sweeping: AbortOnDropHandle<()>,
    /// Accepting, HTTP, upkeep. None of them ends while the service serves.
    tasks: JoinSet<()>,
    _abort: DropGuard,
}

impl Running {
    /// Says where it serves, in the one line that scripts wait for.
    pub fn announce(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let (grpc, http, store) = (self.grpc_address, self.http_address, self.store_kind);
        writeln!(
            out,
            "tenure listening grpc={grpc} http={http} store={store}"
        )
        .and_then(|()| out.flush())
        .context("cannot write to stdout")
    }

    /// Serves until `shutdown`, then drains: says so to whoever asks for its health, ends the streams,
    /// accepts nobody any more, asks the clients to go, and lets calls finish for as long as
    /// `grpc.drain_grace`.
    pub async fn until(mut self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let audit = self.audit.take();
        let served = self.serve(shutdown).await;
        if let Some(audit) = audit {
            // No call is left that could have something to say.
            let closing = spawn_blocking(move || audit.close());
            if timeout(LAST_LINES_TIMEOUT, closing).await.is_err() {
                tracing::error!("the audit could not be ended in time");
            }
        }
        served
    }

    async fn serve(mut self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        tokio::select! {
            () = shutdown => {}
            _ = select_all(&mut self.workers) => bail!("a thread that served calls has died"),
            _ = &mut self.sweeping => bail!("a task of the service has died"),
            _ = self.tasks.join_next() => bail!("a task of the service has died"),
        }
        let grace = self.common.config.drain_grace;
        self.common.readiness.drain();
        self.common.stopping.cancel();
        tracing::info!(grace_seconds = grace.as_secs_f64(), "draining");
        let mut drained = try_join_all(&mut self.workers);
        match timeout(grace, &mut drained).await {
            Ok(Ok(_)) => tracing::info!("drained"),
            Ok(Err(_)) => bail!("a thread that served calls has died"),
            Err(_) => {
                tracing::warn!("calls were still in progress after the grace; cut off");
                self.common.abort.cancel();
                let _ = timeout(CUT_OFF_TIMEOUT, drained).await;
            }
        }
        let _ = timeout(CUT_OFF_TIMEOUT, &mut self.sweeping).await;
        let _ = timeout(CUT_OFF_TIMEOUT, self.sessions.look_into_misses()).await;
        let _ = timeout(CUT_OFF_TIMEOUT, self.sessions.store().leave()).await;
        Ok(())
    }
}
