//! Where Redis is, how to get in, and what to expect of it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::ExposeSecret;
pub use secrecy::SecretString;

/// A secret that shows nowhere.
#[derive(Clone, Debug)]
pub struct Secret(pub SecretString);

impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

/// What `[store]` says of Redis beside the URL. What is `None` follows from the URL, or is built in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RedisSettings {
    /// The ACL user, if the URL does not name one.
    pub username: Option<String>,
    /// Its password, if the URL does not hold it.
    pub password: Option<Secret>,
    /// A file that holds the password instead.
    pub password_file: Option<PathBuf>,
    /// The ACL user on the sentinels.
    pub sentinel_username: Option<String>,
    /// Its password.
    pub sentinel_password: Option<Secret>,
    /// A file that holds the sentinels' password instead.
    pub sentinel_password_file: Option<PathBuf>,
    /// Who may sign the servers' certificates, PEM.
    pub tls_ca: Option<PathBuf>,
    /// Our certificate chain, PEM.
    pub tls_cert: Option<PathBuf>,
    /// Its private key, PEM.
    pub tls_key: Option<PathBuf>,
    /// What every key begins with.
    pub key_prefix: Option<String>,
    /// How many replicas each primary is set up with.
    pub replicas: Option<u32>,
    /// How many of them must have an ending before it is acknowledged.
    pub replicas_to_wait: Option<u32>,
    /// How long to wait for them.
    pub wait_timeout: Option<Duration>,
    /// How long a server may take to answer.
    pub response_timeout: Option<Duration>,
}

/// Everything that the link needs to know. [`RedisConfig::parse`] makes one from a URL; the other settings are
/// fields, with their defaults filled in. No secret shows in `Debug`.
#[derive(Clone, Debug)]
pub struct RedisConfig {
    /// Which servers, and how they hang together.
    pub topology: Topology,
    /// Whether to speak TLS, to the sentinels too.
    pub tls: bool,
    /// Who may sign the servers' certificates, PEM; `None`: whom the system trusts.
    pub tls_ca: Option<PathBuf>,
    /// Our certificate chain, PEM, if the servers ask for one.
    pub tls_cert: Option<PathBuf>,
    /// Its private key, PEM.
    pub tls_key: Option<PathBuf>,
    /// The ACL user; `None`: the default one.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<SecretString>,
    /// A file that holds the password instead. Read again when the servers refuse the old one.
    pub password_file: Option<PathBuf>,
    /// The ACL user on the sentinels, whose credentials are their own.
    pub sentinel_username: Option<String>,
    /// Its password.
    pub sentinel_password: Option<SecretString>,
    /// A file that holds the sentinels' password instead.
    pub sentinel_password_file: Option<PathBuf>,
    /// The database's number; a cluster has only 0.
    pub database: i64,
    /// What every key begins with.
    pub key_prefix: String,
    /// How many replicas each primary is set up with.
    pub replicas: u32,
    /// How many of them must have an ending before it is acknowledged; `None`: all.
    pub replicas_to_wait: Option<u32>,
    /// How long to wait for them.
    pub wait_timeout: Duration,
    /// How long a server may take to answer. A hanging one costs a call no more.
    pub response_timeout: Duration,
    /// How long it may take to make a connection.
    pub connect_timeout: Duration,
    /// How long a call follows servers that point at each other.
    pub patience: Duration,
    /// How long a call waits for a slot to arrive where it moves: one with many sessions takes long. Its deadline ends it before.
    pub patience_with_moves: Duration,
    /// How many calls may be under way to one server.
    pub max_in_flight: usize,
    /// How often a server is asked whether it is well.
    pub watch_interval: Duration,
}

/// Which servers there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topology {
    /// One server.
    Standalone(Address),
    /// A primary and its replicas, of which sentinels know which is which.
    Sentinel {
        /// Where the sentinels are.
        sentinels: Vec<Address>,
        /// What they call the primary.
        master: String,
    },
    /// Many primaries, each with a share of the slots.
    Cluster {
        /// Where to begin to ask.
        seeds: Vec<Address>,
    },
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// Its name or IP address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// What is wrong with the settings. The text names the part, and never repeats what might be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part}: {fault}")]
pub struct BadRedisConfig {
    /// Which setting.
    pub part: &'static str,
    /// What is wrong with it.
    pub fault: String,
}

/// The schemes that are understood.
pub const SCHEMES: [&str; 6] = [
    "redis",
    "rediss",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
];

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

fn bad(part: &'static str, fault: impl Into<String>) -> BadRedisConfig {
    BadRedisConfig {
        part,
        fault: fault.into(),
    }
}

