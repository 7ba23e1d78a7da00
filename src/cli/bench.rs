//! `tenure bench`: what a service does under load, and what that costs.
//!
//! The generator writes HTTP/2 frames by itself and encodes its requests by hand: a call costs it a third of
//! what a generated stub costs, and what it saves is left to the service when both share a machine.
//!
//! Data flow: [`work`] says what is called, [`load`] when, [`link`] carries it, [`tally`] counts, [`report`] prints.

use std::io::{self, IsTerminal as _, Write as _};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use tenure_client::Tenure;

use self::link::Target;
use self::load::{Load, Pace, Span};
use self::process::Process;
use self::report::{Report, Shape};
use self::spawn::Spawned;
use self::tally::Tally;
use self::work::{Sessions, Work};
use super::exit::{Exit, Usage};
use super::output::Format;
use super::service::Service;
use crate::config::{parse_bytes, parse_duration};

mod link;
mod load;
mod process;
mod report;
mod spawn;
mod tally;
#[cfg(test)]
mod tests;
mod work;

/// Measure a service under load
///
/// Sessions are made first, then calls are made on them for a while, then the sessions are deleted. Without --rate
/// each call follows the one before it (a closed loop), which finds the highest rate. With --rate calls begin when
/// their time has come, whether or not those before them are answered, and a latency counts from that time: that is
/// what users wait for.
#[derive(Debug, Args)]
pub(super) struct Bench {
    /// What is called
    #[arg(value_enum, default_value_t, value_name = "WORK")]
    work: Kind,
    #[command(flatten)]
    service: Service,
    /// Start a service for the run; what follows `--` are arguments of `tenure serve`
    #[arg(long)]
    spawn: bool,
    /// How to print the result
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    /// The namespace
    #[arg(
        short,
        long,
        value_name = "NAME",
        env = "TENURE_NAMESPACE",
        hide_env_values = true,
        default_value = "bench"
    )]
    namespace: String,
    /// The owners' tenant
    #[arg(long, default_value = "bench")]
    tenant: String,
    /// Connections; they take turns over the addresses
    #[arg(short, long, value_name = "N", default_value = "4")]
    connections: NonZeroUsize,
    /// Calls in flight on each connection; a service allows 128 unless told otherwise
    #[arg(short, long, value_name = "N", default_value = "16")]
    in_flight: NonZeroUsize,
    /// Calls per second over all connections (an open loop)
    #[arg(short, long, value_name = "N")]
    rate: Option<f64>,
    /// How long to measure
    #[arg(short, long, value_name = "DURATION", value_parser = parse_duration, default_value = "10s")]
    duration: Duration,
    /// How long to call before that without measuring
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "2s")]
    warm_up: Duration,
    /// Sessions to make first
    #[arg(short, long, value_name = "N", default_value = "1000")]
    sessions: NonZeroUsize,
    /// How many of them each owner has
    #[arg(long, value_name = "N", default_value = "1")]
    per_owner: NonZeroUsize,
    /// Bytes of a session's state
    #[arg(short, long, value_name = "SIZE", value_parser = parse_bytes, default_value = "1KiB")]
    payload: u64,
    /// Keys that the state has
    #[arg(short, long, value_name = "N", default_value = "10")]
    keys: NonZeroUsize,
    /// Of 100 calls of `mixed`, so many are Gets and the others Updates
    #[arg(long, value_name = "N", default_value = "80", value_parser = clap::value_parser!(u8).range(0..=100))]
    reads: u8,
    /// Give each session a credential of so many bytes, as `credential` needs them and then has of 1KiB
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    credential: Option<u64>,
    /// Send Creates and Updates without a request id: the service then remembers nothing to repeat
    #[arg(long)]
    no_request_ids: bool,
    /// How long the sessions live unused, should this command not come to delete them
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "15m")]
    idle_ttl: Duration,
    /// Leave the sessions there
    #[arg(long)]
    keep: bool,
    /// Threads that make the calls; without it, one for each two cores
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Count this process's CPU too, for instance Redis's; may be repeated. A service on this machine is found by its
    /// port
    #[arg(long, value_name = "PID")]
    server_pid: Vec<u32>,
    /// Arguments of `tenure serve`, with --spawn
    #[arg(last = true, requires = "spawn", value_name = "ARGS")]
    serve: Vec<String>,
}

/// What is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Read a session and slide it
    #[default]
    Get,
    /// Set one key of a session
    Update,
    /// Gets and Updates
    Mixed,
    /// Create a session, read it, change it, delete it
    Lifecycle,
    /// Read a credential of a session
    Credential,
}

