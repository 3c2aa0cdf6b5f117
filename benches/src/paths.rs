//! The hot paths, one by one, for counting their instructions: a fixed number of calls on a
//! log that makes the same calls of the system every time it runs.
//!
//! `tests/instructions.rs` runs each twice, with so many calls and with twice as many, under a
//! tool that counts; the difference is what the calls cost, without start and set-up.

use std::hint::black_box;
use std::path::Path;

use annals::{Background, Batch, Durability, Expected, Log, NewEvent, Options, Start, Uuid};

use crate::Result;
use crate::subject::{self, Appender};
use crate::workload::{EVENT_TYPE, Workload};

/// Streams of the log.
const STREAMS: usize = 500;

/// Segments that are full before it begins. The first ones are small: the active one then has
/// room for all that a path appends, and no roll is among what is counted.
const SEALED: u64 = 2;

/// How many events a read of a stream takes.
const READ: u64 = 10;

/// A path: what a call does, and how many calls make a count.
#[derive(Debug, Clone, Copy)]
pub struct HotPath {
    /// As in the baselines.
    pub name: &'static str,
    /// How many calls are made; and twice as many.
    pub calls: u64,
    durability: Durability,
    work: fn(&Fixture, u64) -> Result<()>,
}

/// All of them. An append is the whole of it, batch included; `group-alone` is one that leads
/// a group of its own, with the write and the sync.
pub const PATHS: [HotPath; 12] = [
    path("batch-encode", 4000, encode),
    path("append-buffered", 4000, |fixture, calls| append(fixture, 1, calls)),
    path("append-buffered-100", 40, |fixture, calls| append(fixture, 100, calls)),
    HotPath {
        durability: Durability::Written,
        ..path("group-alone-written", 2000, |fixture, calls| append(fixture, 1, calls))
    },
    HotPath {
        durability: Durability::Durable,
        ..path("group-alone-durable", 500, |fixture, calls| append(fixture, 1, calls))
    },
    path("append-expected", 4000, expected),
    path("append-given-id", 4000, given_id),
    path("cursor-step", 20_000, |fixture, calls| cursor(fixture, 1024, calls)),
    path("cursor-poll-of-one", 5000, |fixture, calls| cursor(fixture, 1, calls)),
    path("id-look-up", 2000, ids),
    path("stream-look-up", 4000, versions),
    path("stream-read-of-10", 1000, streams),
];

const fn path(name: &'static str, calls: u64, work: fn(&Fixture, u64) -> Result<()>) -> HotPath {
    HotPath { name, calls, durability: Durability::Buffered, work }
}

impl HotPath {
    /// Makes the log that it is taken on, in a directory that does not exist.
    ///
    /// # Errors
    /// If the log cannot be made.
    pub fn fixture(&self, place: &Path) -> Result<Fixture> {
        Fixture::make(place, self.durability)
    }

    /// Takes it so many times.
    ///
    /// # Errors
    /// If the log fails.
    pub fn take(&self, fixture: &Fixture, calls: u64) -> Result<()> {
        (self.work)(fixture, calls)
    }
}

/// A log that is open, with some events in it.
#[derive(Debug)]
pub struct Fixture {
    log: Log,
    workload: Workload,
}

impl Fixture {
    /// Nothing happens in the background, and the active segment has room for what the paths
    /// append.
    fn make(place: &Path, durability: Durability) -> Result<Self> {
        let workload = Workload::with_streams(STREAMS);
        let options = Options::new().background(Background::Inline);
        let log = options.durability(durability).open(place)?;
        while log.stats()?.index_runs < SEALED {
            subject::append_streams(&log, &workload, 1)?;
        }
        log.sync()?;
        Ok(Self { log, workload })
    }
}

/// Makes a log and takes a path so many times.
///
/// # Errors
/// If there is no such path, or the log fails.
pub fn run(name: &str, place: &Path, calls: u64) -> Result<()> {
    let path = PATHS.iter().find(|path| path.name == name).ok_or("no such path")?;
    path.take(&path.fixture(place)?, calls)
}

