//! A service in this process that answers as a script says, for what a real one does not do at will.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use prost::Message;
use tenure_client::{Options, Tenure};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::server::{Grpc, NamedService, ServerStreamingService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// What the service does with one call.
#[derive(Clone)]
pub(crate) enum Answer {
    Fail(Status),
    /// These messages, and then the end.
    Say(Vec<Bytes>),
    /// Nothing, for ever.
    Hang,
}

/// One message.
pub(crate) fn say(message: &impl Message) -> Answer {
    say_all(&[message])
}

pub(crate) fn say_all(messages: &[&impl Message]) -> Answer {
    let bytes = messages.iter();
    Answer::Say(
        bytes
            .map(|message| message.encode_to_vec().into())
            .collect(),
    )
}

/// A failure as the service tells it.
pub(crate) fn fail(code: Code, reason: &str, retry: Option<Duration>) -> Answer {
    let mut details = ErrorDetails::new();
    details.set_error_info(reason, "tenure", HashMap::new());
    if retry.is_some() {
        details.set_retry_info(retry);
    }
    let mut status = Status::with_error_details(code, "as the script says", details);
    let correlation = "correlation-1".parse().expect("a value");
    status
        .metadata_mut()
        .insert("tenure-correlation-id", correlation);
    Answer::Fail(status)
}

/// One call that came.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) headers: MetadataMap,
    pub(crate) message: Bytes,
    pub(crate) at: Instant,
}

/// What is answered, by method: first these in order, then the last one for ever.
#[derive(Default)]
struct Script {
    answers: HashMap<&'static str, VecDeque<Answer>>,
    asked: Vec<Asked>,
}

#[derive(Clone)]
pub(crate) struct Scripted {
    script: Arc<Mutex<Script>>,
    address: std::net::SocketAddr,
}

impl Scripted {
    /// Starts it on a free port, inside of the test's runtime.
    pub(crate) fn start() -> Scripted {
        let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).expect("a port");
        let scripted = Scripted {
            script: Arc::default(),
            address: incoming.local_addr().expect("its address"),
        };
        let serving = Server::builder()
            .add_service(Sessions(scripted.clone()))
            .add_service(Credentials(scripted.clone()))
            .serve_with_incoming(incoming);
        tokio::spawn(serving);
        scripted
    }

    pub(crate) fn options(&self) -> Options {
        Options::new(&self.address.to_string())
    }

    pub(crate) fn tenure(&self) -> Tenure {
        Tenure::lazy(self.options()).expect("options")
    }

    /// What a method answers from now on.
    pub(crate) fn answers(&self, method: &'static str, answers: impl IntoIterator<Item = Answer>) {
        let answers = answers.into_iter().collect();
        self.script().answers.insert(method, answers);
    }

    pub(crate) fn asked(&self, method: &str) -> Vec<Asked> {
        let asked = self.script().asked.clone();
        asked
            .into_iter()
            .filter(|asked| asked.method == method)
            .collect()
    }

    /// Waits until a method was asked so often.
    pub(crate) async fn until_asked(&self, method: &str, times: usize) {
        let patience = Instant::now() + Duration::from_secs(20);
        while self.asked(method).len() < times {
            assert!(Instant::now() < patience, "{method} was not asked");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) fn requests<M: Message + Default>(&self, method: &str) -> Vec<M> {
        let asked = self.asked(method).into_iter();
        asked
            .map(|asked| M::decode(asked.message).expect("a request"))
            .collect()
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, method: &str, request: Request<Bytes>) -> Answer {
        let mut script = self.script();
        let (headers, _, message) = request.into_parts();
        script.asked.push(Asked {
            method: method.to_owned(),
            headers,
            message,
            at: Instant::now(),
        });
        let Some(answers) = script.answers.get_mut(method) else {
            return Answer::Fail(Status::unimplemented(method.to_owned()));
        };
        match answers.len() {
            1 => answers[0].clone(),
            _ => answers.pop_front().expect("an answer"),
        }
    }
}

type Coming<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A call is a stream on the wire, whether it answers with one message or with many.
struct Handler(Scripted, String);

impl ServerStreamingService<Bytes> for Handler {
    type Response = Bytes;
    type ResponseStream = BoxStream<'static, Result<Bytes, Status>>;
    type Future = Coming<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let answer = self.0.answer(&self.1, request);
        Box::pin(async move {
            match answer {
                Answer::Fail(status) => Err(status),
                Answer::Say(messages) => {
                    let messages = messages.into_iter().map(Ok);
                    Ok(Response::new(stream::iter(messages).boxed()))
                }
                Answer::Hang => Ok(Response::new(stream::pending().boxed())),
            }
        })
    }
}

macro_rules! service {
    ($service:ident, $name:literal) => {
        #[derive(Clone)]
        struct $service(Scripted);

        impl NamedService for $service {
            const NAME: &'static str = $name;
        }

        impl tower_service::Service<http::Request<Body>> for $service {
            type Response = http::Response<Body>;
            type Error = Infallible;
            type Future = Coming<Result<http::Response<Body>, Infallible>>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: http::Request<Body>) -> Self::Future {
                let method = request.uri().path().rsplit('/').next();
                let handler = Handler(self.0.clone(), method.unwrap_or_default().to_owned());
                Box::pin(async move { Ok(Grpc::new(Raw).server_streaming(handler, request).await) })
            }
        }
    };
}

service!(Sessions, "tenure.v1.SessionService");
service!(Credentials, "tenure.v1.CredentialService");

/// Messages as the bytes that they are.
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
