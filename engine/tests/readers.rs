//! Readers in other processes: beside a live writer, after one that died, without any.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]
mod beside;

use std::sync::Arc;
use std::time::Duration;

use annals::io::sim::{LoseAll, SimStorage};
use annals::{
    Batch, CursorOptions, Durability, Error, Expected, Log, NewEvent, NewSnapshot, Reader, Reading,
    Start, Uuid, Visibility,
};
use beside::{append, drain, open, options, reader, until_it_looks, written};

#[test]
fn a_reader_beside_a_writer_sees_everything_once_and_in_order() {
    for reading in [Reading::Mapped, Reading::Pread] {
        let disk = SimStorage::new();
        let log = open(&disk);
        let other = disk.another_process();
        let reader = options().reading(reading).open_reader_on(Arc::new(other.clone())).unwrap();
        let mut cursor = reader.cursor(Start::Beginning).unwrap();
        let mut seen = Vec::new();
        // Over several rolls, with index look-ups in between.
        for n in 1..=100_u64 {
            append(&log, if n % 3 == 0 { "a" } else { "b" }, 700, Durability::Durable);
            if n % 7 == 0 {
                seen.extend(drain(&mut cursor));
                assert_eq!(seen.len() as u64, n);
                assert_eq!(reader.head().unwrap(), n);
                assert_eq!(reader.version("a").unwrap(), n / 3);
                let last = reader.read("b").backward().limit(1).collect().unwrap();
                assert_eq!(last[0].as_event().version(), n - n / 3);
                assert_eq!(reader.read_all().backward().limit(2).collect().unwrap().len(), 2);
            }
        }
        seen.extend(drain(&mut cursor));
        assert!(seen.into_iter().eq(1..=100));
        assert_eq!(reader.read_all().collect().unwrap().len(), 100);
        assert_eq!(reader.streams("").unwrap().len(), 2);
    }
}

#[test]
fn a_reader_sees_ids_snapshots_states_and_keys_of_a_writer() {
    let disk = SimStorage::new();
    let log = open(&disk);
    let reader = reader(&disk.another_process());
    let id = Uuid::from_u128(77);
    let mut batch = Batch::new();
    batch
        .write("a", Expected::NoStream, [NewEvent::new("One").id(id), NewEvent::new("Two")])
        .snapshot("a", 1, NewSnapshot::new(1).json("1"))
        .state("s", 2, NewSnapshot::new(1).json("2"));
    log.append(&batch).unwrap();
    assert!(reader.contains(id).unwrap());
    assert_eq!(reader.event(id).unwrap().unwrap().as_event().event_type(), "One");
    let mut loaded = reader.load("a", 1).unwrap();
    assert_eq!(loaded.snapshot().unwrap().version(), 1);
    assert_eq!(loaded.next().unwrap().unwrap().event_type(), "Two");
    assert_eq!(reader.state("s", 1).unwrap().unwrap().version(), 2);
    assert_eq!(reader.stats().unwrap().events, 2);
}

#[test]
fn a_reader_sees_what_is_durable_and_what_is_written_only_by_name() {
    let disk = SimStorage::new();
    let log = open(&disk);
    let other = disk.another_process();
    let (durable, early) = (reader(&other), written(&other));
    let mut durable_cursor = durable.cursor(Start::Beginning).unwrap();
    let options = CursorOptions::new().visibility(Visibility::Written);
    let mut early_cursor = durable.cursor_with(Start::Beginning, &options).unwrap();
    append(&log, "a", 10, Durability::Durable);
    append(&log, "a", 10, Durability::Written);
    append(&log, "a", 10, Durability::Buffered);
    assert_eq!((durable.version("a").unwrap(), early.version("a").unwrap()), (1, 2));
    assert_eq!(drain(&mut durable_cursor), [1]);
    assert_eq!(drain(&mut early_cursor), [1, 2]);
    log.sync().unwrap();
    assert_eq!((durable.version("a").unwrap(), early.version("a").unwrap()), (3, 3));
    assert_eq!(drain(&mut durable_cursor), [2, 3]);
    assert_eq!(drain(&mut early_cursor), [3]);
}

