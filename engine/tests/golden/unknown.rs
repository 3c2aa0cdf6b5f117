//! What a later version may have written: features, formats, kinds and longer heads that
//! this one does not know. Made by changing bytes and sealing them again.

use std::sync::Arc;

use annals::io::sim::{KeepAll, SimStorage};
use annals::{Batch, Error, Expected, Log, NewEvent, NewSnapshot, Reader, Start, verify};

use crate::program::{files, options};
use crate::records::{groups, seal_records, seal_segment_header};
use crate::{describe, golden, on_sim};

const SEGMENT: &str = "00000000000000000001.seg";

fn open(disk: &SimStorage) -> annals::Result<Log> {
    options().open_on(Arc::new(disk.fork()))
}

fn reader(disk: &SimStorage) -> annals::Result<Reader> {
    options().open_reader_on(Arc::new(disk.clone()))
}

/// The closed golden log with other bytes in the headers of these segments.
fn with_headers(segments: &[&str], at: usize, value: &[u8]) -> SimStorage {
    let disk = on_sim(&golden("closed"));
    for name in disk.file_names() {
        if name.ends_with(".seg") && segments.iter().any(|part| name.contains(part)) {
            let mut bytes = disk.read_file(&name).unwrap();
            bytes[at..at + value.len()].copy_from_slice(value);
            seal_segment_header(&mut bytes);
            disk.write_file(&name, &bytes);
        }
    }
    disk
}

/// The error names the file and what was found, and nothing was written.
fn unsupported<T>(disk: &SimStorage, outcome: annals::Result<T>, named: (&str, u64)) {
    let before = disk.fingerprint();
    match outcome.map(drop) {
        Err(Error::Unsupported { file, what, found, .. }) => {
            assert!(file.ends_with(".seg"), "{file}");
            assert_eq!((what, found), named);
        }
        other => panic!("{named:?}: {other:?}"),
    }
    assert_eq!(disk.fingerprint(), before);
}

/// Which segments say it: all of them, the newest, the first.
const SAID_BY: [&[&str]; 3] = [&[".seg"], &["3.seg"], &["01.seg"]];

#[test]
fn a_later_format_and_features_that_nobody_may_pass_over_are_refused() {
    for segments in SAID_BY {
        for (at, value, named) in [
            (8, vec![2, 0, 0, 0], ("format version", 2)),
            (8, vec![0, 0, 0, 0], ("format version", 0)),
            (16, vec![0, 0, 0, 0, 0, 0, 0, 128], ("incompatible features", 1 << 63)),
        ] {
            let disk = with_headers(segments, at, &value);
            unsupported(&disk, options().open_on(Arc::new(disk.clone())), named);
            unsupported(&disk, reader(&disk), named);
            unsupported(&disk, verify(&disk, &mut |_, _| {}), named);
        }
    }
}

#[test]
fn a_feature_that_only_writers_must_know_lets_readers_read() {
    let untouched = describe::contents(&reader(&on_sim(&golden("closed"))).unwrap());
    for segments in SAID_BY {
        let disk = with_headers(segments, 24, &[4]);
        let named = ("read-only compatible features", 4);
        // What the newest segment says counts: whoever wrote it knew what it wrote to.
        if segments[0] != "01.seg" {
            unsupported(&disk, options().open_on(Arc::new(disk.clone())), named);
        }
        assert_eq!(describe::contents(&reader(&disk).unwrap()), untouched);
        let report = verify(&disk, &mut |_, _| {}).unwrap();
        assert_eq!(report.findings, []);
    }
}

#[test]
fn a_feature_that_may_be_ignored_and_a_longer_header_are_accepted() {
    let untouched = describe::contents(&reader(&on_sim(&golden("closed"))).unwrap());
    for (at, value) in [(32, vec![255; 8]), (12, 200_u32.to_le_bytes().to_vec())] {
        for segments in SAID_BY {
            let disk = with_headers(segments, at, &value);
            if at == 12 {
                more_header(&disk, segments);
            }
            assert_eq!(describe::contents(&reader(&disk).unwrap()), untouched);
            let report = verify(&disk, &mut |_, _| {}).unwrap();
            assert_eq!(report.findings, []);
            let log = open(&disk).unwrap();
            assert!(log.recovery().clean);
            assert_eq!(describe::contents(&log), untouched);
            log.append(Batch::new().write("new", Expected::NoStream, [NewEvent::new("T")]))
                .unwrap();
            log.close().unwrap();
        }
    }
}

/// What a later version may have put behind the header that this one knows.
fn more_header(disk: &SimStorage, segments: &[&str]) {
    for name in disk.file_names() {
        if name.ends_with(".seg") && segments.iter().any(|part| name.contains(part)) {
            let mut bytes = disk.read_file(&name).unwrap();
            bytes[136..200].fill(0xA5);
            disk.write_file(&name, &bytes);
        }
    }
}

/// A log of three groups whose writer was killed; the second carries a snapshot.
fn with_snapshot() -> SimStorage {
    let disk = SimStorage::new();
    let log = options().open_on(Arc::new(disk.clone())).unwrap();
    for n in 1..=3 {
        let mut batch = Batch::new();
        batch.write("s", Expected::Exact(n - 1), [NewEvent::new("T").data(b"some data")]);
        if n == 2 {
            batch.snapshot("s", 2, NewSnapshot::new(1).json("{}"));
        }
        log.append(&batch).unwrap();
    }
    disk.kill();
    drop(log);
    disk.power_cut(KeepAll);
    disk
}

