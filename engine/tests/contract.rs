//! Promises that no other file of tests names, on simulated storage. The table "Contract
//! and tests" in DESIGN.md says where each promise is tested.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::type_complexity)]
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use annals::io::Storage;
use annals::io::sim::{CallKind, Failure, Fault, LoseAll, Nth, SimStorage};
use annals::{
    Background, Batch, Durability, Error, Expected, Log, NewEvent, Options, Reader, Reading, Start,
    Uuid, Visibility,
};

fn options() -> Options {
    Options::new().background(Background::Inline).segment_bytes(16 << 10)
}

fn open(disk: &SimStorage) -> Log {
    options().open_on(Arc::new(disk.clone())).unwrap()
}

fn batch(stream: &str, bytes: usize) -> Batch {
    let mut batch = Batch::new();
    batch.write(stream, Expected::Any, [NewEvent::new("Happened").data(&vec![7; bytes])]);
    batch
}

#[test]
fn an_expectation_holds_of_the_versions_that_it_names_and_of_no_others() {
    let disk = SimStorage::new();
    let log = open(&disk);
    for (stream, events) in [("none", 0), ("one", 1), ("three", 3)] {
        for _ in 0..events {
            log.append(&batch(stream, 1)).unwrap();
        }
    }
    type Holds = fn(u64) -> bool;
    let cases: [(Expected, Holds); 6] = [
        (Expected::Any, |_| true),
        (Expected::NoStream, |version| version == 0),
        (Expected::Exists, |version| version > 0),
        (Expected::Exact(0), |version| version == 0),
        (Expected::Exact(1), |version| version == 1),
        (Expected::Exact(3), |version| version == 3),
    ];
    for (stream, version) in [("none", 0), ("one", 1), ("three", 3)] {
        for (expected, holds) in cases {
            // Of a stream that the batch does not write, so that it stays as it is.
            let mut alone = Batch::new();
            alone.expect(stream, expected);
            let mut beside = batch("beside", 1);
            beside.expect(stream, expected);
            for batch in [&alone, &beside] {
                let head = log.head();
                match log.append(batch) {
                    Ok(_) => assert!(holds(version), "{stream} {expected}"),
                    Err(Error::WrongExpectedVersion {
                        stream: named,
                        expected: stated,
                        actual,
                    }) => {
                        assert!(!holds(version), "{stream} {expected}");
                        assert_eq!((named.as_str(), stated, actual), (stream, expected, version));
                        assert_eq!(log.head(), head);
                    }
                    Err(other) => panic!("{other}"),
                }
            }
        }
    }
}

#[test]
fn ids_that_were_made_here_cost_no_look_up_the_first_time() {
    let disk = SimStorage::new();
    let log = options().reading(Reading::Pread).open_on(Arc::new(disk.clone())).unwrap();
    while log.stats().unwrap().segments < 6 {
        log.append(&batch("a", 900)).unwrap();
    }
    log.close().unwrap();
    let log = options().reading(Reading::Pread).open_on(Arc::new(disk.clone())).unwrap();
    // The newest run knows the stream: the others are not even opened.
    log.append(&batch("a", 1)).unwrap();
    let reads_of = |batch: &Batch| {
        let before = disk.counts().read;
        log.append(batch).unwrap();
        disk.counts().read - before
    };
    let made = batch("a", 1);
    assert_eq!(reads_of(&made), 0);
    // The second time it may be there; and an id that was given may be there at once.
    assert!(reads_of(&made) > 0);
    let mut given = Batch::new();
    given.write("a", Expected::Any, [NewEvent::new("Happened").id(Uuid::from_u128(7))]);
    assert!(reads_of(&given) > 0);
}

#[test]
fn an_id_is_known_after_restarts_whatever_came_in_between() {
    let disk = SimStorage::new();
    let log = open(&disk);
    let (first, unknown) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let mut told = Batch::new();
    told.write("a", Expected::NoStream, [NewEvent::new("Happened").id(first)]);
    let committed = log.append(&told).unwrap();
    while log.stats().unwrap().segments < 5 {
        log.append(&batch("a", 900)).unwrap();
    }
    log.close().unwrap();
    for closed in [true, false] {
        let log = open(&disk);
        assert_eq!(log.recovery().clean, closed);
        assert!(log.contains(first).unwrap() && !log.contains(unknown).unwrap());
        // Another object with the same ids, as a program makes it after a restart.
        let mut again = Batch::new();
        again.write("a", Expected::NoStream, [NewEvent::new("Happened").id(first)]);
        let outcome = log.append(&again).unwrap();
        assert!(outcome.is_deduplicated());
        assert_eq!(outcome.positions(), committed.positions());
        log.append(&batch("a", 1)).unwrap();
        disk.power_cut(LoseAll);
    }
}

