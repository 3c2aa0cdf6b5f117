//! How often the calling thread allocates in each hot path. A hash table or a vector that
//! grows now and then counts, too, so a path that never allocates by itself has a few.
//!
//! To take a change on purpose:
//! `ANNALS_BASELINES=write cargo test --release -p annals-benches --test allocations`.
#![allow(clippy::unwrap_used, clippy::panic)]

mod baselines;

use allocation_counter::measure;
use annals_benches::paths::PATHS;
use baselines::{Baselines, note};

#[test]
fn no_hot_path_allocates_more_often_than_its_baseline() {
    if cfg!(debug_assertions) {
        note("allocations.txt: skipped: counts are of a release build (cargo test --release)");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let measured = PATHS.map(|path| {
        let fixture = path.fixture(&directory.path().join(path.name)).unwrap();
        // What is made at the first call is not what a call costs.
        path.take(&fixture, path.calls / 10).unwrap();
        let taken = measure(|| path.take(&fixture, path.calls).unwrap());
        (path.name, taken.count_total as f64 * 1000.0 / path.calls as f64)
    });
    Baselines {
        file: "allocations.txt",
        what: "Allocations of 1,000 calls of each hot path",
        of: None,
        // A few of what grows.
        slack: (0.02, 5.0),
    }
    .check(&measured);
}
