//! A connection, down to the frames of HTTP/2.

use std::fs;
use std::net::ToSocketAddrs as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use h2::client::{self, SendRequest};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, Request, Uri, Version, header};
use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_rustls::TlsConnector;
use tokio_util::either::Either;
use tonic::Status;
use tonic_types::StatusExt as _;

use super::process;
use super::work::Rpc;
use crate::cli::service::Service;
use crate::server::Coalesce;

/// Bytes that the service may send ahead, so that it never waits for us.
const STREAM_WINDOW: u32 = 8 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 64 * 1024 * 1024;

/// Between two tries to connect to a service that went away.
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// The reason of calls whose connection broke.
const CONNECTION_LOST: &str = "CONNECTION_LOST";

/// A service: its addresses, and how to get in.
pub(super) struct Target {
    addresses: Vec<Uri>,
    tls: Option<TlsConnector>,
    headers: HeaderMap,
}

impl Target {
    pub(super) fn new(service: &Service) -> anyhow::Result<Target> {
        let secured = service.tls_ca.is_some() || service.tls_cert.is_some();
        let addresses = service.server.split(',').map(str::trim);
        let addresses = addresses.filter(|address| !address.is_empty());
        let addresses: Vec<Uri> = addresses
            .map(|address| {
                let scheme = if secured { "https" } else { "http" };
                let address = match address.split_once("://") {
                    Some(_) => address.to_owned(),
                    None => format!("{scheme}://{address}"),
                };
                address
                    .parse()
                    .with_context(|| format!("{address} is no address"))
            })
            .collect::<Result<_, _>>()?;
        if addresses.is_empty() {
            bail!("--server names no address");
        }
        let any_secured = addresses
            .iter()
            .any(|address| address.scheme() == Some(&Scheme::HTTPS));
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/grpc"),
        );
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        if let Some(secret) = service.token.as_ref().or(service.api_key.as_ref()) {
            let mut value = HeaderValue::try_from(format!("Bearer {secret}"))
                .context("the token holds characters that no header may hold")?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        Ok(Target {
            tls: any_secured.then(|| tls(service)).transpose()?,
            addresses,
            headers,
        })
    }

    /// The processes behind those addresses that are on this machine.
    pub(super) fn local_servers(&self) -> Vec<u32> {
        let on_loopback = self.addresses.iter().filter_map(|address| {
            let (host, port) = host_and_port(address)?;
            let mut ips = (host, port).to_socket_addrs().ok()?;
            ips.any(|address| address.ip().is_loopback())
                .then_some(port)
        });
        on_loopback.flat_map(process::listening_on).collect()
    }

    async fn connect(&self, number: usize) -> anyhow::Result<SendRequest<Bytes>> {
        let address = &self.addresses[number % self.addresses.len()];
        let (host, port) = host_and_port(address).context("the address names no host")?;
        let stream = TcpStream::connect((host, port))
            .await
            .with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        let stream = match &self.tls {
            Some(tls) if address.scheme() == Some(&Scheme::HTTPS) => {
                let name = ServerName::try_from(host.to_owned())?;
                Either::Right(tls.connect(name, stream).await?)
            }
            _ => Either::Left(stream),
        };
        let (sender, connection) = client::Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .handshake(Coalesce::new(stream))
            .await?;
        // Its end is what the calls on it hear of.
        tokio::spawn(connection);
        Ok(sender)
    }
}

fn host_and_port(address: &Uri) -> Option<(&str, u16)> {
    let secured = address.scheme() == Some(&Scheme::HTTPS);
    let host = address
        .host()?
        .trim_start_matches('[')
        .trim_end_matches(']');
    let default = if secured { 443 } else { 80 };
    Some((host, address.port_u16().unwrap_or(default)))
}

