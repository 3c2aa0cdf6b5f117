//! Durable appends under criterion, each beside its floor in one group.

use std::path::Path;
use std::time::{Duration, Instant};

use annals::Log;
use annals_benches::Result;
use annals_benches::floors::device::Device;
use annals_benches::floors::group::GroupCommit;
use annals_benches::measure::{Until, Work, together};
use annals_benches::rows::{BATCH_EVENTS, DEVICE_BYTES, annals_work, floor_work};
use annals_benches::subject::Appender;
use annals_benches::workload::{FLOOR_RECORD_BYTES, Workload};
use criterion::{Criterion, Throughput};

/// Calls `work` so many times; an error is kept for later, since criterion takes none.
fn repeat(calls: u64, failed: &mut Result<()>, mut work: impl FnMut() -> Result<()>) -> Duration {
    let start = Instant::now();
    for _ in 0..calls {
        if let Err(error) = work() {
            *failed = Err(error);
            break;
        }
    }
    start.elapsed()
}

fn alone(
    criterion: &mut Criterion,
    directory: &Path,
    workload: &Workload,
    name: &str,
    batch: usize,
) -> Result<()> {
    let mut device = Device::prepare(&directory.join(format!("{name}-floor")), DEVICE_BYTES)?;
    let log = Log::open(directory.join(name))?;
    let mut events = workload.events(0);
    let mut appender = Appender::new(&log, workload, 0);
    let bytes = FLOOR_RECORD_BYTES * batch;
    let mut failed = Ok(());
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(u64::try_from(batch)?));
    group.bench_function("floor", |bencher| {
        bencher
            .iter_custom(|calls| repeat(calls, &mut failed, || device.append(events.bytes(bytes))));
    });
    group.bench_function("annals", |bencher| {
        bencher.iter_custom(|calls| repeat(calls, &mut failed, || appender.append(batch)));
    });
    group.finish();
    failed
}

/// The time for `calls` appends, shared among the threads.
fn shared<'a>(
    calls: u64,
    threads: u64,
    failed: &mut Result<()>,
    make: &(impl Fn(u64) -> Work<'a> + Sync),
) -> Duration {
    let each = calls.div_ceil(threads);
    match together(threads, Until::Calls(each), make) {
        // More was done than asked for, where it does not divide.
        Ok((time, _)) => time.mul_f64(calls as f64 / (each * threads) as f64),
        Err(error) => {
            *failed = Err(error);
            Duration::from_secs(1)
        }
    }
}

fn crowd(
    criterion: &mut Criterion,
    directory: &Path,
    workload: &Workload,
    name: &str,
    threads: u64,
) -> Result<()> {
    let device = Device::prepare(&directory.join(format!("{name}-floor")), DEVICE_BYTES)?;
    let commit = GroupCommit::new(device);
    let log = Log::open(directory.join(name))?;
    let mut failed = Ok(());
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(1));
    group.bench_function("floor", |bencher| {
        bencher.iter_custom(|calls| {
            shared(calls, threads, &mut failed, &|thread| floor_work(&commit, workload, thread))
        });
    });
    group.bench_function("annals", |bencher| {
        bencher.iter_custom(|calls| {
            shared(calls, threads, &mut failed, &|thread| annals_work(&log, workload, thread))
        });
    });
    group.finish();
    failed
}

fn main() -> Result<()> {
    // Not the system's temporary directory, which may be in memory.
    let directory = tempfile::Builder::new().prefix("annals-bench-").tempdir_in(".")?;
    let workload = Workload::new();
    let mut criterion = Criterion::default().configure_from_args();
    let place = directory.path();
    alone(&mut criterion, place, &workload, "w1-durable-alone", 1)?;
    alone(&mut criterion, place, &workload, "w1b-durable-batches", BATCH_EVENTS)?;
    crowd(&mut criterion, place, &workload, "w2-durable-8-threads", 8)?;
    crowd(&mut criterion, place, &workload, "w2-durable-64-threads", 64)?;
    criterion.final_summary();
    Ok(())
}
