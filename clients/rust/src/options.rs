//! How to reach the service.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::transport::{Token, TraceContext, TraceSource};

/// Where the service is looked for if nothing else is said.
pub const DEFAULT_SERVER: &str = "http://127.0.0.1:7070";

/// How to reach the service: from arguments, or from `TENURE_*` variables with [`Options::from_env`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Options {
    pub(crate) servers: Vec<String>,
    pub(crate) ca: Option<Pem>,
    pub(crate) identity: Option<(Pem, Pem)>,
    pub(crate) token: Option<Token>,
    pub(crate) timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) keepalive_interval: Duration,
    pub(crate) keepalive_timeout: Duration,
    pub(crate) repetitions: u32,
    pub(crate) server_name: Option<String>,
    pub(crate) trace: Option<TraceSource>,
    pub(crate) allow_plaintext_token: bool,
    /// Two secrets of the environment, of which only one can be sent. One that is given sets both aside.
    contradiction: Option<Error>,
}

/// A certificate or a key, or where it is.
#[derive(Clone)]
pub enum Pem {
    /// The PEM text itself.
    Text(Vec<u8>),
    /// A file.
    File(PathBuf),
}

impl Pem {
    pub(crate) fn read(&self, option: &str) -> Result<Vec<u8>, Error> {
        match self {
            Pem::Text(text) => Ok(text.clone()),
            Pem::File(path) => std::fs::read(path).map_err(|error| {
                let why = format!("{} cannot be read: {error}", path.display());
                Error::refused(option, why)
            }),
        }
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pem::Text(_) => f.write_str("Pem(redacted)"),
            Pem::File(path) => write!(f, "Pem({})", path.display()),
        }
    }
}

impl From<PathBuf> for Pem {
    fn from(path: PathBuf) -> Pem {
        Pem::File(path)
    }
}

impl Default for Options {
    fn default() -> Self {
        Options::new(DEFAULT_SERVER)
    }
}

impl Options {
    /// A service at this address: `http://HOST:PORT`, `https://HOST:PORT` for TLS. Several addresses,
    /// separated by commas, take turns.
    pub fn new(server: &str) -> Options {
        let servers = server
            .split(',')
            .map(str::trim)
            .filter(|server| !server.is_empty());
        Options {
            servers: servers.map(ToOwned::to_owned).collect(),
            ca: None,
            identity: None,
            token: None,
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(10),
            repetitions: 4,
            server_name: None,
            trace: None,
            allow_plaintext_token: false,
            contradiction: None,
        }
    }

    /// What `TENURE_SERVER`, `TENURE_TLS_CA`, `TENURE_TLS_CERT`, `TENURE_TLS_KEY`, `TENURE_TOKEN` and
    /// `TENURE_API_KEY` say. Both a token and a key are refused when it comes to connecting, unless one was given since.
    ///
    /// # Errors
    /// When a certificate is there without its key, or a key without its certificate.
    pub fn from_env() -> Result<Options, Error> {
        Options::from_variables(|name| std::env::var(name).ok())
    }

