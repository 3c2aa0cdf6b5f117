//! Replay in order under criterion, beside its floor in one group.

use std::path::Path;
use std::time::Duration;

use annals_benches::Result;
use annals_benches::floors::walk;
use annals_benches::measure::Turn;
use annals_benches::rows::{BATCH_EVENTS, annals_replay, floor_replay};
use annals_benches::subject;
use annals_benches::workload::{FLOOR_RECORD_BYTES, Workload};
use criterion::{Criterion, Throughput};

/// Bytes that the floor walks over: beyond the caches, and short enough that criterion
/// gets its samples.
const BYTES: usize = 128 << 20;

/// The time of so many turns of `events` events; an error is kept for later, since
/// criterion takes none.
fn repeat(
    turns: u64,
    events: u64,
    failed: &mut Result<()>,
    mut turn: impl FnMut() -> Result<Turn>,
) -> Duration {
    let mut time = Duration::ZERO;
    for _ in 0..turns {
        match turn() {
            Ok(turn) => time += Duration::from_secs_f64(events as f64 / turn.rate),
            Err(error) => {
                *failed = Err(error);
                return Duration::from_secs(1);
            }
        }
    }
    time
}

fn replay(criterion: &mut Criterion, directory: &Path) -> Result<()> {
    let workload = Workload::new();
    let events = u64::try_from(BYTES / FLOOR_RECORD_BYTES)?;
    let (floor, log) = (directory.join("floor"), directory.join("log"));
    walk::write(&floor, &workload, events)?;
    subject::write(&log, &workload, events, BATCH_EVENTS)?;
    let mut failed = Ok(());
    let mut group = criterion.benchmark_group("w4-replay");
    group.sample_size(20);
    group.throughput(Throughput::Elements(events));
    group.bench_function("floor", |bencher| {
        bencher.iter_custom(|turns| {
            repeat(turns, events, &mut failed, || floor_replay(&floor, events))
        });
    });
    group.bench_function("annals", |bencher| {
        bencher.iter_custom(|turns| {
            repeat(turns, events, &mut failed, || annals_replay(&log, events))
        });
    });
    group.finish();
    failed
}

fn main() -> Result<()> {
    let directory = tempfile::Builder::new().prefix("annals-bench-").tempdir_in(".")?;
    let mut criterion = Criterion::default().configure_from_args();
    replay(&mut criterion, directory.path())?;
    criterion.final_summary();
    Ok(())
}
