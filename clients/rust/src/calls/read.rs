//! `GetSession`, `TouchSession`, `ListSessions`

use std::fmt;
use std::sync::Arc;

use futures_util::{Stream, TryStreamExt as _, stream};

use super::awaitable;
use crate::Sessions;
use crate::error::Error;
use crate::model::Session;
use crate::proto::v1;
use crate::transport::{Call, CallOptions, Stub, Transport};

/// A session being read.
#[must_use = "a call is sent by `.await`"]
pub struct Get {
    transport: Arc<Transport>,
    message: v1::GetSessionRequest,
    options: CallOptions,
}

impl Get {
    pub(crate) fn new(sessions: &Sessions, session_id: String) -> Get {
        Get {
            transport: Arc::clone(&sessions.namespace.transport),
            message: v1::GetSessionRequest {
                namespace: sessions.namespace.name.clone(),
                owner: Some(sessions.owner.clone().into()),
                session_id,
                ..v1::GetSessionRequest::default()
            },
            options: sessions.call_options(),
        }
    }

    /// Reads without sliding the idle deadline.
    pub fn peek(mut self) -> Get {
        self.message.peek = true;
        self
    }

    /// Returns only these keys of the state.
    pub fn keys<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Get {
        self.message.state_keys = keys.into_iter().map(Into::into).collect();
        self
    }

    async fn send(self) -> Result<Session, Error> {
        let rpc = |stub: Stub, request| async move { stub.sessions().get_session(request).await };
        let call = self.transport.begin(self.options);
        let answer = self.transport.call(&call, self.message, rpc).await?;
        Session::from_wire(answer.session)
    }
}

awaitable!(Get => Session);

/// Completes the answer to the client's own repetition, which the service gives without state. This does not slide.
pub(crate) async fn complete(
    transport: &Transport,
    call: &Call,
    namespace: String,
    owner: Option<v1::Owner>,
    session: Option<v1::Session>,
) -> Result<Option<v1::Session>, Error> {
    let message = v1::GetSessionRequest {
        namespace,
        owner,
        session_id: session.unwrap_or_default().id,
        peek: true,
        state_keys: Vec::new(),
    };
    let rpc = |stub: Stub, request| async move { stub.sessions().get_session(request).await };
    Ok(transport.call(call, message, rpc).await?.session)
}

/// A session being kept alive.
#[must_use = "a call is sent by `.await`"]
pub struct Touch {
    transport: Arc<Transport>,
    message: v1::TouchSessionRequest,
    options: CallOptions,
}

impl Touch {
    pub(crate) fn new(sessions: &Sessions, session_id: String) -> Touch {
        Touch {
            transport: Arc::clone(&sessions.namespace.transport),
            message: v1::TouchSessionRequest {
                namespace: sessions.namespace.name.clone(),
                owner: Some(sessions.owner.clone().into()),
                session_id,
            },
            options: sessions.call_options(),
        }
    }

    async fn send(self) -> Result<Session, Error> {
        let rpc = |stub: Stub, request| async move { stub.sessions().touch_session(request).await };
        let call = self.transport.begin(self.options);
        let answer = self.transport.call(&call, self.message, rpc).await?;
        Session::from_wire(answer.session)
    }
}

awaitable!(Touch => Session);

/// An owner's sessions being listed.
#[must_use = "a call is sent by `.await`"]
pub struct List {
    transport: Arc<Transport>,
    message: v1::ListSessionsRequest,
    options: CallOptions,
}

/// One page of a list.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Page {
    /// The live sessions, newest first.
    pub sessions: Vec<Session>,
    /// Where the next page starts; `None` on the last one.
    pub next_page_token: Option<String>,
}

impl fmt::Debug for Page {
    /// Without the token, which may tell of a session.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page")
            .field("sessions", &self.sessions)
            .finish_non_exhaustive()
    }
}

impl List {
    pub(crate) fn new(sessions: &Sessions) -> List {
        List {
            transport: Arc::clone(&sessions.namespace.transport),
            message: v1::ListSessionsRequest {
                namespace: sessions.namespace.name.clone(),
                owner: Some(sessions.owner.clone().into()),
                ..v1::ListSessionsRequest::default()
            },
            options: sessions.call_options(),
        }
    }

    /// How many sessions a page holds at most: 50 unless said otherwise, at most 1000.
    pub fn page_size(mut self, size: i32) -> List {
        self.message.page_size = size;
        self
    }

    /// The page that starts here.
    pub fn page_token(mut self, token: impl Into<String>) -> List {
        self.message.page_token = token.into();
        self
    }

    /// Returns the sessions with their state.
    pub fn include_state(mut self) -> List {
        self.message.include_state = true;
        self
    }

    /// All sessions, page by page. Each page has the call's timeout for itself.
    ///
    /// # Errors
    /// Those of any page.
    pub async fn all(self) -> Result<Vec<Session>, Error> {
        self.stream().try_collect().await
    }

    /// All sessions as a stream, which asks for a page when it is needed.
    pub fn stream(self) -> impl Stream<Item = Result<Session, Error>> + Send {
        let pages = stream::try_unfold(Some(self), |list| async {
            let Some(mut list) = list else {
                return Ok::<_, Error>(None);
            };
            let page = list.page().await?;
            let sessions = stream::iter(page.sessions.into_iter().map(Ok));
            let rest = page.next_page_token.map(|token| {
                list.message.page_token = token;
                list
            });
            Ok(Some((sessions, rest)))
        });
        pages.try_flatten()
    }

    async fn send(self) -> Result<Page, Error> {
        self.page().await
    }

    async fn page(&self) -> Result<Page, Error> {
        let rpc = |stub: Stub, request| async move { stub.sessions().list_sessions(request).await };
        let message = self.message.clone();
        let call = self.transport.begin(self.options.clone());
        let answer = self.transport.call(&call, message, rpc).await?;
        let sessions = answer.sessions.into_iter();
        let sessions = sessions.map(|session| Session::from_wire(Some(session)));
        let token = answer.next_page_token;
        Ok(Page {
            sessions: sessions.collect::<Result<_, _>>()?,
            next_page_token: (!token.is_empty()).then_some(token),
        })
    }
}

awaitable!(List => Page);
