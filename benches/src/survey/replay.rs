//! The whole log in order, by payload and by size.

use std::path::Path;
use std::time::Instant;

use annals::{Batch, Durability, Expected, Log, NewEvent, Options};

use super::fact::{Fact, Work};
use super::records::{Laps, record_bytes, workload_for};
use super::turns::{Stop, Turns, rate};
use crate::Result;
use crate::subject;
use crate::workload::{EVENT_TYPE, Workload};

/// A batch of a log that is made to be read has so many bytes of data, and so many
/// events at most.
const BATCH_BYTES: usize = 1 << 20;
const BATCH_EVENTS: usize = 100;

pub(super) fn measure(work: &Work, room: &Path, turns: &mut Turns<'_>) -> Result<Vec<Fact>> {
    turns.preparing(work);
    let payload = usize::try_from(work.payload)?;
    let workload = workload_for(record_bytes(payload));
    let floor = room.join("floor");
    let floor = Laps::write(floor, &workload, payload, work.log_bytes, turns.stop())?;
    let (log, events) = (room.join("log"), floor.events());
    let full = open(&log)?;
    fill(&full, &workload, payload, events, turns.stop())?;
    full.close()?;
    turns.pairs(
        work,
        || {
            let start = Instant::now();
            let found = floor.walk()?;
            whole(found, events)?;
            Ok(vec![rate(found, start.elapsed())])
        },
        || {
            // Opened for each turn, so that its mappings are as fresh as the floor's.
            let log = Log::open(&log)?;
            let start = Instant::now();
            let found = subject::replay(&log)?;
            whole(found, events)?;
            Ok(vec![rate(found, start.elapsed())])
        },
    )
}

/// A log to fill: what is appended to it is synced when it is closed.
pub(super) fn open(path: &Path) -> Result<Log> {
    Ok(Options::new().durability(Durability::Buffered).open(path)?)
}

/// Appends so many events.
pub(super) fn fill(
    log: &Log,
    workload: &Workload,
    payload: usize,
    events: u64,
    stop: Stop<'_>,
) -> Result<()> {
    let mut source = workload.events(0);
    let mut batch = Batch::new();
    let per_batch = u64::try_from((BATCH_BYTES / payload.max(1)).clamp(1, BATCH_EVENTS))?;
    let mut left = events;
    while left > 0 {
        let now = per_batch.min(left);
        batch.clear();
        let stream = source.stream();
        let new = (0..now).map(|_| NewEvent::new(EVENT_TYPE).data(source.bytes(payload)));
        batch.write(stream, Expected::Any, new);
        log.append(&batch)?;
        left -= now;
        stop.check()?;
    }
    Ok(())
}

/// Refuses a replay that did not meet every event.
pub(super) fn whole(found: u64, events: u64) -> Result<()> {
    if found == events {
        return Ok(());
    }
    Err(format!("{found} events were replayed of {events}").into())
}
