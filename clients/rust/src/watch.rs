//! `WatchSessions`: a stream that outlives its connections.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use tokio::time::{sleep, timeout};
use tonic::Streaming;

use crate::Namespace;
use crate::error::{Error, ErrorKind};
use crate::event::{Event, EventKind};
use crate::model::Owner;
use crate::proto::v1;
use crate::transport::{Transport, pause};

/// A watch being opened.
#[derive(Debug)]
#[must_use = "a watch is opened by `.await`"]
pub struct WatchSessions {
    transport: Arc<Transport>,
    message: v1::WatchSessionsRequest,
    silence: Duration,
}

impl WatchSessions {
    pub(crate) fn new(namespace: &Namespace, owner: Option<Owner>) -> WatchSessions {
        WatchSessions {
            transport: Arc::clone(&namespace.transport),
            message: v1::WatchSessionsRequest {
                namespace: namespace.name.clone(),
                owner: owner.map(Into::into),
                ..v1::WatchSessionsRequest::default()
            },
            silence: Duration::from_mins(1),
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
        let mut watch = Watch {
            transport: self.transport,
            message: self.message,
            silence: self.silence,
            stream: None,
            failures: 0,
            must_tell: None,
        };
        // With the first message the start is known: from here on, nothing is missed.
        match watch.first().await {
            Ok(watched) => watch.must_tell = watched,
            Err(error) if *error.kind() == ErrorKind::CursorExpired => {
                watch.start_anew().await?;
                watch.must_tell = Some(Watched::StartedAnew);
            }
            Err(error) => return Err(error),
        }
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

/// An open watch. It resumes by itself after a lost connection, and events may then come twice.
#[derive(Debug)]
pub struct Watch {
    transport: Arc<Transport>,
    message: v1::WatchSessionsRequest,
    silence: Duration,
    stream: Option<Streaming<v1::WatchSessionsResponse>>,
    failures: u32,
    must_tell: Option<Watched>,
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
        &self.message.cursor
    }

    /// What happens next. It may be dropped while it waits, nothing is lost.
    ///
    /// # Errors
    /// Those that resuming cannot mend, for instance when the caller has no right to watch.
    pub async fn next(&mut self) -> Result<Watched, Error> {
        if let Some(watched) = self.must_tell.take() {
            return Ok(watched);
        }
        loop {
            match self.step().await {
                Ok(Some(watched)) => return Ok(watched),
                Ok(None) => {}
                Err(error) if *error.kind() == ErrorKind::CursorExpired => {
                    self.start_anew().await?;
                    return Ok(Watched::StartedAnew);
                }
                Err(error) if resumable(&error) => self.stream = None,
                Err(error) => return Err(error),
            }
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

    async fn first(&mut self) -> Result<Option<Watched>, Error> {
        self.stream = Some(self.connect().await?);
        self.step().await
    }

    /// First the new start, then the news: whoever hears it reads everything once more, and must not miss
    /// what happens meanwhile.
    async fn start_anew(&mut self) -> Result<(), Error> {
        self.message.cursor.clear();
        self.stream = Some(self.reconnect().await?);
        Ok(())
    }

    /// One message. `None`: a heartbeat, or the end of a connection.
    async fn step(&mut self) -> Result<Option<Watched>, Error> {
        if self.stream.is_none() {
            self.stream = Some(self.reconnect().await?);
        }
        let Some(stream) = &mut self.stream else {
            return Ok(None);
        };
        let message = match timeout(self.silence, stream.message()).await {
            Ok(Ok(Some(message))) => message,
            // The service ended the stream in order, or said nothing for too long.
            Ok(Ok(None)) | Err(_) => {
                self.stream = None;
                self.failures += 1;
                return Ok(None);
            }
            Ok(Err(status)) => {
                self.stream = None;
                self.failures += 1;
                return Err(status.into());
            }
        };
        self.failures = 0;
        if !message.cursor.is_empty() {
            self.message.cursor = message.cursor;
        }
        let event = message.event.map(Event::from_wire).transpose()?;
        Ok(event.map(|event| Watched::Event(Box::new(event))))
    }

    async fn connect(&self) -> Result<Streaming<v1::WatchSessionsResponse>, Error> {
        let request = self.transport.request(self.message.clone())?;
        let answer = self.transport.stub().watch_sessions(request).await?;
        Ok(answer.into_inner())
    }

    /// Tries until it is connected or resuming makes no sense.
    async fn reconnect(&mut self) -> Result<Streaming<v1::WatchSessionsResponse>, Error> {
        loop {
            if self.failures > 0 {
                sleep(pause(self.failures)).await;
            }
            match self.connect().await {
                Err(error) if resumable(&error) => self.failures += 1,
                other => return other,
            }
        }
    }
}

/// Whether a new connection may mend it.
fn resumable(error: &Error) -> bool {
    error.is_retryable()
        || matches!(
            error.code(),
            tonic::Code::Unknown
                | tonic::Code::Internal
                | tonic::Code::Cancelled
                | tonic::Code::DeadlineExceeded
        )
}
