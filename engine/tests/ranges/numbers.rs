//! Positions and versions near the end of u64: on logs whose first numbers were written
//! over, since nobody can append so much.

use std::sync::Arc;

use annals::io::sim::{KeepAll, SimStorage};
use annals::{
    Background, Batch, CursorOptions, Error, Expected, Filter, Log, NewEvent, NewSnapshot, Options,
    Start, Uuid,
};

use crate::records::{groups, seal_records, seal_segment_header};

const SEGMENT: &str = "00000000000000000001.seg";

fn options() -> Options {
    Options::new().background(Background::Inline).segment_bytes(16 << 10)
}

fn open(disk: &SimStorage) -> Log {
    options().open_on(Arc::new(disk.clone())).unwrap()
}

/// A log of which only the first segment is left, as its writer was killed, changed.
fn crafted(append: impl Fn(&Log), change: impl Fn(&mut [u8])) -> SimStorage {
    let disk = SimStorage::new();
    let log = open(&disk);
    append(&log);
    disk.kill();
    drop(log);
    disk.power_cut(KeepAll);
    let mut bytes = disk.read_file(SEGMENT).unwrap();
    bytes[1024..4096].fill(0);
    change(&mut bytes);
    seal_segment_header(&mut bytes);
    seal_records(&mut bytes);
    let crafted = SimStorage::new();
    crafted.write_file(SEGMENT, &bytes);
    crafted
}

fn begins_at(first_position: u64) -> SimStorage {
    let change = |bytes: &mut [u8]| bytes[64..72].copy_from_slice(&first_position.to_le_bytes());
    crafted(|_| {}, change)
}

fn append(log: &Log, events: usize, bytes: usize) -> annals::Result<annals::Committed> {
    let data = vec![7; bytes];
    let mut batch = Batch::new();
    batch.write("s", Expected::Any, (0..events).map(|_| NewEvent::new("T").data(&data)));
    log.append(&batch)
}

fn no_positions_left(outcome: annals::Result<annals::Committed>, size: u64, limit: u64) {
    match outcome {
        Err(Error::TooLarge { what: "positions", size: s, limit: l }) => {
            assert_eq!((s, l), (size, limit));
        }
        other => panic!("{other:?}"),
    }
}

/// The last position that an event gets.
const LAST: u64 = u64::MAX - 2;

#[test]
fn appends_end_before_positions_do() {
    let disk = begins_at(LAST - 9);
    let log = open(&disk);
    // Over a roll.
    for n in 0..7 {
        assert_eq!(append(&log, 1, 3000).unwrap().first_position(), LAST - 9 + n);
    }
    no_positions_left(append(&log, 4, 0), 4, 3);
    assert_eq!(append(&log, 2, 0).unwrap().positions(), LAST - 2..=LAST - 1);
    no_positions_left(append(&log, 2, 0), 2, 1);
    assert_eq!(append(&log, 1, 0).unwrap().last_position(), LAST);
    no_positions_left(append(&log, 1, 0), 1, 0);
    // What takes no position goes on.
    let mut batch = Batch::new();
    batch.once("k").snapshot("s", 10, NewSnapshot::new(1)).state("p", LAST, NewSnapshot::new(1));
    assert_eq!(log.append(&batch).unwrap().last_position(), LAST);
    reads_the_last(&log);
    log.close().unwrap();
    for _ in 0..2 {
        let log = open(&disk);
        reads_the_last(&log);
        no_positions_left(append(&log, 1, 0), 1, 0);
        assert!(log.append(&batch).unwrap().is_deduplicated());
        // Next time it was not closed.
        disk.kill();
    }
    reads_the_last(&options().open_reader_on(Arc::new(disk)).unwrap());
}

