//! Every setting, once: its key, its kind and bounds, what it does, and where it lives in the program.
//!
//! Its default is the one of the struct that it fills.

use std::path::PathBuf;
use std::time::Duration;

use super::callers::{ApiKey, CertificateNames, Grant, KeyHash, Rule, TokenAlgorithm, TokenIssuer};
use super::kind::{
    Address, Choice, Count, Hidden, Kind, Lasting, List, Optional, Path, Share, Size, Switch, Text,
};
use super::value::{Written, Wrong};
use super::{Config, LogFormat};
use crate::audit::{Fsync, Level, Sink};
use crate::call::{Pattern, Right, Rights, Role};
use crate::session::limits::{AtSessionLimit, Limits, Profile};

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
    pub(super) tls_client_optional: bool,
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
        about: "The port for probes (`/livez`, `/readyz`) and for Prometheus (`/metrics`, see METRICS.md).",
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
    Section {
        name: "telemetry",
        about: "Traces, metrics and the log, sent to a collector over OTLP (gRPC). What is sent is in METRICS.md and LOGGING.md; `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` say more about who sends it.",
    },
    Section {
        name: "audit",
        about: "The audit trail: who did what, when, from where, for whom, and how it ended. See AUDIT.md. Whether a namespace is recorded is its own setting, `audit`.",
    },
    Section {
        name: "callers",
        about: "How callers prove who they are: by certificate, by token (`[callers.jwt.NAME]`) or by API key \
                (`[callers.apikey.NAME]`). With any of these configured every call needs a caller, and `[policy.NAME]` says \
                what it may do. docs/SECURITY.md tells the whole story.",
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
        "grpc.tls_client_optional" => tls_client_optional: Switch,
            "Whether a client may connect without a certificate. It then needs a token or an API key.";
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
            "A file of mode 0600 (0640 if it belongs to root) with one `ID:KEY` on each line, where KEY is 32 bytes in base64; the last one is the newest. Read again when it changes.";
        "keys.inline" => config.keys.inline: Optional(Hidden),
            "The same keys as text, with commas or line breaks between them; meant for the environment.", secret: true;
        "log.filter" => config.log.filter: Text("log filter"),
            "Which lines: a level (`error`, `warn`, `info`, `debug`, `trace`), also per module (`info,tenure=debug`).";
        "log.format" => config.log.format: Choice(&[("text", LogFormat::Text), ("json", LogFormat::Json)]),
            "For people, or for machines.";
        "telemetry.otlp_endpoint" => config.telemetry.endpoint: Optional(Text("URL")),
            "Where the collector is: `http://HOST:4317`, or with TLS `https://HOST:4317`. `none`: nothing is sent.";
        "telemetry.otlp_headers" => config.telemetry.headers: Optional(Hidden),
            "What every request to it carries: `NAME=VALUE`, with commas between them; meant for the environment.", secret: true;
        "telemetry.otlp_headers_file" => config.telemetry.headers_file: Optional(Path),
            "A file with the same, also one on each line. Read again every minute.";
        "telemetry.otlp_tls_ca" => config.telemetry.tls_ca: Optional(Path),
            "Who may sign the collector's certificate, PEM. `none`: whom the system trusts.";
        "telemetry.otlp_tls_cert" => config.telemetry.tls_cert: Optional(Path),
            "Our certificate chain, PEM, if the collector asks for one.";
        "telemetry.otlp_tls_key" => config.telemetry.tls_key: Optional(Path),
            "Its private key, PEM.";
        "telemetry.otlp_timeout" => config.telemetry.timeout: Lasting(100 * MILLISECOND, HOUR),
            "How long the collector may take to answer before what was sent is lost.";
        "telemetry.traces" => config.telemetry.traces: Switch,
            "Whether spans are sent.";
        "telemetry.trace_ratio" => config.telemetry.trace_ratio: Share,
            "Of calls that are in no trace, the share that begins one. Calls in a trace are recorded when their caller records it.";
        "telemetry.metrics" => config.telemetry.metrics: Switch,
            "Whether metrics are sent. `/metrics` serves them either way.";
        "telemetry.metrics_interval" => config.telemetry.metrics_interval: Lasting(100 * MILLISECOND, HOUR),
            "How often.";
        "telemetry.logs" => config.telemetry.logs: Switch,
            "Whether lines of the log are sent. stderr has them either way.";
        "audit.sink" => config.audit.sink: Choice(&[("off", Sink::Off), ("file", Sink::File), ("stdout", Sink::Stdout)]),
            "Where the lines go. `off`: there is no audit.";
        "audit.directory" => config.audit.directory: Optional(Path),
            "The directory of the files. Each instance needs one of its own.";
        "audit.rotate_bytes" => config.audit.rotate_bytes: Size(4 * KIB, 1024 * MIB),
            "The size at which a new file begins. No file is ever deleted.";
        "audit.rotate_after" => config.audit.rotate_after: Optional(Lasting(SECOND, YEAR)),
            "The age at which a new file begins.";
        "audit.fsync" => config.audit.fsync: Choice(&[("always", Fsync::Always), ("interval", Fsync::Interval), ("never", Fsync::Never)]),
            "When lines are forced onto the disk: before they count as written, every so often, or when the system likes. Only a crash of the machine makes a difference.";
        "audit.fsync_interval" => config.audit.fsync_interval: Lasting(10 * MILLISECOND, HOUR),
            "How often, with `interval`.";
        "audit.signing_key_file" => config.audit.signing_key_file: Optional(Path),
            "The key that signs how far the log has come, mode 0600; `tenure audit keygen` makes one. Without it, whoever can write the files can write them anew.";
        "audit.head_interval" => config.audit.head_interval: Lasting(100 * MILLISECOND, HOUR),
            "How often that is signed, and written to `head.json` and to the log.";
        "audit.encryption_key_file" => config.audit.encryption_key_file: Optional(Path),
            "The keys that encrypt the lines, mode 0600: `ID:KEY` on each line, the last one is the newest. `none`: lines are in clear.";
        "audit.hash_key_file" => config.audit.hash_key_file: Optional(Path),
            "The key under which session ids are hashed, mode 0600. `none`: derived from the signing key, or else made once and kept in the directory.";
        "audit.queue_lines" => config.audit.queue_lines: Count::<usize>(16, 1024 * 1024),
            "Lines that may wait to be written.";
        "audit.turned_away_per_second" => config.audit.turned_away_per_second: Count::<usize>(1, 1024 * 1024),
            "How many calls of unknown callers, and of callers without the right, get a line each second. Of more only the number is told.";
        "callers.certificates" => config.callers.certificates: Choice(&[
            ("off", CertificateNames::Off),
            ("spiffe", CertificateNames::Spiffe),
            ("subject", CertificateNames::Subject),
        ]),
            "By what of its client certificate a caller is named: its SPIFFE id (`spiffe://…`), its subject (`subject:CN=…`), or not at all. Needs `grpc.tls_client_ca`.";
        "callers.jwks_refresh" => config.callers.jwks_refresh: Lasting(SECOND, 24 * HOUR),
            "How often issuers' keys are fetched anew. While that fails the known ones stay in force.";
        "callers.jwks_cooldown" => config.callers.jwks_cooldown: Lasting(100 * MILLISECOND, HOUR),
            "A token with an unknown key id makes the keys be fetched at once, but not sooner than this after the last time.";
    }
}

