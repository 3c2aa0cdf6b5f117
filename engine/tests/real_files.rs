//! The faults that need no simulated disk, on real files: what is hurt is named, what is
//! derived is made again, and nobody gets a shorter log for a whole one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::type_complexity
)]
use std::fs;
use std::path::{Path, PathBuf};

use annals::{
    Background, Batch, Error, Expected, Log, NewEvent, NewSnapshot, Options, Reader, Reading, Start,
};

const EVENTS: u64 = 60;

fn options(reading: Reading) -> Options {
    Options::new().background(Background::Inline).segment_bytes(16 << 10).reading(reading)
}

fn fill(path: &Path, events: u64) {
    let log = options(Reading::Mapped).open(path).unwrap();
    for n in log.head()..events {
        let data: Vec<u8> = (0..900_u64).map(|at| (n * 7 + at * 13).to_le_bytes()[0]).collect();
        let mut batch = Batch::new();
        batch.once(&format!("m/{n}")).write(
            &format!("s-{}", n % 5),
            Expected::Any,
            [NewEvent::new("Happened").data(&data)],
        );
        if n % 10 == 9 {
            batch.state("sums", n, NewSnapshot::new(1).data(b"sum"));
        }
        log.append(&batch).unwrap();
    }
    log.close().unwrap();
}

/// A closed log of several segments.
fn closed_log() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    fill(&path, EVENTS);
    (directory, path)
}

fn segment(path: &Path, number: u64) -> PathBuf {
    path.join(format!("{number:020}.seg"))
}

fn segments(path: &Path) -> u64 {
    (1..).take_while(|number| segment(path, *number).exists()).count() as u64
}

/// Reads everything in every way; the number of events, or the first error.
fn read_all(path: &Path, reading: Reading) -> annals::Result<u64> {
    let log = options(reading).create(false).open(path)?;
    let mut cursor = log.cursor(Start::Beginning)?;
    let mut events = 0;
    loop {
        let piece = cursor.poll(100)?;
        if piece.is_empty() {
            break;
        }
        events += piece.len() as u64;
    }
    let mut by_stream = 0;
    for stream in 0..5 {
        by_stream += log.read(&format!("s-{stream}")).collect()?.len() as u64;
    }
    assert_eq!((log.head(), by_stream), (events, events));
    Ok(events)
}

/// Both ways to read, and a reader beside nobody: each says that something is hurt.
fn is_refused(path: &Path, what: &str) -> Vec<Error> {
    let mut errors = Vec::new();
    for reading in [Reading::Mapped, Reading::Pread] {
        let error = read_all(path, reading).expect_err(what);
        assert!(matches!(error, Error::Corrupt(_)), "{what}: {error}");
        errors.push(error);
    }
    let read = Reader::open(path).and_then(|reader| reader.read_all().collect());
    assert!(matches!(read, Err(Error::Corrupt(_))), "{what}");
    errors
}

#[test]
fn a_flipped_bit_a_zeroed_and_a_stray_block_are_errors_that_name_their_place() {
    let (_directory, path) = closed_log();
    let victim = segment(&path, 2);
    let whole = fs::read(&victim).unwrap();
    let hurts: [(&str, fn(&mut Vec<u8>)); 4] = [
        ("a flipped bit", |bytes| bytes[6000] ^= 4),
        ("a zeroed block", |bytes| bytes[8192..8704].fill(0)),
        ("a block of another place", |bytes| bytes.copy_within(4608..5120, 9216)),
        ("garbage", |bytes| bytes[10000..10100].fill(0xa5)),
    ];
    for (what, hurt) in hurts {
        let mut bytes = whole.clone();
        hurt(&mut bytes);
        fs::write(&victim, &bytes).unwrap();
        for error in is_refused(&path, what) {
            let Error::Corrupt(corrupt) = error else { unreachable!() };
            assert_eq!(corrupt.segment, 2, "{what}");
            assert!(corrupt.file.ends_with(".seg") && corrupt.offset >= 4096, "{corrupt:?}");
        }
    }
    fs::write(&victim, whole).unwrap();
    assert_eq!(read_all(&path, Reading::Mapped).unwrap(), EVENTS);
}

