//! Requests that go out of the service on behalf of a call are part of its trace.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tonic::Code;

use super::collector::{Collector, Manner};
use super::{PARENT, TRACE, config, create, hex, sessions, texts, with};
use crate::support::redis::wait_until;
use crate::support::service::Service;

/// The `traceparent` of each fetch of an issuer's keys.
type Fetches = Arc<Mutex<Vec<Option<String>>>>;

/// An issuer whose only key nobody has signed with.
async fn issuer() -> (String, Fetches) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address");
    let fetches = Fetches::default();
    let seen = Arc::clone(&fetches);
    let fetch = async move |headers: HeaderMap| {
        let traceparent = headers.get("traceparent");
        let traceparent = traceparent.map(|text| text.to_str().expect("a text").to_owned());
        seen.lock().push(traceparent);
        r#"{"keys":[{"kty":"OKP","crv":"Ed25519","use":"sig","kid":"other",
            "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#
    };
    let router = Router::new().route("/jwks", get(fetch));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}/jwks"), fetches)
}

/// Of a key that is not known.
fn token() -> String {
    let [header, claims, signature] = [
        r#"{"alg":"EdDSA","kid":"unknown"}"#,
        r#"{"iss":"https://issuer.example","sub":"crm","aud":"tenure","exp":9999999999}"#,
        "no signature",
    ]
    .map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("Bearer {header}.{claims}.{signature}")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_an_issuer_are_fetched_within_the_trace() {
    let collector = Collector::start(Manner::Takes).await;
    let (url, fetches) = issuer().await;
    let settings = format!(
        "trace_ratio = 0\n[callers]\njwks_cooldown = \"1s\"\n\
         [callers.jwt.idp]\nissuer = \"https://issuer.example\"\naudiences = [\"tenure\"]\n\
         algorithms = [\"EdDSA\"]\njwks_url = \"{url}\"\n\
         [policy.all]\ncallers = [\"jwt:idp:*\"]\nallow = [\"server\"]\nnamespaces = [\"*\"]\n"
    );
    let mut service = Service::start_with("memory:", &config(&collector.url(), &settings));
    wait_until("the first fetch", || fetches.lock().len() == 1);
    assert_eq!(fetches.lock()[0], None, "nobody's");
    let (authorization, traceparent) = (token(), format!("00-{TRACE}-{PARENT}-01"));
    let metadata = [
        ("authorization", authorization.as_str()),
        ("traceparent", traceparent.as_str()),
    ];
    let mut calls = sessions(&service);
    let refused = calls.create_session(with(create(), &metadata)).await;
    let refused = refused.expect_err("not known");
    assert_eq!(refused.code(), Code::Unauthenticated);
    wait_until("the fetch for the call", || fetches.lock().len() == 2);
    assert!(service.stop());
    let spans: HashMap<_, _> = collector
        .spans()
        .into_iter()
        .map(|span| (span.kind(), span))
        .collect();
    let (call, fetch) = (&spans[&SpanKind::Server], &spans[&SpanKind::Client]);
    assert_eq!(fetch.name, "GET");
    assert_eq!(hex(&fetch.trace_id), TRACE);
    assert_eq!(fetch.parent_span_id, call.span_id);
    assert_eq!(texts(&fetch.attributes)["server.address"], "127.0.0.1");
    let carried = format!("00-{TRACE}-{}-01", hex(&fetch.span_id));
    assert_eq!(fetches.lock()[1].as_deref(), Some(carried.as_str()));
}
