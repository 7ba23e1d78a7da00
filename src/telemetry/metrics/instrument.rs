//! What counts and measures: cells that every thread has of its own, added up when somebody asks.
//!
//! Why not the instruments of an SDK: those look the attributes of each measurement up by their hashes, some
//! hundreds of nanoseconds, where a whole Get takes five microseconds. Here the labels are known in advance, so
//! that a series is found by arithmetic, and a thread writes to memory that no other writes to: about ten
//! nanoseconds for a counter, and twenty for a histogram.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::label::{Known, Labels};

/// What an instrument is, for those who read it.
#[derive(Clone, Debug)]
pub struct Declared {
    /// Its name, as OpenTelemetry writes names: `tenure.store.duration`.
    pub name: &'static str,
    /// Its unit, as UCUM writes units: `s`, `By`, `{call}`.
    pub unit: &'static str,
    /// What it tells.
    pub about: &'static str,
    /// What kind it is.
    pub kind: Kind,
    /// The keys of its labels.
    pub labels: Vec<&'static str>,
}

/// A kind of instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How often which values were seen.
    Histogram,
}

/// One series at one moment.
#[derive(Clone, Debug)]
pub struct Point<'a> {
    /// The values of its labels, in the order of their keys.
    pub labels: Vec<&'a str>,
    /// What it stands at.
    pub value: Value,
}

/// What a series stands at.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// So many since the process began.
    Count(u64),
    /// So much now.
    Level(f64),
    /// So many in each bucket; the last one has no upper end.
    Spread {
        /// The upper ends of all buckets but the last, in the instrument's unit.
        bounds: &'static [f64],
        /// How many fell into each bucket.
        counts: Vec<u64>,
        /// All values together.
        sum: f64,
    },
}

/// Something that can be read.
pub trait Instrument {
    /// What it is.
    fn declared(&self) -> &Declared;

    /// All its series that have something to tell.
    fn points(&self) -> Vec<Point<'_>>;
}

/// Threads that have cells of their own. Those beyond share with others: slower, never wrong.
const THREADS: usize = 64;

/// Which cells are this thread's.
fn this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    MINE.with(|mine| {
        if mine.get() == usize::MAX {
            mine.set(NEXT.fetch_add(1, Ordering::Relaxed) % THREADS);
        }
        mine.get()
    })
}

/// Numbers that many threads add to. Memory is taken when a thread first adds.
#[derive(Debug)]
struct Sums {
    len: usize,
    threads: [OnceLock<Box<[AtomicU64]>>; THREADS],
}

impl Sums {
    fn new(len: usize) -> Sums {
        Sums {
            len,
            threads: [const { OnceLock::new() }; THREADS],
        }
    }

    fn mine(&self) -> &[AtomicU64] {
        self.threads[this_thread()]
            .get_or_init(|| (0..self.len).map(|_| AtomicU64::new(0)).collect())
    }

    fn add(&self, at: usize, by: u64) {
        self.mine()[at].fetch_add(by, Ordering::Relaxed);
    }

    /// Wraps, so that what one thread added another may take away.
    fn total(&self, at: usize) -> u64 {
        let threads = self.threads.iter().filter_map(OnceLock::get);
        threads.fold(0, |sum, cells| {
            sum.wrapping_add(cells[at].load(Ordering::Relaxed))
        })
    }
}

/// The series of an instrument: which there are, and where each is.
#[derive(Debug)]
struct Series<L> {
    declared: Declared,
    /// How many values each label has.
    sizes: Vec<usize>,
    values: Vec<Vec<Box<str>>>,
    labels: PhantomData<fn(L)>,
}

impl<L: Labels> Series<L> {
    fn new(
        name: &'static str,
        unit: &'static str,
        about: &'static str,
        kind: Kind,
        known: &Known,
    ) -> Series<L> {
        let values = L::values(known);
        Series {
            declared: Declared {
                name,
                unit,
                about,
                kind,
                labels: L::keys(),
            },
            sizes: values.iter().map(Vec::len).collect(),
            values,
            labels: PhantomData,
        }
    }

    fn count(&self) -> usize {
        self.sizes.iter().product()
    }

    fn number(&self, labels: L) -> usize {
        labels.number(&self.sizes)
    }

    /// The values of the labels of a series.
    fn labels_of(&self, mut number: usize) -> Vec<&str> {
        let mut labels = Vec::with_capacity(self.values.len());
        for values in self.values.iter().rev() {
            labels.push(&*values[number % values.len()]);
            number /= values.len();
        }
        labels.reverse();
        labels
    }
}

/// Counts what happens.
#[derive(Debug)]
pub struct Counter<L> {
    series: Series<L>,
    sums: Sums,
}

