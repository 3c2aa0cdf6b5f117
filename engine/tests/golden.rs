//! Golden logs of format version 1: logs as files, kept for ever, and what every later
//! version must read from them.
//!
//! `golden/v1` holds three logs, and a text beside each that says what is in it:
//!
//! * `closed`: every record kind and every field, three segments, their runs, three epochs
//! * `torn`: the same, and then the power went while a group was written
//! * `damaged`: `closed` with one bit over in the data of an event of a sealed segment
//!
//! `golden/program.rs` made them. It must make the same bytes today, so that no change of
//! the format goes unseen.
//!
//! Golden files are only ever added, never changed: a file that is there stays as it is.
//! With `ANNALS_GOLDEN=add` in the environment, `cargo test --test golden` writes those that
//! are missing, and fails, so that nobody takes them for tested:
//!
//! ```text
//! ANNALS_GOLDEN=add cargo test -p annals --test golden -- --test-threads=1
//! ```
//!
//! A later format gets a folder of its own, and a program that makes it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

#[path = "golden/describe.rs"]
mod describe;
#[path = "golden/program.rs"]
mod program;
#[path = "golden/records.rs"]
mod records;
#[path = "golden/unknown.rs"]
mod unknown;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annals::io::OsStorage;
use annals::io::sim::SimStorage;
use annals::{Batch, Error, Expected, Log, NewEvent, Options, Reader, Reading, verify};

use program::{Files, files};

type Program = fn() -> SimStorage;
const LOGS: [(&str, Program); 3] =
    [("closed", program::closed), ("torn", program::torn), ("damaged", program::damaged)];

fn home(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1").join(name)
}

