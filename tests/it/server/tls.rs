//! TLS: client certificates, new files, stalled handshakes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use tempfile::TempDir;
use tenure::config::{Config, Tls};
use tokio::net::TcpStream;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tonic_health::pb::health_client::HealthClient;

use super::{Service, config, eventually, whole_server};

/// Who signs certificates, and what it has signed.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Authority {
            issuer: CertifiedIssuer::self_signed(params, key).expect("signed"),
        }
    }

    fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate and its key.
    fn sign(&self, purpose: ExtendedKeyUsagePurpose) -> (String, String) {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().expect("a key");
        let cert = params.signed_by(&key, &self.issuer).expect("signed");
        (cert.pem(), key.serialize_pem())
    }

    /// Writes the files of a server.
    fn equip(&self, directory: &Path) {
        let (cert, key) = self.sign(ExtendedKeyUsagePurpose::ServerAuth);
        fs::create_dir_all(directory).expect("a directory");
        fs::write(directory.join("tls.crt"), cert).expect("written");
        fs::write(directory.join("tls.key"), key).expect("written");
        fs::write(directory.join("ca.crt"), self.pem()).expect("written");
    }
}

fn with_tls(directory: &Path) -> Config {
    let mut config = config();
    config.grpc.tls = Some(Tls {
        cert: directory.join("tls.crt"),
        key: directory.join("tls.key"),
        client_ca: Some(directory.join("ca.crt")),
        client_optional: false,
    });
    config
}

/// Whether a client that trusts this authority, and shows a certificate that this other one has signed,
/// is served.
async fn is_served(service: &Service, trusted: &Authority, signer: Option<&Authority>) -> bool {
    let mut tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(trusted.pem()))
        .domain_name("localhost");
    if let Some(signer) = signer {
        let (cert, key) = signer.sign(ExtendedKeyUsagePurpose::ClientAuth);
        tls = tls.identity(Identity::from_pem(cert, key));
    }
    let endpoint = Endpoint::from_shared(format!("https://{}", service.grpc))
        .and_then(|endpoint| endpoint.tls_config(tls))
        .expect("settings");
    let Ok(channel) = endpoint.connect().await else {
        return false;
    };
    HealthClient::new(channel)
        .check(whole_server())
        .await
        .is_ok()
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

#[tokio::test]
async fn a_client_needs_a_certificate_of_the_right_authority() {
    let (ours, other, directory) = (Authority::new(), Authority::new(), directory());
    ours.equip(directory.path());
    for coalesce_writes in [true, false] {
        let mut config = with_tls(directory.path());
        config.grpc.coalesce_writes = coalesce_writes;
        let service = Service::start(config).await;
        assert!(is_served(&service, &ours, Some(&ours)).await);
        assert!(!is_served(&service, &ours, Some(&other)).await);
        assert!(!is_served(&service, &ours, None).await);
        service.stop().await.expect("a clean end");
    }
}

#[tokio::test]
async fn a_client_needs_none_where_none_is_asked_for() {
    let (ours, directory) = (Authority::new(), directory());
    ours.equip(directory.path());
    let mut config = with_tls(directory.path());
    config.grpc.tls.as_mut().expect("set").client_ca = None;
    let service = Service::start(config).await;
    assert!(is_served(&service, &ours, None).await);
}

#[tokio::test]
async fn handshakes_that_stall_hold_nobody_up() {
    let (ours, directory) = (Authority::new(), directory());
    ours.equip(directory.path());
    let service = Service::start(with_tls(directory.path())).await;
    let mut stalled = Vec::new();
    for _ in 0..50 {
        stalled.push(TcpStream::connect(service.grpc).await.expect("connected"));
    }
    let served = is_served(&service, &ours, Some(&ours));
    let served = tokio::time::timeout(Duration::from_secs(5), served).await;
    assert!(served.expect("held up"));
}

#[tokio::test]
async fn new_files_are_taken_as_kubernetes_replaces_them() {
    let (old, new, directory) = (Authority::new(), Authority::new(), directory());
    // A volume: ..data points to a directory of one version, the files point through it.
    let volume = directory.path();
    old.equip(&volume.join("..version_1"));
    symlink("..version_1", volume.join("..data")).expect("linked");
    for name in ["tls.crt", "tls.key", "ca.crt"] {
        symlink(Path::new("..data").join(name), volume.join(name)).expect("linked");
    }
    let service = Service::start(with_tls(volume)).await;
    assert!(is_served(&service, &old, Some(&old)).await);

    new.equip(&volume.join("..version_2"));
    symlink("..version_2", volume.join("..data_tmp")).expect("linked");
    fs::rename(volume.join("..data_tmp"), volume.join("..data")).expect("swapped");
    fs::remove_dir_all(volume.join("..version_1")).expect("removed");
    eventually("the new files are in force", async || {
        is_served(&service, &new, Some(&new)).await
    })
    .await;
    assert!(!is_served(&service, &new, Some(&old)).await);

    // A broken file leaves the last good ones in force.
    fs::write(volume.join("..version_2/tls.crt"), "broken").expect("written");
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!(is_served(&service, &new, Some(&new)).await);
    service.stop().await.expect("a clean end");
}
