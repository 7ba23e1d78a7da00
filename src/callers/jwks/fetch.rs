//! Fetching keys over HTTPS.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;
use tracing::Instrument as _;

use crate::config::TokenIssuer;
use crate::telemetry::trace;

/// From connecting to the last byte.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The largest set of keys. Those of large providers have a few KiB.
const MAX_BYTES: usize = 1024 * 1024;

/// Where an issuer's keys are, and how to get at them.
pub(super) struct Address {
    uri: Uri,
    token_file: Option<PathBuf>,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

impl Address {
    pub(super) fn new(url: &str, issuer: &TokenIssuer) -> anyhow::Result<Address> {
        let builder = HttpsConnectorBuilder::new();
        let builder = match &issuer.jwks_ca {
            None => builder
                .with_provider_and_native_roots(default_provider())
                .context("this machine has no list of certificate authorities that it trusts; set jwks_ca")?,
            Some(path) => {
                let pem = std::fs::read(path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                let mut roots = RootCertStore::empty();
                for authority in CertificateDer::pem_slice_iter(&pem) {
                    let authority = authority
                        .ok()
                        .and_then(|authority| roots.add(authority).ok());
                    authority
                        .with_context(|| format!("{}: not CA certificates", path.display()))?;
                }
                if roots.is_empty() {
                    anyhow::bail!("{}: no CA certificate in it", path.display());
                }
                let tls = ClientConfig::builder_with_provider(default_provider().into())
                    .with_safe_default_protocol_versions()?
                    .with_root_certificates(roots)
                    .with_no_client_auth();
                builder.with_tls_config(tls)
            }
        };
        // The configuration allows `http:` for loopback only.
        let connector = builder.https_or_http().enable_http1().build();
        Ok(Address {
            uri: url.parse().context("jwks_url is no URL")?,
            token_file: issuer.jwks_token_file.clone(),
            client: Client::builder(TokioExecutor::new())
                // The next look is minutes away.
                .pool_max_idle_per_host(0)
                .build(connector),
        })
    }

    /// What is there now. Redirects are not followed: the operator has said where the keys are.
    pub(super) async fn fetch(&self) -> Result<Bytes, String> {
        let fetched = timeout(TIMEOUT, self.fetch_at_leisure()).await;
        fetched.unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }

    async fn fetch_at_leisure(&self) -> Result<Bytes, String> {
        let (span, traceparent) = trace::request("GET", self.uri.host().unwrap_or_default());
        let fetched = self
            .fetch_within(traceparent)
            .instrument(span.clone())
            .await;
        if fetched.is_err() {
            trace::failed(&span, "fetch_failed");
        }
        fetched
    }

    async fn fetch_within(&self, traceparent: Option<String>) -> Result<Bytes, String> {
        let mut request = Request::get(&self.uri).header(header::ACCEPT, "application/json");
        if let Some(traceparent) = traceparent {
            request = request.header("traceparent", traceparent);
        }
        if let Some(path) = &self.token_file {
            // Tokens in files are replaced before they expire, so each fetch reads it.
            let unreadable =
                |error: io::Error| format!("{} cannot be read: {error}", path.display());
            let token = std::fs::read_to_string(path).map_err(unreadable)?;
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.trim()))
                .map_err(|_| format!("{} holds no token", path.display()))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        let request = request
            .body(Empty::new())
            .map_err(|error| error.to_string())?;
        let answer = self
            .client
            .request(request)
            .await
            .map_err(|error| with_causes(&error))?;
        if answer.status() != StatusCode::OK {
            return Err(format!("the answer is {}", answer.status()));
        }
        let body = Limited::new(answer.into_body(), MAX_BYTES).collect().await;
        Ok(body.map_err(|error| with_causes(&*error))?.to_bytes())
    }
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