/// The files of a golden log, after those that are missing were added if that was asked for.
fn golden(name: &str) -> Files {
    let (_, made) = LOGS.into_iter().find(|(known, _)| *known == name).unwrap();
    let folder = home(name);
    if std::env::var_os("ANNALS_GOLDEN").is_some_and(|what| what == "add") && !folder.exists() {
        std::fs::create_dir_all(&folder).unwrap();
        for (file, bytes) in files(&made()) {
            std::fs::write(folder.join(file), bytes).unwrap();
        }
        panic!("added {}: look at it, and run the tests without ANNALS_GOLDEN", folder.display());
    }
    let entries = std::fs::read_dir(&folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// What the text beside a golden log says, which is added if that was asked for.
fn expected(name: &str, now: &str) -> String {
    let file = home(&format!("{name}.txt"));
    if std::env::var_os("ANNALS_GOLDEN").is_some_and(|what| what == "add") && !file.exists() {
        std::fs::write(&file, now).unwrap();
        panic!("added {}: look at it, and run the tests without ANNALS_GOLDEN", file.display());
    }
    std::fs::read_to_string(&file).unwrap()
}

fn on_sim(files: &Files) -> SimStorage {
    let disk = SimStorage::new();
    for (name, bytes) in files {
        disk.write_file(name, bytes);
    }
    disk
}

fn in_folder(files: &Files) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

/// Fails with the first line that differs.
fn same(what: &str, found: &str, expected: &str) {
    for (number, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "{what}, line {}", number + 1);
    }
    assert_eq!(found.lines().count(), expected.lines().count(), "{what}: lines");
    assert_eq!(found, expected, "{what}");
}

/// All that the text says, of a log that was opened for writing.
fn text_of(log: &Log, report: &annals::Report) -> String {
    let found = describe::recovery(log.recovery());
    let contents = describe::contents(log);
    // An answer by key reads what may be hurt.
    let keys = if report.findings.is_empty() { describe::keys(log) } else { String::new() };
    [found, contents, keys, describe::report(report)].join("\n")
}

/// The part of the text that a reader can tell.
fn contents_in(text: &str) -> &str {
    let start = text.find("log ").unwrap();
    let end = text.find("\nkey ").or_else(|| text.find("\n\nfinding "));
    &text[start..end.unwrap()]
}

fn reads_as_its_text_says(name: &str) {
    let files = golden(name);
    let disk = on_sim(&files);
    let report = verify(&disk, &mut |_, _| {}).unwrap();
    let now = text_of(&program::options().open_on(Arc::new(disk)).unwrap(), &report);
    let expected = expected(name, &now);
    same("on a simulated disk", &now, &expected);
    for reading in [Reading::Mapped, Reading::Pread] {
        let folder = in_folder(&files);
        let storage = Arc::new(OsStorage::new(folder.path()));
        let report = verify(&*storage, &mut |_, _| {}).unwrap();
        let log = Options::new().reading(reading).open(folder.path()).unwrap();
        same(&format!("{reading:?}"), &text_of(&log, &report), &expected);
        drop(log);

        // Read-only: nothing is changed by it.
        let folder = in_folder(&files);
        let reader = Options::new().reading(reading).open_reader(folder.path()).unwrap();
        let contents = describe::contents(&reader);
        same(&format!("reader, {reading:?}"), &contents, contents_in(&expected));
        drop(reader);
        for (name, bytes) in &files {
            assert!(std::fs::read(folder.path().join(name)).unwrap() == *bytes, "{name}");
        }
    }
}

#[test]
fn the_closed_log_reads_as_its_text_says() {
    reads_as_its_text_says("closed");
    let text = expected("closed", "");
    assert!(text.starts_with("recovery clean=true "));
    assert!(!text.contains("CORRUPT") && !text.contains("finding") && !text.contains("discarded"));
    let log = program::options().open_on(Arc::new(on_sim(&golden("closed")))).unwrap();
    assert_eq!(log.recovery().scanned_bytes, 0, "by its run");
}

#[test]
fn the_torn_log_is_cut_where_its_text_says() {
    reads_as_its_text_says("torn");
    let text = expected("torn", "");
    assert!(text.contains("discarded") && text.contains("reason=Torn"));
    assert!(!text.contains("CORRUPT") && !text.contains("finding"), "a torn tail is no damage");
    // What was read before the tail is what the closed log says, and one event.
    let closed = expected("closed", "");
    let events = |text: &str| text.lines().filter(|line| line.contains(" id=")).count();
    assert_eq!(events(&text), events(&closed) + 1);
    let strict = program::options().strict(true);
    let refused = strict.open_on(Arc::new(on_sim(&golden("torn")))).unwrap_err();
    assert!(matches!(refused, Error::WouldDiscard(_)), "{refused}");
}

#[test]
fn the_damaged_log_tells_where_it_is_damaged() {
    reads_as_its_text_says("damaged");
    let text = expected("damaged", "");
    assert!(text.contains("CORRUPT file=00000000000000000001.seg segment=1 offset="));
    let findings: Vec<_> = text.lines().filter(|line| line.starts_with("finding")).collect();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].contains("cause=Payload"));
    // It is the data of one event, and the other streams can be read.
    assert!(text.contains("stream \"archive\" version 11 positions"));
    // Nor does a cursor pass over it.
    let reader = program::options().open_reader_on(Arc::new(on_sim(&golden("damaged")))).unwrap();
    let mut cursor = reader.cursor(annals::Start::Beginning).unwrap();
    assert_eq!(cursor.poll(100).unwrap().len(), 3);
    for _ in 0..2 {
        let Err(Error::Corrupt(corrupt)) = cursor.poll(100) else { panic!("it went on") };
        assert_eq!((corrupt.segment, corrupt.position), (1, Some(4)));
    }
}

