//! Real Redis servers, each a process that a test starts and that ends with it.

mod cluster;
mod fake;
mod proxy;
mod reshard;
mod sentinel;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::{Cmd, Value};
use tempfile::TempDir;

pub(crate) use cluster::Cluster;
pub(crate) use fake::{Fake, bulk};
pub(crate) use proxy::Proxy;
pub(crate) use reshard::Reshard;
pub(crate) use sentinel::Sentinels;

/// Far beyond what anything takes here: a test that gets this far has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Polls until it is so.
#[track_caller]
#[expect(
    clippy::disallowed_methods,
    reason = "the pause of a poll for another process: it decides nothing"
)]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < until, "not within {DEADLINE:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// How a server is set up, beyond the defaults of the tests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Further lines of its configuration.
    pub(crate) lines: Vec<String>,
    /// The password of its default user.
    pub(crate) password: Option<String>,
    /// Certificates: it then speaks nothing but TLS.
    pub(crate) tls: Option<Certificates>,
}

impl Options {
    pub(crate) fn line(mut self, line: impl Into<String>) -> Options {
        self.lines.push(line.into());
        self
    }

    pub(crate) fn password(mut self, password: &str) -> Options {
        self.password = Some(password.to_owned());
        self
    }
}

/// One server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    dir: TempDir,
    pub(crate) port: u16,
    options: Options,
    sentinel: bool,
}

impl Server {
    pub(crate) fn start() -> Server {
        Server::start_with(Options::default())
    }

    pub(crate) fn start_with(options: Options) -> Server {
        Server::launch(options, false)
    }

    /// At a given port, where nothing listens yet.
    pub(crate) fn start_at(port: u16, options: Options) -> Server {
        let mut server = Server::spawn_at(port, options, false);
        server.wait_for_answer();
        server
    }

    fn launch(options: Options, sentinel: bool) -> Server {
        let mut server = Server::spawn_at(free_port(), options, sentinel);
        wait_until("the server answers", || {
            if server.has_ended() {
                // Somebody has taken one of its ports in between.
                let options = server.options.clone();
                server = Server::spawn_at(free_port(), options, sentinel);
            }
            server.answers()
        });
        server
    }

    fn spawn_at(port: u16, options: Options, sentinel: bool) -> Server {
        let dir = tempfile::tempdir().expect("a directory");
        write_config(dir.path(), &options, sentinel, port);
        let child = spawn(dir.path(), sentinel);
        Server {
            child,
            dir,
            port,
            options,
            sentinel,
        }
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a status").is_some()
    }

    /// Whether it is this one that answers at its port, and is ready for more.
    fn answers(&self) -> bool {
        let info = self.try_ask(&["INFO", "server"]);
        let info = info.and_then(|info| Ok(redis::from_redis_value::<String>(info)?));
        let own = format!("process_id:{}\r", self.pid());
        info.is_ok_and(|info| info.contains(&own))
            && matches!(self.try_ask(&["PING"]), Ok(Value::SimpleString(_)))
    }

    fn wait_for_answer(&mut self) {
        wait_until("the server answers", || {
            if self.has_ended() {
                // Somebody has not let go of its port yet.
                self.child = spawn(self.dir.path(), self.sentinel);
            }
            self.answers()
        });
    }

    /// Where it is, without credentials.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Asks it something, past the link.
    #[track_caller]
    pub(crate) fn ask(&self, words: &[&str]) -> Value {
        match self.try_ask(words) {
            Ok(value) => value,
            Err(error) => panic!("{words:?} at {}: {error}", self.port),
        }
    }