settings! {
    /// What `[callers.jwt.NAME]` and `[callers.users.NAME]` may say.
    TOKEN_ISSUER: TokenIssuer {
        "issuer" => issuer: Text("issuer"),
            "What its tokens have as `iss`, letter by letter.";
        "audiences" => audiences: List { of: "audiences", read: |text| Ok(text.to_owned()), show: String::clone },
            "One of these must be in a token's `aud`. Choose one that means this service.";
        "algorithms" => algorithms: List { of: "algorithms", read: algorithm, show: |algorithm| algorithm_name(*algorithm) },
            "How tokens may be signed: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA.";
        "jwks_url" => jwks_url: Optional(Text("URL")),
            "Where the issuer's keys are: `https:` (`http:` for loopback only). Either this or `jwks_file`.";
        "jwks_file" => jwks_file: Optional(Path),
            "A file with the issuer's keys, a JWK set. Read again when it changes.";
        "jwks_ca" => jwks_ca: Optional(Path),
            "Who vouches for the server of `jwks_url`, PEM. `none`: whom this machine trusts.";
        "jwks_token_file" => jwks_token_file: Optional(Path),
            "A file with the bearer token that the server of `jwks_url` wants. Read for each fetch.";
        "leeway" => leeway: Lasting(Duration::ZERO, 300 * SECOND),
            "How far the issuer's clock and this one may be apart.";
    }
}

