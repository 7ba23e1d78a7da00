//! Client certificates over the wire.

use std::fs;
use std::path::Path;

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    SanType,
};
use secrecy::ExposeSecret as _;
use tenure::callers::new_key;
use tenure::config::{ApiKey, Callers, CertificateNames, Config, Tls};
use tonic::Code;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use super::raw::{self, Answered};
use super::{House, assert_unknown, bearer, config, rule};

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Authority(CertifiedIssuer::self_signed(params, key).expect("signed"))
    }

    fn sign(&self, purpose: ExtendedKeyUsagePurpose, names: Vec<SanType>) -> (String, String) {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.subject_alt_names = names;
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("signed");
        (certificate.pem(), key.serialize_pem())
    }

    /// A client with these URIs.
    fn client(&self, uris: &[&str]) -> Identity {
        let text = |uri: &&str| SanType::URI(Ia5String::try_from(*uri).expect("ASCII"));
        let names = uris.iter().map(text).collect();
        let (certificate, key) = self.sign(ExtendedKeyUsagePurpose::ClientAuth, names);
        Identity::from_pem(certificate, key)
    }

    fn serve(&self, directory: &Path) -> Config {
        let localhost = SanType::DnsName(Ia5String::try_from("localhost").expect("ASCII"));
        let (certificate, key) = self.sign(ExtendedKeyUsagePurpose::ServerAuth, vec![localhost]);
        let path = |name: &str, text: &str| {
            let path = directory.join(name);
            fs::write(&path, text).expect("written");
            path
        };
        let mut config = config();
        config.grpc.tls = Some(Tls {
            cert: path("tls.crt", &certificate),
            key: path("tls.key", &key),
            client_ca: Some(path("ca.crt", &self.0.pem())),
            client_optional: false,
        });
        config.callers.certificates = CertificateNames::Spiffe;
        let crm = "spiffe://prod/ns/*/sa/crm";
        config.policy = vec![
            rule("crm", crm, &["server"], "crm", "*"),
            rule("keys", "apikey:*", &["server"], "crm", "*"),
        ];
        config
    }

    async fn list(
        &self,
        house: &House,
        identity: Option<Identity>,
        headers: &[(&'static str, &str)],
    ) -> Option<Answered> {
        let mut tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(self.0.pem()))
            .domain_name("localhost");
        if let Some(identity) = identity {
            tls = tls.identity(identity);
        }
        let endpoint = Endpoint::from_shared(format!("https://{}", house.grpc))
            .and_then(|endpoint| endpoint.tls_config(tls))
            .expect("settings");
        let channel = endpoint.connect().await.ok()?;
        let request = raw::request("ListSessions", "crm", "acme");
        let path = "/tenure.v1.SessionService/ListSessions";
        Some(raw::call(channel, path, headers, request).await)
    }
}

#[tokio::test]
async fn a_spiffe_id_is_a_caller() {
    let (authority, directory) = (Authority::new(), tempfile::tempdir().expect("a directory"));
    let house = House::start(authority.serve(directory.path())).await;
    let as_client = async |uris: &[&str]| {
        let identity = Some(authority.client(uris));
        authority
            .list(&house, identity, &[])
            .await
            .expect("connected")
    };
    assert_eq!(
        as_client(&["spiffe://prod/ns/mcp/sa/crm"]).await.code,
        Code::Ok
    );
    let other = as_client(&["spiffe://prod/ns/mcp/sa/billing"]).await;
    assert_eq!(other.reason, "CALLER_NOT_ALLOWED");
    let two = as_client(&["spiffe://prod/ns/mcp/sa/crm", "spiffe://prod/ns/mcp/sa/b"]).await;
    assert_unknown(&two, "two URIs");
    let none = as_client(&[]).await;
    assert_eq!(none, two);
    assert_eq!(as_client(&["https://prod/ns/mcp/sa/crm"]).await, two);
    assert_eq!(as_client(&["spiffe://prod/ns/mcp/sa/crm/"]).await, two);
}

#[tokio::test]
async fn what_is_shown_beside_a_certificate_decides() {
    let (authority, directory) = (Authority::new(), tempfile::tempdir().expect("a directory"));
    let (key, hash) = new_key();
    let mut settings = authority.serve(directory.path());
    let api_key = ApiKey {
        hashes: vec![hash],
        hash_file: None,
    };
    settings.callers = Callers {
        api_keys: vec![("crm".to_owned(), api_key)],
        ..settings.callers
    };
    let strict = House::start(settings.clone()).await;
    settings.grpc.tls.as_mut().expect("set").client_optional = true;
    let optional = House::start(settings).await;
    let key = bearer(key.expose_secret());
    let headers = [("authorization", &*key)];

    let stranger = || Some(authority.client(&["spiffe://prod/ns/mcp/sa/stranger"]));
    let known = || Some(authority.client(&["spiffe://prod/ns/mcp/sa/crm"]));
    let answered = authority.list(&strict, stranger(), &headers).await;
    assert_eq!(
        answered.expect("connected").code,
        Code::Ok,
        "known by its key"
    );
    let bad = [("authorization", "Bearer tnr_bad")];
    let answered = authority.list(&strict, known(), &bad).await;
    assert_unknown(&answered.expect("connected"), "a bad key is not made good");

    let refused = authority.list(&strict, None, &headers).await;
    assert!(
        refused.is_none_or(|answered| answered.code != Code::Ok),
        "a certificate is asked for"
    );
    let answered = authority.list(&optional, None, &headers).await;
    assert_eq!(answered.expect("connected").code, Code::Ok);
    let answered = authority.list(&optional, None, &[]).await;
    assert_unknown(&answered.expect("connected"), "neither");
}
