//! What no single setting can tell: whether they fit together, and whether what they name is there.

use std::fs;
use std::path::Path;

use tracing_subscriber::EnvFilter;

use super::family::Family;
use super::fault::Fault;
use super::layers::Slot;
use super::load::Origins;
use super::redis::{self, RedisConfig};
use super::settings::{Draft, SERVICE, variable};
use super::value::show_duration;
use super::{Config, Store, Tls};
use crate::private;
use crate::session::limits::Limits;

mod audit;
mod callers;
mod profile;
mod telemetry;

/// Adds every fault, and puts together what belongs together.
pub(super) fn check(draft: &mut Draft, origins: &Origins, faults: &mut Vec<Fault>) {
    let mut checking = Checking { origins, faults };
    checking.tls(draft);
    checking.listen(&draft.config);
    checking.client_optional(draft);
    checking.callers(&draft.config);
    checking.store(&draft.config.store);
    checking.profiles(&mut draft.config);
    checking.keys(&draft.config);
    checking.log(&draft.config.log.filter);
    checking.telemetry(draft);
    checking.audit(&draft.config);
    let defaults = &draft.config.defaults;
    checking.limits(
        defaults,
        draft.config.grpc.max_message_bytes,
        Slot::Default,
        false,
    );
    for (name, limits) in &draft.config.namespaces {
        let slot = |key| Slot::Named(Family::Namespaces, name.as_str().to_owned(), key);
        checking.limits(limits, draft.config.grpc.max_message_bytes, slot, true);
    }
}

struct Checking<'a> {
    origins: &'a Origins,
    faults: &'a mut Vec<Fault>,
}