    pub(crate) fn try_ask(&self, words: &[&str]) -> redis::RedisResult<Value> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        self.try_ask_bytes(&words)
    }

    fn try_ask_bytes(&self, words: &[&[u8]]) -> redis::RedisResult<Value> {
        let mut command = Cmd::new();
        for word in words {
            command.arg(*word);
        }
        command.query(&mut self.connect()?)
    }

    /// Asks it something while it wants a password that it was not set up with.
    #[track_caller]
    pub(crate) fn ask_with_password(&self, password: &str, words: &[&str]) -> Value {
        let mut connection = self.connect().expect("it listens");
        let mut pipeline = redis::pipe();
        pipeline.cmd("AUTH").arg(password).ignore();
        pipeline.add_command(words.iter().fold(Cmd::new(), |mut command, word| {
            command.arg(*word);
            command
        }));
        pipeline.query(&mut connection).expect("it is let in")
    }

    /// Whether it can save from now on: something may stand in the way of its file.
    pub(crate) fn can_save(&self, can: bool) {
        let file = self.dir.path().join("dump.rdb");
        let changed = if can {
            std::fs::remove_dir(file)
        } else {
            std::fs::create_dir(file)
        };
        changed.expect("our own directory");
        let outcome = if can { "ok" } else { "err" };
        wait_until("it has tried to save", || {
            // It may still be at the one before.
            let _ = self.try_ask(&["BGSAVE"]);
            let status = format!("rdb_last_bgsave_status:{outcome}");
            self.info("persistence").contains(&status)
        });
    }

    /// A connection past the link.
    pub(crate) fn connect(&self) -> redis::RedisResult<redis::Connection> {
        let patience = Duration::from_secs(2);
        let password = match &self.options.password {
            Some(password) => format!(":{password}@"),
            None => String::new(),
        };
        let scheme = if self.options.tls.is_some() {
            "rediss"
        } else {
            "redis"
        };
        let url = format!("{scheme}://{password}127.0.0.1:{}", self.port);
        let client = match &self.options.tls {
            None => redis::Client::open(url)?,
            Some(tls) => redis::Client::build_with_tls(url, tls.for_client())?,
        };
        let connection = client.get_connection_with_timeout(patience)?;
        connection.set_read_timeout(Some(patience))?;
        connection.set_write_timeout(Some(patience))?;
        Ok(connection)
    }

    /// All that it would keep on disk.
    pub(crate) fn dump(&self) -> Vec<u8> {
        self.ask(&["SAVE"]);
        std::fs::read(self.dir.path().join("dump.rdb")).expect("a dump")
    }

    /// The text of INFO.
    pub(crate) fn info(&self, section: &str) -> String {
        let answer = self.ask(&["INFO", section]);
        redis::from_redis_value(answer).expect("a text")
    }

    /// How many connections have names like the link's.
    pub(crate) fn connections_of_the_link(&self) -> usize {
        let list: String = redis::from_redis_value(self.ask(&["CLIENT", "LIST"])).expect("a text");
        // The ones of the tests are those that ask, and replicas'.
        list.lines()
            .filter(|line| line.contains("cmd=") && !line.contains("cmd=client|list"))
            .filter(|line| !line.contains("flags=S") && !line.contains("flags=M"))
            .count()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Stops it where it is: connections stay, nothing is answered.
    pub(crate) fn freeze(&self) {
        signal(self.pid(), "STOP");
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        signal(self.pid(), "CONT");
    }

    /// Kills it without a chance to say goodbye.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("our own child");
        self.child.wait().expect("our own child");
    }

    /// Starts it again where it was, with what it had written to disk.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(self.dir.path(), self.sentinel);
        self.wait_for_answer();
    }

    /// The same, but comes back while it is still reading what it had written.
    pub(crate) fn restart_with_much_to_read(&mut self) {
        self.child = spawn(self.dir.path(), self.sentinel);
        wait_until("it reads its data", || self.is_loading());
    }

    /// Whether it answers, and is still reading its data.
    pub(crate) fn is_loading(&self) -> bool {
        let answer = self.try_ask(&["INFO", "persistence"]);
        let info = answer.and_then(|info| Ok(redis::from_redis_value::<String>(info)?));
        info.is_ok_and(|info| info.contains("\nloading:1"))
    }

    /// How often it has answered with an error of this kind.
    pub(crate) fn errors(&self, code: &str) -> usize {
        self.counted("errorstats", &format!("errorstat_{code}:count="))
    }

    /// How often it has been given a command.
    pub(crate) fn calls(&self, command: &str) -> usize {
        self.counted("commandstats", &format!("cmdstat_{command}:calls="))
    }

    /// A number in its statistics.
    fn counted(&self, section: &str, name: &str) -> usize {
        let stats = self.info(section);
        let line = stats.lines().find_map(|line| line.strip_prefix(name));
        let digits = line.and_then(|line| line.split(',').next());
        digits.map_or(0, |count| count.trim().parse().expect("a number"))
    }

    /// What MONITOR shows while `during` runs.
    pub(crate) async fn monitor<F: Future<Output = ()>>(&self, during: F) -> Vec<String> {
        use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await;
        let (reader, mut writer) = stream.expect("a connection").into_split();
        let mut lines = BufReader::new(reader).lines();
        writer.write_all(b"MONITOR\r\n").await.expect("a request");
        let answer = lines.next_line().await.expect("an answer");
        assert_eq!(answer.as_deref(), Some("+OK"));
        during.await;
        // Everything before this line has been seen then.
        self.ask(&["ECHO", "the end of it"]);
        let mut seen = Vec::new();
        while let Some(line) = lines.next_line().await.expect("a line") {
            if line.contains("the end of it") {
                break;
            }
            seen.push(line);
        }
        // Connecting to ask.
        seen.retain(|line| !line.contains("\"SETINFO\""));
        seen
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Works on a frozen one too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(pid: u32, name: &str) {
    let status = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status();
    assert!(status.expect("kill runs").success(), "kill -{name} {pid}");
}

/// A port that nobody listens at, for now: none of those that the system gives to whoever connects.
pub(crate) fn free_port() -> u16 {
    const PORTS: std::ops::Range<u16> = 10_000..32_000;
    loop {
        let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0_u8);
        let offset = random % u64::from(PORTS.end - PORTS.start);
        let port = PORTS.start + u16::try_from(offset).expect("a small number");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn write_config(dir: &Path, options: &Options, sentinel: bool, port: u16) {
    let mut lines = vec![
        "bind 127.0.0.1".to_owned(),
        format!("dir {}", dir.display()),
        "logfile server.log".to_owned(),
        "daemonize no".to_owned(),
    ];
    if options.tls.is_some() {
        lines.push("port 0".to_owned());
        lines.push(format!("tls-port {port}"));
    } else {
        lines.push(format!("port {port}"));
    }
    if !sentinel {
        lines.push("save \"\"".to_owned());
        // Replicas are there at once, not after five seconds.
        lines.push("repl-diskless-sync-delay 0".to_owned());
        lines.push("repl-ping-replica-period 1".to_owned());
    }
    if let Some(password) = &options.password {
        lines.push(format!("requirepass {password}"));
        if !sentinel {
            lines.push(format!("masterauth {password}"));
        }
    }
    if let Some(tls) = &options.tls {
        lines.push(format!("tls-cert-file {}", tls.server_cert().display()));
        lines.push(format!("tls-key-file {}", tls.server_key().display()));
        lines.push(format!("tls-ca-cert-file {}", tls.ca().display()));
    }
    if options
        .lines
        .iter()
        .any(|line| line == "cluster-enabled yes")
    {
        lines.push(format!("cluster-port {}", free_port()));
    }
    lines.extend(options.lines.iter().cloned());
    std::fs::write(dir.join("redis.conf"), lines.join("\n") + "\n").expect("a file");
}

fn spawn(dir: &Path, sentinel: bool) -> Child {
    let mut command = Command::new("redis-server");
    command.arg(dir.join("redis.conf"));
    if sentinel {
        command.arg("--sentinel");
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().expect("redis-server is on the PATH")
}

/// A CA, and a certificate each for a server at 127.0.0.1 and for a client.
#[derive(Clone, Debug)]
pub(crate) struct Certificates {
    dir: std::sync::Arc<TempDir>,
}

impl Certificates {
    pub(crate) fn make() -> Certificates {
        use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
        let dir = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: String| {
            std::fs::write(dir.path().join(name), text).expect("a file");
        };
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        // OpenSSL takes a certificate whose subject is its issuer's for self-signed.
        params.distinguished_name.push(DnType::CommonName, "ca");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let ca = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        write("ca.pem", ca.pem());
        for name in ["server", "client"] {
            let mut params =
                CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters");
            params.distinguished_name.push(DnType::CommonName, name);
            let key = KeyPair::generate().expect("a key");
            let cert = params.signed_by(&key, &ca).expect("a certificate");
            write(&format!("{name}.pem"), cert.pem());
            write(&format!("{name}.key"), key.serialize_pem());
        }
        let dir = std::sync::Arc::new(dir);
        Certificates { dir }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.file("ca.pem")
    }

    pub(crate) fn server_cert(&self) -> PathBuf {
        self.file("server.pem")
    }

    pub(crate) fn server_key(&self) -> PathBuf {
        self.file("server.key")
    }

    pub(crate) fn client_cert(&self) -> PathBuf {
        self.file("client.pem")
    }

    pub(crate) fn client_key(&self) -> PathBuf {
        self.file("client.key")
    }

    fn for_client(&self) -> redis::TlsCertificates {
        let read = |file: PathBuf| std::fs::read(file).expect("a file");
        redis::TlsCertificates {
            client_tls: Some(redis::ClientTlsConfig {
                client_cert: read(self.client_cert()),
                client_key: read(self.client_key()),
            }),
            root_cert: Some(read(self.ca())),
        }
    }
}
