//! `WatchSessions`: a stream that outlives its connections.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tonic::Streaming;

use crate::Namespace;
use crate::calls::settable;
use crate::error::{Error, ErrorKind};
use crate::event::{Event, EventKind};
use crate::model::Owner;
use crate::proto::v1;
use crate::transport::{Beside, CallOptions, Stub, Transport, pause};

/// A watch being opened.
#[must_use = "a watch is opened by `.await`"]
pub struct WatchSessions {
    transport: Arc<Transport>,
    message: v1::WatchSessionsRequest,
    silence: Duration,
    options: CallOptions,
}

settable!(WatchSessions);

impl WatchSessions {
    pub(crate) fn new(
        namespace: &Namespace,
        owner: Option<Owner>,
        options: CallOptions,
    ) -> WatchSessions {
        WatchSessions {
            transport: Arc::clone(&namespace.transport),
            message: v1::WatchSessionsRequest {
                namespace: namespace.name.clone(),
                owner: owner.map(Into::into),
                ..v1::WatchSessionsRequest::default()
            },
            silence: Duration::from_mins(1),
            options,
        }
    }

    /// Only events of these kinds.
    pub fn kinds(mut self, kinds: impl IntoIterator<Item = EventKind>) -> WatchSessions {
        let kinds = kinds.into_iter().map(|kind| i32::from(kind.to_wire()));
        self.message.kinds = kinds.collect();
        self
    }

    /// Resumes after this cursor instead of starting now.
    pub fn cursor(mut self, cursor: impl Into<String>) -> WatchSessions {
        self.message.cursor = cursor.into();
        self
    }

    /// How long the service may say nothing, not even a heartbeat, before the stream is opened anew.
    /// 60 s unless said otherwise; it should be several times the service's `grpc.watch_heartbeat`.
    pub fn longest_silence(mut self, silence: Duration) -> WatchSessions {
        self.silence = silence;
        self
    }

    async fn open(self) -> Result<Watch, Error> {
        let call = self.transport.begin(self.options);
        let mut watch = Watch {
            transport: self.transport,
            message: self.message,
            silence: self.silence,
            beside: call.beside,
            stream: None,
            failures: 0,
            asked_to_wait: None,
            anew: false,
            ready: None,
            told: String::new(),
        };
        watch.told.clone_from(&watch.message.cursor);
        watch.open(Some(call.deadline)).await?;
        Ok(watch)
    }
}

impl IntoFuture for WatchSessions {
    type Output = Result<Watch, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

/// An open watch. It resumes by itself after a lost connection, and events may then come twice. Dropping it ends it.
pub struct Watch {
    transport: Arc<Transport>,
    message: v1::WatchSessionsRequest,
    silence: Duration,
    beside: Beside,
    stream: Option<Streaming<v1::WatchSessionsResponse>>,
    /// How often in a row the stream broke or did not open.
    failures: u32,
    asked_to_wait: Option<Duration>,
    /// Whether events were lost, and this has not been said.
    anew: bool,
    /// What came and has not been told yet.
    ready: Option<Event>,
    /// The cursor of what was told.
    told: String,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("namespace", &self.message.namespace)
            .field("open", &self.stream.is_some())
            .finish_non_exhaustive()
    }
}

/// What a watch tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Watched {
    /// Something happened. Delivered at least once; the event's id tells repetitions apart.
    Event(Box<Event>),
    /// The service no longer knows what came after the last cursor. Events were missed: drop what you
    /// hold. Events from here on follow.
    StartedAnew,
}

impl Watch {
    /// Where to resume after what [`Watch::next`] returned last, also in another process.
    pub fn cursor(&self) -> &str {
        &self.told
    }

    /// What happens next. It may be dropped while it waits, nothing is lost.
    ///
    /// # Errors
    /// Those that resuming cannot mend, for instance when the caller has no right to watch.
    pub async fn next(&mut self) -> Result<Watched, Error> {
        loop {
            if self.stream.is_none() {
                self.open(None).await?;
            }
            if self.anew {
                self.anew = false;
                self.tell();
                return Ok(Watched::StartedAnew);
            }
            if let Some(event) = self.ready.take() {
                self.tell();
                return Ok(Watched::Event(Box::new(event)));
            }
            self.read().await?;
        }
    }

    /// The same as a stream, which ends after the first error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Watched, Error>> + Send {
        stream::unfold(Some(self), |watch| async {
            let mut watch = watch?;
            match watch.next().await {
                Ok(watched) => Some((Ok(watched), Some(watch))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    /// Opens the stream, for as long as it takes or until the deadline.
    async fn open(&mut self, deadline: Option<Instant>) -> Result<(), Error> {
        loop {
            if self.failures > 0 {
                let pause = pause(self.failures, self.asked_to_wait);
                sleep(pause).await;
            }
            // Without a deadline, no answer for so long is a broken connection too.
            let until = deadline.unwrap_or_else(|| Instant::now() + self.silence);
            let error = match timeout_at(until, self.try_to_open()).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => error,
                Err(_) if deadline.is_some() => return Err(Error::deadline()),
                Err(_) => Error::unavailable("the service does not answer".to_owned()),
            };
            let asked_to_wait = error.retry_after().unwrap_or_default();
            if deadline.is_some_and(|deadline| Instant::now() + asked_to_wait >= deadline) {
                return Err(error);
            }
            self.broke(error)?;
        }
    }

    /// Opens the stream and waits for its first message, which says where it starts: from there on nothing is missed.
    /// Only then may it be said that it started anew, for whoever hears that reads everything once more.
    async fn try_to_open(&mut self) -> Result<(), Error> {
        let request = self.transport.request(&self.beside, self.message.clone());
        let rpc =
            |stub: Stub, request| async move { stub.sessions().watch_sessions(request).await };
        let mut stream = self.transport.send(request.await?, &rpc).await?;
        match stream.message().await? {
            Some(message) => {
                self.stream = Some(stream);
                self.take(message)
            }
            None => Err(Error::unavailable(
                "the watch ended before it began".to_owned(),
            )),
        }
    }

    /// Reads one message. A stream that breaks is opened anew by the next step.
    async fn read(&mut self) -> Result<(), Error> {
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        let error = match timeout(self.silence, stream.message()).await {
            Ok(Ok(Some(message))) => return self.take(message),
            Ok(Err(status)) => Error::from(status),
            // The service ended the stream in order, or said nothing for too long.
            Ok(Ok(None)) | Err(_) => Error::unavailable("the watch ended".to_owned()),
        };
        self.stream = None;
        self.broke(error)
    }

    fn take(&mut self, message: v1::WatchSessionsResponse) -> Result<(), Error> {
        self.failures = 0;
        self.asked_to_wait = None;
        if !message.cursor.is_empty() {
            self.message.cursor = message.cursor;
        }
        self.ready = message.event.map(Event::from_wire).transpose()?;
        if !self.anew {
            self.tell();
        }
        Ok(())
    }

    /// Moves the cursor that the caller sees, unless an event before it has not been told.
    fn tell(&mut self) {
        if self.ready.is_none() {
            self.told.clone_from(&self.message.cursor);
        }
    }

    /// Notes why the stream is gone. An error that opening it again does not mend is the caller's.
    fn broke(&mut self, error: Error) -> Result<(), Error> {
        let cursor_expired = *error.kind() == ErrorKind::CursorExpired;
        if cursor_expired && !self.message.cursor.is_empty() {
            self.message.cursor.clear();
            self.anew = true;
        } else if !error.is_retryable() {
            return Err(error);
        }
        self.failures += 1;
        self.asked_to_wait = error.retry_after();
        Ok(())
    }
}
