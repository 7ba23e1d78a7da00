//! All shared vectors through this client, against the real service; see tests/vectors/README.md.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs};

use futures_util::{StreamExt as _, stream};
use serde_json::{Map, Value, json};
use tenure_client::testing::Server;
use tenure_client::{Tenure, Uuid};

#[path = "../../examples/interop/calls.rs"]
mod calls;
mod matching;

use calls::{Caller, Failed, NEW_WATCH, Watches, show};
use matching::matches;

/// What Rust has a value for. A text with half a surrogate pair is no `String`, and what cannot be serialized does not
/// compile.
const EXPRESSIBLE: [&str; 2] = ["nan", "big_integers"];
/// Steps in which one of these is negative are left out: a Rust `Duration` never is.
const NEGATIVE_DURATIONS: [&str; 3] = ["idle_ttl", "max_lifetime", "ttl"];
const AT_ONCE: usize = 16;

struct Case {
    name: String,
    server: String,
    body: Value,
}

impl Case {
    /// Which service its client talks to, and with which token.
    fn client(&self, tokens: &Value) -> (String, Option<String>) {
        let known = Map::from_iter([("tokens".to_owned(), tokens.clone())]);
        let token = self.body.get("token").map(|token| resolve(token, &known));
        let token = token.map(|token| token.as_str().expect("a text").to_owned());
        (self.server.clone(), token)
    }
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors")
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // Others than the usual ones, for a service that has more than this one.
    let folder =
        env::var_os("TENURE_VECTORS").map_or_else(|| vectors().join("cases"), PathBuf::from);
    for file in fs::read_dir(folder).expect("the cases") {
        let text = fs::read_to_string(file.expect("a file").path()).expect("readable");
        let content: Value = serde_json::from_str(&text).expect("JSON");
        for body in content["cases"].as_array().expect("cases") {
            cases.push(Case {
                name: body["name"].as_str().expect("a name").to_owned(),
                server: content["server"].as_str().expect("a server").to_owned(),
                body: body.clone(),
            });
        }
    }
    cases
}

fn is_expressible(case: &Case) -> bool {
    let needs = case.body["needs"].as_array();
    let mut needs = needs.into_iter().flatten().filter_map(Value::as_str);
    needs.all(|need| EXPRESSIBLE.contains(&need))
}

#[tokio::test(flavor = "multi_thread")]
async fn all_vectors() {
    let cases = cases();
    assert!(!cases.is_empty());
    let mut servers = HashMap::new();
    let mut clients = HashMap::new();
    let folder = vectors().join("servers");
    let tokens = fs::read_to_string(folder.join("tokens.json")).expect("the tokens");
    let tokens: Value = serde_json::from_str(&tokens).expect("JSON");
    for case in &cases {
        if !servers.contains_key(&case.server) {
            let config = format!("{}.toml", case.server);
            let server = Server::start_in(&folder, &["--config", &config]).expect("a service");
            servers.insert(case.server.clone(), server);
        }
        if let Entry::Vacant(place) = clients.entry(case.client(&tokens)) {
            let mut options = servers[&case.server].options();
            if let (_, Some(token)) = place.key() {
                options = options.token(token);
            }
            place.insert(Tenure::connect(options).await.expect("connected"));
        }
    }
    let playing = cases
        .iter()
        .filter(|case| is_expressible(case))
        .map(|case| {
            let tenure = &clients[&case.client(&tokens)];
            let run = Run::new(tenure, case, &tokens);
            async move { run.play().await.err() }
        });
    let failures: Vec<String> = stream::iter(playing)
        .buffer_unordered(AT_ONCE)
        .filter_map(|failure| async { failure })
        .collect()
        .await;
    assert!(
        failures.is_empty(),
        "{} of {} cases failed:\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
}

/// One run of one case.
struct Run<'a> {
    tenure: &'a Tenure,
    case: &'a Case,
    saved: Map<String, Value>,
    watches: Watches,
    namespace: Value,
    owners: Value,
}

