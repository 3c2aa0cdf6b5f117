//! The floors' turns: the loops of annals' own benches, without a store.

use std::path::Path;
use std::time::{Duration, Instant};

use annals_benches::Result;
use annals_benches::floors::buffer::Buffer;
use annals_benches::floors::device::Device;
use annals_benches::floors::group::GroupCommit;
use annals_benches::floors::walk;
use annals_benches::measure::{Work, crowd};
use annals_benches::rows::DEVICE_BYTES;
use annals_benches::workload::{FLOOR_RECORD_BYTES, Workload};

use crate::rows::{BURST_EVENTS, Content, Kind, Size};
use crate::store::Durability;
use crate::turns::{Figure, MOST_EVENTS, Until, alone, events_of};

/// The floor's name, on the command line and in the table.
pub const NAME: &str = "floor";

/// Whether a row has a floor.
pub fn fits(kind: Kind) -> bool {
    matches!(kind, Kind::Append { expected: false, .. } | Kind::Replay)
}

/// Fills a file with what a row's floor needs.
///
/// # Errors
/// If it cannot be written.
pub fn fill(content: Content, size: Size, path: &Path) -> Result<()> {
    if content == Content::Log {
        walk::write(path, &Workload::new(), events_of(size.replay_bytes))?;
    }
    Ok(())
}

/// Runs a turn on a file.
///
/// # Errors
/// If the disk fails; if the row has no floor.
pub fn turn(kind: Kind, size: Size, path: &Path) -> Result<Figure> {
    let time = Duration::from_secs_f64(size.seconds);
    let workload = Workload::new();
    match kind {
        Kind::Append { durability, batch, threads, expected: false, burst } => {
            let mut device = Device::prepare(path, DEVICE_BYTES)?;
            if threads > 1 {
                let commit = &GroupCommit::new(device);
                let work = |thread| -> Work<'_> {
                    let mut events = workload.events(thread);
                    Box::new(move || commit.append(events.bytes(FLOOR_RECORD_BYTES)))
                };
                let turn = crowd(threads, time, &work)?;
                let p99 = turn.p99.map(|p99| u64::try_from(p99.as_nanos())).transpose()?;
                return Ok(Figure { value: turn.rate, p50: None, p99 });
            }
            let mut events = workload.events(0);
            let bytes = batch * FLOOR_RECORD_BYTES;
            let until = if burst {
                Until { time: Duration::MAX, events: BURST_EVENTS }
            } else {
                Until { time, events: MOST_EVENTS }
            };
            match durability {
                Durability::Durable => {
                    alone(until, 1, batch, &mut || device.append(events.bytes(bytes)))
                }
                Durability::Written => {
                    alone(until, 64, batch, &mut || device.write(events.bytes(bytes)))
                }
                Durability::Buffered => {
                    let mut buffer = Buffer::new(device);
                    alone(until, 64, 1, &mut || buffer.append(events.bytes(FLOOR_RECORD_BYTES)))
                }
            }
        }
        Kind::Replay => {
            let start = Instant::now();
            let found = walk::replay(path)?;
            let elapsed = start.elapsed();
            if found != events_of(size.replay_bytes) {
                return Err(format!("the floor replayed {found} events").into());
            }
            Ok(Figure::new(found as f64 / elapsed.as_secs_f64()))
        }
        _ => Err("this row has no floor".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::ROWS;

    #[test]
    fn every_floor_runs() {
        let size =
            Size { rounds: 1, seconds: 0.02, replay_bytes: 300_000, streams: 1, warm_events: 1 };
        for row in ROWS.iter().filter(|row| fits(row.kind)) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("floor");
            fill(row.kind.content(), size, &path).unwrap();
            assert!(turn(row.kind, size, &path).unwrap().value > 0.0, "{}", row.name);
        }
    }
}
