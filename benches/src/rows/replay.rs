//! The whole log in order.

use std::path::Path;
use std::time::{Duration, Instant};

use annals::Log;

use super::{BATCH_EVENTS, Setting, Sides, Use};
use crate::Result;
use crate::floors::full::read as full;
use crate::floors::walk;
use crate::measure::{Turn, Until};
use crate::subject;
use crate::workload::FLOOR_RECORD_BYTES;

/// Through the public cursor, from a log that was just opened, as the floor's file is
/// mapped anew.
pub(super) fn replay(setting: Setting<'_>, each: &mut Use<'_>) -> Result<()> {
    let events = setting.size.replay_bytes / u64::try_from(FLOOR_RECORD_BYTES)?;
    let (floor, log, all) = (setting.floor(), setting.log(), setting.full());
    walk::write(&floor, setting.workload, events)?;
    full::write(&all, setting.workload, events)?;
    subject::write(&log, setting.workload, events, BATCH_EVENTS)?;
    let sides = Sides::new(
        events,
        Until::Calls(1),
        |until| again(until, events, || floor_replay(&floor, events)),
        |until| again(until, events, || annals_replay(&log, events)),
    );
    each(&mut sides.with_full(|until| again(until, events, || full_replay(&all, events))))
}

/// As many turns as there are calls; at least one.
fn again(until: Until, events: u64, mut turn: impl FnMut() -> Result<Turn>) -> Result<Turn> {
    let (mut calls, mut time) = (0, Duration::ZERO);
    loop {
        time += turn()?.call;
        calls += 1;
        match until {
            Until::Calls(most) if calls < most => {}
            Until::Time(most) if time < most => {}
            Until::Calls(_) | Until::Time(_) => return Ok(Turn::of_calls(calls, events, time)),
        }
    }
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

fn full_replay(path: &Path, events: u64) -> Result<Turn> {
    let start = Instant::now();
    let found = full::replay(path)?;
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

/// One call that took this time.
fn complete(found: u64, events: u64, time: Duration) -> Result<Turn> {
    if found == events {
        Ok(Turn::of_calls(1, events, time))
    } else {
        Err(format!("{found} events were replayed of {events}").into())
    }
}
