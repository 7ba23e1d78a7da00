//! The real binary, as a process of its own.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tenure_client::{Options, Tenure};

/// A `tenure serve`. It ends with this.
#[derive(Debug)]
pub(crate) struct Service {
    child: Child,
    dir: TempDir,
    grpc: String,
    http: String,
}

/// Whether the long variants of the tests are asked for.
pub(crate) fn long() -> bool {
    std::env::var_os("TENURE_TESTS_LONG").is_some_and(|long| !long.is_empty())
}

impl Service {
    /// Over a store, otherwise as the defaults say.
    pub(crate) fn start(store: &str) -> Service {
        Service::start_with(store, "")
    }

    /// With further lines of configuration.
    pub(crate) fn start_with(store: &str, config: &str) -> Service {
        Service::launch(Command::new(env!("CARGO_BIN_EXE_tenure")), store, config)
    }

    /// With its clock set apart from everybody else's: `+10s`, `-10s`.
    pub(crate) fn start_at_another_time(offset: &str, store: &str) -> Service {
        // Not through the command itself: it stays between us and the service, and the service would outlive it.
        let library = Command::new("faketime")
            .args(["-f", offset, "printenv", "LD_PRELOAD"])
            .output()
            .expect("faketime is on the PATH");
        let library = String::from_utf8(library.stdout).expect("a path");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
        command.env("LD_PRELOAD", library.trim());
        command.env("FAKETIME", offset);
        // Else the timers of the runtime are faked too.
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        Service::launch(command, store, "")
    }

    fn launch(mut command: Command, store: &str, config: &str) -> Service {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("tenure.toml");
        fs::write(&file, config).expect("a file");
        let log = fs::File::create(dir.path().join("log")).expect("a file");
        // Settings of whoever runs the tests are not meant for this service.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TENURE_") {
                command.env_remove(name);
            }
        }
        // A line per call costs more than the call.
        if !config.contains("[log]") {
            command.env("TENURE_LOG__FILTER", "info,tenure::lifecycle=warn");
        }
        command.args(["serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
        command.args(["--store", store, "--config"]).arg(file);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut service = Service {
            child,
            dir,
            grpc: String::new(),
            http: String::new(),
        };
        let mut line = String::new();
        let stdout = service.child.stdout.take().expect("it was asked for");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("it speaks");
        let mut words = line.split_whitespace();
        let mut field = |name: &str| {
            let value = words.find_map(|word| word.strip_prefix(name));
            value.map(str::to_owned)
        };
        let (Some(grpc), Some(http)) = (field("grpc="), field("http=")) else {
            panic!("{line:?}, and in its log: {}", service.log());
        };
        (service.grpc, service.http) = (grpc, http);
        service
    }

    /// How clients reach it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.grpc)
    }

    /// A client that repeats nothing: each outcome is seen.
    pub(crate) fn client(&self) -> Tenure {
        let options = Options::new(&self.url()).repetitions(0);
        Tenure::lazy(options).expect("good options")
    }

    /// What HTTP answers: the code and the body.
    pub(crate) fn http(&self, path: &str) -> (u16, String) {
        let mut answer = String::new();
        let mut stream = TcpStream::connect(&self.http).expect("it listens");
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("an option");
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .expect("sent");
        stream.read_to_string(&mut answer).expect("a text");
        let code = answer.get(9..12).and_then(|code| code.parse().ok());
        let body = answer
            .split_once("\r\n\r\n")
            .map_or("", |(_, body)| body)
            .to_owned();
        (code.unwrap_or_else(|| panic!("{answer:?}")), body)
    }

    /// Whether it wants calls.
    pub(crate) fn is_ready(&self) -> bool {
        self.http("/readyz").0 == 200
    }

    #[track_caller]
    pub(crate) fn wait_until_ready(&self) {
        super::redis::wait_until("the service is ready", || self.is_ready());
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).expect("a file")
    }

    /// Kills it without a chance to say goodbye.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("our own child");
        self.child.wait().expect("our own child");
    }

    /// Tells it to stop as an orchestrator does, and waits for its end. Whether that was a good one.
    pub(crate) fn stop(&mut self) -> bool {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(told.expect("a command").success());
        self.child.wait().expect("our own child").success()
    }

    /// A number of `/proc/PID/status`: `VmRSS` in KiB, `Threads`.
    pub(crate) fn status(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let number = line.and_then(|line| line.split_whitespace().next());
        number
            .and_then(|number| number.parse().ok())
            .expect("a number")
    }

    /// How many files and sockets it has open.
    pub(crate) fn open_files(&self) -> usize {
        let files = fs::read_dir(format!("/proc/{}/fd", self.child.id()));
        files.expect("it runs").count()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            // Where a test has failed, it says why.
            #[expect(clippy::print_stderr, reason = "for whoever reads the failure")]
            {
                eprintln!("---- the log of {}:\n{}", self.grpc, self.log());
            }
        }
    }
}
