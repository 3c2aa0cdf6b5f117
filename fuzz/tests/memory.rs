//! How much memory hostile files can make a log take: the largest record, the size of the
//! files, and a constant. One test, since the allocator counts for the whole process.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use annals_fuzz::numbers::{Numbers, narrow, wide};
use annals_fuzz::targets::{TARGETS, mutate::mutate, opened};
use peak_alloc::PeakAlloc;

#[global_allocator]
static PEAK: PeakAlloc = PeakAlloc;

/// What is taken whatever the files are: tables, buffers for zeros and groups, the index of
/// a new segment, and what the simulated disk needs for itself.
const CONSTANT: u64 = 512 << 10;

/// A repair copies files so many bytes at a time.
const COPIED: u64 = 1 << 20;

/// How often a file can be in memory: as it is on the simulated disk, written and durable, as
/// a mapping of it, as bytes that are read, and as events in the reader's hands. The largest
/// record is within the files.
const TIMES: u64 = 8;

#[test]
fn memory_is_bounded_by_the_files_and_a_constant() {
    for target in TARGETS.iter().filter(|target| target.name != "operations") {
        let folder = format!("{}/corpus/{}", env!("CARGO_MANIFEST_DIR"), target.name);
        let entries = std::fs::read_dir(folder).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let mut inputs: Vec<_> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
        let mut numbers = Numbers::new(3);
        for round in 0..2_000 {
            let of = |number: u64| &inputs[narrow(number % wide(paths.len()))];
            let mutated = mutate(of(round), of(numbers.next()), &mut numbers);
            inputs.push(mutated);
        }
        // What is made once does not count.
        (target.run)(&inputs[0]).unwrap();
        opened();
        let (mut most, mut highest) = (0.0_f64, 0);
        for input in &inputs {
            PEAK.reset_peak_usage();
            let before = PEAK.current_usage();
            (target.run)(input).unwrap_or_else(|broken| panic!("{}: {broken}", target.name));
            let (took, files) = (wide(PEAK.peak_usage() - before), opened());
            let copied = if target.name == "reader" { COPIED } else { 0 };
            let limit = CONSTANT + copied + TIMES * files;
            assert!(took <= limit, "{}: {took} bytes for files of {files}", target.name);
            most = most.max(took as f64 / limit as f64);
            highest = highest.max(took);
        }
        let percent = most * 100.0;
        println!(
            "{}: {} KiB at the most, {percent:.0}% of what is allowed",
            target.name,
            highest >> 10
        );
    }
}
