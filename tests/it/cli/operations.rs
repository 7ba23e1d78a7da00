//! Every command of docs/OPERATIONS.md that a shell can run, against the real binary and a real Redis.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fs};

use super::{Ended, Service, tenure};
use crate::support::redis::Server;

/// The blocks marked `sh`, in their order.
fn blocks(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block = None::<String>;
    for line in page.lines() {
        match (&mut block, line) {
            (None, "```sh") => block = Some(String::new()),
            (Some(_), "```") => blocks.extend(block.take()),
            (Some(block), line) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, _) => {}
        }
    }
    blocks
}

/// A service over Redis with an audit and a key file, all in one directory.
fn start(directory: &Path, redis: &Server) -> Service {
    let keys = Ended::of(tenure(&["keys", "new", "--file", "keys"]).current_dir(directory));
    assert_eq!(keys.code, Some(0), "{keys:?}");
    let keygen =
        Ended::of(tenure(&["audit", "keygen", "signing", "audit.pem"]).current_dir(directory));
    assert_eq!(keygen.code, Some(0), "{keygen:?}");
    let config = format!(
        "[grpc]\nlisten = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"\n[store]\nurl = \"{}\"\n\
         [keys]\nfile = \"keys\"\n[audit]\nsink = \"file\"\ndirectory = \"audit\"\nsigning_key_file = \"audit.pem\"\n",
        redis.url()
    );
    fs::write(directory.join("tenure.toml"), config).expect("written");
    let mut command = tenure(&["serve", "--config", "tenure.toml"]);
    let mut child = command
        .current_dir(directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("the service starts");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("it was asked for");
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("it speaks");
    let words = line
        .strip_prefix("tenure listening grpc=")
        .expect("it says where");
    let address = words.split(' ').next().expect("an address");
    Service {
        child,
        url: format!("http://{address}"),
    }
}

#[test]
fn every_command_of_the_operations_page_works_with_redis() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/OPERATIONS.md");
    let blocks = blocks(&fs::read_to_string(page).expect("the page"));
    assert!(blocks.len() >= 12, "{}", blocks.len());
    let directory = tempfile::tempdir().expect("a directory");
    let redis = Server::start();
    let service = start(directory.path(), &redis);
    let created = service.session("create", &["--state", r#"{"filter":"what was lost"}"#]);
    let id = created.data()["session"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();

    let binary = Path::new(env!("CARGO_BIN_EXE_tenure"));
    let folder = binary.parent().expect("a folder").display().to_string();
    let path = env::var("PATH").unwrap_or_default();
    let mut output = String::new();
    for block in &blocks {
        let mut shell = Command::new("bash");
        shell
            .args(["-eu", "-o", "pipefail", "-c", block])
            .current_dir(directory.path())
            .stdin(Stdio::null());
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("TENURE_") {
                shell.env_remove(name);
            }
        }
        shell
            .env("PATH", format!("{folder}:{path}"))
            .env("TENURE_SERVER", &service.url)
            .env("SESSION", &id);
        let ended = Ended::of(&mut shell);
        assert_eq!(ended.code, Some(0), "{block}\n{ended:?}");
        output.push_str(&ended.stdout);
    }
    // They have done something, and not only ended well.
    for expected in [
        "standalone",
        "noeviction",
        "what was lost",
        "alive",
        "active",
    ] {
        assert!(output.contains(expected), "{expected} is not in {output}");
    }
    let streamed = fs::read_to_string(directory.path().join("sessions.jsonl")).expect("written");
    assert!(streamed.contains(&id), "{streamed}");
    // Who has looked at values stands in the audit, with the reason, and what was seen does not.
    let shown =
        Ended::of(tenure(&["audit", "show", "audit", "-o", "json"]).current_dir(directory.path()));
    assert!(shown.stdout.contains("glass_broken"), "{shown:?}");
    assert!(shown.stdout.contains("ticket 4711"), "{shown:?}");
    assert!(!shown.stdout.contains("what was lost"), "{shown:?}");
}
