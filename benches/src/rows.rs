//! Which floor stands beside which use of annals.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use annals::{Durability, Log, Options};

use crate::Result;
use crate::floors::buffer::Buffer;
use crate::floors::device::Device;
use crate::floors::group::GroupCommit;
use crate::floors::walk;
use crate::measure::{Pairs, Turn, Work, alone, crowd};
use crate::subject::{self, Appender};
use crate::workload::{FLOOR_RECORD_BYTES, Workload};

/// Events in a batch of w1b, and in those of the log that w4 replays.
pub const BATCH_EVENTS: usize = 100;

/// Bytes of the file that a durable floor writes to, over and over: as many as a full
/// segment of annals has.
pub const DEVICE_BYTES: u64 = 64 << 20;

/// Tickets in flight in w2t, and what its floor writes at a time.
pub const TICKETS: usize = 4096;
const FLOOR_WRITE_BYTES: usize = 256 << 10;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Pairs of turns that count.
    pub rounds: usize,
    /// Length of a durable turn.
    pub turn: Duration,
    /// Bytes that the floor of the replay walks over.
    pub replay_bytes: u64,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// Durable, one thread, so many events a batch.
    Alone {
        /// Events of a batch.
        batch: usize,
    },
    /// Durable, one event an append, so many threads, each waits for its own.
    Crowd {
        /// How many.
        threads: u64,
    },
    /// Durable, one thread with many tickets in flight.
    Tickets,
    /// One thread, one event an append, answered before it is durable.
    Early {
        /// How safe it is by then.
        durability: Durability,
    },
    /// The whole log in order through a cursor.
    Replay,
}

/// Every row of the table, with its name as on the command line.
pub const ROWS: [(&str, Row); 8] = [
    ("w1", Row::Alone { batch: 1 }),
    ("w1b", Row::Alone { batch: BATCH_EVENTS }),
    ("w2-8", Row::Crowd { threads: 8 }),
    ("w2-64", Row::Crowd { threads: 64 }),
    ("w2t", Row::Tickets),
    ("w3", Row::Early { durability: Durability::Buffered }),
    ("w3w", Row::Early { durability: Durability::Written }),
    ("w4", Row::Replay),
];

impl Row {
    /// What the row says that it is.
    pub fn title(self) -> String {
        match self {
            Self::Alone { batch: 1 } => "durable append, 1 thread".to_owned(),
            Self::Alone { batch } => format!("durable append, 1 thread, {batch} events a batch"),
            Self::Crowd { threads } => format!("durable append, {threads} threads"),
            Self::Tickets => format!("durable by tickets, 1 thread, up to {TICKETS} in flight"),
            Self::Early { durability: Durability::Written } => {
                "written append, 1 thread".to_owned()
            }
            Self::Early { .. } => "buffered append, 1 thread".to_owned(),
            Self::Replay => "replay in order".to_owned(),
        }
    }

    /// Measures it, in a directory of its own below `directory`, which is gone
    /// afterwards.
    ///
    /// # Errors
    /// If the disk or the log fails.
    pub fn run(self, directory: &Path, workload: &Workload, size: Size) -> Result<Pairs> {
        let place = tempfile::Builder::new().prefix("annals-bench-").tempdir_in(directory)?;
        let floor = place.path().join("floor");
        let log = place.path().join("log");
        match self {
            Self::Alone { batch } => alone_row(&floor, &log, workload, size, batch),
            Self::Crowd { threads } => crowd_row(&floor, &log, workload, size, threads),
            Self::Tickets => tickets_row(&floor, &log, workload, size),
            Self::Early { durability } => early_row(&floor, &log, workload, size, durability),
            Self::Replay => replay_row(floor, log, workload, size),
        }
    }
}

fn alone_row(
    floor: &Path,
    log: &Path,
    workload: &Workload,
    size: Size,
    batch: usize,
) -> Result<Pairs> {
    let mut device = Device::prepare(floor, DEVICE_BYTES)?;
    let mut events = workload.events(0);
    let log = Log::open(log)?;
    let mut appender = Appender::new(&log, workload, 0);
    let per_call = u64::try_from(batch)?;
    let bytes = FLOOR_RECORD_BYTES * batch;
    let pairs = Pairs::run(
        size.rounds,
        || alone(size.turn, per_call, || device.append(events.bytes(bytes))),
        || alone(size.turn, per_call, || appender.append(batch)),
    )?;
    log.close()?;
    Ok(pairs)
}

