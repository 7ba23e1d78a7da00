//! Listening, and taking what comes.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Context as _;
use futures::FutureExt as _;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Connections that the kernel keeps for us until we take them.
const BACKLOG: i32 = 1024;

/// How long to wait after a failure that is not about one connection, such as too many open files. Doubles
/// up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Takes an address. Callers connect from here on; they are served once somebody accepts.
pub(super) fn listen(address: SocketAddr) -> anyhow::Result<std::net::TcpListener> {
    let open = || {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        // A restart must not wait for the old connections to leave TIME_WAIT.
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        io::Result::Ok(socket.into())
    };
    open().with_context(|| format!("cannot listen on {address}"))
}

/// Where connections come from.
pub(super) trait Source {
    type Connection;

    fn poll_accept(&self, cx: &mut Context<'_>)
    -> Poll<io::Result<(Self::Connection, SocketAddr)>>;
}

impl Source for TcpListener {
    type Connection = TcpStream;

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        TcpListener::poll_accept(self, cx)
    }
}

/// Accepts until `stopping`, and then what the kernel has accepted already, so that nobody who could
/// connect is turned away unheard. No error ends it.
pub(super) async fn accept<S: Source, F: Future<Output = ()>>(
    port: &'static str,
    source: S,
    stopping: CancellationToken,
    mut take: impl FnMut(S::Connection, SocketAddr) -> F,
) {
    let next = async || poll_fn(|cx| source.poll_accept(cx)).await;
    let mut pause = None;
    loop {
        let accepted = tokio::select! {
            accepted = next() => accepted,
            () = stopping.cancelled() => break,
        };
        match accepted {
            Ok((connection, address)) => {
                if pause.take().is_some() {
                    tracing::info!(port, "accepting connections again");
                }
                take(connection, address).await;
            }
            Err(error) if is_about_one_connection(&error) => {
                tracing::debug!(port, %error, "a connection was gone before it was accepted");
            }
            Err(error) => {
                if pause.is_none() {
                    tracing::error!(port, %error, "cannot accept connections; trying on");
                }
                let next_pause = pause.map_or(FIRST_PAUSE, |last: Duration| last * 2);
                let now = next_pause.min(LONGEST_PAUSE);
                pause = Some(now);
                tokio::select! {
                    () = sleep(now) => {}
                    () = stopping.cancelled() => break,
                }
            }
        }
    }
    let mut left = BACKLOG;
    while let Some(Ok((connection, address))) = next().now_or_never()
        && left > 0
    {
        take(connection, address).await;
        left -= 1;
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
            | io::ErrorKind::TimedOut
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
    )
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::VecDeque;
    use std::net::Ipv4Addr;

    use tokio::time::Instant;

    use super::*;

    const FROM: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9);

    /// Answers as planned, then never again.
    struct Planned(RefCell<VecDeque<io::Result<u8>>>);

    impl Source for Planned {
        type Connection = u8;

        fn poll_accept(&self, _: &mut Context<'_>) -> Poll<io::Result<(u8, SocketAddr)>> {
            match self.0.borrow_mut().pop_front() {
                Some(answer) => Poll::Ready(answer.map(|connection| (connection, FROM))),
                None => Poll::Pending,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn running_out_of_files_is_waited_out() {
        let too_many_files = || Err(io::Error::from_raw_os_error(24));
        let plan = [
            Ok(1),
            Err(io::ErrorKind::ConnectionAborted.into()),
            Ok(2),
            too_many_files(),
            too_many_files(),
            Ok(3),
        ];
        let stopping = CancellationToken::new();
        let taken = RefCell::new(Vec::new());
        let start = Instant::now();
        let source = Planned(RefCell::new(plan.into()));
        accept("test", source, stopping.clone(), |connection, _| {
            taken.borrow_mut().push(connection);
            if connection == 3 {
                stopping.cancel();
            }
            std::future::ready(())
        })
        .await;
        assert_eq!(*taken.borrow(), [1, 2, 3]);
        assert_eq!(start.elapsed(), FIRST_PAUSE * 3);
    }

    #[tokio::test]
    async fn what_is_accepted_already_is_served_when_stopping() {
        let stopping = CancellationToken::new();
        stopping.cancel();
        let taken = RefCell::new(0);
        let source = Planned(RefCell::new([Ok(1), Ok(2)].into()));
        accept("test", source, stopping, |_, _| {
            *taken.borrow_mut() += 1;
            std::future::ready(())
        })
        .await;
        assert_eq!(*taken.borrow(), 2);
    }
}
