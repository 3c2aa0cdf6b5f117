//! The index-run target: arbitrary or changed bytes as a run, opened alone and by a log.
//!
//! Alone, every question may be answered with an error and must come back. A log answers
//! as if there was no run, unless the run's checksums were made to fit: then calmly.

use annals_index::{Kind, Run, RunBytes};

use super::bases::base;
use super::edit::Draft;
use super::input::Input;
use super::look::{Expect, How, look};
use crate::format::run::{HEADER, seal};
use crate::oracle::Broken;

const ALONE: u8 = 1;
const SEALED: u8 = 2;
const RAW: u8 = 4;
const CLOSED: u8 = 8;

/// Four bytes say how, the others are the run or what is changed in one.
///
/// # Errors
/// What the run or the log should not have answered.
pub fn run(bytes: &[u8]) -> Result<(), Broken> {
    let mut input = Input::new(bytes);
    let (choices, how) = (input.byte(), How::read(&mut input));
    let closed = usize::from(choices & CLOSED != 0);
    let Some(base) = base(1 + closed) else { return Ok(()) };
    let runs: Vec<_> = base.names.iter().filter(|name| name.ends_with(".idx")).collect();
    let Some(name) = runs.get(input.choice(runs.len())) else { return Ok(()) };
    let mut draft = Draft::new(base);
    if choices & RAW != 0 {
        draft.put(name, input.rest().to_vec());
    } else {
        draft.apply_to(name, &mut input, choices & SEALED != 0);
    }
    if choices & SEALED != 0 {
        seal(draft.edit(name));
    }
    if choices & ALONE != 0 {
        super::opens(crate::numbers::wide(draft.file(name).len()));
        if let Ok(run) = Run::open(draft.file(name)) {
            ask(&run)?;
        }
        return Ok(());
    }
    let expect =
        if is_forged(&draft, name) { Expect::Calm } else { Expect::All(&draft.base().told) };
    look(&draft.disk(), how, expect).map(drop)
}

/// Whether a run is another one than it was, with checksums that fit: then it may say what
/// it likes of which records have a key.
pub(super) fn is_forged(draft: &Draft, name: &str) -> bool {
    // The header's CRC covers that of the footer, that those of all blocks.
    let before = draft.base().files.get(name).and_then(|bytes| bytes.get(..HEADER));
    draft.differs(name)
        && before != draft.file(name).get(..HEADER)
        && Run::open(draft.file(name)).is_ok()
}

/// Asks everything. What is counted is bounded by what the run can hold.
fn ask<B: RunBytes>(run: &Run<B>) -> Result<(), Broken> {
    let most = run.bytes().len();
    let mut out = Vec::new();
    for name in ["", "a-1", "b-1", "c", "zz"] {
        let _ = run.stream(name);
        for versions in [0..=u64::MAX, 1..=1, 2..=200, u64::MAX..=u64::MAX] {
            let _ = run.offsets(name, versions, &mut out);
        }
        bounded(run.streams_from(name).count(), most)?;
        bounded(run.streams_with_prefix(name).count(), most)?;
    }
    for kind in Kind::ALL {
        for key in ["", "a", "a-1", "Told", "t", "sums", "message-1"] {
            let _ = (run.count(kind, key), run.last(kind, key));
            for indexes in [0..u64::MAX, 0..1, 128..129, u64::MAX - 1..u64::MAX] {
                let _ = run.postings(kind, key, indexes, &mut out);
            }
            for offset in [0, 4160, u64::MAX] {
                let _ = run.rank(kind, key, offset);
            }
        }
        bounded(run.keys(kind, "").count(), most)?;
    }
    for number in [0, 1, 2, 150, u64::MAX] {
        let _ = run.ids(1 << 100 | u128::from(number), &mut out);
        let _ = run.place(number);
    }
    bounded(run.streams().count(), most)?;
    let _ = run.verify();
    bounded(out.len(), most * 64)
}

fn bounded(count: usize, most: usize) -> Result<(), Broken> {
    if count <= most {
        return Ok(());
    }
    Err(Broken::new("14: memory and time are bounded", format!("{count} of a run of {most} bytes")))
}
