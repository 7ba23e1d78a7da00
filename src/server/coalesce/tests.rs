use std::future::poll_fn;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
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
async fn a_large_buffer_is_given_back() {
    let (mut io, socket) = wrapped(0);
    io.write_all(&vec![0; LIMIT]).await.expect("buffered");
    socket.change(|inside| inside.room = usize::MAX);
    other_tasks().await;
    assert_eq!(io.shared.lock().buffer.capacity(), 0);
    io.write_all(b"small").await.expect("buffered");
    other_tasks().await;
    assert!((1..=KEPT).contains(&io.shared.lock().buffer.capacity()));
}
