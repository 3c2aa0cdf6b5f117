//! Opening a log: one that was closed, and one whose process was killed.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};

use annals::{Durability, Log, Options};

use super::{BATCH_EVENTS, DEVICE_BYTES, Setting, Sides, Use};
use crate::Result;
use crate::child::Child;
use crate::floors::full::{self, append::Kept};
use crate::floors::{offsets::Offsets, walk};
use crate::histogram::Histogram;
use crate::measure::{Turn, Until};
use crate::subject::Appender;
use crate::workload::FLOOR_RECORD_BYTES;

/// What an event takes in a segment, in batches of a hundred.
const EVENT_BYTES: u64 = 344;

/// Openings in a turn of the table.
const OPENINGS: u64 = 3;

/// The floor scans everything, with checksums, and makes an index of it: what a log has to do
/// that kept nothing. The full floor, after a kill, does it with one segment's worth of events
/// of its own layout, into all tables that annals has.
pub(super) fn open(setting: Setting<'_>, killed: bool, each: &mut Use<'_>) -> Result<()> {
    let events = setting.size.open_bytes / u64::try_from(FLOOR_RECORD_BYTES)?;
    walk::write(&setting.floor(), setting.workload, events)?;
    write(setting, events)?;
    let (floor, log) = (setting.floor(), setting.log());
    let mut sides = Sides::new(
        1,
        Until::Calls(OPENINGS),
        |until| {
            again(until, || {
                let start = Instant::now();
                let offsets = Offsets::open(&floor)?;
                let took = start.elapsed();
                if offsets.streams() == 0 {
                    return Err("the floor found nothing".into());
                }
                Ok(Opened { took, sync: None })
            })
        },
        |until| again(until, || if killed { after_kill(setting, &log) } else { closed(&log) }),
    );
    if killed {
        let tail = setting.full();
        let events = events.min(DEVICE_BYTES / EVENT_BYTES);
        full::read::write(&tail, setting.workload, events)?;
        sides = sides.with_full(move |until| {
            again(until, || {
                let start = Instant::now();
                let kept = Kept::of(&tail)?;
                let took = start.elapsed();
                if kept.position() != events {
                    return Err("the full floor did not find everything".into());
                }
                Ok(Opened { took, sync: None })
            })
        });
    }
    each(&mut sides)
}

struct Opened {
    took: Duration,
    /// Of what was unsynced, before it was opened.
    sync: Option<Duration>,
}

fn write(setting: Setting<'_>, events: u64) -> Result<()> {
    let log = Options::new().durability(Durability::Buffered).open(setting.log())?;
    let mut appender = Appender::new(&log, setting.workload, 0);
    for _ in 0..events.div_ceil(u64::try_from(BATCH_EVENTS)?) {
        appender.append(BATCH_EVENTS)?;
    }
    log.close()?;
    Ok(())
}

fn closed(log: &Path) -> Result<Opened> {
    let start = Instant::now();
    let log = Log::open(log)?;
    let took = start.elapsed();
    if !log.recovery().clean {
        return Err("the log was not closed".into());
    }
    log.close()?;
    Ok(Opened { took, sync: None })
}

/// A process appends and is killed with what it wrote last unsynced. That is synced, and
/// timed, before the log is opened: how much it is does not depend on the log.
fn after_kill(setting: Setting<'_>, log: &Path) -> Result<Opened> {
    let path = log.to_str().ok_or("a directory whose name is no text")?;
    let events = setting.size.killed_events.to_string();
    Child::start_ready(setting.program, &["append", path, &events])?.kill()?;
    let start = Instant::now();
    for entry in fs::read_dir(log)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            File::open(entry.path())?.sync_all()?;
        }
    }
    let sync = start.elapsed();
    let start = Instant::now();
    let log = Log::open(log)?;
    let took = start.elapsed();
    if log.recovery().clean {
        return Err("the log of a killed process was found closed".into());
    }
    log.close()?;
    Ok(Opened { took, sync: Some(sync) })
}

/// As many openings as there are calls, at least one; only the opening counts.
fn again(until: Until, mut open: impl FnMut() -> Result<Opened>) -> Result<Turn> {
    let mut took = Histogram::default();
    let mut syncs = Histogram::default();
    let mut time = Duration::ZERO;
    loop {
        let opened = open()?;
        took.add(opened.took);
        time += opened.took;
        if let Some(sync) = opened.sync {
            syncs.add(sync);
        }
        match until {
            Until::Calls(most) if took.len() < most => {}
            Until::Time(most) if time < most => {}
            Until::Calls(_) | Until::Time(_) => {
                // So few that a percentile beyond the middle means nothing.
                let turn = Turn { p99: None, ..Turn::timed(&took, time) };
                return Ok(Turn { sync: syncs.percentile(50), ..turn });
            }
        }
    }
}
