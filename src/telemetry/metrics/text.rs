//! The metrics as Prometheus reads them: its text format, version 0.0.4.

use std::fmt::Write as _;

use super::Metrics;
use super::instrument::{Declared, Kind, Point, Value};

/// What the text is, in an answer over HTTP.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Declared {
    /// The name under which Prometheus knows it, as the specification of OpenTelemetry translates names.
    pub fn prometheus_name(&self) -> String {
        let unit = match self.unit {
            "s" => "_seconds",
            "By" => "_bytes",
            _ => "",
        };
        let total = if self.kind == Kind::Counter {
            "_total"
        } else {
            ""
        };
        format!("{}{unit}{total}", self.name.replace('.', "_"))
    }

    /// The names of its labels, in the same way.
    pub fn prometheus_labels(&self) -> Vec<String> {
        self.labels
            .iter()
            .map(|key| key.replace('.', "_"))
            .collect()
    }

    fn prometheus_kind(&self) -> &'static str {
        match self.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

impl Metrics {
    /// All metrics as they stand.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(32 * 1024);
        for instrument in self.all() {
            let declared = instrument.declared();
            let name = declared.prometheus_name();
            let about = declared.about.replace('\\', "\\\\").replace('\n', "\\n");
            // Into a string: writing cannot fail, here and below.
            let _ = writeln!(text, "# HELP {name} {about}");
            let _ = writeln!(text, "# TYPE {name} {}", declared.prometheus_kind());
            let keys = declared.prometheus_labels();
            for point in instrument.points() {
                write_point(&mut text, &name, &keys, &point);
            }
        }
        text
    }
}

fn write_point(text: &mut String, name: &str, keys: &[String], point: &Point<'_>) {
    let labels = joined(keys, &point.labels);
    match &point.value {
        Value::Count(count) => {
            let _ = writeln!(text, "{name}{} {count}", braced(&labels));
        }
        Value::Level(level) => {
            let _ = writeln!(text, "{name}{} {level}", braced(&labels));
        }
        Value::Spread {
            bounds,
            counts,
            sum,
        } => {
            let comma = if labels.is_empty() { "" } else { "," };
            let ends = bounds.iter().map(ToString::to_string);
            let mut so_far = 0;
            for (end, count) in ends.chain(["+Inf".to_owned()]).zip(counts) {
                so_far += count;
                let _ = writeln!(
                    text,
                    "{name}_bucket{{{labels}{comma}le=\"{end}\"}} {so_far}"
                );
            }
            let _ = writeln!(text, "{name}_sum{} {sum}", braced(&labels));
            let _ = writeln!(text, "{name}_count{} {so_far}", braced(&labels));
        }
    }
}

fn joined(keys: &[String], values: &[&str]) -> String {
    let pairs = keys.iter().zip(values);
    // No value holds a quote, a backslash or an end of line: names of namespaces cannot, all others are ours.
    let pairs = pairs.map(|(key, value)| format!("{key}=\"{value}\""));
    pairs.collect::<Vec<_>>().join(",")
}

fn braced(labels: &str) -> String {
    if labels.is_empty() {
        String::new()
    } else {
        format!("{{{labels}}}")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::call::Operation;
    use crate::telemetry::metrics::label::{Code, Method, System};

    #[test]
    fn what_prometheus_reads() {
        let metrics = Metrics::new([]);
        let get = Method(Some(Operation::GetSession));
        for micros in [60, 70, 20_000_000] {
            let took = Duration::from_micros(micros);
            metrics
                .rpc_duration
                .record((System::Grpc, get, Code::OK), took);
        }
        metrics.store_ready.set((), 1.0);
        metrics.calls_shed.many((), 3);
        let text = metrics.text();
        let labels = "rpc_system_name=\"grpc\",rpc_method=\"tenure.v1.SessionService/GetSession\",rpc_response_status_code=\"OK\"";
        let name = "rpc_server_call_duration_seconds";
        for line in [
            format!("# TYPE {name} histogram"),
            format!("{name}_bucket{{{labels},le=\"0.00005\"}} 0"),
            format!("{name}_bucket{{{labels},le=\"0.0001\"}} 2"),
            format!("{name}_bucket{{{labels},le=\"10\"}} 2"),
            format!("{name}_bucket{{{labels},le=\"+Inf\"}} 3"),
            format!("{name}_sum{{{labels}}} 20.00013"),
            format!("{name}_count{{{labels}}} 3"),
            "tenure_calls_shed_total 3".to_owned(),
            "tenure_store_ready 1".to_owned(),
            concat!(
                "tenure_build_info{version=\"",
                env!("CARGO_PKG_VERSION"),
                "\"} 1"
            )
            .to_owned(),
        ] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
    }
}
