//! Appending: numbers, expectations, ids, limits.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]
use std::sync::Arc;

use annals::io::sim::SimStorage;
use annals::{Background, Batch, Error, Expected, Log, NewEvent, Options, Uuid};

fn open(disk: &SimStorage) -> Log {
    options().open_on(Arc::new(disk.clone())).unwrap()
}

fn options() -> Options {
    Options::new().background(Background::Inline).segment_bytes(16 << 10)
}

fn one<'a>(stream: &str, expected: Expected, event: NewEvent<'a>) -> Batch {
    let mut batch = Batch::new();
    batch.write(stream, expected, [event]);
    batch
}

#[test]
fn positions_and_versions_are_dense_over_several_streams() {
    let disk = SimStorage::new();
    let log = open(&disk);
    let mut batch = Batch::new();
    batch
        .write("a", Expected::NoStream, ["A1", "A2"].map(NewEvent::new))
        .write("b", Expected::Any, [NewEvent::new("B1")])
        .write("a", Expected::NoStream, [NewEvent::new("A3")]);
    let committed = log.append(&batch).unwrap();
    assert_eq!(committed.positions(), 1..=4);
    assert_eq!((committed.version("a"), committed.version("b")), (Some(3), Some(1)));
    let all = log.read_all().collect().unwrap();
    let seen: Vec<_> = all
        .iter()
        .map(|event| event.as_event())
        .map(|e| (e.position(), e.stream().to_owned(), e.version(), e.is_last_of_batch()))
        .collect();
    let expected = [("a", 1, false), ("a", 2, false), ("b", 1, false), ("a", 3, true)];
    let expected: Vec<_> = (1..)
        .zip(expected)
        .map(|(position, (stream, version, last))| (position, stream.to_owned(), version, last))
        .collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_conflict_writes_nothing_and_uses_no_number() {
    let disk = SimStorage::new();
    let log = open(&disk);
    log.append(&one("a", Expected::NoStream, NewEvent::new("First"))).unwrap();
    for (expected, actual) in
        [(Expected::NoStream, 1), (Expected::Exact(0), 1), (Expected::Exact(2), 1)]
    {
        let error = log.append(&one("a", expected, NewEvent::new("Second"))).unwrap_err();
        assert!(error.is_conflict(), "{error}");
        assert!(
            matches!(error, Error::WrongExpectedVersion { actual: found, .. } if found == actual)
        );
    }
    let error = log.append(&one("b", Expected::Exists, NewEvent::new("Second"))).unwrap_err();
    assert!(matches!(error, Error::WrongExpectedVersion { actual: 0, .. }));
    let committed = log.append(&one("a", Expected::Exact(1), NewEvent::new("Second"))).unwrap();
    assert_eq!((committed.first_position(), committed.version("a")), (2, Some(2)));
}

#[test]
fn everything_is_found_again_over_rolls_and_reopening() {
    let disk = SimStorage::new();
    let mut ids = Vec::new();
    for life in 0..4u128 {
        let log = open(&disk);
        assert!(log.recovery().clean || life == 0, "{:?}", log.recovery());
        for n in 0..100u128 {
            let id = Uuid::from_u128(life << 64 | n | 1 << 100);
            let stream = format!("s-{}", n % 7);
            let data = vec![b'x'; usize::try_from(n * 13 % 900).unwrap()];
            let event = NewEvent::new("Happened").id(id).data(&data).tag("t").metadata(b"m");
            let committed = log.append(&one(&stream, Expected::Any, event)).unwrap();
            ids.push((id, committed.first_position(), stream, data));
        }
        check(&log, &ids);
        log.close().unwrap();
        check(&open(&disk), &ids);
    }
    assert!(disk.file_names().iter().filter(|name| name.ends_with(".seg")).count() > 5);
}

fn check(log: &Log, ids: &[(Uuid, u64, String, Vec<u8>)]) {
    assert_eq!(log.head(), ids.len() as u64);
    for (id, position, stream, data) in ids {
        let event = log.event(*id).unwrap().unwrap();
        let event = event.as_event();
        assert_eq!(
            (event.position(), event.stream(), event.data()),
            (*position, &**stream, &**data)
        );
    }
    let all = log.read_all().collect().unwrap();
    assert_eq!(all.len(), ids.len());
    let backward = log.read_all().backward().collect().unwrap();
    let forward: Vec<_> = all.iter().map(|event| event.as_event().position()).collect();
    let mut reversed: Vec<_> = backward.iter().map(|event| event.as_event().position()).collect();
    reversed.reverse();
    assert_eq!(forward, reversed);
    for stream in 0..7 {
        let name = format!("s-{stream}");
        let own: Vec<_> =
            ids.iter().filter(|(_, _, s, _)| *s == name).map(|(id, ..)| *id).collect();
        let read: Vec<_> =
            log.read(&name).collect().unwrap().iter().map(|e| e.as_event().id()).collect();
        assert_eq!(own, read);
        let mut back: Vec<_> = log
            .read(&name)
            .backward()
            .collect()
            .unwrap()
            .iter()
            .map(|e| e.as_event().id())
            .collect();
        back.reverse();
        assert_eq!(own, back);
        assert_eq!(log.version(&name).unwrap(), own.len() as u64);
    }
}

#[test]
fn a_log_that_was_opened_after_a_crash_and_closed_is_closed() {
    let disk = SimStorage::new();
    let log = open(&disk);
    log.append(&one("a", Expected::Any, NewEvent::new("First"))).unwrap();
    disk.kill();
    drop(log);
    let log = open(&disk);
    assert!(!log.recovery().clean);
    log.close().unwrap();
    let log = open(&disk);
    assert!(log.recovery().clean);
    let before = disk.changes();
    log.close().unwrap();
    assert_eq!(disk.changes(), before, "closing a closed log wrote");
}

#[test]
fn with_a_thread_in_the_background_every_close_is_clean_and_leaves_no_spare() {
    for round in 0..30u64 {
        let disk = SimStorage::new();
        let options = Options::new().segment_bytes(64 << 10);
        let log = options.open_on(Arc::new(disk.clone())).unwrap();
        let data = vec![1; 3000];
        for _ in 0..20 + round {
            log.append(&one("a", Expected::Any, NewEvent::new("T").data(&data))).unwrap();
        }
        log.close().unwrap();
        let log = options.open_on(Arc::new(disk.clone())).unwrap();
        assert!(log.recovery().clean, "round {round}");
        let stats = log.stats().unwrap();
        assert_eq!(stats.segments, stats.index_runs, "round {round}: {:?}", disk.file_names());
    }
}

#[test]
fn a_batch_over_many_streams_finds_each_of_them_again() {
    let log = open(&SimStorage::new());
    let mut batch = Batch::new();
    for round in 0..3u64 {
        for stream in 0..100 {
            let expected = if round == 0 { Expected::NoStream } else { Expected::Any };
            batch.write(&format!("s-{stream}"), expected, [NewEvent::new("Happened")]);
        }
    }
    let committed = log.append(&batch).unwrap();
    assert!((0..100).all(|stream| committed.version(&format!("s-{stream}")) == Some(3)));
}
