//! Processes on this machine, and the CPU that they take. Linux tells it in `/proc`; elsewhere nothing is found.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// Of the clock in which the kernel counts CPU. It has been 100 on every architecture since 2.6.
const TICKS_PER_SECOND: u64 = 100;

/// The state of a listening socket in `/proc/net/tcp`.
const LISTENING: &str = "0A";

/// A process.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pid: u32,
    name: String,
}

impl Process {
    pub(super) fn find(pid: u32) -> std::io::Result<Process> {
        let name = fs::read_to_string(format!("/proc/{pid}/comm"))?;
        Ok(Process {
            pid,
            name: name.trim().to_owned(),
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The CPU that it has taken so far, of user and system; nothing if it is gone.
    pub(super) fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        cpu_of(&stat).unwrap_or_default()
    }
}

fn cpu_of(stat: &str) -> Option<Duration> {
    // The name stands in parentheses and may hold anything, so what follows is counted from the last one.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let (user, system) = (ticks()?, ticks()?);
    Some(Duration::from_millis(
        (user + system) * 1000 / TICKS_PER_SECOND,
    ))
}

/// Who listens on a port here. Only of processes that we may look into.
pub(super) fn listening_on(port: u16) -> Vec<u32> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let sockets: Vec<PathBuf> = tables
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listeners(&table, port))
        .map(|inode| PathBuf::from(format!("socket:[{inode}]")))
        .collect();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| {
            let files = fs::read_dir(format!("/proc/{pid}/fd"));
            let mut files = files.into_iter().flatten().flatten();
            files.any(|file| fs::read_link(file.path()).is_ok_and(|to| sockets.contains(&to)))
        })
        .collect()
}

/// The inodes of those sockets that listen on a port.
fn listeners(table: &str, port: u16) -> Vec<u64> {
    let inode = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (_, own_port) = fields.get(1)?.rsplit_once(':')?;
        let listens = u16::from_str_radix(own_port, 16) == Ok(port) && fields[3] == LISTENING;
        fields.get(9)?.parse().ok().filter(|_| listens)
    };
    table.lines().skip(1).filter_map(inode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_read_behind_any_name() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 9 0 0 0 120 35 0 0 20 0 1 0 9";
        assert_eq!(cpu_of(stat), Some(Duration::from_millis(1550)));
        assert_eq!(cpu_of(""), None);
    }

    #[test]
    fn only_listeners_of_the_port_count() {
        let table = "  sl  local_address rem_address   st\n\
            0: 0100007F:1B9E 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 41 1\n\
            1: 0100007F:1B9E 0100007F:D431 01 00000000:00000000 00:00000000 00000000 0 0 42 1\n\
            2: 0100007F:1B9F 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 43 1\n";
        assert_eq!(listeners(table, 7070), [41]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_found_by_its_port() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        assert_eq!(listening_on(port), [std::process::id()]);
        let own = Process::find(std::process::id()).expect("it is there");
        assert!(!own.name().is_empty());
    }
}
