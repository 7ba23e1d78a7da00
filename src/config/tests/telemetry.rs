//! The settings of what is sent to a collector: whole, or refused.

use std::fs;

use super::{faults, load};

const TO: &str = "[telemetry]\notlp_endpoint = \"https://collector:4317\"\n";

#[test]
fn half_a_configuration_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x-key: no\n").unwrap();
    let file = file.display();
    let plain = "[telemetry]\notlp_endpoint = \"http://collector:4317\"\n";
    let table = [
        (
            "telemetry.trace_ratio = 0.5".to_owned(),
            "there is no collector",
        ),
        (
            "telemetry.otlp_headers = \"a=b\"".to_owned(),
            "there is no collector",
        ),
        (
            "telemetry.trace_ratio = 1.5".to_owned(),
            "is no share; write a number from 0 to 1",
        ),
        ("telemetry.trace_ratio = \"1\"".to_owned(), "without quotes"),
        (
            "telemetry.otlp_endpoint = \"collector:4317\"".to_owned(),
            "is not the address of a collector",
        ),
        (
            "telemetry.otlp_endpoint = \"http://h:4318/v1/traces\"".to_owned(),
            "without a path",
        ),
        (format!("{TO}otlp_tls_cert = \"{file}\""), "otlp_tls_key"),
        (format!("{TO}otlp_tls_key = \"{file}\""), "otlp_tls_cert"),
        (format!("{TO}otlp_tls_ca = \"/nowhere\""), "cannot be read"),
        (
            format!("{plain}otlp_tls_ca = \"{file}\""),
            "begins with http://",
        ),
        (
            format!("{TO}otlp_headers = \"canary\""),
            "number 1 is not NAME=VALUE",
        ),
        (
            format!("{TO}otlp_headers = \"a b=canary\""),
            "has a name that no header can have",
        ),
        (
            format!("{TO}otlp_headers_file = \"{file}\""),
            "number 1 is not NAME=VALUE",
        ),
        (
            format!("{TO}otlp_headers = \"a=canary\"\notlp_headers_file = \"{file}\""),
            "keep one",
        ),
        (
            format!("{TO}traces = false\nmetrics = false\nlogs = false"),
            "neither traces, metrics nor logs",
        ),
    ];
    for (text, expected) in table {
        let faults = faults(load(&text));
        assert!(
            faults.iter().any(|fault| fault.contains(expected)),
            "{text}: {faults:#?}"
        );
        assert!(!faults.concat().contains("canary"), "{faults:#?}");
    }
}

#[test]
fn a_whole_one_is_taken() {
    let more = "otlp_headers = \" X-Key = opens , other=2,\"\ntrace_ratio = 1\n";
    let telemetry = load(&format!("{TO}{more}")).unwrap().config.telemetry;
    let headers = telemetry.headers().unwrap();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(headers, [pair("x-key", "opens"), pair("other", "2")]);
    assert!((telemetry.trace_ratio - 1.0).abs() < f64::EPSILON);
}
