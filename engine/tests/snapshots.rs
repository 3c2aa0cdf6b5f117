//! Snapshots and named states: alone or in a batch, found with the stream's tail, passed
//! over when they do not fit.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
use std::sync::Arc;

use annals::io::sim::{LoseAll, SimStorage};
use annals::{
    Background, Batch, Durability, Error, Expected, Log, NewEvent, NewSnapshot, Options, Reading,
    Start, verify,
};

fn options() -> Options {
    Options::new().background(Background::Inline).segment_bytes(16 << 10)
}

fn open(disk: &SimStorage) -> Log {
    options().open_on(Arc::new(disk.clone())).unwrap()
}

/// A stream that counts: each event adds one.
fn count(log: &Log, stream: &str, events: u64) {
    for _ in 0..events {
        let mut batch = Batch::new();
        batch.write(stream, Expected::Any, [NewEvent::new("Counted").data(&[0; 300])]);
        log.append(&batch).unwrap();
    }
}

fn snapshot(log: &Log, stream: &str, version: u64, schema: u32) {
    let text = version.to_string();
    let mut batch = Batch::new();
    batch.snapshot(stream, version, NewSnapshot::new(schema).json(&text));
    log.append(&batch).unwrap();
}

/// The version of the snapshot that was used, and what the fold comes to.
fn fold(log: &Log, stream: &str, schema: u32) -> (u64, u64) {
    let mut loaded = log.load(stream, schema).unwrap();
    let start = loaded.snapshot().map_or(0, annals::Snapshot::version);
    let mut state = loaded
        .snapshot()
        .map_or(0, |snapshot| std::str::from_utf8(snapshot.data()).unwrap().parse().unwrap());
    while let Some(event) = loaded.next().unwrap() {
        state += 1;
        assert_eq!(event.version(), state);
    }
    assert_eq!(state, loaded.version());
    (start, state)
}

#[test]
fn a_stream_is_folded_from_its_newest_snapshot_wherever_that_stands() {
    for reading in [Reading::Mapped, Reading::Pread] {
        let disk = SimStorage::new();
        let open = || options().reading(reading).open_on(Arc::new(disk.clone())).unwrap();
        let log = open();
        count(&log, "a", 10);
        assert_eq!(fold(&log, "a", 1), (0, 10));
        snapshot(&log, "a", 7, 1);
        assert_eq!(fold(&log, "a", 1), (7, 10));
        snapshot(&log, "a", 10, 1);
        assert_eq!(fold(&log, "a", 1), (10, 10));
        // Behind it other streams, several segments, and the stream's own tail.
        count(&log, "b", 100);
        assert_eq!(fold(&log, "a", 1), (10, 10));
        count(&log, "a", 90);
        assert_eq!(fold(&log, "a", 1), (10, 100));
        log.close().unwrap();
        let log = open();
        assert_eq!(fold(&log, "a", 1), (10, 100));
        snapshot(&log, "a", 100, 1);
        disk.power_cut(LoseAll);
        assert_eq!(fold(&open(), "a", 1), (100, 100));
    }
}

#[test]
fn a_snapshot_takes_no_position_and_no_version() {
    let disk = SimStorage::new();
    let log = open(&disk);
    count(&log, "a", 3);
    snapshot(&log, "a", 3, 1);
    assert_eq!((log.head(), log.version("a").unwrap()), (3, 3));
    count(&log, "a", 1);
    let all = log.read_all().collect().unwrap();
    assert!(all.iter().map(|event| event.as_event().position()).eq(1..=4));
    assert_eq!(log.read("a").collect().unwrap().len(), 4);
    assert_eq!(log.cursor(Start::Beginning).unwrap().poll(100).unwrap().len(), 4);
    let snapshot = log.snapshot("a").unwrap().unwrap();
    assert_eq!((snapshot.name(), snapshot.position(), snapshot.is_state()), ("a", 3, false));
    assert_eq!(snapshot.content_type(), Some("application/json"));
    log.close().unwrap();
    let report = verify(&disk, &mut |_, _| ()).unwrap();
    assert_eq!(report.findings, []);
}

#[test]
fn a_snapshot_in_the_batch_of_its_events_commits_with_them() {
    let disk = SimStorage::new();
    let log = open(&disk);
    let mut batch = Batch::new();
    batch
        .write("a", Expected::NoStream, [NewEvent::new("Counted"), NewEvent::new("Counted")])
        .snapshot("a", 2, NewSnapshot::new(1).json("2"));
    log.append(&batch).unwrap();
    assert_eq!(fold(&log, "a", 1), (2, 2));
    // Refused, it leaves nothing behind.
    let mut batch = Batch::new();
    batch.write("a", Expected::NoStream, [NewEvent::new("Counted")]).snapshot(
        "a",
        3,
        NewSnapshot::new(1).json("3"),
    );
    assert!(matches!(log.append(&batch), Err(Error::WrongExpectedVersion { .. })));
    assert_eq!(fold(&log, "a", 1), (2, 2));
}