impl RedisConfig {
    /// Reads a URL:
    /// - `redis://[user[:password]@]host[:port][/database]`
    /// - `redis+sentinel://[user[:password]@]host[:port][,host[:port]…]/master[/database]`; user and password are
    ///   the primary's, those of the sentinels are settings
    /// - `redis+cluster://[user[:password]@]host[:port][,host[:port]…]`
    ///
    /// With TLS: `rediss`, `rediss+sentinel`, `rediss+cluster`. User and password are percent-encoded.
    pub fn parse(url: &str) -> Result<RedisConfig, BadRedisConfig> {
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| bad("url", "is not a URL"))?;
        if !SCHEMES.contains(&scheme) {
            return Err(bad(
                "url",
                format!("the scheme must be one of {}", SCHEMES.join(", ")),
            ));
        }
        let tls = scheme.starts_with("rediss");
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if rest.contains(['?', '#']) {
            return Err(bad(
                "url",
                "takes no `?` and no `#`: options are settings of their own, and in a password they are \
                 written %3F and %23",
            ));
        }
        // The last one: a password may hold an unescaped `@`, a host cannot.
        let (credentials, hosts) = match authority.rsplit_once('@') {
            Some((credentials, hosts)) => (Some(credentials), hosts),
            None => (None, authority),
        };
        let (username, password) = read_credentials(credentials)?;
        let mut path = path.split('/').filter(|part| !part.is_empty());
        let (topology, database, replicas) = match scheme.split_once('+').map(|(_, kind)| kind) {
            None => {
                let mut hosts = read_hosts(hosts, REDIS_PORT)?;
                if hosts.len() != 1 {
                    return Err(bad(
                        "url",
                        "several hosts need redis+sentinel:// or redis+cluster://",
                    ));
                }
                (
                    Topology::Standalone(hosts.remove(0)),
                    read_database(path.next())?,
                    0,
                )
            }
            Some("sentinel") => {
                let sentinels = read_hosts(hosts, SENTINEL_PORT)?;
                let master = path.next().map(decode).transpose()?.ok_or_else(|| {
                    bad(
                        "url",
                        "redis+sentinel:// needs the master's name: …/NAME[/DATABASE]",
                    )
                })?;
                let topology = Topology::Sentinel { sentinels, master };
                (topology, read_database(path.next())?, 1)
            }
            Some(_) => {
                if path.next().is_some() {
                    return Err(bad(
                        "url",
                        "a cluster has only database 0; leave the path out",
                    ));
                }
                let seeds = read_hosts(hosts, REDIS_PORT)?;
                (Topology::Cluster { seeds }, 0, 1)
            }
        };
        if path.next().is_some() {
            return Err(bad("url", "the path has too many parts"));
        }
        Ok(RedisConfig {
            topology,
            tls,
            tls_ca: None,
            tls_cert: None,
            tls_key: None,
            username,
            password,
            password_file: None,
            sentinel_username: None,
            sentinel_password: None,
            sentinel_password_file: None,
            database,
            key_prefix: "tenure:".to_owned(),
            replicas,
            replicas_to_wait: None,
            // Twice this (the batch before and one's own) stays below the response timeout.
            wait_timeout: Duration::from_millis(200),
            response_timeout: Duration::from_millis(500),
            connect_timeout: Duration::from_secs(2),
            patience: Duration::from_secs(5),
            patience_with_moves: Duration::from_mins(1),
            max_in_flight: 10_000,
            watch_interval: Duration::from_secs(1),
        })
    }

    /// What the URL and the settings say together.
    pub fn of(url: &str, settings: &RedisSettings) -> Result<RedisConfig, BadRedisConfig> {
        let mut config = RedisConfig::parse(url)?;
        let given = settings.clone();
        let secret = |secret: Option<Secret>| secret.map(|Secret(secret)| secret);
        if given.username.is_some() {
            config.username = given.username;
        }
        if given.password.is_some() && config.password.is_some() {
            return Err(bad("password", "the URL holds one already"));
        }
        config.password = config.password.or(secret(given.password));
        config.password_file = given.password_file;
        config.sentinel_username = given.sentinel_username;
        config.sentinel_password = secret(given.sentinel_password);
        config.sentinel_password_file = given.sentinel_password_file;
        config.tls_ca = given.tls_ca;
        config.tls_cert = given.tls_cert;
        config.tls_key = given.tls_key;
        config.key_prefix = given.key_prefix.unwrap_or(config.key_prefix);
        config.replicas = given.replicas.unwrap_or(config.replicas);
        config.replicas_to_wait = given.replicas_to_wait;
        config.wait_timeout = given.wait_timeout.unwrap_or(config.wait_timeout);
        config.response_timeout = given.response_timeout.unwrap_or(config.response_timeout);
        config.check()?;
        Ok(config)
    }

    /// Checks what the settings say together.
    pub fn check(&self) -> Result<(), BadRedisConfig> {
        if self.password.is_some() && self.password_file.is_some() {
            return Err(bad("password_file", "the password is given twice"));
        }
        if self.sentinel_password.is_some() && self.sentinel_password_file.is_some() {
            return Err(bad("sentinel_password_file", "the password is given twice"));
        }
        if self.username.is_some() && self.password.is_none() && self.password_file.is_none() {
            return Err(bad("username", "needs a password"));
        }
        if self.key_prefix.contains(['{', '}']) {
            return Err(bad(
                "key_prefix",
                "must not contain `{` or `}`: they decide where a cluster puts a key",
            ));
        }
        if self.replicas_to_wait() > self.replicas {
            return Err(bad(
                "replicas_to_wait",
                "is more than each primary has (`replicas`)",
            ));
        }
        if self.wait_timeout.is_zero() {
            // For Redis, 0 is for ever.
            return Err(bad("wait_timeout", "must not be 0"));
        }
        if self.wait_timeout >= self.response_timeout {
            return Err(bad("wait_timeout", "must be shorter than response_timeout"));
        }
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            return Err(bad("tls_cert", "certificate and key go together"));
        }
        if !self.tls && (self.tls_ca.is_some() || self.tls_cert.is_some()) {
            return Err(bad("tls_ca", "TLS needs rediss:// (or rediss+…://)"));
        }
        Ok(())
    }

    /// How many replicas must have an ending before it is acknowledged.
    pub fn replicas_to_wait(&self) -> u32 {
        self.replicas_to_wait.unwrap_or(self.replicas)
    }

    /// The data servers' user and password, the file read afresh.
    pub(crate) fn credentials(&self) -> Result<Credentials, BadRedisConfig> {
        Ok(Credentials {
            username: self.username.clone(),
            password: match &self.password_file {
                Some(file) => Some(read_secret("password_file", file)?),
                None => self.password.clone(),
            },
        })
    }

    /// The sentinels' user and password, the file read afresh.
    pub(crate) fn sentinel_credentials(&self) -> Result<Credentials, BadRedisConfig> {
        Ok(Credentials {
            username: self.sentinel_username.clone(),
            password: match &self.sentinel_password_file {
                Some(file) => Some(read_secret("sentinel_password_file", file)?),
                None => self.sentinel_password.clone(),
            },
        })
    }
}