impl Checking<'_> {
    fn fault(&mut self, slot: &Slot, wrong: impl Into<String>, advice: impl Into<String>) {
        let key = slot.key();
        // Its own fault has been told already.
        if self.faults.iter().any(|fault| fault.key == key) {
            return;
        }
        self.faults.push(Fault {
            key,
            origin: self.origins.of(slot),
            wrong: wrong.into(),
            advice: advice.into(),
        });
    }

    fn service(&mut self, key: &'static str, wrong: impl Into<String>, advice: impl Into<String>) {
        self.fault(&Slot::Service(key), wrong, advice);
    }

    fn tls(&mut self, draft: &mut Draft) {
        let without = "is missing: half a TLS configuration would serve in the clear or not at all";
        match (draft.tls_cert.clone(), draft.tls_key.clone()) {
            (Some(cert), Some(key)) => {
                draft.config.grpc.tls = Some(Tls {
                    cert,
                    key,
                    client_ca: draft.tls_client_ca.clone(),
                    client_optional: draft.tls_client_optional,
                });
            }
            (None, None) => {
                if draft.tls_client_ca.is_some() {
                    let advice = "set grpc.tls_cert and grpc.tls_key too, or remove it";
                    self.service(
                        "grpc.tls_client_ca",
                        "asks for clients' certificates, but the port has none itself",
                        advice,
                    );
                }
            }
            (Some(_), None) => {
                self.service("grpc.tls_key", without, "set it, or remove grpc.tls_cert");
            }
            (None, Some(_)) => {
                self.service("grpc.tls_cert", without, "set it, or remove grpc.tls_key");
            }
        }
        let files = [
            ("grpc.tls_cert", draft.tls_cert.as_deref()),
            ("grpc.tls_key", draft.tls_key.as_deref()),
            ("grpc.tls_client_ca", draft.tls_client_ca.as_deref()),
        ];
        for (key, path) in files {
            if let Some(path) = path {
                self.file(key, path);
            }
        }
    }

    fn file(&mut self, key: &'static str, path: &Path) {
        let shown = path.display();
        match fs::File::open(path).and_then(|file| file.metadata()) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => self.service(key, format!("{shown} is not a file"), "name a file"),
            Err(error) => self.service(
                key,
                format!("{shown} cannot be read: {error}"),
                "mend the path or its permissions",
            ),
        }
    }

    fn listen(&mut self, config: &Config) {
        let grpc = config.grpc.listen;
        // A client certificate says who calls, not what they may do: it takes a policy to let others in.
        let open = !config.callers.authenticate();
        if open && !grpc.ip().is_loopback() && !config.grpc.insecure {
            self.service(
                "grpc.listen",
                format!(
                    "{grpc} is reachable from other machines, and without caller authentication everybody \
                     there could read and end every session"
                ),
                "configure callers and a policy (docs/SECURITY.md), or listen on loopback (127.0.0.1), or accept the \
                 risk with --insecure (grpc.insecure = true)",
            );
        }
        if grpc == config.http.listen && grpc.port() != 0 {
            self.service(
                "http.listen",
                format!("{grpc} is the gRPC port already"),
                "take another port",
            );
        }
    }

    fn store(&mut self, store: &Store) {
        let (wrong, advice) = match store.url.split_once(':').map(|(scheme, _)| scheme) {
            Some("memory") if store.url == "memory:" => return,
            Some("memory") => (
                "the memory store takes nothing after `memory:`".to_owned(),
                "write \"memory:\"".to_owned(),
            ),
            Some(scheme) if redis::SCHEMES.contains(&scheme) => return self.redis(store),
            Some("file") => (
                "the store `file:` is not in this build yet".to_owned(),
                "use \"memory:\" or a Redis".to_owned(),
            ),
            Some(unknown) if is_scheme(unknown) => (
                format!("`{unknown}:` is no store"),
                format!("use \"memory:\" or one of {}", redis::SCHEMES.join(", ")),
            ),
            // Whatever it is, it may hold a password.
            _ => (
                "is not a store URL".to_owned(),
                "write SCHEME:…, for instance \"memory:\"".to_owned(),
            ),
        };
        self.service("store.url", wrong, advice);
    }

    fn redis(&mut self, store: &Store) {
        let settings = &store.redis;
        if let Err(bad) = RedisConfig::of(&store.url, settings) {
            let key = SERVICE
                .iter()
                .map(|setting| setting.key)
                .find(|key| key.strip_prefix("store.redis_") == Some(bad.part))
                .unwrap_or("store.url");
            self.service(key, bad.fault, "docs/REDIS.md shows what goes together");
        }
        let files = [
            ("store.redis_password_file", &settings.password_file),
            (
                "store.redis_sentinel_password_file",
                &settings.sentinel_password_file,
            ),
            ("store.redis_tls_ca", &settings.tls_ca),
            ("store.redis_tls_cert", &settings.tls_cert),
            ("store.redis_tls_key", &settings.tls_key),
        ];
        for (key, path) in files {
            if let Some(path) = path {
                self.file(key, path);
            }
        }
    }

    fn keys(&mut self, config: &Config) {
        let keys = &config.keys;
        if keys.file.is_some() && keys.inline.is_some() {
            self.service(
                "keys.inline",
                "is given beside keys.file",
                "give the keys in one place",
            );
        }
        if let Some(path) = &keys.file {
            self.file("keys.file", path);
            self.is_private("keys.file", path);
        }
        let has_key = keys.file.is_some() || keys.inline.is_some();
        if has_key || config.store.url.starts_with("memory:") {
            return;
        }
        let default = (Slot::Default("encrypt_state"), &config.defaults);
        let listed = config.namespaces.iter().map(|(name, limits)| {
            let name = name.as_str().to_owned();
            (
                Slot::Named(Family::Namespaces, name, "encrypt_state"),
                limits,
            )
        });
        for (slot, limits) in std::iter::once(default).chain(listed) {
            // What a namespace takes from the defaults is told there.
            if limits.encrypt_state && self.origins.is_set(&slot) {
                self.fault(
                    &slot,
                    "asks for encryption, but there is no key",
                    "set keys.file; `tenure keys new` makes a key",
                );
            }
        }
    }

    /// Whether a file that holds secrets is for its owner alone. One that is not there is told elsewhere.
    fn is_private(&mut self, key: &'static str, path: &Path) -> bool {
        let exposed = fs::metadata(path).ok().as_ref().and_then(private::exposed);
        if let Some(mode) = exposed {
            let shown = path.display();
            self.service(
                key,
                format!("{shown} may be used by others (mode {mode:04o})"),
                format!("chmod 600 {shown}"),
            );
        }
        exposed.is_none()
    }

    fn log(&mut self, filter: &str) {
        if let Err(error) = EnvFilter::builder().parse(filter) {
            self.service(
                "log.filter",
                format!("{filter:?} is not a filter: {error}"),
                "write a level like \"info\", or \"info,tenure=debug\"",
            );
        }
    }

    /// `inherits`: whether what is not set here was checked elsewhere.
    fn limits(
        &mut self,
        limits: &Limits,
        max_message_bytes: usize,
        slot: impl Fn(&'static str) -> Slot,
        inherits: bool,
    ) {
        let durations = [
            (
                "idle_ttl",
                limits.idle_ttl,
                "idle_ttl_max",
                limits.idle_ttl_max,
            ),
            (
                "max_lifetime",
                limits.max_lifetime,
                "max_lifetime_max",
                limits.max_lifetime_max,
            ),
        ];
        for (key, value, max_key, max) in durations {
            let (own, own_max) = (slot(key), slot(max_key));
            let set = [&own, &own_max].map(|slot| self.origins.is_set(slot));
            if value <= max || (inherits && set == [false, false]) {
                continue;
            }
            // The fault is shown where somebody set something.
            let at = if set == [false, true] { &own_max } else { &own };
            self.fault(
                at,
                format!(
                    "{key} ({}) is longer than {max_key} ({})",
                    show_duration(value),
                    show_duration(max)
                ),
                format!("set both so that {key} is at most {max_key}"),
            );
        }
        for (key, value) in [
            ("state_bytes", limits.state_bytes),
            ("mcp_bytes", limits.mcp_bytes),
        ] {
            let message = Slot::Service("grpc.max_message_bytes");
            let own = slot(key);
            let set = [&own, &message].map(|slot| self.origins.is_set(slot));
            if value <= max_message_bytes || (inherits && !set[0]) {
                continue;
            }
            let at = if set == [false, true] { &message } else { &own };
            self.fault(
                at,
                format!("{key} ({value}) could never arrive: grpc.max_message_bytes is {max_message_bytes}"),
                format!("lower {key}, or raise grpc.max_message_bytes ({})", variable(&message.key())),
            );
        }
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.len() <= 20
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}
