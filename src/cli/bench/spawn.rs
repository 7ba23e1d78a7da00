//! A service for one run.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;

/// A `tenure serve` on free ports. It ends with this value.
pub(super) struct Spawned {
    child: Child,
    url: String,
}

impl Spawned {
    pub(super) fn start(arguments: &[String]) -> anyhow::Result<Spawned> {
        let own = std::env::current_exe().context("cannot find this program's file")?;
        let mut child = Command::new(own)
            .args(["serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"])
            // A line for each session that is made and ended would bury the progress.
            .args(["--set", "log.filter=warn"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the service")?;
        let mut line = String::new();
        let out = child.stdout.take().context("no output to read")?;
        // It is this value that ends the service, from here on also when something fails.
        let mut spawned = Spawned {
            child,
            url: String::new(),
        };
        BufReader::new(out).read_line(&mut line)?;
        let address = line
            .split_ascii_whitespace()
            .find_map(|word| word.strip_prefix("grpc="))
            .context("the service did not start; it says why above")?;
        spawned.url = format!("http://{address}");
        Ok(spawned)
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
