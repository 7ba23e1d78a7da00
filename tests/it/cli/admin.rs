//! `tenure admin` against a running service.

use serde_json::Value;

use super::{Ended, Service, tenure};

impl Service {
    /// `tenure admin`, with JSON as output.
    fn admin(&self, arguments: &[&str]) -> Ended {
        let arguments = [&["admin"], arguments, &["-o", "json"]].concat();
        Ended::of(tenure(&arguments).env("TENURE_SERVER", &self.url))
    }

    /// The same for people.
    fn admin_table(&self, arguments: &[&str]) -> Ended {
        let arguments = [&["admin"], arguments].concat();
        Ended::of(tenure(&arguments).env("TENURE_SERVER", &self.url))
    }
}

fn id_of(created: &Value) -> String {
    created["session"]["id"].as_str().expect("an id").to_owned()
}

#[test]
fn namespaces_and_the_store() {
    let service = Service::start();
    id_of(&service.session("create", &[]).data());
    let namespaces = service.admin(&["namespaces"]).data();
    assert_eq!(namespaces[0]["namespace"], "crm");
    assert_eq!(namespaces[0]["sessions"], 1);
    assert_eq!(namespaces[0]["listed"], false);
    let table = service.admin_table(&["namespaces"]).stdout;
    assert!(table.starts_with("namespace"), "{table}");
    assert!(
        table.lines().any(|line| line.starts_with("crm ")),
        "{table}"
    );

    let status = service.admin(&["status"]).data();
    assert_eq!(status["kind"], "memory");
    assert_eq!(status["topology"], "process");
    assert_eq!(status["ready"], true);
    assert_eq!(status["sessions"], 1);
    assert_eq!(status["max_sessions"], 1_000_000);
    let table = service.admin_table(&["status"]);
    assert_eq!(table.code, Some(0), "{table:?}");
    assert!(table.stdout.contains("1 of 1000000"), "{table:?}");
}

#[test]
fn the_log_changes_while_the_service_runs() {
    let service = Service::start();
    let before = service.admin(&["log-level"]).data();
    assert_eq!(before["filter"], "info");
    let changed = service.admin(&["log-level", "info,tenure=debug"]).data();
    assert_eq!(changed["previous_filter"], "info");
    let now = service.admin(&["log-level"]).data();
    let now = now["filter"].as_str().expect("a filter");
    assert!(now.contains("tenure=debug"), "{now}");
    let bad = service.admin(&["log-level", "tenure=loud"]);
    assert!(bad.complaint(2).contains("tenure=loud"), "{bad:?}");
}

/// Makes a session of a user, and answers its id.
fn make(service: &Service, user: &str, rest: &[&str]) -> String {
    let arguments = [
        &[
            "session", "create", "-n", "crm", "--tenant", "acme", "--user", user, "-o", "json",
        ],
        rest,
    ]
    .concat();
    id_of(&Ended::of(tenure(&arguments).env("TENURE_SERVER", &service.url)).data())
}

