//! Every setting, once: its key, its kind and bounds, what it does, and where it lives in the program.
//!
//! Its default is the one of the struct that it fills.

use std::path::PathBuf;
use std::time::Duration;

use super::kind::{
    Address, Choice, Count, Hidden, Kind, Lasting, Optional, Path, Size, Switch, Text,
};
use super::value::{Written, Wrong};
use super::{Config, LogFormat};
use crate::session::limits::{AtSessionLimit, Limits};

/// A setting of a part of the configuration.
pub(super) struct Setting<T: 'static> {
    /// Its key below that part.
    pub(super) key: &'static str,
    /// What it does, for the reference.
    pub(super) about: &'static str,
    /// Whether its value may hold a secret.
    pub(super) secret: bool,
    /// What is expected, for the reference.
    pub(super) kind: fn() -> String,
    /// Takes a value over.
    pub(super) read: fn(&mut T, &Written) -> Result<(), Wrong>,
    /// The value as TOML.
    pub(super) show: fn(&T) -> String,
}

/// The settings while they are read: half of a pair may be missing still.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub(super) config: Config,
    pub(super) tls_cert: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    pub(super) tls_client_ca: Option<PathBuf>,
}

/// A section of the file.
pub(super) struct Section {
    /// Its name.
    pub(super) name: &'static str,
    /// What it is about, for the reference.
    pub(super) about: &'static str,
}

/// The sections, in the order in which they are shown. Settings of the top level come before them.
pub(super) static SECTIONS: &[Section] = &[
    Section {
        name: "grpc",
        about: "The port that MCP servers call, and the health and reflection services.",
    },
    Section {
        name: "http",
        about: "The port for probes: `/livez` and `/readyz`.",
    },
    Section {
        name: "store",
        about: "What keeps the sessions. The bounds are those of the memory store.",
    },
    Section {
        name: "keys",
        about: "The key-encryption keys, under which credentials and encrypted state are sealed. Without any, the memory store uses a random one for the process; any other store refuses what would have to be encrypted. See ENCRYPTION.md.",
    },
    Section {
        name: "log",
        about: "The log on stderr.",
    },
];

