//! Connections, and the one layer that repeats calls.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Response, Status};

use crate::error::Error;
use crate::options::{Options, Token};
use crate::proto::v1::session_service_client::SessionServiceClient;

/// The stub over one connection.
pub(crate) type Stub = SessionServiceClient<Channel>;

const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Answers may be larger than requests: a page of sessions with their state.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// One connection per address, taken in turns. A lost one is made anew by the next call.
#[derive(Debug)]
pub(crate) struct Transport {
    channels: Vec<Channel>,
    turn: AtomicUsize,
    token: Option<Token>,
    timeout: Duration,
    attempts: u32,
    budget: Budget,
}

impl Transport {
    /// Connections that are made by the first call.
    pub(crate) fn lazy(options: &Options) -> Result<Transport, Error> {
        let endpoints = endpoints(options)?;
        let channels = endpoints.iter().map(Endpoint::connect_lazy);
        Ok(Transport::over(options, channels))
    }

    /// Connections of which at least one is made already.
    pub(crate) async fn connect(options: &Options) -> Result<Transport, Error> {
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
        Ok(Transport::over(options, channels))
    }

    fn over(options: &Options, channels: impl Iterator<Item = Channel>) -> Transport {
        Transport {
            channels: channels.collect(),
            turn: AtomicUsize::new(0),
            token: options.token.clone(),
            timeout: options.timeout,
            attempts: options.attempts,
            budget: Budget::full(),
        }
    }

    /// The stub over the next connection in turn.
    pub(crate) fn stub(&self) -> Stub {
        Stub::new(self.channel()).max_decoding_message_size(LARGEST_ANSWER)
    }

    /// The next connection in turn.
    pub(crate) fn channel(&self) -> Channel {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.channels[turn % self.channels.len()].clone()
    }

    /// A request with this caller's token.
    pub(crate) fn request<Q>(&self, message: Q) -> Result<Request<Q>, Error> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            let bearer = format!("Bearer {}", token.get());
            let mut value = bearer
                .parse::<MetadataValue<Ascii>>()
                .map_err(|_| Error::refused("token", "holds characters that no header may hold"))?;
            value.set_sensitive(true);
            request.metadata_mut().insert("authorization", value);
        }
        Ok(request)
    }

    /// Makes a call, and repeats it while that is safe, may help, and the deadline allows. Every call that
    /// comes here may be repeated: it reads, it is idempotent, or it carries a request id.
    pub(crate) async fn call<Q, A, F>(
        &self,
        timeout: Option<Duration>,
        message: Q,
        rpc: impl Fn(Stub, Request<Q>) -> F,
    ) -> Result<A, Error>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let rpc = |request| rpc(self.stub(), request);
        self.repeat(timeout, message, rpc).await
    }

    /// The same over any stub.
    pub(crate) async fn repeat<Q, A, F>(
        &self,
        timeout: Option<Duration>,
        message: Q,
        rpc: impl Fn(Request<Q>) -> F,
    ) -> Result<A, Error>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let deadline = Instant::now() + timeout.unwrap_or(self.timeout);
        let mut attempt = 1;
        loop {
            let mut request = self.request(message.clone())?;
            request.set_timeout(deadline.saturating_duration_since(Instant::now()));
            let error = match timeout_at(deadline, rpc(request)).await {
                Ok(Ok(answer)) => {
                    self.budget.earn();
                    return Ok(answer.into_inner());
                }
                Ok(Err(status)) => Error::from(status),
                Err(_) => Error::deadline(),
            };
            if !error.is_retryable() || !self.budget.spend() || attempt >= self.attempts {
                return Err(error);
            }
            let pause = error.retry_after().unwrap_or_default().max(pause(attempt));
            if Instant::now() + pause >= deadline {
                return Err(error);
            }
            sleep(pause).await;
            attempt += 1;
        }
    }
}

/// How long to wait before the next attempt: doubling, capped, and never the same for two clients.
pub(crate) fn pause(attempt: u32) -> Duration {
    let longest = FIRST_PAUSE
        .saturating_mul(1 << attempt.min(10))
        .min(LONGEST_PAUSE);
    // A UUID is random enough to spread clients, and already at hand.
    let share = u32::from(uuid::Uuid::new_v4().as_bytes()[0]);
    longest / 2 + (longest / 2) * share / 255
}

/// Keeps clients from multiplying the load of a service that is down: each failure costs ten times what a
/// success earns, and below half of the budget nothing is repeated (as gRPC's retry throttling).
#[derive(Debug)]
struct Budget(AtomicI64);

impl Budget {
    const FULL: i64 = 100;
    const PRICE: i64 = 10;

    fn full() -> Budget {
        Budget(AtomicI64::new(Budget::FULL))
    }

    fn earn(&self) {
        // The usual case is a full budget: then nothing is written.
        if self.0.load(Ordering::Relaxed) < Budget::FULL {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Pays for a failure, and says whether there is enough left to repeat it.
    fn spend(&self) -> bool {
        let paid = |left: i64| Some((left - Budget::PRICE).max(0));
        let before = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, paid)
            .unwrap_or_default();
        before - Budget::PRICE > Budget::FULL / 2
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
    let endpoint = |address: String| {
        let bad = |error: &tonic::transport::Error| {
            Error::refused("server", format!("{address}: {}", error_text(error)))
        };
        let mut endpoint = Endpoint::from_shared(address.clone())
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

/// The whole chain of causes: the first one alone only says "transport error".
pub(crate) fn error_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let own = error.to_string();
        // Some causes only repeat what they cause.
        if !text.ends_with(&own) {
            text.push_str(": ");
            text.push_str(&own);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_cap() {
        for attempt in 1..40 {
            let longest = FIRST_PAUSE
                .saturating_mul(1 << attempt.min(10))
                .min(LONGEST_PAUSE);
            let pause = pause(attempt);
            assert!(
                pause >= longest / 2 && pause <= longest,
                "{attempt}: {pause:?}"
            );
        }
    }

    #[test]
    fn the_budget_ends_and_grows_again() {
        let budget = Budget::full();
        let repeated = (0..20).take_while(|_| budget.spend()).count();
        assert_eq!(repeated, 4);
        assert!(!budget.spend());
        for _ in 0..Budget::FULL {
            budget.earn();
        }
        assert!(budget.spend());
    }

    #[tokio::test]
    async fn a_service_that_is_away_is_named_with_the_cause() {
        let error = Transport::connect(&Options::new("http://127.0.0.1:1"))
            .await
            .expect_err("nobody there");
        assert!(error.is_retryable());
        assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
        assert!(error.to_string().contains("refused"), "{error}");
    }
}
