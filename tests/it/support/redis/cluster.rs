//! A cluster of three primaries with a replica each.

use redis::Value;

use super::{Options, Server, wait_until};

#[derive(Debug)]
pub(crate) struct Cluster {
    /// The first three began as primaries of a third of the slots each, the others as their replicas in order.
    pub(crate) servers: Vec<Server>,
}

const LAST_SLOTS: [(u16, u16); 3] = [(0, 5460), (5461, 10922), (10923, 16383)];

/// Which of the primaries begins with a slot.
pub(super) fn first_home(slot: u16) -> usize {
    let mut ranges = LAST_SLOTS.iter();
    let home = ranges.position(|(first, last)| (*first..=*last).contains(&slot));
    home.expect("a slot")
}

impl Cluster {
    pub(crate) fn start() -> Cluster {
        Cluster::start_with(&Options::default())
    }

    pub(crate) fn start_with(options: &Options) -> Cluster {
        let start = || {
            let options = options
                .clone()
                .line("cluster-enabled yes")
                // Short, but no shorter than a busy machine can be late.
                .line("cluster-node-timeout 1500")
                .line("cluster-replica-validity-factor 0");
            Server::start_with(options)
        };
        let servers: Vec<_> = (0..6).map(|_| start()).collect();
        let cluster = Cluster { servers };
        for (index, (first, last)) in LAST_SLOTS.into_iter().enumerate() {
            let (first, last) = (first.to_string(), last.to_string());
            let server = &cluster.servers[index];
            server.ask(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]);
            server.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]);
        }
        let bus = |server: &Server| {
            let answer = server.ask(&["CONFIG", "GET", "cluster-port"]);
            let words: Vec<String> = redis::from_redis_value(answer).expect("two words");
            words[1].clone()
        };
        let first = &cluster.servers[0];
        for other in &cluster.servers[1..] {
            first.ask(&[
                "CLUSTER",
                "MEET",
                "127.0.0.1",
                &other.port.to_string(),
                &bus(other),
            ]);
        }
        for server in &cluster.servers {
            wait_until("all have met", || {
                let info: String =
                    redis::from_redis_value(server.ask(&["CLUSTER", "INFO"])).expect("a text");
                info.contains("cluster_known_nodes:6") && nodes(server).len() == 6
            });
        }
        for index in 0..3 {
            let primary = id(&cluster.servers[index]);
            let replica = &cluster.servers[index + 3];
            wait_until("the replica follows", || {
                replica.try_ask(&["CLUSTER", "REPLICATE", &primary]).is_ok()
            });
        }
        cluster.wait_until_whole();
        cluster
    }

    /// What a server is called in the cluster.
    pub(crate) fn id_of(&self, index: usize) -> String {
        id(&self.servers[index])
    }

    /// Sees to it that no server is taken for dead, however busy the machine is.
    pub(crate) fn never_fail_over(&self) {
        for server in &self.servers {
            server.ask(&["CONFIG", "SET", "cluster-node-timeout", "60000"]);
        }
    }

    /// How often the servers have answered with an error of this kind.
    pub(crate) fn errors(&self, code: &str) -> usize {
        self.servers.iter().map(|server| server.errors(code)).sum()
    }

    /// How often the servers have been given a command.
    pub(crate) fn calls(&self, command: &str) -> usize {
        self.servers
            .iter()
            .map(|server| server.calls(command))
            .sum()
    }

    /// Where the only owner's record of a namespace is: its key, its slot, and on which of the primaries.
    pub(crate) fn home_of_the_owner(&self, namespace: &str) -> (Vec<u8>, u16, usize) {
        for (index, server) in self.servers[..3].iter().enumerate() {
            let found = server.ask(&["KEYS", &format!("tenure:{{{namespace}:*}}:o:*")]);
            let mut found: Vec<Vec<u8>> = redis::from_redis_value(found).expect("names");
            let Some(name) = found.pop() else { continue };
            let tag = name.split(|byte| *byte == b'}').next().expect("a tag");
            let tag = format!("{}}}", String::from_utf8_lossy(tag));
            let slot = server.ask(&["CLUSTER", "KEYSLOT", &tag]);
            return (name, redis::from_redis_value(slot).expect("a slot"), index);
        }
        panic!("nobody has it");
    }

    /// Waits until each server that answers agrees that all slots are served, each range by a primary with a
    /// replica that is in step.
    pub(crate) fn wait_until_whole(&self) {
        for server in &self.servers {
            wait_until("the cluster is whole", || {
                let Ok(info) = server.try_ask(&["CLUSTER", "INFO"]) else {
                    return false;
                };
                let info: String = redis::from_redis_value(info).expect("a text");
                let Value::Array(ranges) = server.ask(&["CLUSTER", "SLOTS"]) else {
                    return false;
                };
                let with_replicas = ranges.iter().all(|range| match range {
                    Value::Array(parts) => parts.len() >= 4,
                    _ => false,
                });
                let replication = server.info("replication");
                let in_step = replication.contains("master_link_status:up")
                    || replication.contains("connected_slaves:1");
                info.contains("cluster_state:ok")
                    && info.contains("cluster_slots_ok:16384")
                    && with_replicas
                    && in_step
            });
        }
    }

    pub(crate) fn url(&self) -> String {
        let hosts: Vec<_> = self.servers[..3]
            .iter()
            .map(|server| format!("127.0.0.1:{}", server.port))
            .collect();
        format!("redis+cluster://{}", hosts.join(","))
    }

    /// Begins to move a slot between two servers: from now on ASK and TRYAGAIN come from it.
    pub(crate) fn begin_move(&self, slot: u16, from: usize, to: usize) {
        let slot = slot.to_string();
        let (from, to) = (&self.servers[from], &self.servers[to]);
        to.ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]);
        from.ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]);
    }

    /// Moves a key of a slot that is on the move.
    pub(crate) fn move_key(&self, key: &[u8], from: usize, to: usize) {
        let port = self.servers[to].port.to_string();
        let mut words = ["MIGRATE", "127.0.0.1", &port, "", "0", "5000"].map(str::as_bytes);
        words[3] = key;
        let moved = self.servers[from].try_ask_bytes(&words);
        moved.expect("a key that is there, or none");
    }

    /// Moves what is left, and makes the new one the owner.
    pub(crate) fn end_move(&self, slot: u16, from: usize, to: usize) {
        let text = slot.to_string();
        loop {
            let keys = self.servers[from].ask(&["CLUSTER", "GETKEYSINSLOT", &text, "100"]);
            let keys: Vec<Vec<u8>> = redis::from_redis_value(keys).expect("keys");
            if keys.is_empty() {
                break;
            }
            for key in keys {
                self.move_key(&key, from, to);
            }
        }
        let owner = id(&self.servers[to]);
        self.servers[to].ask(&["CLUSTER", "SETSLOT", &text, "NODE", &owner]);
        // The others learn it from its own news: see `reshard` for what comes of it if they are told.
        for server in &self.servers {
            wait_until("it has heard of the move", || {
                knows(server, slot, self.servers[to].port)
            });
        }
        self.servers[from].ask(&["CLUSTER", "SETSLOT", &text, "STABLE"]);
    }

    /// Waits until the replica of a primary has taken over.
    pub(crate) fn wait_for_promotion(&self, replica: usize) {
        wait_until("the replica is promoted", || {
            let server = &self.servers[replica];
            server.info("replication").contains("role:master") && {
                let info = server.ask(&["CLUSTER", "INFO"]);
                let info: String = redis::from_redis_value(info).expect("a text");
                info.contains("cluster_state:ok")
            }
        });
    }
}

/// Whether a server takes another one for the primary that has a slot. One that is not there to be asked does not matter.
fn knows(server: &Server, slot: u16, port: u16) -> bool {
    let Ok(text) = server.try_ask(&["CLUSTER", "NODES"]) else {
        return true;
    };
    let text: String = redis::from_redis_value(text).expect("a text");
    let address = format!("127.0.0.1:{port}@");
    let line = text.lines().find(|line| line.contains(&address));
    let mut ranges = line.into_iter().flat_map(|line| line.split(' ').skip(8));
    ranges.any(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) => (first..=last).contains(&slot),
            // `[SLOT->-ID]`: on the move.
            _ => false,
        }
    })
}

fn id(server: &Server) -> String {
    redis::from_redis_value(server.ask(&["CLUSTER", "MYID"])).expect("an id")
}

/// The lines of those that have shaken hands.
fn nodes(server: &Server) -> Vec<String> {
    let text: String = redis::from_redis_value(server.ask(&["CLUSTER", "NODES"])).expect("a text");
    let lines = text.lines().filter(|line| !line.contains("handshake"));
    lines.map(str::to_owned).collect()
}
