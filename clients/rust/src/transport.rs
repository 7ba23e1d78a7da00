//! Connections, and the one layer that repeats calls.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

use crate::error::Error;
use crate::options::Options;
use crate::proto::admin_v1::admin_service_client::AdminServiceClient;
use crate::proto::v1::credential_service_client::CredentialServiceClient;
use crate::proto::v1::session_service_client::SessionServiceClient;

mod addresses;
mod headers;
mod retry;

use addresses::Addresses;
use headers::Headers;
pub use headers::TraceContext;
pub(crate) use headers::{Beside, Token, TraceSource};
use retry::Budget;
pub(crate) use retry::pause;

/// Answers may be larger than requests: a page of sessions with their state.
const LARGEST_ANSWER: usize = 256 * 1024 * 1024;

/// The stubs over one connection.
pub(crate) struct Stub(Channel);

impl Stub {
    pub(crate) fn sessions(self) -> SessionServiceClient<Channel> {
        SessionServiceClient::new(self.0).max_decoding_message_size(LARGEST_ANSWER)
    }

    pub(crate) fn admin(self) -> AdminServiceClient<Channel> {
        AdminServiceClient::new(self.0)
    }

    pub(crate) fn credentials(self) -> CredentialServiceClient<Channel> {
        CredentialServiceClient::new(self.0).max_decoding_message_size(LARGEST_ANSWER)
    }
}

/// What a caller may say about any call.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallOptions {
    pub(crate) timeout: Option<Duration>,
    pub(crate) beside: Beside,
}

/// A call, with all its repetitions and what else it needs.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) deadline: Instant,
    pub(crate) beside: Beside,
}

/// What all handles of a client share.
#[derive(Debug)]
pub(crate) struct Transport {
    addresses: Addresses,
    headers: Headers,
    timeout: Duration,
    repetitions: u32,
    budget: Budget,
}

impl Transport {
    /// Connections that are made by the first call.
    pub(crate) fn lazy(options: &Options) -> Result<Transport, Error> {
        Transport::over(options, Addresses::lazy(options)?)
    }

    /// Connections of which at least one is made already.
    pub(crate) async fn connect(options: &Options) -> Result<Transport, Error> {
        Transport::over(options, Addresses::connect(options).await?)
    }

    fn over(options: &Options, addresses: Addresses) -> Result<Transport, Error> {
        Ok(Transport {
            addresses,
            headers: Headers::new(options)?,
            timeout: options.timeout,
            repetitions: options.repetitions,
            budget: Budget::full(),
        })
    }

    /// Starts the clock of a call.
    pub(crate) fn begin(&self, options: CallOptions) -> Call {
        Call {
            deadline: Instant::now() + options.timeout.unwrap_or(self.timeout),
            beside: options.beside,
        }
    }

    /// Makes a call, and repeats it while that may help and the deadline allows. Every call that comes here may be
    /// repeated: it reads, it is idempotent, or it carries a request id.
    pub(crate) async fn call<Q, A, F>(
        &self,
        call: &Call,
        message: Q,
        rpc: impl Fn(Stub, Request<Q>) -> F,
    ) -> Result<A, Error>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let mut attempt = 1;
        loop {
            let error = match self.attempt(call, message.clone(), &rpc).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if !error.is_retryable() || attempt > self.repetitions {
                return Err(error);
            }
            let pause = pause(attempt, error.retry_after());
            if Instant::now() + pause >= call.deadline || !self.budget.take() {
                return Err(error);
            }
            sleep(pause).await;
            attempt += 1;
        }
    }

    /// Makes a call that must not be repeated.
    pub(crate) async fn call_once<Q, A, F>(
        &self,
        call: &Call,
        message: Q,
        rpc: impl Fn(Stub, Request<Q>) -> F,
    ) -> Result<A, Error>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        self.attempt(call, message, &rpc).await
    }

    async fn attempt<Q, A, F>(
        &self,
        call: &Call,
        message: Q,
        rpc: &impl Fn(Stub, Request<Q>) -> F,
    ) -> Result<A, Error>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let trying = async {
            let mut request = self.request(&call.beside, message).await?;
            request.set_timeout(call.deadline.saturating_duration_since(Instant::now()));
            self.send(request, rpc).await
        };
        timeout_at(call.deadline, trying)
            .await
            .unwrap_or_else(|_| Err(Error::deadline()))
    }

    /// A request with what goes beside it.
    pub(crate) async fn request<Q>(
        &self,
        beside: &Beside,
        message: Q,
    ) -> Result<Request<Q>, Error> {
        let mut request = Request::new(message);
        self.headers.add(beside, request.metadata_mut()).await?;
        Ok(request)
    }

    /// Sends a request to the next address. One that turns out to be away rests.
    pub(crate) async fn send<Q, A, F>(
        &self,
        request: Request<Q>,
        rpc: &impl Fn(Stub, Request<Q>) -> F,
    ) -> Result<A, Error>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let (address, stub) = self.addresses.next();
        match rpc(stub, request).await {
            Ok(answer) => {
                self.budget.earn();
                Ok(answer.into_inner())
            }
            Err(status) => {
                let error = Error::from(status);
                if error.code() == Code::Unavailable {
                    self.addresses.rest(address);
                }
                Err(error)
            }
        }
    }
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
