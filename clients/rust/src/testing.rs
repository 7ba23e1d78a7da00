//! A real service for tests: starts the binary, on free ports, over its memory store unless told otherwise.

use std::io::{BufRead as _, BufReader, Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::Options;

/// A running service. It ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    grpc: String,
    http: String,
}

impl Server {
    /// Starts the binary that `TENURE_BIN` names, the one of this workspace's debug build, or the one on the path.
    ///
    /// # Errors
    /// When there is no binary, or it does not serve.
    pub fn start() -> Result<Server> {
        Server::start_with(&[])
    }

    /// Starts it with more arguments for `tenure serve`.
    ///
    /// # Errors
    /// When there is no binary, or it does not serve.
    pub fn start_with(arguments: &[&str]) -> Result<Server> {
        Server::start_at("127.0.0.1:0", arguments)
    }

    /// Starts it in a folder: paths in its configuration are relative to that.
    ///
    /// # Errors
    /// When there is no binary, or it does not serve.
    pub fn start_in(folder: &Path, arguments: &[&str]) -> Result<Server> {
        Server::spawn(Some(folder), "127.0.0.1:0", arguments)
    }

    /// Starts it at a given address, for instance where another one has just ended.
    ///
    /// # Errors
    /// When there is no binary, or it does not serve.
    pub fn start_at(listen: &str, arguments: &[&str]) -> Result<Server> {
        Server::spawn(None, listen, arguments)
    }

    fn spawn(folder: Option<&Path>, listen: &str, arguments: &[&str]) -> Result<Server> {
        let binary = std::path::absolute(binary()?)?;
        let mut command = Command::new(&binary);
        if let Some(folder) = folder {
            command.current_dir(folder);
        }
        command.args(["serve", "--listen", listen, "--http", "127.0.0.1:0"]);
        command.args(arguments);
        // Settings of whoever runs the tests are not meant for this service.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TENURE_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|error| Error::new(error.kind(), format!("{}: {error}", binary.display())))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let field = |name: &str| {
            let mut words = line.split_whitespace();
            words
                .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
                .map(ToOwned::to_owned)
        };
        let (grpc, http) = (field("grpc"), field("http"));
        let mut server = Server {
            child,
            grpc: grpc.unwrap_or_default(),
            http: http.unwrap_or_default(),
        };
        if server.grpc.is_empty() {
            let _ = server.child.kill();
            let why = format!(
                "{} did not say where it listens: {line:?}",
                binary.display()
            );
            return Err(Error::new(ErrorKind::InvalidData, why));
        }
        Ok(server)
    }

    /// Where it serves gRPC: `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.grpc
    }

    /// Where it serves HTTP: `127.0.0.1:PORT`.
    pub fn http_address(&self) -> &str {
        &self.http
    }

    /// How a client reaches it.
    pub fn options(&self) -> Options {
        Options::new(&format!("http://{}", self.grpc))
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The binary under test.
///
/// # Errors
/// When there is none.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("TENURE_BIN") {
        return Ok(path.into());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
        PathBuf::from,
    );
    let built = target.join("debug/tenure");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("tenure"));
    let mut found = std::iter::once(built).chain(on_path);
    found.find(|path| path.is_file()).ok_or_else(|| {
        let why = "there is no `tenure` on the path; set TENURE_BIN";
        Error::new(ErrorKind::NotFound, why)
    })
}