fn reads_the_last(reader: &annals::Reader) {
    assert_eq!((reader.head().unwrap(), reader.version("s").unwrap()), (LAST, 10));
    let read = reader.read("s").from(10).collect().unwrap();
    assert_eq!(read[0].as_event().position(), LAST);
    let id = read[0].as_event().id();
    assert_eq!(reader.event(id).unwrap().unwrap().as_event().position(), LAST);
    let positions = |events: Vec<annals::OwnedEvent>| -> Vec<u64> {
        events.iter().map(|event| event.as_event().position()).collect()
    };
    let backward = reader.read_all().backward().limit(3).collect().unwrap();
    assert_eq!(positions(backward), [LAST, LAST - 1, LAST - 2]);
    for to in [LAST, LAST + 1, u64::MAX] {
        let forward = reader.read_all().from(LAST - 1).to(to).collect().unwrap();
        assert_eq!(positions(forward), [LAST - 1, LAST]);
        assert!(reader.read_all().from(LAST + 1).to(to).collect().unwrap().is_empty());
    }
    let filter = || Filter::new().event_type("T");
    let filtered = reader.read_all().filter(filter()).from(LAST).collect().unwrap();
    assert_eq!(positions(filtered), [LAST]);
    for after in [LAST - 9, LAST - 4, LAST - 1, LAST] {
        for options in [CursorOptions::new(), CursorOptions::new().filter(filter())] {
            let mut cursor = reader.cursor_with(Start::After(after), &options).unwrap();
            let mut last = after;
            loop {
                let events = cursor.poll(100).unwrap();
                if events.is_empty() {
                    break;
                }
                for event in &events {
                    assert_eq!(event.position(), last + 1);
                    last = event.position();
                }
            }
            assert_eq!((last, cursor.scanned_to()), (LAST, LAST));
            let from_there = Start::Checkpoint(cursor.checkpoint().unwrap());
            assert!(reader.cursor(from_there).unwrap().poll(9).unwrap().is_empty());
        }
    }
    for beyond in [LAST + 1, u64::MAX] {
        match reader.cursor(Start::After(beyond)).map(drop) {
            Err(Error::BeyondHead { position, head }) => {
                assert_eq!((position, head), (beyond, LAST));
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(reader.cursor(Start::End).unwrap().poll(9).unwrap().is_empty());
    assert!(!reader.contains(Uuid::from_u128(1)).unwrap());
}

/// Numbers that no writer gives: the log is refused or cut, and nothing panics.
#[test]
fn numbers_beyond_the_end_are_damage() {
    for first in [0, LAST + 1, u64::MAX - 1, u64::MAX] {
        for events in [0, 1, 2, 5] {
            let disk = crafted(
                |log| drop(append(log, events, 0)),
                |bytes| {
                    bytes[64..72].copy_from_slice(&first.to_le_bytes());
                    for group in groups(bytes) {
                        for batch in group.batches {
                            for (n, record) in (0..).zip(batch.records) {
                                let position = first.wrapping_add(n).to_le_bytes();
                                bytes[record.at + 16..record.at + 24].copy_from_slice(&position);
                            }
                            bytes[batch.at + 16..batch.at + 24]
                                .copy_from_slice(&first.to_le_bytes());
                        }
                    }
                },
            );
            let verified = annals::verify(&disk, &mut |_, _| {});
            drop(options().open_reader_on(Arc::new(disk.clone())));
            let opened = options().open_on(Arc::new(disk.clone()));
            if (first, events) == (0, 0) {
                // A first block that does not hold, and nothing behind it: it is made again.
                assert_eq!(append(&opened.unwrap(), 3, 0).unwrap().first_position(), 1);
                continue;
            }
            assert!(verified.is_ok_and(|report| !report.findings.is_empty()), "{first} {events}");
            match opened {
                Ok(log) => {
                    assert!(append(&log, 3, 0).is_err(), "{first} {events}");
                    drop(log.read_all().backward().collect());
                    drop(log.close());
                }
                Err(error) => assert!(matches!(error, Error::Corrupt(_)), "{error}"),
            }
        }
    }
}

/// One event whose version was written over.
fn with_version(version: u64) -> SimStorage {
    let change = |bytes: &mut [u8]| {
        let event = groups(bytes)[0].batches[0].records[0].at;
        bytes[event + 24..event + 32].copy_from_slice(&version.to_le_bytes());
    };
    crafted(|log| drop(append(log, 1, 0).unwrap()), change)
}

#[test]
fn appends_end_before_versions_do() {
    let last = u64::MAX - 1;
    for reopened in [false, true] {
        let disk = with_version(last - 4);
        let mut log = open(&disk);
        assert_eq!(log.version("s").unwrap(), last - 4);
        assert_eq!(append(&log, 3, 0).unwrap().version("s"), Some(last - 1));
        if reopened {
            log.close().unwrap();
            log = open(&disk);
        }
        for events in [2, 3] {
            match append(&log, events, 0) {
                Err(Error::TooLarge { what, size, limit }) => {
                    assert_eq!((what, size, limit), ("versions", events as u64, 1));
                }
                other => panic!("{other:?}"),
            }
        }
        // Nothing came of that: other streams go on, and this one to its end.
        let mut batch = Batch::new();
        batch.write("other", Expected::NoStream, [NewEvent::new("T")]);
        log.append(&batch).unwrap();
        assert_eq!(append(&log, 1, 0).unwrap().version("s"), Some(last));
        assert!(matches!(append(&log, 1, 0), Err(Error::TooLarge { limit: 0, .. })));
        let read = log.read("s").from(last - 1).collect().unwrap();
        let versions: Vec<_> = read.iter().map(|event| event.as_event().version()).collect();
        assert_eq!(versions, [last - 1, last]);
        let read = log.read("s").backward().limit(1).collect().unwrap();
        assert_eq!(read[0].as_event().version(), last);
        log.append(Batch::new().snapshot("s", last, NewSnapshot::new(1))).unwrap();
        let ahead = log.append(Batch::new().snapshot("s", u64::MAX, NewSnapshot::new(1)));
        assert!(matches!(ahead, Err(Error::SnapshotAhead { .. })));
        let mut loaded = log.load("s", 1).unwrap();
        assert!(loaded.snapshot().unwrap().version() == last && loaded.next().unwrap().is_none());
    }
}