#[test]
fn a_snapshot_of_a_version_that_the_stream_has_not_is_refused() {
    let disk = SimStorage::new();
    let log = open(&disk);
    count(&log, "a", 2);
    let mut batch = Batch::new();
    batch.snapshot("a", 3, NewSnapshot::new(1).json("3"));
    let error = log.append(&batch).unwrap_err();
    assert!(
        matches!(&error, Error::SnapshotAhead { stream, version: 3, actual: 2 } if stream == "a")
    );
    let mut batch = Batch::new();
    batch.write("a", Expected::Exact(2), [NewEvent::new("Counted")]).snapshot(
        "a",
        4,
        NewSnapshot::new(1).json("4"),
    );
    assert!(matches!(log.append(&batch), Err(Error::SnapshotAhead { version: 4, actual: 3, .. })));
    assert_eq!(log.version("a").unwrap(), 2);
    let mut batch = Batch::new();
    batch.snapshot("a", 0, NewSnapshot::new(1));
    assert!(matches!(log.append(&batch), Err(Error::Invalid { .. })));
}

#[test]
fn a_snapshot_with_another_schema_or_that_does_not_decode_is_passed_over() {
    let disk = SimStorage::new();
    let log = open(&disk);
    count(&log, "a", 40);
    for (version, schema) in [(10, 1), (20, 2), (30, 1), (35, 3)] {
        snapshot(&log, "a", version, schema);
        count(&log, "b", 20);
    }
    assert_eq!(fold(&log, "a", 1), (30, 40));
    assert_eq!(fold(&log, "a", 2), (20, 40));
    assert_eq!(fold(&log, "a", 3), (35, 40));
    assert_eq!(fold(&log, "a", 4), (0, 40));
    // The program finds that it cannot decode one, and goes further back.
    let loaded = log.load("a", 1).unwrap().earlier().unwrap();
    assert_eq!(loaded.snapshot().unwrap().version(), 10);
    let mut loaded = loaded.earlier().unwrap();
    assert!(loaded.snapshot().is_none());
    assert_eq!(loaded.next().unwrap().unwrap().version(), 1);
    assert!(loaded.earlier().unwrap().snapshot().is_none());
}

#[test]
fn damage_in_a_snapshot_is_an_error_and_not_passed_over() {
    let disk = SimStorage::new();
    let log = open(&disk);
    count(&log, "a", 5);
    snapshot(&log, "a", 2, 1);
    let mark = b"snapshot that is to be found".as_slice();
    let mut batch = Batch::new();
    batch.snapshot("a", 4, NewSnapshot::new(1).data(mark));
    log.append(&batch).unwrap();
    log.close().unwrap();
    let name = "00000000000000000001.seg";
    let bytes = disk.read_file(name).unwrap();
    let at = bytes.windows(mark.len()).position(|window| window == mark).unwrap();
    let log = open(&disk);
    assert!(disk.flip_bit(name, at as u64 * 8 + 3));
    assert!(matches!(log.load("a", 1), Err(Error::Corrupt(_))));
}

#[test]
fn named_states_live_beside_the_streams() {
    let disk = SimStorage::new();
    let log = open(&disk);
    assert!(log.state("a", 1).unwrap().is_none());
    count(&log, "a", 3);
    snapshot(&log, "a", 3, 1);
    for (through, schema) in [(3, 1), (9, 2), (u64::MAX, 1), (0, 1)] {
        let text = format!("{through} {schema}");
        let mut batch = Batch::new();
        batch.state("a", through, NewSnapshot::new(schema).data(text.as_bytes()));
        log.append(&batch).unwrap();
        count(&log, "b", 30);
    }
    let check = |log: &Log| {
        let newest = log.state("a", 1).unwrap().unwrap();
        assert!(newest.is_state());
        assert_eq!((newest.version(), newest.data()), (0, b"0 1".as_slice()));
        assert_eq!(log.state("a", 2).unwrap().unwrap().version(), 9);
        assert!(log.state("a", 3).unwrap().is_none() && log.state("b", 1).unwrap().is_none());
        assert_eq!(fold(log, "a", 1), (3, 3));
    };
    check(&log);
    log.close().unwrap();
    check(&open(&disk));
}

#[test]
fn a_snapshot_is_loaded_once_it_is_acknowledged_and_lost_with_its_batch() {
    let disk = SimStorage::new();
    let log = open(&disk);
    count(&log, "a", 5);
    let mut batch = Batch::new();
    batch.snapshot("a", 5, NewSnapshot::new(1).json("5"));
    log.append_with(&batch, Durability::Buffered).unwrap();
    assert_eq!(fold(&log, "a", 1), (5, 5));
    disk.power_cut(LoseAll);
    assert_eq!(fold(&open(&disk), "a", 1), (0, 5));
}
