//! Single streams of a log, drawn at random, by the size of the log.
//!
//! The streams took turns while they were written, so that the events of one lie
//! far apart. The log is in the page cache, as far as it fits.

use std::hint::black_box;
use std::path::Path;

use annals::{Batch, Durability, Expected, Log, NewEvent, Options};

use super::fact::{Fact, Work};
use super::heads::Name;
use super::index::{EVENTS_A_STREAM, Index};
use super::records::{Laps, record_bytes, workload_for};
use super::turns::{Stop, Turns, percentiles, rate, timed};
use crate::Result;
use crate::floors::map;
use crate::workload::{EVENT_TYPE, Workload};

/// Streams that one batch writes to.
const STREAMS_A_BATCH: u64 = 100;

pub(super) fn measure(work: &Work, room: &Path, turns: &mut Turns<'_>) -> Result<Vec<Fact>> {
    turns.preparing(work);
    let (stop, time) = (turns.stop(), turns.time());
    let payload = usize::try_from(work.payload)?;
    let record = record_bytes(payload);
    let each = u64::try_from(EVENTS_A_STREAM)?;
    let workload = workload_for(record);
    let (floor, path) = (room.join("floor"), room.join("log"));
    let floor = Laps::write(floor, &workload, payload, work.log_bytes, stop)?;
    let streams = (floor.events() / each).max(1);
    fill(&path, &workload, payload, streams, stop)?;
    let index = Index::new(streams, record, floor.records())?;
    let mapping = map::map(floor.path())?;
    let log = Log::open(&path)?;
    let mut floor_draw = workload.events(3);
    let mut draw = workload.events(3);
    let names = usize::try_from(streams)?;
    let facts = turns.pairs(
        work,
        || {
            let read = || {
                let number = u64::try_from(floor_draw.below(names))?;
                whole(index.read(&mapping, Name::of(number))?)
            };
            let (took, mut latencies) = timed(stop, time, read)?;
            told(took, &mut latencies)
        },
        || {
            let read = || {
                let number = u64::try_from(draw.below(names))?;
                whole(read_stream(&log, Name::of(number))?)
            };
            let (took, mut latencies) = timed(stop, time, read)?;
            told(took, &mut latencies)
        },
    )?;
    log.close()?;
    Ok(facts)
}

fn told(took: std::time::Duration, latencies: &mut [u64]) -> Result<super::turns::Seen> {
    let mut seen = vec![rate(u64::try_from(latencies.len())?, took)];
    seen.extend(percentiles(latencies));
    Ok(seen)
}

fn read_stream(log: &Log, name: Name) -> Result<usize> {
    let mut events = log.read(name.text());
    let mut count = 0;
    while let Some(event) = events.next()? {
        black_box((event.version(), event.data()));
        count += 1;
    }
    Ok(count)
}

fn whole(count: usize) -> Result<()> {
    if count == EVENTS_A_STREAM {
        return Ok(());
    }
    Err(format!("{count} events were read of {EVENTS_A_STREAM}").into())
}

fn fill(
    path: &Path,
    workload: &Workload,
    payload: usize,
    streams: u64,
    stop: Stop<'_>,
) -> Result<()> {
    let log = Options::new().durability(Durability::Buffered).open(path)?;
    let mut events = workload.events(0);
    let mut batch = Batch::new();
    for _ in 0..EVENTS_A_STREAM {
        let mut next = 0;
        while next < streams {
            batch.clear();
            let end = next.saturating_add(STREAMS_A_BATCH).min(streams);
            for number in next..end {
                let event = NewEvent::new(EVENT_TYPE).data(events.bytes(payload));
                batch.write(Name::of(number).text(), Expected::Any, [event]);
            }
            log.append(&batch)?;
            next = end;
            stop.check()?;
        }
    }
    log.close()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::super::records;
    use super::*;

    #[test]
    fn both_sides_read_every_event_of_a_stream() {
        let directory = tempfile::tempdir().unwrap();
        let flag = AtomicBool::new(false);
        let stop = Stop::of(&flag);
        let (path, file) = (directory.path().join("log"), directory.path().join("file"));
        let workload = Workload::new();
        fill(&path, &workload, 16, 230, stop).unwrap();
        records::write(&file, &workload, 16, 2300, stop).unwrap();
        let log = Log::open(&path).unwrap();
        let index = Index::new(230, record_bytes(16), 2300).unwrap();
        let mut bytes = std::fs::read(&file).unwrap();
        for number in 0..230 {
            let name = Name::of(number);
            assert_eq!(read_stream(&log, name).unwrap(), EVENTS_A_STREAM);
            assert_eq!(index.read(&bytes, name).unwrap(), EVENTS_A_STREAM);
        }
        assert_eq!(read_stream(&log, Name::of(230)).unwrap(), 0);
        assert!(index.read(&bytes, Name::of(230)).is_err());
        bytes[record_bytes(16) * (230 * 4 + 7) + 20] ^= 1;
        assert!(index.read(&bytes, Name::of(7)).is_err(), "each of the ten is checked");
        assert!(index.read(&bytes, Name::of(8)).is_ok());
    }
}
