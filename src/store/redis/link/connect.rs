//! How to get a connection to a server.

use std::fmt;
use std::time::Duration;

use deadpool_redis::{Connection, Manager, Pool, Runtime, Timeouts};
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo,
    IntoConnectionInfo, RedisConnectionInfo, TlsCertificates,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::ExposeSecret;

use crate::config::redis::{Address, BadRedisConfig, Credentials, RedisConfig};
use crate::store::redis::link::fault::Trouble;

/// What all connections have in common: timeouts, and TLS with its files already read.
pub(super) struct Dialer {
    tls: Option<TlsCertificates>,
    database: i64,
    connect_timeout: Duration,
    max_connections: usize,
}

impl Dialer {
    /// Reads the TLS files.
    pub(super) fn new(config: &RedisConfig) -> Result<Dialer, BadRedisConfig> {
        let read = |part: &'static str, file: &std::path::Path| {
            std::fs::read(file).map_err(|error| BadRedisConfig {
                part,
                fault: format!("cannot be read: {}", error.kind()),
            })
        };
        let read_certificates = |part: &'static str, file: &std::path::Path| {
            let pem = read(part, file)?;
            // The driver takes a file without any for an empty list.
            match CertificateDer::pem_slice_iter(&pem).next() {
                Some(Ok(_)) => Ok(pem),
                _ => Err(BadRedisConfig {
                    part,
                    fault: "holds no certificate in PEM".to_owned(),
                }),
            }
        };
        let tls = if config.tls {
            let client_tls = match (&config.tls_cert, &config.tls_key) {
                (Some(cert), Some(key)) => Some(ClientTlsConfig {
                    client_cert: read_certificates("tls_cert", cert)?,
                    client_key: read("tls_key", key)?,
                }),
                _ => None,
            };
            let ca = config.tls_ca.as_deref();
            Some(TlsCertificates {
                client_tls,
                root_cert: ca
                    .map(|file| read_certificates("tls_ca", file))
                    .transpose()?,
            })
        } else {
            None
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let dialer = Dialer {
            tls,
            database: config.database,
            connect_timeout: config.connect_timeout,
            // Two for each runtime (calls, endings), one for the watch, and room for those that are on
            // their way out: a bound against leaks, not a limit to work at.
            max_connections: (4 * threads).max(60) + 4,
        };
        // Finds files that are no PEM now, not at the first connection.
        let anywhere = Address {
            host: "localhost".to_owned(),
            port: 1,
        };
        let nobody = Credentials {
            username: None,
            password: None,
        };
        dialer.client(&anywhere, &nobody, 0)?;
        Ok(dialer)
    }

    /// A pool for the data server at `address`. It bounds connections and the time to make one; they are
    /// taken from it once and held (see [`Held`]).
    pub(super) fn pool(
        &self,
        address: &Address,
        credentials: &Credentials,
    ) -> Result<Pool, BadRedisConfig> {
        let client = self.client(address, credentials, self.database)?;
        let broken = |_| unusable();
        let manager =
            Manager::new_with_config(client.get_connection_info().clone(), self.settings())
                .map_err(broken)?;
        Pool::builder(manager)
            .max_size(self.max_connections)
            .timeouts(Timeouts {
                wait: Some(self.connect_timeout),
                create: Some(self.connect_timeout),
                recycle: Some(self.connect_timeout),
            })
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|_| unusable())
    }

    /// A connection for one question, closed when dropped.
    pub(super) async fn brief(
        &self,
        address: &Address,
        credentials: &Credentials,
    ) -> Result<MultiplexedConnection, Trouble> {
        let client = self
            .client(address, credentials, 0)
            .map_err(|_| Trouble::Broken)?;
        let settings = self.settings();
        let connecting = client.get_multiplexed_async_connection_with_config(&settings);
        match tokio::time::timeout(self.connect_timeout, connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(Trouble::from_driver(&error, address)),
            Err(_) => Err(Trouble::TimedOut),
        }
    }

    fn settings(&self) -> AsyncConnectionConfig {
        // The link times each call itself, connecting included. The driver's own default for answers is
        // 500 ms, and would cut WAIT short where somebody allows more.
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(None)
    }

    fn client(
        &self,
        address: &Address,
        credentials: &Credentials,
        database: i64,
    ) -> Result<Client, BadRedisConfig> {
        let (host, port) = (address.host.clone(), address.port);
        let addr = match &self.tls {
            None => ConnectionAddr::Tcp(host, port),
            Some(_) => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: false,
                tls_params: None,
            },
        };
        let mut redis = RedisConnectionInfo::default()
            .set_db(database)
            .set_lib_name("tenure", env!("CARGO_PKG_VERSION"));
        if let Some(username) = &credentials.username {
            redis = redis.set_username(username);
        }
        if let Some(password) = &credentials.password {
            redis = redis.set_password(password.expose_secret());
        }
        let info: ConnectionInfo = addr
            .into_connection_info()
            .map_err(|_| unusable())?
            .set_redis_settings(redis)
            // Off by default in the driver: with Nagle and delayed ACKs a pipeline stalls for 40 ms.
            .set_tcp_settings(TcpSettings::default().set_nodelay(true));
        match &self.tls {
            None => Client::open(info).map_err(|_| unusable()),
            Some(tls) => Client::build_with_tls(info, tls.clone()).map_err(|_| BadRedisConfig {
                part: "tls_key",
                fault: "holds no private key in PEM".to_owned(),
            }),
        }
    }
}

fn unusable() -> BadRedisConfig {
    BadRedisConfig {
        part: "url",
        fault: "cannot be used to connect".to_owned(),
    }
}

/// A connection, and its place in the pool. Taken once, held until it breaks: a checkout sends UNWATCH and
/// PING (measured: 3 commands and 2 round trips for each call instead of 1).
pub(super) struct Held {
    pub(super) connection: MultiplexedConnection,
    place: Option<Connection>,
}

impl Held {
    pub(super) async fn from_pool(pool: &Pool, address: &Address) -> Result<Held, Trouble> {
        use deadpool_redis::PoolError;
        match pool.get().await {
            Ok(place) => Ok(Held {
                connection: (*place).clone(),
                place: Some(place),
            }),
            Err(PoolError::Backend(error)) => Err(Trouble::from_driver(&error, address)),
            Err(PoolError::Timeout(_)) => Err(Trouble::TimedOut),
            Err(_) => Err(Trouble::Broken),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Never back into the pool: its driver lives on the runtime that made it, and the next one to take
        // it may be on another.
        if let Some(place) = self.place.take() {
            drop(Connection::take(place));
        }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}
