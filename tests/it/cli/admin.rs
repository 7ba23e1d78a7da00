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
