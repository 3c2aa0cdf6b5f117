//! Coverage-guided fuzz targets: functions from bytes to whether a promise was broken.
//!
//! | target | what the bytes are |
//! |---|---|
//! | [`decode`] | a segment, or part of one |
//! | [`segments`] | changes to the segments of a log, with checksums made to fit if they say so |
//! | [`run`] | an index, opened alone and by a log |
//! | [`derived`] | what stands in every file beside the segments |
//! | [`reader`] | changes to all files, then a reader, a verification, a plan of repair, or a repair |
//! | [`operations`] | a program of appends, crashes and failing calls |
//! | [`canary`] | as `segments`, with a bug planted, and with one behind every checksum: both must be found |
//!
//! In each: no panic, no error that does not say what is damaged, memory bounded by the
//! size of the files; and more where it is known what a log must answer.
//!
//! The committed inputs are in `fuzz/corpus/TARGET`. `cargo test -p annals-fuzz` replays
//! them, with mutations drawn from a seed (`tests/targets.rs`), and measures memory
//! (`tests/memory.rs`). Under libFuzzer, with a nightly toolchain and cargo-fuzz:
//!
//! ```text
//! fuzz/run-targets 60                   every target for a minute, and the canary
//! fuzz/run-targets 600 segments run     these two, ten minutes each
//! cargo +nightly fuzz run --fuzz-dir fuzz --features libfuzzer segments FILE
//!                                       one input again
//! ```
//!
//! * [`input`]: choices from bytes
//! * [`bases`]: the logs that are changed
//! * [`edit`]: changing them, with checksums that [`crate::format`] makes fit again
//! * [`look`]: opening and asking
//! * [`mutate`]: mutations without libFuzzer

pub mod bases;
pub mod canary;
pub mod decode;
pub mod derived;
pub mod edit;
pub mod input;
pub mod look;
pub mod mutate;
pub mod operations;
pub mod reader;
pub mod run;
pub mod segments;

use std::cell::Cell;

use crate::oracle::Broken;

/// A target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Of its module, its program under libFuzzer, and the folder of its corpus.
    pub name: &'static str,
    /// What it does with an input.
    pub run: fn(&[u8]) -> Result<(), Broken>,
}

/// Every target but the canaries.
pub const TARGETS: [Target; 6] = [
    Target { name: "decode", run: decode::decode },
    Target { name: "segments", run: segments::segments },
    Target { name: "run", run: run::run },
    Target { name: "derived", run: derived::derived },
    Target { name: "reader", run: reader::reader },
    Target { name: "operations", run: operations::operations },
];

/// The targets with a bug in them.
pub const CANARIES: [Target; 2] = [
    Target { name: "canary", run: canary::canary },
    Target { name: "canary_deep", run: canary::deep },
];

/// The target of this name.
pub fn named(name: &str) -> Option<Target> {
    TARGETS.into_iter().chain(CANARIES).find(|target| target.name == name)
}

/// For libFuzzer: a broken promise ends the program.
pub fn must_hold(name: &str, bytes: &[u8]) {
    let outcome = named(name).map(|target| (target.run)(bytes));
    assert!(matches!(outcome, Some(Ok(()))), "{name}: {outcome:?}");
}

thread_local! {
    static OPENED: Cell<u64> = const { Cell::new(0) };
}

/// Notes how many bytes the files have that are opened next.
fn opens(bytes: u64) {
    OPENED.set(OPENED.get().max(bytes));
}

/// How many bytes the files had at the most that this thread opened since it asked last.
pub fn opened() -> u64 {
    OPENED.replace(0)
}
