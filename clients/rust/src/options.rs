//! How to reach the service.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;

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
    pub(crate) attempts: u32,
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

/// What travels as `authorization: Bearer`.
#[derive(Clone)]
pub(crate) enum Token {
    Fixed(String),
    Fresh(Arc<dyn Fn() -> String + Send + Sync>),
}

impl Token {
    pub(crate) fn get(&self) -> String {
        match self {
            Token::Fixed(token) => token.clone(),
            Token::Fresh(token) => token(),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
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
            attempts: 4,
        }
    }

    /// What `TENURE_SERVER`, `TENURE_TLS_CA`, `TENURE_TLS_CERT`, `TENURE_TLS_KEY`, `TENURE_TOKEN` and
    /// `TENURE_API_KEY` say.
    ///
    /// # Errors
    /// When they contradict each other.
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
            (Some(_), Some(_)) => Err(Error::refused(
                "TENURE_TOKEN",
                "is set beside TENURE_API_KEY, and only one of them can be sent; unset one",
            )),
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
        self
    }

    /// Asks for the token before every call; it should come from a cache.
    pub fn token_from(mut self, token: impl Fn() -> String + Send + Sync + 'static) -> Options {
        self.token = Some(Token::Fresh(Arc::new(token)));
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

    /// How often a call is tried at most; 1 switches repetitions off. 4 unless said otherwise.
    pub fn attempts(mut self, attempts: u32) -> Options {
        self.attempts = attempts.max(1);
        self
    }

    /// The addresses as URIs. One without a scheme gets the one that the other options ask for.
    pub(crate) fn addresses(&self) -> Result<Vec<String>, Error> {
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
        for variables in [
            &[("TENURE_TLS_CERT", "c")][..],
            &[("TENURE_TLS_KEY", "k")],
            &[("TENURE_TOKEN", "t"), ("TENURE_API_KEY", "k")],
        ] {
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
    fn secrets_are_not_shown() {
        let options = Options::default()
            .token("canary")
            .identity(Pem::Text(b"canary".to_vec()), Pem::Text(b"canary".to_vec()));
        assert!(!format!("{options:?}").contains("canary"));
    }
}
