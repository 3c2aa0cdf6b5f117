//! Locks, full disks, failing devices, processes that are not the writer.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]
use std::sync::Arc;

use annals::io::sim::{Call, CallKind, Failure, Fault, LoseAll, Nth, SimStorage, Times};
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

/// Other stores gave the numbers of a failed write to readers, or never again to anybody.
#[test]
fn the_positions_of_a_failed_group_are_used_again_and_no_reader_had_seen_them() {
    for kind in [CallKind::Write, CallKind::SyncData] {
        let disk = SimStorage::new();
        let log = open(&disk).unwrap();
        log.append(&batch("kept", 10)).unwrap();
        let other = disk.another_process();
        let reader = options().open_reader_on(Arc::new(other)).unwrap();
        let mut cursors =
            [log.cursor(Start::Beginning).unwrap(), reader.cursor(Start::Beginning).unwrap()];
        // How far each is, and of which streams what it has seen is.
        let mut seen = [const { Vec::new() }; 2];
        let mut look = |cursors: &mut [annals::Cursor]| {
            for (cursor, seen) in cursors.iter_mut().zip(&mut seen) {
                if let Ok(events) = cursor.poll(100) {
                    let new = events.iter();
                    seen.extend(new.map(|event| (event.position(), event.stream().to_owned())));
                }
            }
            seen.clone()
        };
        let kept = (1, "kept".to_owned());
        assert_eq!(look(&mut cursors), [vec![kept.clone()], vec![kept.clone()]]);
        disk.fail(Fault::new(Nth::Of(kind, 1), Failure::Device));
        assert!(matches!(log.append(&batch("lost", 10)), Err(Error::Poisoned { .. })));
        assert_eq!(look(&mut cursors), [vec![kept.clone()], vec![kept.clone()]]);
        drop(cursors);
        drop(log);
        disk.power_cut(LoseAll);
        let log = open(&disk).unwrap();
        let committed = log.append(&batch("next", 10)).unwrap();
        assert_eq!(committed.positions(), 2..=2);
        assert_eq!(log.version("lost").unwrap(), 0);
        let next = (2, "next".to_owned());
        let all = log.read_all().collect().unwrap();
        let all = all.iter().map(|event| event.as_event());
        assert!(all.map(|event| (event.position(), event.stream().to_owned())).eq([kept, next]));
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

#[test]
fn a_background_that_fails_never_lets_a_failed_sync_pass_for_a_good_one() {
    // The background once synced the active segment beside the leader: the error went to
    // it, and the leader's sync found nothing left to do.
    for nth in 1..6 {
        let disk = SimStorage::new();
        let log = Options::new().open_on(Arc::new(disk.clone())).unwrap();
        disk.fail(Fault::new(Nth::Of(CallKind::SyncData, nth), Failure::Device));
        disk.on_call(|call: &Call, _: &SimStorage| {
            let background = std::thread::current().name() == Some("annals");
            if call.kind == CallKind::SyncData && !background {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        });
        let mut acknowledged = 0;
        while acknowledged < 5 && log.append(&batch("a", 100_000)).is_ok() {
            acknowledged += 1;
        }
        disk.clear_hook();
        disk.power_cut(annals::io::sim::LoseAll);
        drop(log);
        assert_eq!(open(&disk).unwrap().head(), acknowledged, "sync {nth}");
    }
}

#[test]
fn recorded_at_never_runs_backwards_whatever_the_clock_and_a_torn_roll_do() {
    let disk = SimStorage::new();
    disk.set_now(1_000_000_000_000);
    let log = open(&disk).unwrap();
    // The write that opens the second segment gets as far as its header.
    disk.on_call(|call: &Call, disk: &SimStorage| {
        let rolls = call.kind == CallKind::Write && call.name.ends_with("2.seg");
        if rolls && call.offset == 0 && (5000..10_000).contains(&call.len) {
            disk.crash_within(1, 4200);
        }
    });
    while log.append(&batch("a", 3000)).is_ok() {}
    disk.clear_hook();
    disk.kill();
    drop(log);
    disk.set_now(5);
    let log = open(&disk).unwrap();
    assert_eq!(log.recovery().discarded.as_ref().unwrap().segment, 2);
    log.append(&batch("a", 3000)).unwrap();
    let times: Vec<_> = log
        .read_all()
        .collect()
        .unwrap()
        .iter()
        .map(|event| event.as_event().recorded_at())
        .collect();
    assert!(times.is_sorted(), "{times:?}");
    log.close().unwrap();
    let report = annals::verify(&disk, &mut |_, _| {}).unwrap();
    assert_eq!(report.findings, []);
}

#[test]
fn the_same_new_batch_of_two_threads_is_in_the_log_once() {
    for _ in 0..200 {
        let log = open(&SimStorage::new()).unwrap();
        let mut batch = Batch::new();
        batch.write("a", Expected::Any, [NewEvent::new("Happened")]);
        let go = std::sync::Barrier::new(2);
        let outcomes = std::thread::scope(|scope| {
            let append = || {
                go.wait();
                log.append(&batch).unwrap()
            };
            let both = [scope.spawn(append), scope.spawn(append)];
            both.map(|thread| thread.join().unwrap())
        });
        assert_eq!(log.head(), 1);
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_deduplicated()).count(), 1);
        assert!(outcomes.iter().all(|outcome| outcome.first_position() == 1));
    }
}

#[test]
fn closing_a_log_wakes_its_cursors_also_when_it_is_poisoned() {
    for poisoned in [false, true] {
        let disk = SimStorage::new();
        let log = open(&disk).unwrap();
        log.append(&batch("a", 1)).unwrap();
        let mut cursor = log.cursor(Start::End).unwrap();
        let waiting = std::thread::spawn(move || cursor.wait(std::time::Duration::from_secs(10)));
        std::thread::sleep(std::time::Duration::from_millis(50));
        if poisoned {
            disk.fail(Fault::new(Nth::Of(CallKind::SyncData, 1), Failure::Device));
            log.append(&batch("a", 1)).unwrap_err();
        }
        assert_eq!(log.close().is_err(), poisoned);
        assert!(matches!(waiting.join().unwrap(), Err(Error::Closed)));
    }
}

#[test]
fn a_process_that_inherited_the_log_can_neither_read_nor_close_it() {
    let disk = SimStorage::new();
    let log = open(&disk).unwrap();
    log.append(&batch("a", 1)).unwrap();
    let mut cursor = log.cursor(Start::Beginning).unwrap();
    disk.set_process_id(4242);
    assert!(matches!(cursor.poll(1), Err(Error::Forked { .. })));
    assert!(matches!(log.read("a").collect(), Err(Error::Forked { .. })));
    assert!(matches!(log.read_all().collect(), Err(Error::Forked { .. })));
    assert!(matches!(log.contains(annals::Uuid::nil()), Err(Error::Forked { .. })));
    assert!(matches!(log.close(), Err(Error::Forked { .. })));
}

/// Found by the sweep of failing calls: the directory's sync failed while a log was made,
/// and so did the removal of the segment that was to follow. The next opening found a
/// segment with a header and took it for a log. Its own sync of the directory had nothing
/// left to do, and a power cut took the name, with everything appended by then.
#[test]
fn a_new_log_whose_name_could_not_be_synced_is_made_again() {
    for call in 1..20 {
        let disk = SimStorage::new();
        let fault = Fault::new(Nth::Change(call), Failure::Device).times(Times::ForGood);
        disk.fail(fault);
        let made = open(&disk);
        disk.clear_faults();
        disk.kill();
        drop(made);
        let log = open(&disk).unwrap();
        log.append(&batch("a", 1)).unwrap();
        disk.power_cut(annals::io::sim::LoseAll);
        drop(log);
        assert_eq!(open(&disk).unwrap().head(), 1, "call {call}");
    }
}

/// A sync of the next segment that finds no space is `Full`, and its file goes. Where it could
/// not be removed, it was taken again as it was, and synced again: what the first sync had
/// lost counted as clean by then, so a power cut took the length, with what stood there.
#[test]
fn a_segment_whose_sync_failed_is_not_synced_again() {
    let mut struck = 0;
    for kind in [CallKind::SyncAll, CallKind::SyncDir] {
        for after in 0..4 {
            let disk = SimStorage::new();
            let log = open(&disk).unwrap();
            let mut told = 0;
            for _ in 0..after {
                told += u64::from(log.append(&batch("a", 4 << 10)).is_ok());
            }
            disk.fail(Fault::new(Nth::Of(kind, 1), Failure::NoSpace));
            disk.fail(Fault::new(Nth::Of(CallKind::Remove, 1), Failure::NoSpace));
            for _ in 0..8 {
                match log.append(&batch("a", 4 << 10)) {
                    Ok(_) => told += 1,
                    Err(Error::Full { .. } | Error::Poisoned { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            struck += disk.faults_struck();
            disk.power_cut(annals::io::sim::LoseAll);
            drop(log);
            let log = open(&disk).unwrap_or_else(|error| panic!("{kind:?}, {after}: {error}"));
            assert_eq!(log.head(), told, "{kind:?}, {after}");
        }
    }
    assert!(struck > 4, "{struck}");
}
