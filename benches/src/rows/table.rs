//! Every row of the table as data: its name, what it is, what annals is to reach there.

use std::time::Duration;

use annals::Durability::{Buffered, Written};

use super::latency::How;
use super::{BATCH_EVENTS, Bar, Setting, Use};
use super::{append, early, latency, open, replay, space, streams};
use crate::Result;
use crate::floors::baton::{Waiting, Where};
use crate::measure::Figure;
use crate::receipt::Level;

type SetUp = fn(Setting<'_>, &mut Use<'_>) -> Result<()>;

/// A row.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// As on the command line.
    pub name: &'static str,
    /// What is done.
    pub title: &'static str,
    /// Which number stands in the table.
    pub figure: Figure,
    /// What annals is to reach; nothing where nothing is asked.
    pub bars: &'static [Bar],
    pub(super) set_up: SetUp,
}

const fn row(
    name: &'static str,
    title: &'static str,
    figure: Figure,
    bars: &'static [Bar],
    set_up: SetUp,
) -> Row {
    Row { name, title, figure, bars, set_up }
}

const fn micros(tenths: u64) -> Duration {
    Duration::from_nanos(tenths * 100)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn how(level: Level, waiting: Waiting, place: Where) -> How {
    How { level, waiting, place }
}

use Figure::{Bytes, P50, Rate};
use Level::{Durable as D, Written as W};
use Waiting::{Parked, Spinning};
use Where::{Elsewhere, Here};

/// All of them, in the order of the table. A burst stays within segments that the log has
/// prepared: 100,000 events a turn.
pub const ROWS: [Row; 25] = [
    row("w1", "durable append, 1 thread", Rate, &[Bar::OfFloor(0.95)], |s, e| {
        append::alone(s, 1, e)
    }),
    row(
        "w1b",
        "durable append, 1 thread, 100 events a batch",
        Rate,
        &[Bar::OfFloor(0.85)],
        |s, e| append::alone(s, BATCH_EVENTS, e),
    ),
    row("w2-8", "durable append, 8 threads", Rate, &[Bar::OfFloor(0.95)], |s, e| {
        append::crowd(s, 8, e)
    }),
    row(
        "w2-64",
        "durable append, 64 threads",
        Rate,
        &[Bar::OfFloor(0.9), Bar::P99OfFloor(1.2)],
        |s, e| append::crowd(s, 64, e),
    ),
    row(
        "w2t",
        "durable by tickets, 1 thread, up to 4,096 in flight",
        Rate,
        &[Bar::OfFloorOrBeside(0.85, 0.7), Bar::Rate(1e6)],
        append::tickets,
    ),
    row("w3", "buffered append, 1 thread, burst", Rate, &[Bar::Rate(2.5e6)], |s, e| {
        early::burst(s, Buffered, 1, e)
    }),
    row("w3s", "buffered append, 1 thread, sustained", Rate, &[Bar::Rate(1e6)], early::sustained),
    row(
        "w3b",
        "buffered append, 100 events a batch, burst",
        Rate,
        &[Bar::OfFloor(0.75)],
        |s, e| early::burst(s, Buffered, BATCH_EVENTS, e),
    ),
    row("w3w", "written append, 1 thread, burst", Rate, &[Bar::OfFloor(0.65)], |s, e| {
        early::burst(s, Written, 1, e)
    }),
    row(
        "w3e-w",
        "written, version read and expected, burst",
        Rate,
        &[Bar::OfFloor(1.0)],
        |s, e| early::expected(s, Written, e),
    ),
    row("w3e-b", "buffered, version read and expected, burst", Rate, &[Bar::Rate(2e6)], |s, e| {
        early::expected(s, Buffered, e)
    }),
    row("w4", "replay in order", Rate, &[Bar::OfFloor(0.8)], replay::replay),
    row(
        "w5",
        "read a random stream of 10",
        Rate,
        &[Bar::OfFloor(0.6), Bar::P50(micros(35)), Bar::P99(micros(100))],
        streams::random,
    ),
    row("w6", "open, closed cleanly", P50, &[Bar::P50(millis(5))], |s, e| open::open(s, false, e)),
    row("w6k", "open, after kill -9", P50, &[Bar::P50(millis(40))], |s, e| open::open(s, true, e)),
    row(
        "w7ds",
        "to receipt, durable, 2,000/s, spinning",
        P50,
        &[Bar::P50OverFloor(micros(20)), Bar::P99OfFloor(1.2)],
        |s, e| latency::receipt(s, how(D, Spinning, Here), e),
    ),
    row(
        "w7dp",
        "to receipt, durable, 2,000/s, parked",
        P50,
        &[Bar::P50OverFloor(micros(50)), Bar::P99OfFloor(1.2)],
        |s, e| latency::receipt(s, how(D, Parked, Here), e),
    ),
    row("w7ws", "to receipt, written, 10,000/s, spinning", P50, &[Bar::P50(micros(25))], |s, e| {
        latency::receipt(s, how(W, Spinning, Here), e)
    }),
    row("w7wp", "to receipt, written, 10,000/s, parked", P50, &[Bar::P50(micros(300))], |s, e| {
        latency::receipt(s, how(W, Parked, Here), e)
    }),
    row("w7dsx", "the same from another process: durable, spinning", P50, &[], |s, e| {
        latency::receipt(s, how(D, Spinning, Elsewhere), e)
    }),
    row("w7dpx", "durable, parked, another process", P50, &[], |s, e| {
        latency::receipt(s, how(D, Parked, Elsewhere), e)
    }),
    row("w7wsx", "written, spinning, another process", P50, &[Bar::P50(micros(30))], |s, e| {
        latency::receipt(s, how(W, Spinning, Elsewhere), e)
    }),
    row("w7wpx", "written, parked, another process", P50, &[Bar::P50(micros(305))], |s, e| {
        latency::receipt(s, how(W, Parked, Elsewhere), e)
    }),
    row("w8", "bytes on disk for an event of w5", Bytes, &[Bar::Bytes(375.0)], space::disk),
    row(
        "w8m",
        "anonymous memory after opening the log of w5",
        Bytes,
        &[Bar::Bytes(20.0 * 1_048_576.0)],
        space::memory,
    ),
];

/// The rows that a word on the command line means: the one of that name, or else all whose
/// names begin so.
pub fn named(word: &str) -> Vec<Row> {
    let exact: Vec<_> = ROWS.into_iter().filter(|row| row.name == word).collect();
    if exact.is_empty() && word.starts_with('w') {
        return ROWS.into_iter().filter(|row| row.name.starts_with(word)).collect();
    }
    exact
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_means_a_row_or_a_family() {
        let names = |word| named(word).into_iter().map(|row| row.name).collect::<Vec<_>>();
        assert_eq!(names("w3"), ["w3"]);
        assert_eq!(names("w3e"), ["w3e-w", "w3e-b"]);
        assert_eq!(names("w7w").len(), 4);
        assert!(names("some/place").is_empty() && names("").is_empty());
        let mut all: Vec<_> = ROWS.iter().map(|row| row.name).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), ROWS.len());
    }
}
