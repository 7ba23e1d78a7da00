//! What a run has found, for people and for programs.

use std::io::{self, Write};
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use super::process::Process;
use super::tally::{Calls, Tally};
use crate::cli::output::{self, Format};
use crate::config::show_duration;

/// How the load was. Figures mean little without it.
pub(super) struct Shape {
    pub(super) work: &'static str,
    pub(super) rate: Option<f64>,
    pub(super) connections: usize,
    pub(super) in_flight: usize,
    pub(super) threads: usize,
    pub(super) sessions: usize,
    pub(super) per_owner: usize,
    pub(super) payload: u64,
    pub(super) keys: usize,
    pub(super) request_ids: bool,
    pub(super) warm_up: Duration,
    pub(super) duration: Duration,
}

/// What a run has found.
pub(super) struct Report {
    pub(super) shape: Shape,
    pub(super) tally: Tally,
    /// Microseconds per call of the service's processes, and of the generator itself.
    pub(super) cpu: Vec<(Process, f64)>,
    pub(super) own: Option<f64>,
}

const PERCENTILES: [(&str, f64); 5] = [
    ("p50", 50.0),
    ("p90", 90.0),
    ("p99", 99.0),
    ("p99.9", 99.9),
    ("max", 100.0),
];

impl Report {
    pub(super) fn print(&self, format: Format, out: &mut impl Write) -> io::Result<()> {
        match format {
            Format::Json => output::json(out, &self.to_json()),
            Format::Table => self.table(out),
        }
    }

    fn table(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{}\n", self.shape.in_words())?;
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        let titles = ["call", "answered", "failed", "per second"];
        let percentiles = PERCENTILES.map(|(name, _)| name);
        table.set_header(titles.into_iter().chain(percentiles));
        let mut rows: Vec<(&str, &Calls)> = Vec::new();
        for (rpc, calls) in self.tally.calls() {
            rows.push((rpc.name(), calls));
        }
        let total = self.tally.total();
        if rows.len() != 1 {
            rows.push(("all", &total));
        }
        for (name, calls) in rows {
            let answered = calls.latencies.len();
            let mut row = vec![
                name.to_owned(),
                answered.to_string(),
                calls.failed.to_string(),
                format!("{:.0}", self.per_second(answered)),
            ];
            row.extend(PERCENTILES.map(|(_, at)| show_micros(micros(&calls.latencies, at))));
            table.add_row(row);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        for line in table.lines() {
            writeln!(out, "{}", line.trim_end())?;
        }
        writeln!(out)?;
        for (process, micros) in &self.cpu {
            let (name, pid) = (process.name(), process.pid());
            writeln!(out, "CPU per call  {name} ({pid})  {micros:.1} us")?;
        }
        if let Some(own) = self.own {
            writeln!(out, "CPU per call  this generator  {own:.1} us")?;
        }
        if self.tally.unsent > 0 {
            let unsent = self.tally.unsent;
            writeln!(
                out,
                "not sent      {unsent}: all callers were waiting; the service is slower than --rate"
            )?;
        }
        for (reason, count) in self.tally.errors() {
            writeln!(out, "failed        {reason}  {count}")?;
        }
        Ok(())
    }

    fn to_json(&self) -> Value {
        let calls = self.tally.calls().iter();
        let each: Map<String, Value> = calls
            .map(|(rpc, calls)| (rpc.name().to_owned(), self.calls(calls)))
            .collect();
        let cpu: Vec<Value> = self
            .cpu
            .iter()
            .map(|(process, micros)| {
                json!({"process": process.name(), "pid": process.pid(), "us_per_call": rounded(*micros)})
            })
            .collect();
        json!({
            "shape": self.shape.to_json(),
            "elapsed_seconds": rounded(self.tally.elapsed().as_secs_f64()),
            "all": self.calls(&self.tally.total()),
            "calls": each,
            "errors": self.tally.errors(),
            "not_sent": self.tally.unsent,
            "cpu": cpu,
            "generator_cpu_us_per_call": self.own.map(rounded),
        })
    }

    fn calls(&self, calls: &Calls) -> Value {
        let latencies: Map<String, Value> = PERCENTILES
            .iter()
            .map(|(name, at)| ((*name).to_owned(), rounded(micros(&calls.latencies, *at))))
            .collect();
        let answered = calls.latencies.len();
        json!({
            "answered": answered,
            "failed": calls.failed,
            "per_second": rounded(self.per_second(answered)),
            "latency_us": latencies,
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    fn per_second(&self, calls: u64) -> f64 {
        let seconds = self.tally.elapsed().as_secs_f64();
        if seconds > 0.0 {
            calls as f64 / seconds
        } else {
            0.0
        }
    }
}

impl Shape {
    fn in_words(&self) -> String {
        let pace = match self.rate {
            None => "closed loop".to_owned(),
            Some(rate) => format!("open loop at {rate} per second"),
        };
        format!(
            "{}, {pace}: {} connections x {} in flight, {} sessions, {} bytes in {} keys, {} after {} of warm-up",
            self.work,
            self.connections,
            self.in_flight,
            self.sessions,
            self.payload,
            self.keys,
            show_duration(self.duration),
            show_duration(self.warm_up),
        )
    }

    fn to_json(&self) -> Value {
        json!({
            "work": self.work,
            "rate": self.rate,
            "connections": self.connections,
            "in_flight": self.in_flight,
            "threads": self.threads,
            "sessions": self.sessions,
            "sessions_per_owner": self.per_owner,
            "payload_bytes": self.payload,
            "keys": self.keys,
            "request_ids": self.request_ids,
            "warm_up_seconds": self.warm_up.as_secs_f64(),
            "duration_seconds": self.duration.as_secs_f64(),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "three digits are kept")]
fn micros(latencies: &Histogram<u64>, percentile: f64) -> f64 {
    latencies.value_at_percentile(percentile) as f64 / 1000.0
}

fn show_micros(micros: f64) -> String {
    if micros < 1000.0 {
        format!("{micros:.0} us")
    } else {
        format!("{:.2} ms", micros / 1000.0)
    }
}

/// To three digits behind the point.
fn rounded(number: f64) -> Value {
    json!((number * 1000.0).round() / 1000.0)
}
