use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::future::join_all;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::task::yield_now;

use super::*;

/// A socket that can be looked at from outside.
#[derive(Clone)]
struct Socket(Arc<Mutex<Inside>>);

#[derive(Default)]
struct Inside {
    /// What it was given, write by write.
    writes: Vec<Vec<u8>>,
    /// How much it takes before it is full.
    room: usize,
    broken: bool,
    shut: bool,
    closed: bool,
    waiting: Vec<Waker>,
}

impl Socket {
    fn with_room(room: usize) -> Socket {
        Socket(Arc::new(Mutex::new(Inside {
            room,
            ..Inside::default()
        })))
    }

    fn writes(&self) -> Vec<Vec<u8>> {
        self.0.lock().writes.clone()
    }

    fn change(&self, change: impl FnOnce(&mut Inside)) {
        let inside = &mut *self.0.lock();
        change(inside);
        inside.waiting.drain(..).for_each(Waker::wake);
    }
}

/// The end that is handed to the code under test.
struct End(Socket);

impl Drop for End {
    fn drop(&mut self) {
        self.0.0.lock().closed = true;
    }
}

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Nothing ever comes. Who waits here has to hear of a failure from the wrapper.
        Poll::Pending
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let inside = &mut *self.0.0.lock();
        if inside.broken {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let taken = buf.len().min(inside.room);
        if taken == 0 {
            inside.waiting.push(cx.waker().clone());
            return Poll::Pending;
        }
        inside.room -= taken;
        inside.writes.push(buf[..taken].to_vec());
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.0.lock().shut = true;
        Poll::Ready(Ok(()))
    }
}

fn wrapped(room: usize) -> (Coalesce<End>, Socket) {
    let socket = Socket::with_room(room);
    (Coalesce::new(End(socket.clone())), socket)
}

async fn other_tasks() {
    for _ in 0..4 {
        yield_now().await;
    }
}

#[tokio::test]
async fn what_is_said_in_one_turn_goes_out_in_one_write() {
    let (mut io, socket) = wrapped(usize::MAX);
    for word in ["headers ", "data ", "trailers "] {
        io.write_all(word.as_bytes()).await.expect("written");
        io.flush().await.expect("flushed");
    }
    assert!(socket.writes().is_empty());
    other_tasks().await;
    assert_eq!(socket.writes(), [b"headers data trailers "]);

    let slices = [io::IoSlice::new(b"more "), io::IoSlice::new(b"words")];
    let taken = poll_fn(|cx| Pin::new(&mut io).poll_write_vectored(cx, &slices)).await;
    assert_eq!(taken.expect("written"), 10);
    other_tasks().await;
    assert_eq!(socket.writes()[1..], [b"more words"]);
}

#[tokio::test]
async fn a_full_socket_holds_the_writer_back_and_loses_nothing() {
    let (mut io, socket) = wrapped(10);
    let sent: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let all = sent.clone();
    let write = tokio::spawn(async move {
        for chunk in all.chunks(7_777) {
            io.write_all(chunk).await.expect("written");
            io.flush().await.expect("flushed");
        }
        io
    });
    other_tasks().await;
    assert!(!write.is_finished(), "the buffer has no bound");
    assert_eq!(socket.writes().concat(), sent[..10]);
    while !write.is_finished() {
        socket.change(|inside| inside.room = 10_000);
        other_tasks().await;
    }
    socket.change(|inside| inside.room = usize::MAX);
    other_tasks().await;
    assert_eq!(socket.writes().concat(), sent);
}

#[tokio::test]
async fn a_shutdown_waits_for_what_was_written() {
    let (mut io, socket) = wrapped(3);
    io.write_all(b"goodbye").await.expect("written");
    let shutdown = tokio::spawn(async move { io.shutdown().await });
    other_tasks().await;
    assert!(!socket.0.lock().shut);
    assert_eq!(socket.writes(), [b"goo"]);
    socket.change(|inside| inside.room = 100);
    shutdown.await.expect("no panic").expect("shut down");
    assert_eq!(socket.writes().concat(), b"goodbye");
    assert!(socket.0.lock().shut);
    other_tasks().await;
    assert!(socket.0.lock().closed, "the writer has kept the socket");
}