impl<L: Labels> Counter<L> {
    pub(super) fn new(
        name: &'static str,
        unit: &'static str,
        about: &'static str,
        known: &Known,
    ) -> Counter<L> {
        let series = Series::new(name, unit, about, Kind::Counter, known);
        let sums = Sums::new(series.count());
        Counter { series, sums }
    }

    /// It happened once more.
    pub fn one(&self, labels: L) {
        self.many(labels, 1);
    }

    /// It happened so many times more.
    pub fn many(&self, labels: L, by: u64) {
        self.sums.add(self.series.number(labels), by);
    }

    /// How often it happened.
    pub fn total(&self, labels: L) -> u64 {
        self.sums.total(self.series.number(labels))
    }
}

impl<L: Labels> Instrument for Counter<L> {
    fn declared(&self) -> &Declared {
        &self.series.declared
    }

    /// Series that stand at zero are told, too: a rate is known from their first step on.
    fn points(&self) -> Vec<Point<'_>> {
        let all = 0..self.series.count();
        all.map(|number| Point {
            labels: self.series.labels_of(number),
            value: Value::Count(self.sums.total(number)),
        })
        .collect()
    }
}

/// Says how much there is now.
#[derive(Debug)]
pub struct Gauge<L> {
    series: Series<L>,
    /// The bits of each number. One that is none has not been set.
    levels: Box<[AtomicU64]>,
}

impl<L: Labels> Gauge<L> {
    pub(super) fn new(
        name: &'static str,
        unit: &'static str,
        about: &'static str,
        known: &Known,
    ) -> Gauge<L> {
        let series = Series::new(name, unit, about, Kind::Gauge, known);
        let unset = || AtomicU64::new(f64::NAN.to_bits());
        let levels = (0..series.count()).map(|_| unset()).collect();
        Gauge { series, levels }
    }

    /// From now on it is so much.
    pub fn set(&self, labels: L, level: f64) {
        self.levels[self.series.number(labels)].store(level.to_bits(), Ordering::Relaxed);
    }

    /// The same for a number of things.
    pub fn set_count(&self, labels: L, count: usize) {
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
        self.set(labels, count as f64);
    }

    /// It is not known any more.
    pub fn unset(&self, labels: L) {
        self.set(labels, f64::NAN);
    }
}

impl<L: Labels> Instrument for Gauge<L> {
    fn declared(&self) -> &Declared {
        &self.series.declared
    }

    fn points(&self) -> Vec<Point<'_>> {
        let levels = self.levels.iter().enumerate();
        let set = levels.filter_map(|(number, level)| {
            let level = f64::from_bits(level.load(Ordering::Relaxed));
            (!level.is_nan()).then(|| Point {
                labels: self.series.labels_of(number),
                value: Value::Level(level),
            })
        });
        set.collect()
    }
}

/// Counts what begins and ends: so many are there now.
#[derive(Debug)]
pub struct Presence<L> {
    series: Series<L>,
    sums: Sums,
}

impl<L: Labels> Presence<L> {
    pub(super) fn new(
        name: &'static str,
        unit: &'static str,
        about: &'static str,
        known: &Known,
    ) -> Presence<L> {
        let series = Series::new(name, unit, about, Kind::Gauge, known);
        let sums = Sums::new(series.count());
        Presence { series, sums }
    }

    /// One more is there.
    pub fn come(&self, labels: L) {
        self.sums.add(self.series.number(labels), 1);
    }

    /// One less is there.
    pub fn go(&self, labels: L) {
        self.sums.add(self.series.number(labels), u64::MAX);
    }
}

impl<L: Labels> Instrument for Presence<L> {
    fn declared(&self) -> &Declared {
        &self.series.declared
    }

    fn points(&self) -> Vec<Point<'_>> {
        let all = 0..self.series.count();
        all.map(|number| {
            // Some may have gone already whose coming was read too early.
            let there = self.sums.total(number).cast_signed().max(0);
            #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
            let level = there as f64;
            Point {
                labels: self.series.labels_of(number),
                value: Value::Level(level),
            }
        })
        .collect()
    }
}

/// Counts durations by how long they are.
#[derive(Debug)]
pub struct Histogram<L> {
    series: Series<L>,
    bounds: &'static [f64],
    /// The same in nanoseconds.
    nanos: Box<[u64]>,
    /// For each series its buckets, then the sum of all durations in nanoseconds.
    sums: Sums,
}