#[test]
fn a_reader_writes_nothing_and_works_on_a_read_only_file_system() {
    let disk = SimStorage::new();
    let log = open(&disk);
    for _ in 0..60 {
        append(&log, "a", 700, Durability::Durable);
    }
    let crashed = disk.fork();
    crashed.kill();
    drop(log);
    for (disk, events) in [(disk, 60), (crashed, 60)] {
        disk.set_read_only(true);
        // The runs too: they are made again in memory.
        for name in disk.file_names() {
            if name.ends_with(".idx") {
                disk.remove_file(&name);
            }
        }
        let before: Vec<_> = disk.file_names().iter().map(|name| disk.read_file(name)).collect();
        disk.reset_counts();
        let reader = reader(&disk);
        assert_eq!(reader.read("a").collect().unwrap().len(), events);
        assert_eq!(drain(&mut reader.cursor(Start::Beginning).unwrap()).len(), events);
        let counts = disk.counts();
        assert_eq!((counts.write, counts.create, counts.rename, counts.remove), (0, 0, 0, 0));
        let after: Vec<_> = disk.file_names().iter().map(|name| disk.read_file(name)).collect();
        assert!(before == after);
    }
}

#[test]
fn without_a_writer_what_is_served_is_made_durable_first() {
    let disk = SimStorage::new();
    let log = open(&disk);
    append(&log, "a", 10, Durability::Durable);
    for _ in 0..3 {
        append(&log, "a", 10, Durability::Written);
    }
    let other = disk.another_process();
    disk.kill();
    let reader = reader(&other);
    assert_eq!(drain(&mut reader.cursor(Start::Beginning).unwrap()), [1, 2, 3, 4]);
    other.power_cut(LoseAll);
    other.rejoin();
    assert_eq!(open(&other).head(), 4);
}

#[test]
fn a_reader_goes_on_when_the_writer_dies_and_when_another_one_comes() {
    for clean in [false, true] {
        let disk = SimStorage::new();
        let log = open(&disk);
        let other = disk.another_process();
        let reader = reader(&other);
        let mut cursor = reader.cursor(Start::Beginning).unwrap();
        append(&log, "a", 10, Durability::Durable);
        assert_eq!(drain(&mut cursor), [1]);
        append(&log, "a", 10, Durability::Written);
        assert!(drain(&mut cursor).is_empty());
        if clean {
            log.close().unwrap();
        } else {
            disk.kill();
        }
        // What the writer left is there.
        until_it_looks();
        assert_eq!(drain(&mut cursor), [2]);
        let log = open(&disk);
        for _ in 0..40 {
            append(&log, "a", 900, Durability::Durable);
        }
        until_it_looks();
        assert!(drain(&mut cursor).into_iter().eq(3..=42));
        assert_eq!(reader.version("a").unwrap(), 42);
        // Another restart, unseen by the reader until it has happened.
        log.close().unwrap();
        let log = open(&disk);
        append(&log, "a", 10, Durability::Durable);
        until_it_looks();
        assert_eq!(drain(&mut cursor), [43]);
    }
}

#[test]
fn deleting_every_derived_file_beside_a_live_writer_changes_nothing_that_a_reader_sees() {
    let disk = SimStorage::new();
    let log = open(&disk);
    let other = disk.another_process();
    let before = reader(&other);
    let mut cursor = before.cursor(Start::Beginning).unwrap();
    for _ in 0..40 {
        append(&log, "a", 900, Durability::Durable);
    }
    assert_eq!(drain(&mut cursor).len(), 40);
    for name in disk.file_names() {
        if !name.ends_with(".seg") {
            assert!(disk.remove_file(&name));
        }
    }
    // Whoever was there goes on, and whoever comes sees what is proven to be durable: all
    // but the last group, until a witness or another group proves it.
    append(&log, "a", 900, Durability::Durable);
    until_it_looks();
    let late = reader(&other);
    let seen = drain(&mut late.cursor(Start::Beginning).unwrap()).len();
    assert!(seen >= 40, "{seen}");
    assert_eq!(late.version("a").unwrap() as usize, seen);
    // A roll makes the files again.
    for _ in 0..30 {
        append(&log, "a", 900, Durability::Durable);
    }
    until_it_looks();
    assert!(drain(&mut cursor).into_iter().eq(41..=71));
    assert_eq!(late.version("a").unwrap(), 71);
    assert_eq!(log.version("a").unwrap(), 71);
}