    /// As [`Options::from_env`], from any source of variables.
    ///
    /// # Errors
    /// When they contradict each other.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Options, Error> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let mut options =
            Options::new(&variable("TENURE_SERVER").unwrap_or_else(|| DEFAULT_SERVER.to_owned()));
        if let Some(ca) = variable("TENURE_TLS_CA") {
            options = options.ca(PathBuf::from(ca));
        }
        match (variable("TENURE_TLS_CERT"), variable("TENURE_TLS_KEY")) {
            (Some(cert), Some(key)) => {
                options = options.identity(PathBuf::from(cert), PathBuf::from(key));
            }
            (None, None) => {}
            (Some(_), None) => {
                return Err(Error::refused(
                    "TENURE_TLS_KEY",
                    "is missing beside TENURE_TLS_CERT",
                ));
            }
            (None, Some(_)) => {
                return Err(Error::refused(
                    "TENURE_TLS_CERT",
                    "is missing beside TENURE_TLS_KEY",
                ));
            }
        }
        match (variable("TENURE_TOKEN"), variable("TENURE_API_KEY")) {
            (Some(_), Some(_)) => {
                options.contradiction = Some(Error::refused(
                    "TENURE_TOKEN",
                    "is set beside TENURE_API_KEY, and only one of them can be sent; unset one",
                ));
                Ok(options)
            }
            (Some(token), None) => Ok(options.token(token)),
            (None, Some(key)) => Ok(options.api_key(key)),
            (None, None) => Ok(options),
        }
    }

    /// Trusts the service's certificate through this authority; without it, through the system's.
    pub fn ca(mut self, ca: impl Into<Pem>) -> Options {
        self.ca = Some(ca.into());
        self
    }

    /// Shows this certificate to the service.
    pub fn identity(mut self, cert: impl Into<Pem>, key: impl Into<Pem>) -> Options {
        self.identity = Some((cert.into(), key.into()));
        self
    }

    /// Sends this token with every call.
    pub fn token(mut self, token: impl Into<String>) -> Options {
        self.token = Some(Token::Fixed(token.into()));
        self.contradiction = None;
        self
    }

    /// Asks for the token before every request; it should come from a cache. If that fails, the call fails.
    pub fn token_from<F, T, E>(mut self, token: F) -> Options
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.token = Some(Token::from_fn(token));
        self.contradiction = None;
        self
    }

    /// Sends tokens (users' too) and API keys unencrypted beyond loopback as well: for where something else encrypts the connection.
    pub fn allow_plaintext_token(mut self) -> Options {
        self.allow_plaintext_token = true;
        self
    }

    /// The name that the service's certificate must have, where it is not the address's.
    pub fn server_name(mut self, name: impl Into<String>) -> Options {
        self.server_name = Some(name.into());
        self
    }

    /// Asks before every request which trace it belongs to. Without it, it is OpenTelemetry's current span, with the
    /// feature `opentelemetry`.
    pub fn trace_context_from(
        mut self,
        source: impl Fn() -> Option<TraceContext> + Send + Sync + 'static,
    ) -> Options {
        self.trace = Some(TraceSource(Arc::new(source)));
        self
    }

    /// Sends this API key with every call.
    pub fn api_key(self, key: impl Into<String>) -> Options {
        self.token(key)
    }

    /// How long a call may take, with all its repetitions. 10 s unless said otherwise.
    pub fn timeout(mut self, timeout: Duration) -> Options {
        self.timeout = timeout;
        self
    }

    /// How long a connection may take to be made. 5 s unless said otherwise.
    pub fn connect_timeout(mut self, timeout: Duration) -> Options {
        self.connect_timeout = timeout;
        self
    }

    /// How long a connection may be silent before it is pinged. 30 s unless said otherwise.
    pub fn keepalive_interval(mut self, interval: Duration) -> Options {
        self.keepalive_interval = interval;
        self
    }

    /// How often a call is repeated at most; 0 switches repetitions off. 4 unless said otherwise.
    pub fn repetitions(mut self, repetitions: u32) -> Options {
        self.repetitions = repetitions;
        self
    }

    /// The addresses as URIs. One without a scheme gets the one that the other options ask for.
    pub(crate) fn addresses(&self) -> Result<Vec<String>, Error> {
        if let Some(contradiction) = &self.contradiction {
            return Err(contradiction.clone());
        }
        let addresses = self.uris()?;
        let plain = |address: &&String| address.starts_with("http://");
        if addresses.iter().any(|address| plain(&address))
            != addresses.iter().all(|address| plain(&address))
        {
            let why = "use TLS for all addresses or for none";
            return Err(Error::refused("server", why));
        }
        if self.token.is_some() {
            self.keeps_secret("token")?;
        }
        Ok(addresses)
    }

    /// Whether nobody on the way can read what is sent.
    pub(crate) fn keeps_secret(&self, option: &str) -> Result<(), Error> {
        if self.allow_plaintext_token {
            return Ok(());
        }
        let addresses = self.uris()?;
        let mut open = addresses
            .iter()
            .filter(|address| address.starts_with("http://"));
        match open.find(|address| !is_loopback(address)) {
            None => Ok(()),
            Some(address) => Err(Error::refused(
                option,
                format!(
                    "would travel unencrypted to {address}: use https://, or allow_plaintext_token() where \
                     something else encrypts the connection"
                ),
            )),
        }
    }

    fn uris(&self) -> Result<Vec<String>, Error> {
        if self.servers.is_empty() {
            return Err(Error::refused("server", "no address was given"));
        }
        let secured = self.ca.is_some() || self.identity.is_some();
        let address = |server: &String| match server.split_once("://") {
            None if secured => Ok(format!("https://{server}")),
            None => Ok(format!("http://{server}")),
            Some(("https", _)) => Ok(server.clone()),
            Some(("http", _)) if !secured => Ok(server.clone()),
            Some(("http", _)) => Err(Error::refused(
                "server",
                format!("{server} is not encrypted, but certificates were given; write https://"),
            )),
            Some((scheme, _)) => Err(Error::refused(
                "server",
                format!("{scheme}:// is unknown; write http://HOST:PORT or https://HOST:PORT"),
            )),
        };
        self.servers.iter().map(address).collect()
    }
}

