//! What is sent to a collector, as a collector receives it that is built from OpenTelemetry's own protos.

pub(crate) mod collector;
mod every_metric;
mod outgoing;

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use tenure_client::proto::v1::session_service_client::SessionServiceClient;
use tenure_client::proto::v1::{CreateSessionRequest, GetSessionRequest, Owner};
use tonic::transport::Channel;
use tonic::{Code, Request};

use self::collector::{Collector, Manner};
use crate::support::redis::{Certificates, wait_until};
use crate::support::service::Service;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
/// What must not leave the service anywhere.
const CANARY: &str = "canary-7f3a9c51";

fn ann() -> Owner {
    Owner {
        tenant: format!("{CANARY}-tenant"),
        user: format!("{CANARY}-user"),
        issuer: "idp".to_owned(),
    }
}

fn create() -> CreateSessionRequest {
    CreateSessionRequest {
        namespace: "crm".to_owned(),
        owner: Some(ann()),
        ..CreateSessionRequest::default()
    }
}

/// Of an owner of its own, so that no limit is reached.
fn create_of(number: usize) -> CreateSessionRequest {
    let user = format!("{CANARY}-{number}");
    CreateSessionRequest {
        owner: Some(Owner { user, ..ann() }),
        ..create()
    }
}

fn get(session_id: &str) -> GetSessionRequest {
    GetSessionRequest {
        namespace: "crm".to_owned(),
        owner: Some(ann()),
        session_id: session_id.to_owned(),
        ..GetSessionRequest::default()
    }
}