settings! {
    /// What `[callers.apikey.NAME]` may say.
    API_KEY: ApiKey {
        "hashes" => hashes: List { of: "hashes", read: KeyHash::parse, show: KeyHash::show },
            "The hashes of its keys, as `tenure apikey new` prints them: one, or two while keys are changed.";
        "hash_file" => hash_file: Optional(Path),
            "A file with these hashes instead, one on a line. Read at the start.";
    }
}

settings! {
    /// What `[policy.NAME]` may say.
    RULE: Rule {
        "callers" => callers: List { of: "patterns", read: |text| Ok(Pattern::of_callers(text)), show: pattern },
            "Who: names of callers (`apikey:NAME`, `jwt:ISSUER:SUBJECT`, `spiffe://…`, `subject:…`). `*` stands for anything but `/` and `:`, `**` for anything.";
        "allow" => allow: List { of: "roles and RPCs", read: grant, show: |grant| grant.word.clone() },
            "What: roles (`server`, `credentials`, `events`, `admin`, `auditor`), RPCs by name, and `InvalidateWide` (InvalidateSessions by subject, tenant, issuer or all).";
        "namespaces" => namespaces: List { of: "patterns", read: |text| Ok(Pattern::of_names(text)), show: pattern },
            "Where: names of namespaces. `*` stands for anything.";
        "tenants" => tenants: List { of: "patterns", read: |text| Ok(Pattern::of_names(text)), show: pattern },
            "For owners of which tenants. `*` stands for anything.";
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
        "audit" => audit: Choice(&[("off", Level::Off), ("on", Level::On), ("required", Level::Required)]),
            "Whether calls are recorded in the audit. `on`: as well as can be, losses are counted. `required`: a call that cannot be recorded is refused, AUDIT_UNAVAILABLE, and none is answered before its line is written.";
        "profile" => profile: Optional(Choice(&[
            ("pci", Profile::Pci),
            ("aal2", Profile::Aal2),
            ("aal3", Profile::Aal3),
            ("hipaa", Profile::Hipaa),
        ])),
            "Rules that the settings must not be laxer than: what nobody set is tightened, what somebody set laxer is a fault. `pci`: 15m unused. `aal2`: 1h unused, 24h at most. `aal3`: 15m and 12h. `hipaa`: `audit` required, encryption on.";
        "owner_proof" => owner_proof: List { of: "issuers", read: |text| Ok(text.to_owned()), show: String::clone },
            "Whose tokens prove the owner: names of `[callers.users.NAME]`. With any, a call for an owner must carry that user's token as `tenure-user-token`. Empty: the caller's word is taken.";
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
            tls_client_optional: tls.is_some_and(|tls| tls.client_optional),
        }
    }
}

fn algorithm(text: &str) -> Result<TokenAlgorithm, String> {
    let known = TokenAlgorithm::ALL.iter().find(|(name, _)| *name == text);
    known.map(|(_, algorithm)| *algorithm).ok_or_else(|| {
        let names: Vec<&str> = TokenAlgorithm::ALL.iter().map(|(name, _)| *name).collect();
        format!("holds {text:?}, which is none of {}", names.join(", "))
    })
}

fn algorithm_name(algorithm: TokenAlgorithm) -> String {
    let known = TokenAlgorithm::ALL
        .iter()
        .find(|(_, own)| *own == algorithm);
    known.map_or("", |(name, _)| name).to_owned()
}

fn pattern(pattern: &Pattern) -> String {
    pattern.as_str().to_owned()
}

fn grant(word: &str) -> Result<Grant, String> {
    let Some(rights) = Rights::named(word) else {
        let roles = Role::ALL.iter().map(|(name, _)| *name);
        let nearest = roles
            .chain(Right::all().map(Right::name))
            .map(|known| (strsim::jaro_winkler(known, word), known))
            .max_by(|(left, _), (right, _)| left.total_cmp(right));
        let nearest = nearest.map_or("", |(_, known)| known);
        return Err(format!(
            "holds {word:?}, which is neither a role nor an RPC (did you mean {nearest:?}?)"
        ));
    };
    Ok(Grant {
        word: word.to_owned(),
        rights,
    })
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
