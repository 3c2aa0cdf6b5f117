//! What a call of each hot path costs in instructions: counts, since times here are noisy.
//!
//! Each path is run with so many calls and with twice as many, by the program itself under
//! valgrind's callgrind; the difference is the calls' own. Hash tables are seeded anew in each
//! run, and an id asks the clock, so a count differs from run to run: the median of several is
//! taken, and a tenth of it is let pass. To take a change on purpose:
//! `ANNALS_BASELINES=write cargo test --release -p annals-benches --test instructions`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod baselines;

use std::path::Path;
use std::process::Command;

use annals_benches::child;
use annals_benches::paths::{HotPath, PATHS};
use baselines::{Baselines, note};

/// How often each path is counted; the median is compared.
const ROUNDS: usize = 5;

/// What a program that makes so many calls executes, the system's part left out.
fn instructions(path: HotPath, place: &Path, calls: u64) -> f64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env!("CARGO_BIN_EXE_annals-benches"))
        .args([child::FLAG, "path", path.name])
        .arg(place)
        .arg(calls.to_string())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}: {text}", path.name);
    let collected = text.lines().find_map(|line| line.split_once("Collected : "));
    let (_, number) = collected.unwrap_or_else(|| panic!("{}: no count in {text}", path.name));
    number.trim().parse().unwrap()
}

fn version(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

#[test]
fn no_hot_path_takes_more_instructions_than_its_baseline() {
    if cfg!(debug_assertions) {
        note("instructions.txt: skipped: counts are of a release build (cargo test --release)");
        return;
    }
    if version("valgrind").is_none() {
        note("instructions.txt: skipped: there is no valgrind here");
        return;
    }
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let rustc = version(&rustc).unwrap_or_else(|| "an unknown rustc".to_owned());
    let directory = tempfile::tempdir().unwrap();
    let measured = PATHS.map(|path| {
        let count = |times: u64| {
            let place = directory.path().join(format!("{}-{times}", path.name));
            let counted = instructions(path, &place, path.calls * times);
            drop(std::fs::remove_dir_all(&place));
            counted
        };
        let mut differences = [0; ROUNDS].map(|_| {
            let (twice, once) = std::thread::scope(|scope| {
                let once = scope.spawn(|| count(1));
                (count(2), once.join().unwrap())
            });
            (twice - once) / path.calls as f64
        });
        differences.sort_by(f64::total_cmp);
        (path.name, differences[ROUNDS / 2])
    });
    Baselines {
        file: "instructions.txt",
        what: "Instructions of one call of each hot path, of a release build",
        of: Some(format!("{rustc}, {}", std::env::consts::ARCH)),
        slack: (0.1, 1.0),
    }
    .check(&measured);
}