fn with<T>(message: T, metadata: &[(&'static str, &str)]) -> Request<T> {
    let mut request = Request::new(message);
    for (name, value) in metadata {
        let value = value.parse().expect("a header value");
        request.metadata_mut().insert(*name, value);
    }
    request
}

fn sessions(service: &Service) -> SessionServiceClient<Channel> {
    let endpoint = Channel::from_shared(service.url()).expect("an address");
    SessionServiceClient::new(endpoint.connect_lazy())
}

fn config(collector: &str, more: &str) -> String {
    format!(
        "[log]\nfilter = \"info\"\nformat = \"json\"\n[namespaces.crm]\n\
         [telemetry]\notlp_endpoint = \"{collector}\"\nmetrics_interval = \"100ms\"\n{more}"
    )
}

fn texts(attributes: &[KeyValue]) -> HashMap<&str, String> {
    let text = |attribute: &KeyValue| match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        _ => None,
    };
    let pairs = attributes.iter();
    pairs
        .filter_map(|attribute| Some((attribute.key.as_str(), text(attribute)?)))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_metrics_and_lines_arrive() {
    let collector = Collector::start(Manner::Takes).await;
    let headers = "otlp_headers = \"x-key=opens-the-door, x-other=2\"\ntrace_ratio = 0\n";
    let mut service = Service::start_with("memory:", &config(&collector.url(), headers));
    let mut calls = sessions(&service);

    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let metadata = [
        ("traceparent", traceparent.as_str()),
        ("tenure-correlation-id", "mine"),
    ];
    let created = calls.create_session(with(create(), &metadata)).await;
    let id = created
        .expect("made")
        .into_inner()
        .session
        .expect("a session")
        .id;
    // In no trace, and in one that its caller does not record.
    calls.get_session(get(&id)).await.expect("read");
    let unrecorded = format!("00-{TRACE}-{PARENT}-00");
    let unrecorded = [("traceparent", unrecorded.as_str())];
    calls
        .get_session(with(get(&id), &unrecorded))
        .await
        .expect("read");
    let missing = [("traceparent", traceparent.as_str())];
    let missing = calls
        .get_session(with(get("0123456789abcdef"), &missing))
        .await;
    assert_eq!(missing.expect_err("not there").code(), Code::NotFound);

    wait_until("metrics arrive", || {
        count(&collector, "rpc.server.call.duration", "OK") == 3
    });
    // What waits still is sent at the end.
    assert!(service.stop());

    let spans = collector.spans();
    let by_name =
        |name: &str| -> Vec<&Span> { spans.iter().filter(|span| span.name == name).collect() };
    let create = by_name("tenure.v1.SessionService/CreateSession");
    let [create] = create[..] else {
        panic!("one call: {spans:#?}");
    };
    assert_eq!(hex(&create.trace_id), TRACE);
    assert_eq!(hex(&create.parent_span_id), PARENT);
    assert_eq!(create.kind(), SpanKind::Server);
    let attributes = texts(&create.attributes);
    assert_eq!(attributes["rpc.system.name"], "grpc");
    assert_eq!(
        attributes["rpc.method"],
        "tenure.v1.SessionService/CreateSession"
    );
    assert_eq!(attributes["rpc.response.status_code"], "OK");
    let store = by_name("create");
    let [store] = store[..] else {
        panic!("one step of the store: {spans:#?}");
    };
    assert_eq!(store.parent_span_id, create.span_id);
    assert_eq!(store.trace_id, create.trace_id);
    assert!(store.start_time_unix_nano >= create.start_time_unix_nano);
    assert!(store.end_time_unix_nano <= create.end_time_unix_nano);
    let get = by_name("tenure.v1.SessionService/GetSession");
    let [get] = get[..] else {
        panic!("one recorded Get: {spans:#?}");
    };
    assert_eq!(
        texts(&get.attributes)["rpc.response.status_code"],
        "NOT_FOUND"
    );
    // The caller's own fault is none of the server's.
    assert_eq!(get.status.as_ref().map_or(0, |status| status.code), 0);

    assert_eq!(
        count(&collector, "rpc.server.call.duration", "NOT_FOUND"),
        1
    );
    let lines = collector.lines();
    let line = lines
        .iter()
        .find(|line| {
            texts(&line.attributes)
                .get("event")
                .is_some_and(|event| event == "created")
        })
        .expect("the line of the creation");
    assert_eq!(hex(&line.trace_id), TRACE);
    assert_eq!(line.span_id, create.span_id);
    assert_eq!(line.severity_text, "INFO");
    assert_eq!(texts(&line.attributes)["correlation_id"], "mine");

    is_who_sends(&collector);
    let everything = format!("{:?}", collector.everything()) + &service.log();
    for secret in [CANARY, &id, "opens-the-door"] {
        assert!(
            !everything.contains(secret),
            "{secret} got out: {everything}"
        );
    }
    let log = service.log();
    let line = log
        .lines()
        .find(|line| line.contains("\"event\":\"created\""));
    let line = line.expect("the line of the creation");
    for part in [TRACE, "\"correlation_id\":\"mine\""] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

/// Each request says what the settings want it to, and all say the same of who sends.
fn is_who_sends(collector: &Collector) {
    for request in collector.metadata() {
        assert_eq!(request.get("x-key").expect("a header"), "opens-the-door");
        assert_eq!(request.get("x-other").expect("a header"), "2");
    }
    let resource = collector.resource();
    assert_eq!(resource["service.name"], "tenure");
    assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
}

/// How many calls the newest metrics have, by code.
fn count(collector: &Collector, name: &str, code: &str) -> u64 {
    let Some(metrics) = collector.metrics() else {
        return 0;
    };
    let metric = metrics.iter().find(|metric| metric.name == name);
    let Some(Data::Histogram(histogram)) = metric.and_then(|metric| metric.data.as_ref()) else {
        return 0;
    };
    let with_code = histogram.data_points.iter().filter(|point| {
        let sum: u64 = point.bucket_counts.iter().sum();
        assert_eq!(sum, point.count);
        assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
        texts(&point.attributes)["rpc.response.status_code"] == code
    });
    with_code.map(|point| point.count).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn some_of_the_calls_that_are_in_no_trace_begin_one() {
    let collector = Collector::start(Manner::Takes).await;
    let mut service =
        Service::start_with("memory:", &config(&collector.url(), "trace_ratio = 0.5\n"));
    let mut calls = sessions(&service);
    for number in 0..200 {
        calls.create_session(create_of(number)).await.expect("made");
    }
    assert!(service.stop());
    let spans = collector.spans();
    let recorded = spans.iter().filter(|span| span.kind() == SpanKind::Server);
    let recorded: Vec<&Span> = recorded.collect();
    assert!(recorded.iter().all(|span| span.parent_span_id.is_empty()));
    assert!((50..150).contains(&recorded.len()), "{}", recorded.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_or_is_away_costs_nothing_but_telemetry() {
    let hanging = Collector::start(Manner::Hangs).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let away = format!("http://{}", free.local_addr().expect("an address"));
    drop(free);
    for url in [hanging.url(), away] {
        let settings = "otlp_timeout = \"200ms\"\ntrace_ratio = 1\n";
        let mut service = Service::start_with("memory:", &config(&url, settings));
        let mut calls = sessions(&service);
        // More than the queues hold.
        for number in 0..5000 {
            calls.create_session(create_of(number)).await.expect("made");
        }
        let lost = |signal: &str| {
            let (_, metrics) = service.http("/metrics");
            let series = format!("tenure_telemetry_lost_total{{signal=\"{signal}\"}} ");
            let value = metrics.lines().find_map(|line| line.strip_prefix(&series));
            value.expect("a series").parse::<u64>().expect("a number")
        };
        wait_until("the loss is counted", || {
            ["traces", "metrics", "logs"]
                .iter()
                .all(|signal| lost(signal) > 0)
        });
        assert!(
            service
                .log()
                .contains("the collector does not take telemetry")
        );
        let began = Instant::now();
        assert!(service.stop());
        // The longest wait for the last of it, and some for the rest.
        assert!(began.elapsed() < Duration::from_mins(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_is_reached_over_tls() {
    let certificates = Certificates::make();
    let collector = Collector::start_with(Manner::Takes, Some(&certificates)).await;
    let ours = format!(
        "trace_ratio = 1\notlp_tls_ca = {:?}\notlp_tls_cert = {:?}\notlp_tls_key = {:?}\n",
        certificates.ca(),
        certificates.client_cert(),
        certificates.client_key(),
    );
    let mut service = Service::start_with("memory:", &config(&collector.url(), &ours));
    sessions(&service)
        .create_session(create())
        .await
        .expect("made");
    wait_until("metrics arrive", || {
        count(&collector, "rpc.server.call.duration", "OK") == 1
    });
    assert!(service.stop());
    let names: Vec<String> = collector
        .spans()
        .into_iter()
        .map(|span| span.name)
        .collect();
    assert!(names.iter().any(|name| name.ends_with("/CreateSession")));
    assert!(!collector.lines().is_empty());

    // Neither a collector that somebody else vouches for, nor one that does not know us, gets anything.
    let somebody = Certificates::make();
    let unknown = format!("otlp_tls_ca = {:?}\n", somebody.ca());
    let nameless = format!("otlp_tls_ca = {:?}\n", certificates.ca());
    for settings in [unknown, nameless] {
        let collector = Collector::start_with(Manner::Takes, Some(&certificates)).await;
        let service = Service::start_with("memory:", &config(&collector.url(), &settings));
        wait_until("the loss is counted", || {
            let (_, metrics) = service.http("/metrics");
            let series = "tenure_telemetry_lost_total{signal=\"metrics\"} ";
            let lost = metrics.lines().find_map(|line| line.strip_prefix(series));
            lost.expect("a series") != "0"
        });
        assert!(collector.metrics().is_none());
    }
}

/// The names in the first column of the table of fields.
fn documented() -> BTreeSet<String> {
    let text = include_str!("../../docs/LOGGING.md");
    let (_, fields) = text.split_once("## Fields").expect("its chapter");
    let (fields, _) = fields.split_once("\n## ").expect("the next chapter");
    let rows = fields.lines().filter(|line| line.starts_with("| `"));
    let firsts = rows.filter_map(|row| row.split('|').nth(1));
    let names = firsts.flat_map(|first| first.split('`').skip(1).step_by(2));
    names.map(ToOwned::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_has_the_fields_that_its_page_lists() {
    let config =
        "[log]\nfilter = \"debug\"\nformat = \"json\"\n[store]\nsweep_interval = \"100ms\"\n";
    let service = Service::start_with("memory:", config);
    let mut calls = sessions(&service);
    let traceparent = format!("00-{TRACE}-{PARENT}-00");
    let metadata = [("traceparent", traceparent.as_str())];
    let created = calls.create_session(with(create(), &metadata)).await;
    let id = created
        .expect("made")
        .into_inner()
        .session
        .expect("a session")
        .id;
    calls.get_session(get(&id)).await.expect("read");
    let mut foreign = get(&id);
    foreign.owner = create_of(1).owner;
    calls.get_session(foreign).await.expect_err("not theirs");
    let mut short = create();
    short.idle_ttl = Some(prost_types::Duration {
        seconds: 1,
        nanos: 0,
    });
    calls.create_session(short).await.expect("made");
    let lines = || -> Vec<serde_json::Map<String, serde_json::Value>> {
        let log = service.log();
        let whole = log
            .lines()
            .map(|line| serde_json::from_str(line).expect("an object"));
        whole.collect()
    };
    for event in ["created", "retrieved", "ownership_violation", "ended"] {
        wait_until(event, || {
            lines()
                .iter()
                .any(|line| line.get("event").is_some_and(|other| other == event))
        });
    }
    let documented = documented();
    let mut seen = BTreeSet::new();
    for line in lines() {
        for common in ["timestamp", "level", "target"] {
            assert!(line.contains_key(common), "{common}: {line:?}");
        }
        let event = line.get("event").and_then(serde_json::Value::as_str);
        if line["target"] == "tenure::lifecycle" {
            let unknown = line.keys().find(|key| !documented.contains(*key));
            assert_eq!(unknown, None, "{line:?}");
            // What expires does so without a call.
            let about_a_call = event != Some("ended");
            for key in ["rpc", "correlation_id", "caller"] {
                assert_eq!(line.contains_key(key), about_a_call, "{key}: {line:?}");
            }
        }
        if event == Some("created") && line.contains_key("trace_id") {
            assert_eq!(line["trace_id"], TRACE);
            assert_eq!(line["span_id"], PARENT);
        }
        seen.extend(line.keys().cloned());
    }
    let missing: Vec<_> = documented.difference(&seen).collect();
    assert!(missing.is_empty(), "never seen: {missing:?}");
    for secret in [CANARY, &id] {
        assert!(!service.log().contains(secret), "{secret}");
    }
}