#[test]
fn sessions_are_found_shown_and_ended() {
    let service = Service::start();
    let mut made: Vec<String> = Vec::new();
    for user in ["ada", "ada", "bob"] {
        made.push(make(&service, user, &["--label", "loadtest"]));
    }
    let kept = make(
        &service,
        "bob",
        &["--state", r#"{"filter":"what is secret","n":1}"#],
    );
    made.sort();

    let ids = |found: &Value| {
        let mut ids: Vec<_> = found["sessions"]
            .as_array()
            .expect("sessions")
            .iter()
            .map(|session| session["id"].as_str().expect("an id").to_owned())
            .collect();
        ids.sort();
        ids
    };
    let found = service
        .admin(&["sessions", "-n", "crm", "--label", "loadtest"])
        .data();
    assert_eq!(ids(&found), made);
    let bobs = service.admin(&["sessions", "-n", "crm", "--tenant", "acme", "--user", "bob"]);
    assert_eq!(bobs.data()["sessions"].as_array().map(Vec::len), Some(2));
    let none = service
        .admin(&["sessions", "-n", "crm", "--older-than", "1h"])
        .data();
    assert_eq!(none["sessions"], Value::Array(Vec::new()));
    // One page after the other.
    let (mut paged, mut token) = (Vec::new(), None::<String>);
    loop {
        let next = token.take().unwrap_or_default();
        let mut arguments = vec!["sessions", "-n", "crm", "--page-size", "1"];
        if !next.is_empty() {
            arguments.extend(["--page-token", &next]);
        }
        let page = service.admin(&arguments).data();
        paged.extend(ids(&page));
        match page["next_page_token"].as_str() {
            Some(next) => token = Some(next.to_owned()),
            None => break,
        }
    }
    paged.sort();
    let mut all = [&made[..], std::slice::from_ref(&kept)].concat();
    all.sort();
    assert_eq!(paged, all);
    // All of them, one on each line.
    let streamed = service.admin(&["sessions", "-n", "crm", "--all"]);
    let lines = streamed.stdout.lines().map(|line| {
        let session: Value = serde_json::from_str(line).expect("JSON on each line");
        session["id"].as_str().expect("an id").to_owned()
    });
    let mut lines: Vec<_> = lines.collect();
    lines.sort();
    assert_eq!(lines, all);
    let bad = service.admin(&["sessions", "-n", "crm", "--page-token", "nonsense"]);
    assert!(bad.complaint(2).contains("page_token"), "{bad:?}");

    // What is in one, but for the values.
    let shown = service.admin(&["session", "-n", "crm", &kept]);
    assert_eq!(shown.data()[0]["state_keys"][0]["key"], "filter");
    assert_eq!(shown.data()[0]["state_keys"][1]["value_bytes"], 9);
    assert!(!shown.stdout.contains("what is secret"), "{shown:?}");
    let unknown = service.admin(&["session", "-n", "crm", "0123456789abcdef"]);
    assert_eq!((unknown.code, unknown.stdout.as_str()), (Some(3), ""));
    let values = ["session", "-n", "crm", &kept, "--values"];
    assert_eq!(service.admin(&values).code, Some(2), "it takes a reason");
    let values = [&values[..], &["--reason", "to see"]].concat();
    let refused = service.admin(&values);
    assert!(
        refused.complaint(4).contains("AUDIT_NOT_CONFIGURED"),
        "{refused:?}"
    );

    let top = service.admin(&["top", "-n", "crm"]).data();
    assert_eq!(top[0]["sessions"], 2);
    assert_eq!(top.as_array().map(Vec::len), Some(2));
    let one = service.admin(&["top", "-n", "crm", "--limit", "1"]).data();
    assert_eq!(one.as_array().map(Vec::len), Some(1));

    // Many are ended: counted first, and nobody is there to be asked.
    let end = ["end", "-n", "crm", "--label", "loadtest"];
    assert!(service.admin(&end).complaint(2).contains("--yes"));
    let counted = service.admin(&[&end[..], &["--dry-run"]].concat()).data();
    assert_eq!(
        (&counted["matched"], &counted["ended"]),
        (&3.into(), &0.into())
    );
    let ended = service.admin(&[&end[..], &["--yes"]].concat()).data();
    assert_eq!((&ended["matched"], &ended["ended"]), (&3.into(), &3.into()));
    let again = service.admin(&[&end[..], &["--yes"]].concat()).data();
    assert_eq!((&again["matched"], &again["ended"]), (&0.into(), &0.into()));
    let left = service.admin(&["sessions", "-n", "crm"]).data();
    assert_eq!(ids(&left), [kept]);
    for filter in [&["--yes"][..], &["--yes", "--all", "--tenant", "acme"]] {
        let refused = service.admin(&[&["end", "-n", "crm"], filter].concat());
        assert!(refused.complaint(2).contains("filter"), "{refused:?}");
    }
    let rest = service
        .admin(&["end", "-n", "crm", "--all", "--yes"])
        .data();
    assert_eq!(rest["ended"], 1);
}

#[test]
fn a_session_is_explained() {
    let service = Service::start();
    let id = make(&service, "ada", &[]);
    let explain = |id: &str| service.admin(&["explain", "-n", "crm", id]);
    let alive = explain(&id).data();
    assert_eq!(alive[0]["end"], Value::Null);
    assert_eq!(alive[0]["created_by"], "local");
    assert_eq!(alive[0]["owner"]["user"], "ada");
    let table = service.admin_table(&["explain", "-n", "crm", &id]).stdout;
    assert!(
        table.contains("status       alive") && table.contains(" by local"),
        "{table}"
    );

    let end = [
        "end", "-n", "crm", "--tenant", "acme", "--user", "ada", "--yes",
    ];
    assert_eq!(service.admin(&end).data()["ended"], 1);
    let ended = explain(&id).data();
    assert_eq!(ended[0]["end"]["reason"], "INVALIDATED");
    assert_eq!(ended[0]["end"]["invalidation_reason"], "ADMIN");
    assert_eq!(ended[0]["end"]["ended_by"], "local");
    assert_eq!(ended[0]["swept"], true);
    let table = service.admin_table(&["explain", "-n", "crm", &id]).stdout;
    assert!(table.contains("it was invalidated: ADMIN"), "{table}");
    let elsewhere = service.admin(&["explain", "-n", "crm", "--tenant", "beta", &id]);
    assert_eq!((elsewhere.code, elsewhere.stdout.trim()), (Some(3), "[]"));
    assert_eq!(explain("0123456789abcdef").code, Some(3));
}
