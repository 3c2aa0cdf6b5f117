//! Locks, full disks, failing devices, processes that are not the writer.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]
use std::sync::Arc;

use annals::io::sim::{Call, CallKind, Failure, Fault, Nth, SimStorage, Times};
use annals::{Background, Batch, Error, Expected, Log, NewEvent, Options, Start};

fn options() -> Options {
    Options::new().background(Background::Inline).segment_bytes(16 << 10)
}

fn open(disk: &SimStorage) -> annals::Result<Log> {
    options().open_on(Arc::new(disk.clone()))
}

fn batch(stream: &str, bytes: usize) -> Batch {
    let mut batch = Batch::new();
    batch.write(stream, Expected::Any, [NewEvent::new("Happened").data(&vec![7; bytes])]);
    batch
}

#[test]
fn a_second_writer_is_refused_at_once_with_the_process_that_holds_the_lock() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let log = Log::open(&path).unwrap();
    let refused = |error: Error| {
        assert!(error.is_retryable());
        assert!(
            matches!(error, Error::Locked { pid: Some(pid), .. } if pid == std::process::id()),
            "{error}"
        );
    };
    refused(Log::open(&path).unwrap_err());
    // The file that names the holder is not the lock.
    std::fs::remove_file(path.join("lock")).unwrap();
    refused(Log::open(&path).unwrap_err());
    log.append(&batch("a", 1)).unwrap();
    drop(log);
    assert_eq!(Log::open(&path).unwrap().head(), 1);
}

#[test]
fn a_process_that_inherited_the_log_is_refused() {
    let disk = SimStorage::new();
    let log = open(&disk).unwrap();
    log.append(&batch("a", 1)).unwrap();
    disk.set_process_id(4242);
    let error = log.append(&batch("a", 1)).unwrap_err();
    assert!(matches!(error, Error::Forked { this: 4242, .. }), "{error}");
    drop(log);
    let log = open(&disk).unwrap();
    assert!(!log.recovery().clean, "the child closed its parent's log");
    assert_eq!(log.head(), 1);
}

#[test]
fn a_full_disk_is_told_before_a_number_is_used_and_heals() {
    let disk = SimStorage::new();
    let log = open(&disk).unwrap();
    let mut appended = 0;
    disk.set_capacity(Some(100 << 10));
    let error = loop {
        match log.append(&batch("a", 900)) {
            Ok(committed) => {
                appended += 1;
                assert_eq!(committed.last_position(), appended);
            }
            Err(error) => break error,
        }
        assert!(appended < 1000, "the disk never filled");
    };
    assert!(matches!(error, Error::Full { .. }) && error.is_retryable(), "{error}");
    for _ in 0..3 {
        assert!(matches!(log.append(&batch("a", 900)), Err(Error::Full { .. })));
    }
    assert_eq!(log.head(), appended);
    assert_eq!(log.read_all().collect().unwrap().len() as u64, appended);
    disk.set_capacity(None);
    let committed = log.append(&batch("a", 900)).unwrap();
    assert_eq!(committed.last_position(), appended + 1);
    assert_eq!(committed.version("a"), Some(appended + 1));
    log.close().unwrap();
    assert_eq!(open(&disk).unwrap().head(), appended + 1);
}

#[test]
fn after_a_failed_sync_every_append_is_poisoned_and_what_was_durable_stays_readable() {
    for (kind, times) in [CallKind::Write, CallKind::SyncData]
        .into_iter()
        .flat_map(|kind| [Times::Once, Times::ForGood].map(|times| (kind, times)))
    {
        let disk = SimStorage::new();
        let log = open(&disk).unwrap();
        log.append(&batch("a", 10)).unwrap();
        disk.fail(Fault::new(Nth::Of(kind, 1), Failure::Device).times(times));
        let lost = batch("a", 10);
        let first = log.append(&lost).unwrap_err();
        assert!(matches!(first, Error::Poisoned { .. }), "{kind:?}: {first}");
        disk.clear_faults();
        for _ in 0..3 {
            let error = log.append(&batch("b", 10)).unwrap_err();
            assert!(matches!(error, Error::Poisoned { .. }), "{error}");
        }
        assert_eq!(log.read_all().collect().unwrap().len(), 1);
        assert_eq!((log.head(), log.version("a").unwrap()), (1, 1));
        assert!(matches!(log.close(), Err(Error::Poisoned { .. })));
        // A reopen settles it: the batch commits now, or turns out to have committed.
        let log = open(&disk).unwrap();
        let committed = log.append(&lost).unwrap();
        assert_eq!(committed.first_position(), 2);
        assert_eq!(log.head(), 2);
    }
}

