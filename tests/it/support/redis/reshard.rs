//! Slots that move between the primaries of a cluster, as `redis-cli --cluster reshard` moves them, and go on
//! moving for as long as a test wants.
//!
//! Redis 7.0.13 to 7.2.3 can lose a slot that moves again soon (redis/redis#12564). A server that is told of a move
//! (SETSLOT) and then hears older news from the new owner notes that the owner does not claim the slot; the note
//! stays when the next news agrees with what it was told, and even when it gets the slot itself. As long as it is
//! there, news from before the move, from the owner of then, take the slot away again, and its keys with it: both
//! servers say that the other one has it, for ever. News that tell a server something new wipe the notes out. So
//! each round ends with a move that the servers hear of in no other way.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use redis::Value;

use super::{Cluster, Server};

/// How many keys go in one MIGRATE: redis-cli's own default.
const BATCH: &str = "10";
/// How many slots go the same way before others go another way.
const SLOTS_AT_ONCE: usize = 48;
/// How many of them are the fullest that there are: where most of the calls go.
const FULLEST: usize = 8;

/// Moves slots until it is stopped or dropped.
pub(crate) struct Reshard {
    stop: Arc<AtomicBool>,
    moving: Option<JoinHandle<usize>>,
}

impl Reshard {
    /// Begins to move these slots, of which each is where it was when the cluster was made.
    pub(crate) fn start(cluster: &Cluster, slots: Vec<u16>) -> Reshard {
        let servers = cluster.servers.iter().map(Member::new).collect();
        // Two, since two rounds may go the same way.
        let spare = (0..).filter(|slot| !slots.contains(slot)).take(2);
        let spare = spare.map(Slot::new).collect();
        let slots = slots.into_iter().map(Slot::new).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let mut mover = Mover {
            servers,
            slots,
            spare,
        };
        let stopped = Arc::clone(&stop);
        let moving = std::thread::spawn(move || mover.run(&stopped));
        Reshard {
            stop,
            moving: Some(moving),
        }
    }

    /// How many slots with keys in them it has moved.
    pub(crate) fn stop(mut self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        let moving = self.moving.take().expect("it is stopped once");
        moving.join().expect("every move succeeds")
    }
}

impl Drop for Reshard {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(moving) = self.moving.take() {
            // What went wrong has been printed.
            let _ = moving.join();
        }
    }
}

struct Member {
    port: String,
    id: String,
    connection: redis::Connection,
}

impl Member {
    fn new(server: &Server) -> Member {
        let id = server.ask(&["CLUSTER", "MYID"]);
        let connection = server.connect().expect("a connection");
        for set in [
            connection.set_read_timeout(Some(super::DEADLINE)),
            connection.set_write_timeout(Some(super::DEADLINE)),
        ] {
            set.expect("an option");
        }
        Member {
            port: server.port.to_string(),
            id: redis::from_redis_value(id).expect("an id"),
            connection,
        }
    }

    fn ask(&mut self, words: &[&[u8]]) -> Value {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(word);
        }
        let answer = command.query(&mut self.connection);
        let name = String::from_utf8_lossy(words[0]);
        answer.unwrap_or_else(|error| panic!("{name} at {}: {error}", self.port))
    }

    /// Which primary has what, and how new its claims are, as this server sees it.
    fn view(&mut self) -> Vec<Vec<String>> {
        let text = self.ask(&[b"CLUSTER", b"NODES"]);
        let text: String = redis::from_redis_value(text).expect("a text");
        let mut view: Vec<Vec<String>> = text
            .lines()
            .map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>())
            .filter(|words| words[2].contains("master"))
            // Its id, its epoch, its slots.
            .map(|words| [&words[..1], &words[6..7], &words[8..]].concat())
            .collect();
        view.sort_unstable();
        view
    }

    fn set_slot(&mut self, slot: &str, state: &str, node: &str) {
        let words = ["CLUSTER", "SETSLOT", slot, state, node];
        self.ask(&words.map(str::as_bytes));
    }
}

struct Slot {
    number: u16,
    /// Which primary has it.
    home: usize,
    /// How many keys it had when it was looked at last.
    keys: usize,
}

impl Slot {
    fn new(number: u16) -> Slot {
        Slot {
            number,
            home: super::cluster::first_home(number),
            keys: 0,
        }
    }
}

struct Mover {
    /// The first three are primaries.
    servers: Vec<Member>,
    slots: Vec<Slot>,
    /// Slots without keys, that nobody calls.
    spare: VecDeque<Slot>,
}