#[test]
fn durable_appends_of_many_threads_share_their_syncs() {
    let disk = SimStorage::new();
    let log = open(&disk);
    log.append(&batch("a", 1)).unwrap();
    // A device takes its time; meanwhile the others come.
    disk.on_call(|call, _| {
        if call.kind == CallKind::SyncData {
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    disk.reset_counts();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let log = &log;
            scope.spawn(move || {
                for _ in 0..10 {
                    let committed = log.append(&batch(&format!("s-{thread}"), 10)).unwrap();
                    assert_eq!(committed.durability(), Durability::Durable);
                }
            });
        }
    });
    disk.clear_hook();
    let syncs = disk.counts().sync_data;
    assert_eq!(log.head(), 81);
    assert!((10..=40).contains(&syncs), "80 appends took {syncs} syncs");
}

#[test]
fn every_read_checks_every_record_again() {
    let disk = SimStorage::new();
    let log = options().reading(Reading::Pread).open_on(Arc::new(disk.clone())).unwrap();
    let id = Uuid::from_u128(77);
    let mut marked = Batch::new();
    let event = NewEvent::new("Happened").id(id).tag("t").data(b"a needle that is found again");
    marked.write("a", Expected::Any, [event]);
    log.append(&marked).unwrap();
    log.append(&batch("b", 10)).unwrap();
    let filter = annals::Filter::new().tag("t");
    let ways: [&dyn Fn() -> annals::Result<usize>; 6] = [
        &|| Ok(log.read("a").collect()?.len()),
        &|| Ok(log.read_all().to(1).collect()?.len()),
        &|| Ok(log.read_all().backward().collect()?.len()),
        &|| Ok(log.read_all().filter(filter.clone()).collect()?.len()),
        &|| Ok(usize::from(log.event(id)?.is_some())),
        &|| Ok(log.cursor(Start::Beginning)?.poll(10)?.len()),
    ];
    let name = disk.file_names().into_iter().find(|name| name.ends_with(".seg")).unwrap();
    let bytes = disk.read_file(&name).unwrap();
    let needle = bytes.windows(8).position(|part| part == b"a needle").unwrap() as u64;
    for (nth, way) in ways.into_iter().enumerate() {
        assert!(way().unwrap() > 0);
        assert!(disk.flip_bit(&name, needle * 8));
        match way() {
            Err(Error::Corrupt(corrupt)) => assert_eq!(corrupt.segment, 1),
            other => panic!("way {nth}: {other:?}"),
        }
        assert!(disk.flip_bit(&name, needle * 8));
    }
}

#[test]
fn a_device_that_fails_a_read_is_an_error_and_neither_the_end_nor_passed_over() {
    let disk = SimStorage::new();
    let log = options().reading(Reading::Pread).open_on(Arc::new(disk.clone())).unwrap();
    for _ in 0..40 {
        log.append(&batch("a", 900)).unwrap();
    }
    let mut cursor = log.cursor(Start::Beginning).unwrap();
    let (mut seen, mut failures) = (Vec::new(), 0);
    while seen.len() < 40 {
        if failures < 10 {
            disk.fail(Fault::new(Nth::Of(CallKind::Read, 1), Failure::Device));
        }
        match cursor.poll(3) {
            Ok(events) => {
                assert!(!events.is_empty(), "an end at {} of 40", seen.len());
                seen.extend(events.iter().map(|event| event.position()));
            }
            Err(Error::Io { .. }) => failures += 1,
            Err(other) => panic!("{other}"),
        }
        disk.clear_faults();
    }
    assert!(seen.into_iter().eq(1..=40) && failures == 10);
    disk.fail(Fault::new(Nth::Of(CallKind::Read, 1), Failure::Device));
    assert!(matches!(log.read("a").collect(), Err(Error::Io { .. })));
    assert_eq!(log.read("a").collect().unwrap().len(), 40);
}

/// A log whose next sync waits until it is let go, and is waited for.
fn with_a_slow_sync(disk: &SimStorage) -> (mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (begun, begins) = mpsc::channel();
    let (go, goes) = mpsc::channel::<()>();
    let goes = Mutex::new(goes);
    disk.on_call(move |call, _| {
        if call.kind == CallKind::SyncData && begun.send(()).is_ok() {
            let _ends = goes.lock().unwrap().recv();
        }
    });
    (begins, go)
}

#[test]
fn reads_go_on_while_the_device_takes_its_time_with_an_append() {
    let disk = SimStorage::new();
    let log = Arc::new(open(&disk));
    let committed = log.append(&batch("a", 10)).unwrap();
    let (begins, go) = with_a_slow_sync(&disk);
    let appender = {
        let log = Arc::clone(&log);
        std::thread::spawn(move || log.append(&batch("a", 10)).unwrap())
    };
    begins.recv().unwrap();
    let (tell, told) = mpsc::channel();
    let reader = Arc::clone(&log);
    std::thread::spawn(move || {
        let read = reader.read("a").collect().unwrap().len();
        let followed = reader.cursor(Start::Beginning).unwrap().poll(10).unwrap().len();
        let all = reader.read_all().backward().collect().unwrap().len();
        let _gone = tell.send((reader.head(), reader.version("a").unwrap(), read, followed, all));
    });
    let seen = told.recv_timeout(Duration::from_secs(20)).expect("reads wait for the sync");
    assert_eq!(seen, (committed.last_position(), 1, 1, 1, 1));
    drop((begins, go));
    assert_eq!(appender.join().unwrap().version("a"), Some(2));
}

