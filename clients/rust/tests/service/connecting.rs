//! How a client finds its service, and what travels beside a request.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tenure_client::proto::v1;
use tenure_client::testing::Server;
use tenure_client::{Code, Error, ErrorKind, Options, Pem, Tenure, TraceContext};

use super::repeating::session;
use super::scripted::{Scripted, fail, say};

const ID: &str = "session-0123456789";

async fn get(tenure: &Tenure) -> Result<(), Error> {
    let sessions = tenure.namespace("crm").owner("acme", "ada");
    sessions.get(ID).correlation_id("from-the-caller").await?;
    Ok(())
}

/// The header's values of the calls so far.
fn sent(service: &Scripted, header: &str) -> Vec<String> {
    let asked = service.asked("GetSession");
    let headers = asked.iter().filter_map(|asked| asked.headers.get(header));
    headers
        .map(|value| value.to_str().expect("text").to_owned())
        .collect()
}

fn service() -> Scripted {
    let service = Scripted::start();
    let session = Some(session(1, None));
    service.answers("GetSession", [say(&v1::GetSessionResponse { session })]);
    service
}

#[tokio::test]
async fn tokens_are_asked_for_and_keys_travel_alike() {
    let service = service();
    let options = || service.options();
    get(&Tenure::lazy(options().api_key("tnr_key")).expect("options"))
        .await
        .expect("read");
    let asked = AtomicUsize::new(0);
    let fresh = options().token_from(move || {
        let token = format!("token-{}", asked.fetch_add(1, Ordering::Relaxed));
        async { Ok::<_, Error>(token) }
    });
    let fresh = Tenure::lazy(fresh).expect("options");
    get(&fresh).await.expect("read");
    get(&fresh).await.expect("read");
    let wanted = ["Bearer tnr_key", "Bearer token-0", "Bearer token-1"];
    assert_eq!(sent(&service, "authorization"), wanted);
    assert_eq!(
        sent(&service, "tenure-correlation-id"),
        ["from-the-caller"; 3]
    );

    let failing = options().token_from(|| async { Err::<String, _>("the issuer is away") });
    let error = get(&Tenure::lazy(failing).expect("options"))
        .await
        .expect_err("no token");
    assert_eq!(*error.kind(), ErrorKind::CallerUnknown);
    let bad = Tenure::lazy(options().token("canary\n")).expect_err("refused");
    assert!(!bad.to_string().contains("canary"));
    assert_eq!(service.asked("GetSession").len(), 3);
}

#[tokio::test]
async fn a_users_token_goes_with_each_request_of_its_owner() {
    let service = service();
    let session = Some(session(1, None));
    let away = fail(Code::Unavailable, "STORE_UNAVAILABLE", None);
    let read = say(&v1::GetSessionResponse { session });
    service.answers("GetSession", [away, read]);
    let tenure = service.tenure();
    let crm = tenure.namespace("crm");
    let asked = AtomicUsize::new(0);
    let ada = crm.owner("acme", "ada").user_token_from(move || {
        let token = format!("t-{}", asked.fetch_add(1, Ordering::Relaxed));
        async { Ok::<_, Error>(token) }
    });
    ada.get(ID).await.expect("read");
    crm.owner("acme", "bob")
        .user_token("bobs")
        .get(ID)
        .await
        .expect("read");
    crm.owner("acme", "eve").get(ID).await.expect("read");
    assert_eq!(sent(&service, "tenure-user-token"), ["t-0", "t-1", "bobs"]);
    let bad = crm
        .owner("acme", "ada")
        .user_token("canary\n")
        .get(ID)
        .await;
    assert!(!bad.expect_err("refused").to_string().contains("canary"));
}

#[tokio::test]
async fn a_users_token_is_not_sent_where_others_can_read_it() {
    let options = || Options::new("http://tenure.invalid:1").repetitions(0);
    let get = async |options| {
        let tenure = Tenure::lazy(options).expect("options");
        let ada = tenure.namespace("crm").owner("acme", "ada");
        ada.user_token("t").get(ID).await.expect_err("fails")
    };
    let refused = get(options()).await;
    assert!(refused.is_refused() && refused.to_string().contains("unencrypted"));
    assert!(!get(options().allow_plaintext_token()).await.is_refused());
}

#[tokio::test]
async fn a_call_has_ten_seconds_unless_told_otherwise() {
    let service = service();
    let tenure = service.tenure();
    let ada = tenure.namespace("crm").owner("acme", "ada");
    ada.get(ID).await.expect("read");
    ada.get(ID)
        .timeout(Duration::from_mins(1))
        .await
        .expect("read");
    let seconds = |text: &String| {
        let (number, unit) = text.split_at(text.len() - 1);
        let factor = match unit {
            "u" => 1e-6,
            "m" => 1e-3,
            "S" => 1.0,
            other => panic!("{other} is no unit that was expected"),
        };
        number.parse::<f64>().expect("a number") * factor
    };
    let given: Vec<_> = sent(&service, "grpc-timeout").iter().map(seconds).collect();
    assert!(given[0] > 5.0 && given[0] <= 10.0, "{given:?}");
    assert!(given[1] > 10.0 && given[1] <= 60.0, "{given:?}");
}

