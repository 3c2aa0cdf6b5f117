//! The rows of the table: what is measured, in which unit, and what it needs.

use annals_benches::rows::BATCH_EVENTS;

use crate::store::{Durability, Rival, Work};

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Turns of each side that count.
    pub rounds: usize,
    /// Length of a turn that appends or reads streams, in seconds.
    pub seconds: f64,
    /// Content of the store that is replayed and opened, in bytes.
    pub replay_bytes: u64,
    /// Streams of the store whose streams are read, ten events each.
    pub streams: usize,
    /// Events that a store has taken before it is measured in a row that appends: its files
    /// and tables then have the size that they keep.
    pub warm_events: u64,
}

/// Events of a stream in w5.
pub const EVENTS_PER_STREAM: usize = 10;

/// Streams that w3e appends to.
pub const EXPECTED_STREAMS: usize = 100_000;

/// Events of a burst: what a log has space prepared for.
pub const BURST_EVENTS: u64 = 100_000;

/// What a turn does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Appends for a while.
    Append {
        /// How safe each is when it returns.
        durability: Durability,
        /// Events of a batch.
        batch: usize,
        /// Threads, each waits for its own.
        threads: u64,
        /// Whether the stream's end is read and expected.
        expected: bool,
        /// Whether it ends after [`BURST_EVENTS`] instead of after its time.
        burst: bool,
    },
    /// Replays a store that was closed.
    Replay,
    /// Reads streams at random for a while.
    Streams,
    /// Opens a store that was closed.
    OpenClosed,
    /// Opens a store whose process was killed.
    OpenKilled,
    /// Counts what a store takes on disk.
    Disk,
    /// Counts what an open store takes in memory.
    Memory,
}

/// What a store holds before a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Nothing.
    Nothing,
    /// Events in batches, of streams as they come.
    Log,
    /// The same number of events in every stream.
    Spread,
}

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// In a second: more is better.
    Rate,
    /// Nanoseconds: less is better.
    Time,
    /// Bytes: less is better.
    Bytes,
}

/// A row.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// As on the command line.
    pub name: &'static str,
    /// What it says that it is.
    pub title: &'static str,
    /// What is done.
    pub kind: Kind,
}

const fn durable(batch: usize, threads: u64) -> Kind {
    Kind::Append { durability: Durability::Durable, batch, threads, expected: false, burst: false }
}

const fn burst(durability: Durability, batch: usize) -> Kind {
    Kind::Append { durability, batch, threads: 1, expected: false, burst: true }
}

const fn sustained(durability: Durability) -> Kind {
    Kind::Append { durability, batch: 1, threads: 1, expected: false, burst: false }
}

const fn expected(durability: Durability) -> Kind {
    Kind::Append { durability, batch: 1, threads: 1, expected: true, burst: true }
}

const fn row(name: &'static str, title: &'static str, kind: Kind) -> Row {
    Row { name, title, kind }
}

use Durability::{Buffered, Written};

/// Every row, in the order in which they are run: those that share a prepared store
/// follow each other.
pub const ROWS: [Row; 16] = [
    row("w1", "durable append, 1 thread", durable(1, 1)),
    row("w1b", "durable, 1 thread, 100 events a batch", durable(BATCH_EVENTS, 1)),
    row("w2-8", "durable, 8 threads", durable(1, 8)),
    row("w2-64", "durable, 64 threads", durable(1, 64)),
    row("w3", "buffered, one event a call, burst", burst(Buffered, 1)),
    row("w3s", "buffered, one event a call, sustained", sustained(Buffered)),
    row("w3b", "buffered, 100 events a call, burst", burst(Buffered, BATCH_EVENTS)),
    row("w3w", "written, one event a call, burst", burst(Written, 1)),
    row("w3e-w", "written, with an expected version, burst", expected(Written)),
    row("w3e-b", "buffered, with an expected version, burst", expected(Buffered)),
    row("w4", "replay in order", Kind::Replay),
    row("w6", "open, closed before", Kind::OpenClosed),
    row("w6k", "open, killed before", Kind::OpenKilled),
    row("w5", "read a random stream of 10", Kind::Streams),
    row("w8", "bytes on disk an event", Kind::Disk),
    row("w8m", "memory after open", Kind::Memory),
];

impl Kind {
    /// What the store must hold.
    pub const fn content(self) -> Content {
        match self {
            Self::Append { .. } => Content::Nothing,
            Self::Replay | Self::OpenClosed | Self::OpenKilled => Content::Log,
            Self::Streams | Self::Disk | Self::Memory => Content::Spread,
        }
    }

    /// What its figures count.
    pub const fn unit(self) -> Unit {
        match self {
            Self::Append { .. } | Self::Replay | Self::Streams => Unit::Rate,
            Self::OpenClosed | Self::OpenKilled => Unit::Time,
            Self::Disk | Self::Memory => Unit::Bytes,
        }
    }

    /// Whether a store can be asked for it, and what to say beside its figure if what it
    /// does is safer than what the row asks for.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn fits(self, rival: &Rival) -> Result<Option<&'static str>, &'static str> {
        match self {
            Self::Append { durability, threads, expected, .. } => {
                if threads > 1 {
                    rival.can(Work::Threads)?;
                }
                if expected {
                    rival.can(Work::Expected)?;
                }
                let nearest = rival.nearest(durability)?;
                Ok((nearest > durability).then_some("its cheapest call that does not sync writes"))
            }
            Self::Replay => rival.can(Work::Replay).map(|()| None),
            Self::Streams | Self::Disk | Self::Memory => rival.can(Work::Streams).map(|()| None),
            Self::OpenClosed | Self::OpenKilled => rival.can(Work::Open).map(|()| None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::ANNALS;

    #[test]
    fn annals_is_asked_for_every_row() {
        for row in ROWS {
            assert_eq!(row.kind.fits(&ANNALS), Ok(None), "{}", row.name);
        }
    }

    #[test]
    fn a_row_that_does_not_apply_says_why() {
        let synced = Rival { early: &[], ..ANNALS };
        assert_eq!(burst(Buffered, 1).fits(&synced), Err("every append syncs"));
        let writes = Rival { early: &[(Written, "")], ..ANNALS };
        assert!(burst(Buffered, 1).fits(&writes).unwrap().is_some());
        assert_eq!(burst(Written, 1).fits(&writes), Ok(None));
    }
}