#[test]
fn appends_go_on_under_reads_that_are_half_done() {
    let disk = SimStorage::new();
    let log = open(&disk);
    for _ in 0..30 {
        log.append(&batch("a", 900)).unwrap();
    }
    let mut cursor = log.cursor(Start::Beginning).unwrap();
    let lent = cursor.poll(2).unwrap();
    let mut stream = log.read("a");
    let mut all = log.read_all();
    let first = stream.next().unwrap().unwrap();
    let second = all.next().unwrap().unwrap();
    // Events are lent all the while, over several rolls.
    for n in 31..=60 {
        assert_eq!(log.append(&batch("a", 900)).unwrap().last_position(), n);
    }
    assert_eq!((first.position(), second.position(), lent.len()), (1, 1, 2));
    assert_eq!(lent.get(1).unwrap().data(), [7; 900]);
}

#[test]
fn no_piece_of_a_batch_is_seen_before_the_whole_of_it() {
    for level in [Durability::Buffered, Durability::Written, Durability::Durable] {
        let disk = SimStorage::new();
        let log = open(&disk);
        let other: Reader = options()
            .visibility(Visibility::Written)
            .open_reader_on(Arc::new(disk.another_process()))
            .unwrap();
        let many: Vec<String> = (0..50).map(|n| format!("s-{n}")).collect();
        let mut large = Batch::new();
        for stream in &many {
            large.write(stream, Expected::NoStream, [NewEvent::new("Happened").data(&[7; 300])]);
        }
        // Looked at from both processes at every change of the disk.
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        let looks = Arc::new(AtomicU64::new(0));
        let (noted, looked, eyes) = (Arc::clone(&seen), Arc::clone(&looks), other.clone());
        disk.on_call(move |_, _| {
            let mut seen = noted.lock().unwrap();
            // Told below: a panic here would be one of the log's.
            seen.insert(eyes.read_all().collect().map_or(usize::MAX, |events| events.len()));
            looked.fetch_add(1, Ordering::Relaxed);
        });
        log.append_with(&large, level).unwrap();
        log.sync().unwrap();
        disk.clear_hook();
        assert!(looks.load(Ordering::Relaxed) >= 2, "{level:?}");
        seen.lock().unwrap().insert(other.read_all().collect().unwrap().len());
        assert_eq!(seen.lock().unwrap().iter().copied().collect::<Vec<_>>(), [0, 50], "{level:?}");
        // In pieces, and the last event alone says that it is the last.
        let mut cursor = other.cursor(Start::Beginning).unwrap();
        let mut last = Vec::new();
        loop {
            let events = cursor.poll(7).unwrap();
            if events.is_empty() {
                break;
            }
            last.extend(events.iter().map(|event| event.is_last_of_batch()));
        }
        assert_eq!(last.len(), 50);
        assert_eq!(last.iter().position(|last| *last), Some(49));
    }
}

#[test]
fn a_category_ends_at_the_first_hyphen_and_a_name_without_one_is_its_own() {
    let disk = SimStorage::new();
    let log = open(&disk);
    for stream in ["order-1", "order-1-b", "order", "orders-1", "-order", "order_1"] {
        log.append(&batch(stream, 1)).unwrap();
    }
    let of = |category: &str| {
        let filter = annals::Filter::new().category(category);
        let found = log.read_all().filter(filter).collect().unwrap();
        found.iter().map(|event| event.as_event().position()).collect::<Vec<_>>()
    };
    assert_eq!(of("order"), [1, 2, 3]);
    assert_eq!((of("orders"), of(""), of("order_1")), (vec![4], vec![5], vec![6]));
}

#[test]
fn while_a_writer_recovers_nobody_believes_what_a_dead_one_left_in_the_control_file() {
    let disk = SimStorage::new();
    open(&disk).close().unwrap();
    let log = open(&disk);
    log.append(&batch("a", 10)).unwrap();
    log.append_with(&batch("a", 10), Durability::Written).unwrap();
    disk.sync_dir().unwrap();
    // Words may outlive a power cut that takes what was written before them.
    assert!(disk.write_back("control"));
    disk.power_cut(LoseAll);
    drop(log);
    // The next writer is looked at while it recovers: it has the lock, and has said nothing.
    let (seen, looked) = (Arc::new(Mutex::new(Vec::new())), disk.another_process());
    let told = Arc::clone(&seen);
    disk.on_call(move |call, _| {
        if call.kind != CallKind::SyncAll || !told.lock().unwrap().is_empty() {
            return;
        }
        for reads in [Visibility::Durable, Visibility::Written] {
            let reader = options().visibility(reads).open_reader_on(Arc::new(looked.clone()));
            let events = reader.and_then(|reader| Ok(reader.read_all().collect()?.len()));
            told.lock().unwrap().push(events.map_err(|error| error.to_string()));
        }
    });
    let log = open(&disk);
    disk.clear_hook();
    // Up to the end that the segments prove.
    assert_eq!(log.head(), 1);
    assert_eq!(*seen.lock().unwrap(), [Ok(0), Ok(0)]);
}
