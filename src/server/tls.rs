//! TLS of the gRPC port: the certificate, its key, and who may call, as they are in the files now.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use arc_swap::ArcSwap;
use aws_lc_rs::digest::{self, SHA256};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use crate::config::Tls;

/// How often the files are looked at. Reading three small files costs nothing, and unlike a watch on the
/// directory it follows every way of replacing them: in place, by rename, by Kubernetes' `..data`
/// symlinks, over a network file system.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The settings of TLS that new connections get.
pub(super) struct Certificates {
    files: Tls,
    /// What was in force first.
    loaded: Fingerprint,
    current: ArcSwap<ServerConfig>,
}

/// Which contents of the files we are talking about, without keeping the key itself.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fingerprint(Vec<u8>);

/// What the files hold.
struct Contents {
    cert: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

/// What was seen of the files. `None`: they could not be read.
type Seen = Option<Fingerprint>;

/// How far the following has come.
#[derive(Clone, Debug)]
struct Following {
    /// At the last look.
    last: Seen,
    /// What was put in force, or found to be at fault.
    judged: Seen,
}

impl Certificates {
    /// Reads the files for the first time. Any fault is an error.
    pub(super) fn load(files: Tls) -> anyhow::Result<Certificates> {
        let contents = Contents::read(&files)?;
        Ok(Certificates {
            current: ArcSwap::from_pointee(contents.settings(&files)?),
            loaded: contents.fingerprint(),
            files,
        })
    }

    /// For the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }

    /// Follows the files for ever. While they are at fault, the last good ones stay in force.
    pub(super) async fn follow(self: Arc<Self>) {
        let mut following = self.start();
        loop {
            sleep(LOOK_EVERY).await;
            let this = Arc::clone(&self);
            let look = tokio::task::spawn_blocking(move || {
                this.look(&mut following);
                following
            });
            following = look.await.unwrap_or_else(|_| self.start());
        }
    }

    fn start(&self) -> Following {
        Following {
            last: Some(self.loaded.clone()),
            judged: Some(self.loaded.clone()),
        }
    }

    /// One look at the files.
    fn look(&self, following: &mut Following) {
        let contents = Contents::read(&self.files);
        let seen = contents.as_ref().ok().map(Contents::fingerprint);
        // The files change one after the other: wait until they have rested for one look.
        let at_rest = following.last == seen;
        following.last.clone_from(&seen);
        if !at_rest || following.judged == seen {
            return;
        }
        following.judged = seen;
        match contents.and_then(|contents| contents.settings(&self.files)) {
            Ok(settings) => {
                self.current.store(Arc::new(settings));
                tracing::info!(cert = %self.files.cert.display(), "new TLS files are in force");
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(
                    error,
                    "the TLS files are at fault; the old ones stay in force"
                );
            }
        }
    }
}

impl Contents {
    fn read(files: &Tls) -> anyhow::Result<Contents> {
        let read = |path: &Path| {
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
        };
        Ok(Contents {
            cert: read(&files.cert)?,
            key: read(&files.key)?,
            client_ca: files.client_ca.as_deref().map(read).transpose()?,
        })
    }

    fn fingerprint(&self) -> Fingerprint {
        let client_ca = self.client_ca.as_deref().unwrap_or_default();
        let each = [&self.cert, &self.key, client_ca].map(|file| digest::digest(&SHA256, file));
        Fingerprint(each.iter().flat_map(AsRef::as_ref).copied().collect())
    }

    fn settings(&self, files: &Tls) -> anyhow::Result<ServerConfig> {
        let provider = Arc::new(default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = match (&self.client_ca, &files.client_ca) {
            (Some(pem), Some(path)) => {
                let mut roots = RootCertStore::empty();
                for ca in certificates(pem, path)? {
                    roots
                        .add(ca)
                        .with_context(|| format!("{}: not a CA certificate", path.display()))?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = if files.client_optional {
                    verifier.allow_unauthenticated()
                } else {
                    verifier
                };
                let verifier = verifier
                    .build()
                    .with_context(|| path.display().to_string())?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        // The parser's own words could quote the file, so they are left out.
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_| anyhow!("{}: no private key in PEM form in it", files.key.display()))?;
        let mut settings = builder
            .with_single_cert(certificates(&self.cert, &files.cert)?, key)
            .with_context(|| {
                let (cert, key) = (files.cert.display(), files.key.display());
                format!("{cert} and {key} do not go together")
            })?;
        settings.alpn_protocols = vec![b"h2".to_vec()];
        Ok(settings)
    }
}

fn certificates(pem: &[u8], path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .with_context(|| format!("{}: not in PEM form", path.display()))?;
    if found.is_empty() {
        bail!("{}: no certificate in PEM form in it", path.display());
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
