//! What the fuzz targets and long runs of the explorer found: the inputs and programs that
//! did, each with its story.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use annals_fuzz::explore::try_program;
use annals_fuzz::targets::named;

fn holds(target: &str, hex: &str) {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let input: Vec<_> = hex.as_bytes().chunks(2).map(byte).collect();
    (named(target).unwrap().run)(&input).unwrap_or_else(|broken| panic!("{target}: {broken}"));
}

/// A run, with checksums that fit, said that a group stands behind the end of its segment.
/// Reading backward went there: an assertion failed, where there is one, and otherwise the
/// read was an error by luck.
#[test]
fn a_backward_read_from_a_place_behind_the_end_is_an_error() {
    holds(
        "run",
        "1a89ae77a1dcc17085ba01b44705a104ba676462a50bcd548c8b768450afb99f61e1a24bf59e2383ed54f5f5\
         975c75100cbce31c596a2efca1f825eb",
    );
}

/// A segment header, with a checksum that fits, said that the segment before it ends where no
/// segment can. Recovery made a place of that: an assertion failed, or the offset ran over
/// into the segment's number.
#[test]
fn a_header_that_says_an_end_where_no_segment_ends_is_damage() {
    holds(
        "segments",
        "a5b38c29f9f339b2f6406fd80872d84218a8b5849709e05dd4a183e84644c32a6fe70e5b16b99dc502dda277\
         4c17c7f339b2f6406fd80872d84218a8b584970927f2083942241c95c10d570943c9995d98750da08c351ac8\
         490f0016bb18917f4cb926aa29770b",
    );
}

/// The words of a control file were shuffled: they said that a sync had failed and that
/// nothing was durable, of a log that had been closed. A reader believed it, and served an
/// empty log. `engine/tests/readers.rs` has the same by hand.
#[test]
fn a_shuffled_control_file_hides_nothing_from_a_reader() {
    holds(
        "derived",
        "0276e257e7bcaa067380b828114eeb00e58c30f3c9cbdf7d098f7caeec066573b98fc970c7a94c4d",
    );
}

/// Two power cuts tore both of the control file's mirrors of the witness, one in each of two
/// lives, the second while the log was being closed. The next opening of that closed log
/// wrote nothing, the one after the next crash mended one of them, and `verify` called the
/// other one damage. Found after 2,401,162 states.
#[test]
fn two_torn_mirrors_of_the_witness_are_mended_together() {
    let program = "D2.8444 P1372 Z Sb Qw Nw Xw B O".parse().unwrap();
    try_program(&program, 20_261_121, None).unwrap_or_else(|broken| panic!("{broken}"));
}

/// For an hour a segment that was there already, ahead of its use, was removed and made anew,
/// also one that a killed process had left beside a closed log. A kill in the middle of that
/// left a log that could not be opened: a segment was missing. Found after 4,891,553 states.
#[test]
fn a_segment_that_is_there_ahead_of_its_use_is_used() {
    let program = "Rb O Xb D3.10387 L".parse().unwrap();
    try_program(&program, 20_261_121, None).unwrap_or_else(|broken| panic!("{broken}"));
}

/// An opening was killed when it had removed the last of two segments that are no part of the
/// log, and not synced that. The next opening removed the other one; a power cut could bring
/// the last one back alone, and a segment was missing. Found after 1,509,839 states.
#[test]
fn removed_segments_stay_removed_before_the_one_before_them_goes() {
    let program = "Xw Rb Bb P30767".parse().unwrap();
    try_program(&program, 20_261_122, None).unwrap_or_else(|broken| panic!("{broken}"));
}
