//! The configuration: typed, checked whole, every fault reported at once.
//!
//! Built-in default < TOML file < environment < flags. Each setting is declared once, in
//! `config/settings.rs`: reading, checking, `tenure config show` and `docs/SETTINGS.md` come from there.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::audit;
use crate::session::limits::Limits;
use crate::session::names::NamespaceName;

mod callers;
mod check;
mod family;
mod fault;
mod kind;
mod layers;
mod load;
mod redact;
pub mod redis;
mod reference;
mod settings;
mod show;
mod suggest;
mod telemetry;
#[cfg(test)]
mod tests;
mod value;

pub use callers::{
    ApiKey, Callers, CertificateNames, Grant, KeyHash, Rule, TokenAlgorithm, TokenIssuer,
};
pub use fault::{Fault, Faults, Origin};
pub use layers::{File, Flag, Sources};
pub use load::Loaded;
pub use reference::reference;
pub use telemetry::Telemetry;
pub use value::{parse_bytes, parse_duration, show_duration};

/// All settings of the service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// `[grpc]`
    pub grpc: Grpc,
    /// `[http]`
    pub http: Http,
    /// `[store]`
    pub store: Store,
    /// `[log]`
    pub log: Log,
    /// `[telemetry]`
    pub telemetry: Telemetry,
    /// `[audit]`
    pub audit: audit::Settings,
    /// `[keys]`
    pub keys: Keys,
    /// `[callers]`
    pub callers: Callers,
    /// `[policy.NAME]`
    pub policy: Vec<(String, Rule)>,
    /// `[defaults]`: what a namespace allows that does not say otherwise.
    pub defaults: Limits,
    /// `[namespaces.NAME]`
    pub namespaces: Vec<(NamespaceName, Limits)>,
    /// `strict_namespaces`: only listed namespaces exist.
    pub strict_namespaces: bool,
}

/// The gRPC port.
#[derive(Clone, Debug, PartialEq)]
pub struct Grpc {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Whether to listen beyond loopback without caller authentication.
    pub insecure: bool,
    /// The certificate, its key, and who may sign clients' certificates.
    pub tls: Option<Tls>,
    /// Threads that serve connections; `None`: one per core.
    pub threads: Option<usize>,
    /// The largest request message.
    pub max_message_bytes: usize,
    /// Streams that one connection may have open at once.
    pub max_concurrent_streams: u32,
    /// The largest list of headers.
    pub max_header_list_bytes: u32,
    /// Calls in progress beyond which new ones are shed.
    pub max_in_flight: usize,
    /// How long a connection lives before it is asked to go; `None`: for ever.
    pub max_connection_age: Option<Duration>,
    /// How long an idle connection goes without a ping.
    pub keepalive_interval: Duration,
    /// Whether all that a connection has to say in one turn goes out in one write.
    pub coalesce_writes: bool,
    /// How long calls may take to finish after the signal to stop.
    pub drain_grace: Duration,
    /// How often a watcher without events hears a heartbeat.
    pub watch_heartbeat: Duration,
}

impl Default for Grpc {
    fn default() -> Self {
        Grpc {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7070)),
            insecure: false,
            tls: None,
            threads: None,
            max_message_bytes: 1024 * 1024,
            max_concurrent_streams: 128,
            max_header_list_bytes: 16 * 1024,
            max_in_flight: 4096,
            max_connection_age: None,
            keepalive_interval: Duration::from_secs(30),
            coalesce_writes: true,
            drain_grace: Duration::from_secs(20),
            watch_heartbeat: Duration::from_secs(10),
        }
    }
}

/// TLS of the gRPC port.
#[derive(Clone, Debug, PartialEq)]
pub struct Tls {
    /// The certificate chain, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// Who signs clients' certificates, PEM. If set, a client must show one.
    pub client_ca: Option<PathBuf>,
    /// Whether a client may connect without one all the same.
    pub client_optional: bool,
}

/// The HTTP port.
#[derive(Clone, Debug, PartialEq)]
pub struct Http {
    /// Where to listen.
    pub listen: SocketAddr,
}

impl Default for Http {
    fn default() -> Self {
        Http {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7071)),
        }
    }
}

/// The store.
#[derive(Clone, Debug, PartialEq)]
pub struct Store {
    /// Which store: `memory:`, or a Redis.
    pub url: String,
    /// Sessions that the memory store holds at most.
    pub max_sessions: usize,
    /// Bytes that the memory store holds at most.
    pub max_bytes: usize,
    /// Events that the memory store keeps for watchers, per namespace.
    pub event_log_length: usize,
    /// How often what is due is swept.
    pub sweep_interval: Duration,
    /// What it takes to get into Redis, beside the URL.
    pub redis: redis::RedisSettings,
}

impl Default for Store {
    fn default() -> Self {
        Store {
            url: "memory:".to_owned(),
            max_sessions: 1_000_000,
            max_bytes: 1024 * 1024 * 1024,
            event_log_length: 65_536,
            sweep_interval: Duration::from_secs(1),
            redis: redis::RedisSettings::default(),
        }
    }
}

/// The key-encryption keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Keys {
    /// A file that only its owner may read, with a key on each line.
    pub file: Option<PathBuf>,
    /// The same keys as text.
    pub inline: Option<redis::Secret>,
}

/// The log on stderr.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// Which lines: `info`, `tenure=debug`, …
    pub filter: String,
    /// `text` or `json`.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Log {
            filter: "info".to_owned(),
            format: LogFormat::Text,
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}
