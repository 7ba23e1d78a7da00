//! Reading the events of all cells: one poller per namespace and instance, shared by all who watch.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::future::join_all;
use redis::Value;
use tokio::sync::broadcast;

use super::doubt::Token;
use super::keys::{CELLS, Cell};
use super::reply;
use super::{Shared, pack};
use crate::session::event::Event;
use crate::session::names::NamespaceName;
use crate::store::{Answer, Namespace};

/// Where an event stands in the stream of its cell: the two parts of its id there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) millis: u64,
    pub(super) sequence: u64,
}

impl Position {
    pub(super) fn parse(text: &[u8]) -> Option<Position> {
        let (millis, sequence) = std::str::from_utf8(text).ok()?.split_once('-')?;
        Some(Position {
            millis: millis.parse().ok()?,
            sequence: sequence.parse().ok()?,
        })
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.millis, self.sequence)
    }
}

/// The positions in all cells.
pub(super) type Positions = [Position; CELLS];

/// An event as it stands in the stream of its cell.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) cell: Cell,
    pub(super) position: Position,
    /// The event before it. A reader that stands elsewhere has missed something.
    pub(super) previous: Position,
    /// `None`: written by a later version, which knows more kinds.
    pub(super) event: Option<Arc<Event>>,
    /// Which call has ended the session, if it is about an ending. Of another event these are any bytes.
    pub(super) token: Option<Token>,
}

/// Reads what is new and hands it to all who listen.
pub(super) struct Poller {
    news: broadcast::Sender<Arc<Entry>>,
}

impl Poller {
    /// What a listener may lag behind before it has to read for itself.
    const BUFFER: usize = 4096;

    /// The poller of a namespace: the one that runs, or a new one that begins here.
    pub(super) fn of(
        shared: &Arc<Shared>,
        namespace: &Arc<Namespace>,
        from: &Positions,
    ) -> Arc<Poller> {
        let fleet = shared.fleets.of(namespace);
        let mut running = fleet.poller.lock();
        if let Some(poller) = running.upgrade() {
            return poller;
        }
        let buffer = shared.options.event_log_length.clamp(1, Self::BUFFER);
        let poller = Arc::new(Poller {
            news: broadcast::Sender::new(buffer),
        });
        *running = Arc::downgrade(&poller);
        let name = namespace.name.clone();
        let positions = Box::new(*from);
        tokio::spawn(poll(
            Arc::downgrade(shared),
            Arc::downgrade(&poller),
            name,
            positions,
        ));
        poller
    }

    pub(super) fn listen(&self) -> broadcast::Receiver<Arc<Entry>> {
        self.news.subscribe()
    }
}

/// Polls for as long as anybody watches.
async fn poll(
    shared: Weak<Shared>,
    poller: Weak<Poller>,
    name: NamespaceName,
    mut positions: Box<Positions>,
) {
    loop {
        let pause = {
            let (Some(shared), Some(_)) = (shared.upgrade(), poller.upgrade()) else {
                return;
            };
            let mut news = shared.news(&name, &positions).await;
            // Across cells there is no order, but nearly that of time looks better.
            news.sort_by_key(|entry| (entry.position, entry.cell));
            let Some(poller) = poller.upgrade() else {
                return;
            };
            for entry in news {
                positions[entry.cell.index()] = entry.position;
                // Nobody may be listening just now.
                let _ = poller.news.send(Arc::new(entry));
            }
            shared.options.poll_interval
        };
        tokio::time::sleep(pause).await;
    }
}

impl Shared {
    /// Entries that are read of a cell at once.
    pub(super) const PAGE: usize = 128;

    /// What is new in all cells. Cells that cannot be read now have nothing new.
    async fn news(&self, name: &NamespaceName, positions: &Positions) -> Vec<Entry> {
        let cells = Cell::all().map(|cell| self.entries(name, cell, positions[cell.index()]));
        let pages = join_all(cells).await;
        pages.into_iter().flatten().flatten().collect()
    }

    /// The next entries of a cell behind a position.
    pub(super) async fn entries(
        &self,
        name: &NamespaceName,
        cell: Cell,
        behind: Position,
    ) -> Answer<Vec<Entry>> {
        let key = self.keys.cell(name, cell).events();
        let mut cmd = redis::cmd("XRANGE");
        cmd.arg(&key)
            .arg(format!("({behind}"))
            .arg("+")
            .arg("COUNT")
            .arg(Self::PAGE);
        let Value::Array(entries) = self.link.command(&key, cmd).await? else {
            return Err(reply::malformed());
        };
        let entries = entries.iter().map(|entry| read_entry(cell, entry));
        entries.collect::<Option<_>>().ok_or_else(reply::malformed)
    }

    /// Where the events of all cells end now.
    pub(super) async fn ends(&self, name: &NamespaceName) -> Answer<Box<Positions>> {
        let ends = self
            .on_all_cells(name, |keys| {
                let key = keys.marks();
                let mut cmd = redis::cmd("HGET");
                cmd.arg(&key).arg("e");
                (key, cmd)
            })
            .await?;
        let mut positions = Box::new([Position::default(); CELLS]);
        for (cell, end) in ends {
            if let Value::BulkString(end) = end {
                positions[cell.index()] = Position::parse(&end).ok_or_else(reply::malformed)?;
            }
        }
        Ok(positions)
    }
}

/// `[id, [field, value, …]]`
fn read_entry(cell: Cell, entry: &Value) -> Option<Entry> {
    let Value::Array(entry) = entry else {
        return None;
    };
    let [Value::BulkString(id), Value::Array(fields)] = &entry[..] else {
        return None;
    };
    let [_, Value::BulkString(previous), _, Value::BulkString(packed)] = &fields[..] else {
        return None;
    };
    Some(Entry {
        cell,
        position: Position::parse(id)?,
        previous: Position::parse(previous)?,
        event: pack::read_event(packed).map(Arc::new),
        token: packed.last_chunk().copied(),
    })
}

/// How often the cells are asked for news: events are visible within a second.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(250);