fn crowd_row(
    floor: &Path,
    log: &Path,
    workload: &Workload,
    size: Size,
    threads: u64,
) -> Result<Pairs> {
    let commit = GroupCommit::new(Device::prepare(floor, DEVICE_BYTES)?);
    let log = Log::open(log)?;
    let pairs = Pairs::run(
        size.rounds,
        || crowd(threads, size.turn, &|thread| floor_work(&commit, workload, thread)),
        || crowd(threads, size.turn, &|thread| annals_work(&log, workload, thread)),
    )?;
    log.close()?;
    Ok(pairs)
}

/// The floor is one thread that writes and syncs 256 KiB at a time.
fn tickets_row(floor: &Path, log: &Path, workload: &Workload, size: Size) -> Result<Pairs> {
    let mut device = Device::prepare(floor, DEVICE_BYTES)?;
    let mut events = workload.events(0);
    let log = Log::open(log)?;
    let records = FLOOR_WRITE_BYTES / FLOOR_RECORD_BYTES;
    let per_call = u64::try_from(records)?;
    let bytes = records * FLOOR_RECORD_BYTES;
    let pairs = Pairs::run(
        size.rounds,
        || alone(size.turn, per_call, || device.append(events.bytes(bytes))),
        || subject::tickets(&log, workload, TICKETS, size.turn),
    )?;
    log.close()?;
    Ok(pairs)
}

fn early_row(
    floor: &Path,
    log: &Path,
    workload: &Workload,
    size: Size,
    durability: Durability,
) -> Result<Pairs> {
    let mut device = Device::prepare(floor, DEVICE_BYTES)?;
    let mut events = workload.events(0);
    let log = Options::new().durability(durability).open(log)?;
    let mut appender = Appender::new(&log, workload, 0);
    let pairs = if durability == Durability::Written {
        Pairs::run(
            size.rounds,
            || alone(size.turn, 1, || device.write(events.bytes(FLOOR_RECORD_BYTES))),
            || alone(size.turn, 1, || appender.append(1)),
        )?
    } else {
        let mut buffer = Buffer::new(device);
        Pairs::run(
            size.rounds,
            || alone(size.turn, 1, || buffer.append(events.bytes(FLOOR_RECORD_BYTES))),
            || alone(size.turn, 1, || appender.append(1)),
        )?
    };
    log.close()?;
    Ok(pairs)
}

/// What a thread of the floor does, call by call.
pub fn floor_work<'a>(commit: &'a GroupCommit, workload: &'a Workload, thread: u64) -> Work<'a> {
    let mut events = workload.events(thread);
    Box::new(move || commit.append(events.bytes(FLOOR_RECORD_BYTES)))
}

/// What a thread of annals does, call by call.
pub fn annals_work<'a>(log: &'a Log, workload: &'a Workload, thread: u64) -> Work<'a> {
    let mut appender = Appender::new(log, workload, thread);
    Box::new(move || appender.append(1))
}

fn replay_row(floor: PathBuf, log: PathBuf, workload: &Workload, size: Size) -> Result<Pairs> {
    let events = size.replay_bytes / u64::try_from(FLOOR_RECORD_BYTES)?;
    walk::write(&floor, workload, events)?;
    subject::write(&log, workload, events, BATCH_EVENTS)?;
    Pairs::run(size.rounds, || floor_replay(&floor, events), || annals_replay(&log, events))
}

/// A turn of the replay's floor.
///
/// # Errors
/// If the file cannot be read or does not hold `events` records.
pub fn floor_replay(path: &Path, events: u64) -> Result<Turn> {
    let start = Instant::now();
    let found = walk::replay(path)?;
    complete(found, events, start.elapsed())
}

/// A turn of annals' replay: on a log that was just opened, so that its mappings are as
/// fresh as the floor's.
///
/// # Errors
/// If the log cannot be read or does not hold `events` events.
pub fn annals_replay(path: &Path, events: u64) -> Result<Turn> {
    let log = Log::open(path)?;
    let start = Instant::now();
    let found = subject::replay(&log)?;
    complete(found, events, start.elapsed())
}

fn complete(found: u64, events: u64, time: Duration) -> Result<Turn> {
    if found == events {
        Ok(Turn::new(found, time))
    } else {
        Err(format!("{found} events were replayed of {events}").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_runs_and_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let workload = Workload::new();
        let size = Size { rounds: 1, turn: Duration::from_millis(20), replay_bytes: 1 << 20 };
        for (name, row) in ROWS {
            let pairs = row.run(directory.path(), &workload, size).unwrap();
            assert!(pairs.ratios().iter().all(|ratio| *ratio > 0.0), "{name}");
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