#[test]
fn a_golden_log_is_appended_to_and_opened_again() {
    for name in ["closed", "torn"] {
        let folder = in_folder(&golden(name));
        let head = Log::open(folder.path()).unwrap().head();
        for n in 1..=40 {
            let log = program::options().open(folder.path()).unwrap();
            let before = log.version("order-2").unwrap();
            let data = vec![b'x'; 900];
            let mut batch = Batch::new();
            batch.write("order-2", Expected::Exact(before), [NewEvent::new("Moved").data(&data)]);
            assert_eq!(log.append(&batch).unwrap().first_position(), head + n);
            if n % 10 != 0 {
                log.close().unwrap();
            }
        }
        let storage = Arc::new(OsStorage::new(folder.path()));
        let report = verify(&*storage, &mut |_, _| {}).unwrap();
        assert_eq!((report.findings, report.events), (Vec::new(), head + 40));
        // What had been there reads as before, above what was appended.
        let text = expected(name, "");
        let reader = Reader::open(folder.path()).unwrap();
        let lines = describe::contents(&reader);
        for line in text.lines().filter(|line| line.contains(" id=")) {
            assert!(lines.lines().any(|now| now == line), "{name}: {line}");
        }
    }
}

#[test]
fn the_same_program_writes_the_same_segments() {
    for (name, made) in LOGS {
        let (golden, now) = (golden(name), files(&made()));
        let names = |files: &Files| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&golden), names(&now), "{name}");
        for (file, bytes) in golden.iter().filter(|(file, _)| file.ends_with(".seg")) {
            assert_eq!(bytes.len(), now[file].len(), "{name}/{file}");
            let at = bytes.iter().zip(&now[file]).position(|(golden, now)| golden != now);
            assert_eq!(at, None, "{name}/{file}: the first byte that differs");
        }
    }
}

/// A run that differs is no change of the log's format: runs are made again from the
/// segments. If that is meant, a new golden folder holds the new ones, and the old ones must
/// still be read or made again, as the tests above show.
#[test]
fn the_same_program_writes_the_same_runs() {
    for (name, made) in LOGS {
        let (golden, now) = (golden(name), files(&made()));
        let runs = golden.iter().filter(|(file, _)| file.ends_with(".idx"));
        for (file, bytes) in runs.clone() {
            assert!(*bytes == now[file], "{name}/{file}");
        }
        assert!(runs.count() >= 2, "{name}");
    }
}

/// The files hold what the head of this one says.
#[test]
fn the_golden_logs_hold_every_kind_of_record_and_every_field() {
    let files = golden("closed");
    let (mut kinds, mut fields, mut snapshot_fields) = (BTreeSet::new(), 0, 0);
    let (mut epochs, mut largest, mut segments) = (BTreeSet::new(), 0, 0);
    for bytes in files.iter().filter(|(name, _)| name.ends_with(".seg")).map(|(_, bytes)| bytes) {
        segments += 1;
        for group in records::groups(bytes) {
            kinds.insert(bytes[group.at + 4]);
            epochs.insert(bytes[group.at + 16..group.at + 32].to_vec());
            largest = largest.max(group.batches.len());
            for batch in &group.batches {
                kinds.insert(bytes[batch.at + 4]);
                for record in &batch.records {
                    let kind = bytes[record.at + 4];
                    kinds.insert(kind);
                    match kind {
                        0x83 => fields |= bytes[record.payload + 19],
                        0x04 => snapshot_fields |= 2 << bytes[record.payload + 7],
                        _ => {}
                    }
                }
            }
        }
    }
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), [0x04, 0x08, 0x81, 0x82, 0x83, 0x85]);
    assert_eq!((fields, snapshot_fields), (0xFF, 0b110));
    assert_eq!((epochs.len(), largest, segments), (3, 3, 3));
    assert!(files.keys().filter(|name| name.ends_with(".idx")).count() == 3);
    // A spare stays where the power went before the roll.
    let torn = golden("torn");
    let spare = torn.iter().rfind(|(name, _)| name.ends_with(".seg")).unwrap().1;
    assert!(spare.len() > 4096 && spare.iter().all(|byte| *byte == 0));
}
