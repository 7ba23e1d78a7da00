//! `GetSession`, `TouchSession`, `ListSessions`

use std::sync::Arc;
use std::time::Duration;

use super::awaitable;
use crate::Sessions;
use crate::error::Error;
use crate::model::Session;
use crate::proto::v1;
use crate::transport::{Stub, Transport};

/// A session being read.
#[derive(Debug)]
#[must_use = "a call is sent by `.await`"]
pub struct Get {
    transport: Arc<Transport>,
    message: v1::GetSessionRequest,
    timeout: Option<Duration>,
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
            timeout: None,
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
        let rpc = |mut stub: Stub, request| async move { stub.get_session(request).await };
        let answer = self.transport.call(self.timeout, self.message, rpc).await?;
        Session::from_wire(answer.session)
    }
}

awaitable!(Get => Session);

/// A session being kept alive.
#[derive(Debug)]
#[must_use = "a call is sent by `.await`"]
pub struct Touch {
    transport: Arc<Transport>,
    message: v1::TouchSessionRequest,
    timeout: Option<Duration>,
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
            timeout: None,
        }
    }

    async fn send(self) -> Result<Session, Error> {
        let rpc = |mut stub: Stub, request| async move { stub.touch_session(request).await };
        let answer = self.transport.call(self.timeout, self.message, rpc).await?;
        Session::from_wire(answer.session)
    }
}

awaitable!(Touch => Session);

/// An owner's sessions being listed.
#[derive(Debug)]
#[must_use = "a call is sent by `.await`"]
pub struct List {
    transport: Arc<Transport>,
    message: v1::ListSessionsRequest,
    timeout: Option<Duration>,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Page {
    /// The live sessions, newest first.
    pub sessions: Vec<Session>,
    /// Where the next page starts; `None` on the last one.
    pub next_page_token: Option<String>,
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
            timeout: None,
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
    pub async fn all(mut self) -> Result<Vec<Session>, Error> {
        let mut sessions = Vec::new();
        loop {
            let page = self.page().await?;
            sessions.extend(page.sessions);
            match page.next_page_token {
                Some(token) => self.message.page_token = token,
                None => return Ok(sessions),
            }
        }
    }

    async fn send(self) -> Result<Page, Error> {
        self.page().await
    }

    async fn page(&self) -> Result<Page, Error> {
        let rpc = |mut stub: Stub, request| async move { stub.list_sessions(request).await };
        let message = self.message.clone();
        let answer = self.transport.call(self.timeout, message, rpc).await?;
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