fn changed(disk: &SimStorage, change: impl Fn(&mut Vec<u8>)) -> SimStorage {
    let disk = disk.fork();
    let mut bytes = disk.read_file(SEGMENT).unwrap();
    change(&mut bytes);
    seal_records(&mut bytes);
    disk.write_file(SEGMENT, &bytes);
    disk
}

/// All three events are read, and the log goes on.
fn goes_on(disk: &SimStorage, snapshot: bool) {
    let reader = reader(disk).unwrap();
    assert_eq!(reader.cursor(Start::Beginning).unwrap().poll(9).unwrap().len(), 3);
    drop(reader);
    let log = options().open_on(Arc::new(disk.clone())).unwrap();
    assert_eq!(log.recovery().discarded, None);
    assert_eq!(log.read("s").collect().unwrap().len(), 3);
    assert_eq!(log.read_all().backward().collect().unwrap().len(), 3);
    assert_eq!(log.cursor(Start::Beginning).unwrap().poll(9).unwrap().len(), 3);
    assert_eq!(log.load("s", 1).unwrap().snapshot().is_some(), snapshot);
    log.append(Batch::new().write("s", Expected::Exact(3), [NewEvent::new("T")])).unwrap();
    log.close().unwrap();
    let report = verify(disk, &mut |_, _| {}).unwrap();
    assert_eq!((report.findings, report.events), (Vec::new(), 4));
    assert_eq!(open(disk).unwrap().head(), 4);
}

#[test]
fn sealing_a_segment_that_was_not_changed_changes_nothing() {
    for disk in [with_snapshot(), on_sim(&golden("closed"))] {
        for (name, bytes) in files(&disk).into_iter().filter(|(name, _)| name.ends_with(".seg")) {
            let mut sealed = bytes.clone();
            seal_records(&mut sealed);
            seal_segment_header(&mut sealed);
            assert!(sealed == bytes, "{name}");
        }
    }
    goes_on(&with_snapshot(), true);
}

#[test]
fn a_record_of_an_unknown_kind_is_passed_over_in_a_batch() {
    // A mark of another sort, and kinds that nobody has defined.
    for kind in [0x08, 0x0C, 0x7F] {
        let disk = changed(&with_snapshot(), |bytes| {
            let snapshot = groups(bytes)[1].batches[0].records[1].at;
            assert_eq!(bytes[snapshot + 4], 0x04);
            bytes[snapshot + 4] = kind;
        });
        goes_on(&disk, false);
    }
}

#[test]
fn a_record_of_an_unknown_critical_kind_is_refused_and_nothing_is_cut() {
    for kind in [0x8C, 0xFF] {
        let disk = changed(&with_snapshot(), |bytes| {
            let snapshot = groups(bytes)[1].batches[0].records[1].at;
            bytes[snapshot + 4] = kind;
        });
        refused(&disk, kind);
    }
    // Between batches and between groups every unknown kind is one.
    for kind in [0x0C, 0x8C] {
        for batch in [false, true] {
            let disk = changed(&with_snapshot(), |bytes| {
                let group = &groups(bytes)[1];
                let at = if batch { group.batches[0].at } else { group.at };
                bytes[at + 4] = kind;
            });
            refused(&disk, kind);
        }
    }
}

fn refused(disk: &SimStorage, kind: u8) {
    let named = ("record kind", u64::from(kind));
    unsupported(disk, options().open_on(Arc::new(disk.clone())), named);
    unsupported(disk, reader(disk), named);
    unsupported(disk, verify(disk, &mut |_, _| {}), named);
}

/// Eight bytes more at the end of a head, and those around it longer by as much.
fn lengthen(bytes: &mut Vec<u8>, at: usize, around: &[usize]) {
    let len = u16::from_le_bytes([bytes[at + 6], bytes[at + 7]]);
    bytes.splice(at + usize::from(len)..at + usize::from(len), [0xA5; 8]);
    bytes.truncate(bytes.len() - 8);
    bytes[at + 6..at + 8].copy_from_slice(&(len + 8).to_le_bytes());
    for outer in around {
        let len = u32::from_le_bytes(bytes[outer + 8..outer + 12].try_into().unwrap());
        bytes[outer + 8..outer + 12].copy_from_slice(&(len + 8).to_le_bytes());
    }
}

#[test]
fn longer_heads_are_read_as_far_as_they_are_known() {
    // In the last group, since those behind it would name other places as durable.
    for which in ["event", "batch", "group"] {
        let disk = changed(&with_snapshot(), |bytes| {
            let group = &groups(bytes)[2];
            let batch = &group.batches[0];
            match which {
                "event" => lengthen(bytes, batch.records[0].at, &[batch.at, group.at]),
                "batch" => lengthen(bytes, batch.at, &[group.at]),
                _ => lengthen(bytes, group.at, &[]),
            }
        });
        println!("{which}");
        goes_on(&disk, true);
    }
}