/// A user and a password.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) username: Option<String>,
    pub(crate) password: Option<SecretString>,
}

impl Credentials {
    pub(crate) fn same_as(&self, other: &Credentials) -> bool {
        let plain = |credentials: &Credentials| {
            let password = credentials.password.as_ref();
            password.map(|password| password.expose_secret().to_owned())
        };
        self.username == other.username && plain(self) == plain(other)
    }
}

fn read_secret(part: &'static str, file: &std::path::Path) -> Result<SecretString, BadRedisConfig> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| bad(part, format!("cannot be read: {}", error.kind())))?;
    // Secrets in files end with a line break more often than not.
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}

type NameAndPassword = (Option<String>, Option<SecretString>);

fn read_credentials(text: Option<&str>) -> Result<NameAndPassword, BadRedisConfig> {
    let Some(text) = text else {
        return Ok((None, None));
    };
    let (username, password) = match text.split_once(':') {
        Some((username, password)) => (username, Some(password)),
        None => (text, None),
    };
    let username = decode(username)?;
    let password = password.map(decode).transpose()?;
    Ok((
        Some(username).filter(|username| !username.is_empty()),
        password.map(SecretString::from),
    ))
}

fn read_hosts(text: &str, default_port: u16) -> Result<Vec<Address>, BadRedisConfig> {
    text.split(',')
        .map(|host| Address::parse(host, default_port))
        .collect()
}

fn read_database(text: Option<&str>) -> Result<i64, BadRedisConfig> {
    let Some(text) = text else { return Ok(0) };
    let number = text.parse::<u16>();
    number
        .map(i64::from)
        .map_err(|_| bad("url", "the database must be a number"))
}

/// Percent-decoding.
fn decode(text: &str) -> Result<String, BadRedisConfig> {
    let wrong = || {
        bad(
            "url",
            "has a `%` that is not followed by two hexadecimal digits",
        )
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || {
            let digit = char::from(rest.next()?).to_digit(16)?;
            u8::try_from(digit).ok()
        };
        let (high, low) = (digit().ok_or_else(wrong)?, digit().ok_or_else(wrong)?);
        bytes.push(high << 4 | low);
    }
    String::from_utf8(bytes).map_err(|_| bad("url", "is not UTF-8 once decoded"))
}

impl Address {
    /// Reads `host`, `host:port`, `[ipv6]`, `[ipv6]:port`.
    fn parse(text: &str, default_port: u16) -> Result<Address, BadRedisConfig> {
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest
                .split_once(']')
                .ok_or_else(|| bad("url", "has a `[` without a `]`"))?;
            let port = match rest {
                "" => None,
                rest => Some(rest.strip_prefix(':').unwrap_or(rest)),
            };
            (host, port)
        } else {
            match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            }
        };
        if host.is_empty() {
            return Err(bad("url", "lacks a host"));
        }
        let port = match port {
            None => default_port,
            Some(port) => port
                .parse()
                .ok()
                .filter(|port| *port != 0)
                .ok_or_else(|| bad("url", "has a port that is not a number from 1 to 65535"))?,
        };
        Ok(Address {
            host: host.to_owned(),
            port,
        })
    }

    /// Reads what a server says about another: `host:port`, where an IPv6 address has no brackets and an empty
    /// host means the server that says it.
    pub(crate) fn from_redirect(text: &str, said_by: &Address) -> Option<Address> {
        let (host, port) = text.rsplit_once(':')?;
        let host = if host.is_empty() || host == "?" {
            &said_by.host
        } else {
            host
        };
        Some(Address {
            host: host.to_owned(),
            port: port.parse().ok()?,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests;
