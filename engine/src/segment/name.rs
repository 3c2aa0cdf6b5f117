//! What the files of a log are called. Nobody else makes or takes apart a name.

use crate::io::LOCK_FILE;
use crate::place::SEGMENT_MAX;

/// What readers in other processes follow, and the mirror of the witness.
pub(crate) const CONTROL: &str = "control";

/// Where readers in other processes say that they wait.
pub(crate) const READERS: &str = "readers";

const SEGMENT_SUFFIX: &str = ".seg";
const RUN_SUFFIX: &str = ".idx";
const TEMPORARY_SUFFIX: &str = ".tmp";
const REPAIR_PREFIX: &str = "repair-";
const UNFINISHED_SUFFIX: &str = ".part";
const DIGITS: usize = 20;

/// What a name in the directory stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    Segment(u64),
    /// The index of a segment.
    Run(u64),
    /// Half-written: left by a crash, of no use.
    Temporary,
    Control,
    Readers,
    Lock,
    /// Not of the log: never touched.
    Foreign,
}

pub(crate) fn segment(number: u64) -> String {
    format!("{number:020}{SEGMENT_SUFFIX}")
}

pub(crate) fn run(number: u64) -> String {
    format!("{number:020}{RUN_SUFFIX}")
}

/// What a run is called until it is whole.
pub(crate) fn temporary_run(number: u64) -> String {
    format!("{number:020}{RUN_SUFFIX}{TEMPORARY_SUFFIX}")
}

/// What the `nth` copy is called that a repair makes of a file, at `time` in nanoseconds
/// since 1970. It is foreign to the log: never read, never touched.
pub(crate) fn repair_copy(time: i64, nth: u64, original: &str) -> String {
    format!("{REPAIR_PREFIX}{}-{nth}.{original}", time / 1_000_000_000)
}

/// What such a copy is called until it is whole.
pub(crate) fn unfinished_copy(copy: &str) -> String {
    format!("{copy}{UNFINISHED_SUFFIX}")
}

pub(crate) fn parse(name: &str) -> Named {
    match name {
        CONTROL => return Named::Control,
        READERS => return Named::Readers,
        LOCK_FILE => return Named::Lock,
        _ => {}
    }
    if let Some(number) = name.strip_suffix(SEGMENT_SUFFIX).and_then(number) {
        Named::Segment(number)
    } else if let Some(number) = name.strip_suffix(RUN_SUFFIX).and_then(number) {
        Named::Run(number)
    } else if name
        .strip_suffix(TEMPORARY_SUFFIX)
        .and_then(|name| name.strip_suffix(RUN_SUFFIX))
        .and_then(number)
        .is_some()
    {
        Named::Temporary
    } else {
        Named::Foreign
    }
}

fn number(digits: &str) -> Option<u64> {
    let plain = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = plain.then(|| digits.parse().ok())??;
    (1..=SEGMENT_MAX).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_parsed_as_what_it_was_made_for() {
        assert_eq!(parse(&segment(7)), Named::Segment(7));
        assert_eq!(parse(&run(7)), Named::Run(7));
        assert_eq!(parse(&temporary_run(7)), Named::Temporary);
        assert_eq!(parse(CONTROL), Named::Control);
        assert_eq!(parse(READERS), Named::Readers);
        for foreign in ["7.seg", "0000000000000000000x.seg", "notes.txt", ".idx.tmp", "x.tmp"] {
            assert_eq!(parse(foreign), Named::Foreign, "{foreign}");
        }
        assert_eq!(parse(&segment(0)), Named::Foreign);
        for original in [&segment(7), &run(7), &temporary_run(7), CONTROL] {
            let copy = repair_copy(1_700_000_000_123_456_789, 3, original);
            assert_eq!(copy, format!("repair-1700000000-3.{original}"));
            assert_eq!(parse(&copy), Named::Foreign);
            assert_eq!(parse(&unfinished_copy(&copy)), Named::Foreign);
        }
    }
}
