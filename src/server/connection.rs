//! From an accepted socket to an HTTP/2 connection's IO: TLS, the client's preface, gathered writes.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use super::coalesce::Coalesce;
use crate::callers::ClientCertificates;
use crate::grpc::Peer;

/// What a client of HTTP/2 says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Plain, or within TLS.
type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// A connection whose client has shown that it speaks HTTP/2.
pub(super) struct Connection {
    /// What is left of the preface, which was read here and is due to the HTTP/2 layer.
    preface: &'static [u8],
    io: Either<Stream, Coalesce<Stream>>,
}

/// Sets on an accepted socket what the ready-made server would have set.
pub(super) fn tune(stream: &TcpStream, unanswered_for: Duration) -> io::Result<()> {
    // Without it answers wait for the client's delayed acknowledgement: stalls of 44 ms were measured.
    stream.set_nodelay(true)?;
    // A client that does not take its answers cannot hold them for ever: HTTP/2 keepalive does not help
    // there, because its ping waits behind them.
    #[cfg(target_os = "linux")]
    SockRef::from(stream).set_tcp_user_timeout(Some(unanswered_for))?;
    Ok(())
}

impl Connection {
    /// Shakes hands. The caller limits how long that may take.
    pub(super) async fn establish(
        stream: TcpStream,
        address: SocketAddr,
        tls: Option<TlsAcceptor>,
        coalesce_writes: bool,
    ) -> io::Result<(Connection, Peer)> {
        let mut certificates = Vec::new();
        let mut stream = match tls {
            None => Either::Left(stream),
            Some(tls) => {
                let stream = tls.accept(stream).await?;
                let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
                certificates.extend(shown.iter().map(|shown| shown.clone().into_owned()));
                Either::Right(Box::new(stream))
            }
        };
        let mut preface = [0; PREFACE.len()];
        stream.read_exact(&mut preface).await?;
        if preface != PREFACE {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the client does not speak HTTP/2",
            ));
        }
        let connection = Connection {
            preface: PREFACE,
            io: if coalesce_writes {
                Either::Right(Coalesce::new(stream))
            } else {
                Either::Left(stream)
            },
        };
        let peer = Peer {
            address,
            certificates: Arc::new(ClientCertificates::from(certificates)),
        };
        Ok((connection, peer))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.preface.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let (now, later) = self
            .preface
            .split_at(self.preface.len().min(buf.remaining()));
        buf.put_slice(now);
        self.preface = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
