//! A primary, two replicas, and three sentinels that look after them.

use redis::Value;

use super::{Options, Server, wait_until};

#[derive(Debug)]
pub(crate) struct Sentinels {
    /// The first one began as the primary.
    pub(crate) servers: Vec<Server>,
    pub(crate) sentinels: Vec<Server>,
}

pub(crate) const MASTER: &str = "main";

impl Sentinels {
    pub(crate) fn start() -> Sentinels {
        Sentinels::start_with(&Options::default(), &Options::default())
    }

    /// Options of the servers, and of the sentinels.
    pub(crate) fn start_with(servers: &Options, sentinels: &Options) -> Sentinels {
        let primary = Server::start_with(servers.clone());
        let replica = || {
            let options = servers
                .clone()
                .line(format!("replicaof 127.0.0.1 {}", primary.port));
            Server::start_with(options)
        };
        let (one, two) = (replica(), replica());
        for replica in [&one, &two] {
            wait_until("the replica is in step", || {
                replica
                    .info("replication")
                    .contains("master_link_status:up")
            });
        }
        let sentinels: Vec<_> = (0..3)
            .map(|_| {
                let mut options = sentinels
                    .clone()
                    .line(format!(
                        "sentinel monitor {MASTER} 127.0.0.1 {} 2",
                        primary.port
                    ))
                    .line(format!("sentinel down-after-milliseconds {MASTER} 1000"))
                    .line(format!("sentinel failover-timeout {MASTER} 5000"));
                if let Some(password) = &servers.password {
                    options = options.line(format!("sentinel auth-pass {MASTER} {password}"));
                }
                if let Some(password) = &sentinels.password {
                    options = options.line(format!("sentinel sentinel-pass {password}"));
                }
                Server::launch(options, true)
            })
            .collect();
        for sentinel in &sentinels {
            wait_until("the sentinels know each other and the replicas", || {
                let master = master(sentinel);
                let number = |name: &str| {
                    let at = master.iter().position(|word| word == name)?;
                    master.get(at + 1)?.parse::<u32>().ok()
                };
                number("num-slaves") == Some(2) && number("num-other-sentinels") == Some(2)
            });
        }
        Sentinels {
            servers: vec![primary, one, two],
            sentinels,
        }
    }

    pub(crate) fn url(&self) -> String {
        let hosts: Vec<_> = self
            .sentinels
            .iter()
            .map(|sentinel| format!("127.0.0.1:{}", sentinel.port))
            .collect();
        format!("redis+sentinel://{}/{MASTER}", hosts.join(","))
    }

    /// Waits until the sentinels have agreed on another primary than `old`, and it has taken over.
    pub(crate) fn wait_for_other_than(&self, old: u16) -> &Server {
        let mut new = None;
        wait_until("a replica is promoted", || {
            let mut ports = self.sentinels.iter().map(|sentinel| {
                let words = master(sentinel);
                let at = words.iter().position(|word| word == "port")?;
                words.get(at + 1)?.parse::<u16>().ok()
            });
            let Some(port) = ports.next_back().flatten().filter(|port| *port != old) else {
                return false;
            };
            new = self.servers.iter().find(|server| server.port == port);
            new.is_some_and(|new| new.info("replication").contains("role:master"))
        });
        new.expect("one of ours")
    }
}

fn master(sentinel: &Server) -> Vec<String> {
    match sentinel.try_ask(&["SENTINEL", "MASTER", MASTER]) {
        Ok(Value::Array(words)) => words
            .into_iter()
            .filter_map(|word| redis::from_redis_value(word).ok())
            .collect(),
        _ => Vec::new(),
    }
}