fn tls(service: &Service) -> anyhow::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    match &service.tls_ca {
        Some(path) => {
            for authority in certificates(path)? {
                roots.add(authority)?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let mut config = match (&service.tls_cert, &service.tls_key) {
        (Some(cert), Some(key)) => {
            // The parser's own words could quote the file.
            let key = PrivateKeyDer::from_pem_slice(&read(key)?)
                .map_err(|_| anyhow::anyhow!("{}: no private key in it", key.display()))?;
            builder.with_client_auth_cert(certificates(cert)?, key)?
        }
        _ => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<_, _>>()
        .with_context(|| format!("{}: not in PEM form", path.display()))
}

/// A connection that is made anew when it breaks.
pub(super) struct Link {
    target: Arc<Target>,
    number: usize,
    uris: [Uri; Rpc::ALL.len()],
    current: Mutex<Current>,
    mending: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Current {
    sender: SendRequest<Bytes>,
    generation: u64,
}

impl Link {
    pub(super) async fn open(target: Arc<Target>, number: usize) -> anyhow::Result<Link> {
        let sender = target.connect(number).await?;
        let address = &target.addresses[number % target.addresses.len()];
        let authority = address.authority().map_or("localhost", Authority::as_str);
        let mut uris = <[Uri; Rpc::ALL.len()]>::default();
        for (uri, rpc) in uris.iter_mut().zip(Rpc::ALL) {
            *uri = Uri::builder()
                .scheme(address.scheme_str().unwrap_or("http"))
                .authority(authority)
                .path_and_query(rpc.path())
                .build()?;
        }
        Ok(Link {
            target,
            number,
            uris,
            current: Mutex::new(Current {
                sender,
                generation: 0,
            }),
            mending: tokio::sync::Mutex::default(),
        })
    }

    /// Makes a call. An error is the reason that the service gives, or the name of its code.
    pub(super) async fn call(&self, rpc: Rpc, message: Bytes) -> Result<(), String> {
        let current = self.current.lock().clone();
        let generation = current.generation;
        let Ok(trailers) = self.exchange(current.sender, rpc, message).await else {
            self.mend(generation).await;
            return Err(CONNECTION_LOST.to_owned());
        };
        outcome(&trailers)
    }

    /// Sends a message, takes the whole answer, and gives back where its status is.
    async fn exchange(
        &self,
        sender: SendRequest<Bytes>,
        rpc: Rpc,
        message: Bytes,
    ) -> Result<HeaderMap, h2::Error> {
        let mut request = Request::new(());
        *request.version_mut() = Version::HTTP_2;
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.uris[rpc as usize].clone();
        *request.headers_mut() = self.target.headers.clone();
        let (answer, mut sending) = sender.ready().await?.send_request(request, false)?;
        sending.send_data(message, true)?;
        let (head, mut body) = answer.await?.into_parts();
        while let Some(chunk) = body.data().await {
            let len = chunk?.len();
            body.flow_control().release_capacity(len)?;
        }
        Ok(body.trailers().await?.unwrap_or(head.headers))
    }

    /// Connects anew, unless somebody else has done so.
    async fn mend(&self, generation: u64) {
        let _one_at_a_time = self.mending.lock().await;
        if self.current.lock().generation != generation {
            return;
        }
        match self.target.connect(self.number).await {
            Ok(sender) => {
                *self.current.lock() = Current {
                    sender,
                    generation: generation + 1,
                }
            }
            // The next call tries again, and counts as failed.
            Err(_) => sleep(BETWEEN_TRIES).await,
        }
    }
}

fn outcome(trailers: &HeaderMap) -> Result<(), String> {
    if trailers
        .get(Status::GRPC_STATUS)
        .is_some_and(|code| code == "0")
    {
        return Ok(());
    }
    let Some(status) = Status::from_header_map(trailers) else {
        return Err("NO_STATUS".to_owned());
    };
    let info = status.get_details_error_info();
    Err(info.map_or_else(|| format!("{:?}", status.code()), |info| info.reason))
}