impl<'a> Run<'a> {
    fn new(tenure: &'a Tenure, case: &'a Case, tokens: &Value) -> Run<'a> {
        let run = Uuid::new_v4().simple().to_string()[..12].to_owned();
        let saved = Map::from_iter([
            ("run".to_owned(), Value::String(run)),
            ("tokens".to_owned(), tokens.clone()),
        ]);
        let ada = json!({"ada": {"tenant": "acme-${run}", "user": "ada", "issuer": "https://id.example"}});
        let namespace = json!("v-${run}");
        let of =
            |name: &str, default: &Value| resolve(case.body.get(name).unwrap_or(default), &saved);
        Run {
            tenure,
            case,
            watches: Watches::new(),
            namespace: of("namespace", &namespace),
            owners: of("owners", &ada),
            saved,
        }
    }

    async fn play(mut self) -> Result<(), String> {
        let case = self.case;
        let steps = case.body["steps"].as_array().expect("steps");
        for (index, step) in steps.iter().enumerate() {
            let at = format!("{}, step {} ({})", case.name, index + 1, step["do"]);
            if is_inexpressible(step) {
                continue;
            }
            let patience = step["eventually"].as_f64().unwrap_or_default();
            let until = Instant::now() + Duration::from_secs_f64(patience);
            while let Err(mismatch) = self.attempt(step, &at).await {
                if Instant::now() >= until {
                    return Err(mismatch);
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }

    async fn attempt(&mut self, step: &Value, at: &str) -> Result<(), String> {
        let owners = self.owners.as_object().expect("owners");
        let owner = match step["as"].as_str() {
            Some(name) => &owners[name],
            None => first_owner(self.case, owners),
        };
        let namespace = step.get("namespace").unwrap_or(&self.namespace);
        let namespace = resolve(namespace, &self.saved);
        let namespace = namespace.as_str().expect("a namespace");
        let caller = Caller::new(self.tenure, namespace, owner);
        let with = resolve(&step["with"], &self.saved);
        let call = step["do"].as_str().expect("a call");
        let answer = match caller.call(call, &with, &mut self.watches).await {
            Ok(answer) => answer,
            Err(Failed::Nothing) => return Err(format!("{at}: nothing came")),
            Err(Failed::Client(error)) => {
                let Some(expected) = step.get("expect_error") else {
                    return Err(format!("{at}: {error}"));
                };
                return matches(&resolve(expected, &self.saved), &show::error(&error), at);
            }
        };
        if step.get("expect_error").is_some() {
            return Err(format!("{at}: must fail, but answered {answer}"));
        }
        if let Some(expected) = step.get("expect") {
            matches(&resolve(expected, &self.saved), &answer, at)?;
        }
        if let Some(name) = step["save"].as_str() {
            self.saved.insert(name.to_owned(), answer);
            if let Some(watch) = self.watches.remove(NEW_WATCH) {
                self.watches.insert(name.to_owned(), watch);
            }
        }
        Ok(())
    }
}

fn is_inexpressible(step: &Value) -> bool {
    let mut durations = NEGATIVE_DURATIONS.iter().map(|name| &step["with"][name]);
    durations.any(|given| given.as_f64().is_some_and(|seconds| seconds < 0.0))
}

/// The first owner as the file has it.
fn first_owner<'a>(case: &Case, owners: &'a Map<String, Value>) -> &'a Value {
    let first = case.body.get("owners").and_then(Value::as_object);
    let first = first.and_then(|owners| owners.keys().next());
    &owners[first.map_or("ada", String::as_str)]
}

/// A value with its references replaced.
fn resolve(value: &Value, saved: &Map<String, Value>) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter();
            fields
                .map(|(key, value)| (key.clone(), resolve(value, saved)))
                .collect()
        }
        Value::Array(values) => values.iter().map(|value| resolve(value, saved)).collect(),
        Value::String(text) => resolve_text(text, saved),
        other => other.clone(),
    }
}

fn resolve_text(text: &str, saved: &Map<String, Value>) -> Value {
    let mut resolved = String::new();
    let mut rest = text;
    while let Some((before, (path, after))) = rest
        .split_once("${")
        .and_then(|(before, reference)| Some((before, reference.split_once('}')?)))
    {
        let value = look_up(path, saved);
        if before.is_empty() && after.is_empty() && resolved.is_empty() {
            return value.clone();
        }
        resolved.push_str(before);
        match value {
            Value::String(text) => resolved.push_str(text),
            other => resolved.push_str(&other.to_string()),
        }
        rest = after;
    }
    resolved.push_str(rest);
    Value::String(resolved)
}

fn look_up<'a>(path: &str, saved: &'a Map<String, Value>) -> &'a Value {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let steps = rest.split('.').filter(|step| !step.is_empty());
    steps.fold(&saved[first], |value, step| match value {
        Value::Array(values) => &values[step.parse::<usize>().expect("an index")],
        other => &other[step],
    })
}
