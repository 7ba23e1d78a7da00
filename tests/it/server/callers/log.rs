//! What the log says of callers: which fault it was, and never what was shown.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use secrecy::ExposeSecret as _;
use serde_json::json;
use tempfile::TempDir;
use tenure::callers::new_key;
use tonic::transport::{Channel, Endpoint};

use super::issuer::{AUDIENCE, ISSUER, SigningKey, jwks};
use super::raw::Answered;
use super::tokens::unsound;
use super::{bearer, raw};

/// The binary with everything logged.
struct Logged {
    child: Child,
    channel: Channel,
    log: PathBuf,
    _directory: TempDir,
}

impl Logged {
    async fn start(config: impl FnOnce(&str) -> String, keys: &str) -> Logged {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        fs::write(path("jwks.json"), keys).expect("written");
        let jwks_file = path("jwks.json").display().to_string();
        fs::write(path("tenure.toml"), config(&jwks_file)).expect("written");
        let log = path("log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
        command.args(["--set", "log.filter=trace", "--config"]);
        let mut child = command
            .arg(path("tenure.toml"))
            .stdout(Stdio::piped())
            .stderr(File::create(&log).expect("made"))
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it was asked for");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("it speaks");
        let address = line
            .strip_prefix("tenure listening grpc=")
            .and_then(|rest| rest.split(' ').next())
            .unwrap_or_else(|| panic!("{}", fs::read_to_string(&log).unwrap_or_default()));
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
        Logged {
            child,
            channel: endpoint.connect().await.expect("connected"),
            log,
            _directory: directory,
        }
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.log).expect("a log")
    }

    /// ListSessions in `crm`, and what it added to the log.
    async fn list(&self, headers: &[(&'static str, &str)]) -> (Answered, String) {
        let before = self.text().len();
        let request = raw::request("ListSessions", "crm", "acme");
        let path = "/tenure.v1.SessionService/ListSessions";
        let answered = raw::call(self.channel.clone(), path, headers, request).await;
        (answered, self.text()[before..].to_owned())
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the log says of the tokens that `unsound` makes.
const SAID: &[(&str, &str)] = &[
    ("expired", "the token has expired"),
    ("not valid yet", "not valid yet"),
    ("wrong audience", "meant for another audience"),
    ("wrong issuer", "none of those configured"),
    ("none", "an algorithm that is not allowed"),
    (
        "HMAC with the public key",
        "an algorithm that is not allowed",
    ),
    ("wrong signature", "signature is wrong"),
    ("tampered claims", "signature is wrong"),
    ("unknown kid", "do not include the one that signed"),
    ("no kid", "does not say which key"),
    ("alg twice", "header cannot be read"),
    ("a logout token", "of another type"),
];

#[tokio::test]
async fn the_log_says_which_fault_it_was_and_never_what_was_shown() {
    let (key, other) = (SigningKey::ec(), SigningKey::ec());
    let (api_key, hash) = new_key();
    let (strange_key, _) = new_key();
    let config = |jwks_file: &str| {
        let issuer = format!(
            "issuer = \"{ISSUER}\"\naudiences = [\"{AUDIENCE}\"]\njwks_file = \"{jwks_file}\"\n"
        );
        format!(
            "[callers.jwt.k8s]\n{issuer}[callers.users.okta]\n{issuer}\
             [callers.apikey.crm]\nhashes = [\"{}\"]\n\
             [policy.servers]\ncallers = [\"**\"]\nallow = [\"server\"]\nnamespaces = [\"crm\"]\n\
             [namespaces.crm]\nowner_proof = [\"okta\"]\n",
            hash.show()
        )
    };
    let service = Logged::start(config, &jwks(&[key.jwk("a")])).await;
    let users = key.token_with("a", &json!({"sub": "ada"}));
    let mut secrets = vec![
        api_key.expose_secret().to_owned(),
        strange_key.expose_secret().to_owned(),
        users.clone(),
    ];

    for (what, token) in unsound(&key, &other) {
        if token.len() > 10_000 {
            continue;
        }
        let (_, added) = service.list(&[("authorization", &bearer(&token))]).await;
        if let Some((_, said)) = SAID.iter().find(|(own, _)| *own == what) {
            let line = added
                .lines()
                .find(|line| line.contains("the caller is not known"));
            let line = line.unwrap_or_else(|| panic!("nothing said of {what}: {added}"));
            assert!(
                line.contains(said) && line.contains("same"),
                "{what}: {line}"
            );
        }
        secrets.push(token);
    }
    let known = bearer(api_key.expose_secret());
    let strange = bearer(strange_key.expose_secret());
    let cut_off = &known[..known.len() - 3];
    for (shown, said) in [
        (vec![], "shows no token"),
        (
            vec![("authorization", &*strange)],
            "nobody has this API key",
        ),
        (vec![("authorization", cut_off)], "mistyped or cut off"),
        (vec![("authorization", &*known)], "the owner is not proved"),
        (
            vec![("authorization", &*known), ("tenure-user-token", "x.y.z")],
            "the owner is not proved",
        ),
    ] {
        let (_, added) = service.list(&shown).await;
        assert!(added.contains(said), "{said}: {added}");
    }
    let shown = [("authorization", &*known), ("tenure-user-token", &*users)];
    let (answered, added) = service.list(&shown).await;
    assert_eq!(answered.code, tonic::Code::Ok);
    assert!(!added.is_empty(), "everything is logged");

    let log = service.text();
    for secret in secrets {
        // A part that no two tokens share tells more than the whole.
        let tell_tale = secret.rsplit('.').next().unwrap_or_default();
        for part in [&*secret, tell_tale] {
            assert!(
                part.len() < 20 || !log.contains(part),
                "{part} is in the log"
            );
        }
    }
}