impl Mover {
    fn run(&mut self, stop: &AtomicBool) -> usize {
        let mut moved = 0;
        let mut next = 0;
        for round in 0.. {
            let (from, to) = (round % 3, (round + 1 + round / 3 % 2) % 3);
            for index in self.chosen(from, &mut next) {
                if stop.load(Ordering::Relaxed) {
                    return moved;
                }
                moved += usize::from(self.carry(index, to));
            }
            self.spread_the_news(to);
            self.wait_for_agreement();
        }
        moved
    }

    /// Sees to it that every server learns what this one has from its own news, after all older news.
    fn spread_the_news(&mut self, of: usize) {
        // Who has answered twice has written what it had to say, and read what there was to read.
        for _ in 0..2 {
            for server in &mut self.servers {
                server.ask(&[b"PING"]);
                server.ask(&[b"PING"]);
            }
        }
        let spare = self.spare.iter().position(|slot| slot.home != of);
        let spare = spare.and_then(|index| self.spare.remove(index));
        let mut spare = spare.expect("one that it does not have");
        let name = spare.number.to_string();
        let [source_id, target_id] = [spare.home, of].map(|index| self.servers[index].id.clone());
        self.servers[of].set_slot(&name, "IMPORTING", &source_id);
        self.servers[of].set_slot(&name, "NODE", &target_id);
        spare.home = of;
        self.spare.push_back(spare);
    }

    /// Some of a primary's slots: the fullest, and one after the other of all.
    fn chosen(&self, from: usize, next: &mut usize) -> Vec<usize> {
        let mut there: Vec<usize> = (0..self.slots.len())
            .filter(|index| self.slots[*index].home == from)
            .collect();
        let after = there.partition_point(|index| index < next);
        there.rotate_left(after);
        let mut chosen: Vec<usize> = there
            .iter()
            .copied()
            .take(SLOTS_AT_ONCE - FULLEST)
            .collect();
        *next = chosen.last().map_or(0, |last| last + 1) % self.slots.len();
        there.sort_by_key(|index| std::cmp::Reverse(self.slots[*index].keys));
        chosen.extend(there.into_iter().take(FULLEST));
        chosen.sort_unstable();
        chosen.dedup();
        chosen
    }

    /// As redis-cli does before it begins. Without it a replica that has not heard of the last moves yet may
    /// persuade a primary that it has lost the slots that it has just got, and what is in them with them
    /// (measured: after a few hundred moves).
    #[expect(
        clippy::disallowed_methods,
        reason = "the pause of a poll for other processes: it decides nothing"
    )]
    fn wait_for_agreement(&mut self) {
        let until = Instant::now() + super::DEADLINE;
        loop {
            let views: Vec<_> = self.servers.iter_mut().map(Member::view).collect();
            if views.iter().all(|view| *view == views[0]) {
                return;
            }
            assert!(Instant::now() < until, "the servers differ: {views:#?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Moves a slot; whether there was anything in it.
    fn carry(&mut self, index: usize, to: usize) -> bool {
        let slot = &mut self.slots[index];
        let (from, name) = (slot.home, slot.number.to_string());
        let [source_id, target_id] = [from, to].map(|index| self.servers[index].id.clone());
        let port = self.servers[to].port.clone();
        self.servers[to].set_slot(&name, "IMPORTING", &source_id);
        self.servers[from].set_slot(&name, "MIGRATING", &target_id);
        let source = &mut self.servers[from];
        let mut count = 0;
        loop {
            let find = ["CLUSTER", "GETKEYSINSLOT", &name, BATCH].map(str::as_bytes);
            let keys: Vec<Vec<u8>> =
                redis::from_redis_value(source.ask(&find)).expect("a list of keys");
            if keys.is_empty() {
                break;
            }
            count += keys.len();
            let head = ["MIGRATE", "127.0.0.1", &port, "", "0", "60000", "KEYS"];
            let head = head.iter().map(|word| word.as_bytes());
            let words: Vec<&[u8]> = head.chain(keys.iter().map(Vec::as_slice)).collect();
            source.ask(&words);
        }
        // The new owner first, then the old one; then the other, which would learn of it by and by.
        for index in [to, from, 3 - from - to] {
            self.servers[index].set_slot(&name, "NODE", &target_id);
        }
        slot.home = to;
        slot.keys = count;
        count > 0
    }
}
