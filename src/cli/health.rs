//! `tenure health`: what a container engine, a test of an installation or a person asks first.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use clap::Args;
use http::header::HOST;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::exit::{Exit, Usage};
use super::output;
use super::service::Service;

#[derive(Debug, Args)]
pub(super) struct Health {
    #[command(flatten)]
    service: Service,
    /// Ask `/readyz` on the HTTP port instead: it wants neither a certificate nor a token
    #[arg(long, value_name = "HOST:PORT")]
    http: Option<String>,
}

impl Health {
    /// One question, never repeated: whoever asks has a schedule of its own.
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let patience = self.service.timeout;
        let asked = runtime.block_on(async {
            let ask = async {
                match &self.http {
                    Some(address) => over_http(address).await,
                    None => over_grpc(&self.service).await,
                }
            };
            timeout(patience, ask).await
        });
        let answer = asked.unwrap_or_else(|_| Err(anyhow!("no answer within {patience:?}")));
        match answer {
            Ok(()) => {
                writeln!(io::stdout().lock(), "serving")?;
                Ok(Exit::Ok)
            }
            Err(error) if error.is::<Usage>() => Err(error),
            Err(error) => {
                output::complain(&mut io::stderr().lock(), &error);
                Ok(Exit::Unavailable)
            }
        }
    }
}

async fn over_grpc(service: &Service) -> anyhow::Result<()> {
    let servers: Vec<&str> = service.server.split(',').map(str::trim).collect();
    for server in servers {
        let request = HealthCheckRequest::default();
        let away = || format!("{server} cannot be reached");
        let channel = endpoint(service, server)?.connect().await;
        let answer = HealthClient::new(channel.with_context(away)?)
            .check(request)
            .await
            .map_err(|status| anyhow!("{server}: {}", status.message()))?;
        if answer.get_ref().status() != ServingStatus::Serving {
            bail!("{server} is not serving: ask its /readyz for the reason");
        }
    }
    Ok(())
}

/// Like any client's: an address without a scheme gets the one that the other flags ask for.
fn endpoint(service: &Service, server: &str) -> anyhow::Result<Endpoint> {
    let secured = service.tls_ca.is_some() || service.tls_cert.is_some();
    let address = match server.contains("://") {
        true => server.to_owned(),
        false if secured => format!("https://{server}"),
        false => format!("http://{server}"),
    };
    let bad = || Usage(format!("--server: {server:?} is no address"));
    let endpoint = Endpoint::from_shared(address.clone()).map_err(|_| bad())?;
    if !address.starts_with("https://") {
        return Ok(endpoint);
    }
    let read =
        |path: &Path| fs::read(path).with_context(|| format!("{} cannot be read", path.display()));
    let mut tls = ClientTlsConfig::new();
    tls = match &service.tls_ca {
        Some(ca) => tls.ca_certificate(Certificate::from_pem(read(ca)?)),
        None => tls.with_native_roots(),
    };
    if let (Some(cert), Some(key)) = (&service.tls_cert, &service.tls_key) {
        tls = tls.identity(Identity::from_pem(read(cert)?, read(key)?));
    }
    Ok(endpoint.tls_config(tls)?)
}

async fn over_http(address: &str) -> anyhow::Result<()> {
    let away = || format!("{address} cannot be reached");
    let stream = TcpStream::connect(address).await.with_context(away)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .with_context(away)?;
    let request = Request::get("/readyz")
        .header(HOST, address)
        .body(Empty::<Bytes>::new())?;
    // It owns the sender: with it, the connection ends.
    let asked = async move {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        anyhow::Ok((status, body))
    };
    let (asked, _) = tokio::join!(asked, connection);
    let (status, body) = asked.with_context(|| format!("{address} is not Tenure's HTTP port"))?;
    if status != StatusCode::OK {
        let reason = String::from_utf8_lossy(&body);
        bail!("{address} is not ready: {status}: {}", reason.trim());
    }
    Ok(())
}
