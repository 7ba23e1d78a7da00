//! Who calls: asked of every call, and of whoever wants to see what the service can do.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::IntoResponse;
use http::{HeaderMap, HeaderName, Request, Response, header};
use secrecy::SecretString;
use tonic::Status;
use tonic::server::NamedService;
use tower::Service;

use crate::call::{Caller, UserToken};
use crate::callers::{Authenticator, ClientCertificates};
use crate::grpc::Peer;
use crate::sessions::Error;

/// The end user's own access token.
const USER_TOKEN: HeaderName = HeaderName::from_static("tenure-user-token");

/// The caller of a request.
pub(super) async fn caller(
    authenticator: &Authenticator,
    headers: &HeaderMap,
    peer: Option<&Peer>,
) -> Result<Arc<Caller>, Error> {
    static NONE: LazyLock<ClientCertificates> = LazyLock::new(ClientCertificates::default);
    let certificates = peer.map_or(&*NONE, |peer| &*peer.certificates);
    let caller = authenticator.caller(headers, certificates).await;
    caller.map_err(|unknown| {
        tracing::warn!(
            target: "tenure::callers",
            peer = peer.map(|peer| tracing::field::display(peer.address)),
            fault = %unknown,
            "the caller is not known"
        );
        Error::CallerUnknown
    })
}

/// The user's token that a request shows.
pub(super) fn user_token(headers: &HeaderMap) -> UserToken {
    let mut values = headers.get_all(&USER_TOKEN).iter();
    let token = match (values.next(), values.next()) {
        (None, _) => return UserToken::Missing,
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    };
    token.map_or(UserToken::Malformed, |token| {
        UserToken::Shown(Arc::new(SecretString::from(token)))
    })
}

/// A service that serves only callers that are known, whatever they may do otherwise.
#[derive(Clone)]
pub struct KnownCallers<S> {
    inner: S,
    authenticator: Arc<Authenticator>,
}

impl<S> KnownCallers<S> {
    /// Puts the question before a service.
    pub fn before(inner: S, authenticator: Arc<Authenticator>) -> KnownCallers<S> {
        KnownCallers {
            inner,
            authenticator,
        }
    }
}

impl<S: NamedService> NamedService for KnownCallers<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B> Service<Request<B>> for KnownCallers<S>
where
    S: Service<Request<B>, Error = Infallible> + Clone + Send + 'static,
    B: Send + 'static,
    S::Response: IntoResponse,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let mut inner = self.inner.clone();
        let authenticator = Arc::clone(&self.authenticator);
        Box::pin(async move {
            let peer = request.extensions().get::<Peer>();
            if let Err(error) = caller(&authenticator, request.headers(), peer).await {
                return Ok(Status::from(error).into_http());
            }
            // What it showed is taken off: nobody behind needs it.
            request.headers_mut().remove(header::AUTHORIZATION);
            let Ok(answer) = inner.call(request).await;
            Ok(answer.into_response())
        })
    }
}
