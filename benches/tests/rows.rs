//! Every row of the table runs, floor and annals, and leaves nothing behind.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use annals_benches::rows::{ROWS, Setting, Size};
use annals_benches::workload::Workload;

/// The rows without a floor that keeps what annals keeps: the device decides, or nothing is
/// timed that it would do.
const NOT_FULL: [&str; 5] = ["w1", "w3s", "w6", "w8", "w8m"];

#[test]
fn every_row_runs_and_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let setting = Setting {
        directory: directory.path(),
        workload: &Workload::new(),
        size: Size::LEAST,
        program: Path::new(env!("CARGO_BIN_EXE_annals-benches")),
    };
    for row in ROWS {
        let pairs = row.run(setting).unwrap_or_else(|error| panic!("{}: {error}", row.name));
        let ratios = pairs.ratios_of(|turn| row.figure.of(turn));
        assert!(!ratios.is_empty() && ratios.iter().all(|ratio| *ratio > 0.0), "{}", row.name);
        let to_full = pairs.ratios_to_full(|turn| row.figure.of(turn));
        assert_eq!(to_full.is_empty(), NOT_FULL.contains(&row.name), "{}", row.name);
        assert!(to_full.iter().all(|ratio| *ratio > 0.0), "{}", row.name);
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}
