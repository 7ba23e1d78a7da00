use axum::Router;
use axum::extract::Extension;
use axum::routing::get;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tonic::body::Body;

use super::*;

fn common(certificates: Option<Certificates>, coalesce_writes: bool) -> Arc<Common> {
    let config = config::Grpc {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        insecure: false,
        tls: None,
        threads: None,
        max_message_bytes: 1024 * 1024,
        max_concurrent_streams: 128,
        max_header_list_bytes: 16 * 1024,
        max_in_flight: 100,
        max_connection_age: None,
        keepalive_interval: Duration::from_secs(30),
        coalesce_writes,
        drain_grace: Duration::from_secs(1),
        watch_heartbeat: Duration::from_secs(10),
    };
    Arc::new(Common {
        config,
        readiness: Readiness::new(),
        metrics: Arc::new(Metrics::new([])),
        certificates: certificates.map(Arc::new),
        stopping: CancellationToken::new(),
        abort: CancellationToken::new(),
    })
}

/// Both ends of a connection: the client's, and what the accepting task hands over.
async fn connect() -> (TcpStream, Accepted) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address");
    let client = TcpStream::connect(address).await.expect("connected");
    let (server, address) = listener.accept().await.expect("accepted");
    (client, (server.into_std().expect("a socket"), address))
}

/// Answers with what the request knows of its peer.
fn who(
    mut request: Request<Incoming>,
    peer: &Peer,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + use<> {
    request.extensions_mut().insert(peer.clone());
    let who = async |Extension(peer): Extension<Peer>| {
        let first = peer.certificates.first().map_or(&[][..], |first| first);
        let certificates = peer.certificates.len();
        format!("{} {certificates} {first:?}", peer.address)
    };
    let routes = Routes::from(Router::new().route("/who", get(who)));
    routes.oneshot(request)
}

/// Asks [`who`].
async fn ask(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> String {
    let (mut requests, connection) = h2::client::handshake(io).await.expect("HTTP/2");
    tokio::spawn(connection);
    let request = Request::get("https://localhost/who").body(());
    let (answer, _) = requests
        .send_request(request.expect("a request"), true)
        .expect("sent");
    let mut body = answer.await.expect("answered").into_body();
    let mut text = Vec::new();
    while let Some(data) = body.data().await {
        text.extend_from_slice(&data.expect("data"));
    }
    String::from_utf8(text).expect("text")
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_is_shown_out_in_time() {
    let (mut client, (stream, address)) = connect().await;
    let start = Instant::now();
    serve(common(None, true), who, stream, address).await;
    assert!(start.elapsed() >= HANDSHAKE_TIMEOUT);
    assert!(start.elapsed() < HANDSHAKE_TIMEOUT * 2);
    assert_eq!(client.read(&mut [0]).await.expect("closed"), 0);
}

#[tokio::test]
async fn a_request_knows_its_peer() {
    for coalesce_writes in [true, false] {
        let (client, (stream, address)) = connect().await;
        tokio::spawn(serve(common(None, coalesce_writes), who, stream, address));
        assert_eq!(ask(client).await, format!("{address} 0 []"));
    }
}

#[tokio::test]
async fn a_request_knows_its_peers_certificate() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name, content: String| {
        let path = directory.path().join(name);
        std::fs::write(&path, content).expect("written");
        path
    };
    let files = config::Tls {
        cert: file("cert", cert.pem()),
        key: file("key", signing_key.serialize_pem()),
        client_ca: Some(file("ca", cert.pem())),
        client_optional: false,
    };
    let certificates = Certificates::load(files).expect("good files");

    let shown: CertificateDer<'static> = cert.der().clone();
    let mut roots = RootCertStore::empty();
    roots.add(shown.clone()).expect("a root");
    let key = PrivateKeyDer::from_pem_slice(signing_key.serialize_pem().as_bytes());
    let mut tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![shown.clone()], key.expect("a key"))
        .expect("a certificate");
    tls.alpn_protocols = vec![b"h2".to_vec()];

    let (client, (stream, address)) = connect().await;
    let common = common(Some(certificates), true);
    tokio::spawn(serve(common, who, stream, address));
    let name = ServerName::try_from("localhost").expect("a name");
    let client = TlsConnector::from(Arc::new(tls))
        .connect(name, client)
        .await
        .expect("a handshake");
    assert_eq!(client.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let der: &[u8] = &shown;
    assert_eq!(ask(client).await, format!("{address} 1 {der:?}"));
}

#[test]
fn jitter_stays_within_a_tenth() {
    let age = Duration::from_secs(100);
    let aged: Vec<f64> = (0..1000).map(|_| with_jitter(age).as_secs_f64()).collect();
    assert!(aged.iter().all(|age| (89.9..110.1).contains(age)));
    assert!(aged.iter().any(|age| *age < 93.0) && aged.iter().any(|age| *age > 107.0));
}