impl<L: Labels> Histogram<L> {
    pub(super) fn new(
        name: &'static str,
        unit: &'static str,
        about: &'static str,
        bounds: &'static [f64],
        known: &Known,
    ) -> Histogram<L> {
        let series = Series::new(name, unit, about, Kind::Histogram, known);
        let nanos = bounds
            .iter()
            .map(|&bound| nanos(Duration::from_secs_f64(bound)));
        Histogram {
            sums: Sums::new(series.count() * (bounds.len() + 2)),
            series,
            bounds,
            nanos: nanos.collect(),
        }
    }

    /// Something took so long.
    pub fn record(&self, labels: L, took: Duration) {
        let took = nanos(took);
        // The buckets are few, and most durations are in the first ones.
        let bucket = self.nanos.iter().take_while(|&&bound| bound < took).count();
        let width = self.bounds.len() + 2;
        let first = self.series.number(labels) * width;
        let cells = &self.sums.mine()[first..first + width];
        cells[bucket].fetch_add(1, Ordering::Relaxed);
        cells[width - 1].fetch_add(took, Ordering::Relaxed);
    }

    /// How often.
    pub fn count(&self, labels: L) -> u64 {
        let first = self.series.number(labels) * (self.bounds.len() + 2);
        let buckets = first..=first + self.bounds.len();
        buckets.map(|at| self.sums.total(at)).sum()
    }
}

impl<L: Labels> Instrument for Histogram<L> {
    fn declared(&self) -> &Declared {
        &self.series.declared
    }

    /// Only series that have seen something: most combinations of labels never occur.
    fn points(&self) -> Vec<Point<'_>> {
        let width = self.bounds.len() + 2;
        let all = (0..self.series.count()).map(|number| {
            let first = number * width;
            let buckets = first..=first + self.bounds.len();
            let counts: Vec<u64> = buckets.map(|at| self.sums.total(at)).collect();
            let sum = Duration::from_nanos(self.sums.total(first + width - 1));
            (number, counts, sum.as_secs_f64())
        });
        all.filter(|(_, counts, _)| counts.iter().any(|&count| count > 0))
            .map(|(number, counts, sum)| Point {
                labels: self.series.labels_of(number),
                value: Value::Spread {
                    bounds: self.bounds,
                    counts,
                    sum,
                },
            })
            .collect()
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::label::{Cause, Namespace};
    use super::*;

    fn known() -> Known {
        Known {
            namespaces: ["a", "b"].map(Into::into).to_vec(),
        }
    }

    #[test]
    fn what_threads_count_is_added_up() {
        let counter: Counter<(Namespace, Cause)> = Counter::new("n", "1", "", &known());
        std::thread::scope(|scope| {
            for _ in 0..THREADS + 3 {
                scope.spawn(|| counter.many((Namespace::listed(1), Cause::Evicted), 2));
            }
        });
        let expected = 2 * (THREADS as u64 + 3);
        assert_eq!(
            counter.total((Namespace::listed(1), Cause::Evicted)),
            expected
        );
        let points = counter.points();
        assert_eq!(points.len(), 3 * Cause::ALL.len());
        for point in points {
            let here = point.labels == ["b", "evicted"];
            let count = if here { expected } else { 0 };
            assert_eq!(point.value, Value::Count(count), "{:?}", point.labels);
        }
    }

    #[test]
    fn durations_fall_into_their_buckets() {
        static BOUNDS: &[f64] = &[0.001, 0.01, 0.1];
        let histogram: Histogram<()> = Histogram::new("n", "s", "", BOUNDS, &known());
        assert!(histogram.points().is_empty());
        for micros in [0, 1_000, 1_001, 10_000, 99_999, 100_001, 5_000_000] {
            histogram.record((), Duration::from_micros(micros));
        }
        let points = histogram.points();
        let [point] = &points[..] else {
            panic!("one series");
        };
        let Value::Spread { counts, sum, .. } = &point.value else {
            panic!("a spread");
        };
        // A bucket holds its upper end.
        assert_eq!(counts, &[2, 2, 1, 2]);
        assert!((sum - 5.212_001).abs() < 1e-9, "{sum}");
        assert_eq!(histogram.count(()), 7);
    }

    #[test]
    fn who_comes_on_one_thread_may_go_on_another() {
        let presence: Presence<()> = Presence::new("n", "1", "", &known());
        presence.come(());
        presence.come(());
        std::thread::scope(|scope| {
            scope.spawn(|| presence.go(()));
        });
        assert_eq!(presence.points()[0].value, Value::Level(1.0));
    }

    #[test]
    fn a_gauge_that_was_not_set_says_nothing() {
        let gauge: Gauge<()> = Gauge::new("n", "1", "", &known());
        assert!(gauge.points().is_empty());
        gauge.set_count((), 7);
        assert_eq!(gauge.points()[0].value, Value::Level(7.0));
        gauge.unset(());
        assert!(gauge.points().is_empty());
    }
}
