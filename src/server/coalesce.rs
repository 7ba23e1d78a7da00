//! Writes gathered: all that a connection has to say in one turn of the scheduler goes out in one write.
//!
//! The HTTP/2 layer flushes after every frame, so each answer costs a system call or two however many are
//! ready. Here a write only appends to a buffer and wakes the connection's writer task. That task runs
//! behind everything that is ready already, and by then the buffer holds the frames of all of it.
//!
//! Measured with 4 connections and 16 calls in flight each: 52% less CPU per request (239,000 against
//! 112,000 requests per second on one thread); no cost with one call at a time. It can be switched off
//! with `grpc.coalesce_writes`.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that may wait for the socket. Beyond, whoever writes has to wait too.
const LIMIT: usize = 64 * 1024;

/// Buffers that a thread keeps for the next connections that write. A connection has one only while something waits
/// in it, so that it keeps nothing while it is idle, and a buffer grows once and not for each write.
const SPARES: usize = 16;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An IO whose writes are gathered.
///
/// - `poll_flush` is ready at once: the bytes are on their way without any further call. If it waited,
///   there would be nothing to gather, because the HTTP/2 layer flushes after each frame.
/// - `poll_shutdown` waits until all bytes are written.
/// - When writing fails, every later call says so.
/// - When it is dropped, the writer sends what the socket takes at once, then closes.
pub(crate) struct Coalesce<IO> {
    shared: Arc<Mutex<Shared<IO>>>,
}

/// What the connection and its writer task share. Both run on the same thread, so the lock is never
/// waited for; it is here because `Send` is asked for.
struct Shared<IO> {
    io: IO,
    /// Filled by writes, then emptied whole by the writer, and given back.
    buffer: Vec<u8>,
    /// How much of the buffer the socket has taken.
    sent: usize,
    phase: Phase,
    failure: Option<io::ErrorKind>,
    writer: Option<Waker>,
    /// Whether the writer is going to run, so that it need not be woken.
    writer_due: bool,
    /// A write that waits for room.
    waiting_for_room: Option<Waker>,
    /// A read that waits for data: it has to hear of a failure too.
    reading: Option<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// From here on the caller of `poll_shutdown` does the writing.
    ShuttingDown,
    Dropped,
}

impl<IO> Coalesce<IO>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    /// Wraps an IO and starts its writer on the current runtime.
    pub(crate) fn new(io: IO) -> Coalesce<IO> {
        let shared = Arc::new(Mutex::new(Shared {
            io,
            buffer: Vec::new(),
            sent: 0,
            phase: Phase::Open,
            failure: None,
            writer: None,
            writer_due: true,
            waiting_for_room: None,
            reading: None,
        }));
        tokio::spawn(Writer {
            shared: Arc::clone(&shared),
        });
        Coalesce { shared }
    }
}

impl<IO: AsyncWrite + Unpin> Shared<IO> {
    fn check(&self) -> io::Result<()> {
        match self.failure {
            Some(kind) => Err(kind.into()),
            None => Ok(()),
        }
    }

    fn append<'a>(
        &mut self,
        cx: &mut Context<'_>,
        slices: impl Iterator<Item = &'a [u8]>,
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        if self.phase != Phase::Open {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if self.buffer.capacity() == 0 {
            self.buffer = SPARE.with_borrow_mut(Vec::pop).unwrap_or_default();
        }
        let before = self.buffer.len();
        let mut offered = 0;
        for slice in slices {
            offered += slice.len();
            let room = LIMIT - self.buffer.len();
            self.buffer
                .extend_from_slice(&slice[..slice.len().min(room)]);
        }
        let taken = self.buffer.len() - before;
        if taken == 0 && offered > 0 {
            self.waiting_for_room = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if !self.writer_due {
            self.writer_due = true;
            if let Some(writer) = &self.writer {
                writer.wake_by_ref();
            }
        }
        Poll::Ready(Ok(taken))
    }

    /// Writes all there is.
    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.buffer.len() {
            let rest = &self.buffer[self.sent..];
            match ready!(Pin::new(&mut self.io).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.sent += n,
            }
        }
        self.sent = 0;
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < SPARES && buffer.capacity() > 0 {
                spare.push(buffer);
            }
        });
        wake(&mut self.waiting_for_room);
        // Under TLS the last record may still be in the session.
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn fail(&mut self, error: &io::Error) {
        self.failure = Some(error.kind());
        wake(&mut self.waiting_for_room);
        wake(&mut self.reading);
    }
}

/// The task that writes.
struct Writer<IO> {
    shared: Arc<Mutex<Shared<IO>>>,
}

impl<IO: AsyncWrite + Unpin> Future for Writer<IO> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let shared = &mut *self.shared.lock();
        if shared.phase == Phase::ShuttingDown {
            return Poll::Ready(());
        }
        remember(&mut shared.writer, cx);
        match shared.drain(cx) {
            Poll::Ready(Ok(())) => shared.writer_due = false,
            Poll::Ready(Err(error)) => {
                shared.fail(&error);
                return Poll::Ready(());
            }
            // The socket is full and will wake this task: `writer_due` stays.
            Poll::Pending => {}
        }
        if shared.phase == Phase::Dropped {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

fn remember(place: &mut Option<Waker>, cx: &Context<'_>) {
    match place {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *place = Some(cx.waker().clone()),
    }
}

fn wake(place: &mut Option<Waker>) {
    if let Some(waker) = place.take() {
        waker.wake();
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for Coalesce<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let shared = &mut *self.shared.lock();
        let read = Pin::new(&mut shared.io).poll_read(cx, buf);
        if read.is_pending() {
            shared.check()?;
            remember(&mut shared.reading, cx);
        }
        read
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Coalesce<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.shared.lock().append(cx, std::iter::once(buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.shared.lock().append(cx, bufs.iter().map(|buf| &**buf))
    }

    /// Yes: the HTTP/2 layer then hands over large payloads where they lie, instead of copying them into
    /// a buffer of its own first.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shared.lock().check())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shared = &mut *self.shared.lock();
        shared.check()?;
        if shared.phase == Phase::Open {
            shared.phase = Phase::ShuttingDown;
            wake(&mut shared.writer);
        }
        if let Err(error) = ready!(shared.drain(cx)) {
            shared.fail(&error);
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut shared.io).poll_shutdown(cx)
    }
}

impl<IO> Drop for Coalesce<IO> {
    fn drop(&mut self) {
        let mut shared = self.shared.lock();
        if shared.phase == Phase::Open {
            shared.phase = Phase::Dropped;
            wake(&mut shared.writer);
        }
    }
}

#[cfg(test)]
mod tests;