#[tokio::test]
async fn the_trace_goes_on() {
    let service = service();
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let options = service.options().trace_context_from(move || {
        Some(TraceContext {
            traceparent: parent.to_owned(),
            tracestate: "vendor=1".to_owned(),
        })
    });
    get(&Tenure::lazy(options).expect("options"))
        .await
        .expect("read");
    assert_eq!(sent(&service, "traceparent"), [parent]);
    assert_eq!(sent(&service, "tracestate"), ["vendor=1"]);
    get(&service.tenure()).await.expect("read");
    assert_eq!(sent(&service, "traceparent").len(), 1);
}

#[cfg(feature = "opentelemetry")]
#[tokio::test]
async fn the_current_span_is_the_parent() {
    use opentelemetry::trace::{
        FutureExt as _, SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
    };
    let service = service();
    let span = SpanContext::new(
        TraceId::from(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c),
        SpanId::from(0xb7ad_6b71_6920_3331),
        TraceFlags::SAMPLED,
        false,
        TraceState::from_key_value([("vendor", "1")]).expect("a state"),
    );
    let context = opentelemetry::Context::new().with_remote_span_context(span);
    let tenure = service.tenure();
    get(&tenure).with_context(context).await.expect("read");
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert_eq!(sent(&service, "traceparent"), [parent]);
    assert_eq!(sent(&service, "tracestate"), ["vendor=1"]);
    get(&tenure).await.expect("read");
    assert_eq!(sent(&service, "traceparent").len(), 1);
}

/// An authority, with certificates for a service and a client.
struct Certificates {
    home: tempfile::TempDir,
}

impl Certificates {
    fn new() -> Certificates {
        let home = tempfile::tempdir().expect("a directory");
        let mut authority = rcgen::CertificateParams::default();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().expect("a key");
        let authority = rcgen::CertifiedIssuer::self_signed(authority, key).expect("an authority");
        let certificates = Certificates { home };
        std::fs::write(certificates.file("ca.pem"), authority.pem()).expect("written");
        for (name, hosts) in [
            ("server", vec!["localhost", "127.0.0.1"]),
            ("client", vec!["mcp.example"]),
        ] {
            let hosts: Vec<String> = hosts.into_iter().map(ToOwned::to_owned).collect();
            let params = rcgen::CertificateParams::new(hosts).expect("names");
            let key = rcgen::KeyPair::generate().expect("a key");
            let cert = params.signed_by(&key, &authority).expect("signed");
            std::fs::write(certificates.file(&format!("{name}.pem")), cert.pem()).expect("written");
            let key_file = certificates.file(&format!("{name}.key"));
            std::fs::write(&key_file, key.serialize_pem()).expect("written");
            #[cfg(unix)]
            std::fs::set_permissions(
                &key_file,
                std::os::unix::fs::PermissionsExt::from_mode(0o600),
            )
            .expect("private");
        }
        certificates
    }

    fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn server(&self, mutual: bool) -> Server {
        let set = |key: &str, file: &str| format!("grpc.{key}={}", self.file(file).display());
        let mut settings = vec![set("tls_cert", "server.pem"), set("tls_key", "server.key")];
        if mutual {
            settings.push(set("tls_client_ca", "ca.pem"));
        }
        let arguments = settings
            .iter()
            .flat_map(|setting| ["--set", setting.as_str()]);
        Server::start_with(&arguments.collect::<Vec<_>>()).expect("a service")
    }
}

async fn connects(options: Options) -> Result<(), Error> {
    let tenure = Tenure::connect(options.repetitions(0)).await?;
    tenure
        .namespace("tls")
        .owner("acme", "ada")
        .create()
        .await?;
    Ok(())
}

#[tokio::test]
async fn tls_checks_the_service() {
    let certificates = Certificates::new();
    let server = certificates.server(false);
    let ca = certificates.file("ca.pem");
    connects(Options::new(server.address()).ca(ca.clone()))
        .await
        .expect("trusted");
    let text = Pem::Text(std::fs::read(&ca).expect("readable"));
    let tokens = Options::new(&format!("https://{}", server.address()))
        .ca(text)
        .token("t");
    // The service has no rules for tokens; what matters is that one may travel.
    let _ = connects(tokens).await;
    let unknown = connects(Options::new(&format!("https://{}", server.address())));
    assert!(unknown.await.expect_err("unknown").is_retryable());
    let named = Options::new(server.address())
        .ca(ca.clone())
        .server_name("localhost");
    connects(named).await.expect("its other name");
    let wrong = Options::new(server.address())
        .ca(ca)
        .server_name("elsewhere.example");
    connects(wrong).await.expect_err("not its name");
}

#[tokio::test]
async fn mutual_tls_shows_the_client() {
    let certificates = Certificates::new();
    let server = certificates.server(true);
    let options = || Options::new(server.address()).ca(certificates.file("ca.pem"));
    let (cert, key) = (
        certificates.file("client.pem"),
        certificates.file("client.key"),
    );
    connects(options().identity(cert.clone(), key.clone()))
        .await
        .expect("known");
    let error = connects(options()).await.expect_err("nobody");
    assert_eq!(*error.kind(), ErrorKind::Unavailable);
    let variables = [
        ("TENURE_SERVER", format!("https://{}", server.address())),
        (
            "TENURE_TLS_CA",
            certificates.file("ca.pem").display().to_string(),
        ),
        ("TENURE_TLS_CERT", cert.display().to_string()),
        ("TENURE_TLS_KEY", key.display().to_string()),
    ];
    let variable = |name: &str| {
        let mut variables = variables.iter();
        variables
            .find(|(own, _)| *own == name)
            .map(|(_, value)| value.clone())
    };
    connects(Options::from_variables(variable).expect("sound"))
        .await
        .expect("known");
}
