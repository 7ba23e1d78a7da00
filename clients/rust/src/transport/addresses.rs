//! The connections: one per address, taken in turns. A lost one is made anew by the next call.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use super::{Stub, error_text};
use crate::error::Error;
use crate::options::Options;

/// How long an address that was away is passed over.
const REST: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Addresses {
    all: Vec<Address>,
    turn: AtomicUsize,
    start: Instant,
}

#[derive(Debug)]
struct Address {
    channel: Channel,
    /// Milliseconds since the start; 0: it does not rest.
    rests_until: AtomicU64,
}

impl Addresses {
    /// Connections that are made by the first call.
    pub(super) fn lazy(options: &Options) -> Result<Addresses, Error> {
        let endpoints = endpoints(options)?;
        Ok(Addresses::over(
            endpoints.iter().map(Endpoint::connect_lazy),
        ))
    }

    /// Connections of which at least one is made already.
    pub(super) async fn connect(options: &Options) -> Result<Addresses, Error> {
        let endpoints = endpoints(options)?;
        let connecting = endpoints.iter().map(Endpoint::connect);
        let connected = futures_util::future::join_all(connecting).await;
        if let Some(Err(error)) = connected.first()
            && connected.iter().all(Result::is_err)
        {
            let address = endpoints[0].uri();
            let why = error_text(error);
            return Err(Error::unavailable(format!(
                "{address} cannot be reached: {why}"
            )));
        }
        let channels = connected
            .into_iter()
            .zip(&endpoints)
            .map(|(channel, endpoint)| channel.unwrap_or_else(|_| endpoint.connect_lazy()));
        Ok(Addresses::over(channels))
    }

    fn over(channels: impl Iterator<Item = Channel>) -> Addresses {
        let address = |channel| Address {
            channel,
            rests_until: AtomicU64::new(0),
        };
        Addresses {
            all: channels.map(address).collect(),
            turn: AtomicUsize::new(0),
            start: Instant::now(),
        }
    }

    /// The next connection in turn that does not rest; if all do, the one whose turn it is. Which, and its stub.
    pub(super) fn next(&self) -> (usize, Stub) {
        let count = self.all.len();
        let mut chosen = 0;
        if count > 1 {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            let now = self.now();
            let awake = |index: &usize| self.all[*index].rests_until.load(Ordering::Relaxed) <= now;
            let mut turns = (0..count).map(|step| turn.wrapping_add(step) % count);
            chosen = turns.find(awake).unwrap_or(turn % count);
        }
        (chosen, Stub(self.all[chosen].channel.clone()))
    }

    /// Passes an address over for a while.
    pub(super) fn rest(&self, index: usize) {
        if self.all.len() > 1 {
            let until = self.now() + u64::try_from(REST.as_millis()).unwrap_or_default();
            self.all[index].rests_until.store(until, Ordering::Relaxed);
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

fn endpoints(options: &Options) -> Result<Vec<Endpoint>, Error> {
    let addresses = options.addresses()?;
    let mut tls = ClientTlsConfig::new();
    tls = match &options.ca {
        Some(ca) => tls.ca_certificate(Certificate::from_pem(ca.read("TLS CA")?)),
        None => tls.with_native_roots(),
    };
    if let Some((cert, key)) = &options.identity {
        tls = tls.identity(Identity::from_pem(
            cert.read("TLS certificate")?,
            key.read("TLS key")?,
        ));
    }
    if let Some(name) = &options.server_name {
        tls = tls.domain_name(name);
    }
    let endpoint = |address: String| {
        let bad = |error: &tonic::transport::Error| {
            Error::refused("server", format!("{address}: {}", error_text(error)))
        };
        let mut endpoint = Endpoint::from_shared(address.clone())
            .map_err(|error| bad(&error))?
            .user_agent(concat!("tenure-rust/", env!("CARGO_PKG_VERSION")))
            .map_err(|error| bad(&error))?
            .connect_timeout(options.connect_timeout)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(options.keepalive_interval)
            .keep_alive_timeout(options.keepalive_timeout)
            .keep_alive_while_idle(true);
        if address.starts_with("https://") {
            endpoint = endpoint
                .tls_config(tls.clone())
                .map_err(|error| bad(&error))?;
        }
        Ok(endpoint)
    };
    addresses.into_iter().map(endpoint).collect()
}