#[test]
fn every_waiter_of_a_failed_group_gets_the_error() {
    let disk = SimStorage::new();
    let log = open(&disk).unwrap();
    log.append(&batch("a", 10)).unwrap();
    // The first sync waits until others have joined the next group; then it fails.
    let (told, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    disk.on_call(move |call: &Call, _: &SimStorage| {
        if call.kind == CallKind::SyncData {
            let _until_told = wait.lock().unwrap().recv_timeout(std::time::Duration::from_secs(5));
        }
    });
    disk.fail(Fault::new(Nth::Of(CallKind::SyncData, 2), Failure::Device));
    let outcomes = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..6)
            .map(|n| {
                let log = &log;
                scope.spawn(move || log.append(&batch(&format!("s-{n}"), 10)))
            })
            .collect();
        std::thread::sleep(std::time::Duration::from_millis(200));
        told.send(()).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(200));
        told.send(()).unwrap();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect::<Vec<_>>()
    });
    let durable = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!(outcomes.iter().flatten().count() < 6, "nobody was told of the failure");
    assert_eq!(log.head(), 1 + durable as u64);
    for outcome in outcomes.into_iter().filter_map(Result::err) {
        assert!(matches!(outcome, Error::Poisoned { .. }), "{outcome}");
    }
}

#[test]
fn a_conflict_that_rests_on_a_group_in_flight_waits_for_its_outcome() {
    let disk = SimStorage::new();
    let log = open(&disk).unwrap();
    log.append(&batch("a", 10)).unwrap();
    let (told, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    disk.on_call(move |call: &Call, _: &SimStorage| {
        if call.kind == CallKind::SyncData {
            let _until_told = wait.lock().unwrap().recv_timeout(std::time::Duration::from_secs(5));
        }
    });
    disk.fail(Fault::new(Nth::Of(CallKind::SyncData, 1), Failure::Device));
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| log.append(&batch("new", 10)));
        std::thread::sleep(std::time::Duration::from_millis(100));
        let second = scope.spawn(|| {
            let mut batch = Batch::new();
            batch.write("new", Expected::NoStream, [NewEvent::new("Happened")]);
            log.append(&batch)
        });
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(!second.is_finished(), "answered before the outcome was known");
        told.send(()).unwrap();
        (first.join().unwrap(), second.join().unwrap())
    });
    assert!(matches!(first, Err(Error::Poisoned { .. })), "{first:?}");
    assert!(matches!(second, Err(Error::Poisoned { .. })), "{second:?}");
}

#[test]
fn a_cursor_beyond_the_head_is_told_where_it_may_start() {
    let log = open(&SimStorage::new()).unwrap();
    log.append(&batch("a", 1)).unwrap();
    let error = log.cursor(Start::After(2)).unwrap_err();
    assert!(matches!(error, Error::BeyondHead { position: 2, head: 1 }), "{error}");
    assert!(log.cursor(Start::After(1)).unwrap().poll(10).unwrap().is_empty());
}

#[test]
fn a_log_that_is_not_there_is_not_made_unless_asked() {
    let disk = SimStorage::missing();
    let error = options().create(false).open_on(Arc::new(disk.clone())).unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    assert!(open(&disk).unwrap().recovery().discarded.is_none());
}

#[test]
fn derived_files_can_be_deleted_and_foreign_ones_are_left_alone() {
    let disk = SimStorage::new();
    let log = open(&disk).unwrap();
    for n in 0..60 {
        log.append(&batch(&format!("s-{}", n % 3), 700)).unwrap();
    }
    log.close().unwrap();
    disk.write_file("notes.txt", b"mine");
    for name in disk.file_names() {
        if !name.ends_with(".seg") && name != "notes.txt" {
            assert!(disk.remove_file(&name));
        }
    }
    let log = open(&disk).unwrap();
    assert_eq!(log.read_all().collect().unwrap().len(), 60);
    assert_eq!(log.read("s-1").collect().unwrap().len(), 20);
    log.append(&batch("s-1", 1)).unwrap();
    log.close().unwrap();
    assert_eq!(disk.read_file("notes.txt").unwrap(), b"mine");
    assert_eq!(open(&disk).unwrap().version("s-1").unwrap(), 21);
}
