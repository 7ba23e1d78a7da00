//! `tenure bench` against real services.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{fs, thread};

use serde_json::{Value, json};

use super::{Ended, Service, tenure};

/// A run as short as it can be.
const SHORT: [&str; 8] = [
    "--duration",
    "200ms",
    "--warm-up",
    "0ms",
    "--sessions",
    "20",
    "-o",
    "json",
];

fn bench(service: &Service, arguments: &[&str]) -> Ended {
    let all = [&["bench"], arguments, &SHORT].concat();
    Ended::of(tenure(&all).env("TENURE_SERVER", &service.url))
}

fn result(ended: &Ended) -> Value {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    serde_json::from_str(&ended.stdout).expect("JSON")
}

fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("{value} is no count"))
}

#[test]
fn each_kind_of_work_is_measured_and_nothing_is_left_behind() {
    let service = Service::start();
    for (work, calls) in [
        ("get", &["get"][..]),
        ("update", &["update"]),
        ("mixed", &["get", "update"]),
        ("lifecycle", &["create", "get", "update", "delete"]),
        ("credential", &["get_credential"]),
    ] {
        let found = result(&bench(&service, &[work]));
        assert_eq!(found["shape"]["work"], work);
        assert_eq!(found["errors"], json!({}), "{found}");
        let each = found["calls"].as_object().expect("calls");
        let mut names: Vec<&str> = each.keys().map(String::as_str).collect();
        names.sort_unstable();
        let mut expected = calls.to_vec();
        expected.sort_unstable();
        assert_eq!(names, expected, "{work}");
        for call in each.values() {
            assert!(number(&call["answered"]) > 0, "{found}");
            let latency = |name: &str| call["latency_us"][name].as_f64().expect("a latency");
            let steps = ["p50", "p90", "p99", "p99.9", "max"].map(latency);
            assert!(steps[0] > 0.0 && steps.is_sorted(), "{found}");
        }
        let sum: u64 = each.values().map(|call| number(&call["answered"])).sum();
        assert_eq!(number(&found["all"]["answered"]), sum);
    }
    let left = service.session_of("bench", "bench-user-0");
    assert_eq!(left["sessions"], json!([]));
}

#[cfg(target_os = "linux")]
#[test]
fn the_cpu_of_a_service_on_this_machine_is_counted() {
    let service = Service::start();
    let found = result(&bench(&service, &["get"]));
    let cpu = found["cpu"].as_array().expect("processes");
    assert_eq!(cpu.len(), 1, "{found}");
    assert_eq!(cpu[0]["process"], "tenure");
    assert_eq!(number(&cpu[0]["pid"]), u64::from(service.child.id()));
}