macro_rules! settings {
    (
        $(#[$doc:meta])*
        $name:ident: $target:ty {
            $($key:literal => $($field:ident).+: $kind:expr, $about:literal $(, secret: $secret:literal)?;)*
        }
    ) => {
        $(#[$doc])*
        pub(super) static $name: &[Setting<$target>] = &[$(Setting {
            key: $key,
            about: $about,
            secret: false $(|| $secret)?,
            kind: || Kind::name(&$kind),
            read: |target, written| {
                target.$($field).+ = Kind::read(&$kind, written)?;
                Ok(())
            },
            show: |target| Kind::show(&$kind, &target.$($field).+),
        }),*];
    };
}

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);
const YEAR: Duration = Duration::from_hours(366 * 24);
const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const KIB_32: u32 = 1024;
const MANY: usize = u32::MAX as usize;

settings! {
    /// The settings of the service, by their whole key.
    SERVICE: Draft {
        "strict_namespaces" => config.strict_namespaces: Switch,
            "Only the namespaces listed here exist; a call that names another one is refused. Advised with caller authentication.";
        "grpc.listen" => config.grpc.listen: Address,
            "Where to listen. Beyond loopback only with caller authentication or `insecure`.";
        "grpc.insecure" => config.grpc.insecure: Switch,
            "Listen beyond loopback without caller authentication: everybody who reaches the port may do everything.";
        "grpc.tls_cert" => tls_cert: Optional(Path),
            "The certificate chain, PEM. Read again when it changes.";
        "grpc.tls_key" => tls_key: Optional(Path),
            "The certificate's private key, PEM. Read again when it changes.";
        "grpc.tls_client_ca" => tls_client_ca: Optional(Path),
            "Who signs clients' certificates, PEM. If set, a client must show one. Read again when it changes.";
        "grpc.threads" => config.grpc.threads: Optional(Count::<usize>(1, 1024)),
            "Threads that serve connections. `none`: one per core.";
        "grpc.max_message_bytes" => config.grpc.max_message_bytes: Size(4 * KIB, 64 * MIB),
            "The largest request message.";
        "grpc.max_concurrent_streams" => config.grpc.max_concurrent_streams: Count::<u32>(1, 65_536),
            "Calls that one connection may have in progress.";
        "grpc.max_header_list_bytes" => config.grpc.max_header_list_bytes: Size(4 * KIB_32, 1024 * KIB_32),
            "The largest list of headers of a call.";
        "grpc.max_in_flight" => config.grpc.max_in_flight: Count::<usize>(1, MANY),
            "Calls in progress over all connections; beyond, new ones are answered OVERLOADED.";
        "grpc.max_connection_age" => config.grpc.max_connection_age: Optional(Lasting(SECOND, YEAR)),
            "How long a connection lives before it is asked to go, so that clients find new replicas. `none`: for ever.";
        "grpc.keepalive_interval" => config.grpc.keepalive_interval: Lasting(SECOND, 24 * HOUR),
            "How long a connection may be silent before it is pinged.";
        "grpc.coalesce_writes" => config.grpc.coalesce_writes: Switch,
            "Whether all that a connection has to say in one turn goes out in one write. It halves the cost of a call.";
        "grpc.drain_grace" => config.grpc.drain_grace: Lasting(Duration::ZERO, HOUR),
            "How long calls may take to finish after the signal to stop.";
        "grpc.watch_heartbeat" => config.grpc.watch_heartbeat: Lasting(100 * MILLISECOND, HOUR),
            "How often a watcher that has no events gets a heartbeat with its cursor.";
        "http.listen" => config.http.listen: Address,
            "Where to listen. It serves no session data.";
        "store.url" => config.store.url: Text("store URL"),
            "Which store: `memory:` (sessions end with the process), or Redis: `redis://[USER[:PASSWORD]@]HOST[:PORT][/DB]`, `redis+sentinel://…@HOST[:PORT],…/MASTER[/DB]`, `redis+cluster://…@HOST[:PORT],…`; with TLS `rediss…`.", secret: true;
        "store.redis_username" => config.store.redis.username: Optional(Text("name")),
            "The ACL user, if the URL does not name one.";
        "store.redis_password" => config.store.redis.password: Optional(Hidden),
            "Its password, if the URL does not hold it.", secret: true;
        "store.redis_password_file" => config.store.redis.password_file: Optional(Path),
            "A file that holds the password instead. Read again when Redis refuses the old one.";
        "store.redis_sentinel_username" => config.store.redis.sentinel_username: Optional(Text("name")),
            "The ACL user on the sentinels: their credentials are their own.";
        "store.redis_sentinel_password" => config.store.redis.sentinel_password: Optional(Hidden),
            "Its password.", secret: true;
        "store.redis_sentinel_password_file" => config.store.redis.sentinel_password_file: Optional(Path),
            "A file that holds the sentinels' password instead.";
        "store.redis_tls_ca" => config.store.redis.tls_ca: Optional(Path),
            "Who may sign the servers' certificates, PEM. `none`: whom the system trusts.";
        "store.redis_tls_cert" => config.store.redis.tls_cert: Optional(Path),
            "Our certificate chain, PEM, if the servers ask for one.";
        "store.redis_tls_key" => config.store.redis.tls_key: Optional(Path),
            "Its private key, PEM.";
        "store.redis_key_prefix" => config.store.redis.key_prefix: Optional(Text("prefix")),
            "What every key begins with. `none`: `tenure:`.";
        "store.redis_replicas" => config.store.redis.replicas: Optional(Count::<u32>(0, 100)),
            "Replicas that each primary is set up with. `none`: 0 for `redis://`, 1 behind Sentinel and in a Cluster.";
        "store.redis_replicas_to_wait" => config.store.redis.replicas_to_wait: Optional(Count::<u32>(0, 100)),
            "Replicas that must have an ending before it is acknowledged. `none`: all of them.";
        "store.redis_wait_timeout" => config.store.redis.wait_timeout: Optional(Lasting(MILLISECOND, 10 * SECOND)),
            "How long an ending waits for them; then INVALIDATION_NOT_DURABLE. `none`: 200ms.";
        "store.redis_response_timeout" => config.store.redis.response_timeout: Optional(Lasting(10 * MILLISECOND, 60 * SECOND)),
            "How long Redis may take to answer before it counts as away. `none`: 500ms.";
        "store.max_sessions" => config.store.max_sessions: Count::<usize>(1, MANY),
            "Live sessions that the memory store holds at most; beyond, STORE_FULL.";
        "store.max_bytes" => config.store.max_bytes: Size(1, usize::MAX),
            "Bytes that the memory store holds at most; beyond, STORE_FULL.";
        "store.event_log_length" => config.store.event_log_length: Count::<usize>(1, MANY),
            "Events that the memory store keeps per namespace for watchers that resume.";
        "store.sweep_interval" => config.store.sweep_interval: Lasting(10 * MILLISECOND, HOUR),
            "How often what has expired is removed. Only space depends on it: an expired session is never served.";
        "keys.file" => config.keys.file: Optional(Path),
            "A file of mode 0600 with one `ID:KEY` on each line, where KEY is 32 bytes in base64; the last one is the newest. Read again when it changes.";
        "keys.inline" => config.keys.inline: Optional(Hidden),
            "The same keys as text, with commas or line breaks between them; meant for the environment.", secret: true;
        "log.filter" => config.log.filter: Text("log filter"),
            "Which lines: a level (`error`, `warn`, `info`, `debug`, `trace`), also per module (`info,tenure=debug`).";
        "log.format" => config.log.format: Choice(&[("text", LogFormat::Text), ("json", LogFormat::Json)]),
            "For people, or for machines.";
    }
}

settings! {
    /// What `[defaults]` and each `[namespaces.NAME]` may say.
    LIMITS: Limits {
        "idle_ttl" => idle_ttl: Lasting(SECOND, YEAR),
            "How long a session lives unused when its creator does not say.";
        "max_lifetime" => max_lifetime: Lasting(SECOND, YEAR),
            "How long a session lives at most when its creator does not say.";
        "idle_ttl_max" => idle_ttl_max: Lasting(SECOND, YEAR),
            "The longest `idle_ttl` that may be asked for.";
        "max_lifetime_max" => max_lifetime_max: Lasting(SECOND, YEAR),
            "The longest `max_lifetime` that may be asked for.";
        "tombstone_ttl" => tombstone_ttl: Lasting(Duration::ZERO, YEAR),
            "How long an owner is told why a session ended.";
        "request_ttl" => request_ttl: Lasting(SECOND, 24 * HOUR),
            "How long a `request_id` is remembered.";
        "allow_anonymous" => allow_anonymous: Switch,
            "Whether an owner may have an empty user.";
        "state_bytes" => state_bytes: Size(1, 64 * MIB),
            "Bytes of a session's state, as encoded. At most `grpc.max_message_bytes`.";
        "state_keys" => state_keys: Count::<usize>(1, 65_536),
            "Top-level keys of a session's state.";
        "state_key_bytes" => state_key_bytes: Size(1, 64 * KIB),
            "Bytes of a top-level key.";
        // Protobuf libraries stop at 100 nested messages, and a level of a map is three of them.
        "state_depth" => state_depth: Count::<usize>(1, 30),
            "Levels of lists and maps in a value.";
        "mcp_bytes" => mcp_bytes: Size(1, 64 * MIB),
            "Bytes of a session's MCP context. At most `grpc.max_message_bytes`.";
        "sessions_per_owner" => sessions_per_owner: Count::<usize>(1, MANY),
            "Live sessions of one owner.";
        "at_session_limit" => at_session_limit: Choice(&[
            ("reject", AtSessionLimit::Reject),
            ("end_least_recent", AtSessionLimit::EndLeastRecent),
        ]),
            "What a Create does at that limit: it is refused, or it ends the session that was used least recently.";
        "sessions_per_tenant" => sessions_per_tenant: Optional(Count::<usize>(1, MANY)),
            "Live sessions of one tenant. It may overshoot for 5 seconds. `none`: no limit.";
        "anonymous_sessions" => anonymous_sessions: Count::<usize>(1, MANY),
            "Live sessions of all anonymous owners together.";
        "claims_per_owner" => claims_per_owner: Count::<usize>(1, MANY),
            "Claims of one owner.";
        "credentials_per_session" => credentials_per_session: Count::<usize>(0, 1024),
            "Credentials of one session.";
        "credential_bytes" => credential_bytes: Size(1, MIB),
            "Bytes of one credential.";
        "watch_updates" => watch_updates: Switch,
            "Whether watchers are told of updates.";
        "encrypt_state" => encrypt_state: Switch,
            "Whether the values of the state are sealed before the store sees them; their keys stay in clear. Change it only for a namespace without sessions.";
    }
}

impl From<&Config> for Draft {
    fn from(config: &Config) -> Draft {
        let tls = config.grpc.tls.as_ref();
        Draft {
            config: config.clone(),
            tls_cert: tls.map(|tls| tls.cert.clone()),
            tls_key: tls.map(|tls| tls.key.clone()),
            tls_client_ca: tls.and_then(|tls| tls.client_ca.clone()),
        }
    }
}

/// The name of the environment variable of a key.
pub(super) fn variable(key: &str) -> String {
    let path = key.to_ascii_uppercase().replace('.', "__");
    // A setting's variable always contains `__`, also that of the top level.
    if path.contains("__") {
        format!("TENURE_{path}")
    } else {
        format!("TENURE__{path}")
    }
}
