//! Rows of the table under criterion: floors and annals in one group, so that one plot shows
//! them all.

use std::path::Path;
use std::time::Duration;

use annals_benches::Result;
use annals_benches::measure::Until;
use annals_benches::rows::{Row, Setting, Side, Sides, Size, table};
use annals_benches::workload::Workload;
use criterion::{Bencher, Criterion, SamplingMode, Throughput};

/// What is measured in seconds by criterion is less than a turn of the table.
const SIZE: Size = Size { warm_events: 100_000, ..Size::QUICK };

/// Runs these rows, those that the command line names, or all if it names none.
///
/// # Errors
/// If the disk or the log fails.
pub(crate) fn run(names: &[&str]) -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let said = |word: &str| arguments.iter().any(|argument| argument == word);
    // As criterion decides it: cargo gives `--bench` to measure, and nothing to test.
    let size = if said("--bench") && !said("--test") { SIZE } else { Size::LEAST };
    // Not the system's temporary directory, which may be in memory.
    let directory = tempfile::Builder::new().prefix("annals-bench-").tempdir_in(".")?;
    let setting = Setting {
        directory: directory.path(),
        workload: &Workload::new(),
        size,
        program: Path::new(env!("CARGO_BIN_EXE_annals-benches")),
    };
    let rows: Vec<Row> = names.iter().flat_map(|name| table::named(name)).collect();
    // Criterion filters benches; setting one up that it leaves out would take as long.
    let words: Vec<_> = arguments.iter().filter(|word| !table::named(word).is_empty()).collect();
    let mut criterion = Criterion::default().configure_from_args();
    for row in rows {
        if words.is_empty() || words.iter().any(|word| row.name.contains(word.as_str())) {
            row.with(setting, &mut |sides| group(&mut criterion, row, sides))?;
        }
    }
    criterion.final_summary();
    Ok(())
}

fn group(criterion: &mut Criterion, row: Row, sides: &mut Sides<'_>) -> Result<()> {
    let mut failed = Ok(());
    let mut group = criterion.benchmark_group(row.name);
    group.sample_size(20).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Elements(sides.events));
    group.bench_function("floor", |bencher| repeat(bencher, &mut sides.floor, &mut failed));
    if let Some(full) = &mut sides.full {
        group.bench_function("full floor", |bencher| repeat(bencher, full, &mut failed));
    }
    group.bench_function("annals", |bencher| repeat(bencher, &mut sides.annals, &mut failed));
    group.finish();
    failed
}

/// The time of so many calls; an error is kept for later, since criterion takes none.
fn repeat(bencher: &mut Bencher<'_>, side: &mut Side<'_>, failed: &mut Result<()>) {
    bencher.iter_custom(|calls| match side(Until::Calls(calls)) {
        // What is counted is rounded up by some, and single calls have a median.
        Ok(turn) => turn.call.mul_f64(calls as f64),
        Err(error) => {
            *failed = Err(error);
            Duration::from_secs(1)
        }
    });
}
