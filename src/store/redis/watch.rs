//! Watching a namespace: the poller's news, checked for gaps, which the watcher reads for itself.

use std::collections::VecDeque;
use std::sync::Arc;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::future::try_join_all;
use futures::stream::{self, StreamExt as _};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::Shared;
use super::keys::{CELLS, Cell};
use super::poll::{Entry, Poller, Position, Positions};
use crate::session::names::NamespaceName;
use crate::store::{Answer, Cursor, Logged, Namespace, StoreError, Watch};

impl Shared {
    pub(super) async fn watch(
        self: &Arc<Self>,
        namespace: &Arc<Namespace>,
        after: Option<Cursor>,
    ) -> Answer<Watch> {
        let ends = self.ends(&namespace.name).await?;
        // Listening begins before the cells are read (again): nothing falls in between.
        let poller = Poller::of(self, namespace, &ends);
        let news = poller.listen();
        let positions = match &after {
            None => self.ends(&namespace.name).await?,
            Some(cursor) => {
                let positions =
                    decode(&namespace.name, &cursor.0).ok_or(StoreError::CursorExpired)?;
                self.check_reach(&namespace.name, &positions, &ends).await?;
                positions
            }
        };
        let watcher = Watcher {
            shared: Arc::clone(self),
            namespace: Arc::clone(namespace),
            _poller: poller,
            news,
            positions,
            ready: VecDeque::new(),
            failovers: self.link.failovers(),
            behind: after.is_some(),
            expired: false,
        };
        Ok(Watch {
            start: Cursor(encode(&namespace.name, &watcher.positions)),
            events: stream::unfold(watcher, Watcher::step).boxed(),
        })
    }

    /// Whether the streams still reach back to a cursor's positions, and up to them.
    async fn check_reach(
        &self,
        name: &NamespaceName,
        positions: &Positions,
        ends: &Positions,
    ) -> Answer<()> {
        let mut looks = Vec::new();
        for cell in Cell::all() {
            let (position, end) = (positions[cell.index()], ends[cell.index()]);
            if position > end {
                // A failover has lost the end, or the cursor is not of this store.
                return Err(StoreError::CursorExpired);
            }
            if position < end {
                looks.push(async move {
                    let entries = self.entries(name, cell, position).await?;
                    match entries.first() {
                        Some(first) if first.previous == position => Ok(()),
                        _ => Err(StoreError::CursorExpired),
                    }
                });
            }
        }
        try_join_all(looks).await?;
        Ok(())
    }
}

/// Grows with each failover that the link sees.
type FailoverCount = tokio::sync::watch::Receiver<u64>;

/// Somebody who watches. Its positions decide what it has seen; the poller's news are a short cut.
struct Watcher {
    shared: Arc<Shared>,
    namespace: Arc<Namespace>,
    /// Keeps it running.
    _poller: Arc<Poller>,
    news: Receiver<Arc<Entry>>,
    positions: Box<Positions>,
    ready: VecDeque<Arc<Entry>>,
    failovers: FailoverCount,
    /// Whether it has to read for itself.
    behind: bool,
    expired: bool,
}

impl Watcher {
    async fn step(mut self) -> Option<(Answer<Logged>, Watcher)> {
        if self.expired {
            return None;
        }
        loop {
            if let Some(entry) = self.ready.pop_front() {
                let position = &mut self.positions[entry.cell.index()];
                *position = entry.position;
                if let Some(event) = &entry.event {
                    let logged = Logged {
                        event_id: format!("{:02x}-{}", entry.cell.0, entry.position),
                        event: Arc::clone(event),
                        cursor: Cursor(encode(&self.namespace.name, &self.positions)),
                    };
                    return Some((Ok(logged), self));
                }
                continue;
            }
            if self.behind {
                match self.check_and_catch_up().await {
                    Ok(()) => continue,
                    Err(StoreError::CursorExpired) => {
                        self.expired = true;
                        return Some((Err(StoreError::CursorExpired), self));
                    }
                    // An outage ends nobody's watch.
                    Err(_) => tokio::time::sleep(self.shared.options.poll_interval).await,
                }
                continue;
            }
            tokio::select! {
                news = self.news.recv() => match news {
                    Ok(entry) => self.take(entry),
                    Err(RecvError::Lagged(_)) => self.behind = true,
                    Err(RecvError::Closed) => return None,
                },
                // The end of a stream may have been lost, and what comes after it may look old.
                Ok(()) = self.failovers.changed() => self.behind = true,
            }
        }
    }

    fn take(&mut self, entry: Arc<Entry>) {
        let position = self.positions[entry.cell.index()];
        if entry.position <= position {
            return;
        }
        if entry.previous == position {
            self.ready.push_back(entry);
        } else {
            self.behind = true;
        }
    }

