//! Calls that are turned away: recorded in a share of their own, so that nobody is refused on their account.

use std::sync::Arc;

use super::super::queue::{Promise, Queue, Room};
use super::super::{Entry, Level, Outcome, Settings};
use super::{check, open, origin, record, settings, shown};

/// How many calls are promised a place after so many entries by this right.
fn places_behind(entries: usize, room: impl Fn() -> Room) -> usize {
    let queue = Arc::new(Queue::new(16, 1));
    for _ in 0..entries {
        queue.push(Entry::default(), room(), None);
    }
    let promises: Vec<Promise> = std::iter::from_fn(|| queue.promise().ok())
        .take(100)
        .collect();
    promises.len()
}

#[test]
fn who_is_turned_away_takes_nobodys_place() {
    assert_eq!(places_behind(10_000, || Room::AtDoor), 16);
    // The control: the same flood by those who were let in.
    assert_eq!(places_behind(10_000, || Room::IfAny), 0);
    // And the other way round: who was let in does not take theirs.
    let queue = Queue::new(16, 1);
    for _ in 0..100 {
        queue.push(Entry::default(), Room::Owed, None);
    }
    queue.push(Entry::default(), Room::AtDoor, None);
    let taken = queue.take(std::time::Instant::now());
    assert_eq!((taken.waiting.len(), taken.passed_over), (101, 0));
    // What the writer has not written yet is held still; what it has, is not.
    queue.settle(&taken.waiting, true);
    assert!(Arc::new(queue).promise().is_err());
}

#[tokio::test]
async fn a_flood_of_strangers_is_counted_and_delays_nobody() {
    const CALLS: usize = 20_000;
    let log = tempfile::tempdir().unwrap();
    let audit = open(&Settings {
        queue_lines: 40,
        turned_away_per_second: 1,
        ..settings(log.path())
    });
    let began = std::time::Instant::now();
    for number in 0..CALLS {
        // Never admitted; as in the strictest namespace.
        let stranger = audit.trail(origin(number), Level::Required);
        if number % 2 == 0 {
            stranger.hold_to(Level::On);
            let told = stranger.finish(Outcome::Denied, "CALLER_UNKNOWN").await;
            told.unwrap();
        } else {
            drop(stranger);
        }
        if number % 100 == 0 {
            record(&audit, 1_000_000 + number, Level::Required)
                .await
                .expect("nobody's place was taken");
        }
    }
    let seconds = began.elapsed().as_secs();
    let became = audit.became();
    audit.close();
    let report = check(log.path(), &[]);
    assert_eq!((report.lost, report.findings), (0, vec![]));
    let lines = shown(log.path(), None);
    let of_kind = |kind: &str| {
        lines
            .iter()
            .filter(|line| line.text("kind") == kind)
            .count()
    };
    let written = of_kind("event") - CALLS / 100;
    let counted = usize::try_from(report.turned_away).unwrap();
    assert_eq!(written + counted, CALLS, "each is told or counted");
    assert_eq!(became.turned_away, report.turned_away);
    // A quarter of the queue at once, then one a second.
    let seconds = usize::try_from(seconds).unwrap();
    assert!(
        (10..=11 + seconds).contains(&written),
        "{written} in {seconds} s"
    );
    // At the beginning, each second, and at the end: no flood of their own.
    let told = of_kind("lost");
    assert!((1..=3 + seconds).contains(&told), "{told} in {seconds} s");
}