#[test]
fn sessions_are_kept_when_asked_for() {
    let service = Service::start();
    result(&bench(&service, &["get", "--keep"]));
    let left = service.session_of("bench", "bench-user-0");
    assert_eq!(left["sessions"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_table_for_people() {
    let service = Service::start();
    let mut command = tenure(&["bench", "get", "--duration", "100ms", "--warm-up", "0ms"]);
    let ended = Ended::of(command.env("TENURE_SERVER", &service.url));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for word in ["closed loop", "per second", "p99.9", "this generator"] {
        assert!(ended.stdout.contains(word), "{word}: {ended:?}");
    }
    assert!(ended.stderr.contains("making 1000 sessions"), "{ended:?}");
}

#[test]
fn errors_are_counted_by_their_reasons() {
    // What an Update adds finds no room any more, while Gets are answered.
    let service = Service::start_with(&["--set", "store.max_bytes=40000"]);
    let mut command = tenure(&["bench", "mixed", "--payload", "200", "--duration", "2s"]);
    command.args(["--warm-up", "0ms", "--sessions", "20", "-o", "json"]);
    let found = result(&Ended::of(command.env("TENURE_SERVER", &service.url)));
    let full = number(&found["errors"]["STORE_FULL"]);
    assert!(full > 0, "{found}");
    assert_eq!(number(&found["all"]["failed"]), full);
    assert!(number(&found["calls"]["get"]["answered"]) > 0, "{found}");
}

#[test]
fn sessions_that_cannot_be_made_end_it() {
    let service = Service::start_with(&["--set", "store.max_sessions=5"]);
    // Creates that run at the same moment may overshoot the bound: over one connection they do not.
    let ended = bench(&service, &["get", "--connections", "1"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let complaint = ended.stderr.lines().last().expect("a complaint");
    assert_eq!(
        complaint,
        "error: only 5 of 20 sessions could be made: 15 x STORE_FULL"
    );
}

#[test]
fn it_calls_as_whom_it_is_told() {
    let made = Ended::of(&mut tenure(&["apikey", "new", "-o", "json"])).data();
    let (key, hash) = (&made["key"], &made["hash"]);
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("tenure.toml");
    let config = format!(
        "[callers.apikey.bench]\nhashes = [{hash}]\n\
         [policy.bench]\ncallers = [\"apikey:bench\"]\nallow = [\"server\"]\nnamespaces = [\"load\"]\n"
    );
    fs::write(&path, config).expect("written");
    let path = path.display().to_string();
    let run = |variables: &[(&str, &str)]| {
        let serve = ["--spawn", "--", "--config", &path];
        let mut command = tenure(&[&["bench", "get"], &SHORT[..], &serve].concat());
        Ended::of(command.envs(variables.iter().copied()))
    };
    let key = key.as_str().expect("a key");
    let allowed = run(&[("TENURE_API_KEY", key), ("TENURE_NAMESPACE", "load")]);
    assert_eq!(result(&allowed)["errors"], json!({}));
    let elsewhere = run(&[("TENURE_API_KEY", key)]);
    assert_eq!(elsewhere.code, Some(1));
    assert!(
        elsewhere.stderr.contains("20 x CALLER_NOT_ALLOWED"),
        "{elsewhere:?}"
    );
    let stranger = run(&[("TENURE_NAMESPACE", "load")]);
    assert!(
        stranger.stderr.contains("20 x CALLER_UNKNOWN"),
        "{stranger:?}"
    );
}

#[test]
fn what_cannot_be_reached_is_said_in_the_words_of_every_command() {
    let mut command = tenure(&["bench", "get"]);
    let ended = Ended::of(command.env("TENURE_SERVER", "http://127.0.0.1:1"));
    assert!(ended.complaint(5).contains("help: is it running"));
    let spawned = Ended::of(&mut tenure(&[
        "bench",
        "--spawn",
        "--",
        "--set",
        "no.such=1",
    ]));
    assert_eq!(spawned.code, Some(1), "{spawned:?}");
    assert!(
        spawned.stderr.contains("the service did not start"),
        "{spawned:?}"
    );
    assert_eq!(
        Ended::of(&mut tenure(&["bench", "--rate", "0"])).code,
        Some(2)
    );
}

/// Stops a process that runs, and lets it go on.
fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let status = Command::new("kill").args([name, &pid]).status();
    assert!(status.expect("kill is there").success());
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long it stands still is the test"
)]
fn stand_still(time: Duration) {
    thread::sleep(time);
}

/// A service that stands still for a while makes all wait who would have called meanwhile, not only those whose
/// calls were under way: a closed loop cannot show that, and an open loop must.
#[test]
fn an_open_loop_omits_nobody_who_waited() {
    let service = Service::start();
    let mut command = tenure(&[
        "bench",
        "get",
        "--rate",
        "400",
        "--duration",
        "4s",
        "--warm-up",
        "0ms",
        "--sessions",
        "20",
        "-o",
        "json",
    ]);
    command
        .env("TENURE_SERVER", &service.url)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    let mut progress = BufReader::new(child.stderr.take().expect("it was asked for")).lines();
    let one_second =
        progress.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("1 s of 4")));
    assert!(one_second.is_some());
    signal(&service.child, "-STOP");
    stand_still(Duration::from_secs(1));
    signal(&service.child, "-CONT");
    // It is read to its end, so that it can be written.
    let rest = thread::spawn(move || progress.count());
    let output = child.wait_with_output().expect("it ends");
    assert!(rest.join().is_ok());
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(found["errors"], json!({}), "{found}");
    assert_eq!(
        number(&found["all"]["answered"]) + number(&found["not_sent"]),
        1600
    );
    // A quarter of all calls were due while it stood still; the first of them waited for the whole second, and of
    // the slowest tenth of all calls everyone for about half of it or more.
    let latency = |name: &str| {
        found["all"]["latency_us"][name]
            .as_f64()
            .expect("a latency")
    };
    assert!(latency("max") >= 900_000.0, "{found}");
    assert!(latency("p90") >= 400_000.0, "{found}");
}