#[test]
fn a_log_that_is_not_there_or_not_one_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nothing");
    assert!(matches!(Reader::open(&path), Err(Error::NotFound { .. })));
    assert!(!path.exists());
    assert!(matches!(Reader::open(directory.path()), Err(Error::NotFound { .. })));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_waiting_reader_is_woken_by_the_writer() {
    let directory = tempfile::tempdir().unwrap();
    let log = Log::open(directory.path()).unwrap();
    let reader = Reader::open(directory.path()).unwrap();
    let mut cursor = reader.cursor(Start::End).unwrap();
    std::thread::scope(|scope| {
        let follower = scope.spawn(|| {
            let mut seen = 0;
            while seen < 200 {
                let events = cursor.wait(Duration::from_secs(20)).unwrap();
                assert!(!events.is_empty());
                seen += events.len();
            }
            seen
        });
        for _ in 0..200 {
            append(&log, "a", 10, Durability::Durable);
            std::thread::sleep(Duration::from_micros(300));
        }
        assert_eq!(follower.join().unwrap(), 200);
    });
    let mut cursor = reader.cursor(Start::End).unwrap();
    assert!(cursor.wait(Duration::from_millis(30)).unwrap().is_empty());
}

#[test]
fn a_cursor_with_a_filter_follows_another_process_over_rolls_and_restarts() {
    let disk = SimStorage::new();
    let log = open(&disk);
    let reader = reader(&disk.another_process());
    let filter = annals::Filter::new().category("order");
    let options = CursorOptions::new().filter(filter);
    let mut cursor = reader.cursor_with(Start::Beginning, &options).unwrap();
    let mut expected = Vec::new();
    let mut seen = Vec::new();
    let mut log = Some(log);
    for n in 1..=120_u64 {
        let stream = if n % 9 == 0 { "order-1" } else { "other-1" };
        let writer = log.as_ref().unwrap();
        assert_eq!(append(writer, stream, 700, Durability::Durable), n);
        if n % 9 == 0 {
            expected.push(n);
        }
        if n % 4 == 0 {
            seen.extend(drain(&mut cursor));
            assert_eq!(cursor.scanned_to(), n);
        }
        if n % 50 == 0 {
            if n == 50 {
                log.take().unwrap().close().unwrap();
            } else {
                disk.kill();
            }
            until_it_looks();
            log = Some(open(&disk));
            until_it_looks();
        }
    }
    assert_eq!(seen, expected);
    assert_eq!(
        reader.read_all().filter(annals::Filter::new().tag("tagged")).collect().unwrap().len(),
        120
    );
}

