//! `docs/METRICS.md`, from the declarations.

use std::fmt::Write as _;

use super::Metrics;
use super::instrument::Kind;

const HEAD: &str = "\
# Metrics

Generated from the code; `UPDATE_DOCS=1 cargo test` writes it anew.

`/metrics` on the HTTP port (`http.listen`) serves them for Prometheus; with `telemetry.otlp_endpoint` they are sent to a
collector, too, from the same counters. There names have dots for underscores, and the unit stands beside the name.

**No label grows with what callers send.** `namespace` is a namespace that the configuration lists, or `_OTHER` for all others
together; methods that do not exist are `_OTHER`, too. Ids, owners and tenants are in no metric.

Counters are of one instance and begin at zero with it: add them up over instances. All series of a counter are there from the start;
those of a histogram come with their first value.

| metric | kind | labels | what it tells |
| --- | --- | --- | --- |
";

/// The text of `docs/METRICS.md`.
fn reference() -> String {
    let mut text = HEAD.to_owned();
    for instrument in Metrics::new([]).all() {
        let declared = instrument.declared();
        let kind = match declared.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels = declared.prometheus_labels();
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let _ = writeln!(
            text,
            "| `{}` | {kind} | {} | {} |",
            declared.prometheus_name(),
            labels.join(", "),
            declared.about,
        );
    }
    text
}

/// `UPDATE_DOCS=1` writes the file instead.
#[test]
fn the_reference_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/METRICS.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, reference()).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).is_ok_and(|text| text == reference()),
        "docs/METRICS.md is out of date: run `UPDATE_DOCS=1 cargo test`"
    );
}