    async fn check_and_catch_up(&mut self) -> Answer<()> {
        let name = &self.namespace.name;
        let ends = self.shared.ends(name).await?;
        let lost = |(position, end)| position > end;
        if self.positions.iter().zip(ends.iter()).any(lost) {
            return Err(StoreError::CursorExpired);
        }
        self.catch_up().await
    }

    /// Reads the next page of every cell.
    async fn catch_up(&mut self) -> Answer<()> {
        let name = &self.namespace.name;
        let pages = try_join_all(Cell::all().map(|cell| {
            self.shared
                .entries(name, cell, self.positions[cell.index()])
        }))
        .await?;
        let mut ready = Vec::new();
        // A cell whose page is full goes on behind it: what others have beyond that place comes later.
        let mut horizon: Option<Position> = None;
        for page in pages {
            let Some((first, last)) = page.first().zip(page.last()) else {
                continue;
            };
            if page.len() == Shared::PAGE {
                let end = last.position;
                horizon = Some(horizon.map_or(end, |horizon| horizon.min(end)));
            }
            let mut position = self.positions[first.cell.index()];
            for entry in page {
                if entry.previous != position {
                    // What stood between was trimmed, or lost in a failover.
                    return Err(StoreError::CursorExpired);
                }
                position = entry.position;
                ready.push(Arc::new(entry));
            }
        }
        if let Some(horizon) = horizon {
            ready.retain(|entry| entry.position <= horizon);
        }
        ready.sort_by_key(|entry| (entry.position, entry.cell));
        self.ready.extend(ready);
        self.behind = horizon.is_some();
        Ok(())
    }
}

/// What a cursor begins with: its version and whose it is.
fn header(name: &NamespaceName) -> [u8; 5] {
    let hash = digest::digest(&digest::SHA256, name.as_str().as_bytes());
    let hash = hash.as_ref();
    [1, hash[0], hash[1], hash[2], hash[3]]
}

/// The positions of all cells: runs of cells without events as one number, times as what they are beyond the
/// earliest.
fn encode(name: &NamespaceName, positions: &Positions) -> String {
    let used = positions.iter().map(|position| position.millis);
    let base = used.filter(|millis| *millis > 0).min().unwrap_or(0);
    let mut out = header(name).to_vec();
    put(&mut out, base);
    let mut empty = 0;
    for position in positions {
        if *position == Position::default() {
            empty += 1;
            continue;
        }
        put(&mut out, empty);
        empty = 0;
        put(&mut out, position.millis.saturating_sub(base));
        put(&mut out, position.sequence);
    }
    URL_SAFE_NO_PAD.encode(out)
}

fn decode(name: &NamespaceName, cursor: &str) -> Option<Box<Positions>> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let mut rest = bytes.strip_prefix(&header(name)[..])?;
    let base = take(&mut rest)?;
    let mut positions = Box::new([Position::default(); CELLS]);
    let mut cell = 0_usize;
    while !rest.is_empty() {
        cell = cell.checked_add(usize::try_from(take(&mut rest)?).ok()?)?;
        *positions.get_mut(cell)? = Position {
            millis: base.checked_add(take(&mut rest)?)?,
            sequence: take(&mut rest)?,
        };
        cell += 1;
    }
    Some(positions)
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    out.push((number & 0x7F) as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for place in 0..10 {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7F).checked_shl(7 * place)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> NamespaceName {
        NamespaceName::new("suite").unwrap()
    }

    #[test]
    fn cursors_come_back_as_they_were() {
        let mut positions = Box::new([Position::default(); CELLS]);
        assert_eq!(
            decode(&name(), &encode(&name(), &positions)),
            Some(positions.clone())
        );
        for (cell, millis, sequence) in [
            (0, 1_900_000_000_000, 0),
            (7, 1_900_000_004_711, 3),
            (255, 1_899_000_000_000, 70_000),
        ] {
            positions[cell] = Position { millis, sequence };
        }
        let cursor = encode(&name(), &positions);
        assert!(cursor.len() < 60, "{}", cursor.len());
        assert_eq!(decode(&name(), &cursor), Some(positions.clone()));
        let other = NamespaceName::new("other").unwrap();
        assert_eq!(decode(&other, &cursor), None);
        for position in positions.iter_mut() {
            *position = Position {
                millis: 1_900_000_000_000 + 3_600_000,
                sequence: 1,
            };
        }
        positions[0].millis = 1_900_000_000_000;
        assert!(encode(&name(), &positions).len() < 2100);
    }

    #[test]
    fn what_is_no_cursor_is_none() {
        let own = encode(&name(), &[Position::default(); CELLS]);
        for text in [
            "",
            "nonsense",
            ".",
            "é.ü",
            &"0".repeat(5000),
            &format!("{own}ff"),
        ] {
            assert_eq!(decode(&name(), text), None, "{text}");
        }
    }
}