#[test]
fn while_another_writer_looks_for_the_end_what_was_served_stays_served() {
    let disk = SimStorage::new();
    let log = open(&disk);
    append(&log, "a", 10, Durability::Durable);
    append(&log, "a", 10, Durability::Written);
    let reader = reader(&disk.another_process());
    assert!(reader.has_writer().unwrap());
    assert_eq!(reader.version("a").unwrap(), 1);
    disk.kill();
    until_it_looks();
    assert_eq!((reader.version("a").unwrap(), reader.has_writer().unwrap()), (2, false));
    // The next writer is held up in its recovery: the control file still says what the dead
    // one knew, which is less.
    let held = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let hold = Arc::clone(&held);
    disk.on_call(move |call: &annals::io::sim::Call, _: &SimStorage| {
        let until = std::time::Instant::now() + Duration::from_secs(10);
        let stands = || hold.load(std::sync::atomic::Ordering::SeqCst);
        while call.kind == annals::io::sim::CallKind::SyncAll
            && stands()
            && std::time::Instant::now() < until
        {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    std::thread::scope(|scope| {
        let opening = scope.spawn(|| open(&disk));
        for _ in 0..4 {
            until_it_looks();
            assert_eq!((reader.version("a").unwrap(), reader.head().unwrap()), (2, 2));
        }
        held.store(false, std::sync::atomic::Ordering::SeqCst);
        let log = opening.join().unwrap();
        append(&log, "a", 10, Durability::Durable);
        until_it_looks();
        assert_eq!(reader.version("a").unwrap(), 3);
        assert!(reader.has_writer().unwrap());
    });
}

#[test]
fn a_writer_that_comes_and_goes_between_two_looks_is_noticed() {
    let disk = SimStorage::new();
    let log = open(&disk);
    append(&log, "a", 10, Durability::Durable);
    log.close().unwrap();
    let reader = reader(&disk.another_process());
    let mut cursor = reader.cursor(Start::Beginning).unwrap();
    assert_eq!(drain(&mut cursor), [1]);
    for n in 2..=4 {
        // Gone before anybody looks.
        let log = open(&disk);
        append(&log, "a", 10, Durability::Durable);
        log.close().unwrap();
        until_it_looks();
        assert_eq!(drain(&mut cursor), [n]);
        assert_eq!(reader.head().unwrap(), n);
    }
}

#[test]
fn after_a_failed_sync_a_reader_is_shown_what_was_durable_and_no_more() {
    // The system may hold the lost pages for clean: they are read, a sync of them succeeds,
    // and a power cut takes them all the same.
    for late in [false, true] {
        let disk = SimStorage::new();
        let log = open(&disk);
        let other = disk.another_process();
        append(&log, "a", 10, Durability::Durable);
        let before = reader(&other);
        let mut cursor = before.cursor(Start::Beginning).unwrap();
        let sync = annals::io::sim::Nth::Of(annals::io::sim::CallKind::SyncData, 1);
        disk.fail(annals::io::sim::Fault::new(sync, annals::io::sim::Failure::Device));
        let mut batch = Batch::new();
        batch.write("a", Expected::Any, [NewEvent::new("Happened")]);
        assert!(matches!(log.append(&batch), Err(Error::Poisoned { .. })));
        if late {
            drop(log);
        } else {
            disk.kill();
        }
        until_it_looks();
        let after = reader(&other);
        assert_eq!(drain(&mut cursor), [1]);
        assert_eq!((before.head().unwrap(), after.head().unwrap()), (1, 1));
        assert_eq!(drain(&mut after.cursor(Start::Beginning).unwrap()), [1]);
        let crashed = disk.fork();
        crashed.power_cut(LoseAll);
        assert_eq!(open(&crashed).head(), 1);
        // A writer writes it again, and then it is there.
        let log = open(&disk);
        until_it_looks();
        assert_eq!(drain(&mut cursor), [2]);
        assert_eq!(log.head(), 2);
    }
}

#[test]
fn what_another_writer_is_just_storing_is_believed_when_it_is_done() {
    let disk = SimStorage::new();
    let log = open(&disk);
    append(&log, "a", 10, Durability::Durable);
    let reader = reader(&disk.another_process());
    let mut cursor = reader.cursor(Start::Beginning).unwrap();
    assert_eq!(drain(&mut cursor), [1]);
    append(&log, "a", 10, Durability::Durable);
    assert_eq!(drain(&mut cursor), [2]);
    // Words 1, and 16 to 20, of DESIGN.md: the generation, and the durable end.
    let file = annals::io::Storage::open(&disk, "control", true).unwrap();
    let words = file.share(128, true).unwrap();
    let pair = if words.load(16).is_multiple_of(2) { 17 } else { 19 };
    let [generation, place, position] = [1, pair, pair + 1].map(|at| words.load(at));
    assert_eq!(position, 2);
    words.store(1, generation | 1);
    words.store(pair, place - 300);
    words.store(pair + 1, 1);
    assert_eq!((reader.head().unwrap(), reader.version("a").unwrap()), (2, 2));
    words.store(pair, place);
    words.store(pair + 1, position);
    words.store(1, generation);
    append(&log, "a", 10, Durability::Durable);
    assert_eq!(drain(&mut cursor), [3]);
}

#[test]
fn what_a_damaged_control_file_says_of_a_failed_sync_is_not_believed_over_the_segments() {
    // The fuzz target `derived` shuffled the words of a control file: it said that a sync had
    // failed and that nothing was durable, of a log that had been closed. A reader believed
    // it, and served an empty log. Words 9, and 17 to 20 of DESIGN.md: a failure, and the two
    // pairs of the durable end.
    let disk = SimStorage::new();
    let log = open(&disk);
    for _ in 0..3 {
        append(&log, "a", 10, Durability::Durable);
    }
    log.close().unwrap();
    let whole = disk.read_file("control").unwrap();
    let word = |control: &[u8], word: usize| {
        u64::from_le_bytes(control[word * 8..word * 8 + 8].try_into().unwrap())
    };
    let say = |failed: u64, place: u64, position: u64| {
        let mut control = whole.clone();
        for (at, value) in [(9, failed), (17, place), (18, position), (19, place), (20, position)] {
            control[at * 8..at * 8 + 8].copy_from_slice(&value.to_le_bytes());
        }
        disk.write_file("control", &control);
        let reader = reader(&disk.another_process());
        (reader.head().unwrap(), drain(&mut reader.cursor(Start::Beginning).unwrap()).len())
    };
    let durable = word(&whole, 17).max(word(&whole, 19));
    assert!(durable > 0);
    assert_eq!(say(1, 0, 0), (3, 3));
    assert_eq!(say(1, durable - 8, 2), (3, 3));
    assert_eq!(say(1, durable, 1 << 40), (3, 3));
    assert_eq!(say(1 << 47, 0, 0), (3, 3));
    assert_eq!(say(1, u64::MAX, u64::MAX), (3, 3));
}