impl Bench {
    pub(super) fn run(mut self) -> anyhow::Result<Exit> {
        if self
            .rate
            .is_some_and(|rate| !rate.is_normal() || rate < 1.0)
        {
            return Err(Usage("--rate must be at least 1 call per second".to_owned()).into());
        }
        let spawned = self
            .spawn
            .then(|| Spawned::start(&self.serve))
            .transpose()?;
        if let Some(spawned) = &spawned {
            spawned.url().clone_into(&mut self.service.server);
        }
        let target = Arc::new(Target::new(&self.service)?);
        self.check_reachable()?;
        let processes = self.processes(&target)?;
        let sessions = Arc::new(self.sessions());

        let connections = self.connections.get();
        let load = Load {
            target,
            connections,
            in_flight: self.in_flight.get(),
            threads: self.threads().min(connections),
            patience: self.service.timeout,
        };
        let narrator = Narrator::new();
        narrator.say(&format!("making {} sessions", self.sessions));
        let made = load.once(&sessions, Work::Create)?;
        if made.answered() < self.sessions.get() as u64 {
            // They would count as errors of the calls that look for them.
            load.once(&sessions, Work::Delete)?;
            anyhow::bail!(
                "only {} of {} sessions could be made: {}",
                made.answered(),
                self.sessions,
                made.errors_in_words()
            );
        }
        let pace = match self.rate {
            None => Pace::Closed,
            Some(rate) => Pace::Open(Duration::from_secs_f64(1.0 / rate)),
        };
        let measured = self.measure(&load, &sessions, pace, processes, &narrator)?;
        if !self.keep {
            narrator.say("deleting the sessions");
            load.once(&sessions, Work::Delete)?;
        }
        narrator.done();
        measured.print(self.output, &mut io::stdout().lock())?;
        if measured.tally.answered() == 0 {
            anyhow::bail!(
                "no call was answered as it should be: {}",
                measured.tally.errors_in_words()
            );
        }
        Ok(Exit::Ok)
    }

    /// The client's own words for an address, a certificate or a token that is at fault.
    fn check_reachable(&self) -> anyhow::Result<()> {
        let options = self.service.clone().options()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async { Tenure::connect(options).await.map(drop) })?;
        Ok(())
    }

    fn threads(&self) -> usize {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.threads.map_or((cores / 2).max(1), NonZeroUsize::get)
    }

    /// Those whose CPU is counted: the service, if it is here, and whom the user names.
    fn processes(&self, target: &Target) -> anyhow::Result<Vec<Process>> {
        let mut pids = target.local_servers();
        pids.extend(&self.server_pid);
        let mut found: Vec<Process> = Vec::new();
        for pid in pids {
            let process =
                Process::find(pid).with_context(|| format!("process {pid} cannot be looked at"))?;
            if found.iter().all(|known| known.pid() != pid) {
                found.push(process);
            }
        }
        Ok(found)
    }

    fn sessions(&self) -> Sessions {
        let payload = usize::try_from(self.payload).unwrap_or(usize::MAX);
        Sessions::new(work::Plan {
            namespace: self.namespace.clone(),
            tenant: self.tenant.clone(),
            count: self.sessions.get(),
            per_owner: self.per_owner.get(),
            keys: self.keys.get(),
            value_bytes: payload / self.keys.get(),
            idle_ttl: self.idle_ttl,
            request_ids: !self.no_request_ids,
            credential_bytes: self.credential_bytes(),
        })
    }

    fn credential_bytes(&self) -> Option<usize> {
        let needed = (self.work == Kind::Credential).then_some(1024);
        let bytes = self.credential.or(needed)?;
        Some(usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    fn measure(
        &self,
        load: &Load,
        sessions: &Arc<Sessions>,
        pace: Pace,
        processes: Vec<Process>,
        narrator: &Narrator,
    ) -> anyhow::Result<Report> {
        let work = match self.work {
            Kind::Get => Work::Get,
            Kind::Update => Work::Update,
            Kind::Mixed => Work::Mixed { reads: self.reads },
            Kind::Lifecycle => Work::Lifecycle,
            Kind::Credential => Work::Credential,
        };
        let generator = Process::find(std::process::id()).ok();
        let span = Span {
            warm_up: self.warm_up,
            duration: self.duration,
        };
        let mut cpu_before = Vec::new();
        let mut own_before = Duration::ZERO;
        let mut before = 0;
        let tally: Tally = load.run(sessions, work, pace, span, &mut |second, answered| {
            if second == 0 {
                cpu_before = processes.iter().map(Process::cpu).collect();
                own_before = generator.as_ref().map_or(Duration::ZERO, Process::cpu);
            } else {
                let rate = answered - before;
                narrator.say(&format!(
                    "{second} s of {}: {rate} calls/s",
                    self.duration.as_secs()
                ));
            }
            before = answered;
        })?;
        let per_call = |spent: Duration| {
            #[expect(clippy::cast_precision_loss, reason = "a mean")]
            let calls = tally.answered().max(1) as f64;
            spent.as_secs_f64() * 1e6 / calls
        };
        let cpu = processes
            .into_iter()
            .zip(cpu_before)
            .map(|(process, before)| {
                let spent = process.cpu().saturating_sub(before);
                (process, per_call(spent))
            })
            .collect();
        let own = generator.map(|own| per_call(own.cpu().saturating_sub(own_before)));
        Ok(Report {
            shape: Shape {
                work: work.name(),
                rate: self.rate,
                connections: load.connections,
                in_flight: load.in_flight,
                threads: load.threads,
                sessions: self.sessions.get(),
                per_owner: self.per_owner.get(),
                payload: self.payload,
                keys: self.keys.get(),
                request_ids: !self.no_request_ids,
                warm_up: self.warm_up,
                duration: self.duration,
            },
            tally,
            cpu,
            own,
        })
    }
}

/// Says on stderr how far it is: on one line, if somebody looks.
struct Narrator {
    watched: bool,
}

impl Narrator {
    fn new() -> Narrator {
        Narrator {
            watched: io::stderr().is_terminal(),
        }
    }

    fn say(&self, text: &str) {
        let mut out = io::stderr().lock();
        // There is nowhere else to say that it could not be said.
        let _ = if self.watched {
            write!(out, "\r\x1b[K{text}").and_then(|()| out.flush())
        } else {
            writeln!(out, "{text}")
        };
    }

    fn done(&self) {
        if self.watched {
            self.say("");
        }
    }
}
