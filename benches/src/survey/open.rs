//! Opening a log, by its size: one that was closed, and one whose process was killed.
//!
//! The floor beside both is a walk over as much: what opening would cost a log that reads
//! everything. A log that opens without that is below it, and should be. What is opened is in
//! the page cache, as far as it fits.

use std::path::Path;
use std::time::Instant;

use annals::Log;

use super::child::append_and_die;
use super::fact::{Fact, Way, Work};
use super::plan::Plan;
use super::records::{Laps, record_bytes, workload_for};
use super::replay;
use super::turns::{Turns, took};
use crate::Result;

/// What a process appends before it is killed, where the log was there before.
const LAST_BYTES: u64 = 16 << 20;

pub(super) fn measure(
    work: &Work,
    room: &Path,
    plan: &Plan,
    turns: &mut Turns<'_>,
) -> Result<Vec<Fact>> {
    turns.preparing(work);
    let stop = turns.stop();
    let payload = usize::try_from(work.payload)?;
    let workload = workload_for(record_bytes(payload));
    let floor = room.join("floor");
    let floor = Laps::write(floor, &workload, payload, work.log_bytes, stop)?;
    let (path, events) = (room.join("log"), floor.events());
    let log = replay::open(&path)?;
    replay::fill(&log, &workload, payload, events, stop)?;
    log.close()?;
    turns.pairs(
        work,
        || {
            let start = Instant::now();
            let found = floor.walk()?;
            let time = start.elapsed();
            replay::whole(found, events)?;
            Ok(vec![took(time)])
        },
        || {
            if work.way == Way::Killed {
                let bytes = LAST_BYTES.min(work.log_bytes);
                append_and_die(&plan.child, &path, bytes, work.payload, stop)?;
            }
            let start = Instant::now();
            let log = Log::open(&path)?;
            let time = start.elapsed();
            if log.recovery().clean != (work.way == Way::Clean) {
                return Err("the log was not left as it was to be".into());
            }
            log.close()?;
            Ok(vec![took(time)])
        },
    )
}