#[tokio::test]
async fn nothing_is_written_behind_a_shutdown() {
    let (mut io, _socket) = wrapped(100);
    io.shutdown().await.expect("shut down");
    let error = io.write_all(b"late").await.expect_err("it is shut");
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn a_failure_reaches_every_call_also_a_read_that_waits() {
    let (io, socket) = wrapped(0);
    let (mut source, mut sink) = tokio::io::split(io);
    let reading = tokio::spawn(async move { source.read_u8().await });
    sink.write_all(b"words").await.expect("buffered");
    other_tasks().await;
    assert!(!reading.is_finished());
    socket.change(|inside| inside.broken = true);
    let errors = [
        reading.await.expect("no panic").expect_err("broken"),
        sink.write_all(b"more").await.expect_err("broken"),
        sink.flush().await.expect_err("broken"),
        sink.shutdown().await.expect_err("broken"),
    ];
    for error in errors {
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn a_failure_reaches_a_write_that_waits_for_room() {
    let (mut io, socket) = wrapped(0);
    let writing = tokio::spawn(async move { io.write_all(&vec![0; 2 * LIMIT]).await });
    other_tasks().await;
    assert!(!writing.is_finished());
    socket.change(|inside| inside.broken = true);
    writing.await.expect("no panic").expect_err("broken");
}

#[tokio::test]
async fn a_dropped_connection_sends_what_the_socket_takes_and_closes() {
    for (room, sent) in [(100, &b"last words"[..]), (4, b"last")] {
        let (mut io, socket) = wrapped(room);
        io.write_all(b"last words").await.expect("written");
        drop(io);
        other_tasks().await;
        assert_eq!(socket.writes().concat(), sent);
        assert!(socket.0.lock().closed);
    }
}

#[tokio::test]
async fn a_buffer_is_given_back_for_the_next_connection_that_writes() {
    let (mut io, socket) = wrapped(0);
    let (mut other, _) = wrapped(usize::MAX);
    let capacity = |io: &Coalesce<_>| io.shared.lock().buffer.capacity();
    io.write_all(&vec![1; LIMIT]).await.expect("buffered");
    assert_eq!(capacity(&other), 0);
    socket.change(|inside| inside.room = usize::MAX);
    other_tasks().await;
    assert_eq!(capacity(&io), 0);
    other.write_all(b"small").await.expect("buffered");
    assert!(capacity(&other) >= LIMIT);
    assert_eq!(other.shared.lock().buffer, b"small");
    other_tasks().await;
    assert_eq!(capacity(&other), 0);
}

/// Counts the writes that reach an IO.
struct Counting<IO> {
    io: IO,
    writes: Arc<AtomicUsize>,
}

impl<IO: AsyncRead + Unpin> AsyncRead for Counting<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Counting<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// So many calls at once, a few times over; answers the writes that the server needed for one of them.
async fn writes_per_answer<IO>(wrap: impl FnOnce(Counting<DuplexStream>) -> IO) -> f64
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    const AT_ONCE: usize = 16;
    const ROUNDS: usize = 20;
    let (client, server) = tokio::io::duplex(1024 * 1024);
    let writes = Arc::new(AtomicUsize::new(0));
    let io = TokioIo::new(wrap(Counting {
        io: server,
        writes: Arc::clone(&writes),
    }));
    let echo = service_fn(async |request: Request<Incoming>| {
        Ok::<_, Infallible>(Response::new(request.into_body()))
    });
    tokio::spawn(http2::Builder::new(TokioExecutor::new()).serve_connection(io, echo));
    let (requests, connection) = h2::client::handshake(client).await.expect("HTTP/2");
    tokio::spawn(connection);
    let payload = Bytes::from(vec![7; 1024]);
    for _ in 0..ROUNDS {
        let calls = (0..AT_ONCE).map(|_| {
            let mut requests = requests.clone();
            let payload = payload.clone();
            async move {
                let request = Request::post("http://localhost/").body(());
                let (answer, mut body) = requests
                    .send_request(request.expect("a request"), false)
                    .expect("sent");
                body.send_data(payload, true).expect("sent");
                let mut answer = answer.await.expect("answered").into_body();
                let mut length = 0;
                while let Some(data) = answer.data().await {
                    length += data.expect("data").len();
                }
                assert_eq!(length, 1024);
            }
        });
        join_all(calls).await;
    }
    let writes = u32::try_from(writes.load(Ordering::Relaxed)).expect("few");
    let answers = u32::try_from(AT_ONCE * ROUNDS).expect("few");
    f64::from(writes) / f64::from(answers)
}

#[tokio::test]
async fn one_write_carries_many_answers() {
    // Measured: 0.07 against 2.0.
    let gathered = writes_per_answer(Coalesce::new).await;
    let plain = writes_per_answer(|io| io).await;
    assert!(gathered < 0.2, "{gathered} writes per answer");
    assert!(plain > 1.0, "the comparison has changed: {plain}");
}