fn encode(fixture: &Fixture, calls: u64) -> Result<()> {
    let mut events = fixture.workload.events(0);
    let mut batch = Batch::new();
    for _ in 0..calls {
        batch.clear();
        let new = NewEvent::new(EVENT_TYPE).data(events.data());
        batch.write(events.stream(), Expected::Any, [new]);
        black_box(&batch);
    }
    Ok(())
}

fn append(fixture: &Fixture, batch: usize, calls: u64) -> Result<()> {
    let mut appender = Appender::new(&fixture.log, &fixture.workload, 0);
    (0..calls).try_for_each(|_| appender.append(batch))
}

fn expected(fixture: &Fixture, calls: u64) -> Result<()> {
    let mut appender = Appender::new(&fixture.log, &fixture.workload, 0);
    (0..calls).try_for_each(|_| appender.append_expected())
}

/// An id that is not in the log, but may be for all that the log knows.
fn given_id(fixture: &Fixture, calls: u64) -> Result<()> {
    let mut events = fixture.workload.events(0);
    let mut batch = Batch::new();
    for call in 0..calls {
        batch.clear();
        let id = Uuid::from_u64_pair(call.wrapping_mul(0x9e37_79b9_7f4a_7c15), call);
        let new = NewEvent::new(EVENT_TYPE).id(id).data(events.data());
        batch.write(events.stream(), Expected::Any, [new]);
        black_box(fixture.log.append(&batch)?);
    }
    Ok(())
}

fn cursor(fixture: &Fixture, at_a_time: usize, calls: u64) -> Result<()> {
    let mut left = calls;
    while left > 0 {
        let mut cursor = fixture.log.cursor(Start::Beginning)?;
        while left > 0 {
            let most = at_a_time.min(usize::try_from(left)?);
            let events = cursor.poll(most)?;
            if events.is_empty() {
                break;
            }
            for event in &events {
                black_box((event.position(), event.stream(), event.data()));
                left -= 1;
            }
        }
    }
    Ok(())
}

fn ids(fixture: &Fixture, calls: u64) -> Result<()> {
    let mut cursor = fixture.log.cursor(Start::Beginning)?;
    let known: Vec<_> = cursor.poll(1000)?.iter().map(|event| event.id()).collect();
    for id in known.iter().cycle().step_by(7).take(usize::try_from(calls)?) {
        if !fixture.log.contains(*id)? {
            return Err("an event is not found by its id".into());
        }
    }
    Ok(())
}

fn versions(fixture: &Fixture, calls: u64) -> Result<()> {
    let mut events = fixture.workload.events(0);
    for _ in 0..calls {
        black_box(fixture.log.version(events.stream())?);
    }
    Ok(())
}

fn streams(fixture: &Fixture, calls: u64) -> Result<()> {
    let mut events = fixture.workload.events(0);
    for _ in 0..calls {
        let mut read = fixture.log.read(events.stream()).limit(READ);
        let mut left = READ;
        while let Some(event) = read.next()? {
            black_box((event.version(), event.event_type(), event.data()));
            left -= 1;
        }
        if left > 0 {
            return Err("a stream is not whole".into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_has_no_roll_in_it() {
        let directory = tempfile::tempdir().unwrap();
        for path in PATHS {
            let fixture = path.fixture(&directory.path().join(path.name)).unwrap();
            let segments = || fixture.log.stats().unwrap().segments;
            let before = segments();
            path.take(&fixture, path.calls * 2).unwrap();
            assert_eq!(segments(), before, "{}", path.name);
        }
    }

    #[test]
    fn every_path_runs() {
        let directory = tempfile::tempdir().unwrap();
        for path in PATHS {
            run(path.name, &directory.path().join(path.name), 20).unwrap();
        }
        assert!(run("none", &directory.path().join("none"), 1).is_err());
    }
}