/// Whether what is sent there stays on this machine.
fn is_loopback(address: &str) -> bool {
    let Ok(uri) = address.parse::<tonic::transport::Uri>() else {
        return false;
    };
    let host = uri.host().unwrap_or_default();
    let ip = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || ip.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<Options, Error> {
        Options::from_variables(|name| {
            let mut variables = variables.iter();
            variables
                .find(|(own, _)| *own == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn addresses_take_the_scheme_that_fits() {
        let plain = Options::new("a:1, http://b:2,").addresses().expect("sound");
        assert_eq!(plain, ["http://a:1", "http://b:2"]);
        let secured =
            from(&[("TENURE_SERVER", "a:1"), ("TENURE_TLS_CA", "ca.pem")]).expect("sound");
        assert_eq!(secured.addresses().expect("sound"), ["https://a:1"]);
        assert_eq!(from(&[]).expect("sound").servers, [DEFAULT_SERVER]);
    }

    #[test]
    fn contradictions_are_refused() {
        for variables in [&[("TENURE_TLS_CERT", "c")][..], &[("TENURE_TLS_KEY", "k")]] {
            assert!(from(variables).is_err(), "{variables:?}");
        }
        for (server, ca) in [("http://a:1", true), ("ftp://a:1", false), (" , ", false)] {
            let mut options = Options::new(server);
            if ca {
                options = options.ca(PathBuf::from("ca.pem"));
            }
            assert!(options.addresses().is_err(), "{server:?}");
        }
    }

    #[test]
    fn both_secrets_are_named_when_only_one_can_be_sent() {
        let both = [("TENURE_TOKEN", "canary"), ("TENURE_API_KEY", "canary")];
        let options = from(&both).expect("not yet");
        let text = options.addresses().expect_err("refused").to_string();
        assert!(
            text.contains("TENURE_TOKEN") && text.contains("TENURE_API_KEY"),
            "{text}"
        );
        assert!(!text.contains("canary"));
        assert!(options.api_key("mine").addresses().is_ok());
    }

    #[test]
    fn a_token_travels_unencrypted_only_where_it_stays() {
        for server in [
            "127.0.0.1:1",
            "localhost:1",
            "http://[::1]:1",
            "https://a:1",
        ] {
            let options = Options::new(server).token("t");
            assert!(options.addresses().is_ok(), "{server}");
        }
        for server in ["a:1", "http://10.0.0.1:1", "127.0.0.1:1,10.0.0.1:1"] {
            let options = Options::new(server).api_key("canary");
            let error = options.addresses().expect_err("refused").to_string();
            assert!(
                error.contains("unencrypted") && !error.contains("canary"),
                "{error}"
            );
            assert!(options.allow_plaintext_token().addresses().is_ok());
        }
        let mixed = Options::new("https://a:1,http://b:1");
        assert!(mixed.addresses().is_err());
    }

    #[test]
    fn secrets_are_not_shown() {
        let options = Options::default()
            .token("canary")
            .identity(Pem::Text(b"canary".to_vec()), Pem::Text(b"canary".to_vec()));
        assert!(!format!("{options:?}").contains("canary"));
    }
}
