//! Bytes on disk and in memory of the log that streams are read from.

use std::fs::{self, Metadata};
use std::path::Path;

use super::{Setting, Sides, Use};
use crate::Result;
use crate::child::Child;
use crate::floors::walk;
use crate::measure::{Turn, Until};
use crate::subject;
use crate::workload::Workload;

/// Bytes on disk for each event of a closed log, indexes and all; the floor's file has the
/// content and eight bytes a record.
pub(super) fn disk(setting: Setting<'_>, each: &mut Use<'_>) -> Result<()> {
    write(setting)?;
    let events = u64::try_from(setting.size.streams * setting.size.per_stream)? as f64;
    let (floor, log) = (setting.floor(), setting.log());
    let mut sides = Sides::new(
        1,
        Until::Calls(1),
        |_| Ok(Turn::of_bytes(taken(&fs::metadata(&floor)?) as f64 / events)),
        |_| Ok(Turn::of_bytes(taken_below(&log)? as f64 / events)),
    );
    sides.most_rounds = 1;
    each(&mut sides)
}

/// Anonymous memory of a process that has just opened the log; the floor's has made its hash
/// table of offsets.
pub(super) fn memory(setting: Setting<'_>, each: &mut Use<'_>) -> Result<()> {
    write(setting)?;
    let (floor, log) = (setting.floor(), setting.log());
    let ask = |job: &str, path: &Path| -> Result<Turn> {
        let path = path.to_str().ok_or("a directory whose name is no text")?;
        let numbers = Child::start(setting.program, &[job, path])?.numbers()?;
        let bytes = *numbers.first().ok_or("a child said nothing")?;
        Ok(Turn::of_bytes(bytes as f64))
    };
    each(&mut Sides::new(1, Until::Calls(1), |_| ask("offsets", &floor), |_| ask("open", &log)))
}

fn write(setting: Setting<'_>) -> Result<()> {
    let workload = Workload::with_streams(setting.size.streams);
    walk::write_streams(&setting.floor(), &workload, setting.size.per_stream)?;
    subject::write_streams(&setting.log(), &workload, setting.size.per_stream)
}

fn taken_below(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        bytes += taken(&entry?.metadata()?);
    }
    Ok(bytes)
}

/// What a file takes on the device.
#[cfg(unix)]
fn taken(metadata: &Metadata) -> u64 {
    /// The unit that the system counts in, whatever the file system's blocks are.
    const BLOCK: u64 = 512;
    std::os::unix::fs::MetadataExt::blocks(metadata) * BLOCK
}

#[cfg(not(unix))]
fn taken(metadata: &Metadata) -> u64 {
    metadata.len()
}