#[test]
fn a_segment_that_is_missing_swapped_renamed_foreign_older_or_cut_is_named() {
    let (_directory, path) = closed_log();
    let count = segments(&path);
    assert!(count >= 4, "{count}");
    let (_other, foreign) = closed_log();
    let older = {
        let (directory, path) = closed_log();
        let copy = fs::read(segment(&path, 1)).unwrap();
        drop(directory);
        copy
    };
    let last = segment(&path, count);
    let hurts: Vec<(&str, Box<dyn Fn()>)> = vec![
        ("missing", Box::new(|| fs::remove_file(segment(&path, 2)).unwrap())),
        ("the last one missing", Box::new(|| fs::remove_file(&last).unwrap())),
        ("swapped", {
            Box::new(|| {
                let second = fs::read(segment(&path, 2)).unwrap();
                fs::rename(segment(&path, 3), segment(&path, 2)).unwrap();
                fs::write(segment(&path, 3), second).unwrap();
            })
        }),
        ("doubled", Box::new(|| _ = fs::copy(segment(&path, 2), segment(&path, 3)).unwrap())),
        ("renamed", Box::new(|| fs::rename(&last, segment(&path, count + 2)).unwrap())),
        ("foreign", Box::new(|| _ = fs::copy(segment(&foreign, 2), segment(&path, 2)).unwrap())),
        ("a first one of elsewhere", Box::new(|| fs::write(segment(&path, 1), &older).unwrap())),
        ("cut", {
            Box::new(|| {
                let bytes = fs::read(segment(&path, 2)).unwrap();
                fs::write(segment(&path, 2), &bytes[..8192]).unwrap();
            })
        }),
    ];
    let saved: Vec<_> =
        (1..=count).map(|number| fs::read(segment(&path, number)).unwrap()).collect();
    for (what, hurt) in hurts {
        hurt();
        is_refused(&path, what);
        drop(fs::remove_file(segment(&path, count + 2)));
        for (number, bytes) in (1..).zip(&saved) {
            fs::write(segment(&path, number), bytes).unwrap();
        }
        assert_eq!(read_all(&path, Reading::Mapped).unwrap(), EVENTS, "{what}");
    }
}

#[test]
fn every_derived_file_can_be_deleted_damaged_or_swapped_and_nothing_changes() {
    let (_directory, path) = closed_log();
    let derived = || {
        let names = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
        names.filter(|path| path.extension().is_none_or(|suffix| suffix != "seg"))
    };
    assert!(derived().count() >= 6);
    let hurts: [(&str, fn(&Path)); 3] = [
        ("deleted", |path| fs::remove_file(path).unwrap()),
        ("emptied", |path| fs::write(path, b"").unwrap()),
        ("of another kind", |path| fs::write(path, [0x5a; 9000]).unwrap()),
    ];
    for (what, hurt) in hurts {
        derived().for_each(|path| hurt(&path));
        for reading in [Reading::Mapped, Reading::Pread] {
            assert_eq!(read_all(&path, reading).unwrap(), EVENTS, "{what}");
        }
        let log = Log::open(&path).unwrap();
        let mut again = Batch::new();
        again.once("m/7");
        assert!(log.append(&again).unwrap().is_deduplicated(), "{what}");
        assert_eq!(log.state("sums", 1).unwrap().unwrap().version(), 59, "{what}");
    }
}

#[test]
fn a_torn_tail_is_cut_and_reported_and_a_strict_opening_asks() {
    let (_directory, path) = closed_log();
    // What a power cut leaves of the last group, in front of zeros. The close mark and its
    // witness go first: with them it would be damage.
    let log = options(Reading::Mapped).open(&path).unwrap();
    let mut batch = Batch::new();
    batch.write("s-0", Expected::Any, [NewEvent::new("Happened").data(&[0x77; 500])]);
    log.append(&batch).unwrap();
    std::mem::forget(log);
    let last = segment(&path, segments(&path));
    let mut bytes = fs::read(&last).unwrap();
    let end = bytes.iter().rposition(|byte| *byte == 0x77).unwrap();
    bytes[end - 100..=end].fill(0);
    let (_copy, torn) = {
        let directory = tempfile::tempdir().unwrap();
        let torn = directory.path().join("log");
        fs::create_dir(&torn).unwrap();
        for entry in fs::read_dir(&path).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), torn.join(entry.file_name())).unwrap();
        }
        fs::write(torn.join(last.file_name().unwrap()), &bytes).unwrap();
        (directory, torn)
    };
    let strict = options(Reading::Mapped).strict(true);
    assert!(matches!(strict.open(&torn), Err(Error::WouldDiscard(_))));
    let log = options(Reading::Mapped).open(&torn).unwrap();
    let discarded = log.recovery().discarded.clone().unwrap();
    assert_eq!(discarded.reason, annals::TailReason::Torn);
    assert!(discarded.bytes > 300, "{discarded:?}");
    assert_eq!(log.head(), EVENTS);
    log.append(&batch).unwrap();
    drop(log);
    assert_eq!(read_all(&torn, Reading::Pread).unwrap(), EVENTS + 1);
}

#[test]
fn files_of_random_bytes_are_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..200_usize {
        let path = directory.path().join(round.to_string());
        fs::create_dir(&path).unwrap();
        let bytes: Vec<u8> = (0..round * 97)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                state.to_be_bytes()[0]
            })
            .collect();
        for name in ["00000000000000000001.seg", "00000000000000000001.idx", "control"] {
            fs::write(path.join(name), &bytes).unwrap();
        }
        let before = fs::read(segment(&path, 1)).unwrap();
        if let Ok(log) = Log::open(&path) {
            // Too short to have held a group: made anew.
            assert!(before.len() <= 4096, "{round}");
            assert_eq!(log.head(), 0);
        } else {
            assert_eq!(fs::read(segment(&path, 1)).unwrap(), before);
        }
    }
}
