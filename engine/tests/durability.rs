//! Appends that return before they are durable: what each level promises, who sees what
//! when, tickets, and what is left after a crash.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use annals::io::sim::{Call, CallKind, Failure, Fault, LoseAll, Nth, SimStorage};
use annals::{
    Background, Batch, CursorOptions, Durability, Error, Expected, Log, NewEvent, Options, Start,
    Visibility,
};

const LEVELS: [Durability; 3] = [Durability::Buffered, Durability::Written, Durability::Durable];

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

fn calls(disk: &SimStorage) -> (u64, u64) {
    (disk.counts().of(CallKind::Write), disk.counts().of(CallKind::SyncData))
}

#[test]
fn each_level_costs_what_it_says() {
    for (level, cost) in LEVELS.into_iter().zip([(0, 0), (1, 0), (1, 1)]) {
        let disk = SimStorage::new();
        let log = open(&disk);
        log.append(&batch("a", 10)).unwrap();
        disk.reset_counts();
        let committed = log.append_with(&batch("a", 10), level).unwrap();
        assert_eq!((committed.durability(), committed.version("a")), (level, Some(2)));
        assert_eq!(calls(&disk), cost, "{level:?}");
    }
}

#[test]
fn the_option_says_what_an_append_promises_unless_it_says_otherwise() {
    let disk = SimStorage::new();
    let log = options().durability(Durability::Written).open_on(Arc::new(disk.clone())).unwrap();
    disk.reset_counts();
    assert_eq!(log.append(&batch("a", 1)).unwrap().durability(), Durability::Written);
    assert_eq!(
        log.submit(&batch("a", 1)).unwrap().wait().unwrap().durability(),
        Durability::Written
    );
    assert_eq!(calls(&disk).1, 0);
    let durable = log.append_with(&batch("a", 1), Durability::Durable).unwrap();
    assert_eq!(durable.durability(), Durability::Durable);
    assert_eq!(log.head(), 3);
}

#[test]
fn a_program_reads_its_own_writes_at_every_level() {
    for reading in [annals::Reading::Mapped, annals::Reading::Pread] {
        let disk = SimStorage::new();
        let log = options().reading(reading).open_on(Arc::new(disk.clone())).unwrap();
        let mut expected = 0;
        // Over several segments, each level after each.
        for n in 0..90_usize {
            let level = LEVELS[(n / 2 + n) % 3];
            let id = annals::Uuid::from_u128(n as u128 + 1);
            let mut batch = Batch::new();
            let event = NewEvent::new("Happened").id(id).data(&[1; 700]);
            batch.write("a", Expected::Exact(expected), [event]);
            log.append_with(&batch, level).unwrap();
            expected += 1;
            assert_eq!(log.version("a").unwrap(), expected);
            assert!(log.contains(id).unwrap());
            assert_eq!(log.event(id).unwrap().unwrap().as_event().version(), expected);
            let last = log.read("a").backward().limit(1).collect().unwrap();
            assert_eq!(last[0].as_event().version(), expected);
            let all = log.read_all().backward().limit(3).collect().unwrap();
            assert_eq!(all[0].as_event().position(), expected);
            assert_eq!(log.read_all().collect().unwrap().len() as u64, expected);
        }
        assert_eq!(log.streams("").unwrap().next().unwrap().unwrap().version, 90);
    }
}

#[test]
fn a_cursor_sees_what_is_durable_and_what_is_written_only_by_name() {
    let disk = SimStorage::new();
    let log = open(&disk);
    let mut durable = log.cursor(Start::Beginning).unwrap();
    let options = CursorOptions::new().visibility(Visibility::Written);
    let mut written = log.cursor_with(Start::Beginning, &options).unwrap();
    log.append_with(&batch("a", 10), Durability::Buffered).unwrap();
    assert_eq!((durable.poll(9).unwrap().len(), written.poll(9).unwrap().len()), (0, 0));
    log.append_with(&batch("a", 10), Durability::Written).unwrap();
    assert_eq!((durable.poll(9).unwrap().len(), written.poll(9).unwrap().len()), (0, 2));
    assert_eq!(log.head(), 0);
    log.sync().unwrap();
    assert_eq!((durable.poll(9).unwrap().len(), written.poll(9).unwrap().len()), (2, 0));
    assert_eq!(log.head(), 2);
    // One sync, and none for what is durable.
    disk.reset_counts();
    log.sync().unwrap();
    assert_eq!(calls(&disk), (0, 0));
}

#[test]
fn a_power_cut_loses_what_was_not_synced_in_whole_batches_and_a_kill_loses_nothing_written() {
    for level in LEVELS {
        let disk = SimStorage::new();
        let log = open(&disk);
        log.append(&batch("a", 10)).unwrap();
        for _ in 0..5 {
            log.append_with(&batch("a", 10), level).unwrap();
        }
        let killed = disk.fork();
        killed.kill();
        let kept = if level == Durability::Buffered { 1 } else { 6 };
        let log_after = options().open_on(Arc::new(killed.clone())).unwrap();
        assert_eq!(log_after.head(), kept, "{level:?}");
        // What was found is durable before it is served.
        killed.power_cut(LoseAll);
        assert_eq!(open(&killed).head(), kept, "{level:?}");
        disk.power_cut(LoseAll);
        let kept = if level == Durability::Durable { 6 } else { 1 };
        assert_eq!(open(&disk).head(), kept, "{level:?}");
        drop(log);
    }
}

#[test]
fn sync_and_close_make_everything_durable() {
    for close in [false, true] {
        let disk = SimStorage::new();
        let log = open(&disk);
        for n in 0..60_usize {
            log.append_with(&batch("a", 900), LEVELS[n % 2]).unwrap();
        }
        if close {
            log.close().unwrap();
        } else {
            log.sync().unwrap();
            assert_eq!(log.head(), 60);
        }
        disk.power_cut(LoseAll);
        assert_eq!(open(&disk).head(), 60);
    }
}

#[test]
fn a_durable_append_makes_everything_before_it_durable() {
    let disk = SimStorage::new();
    let log = open(&disk);
    log.append_with(&batch("a", 10), Durability::Buffered).unwrap();
    log.append_with(&batch("b", 10), Durability::Written).unwrap();
    log.append_with(&batch("c", 10), Durability::Buffered).unwrap();
    log.append(&batch("d", 10)).unwrap();
    disk.power_cut(LoseAll);
    assert_eq!(open(&disk).head(), 4);
}

#[test]
fn a_segment_is_synced_before_the_next_one_is_begun() {
    let disk = SimStorage::new();
    let log = open(&disk);
    while log.head() == 0 {
        log.append_with(&batch("a", 900), Durability::Written).unwrap();
    }
    let (appended, durable) = (log.version("a").unwrap(), log.head());
    // Whatever becomes of the new segment, nothing of the old ones is missing.
    for seed in 0..50 {
        let crashed = disk.fork();
        crashed.power_cut(annals::io::sim::Seeded::new(seed));
        let log = open(&crashed);
        assert!(log.head() <= appended);
        let all = log.read_all().collect().unwrap();
        assert_eq!(all.len() as u64, log.head());
        assert!(log.head() >= durable, "{}", log.head());
    }
}

#[test]
fn what_is_not_durable_gets_so_in_the_background() {
    for level in [Durability::Buffered, Durability::Written] {
        let directory = tempfile::tempdir().unwrap();
        let log = Log::open(directory.path()).unwrap();
        let mut cursor = log.cursor(Start::Beginning).unwrap();
        for n in 1..=3 {
            log.append_with(&batch("a", 10), level).unwrap();
            assert_eq!(cursor.wait(Duration::from_secs(20)).unwrap().len(), 1, "{level:?}");
            assert_eq!(log.head(), n);
        }
    }
}

#[test]
fn tickets_share_syncs_and_tell_their_outcome_in_any_order() {
    let disk = SimStorage::new();
    let log = Options::new().open_on(Arc::new(disk.clone())).unwrap();
    log.append(&batch("a", 10)).unwrap();
    // The first sync is held up, so that the others gather.
    let held = Arc::new(AtomicBool::new(true));
    let hold = Arc::clone(&held);
    disk.on_call(move |call: &Call, _: &SimStorage| {
        let until = Instant::now() + Duration::from_secs(10);
        while call.kind == CallKind::SyncData
            && hold.load(Ordering::SeqCst)
            && Instant::now() < until
        {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    disk.reset_counts();
    let mut tickets: Vec<_> = (0..200).map(|_| log.submit(&batch("a", 100)).unwrap()).collect();
    held.store(false, Ordering::SeqCst);
    tickets.reverse();
    for (n, ticket) in tickets.into_iter().enumerate() {
        let committed = ticket.wait().unwrap();
        assert_eq!(committed.first_position(), 201 - n as u64);
        assert!(log.head() >= committed.last_position());
    }
    assert!(disk.counts().of(CallKind::SyncData) <= 10, "{:?}", disk.counts());
}

#[test]
fn a_dropped_ticket_commits_all_the_same() {
    for background in [Background::Thread, Background::Inline] {
        let disk = SimStorage::new();
        let log = Options::new().background(background).open_on(Arc::new(disk.clone())).unwrap();
        let mut cursor = log.cursor(Start::Beginning).unwrap();
        for _ in 0..20 {
            drop(log.submit(&batch("a", 10)).unwrap());
        }
        let mut seen = 0;
        while seen < 20 {
            let events = cursor.wait(Duration::from_secs(20)).unwrap();
            assert!(!events.is_empty(), "{background:?}: {seen}");
            seen += events.len();
        }
    }
}

/// The waiter of a buffered batch sat down in the seat of its group, and slept until somebody
/// else wanted the group written: for ever, where there is no flusher.
#[test]
fn waiting_for_a_buffered_batch_takes_no_time_and_writes_nothing() {
    let disk = SimStorage::new();
    let log = open(&disk);
    let waited = std::thread::spawn(move || {
        let ticket = log.submit_with(&batch("a", 10), Durability::Buffered).unwrap();
        let committed = ticket.wait().unwrap();
        (committed.durability(), log.head())
    });
    let until = Instant::now() + Duration::from_secs(20);
    while !waited.is_finished() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(waited.is_finished());
    assert_eq!(waited.join().unwrap(), (Durability::Buffered, 0));
}

#[test]
fn a_ticket_may_outlive_its_log() {
    let disk = SimStorage::new();
    let log = Options::new().open_on(Arc::new(disk.clone())).unwrap();
    let tickets: Vec<_> =
        LEVELS.into_iter().map(|level| log.submit_with(&batch("a", 10), level).unwrap()).collect();
    log.close().unwrap();
    for (n, ticket) in tickets.into_iter().enumerate() {
        assert_eq!(ticket.wait().unwrap().first_position(), n as u64 + 1);
    }
    disk.power_cut(LoseAll);
    assert_eq!(open(&disk).head(), 3);
}

#[test]
fn bytes_in_flight_are_bounded() {
    let disk = SimStorage::new();
    let log = Options::new().in_flight_bytes(64 << 10).open_on(Arc::new(disk.clone())).unwrap();
    let held = Arc::new(AtomicBool::new(true));
    let hold = Arc::clone(&held);
    disk.on_call(move |call: &Call, _: &SimStorage| {
        let until = Instant::now() + Duration::from_secs(20);
        while call.kind == CallKind::SyncData
            && hold.load(Ordering::SeqCst)
            && Instant::now() < until
        {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let submitted = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..100 {
                drop(log.submit(&batch("a", 4 << 10)).unwrap());
                submitted.fetch_add(1, Ordering::SeqCst);
            }
        });
        // While the device stands still, the submitter stops at the bound.
        let mut before = u64::MAX;
        while submitted.load(Ordering::SeqCst) != before || before == 0 {
            before = submitted.load(Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(200));
        }
        assert!((8..=17).contains(&before), "{before}");
        held.store(false, Ordering::SeqCst);
    });
    log.sync().unwrap();
    assert_eq!(log.head(), 100);
    // A batch that is larger than the bound is taken alone.
    log.append(&batch("a", 1 << 20)).unwrap();
}

#[test]
fn a_failed_sync_in_the_background_is_told_by_sync_append_and_close() {
    for level in [Durability::Buffered, Durability::Written] {
        let disk = SimStorage::new();
        let log = Options::new().open_on(Arc::new(disk.clone())).unwrap();
        log.append(&batch("a", 10)).unwrap();
        disk.fail(Fault::new(Nth::Of(CallKind::SyncData, 1), Failure::Device));
        log.append_with(&batch("b", 10), level).unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        let error = loop {
            match log.append_with(&batch("c", 10), Durability::Buffered) {
                Err(error) => break error,
                Ok(_) => assert!(Instant::now() < until),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        assert!(matches!(error, Error::Poisoned { .. }), "{error}");
        assert!(matches!(log.sync(), Err(Error::Poisoned { .. })));
        assert_eq!(log.head(), 1);
        // Nothing more will come, and whoever waits is told.
        let mut cursor = log.cursor(Start::End).unwrap();
        let waited = cursor.wait(Duration::from_secs(60));
        assert!(matches!(waited, Err(Error::Poisoned { .. })));
        assert!(matches!(log.close(), Err(Error::Poisoned { .. })));
    }
}

#[test]
fn what_was_acknowledged_and_could_not_be_written_is_not_served() {
    let disk = SimStorage::new();
    let log = open(&disk);
    log.append(&batch("a", 10)).unwrap();
    log.append_with(&batch("a", 10), Durability::Written).unwrap();
    log.append_with(&batch("a", 10), Durability::Buffered).unwrap();
    disk.fail(Fault::new(Nth::Of(CallKind::Write, 1), Failure::Device));
    assert!(matches!(log.sync(), Err(Error::Poisoned { .. })));
    // What the system has is still there.
    assert_eq!(log.version("a").unwrap(), 2);
    assert_eq!(log.read("a").collect().unwrap().len(), 2);
    assert_eq!(log.read_all().collect().unwrap().len(), 2);
}

#[test]
fn an_answer_that_rests_on_a_batch_in_flight_waits_for_its_outcome() {
    // The answers that can rest on one: a conflict, a duplicate, a part of one, an
    // expectation that holds.
    let answers: [fn(&Log) -> annals::Result<annals::Committed>; 4] = [
        |log| log.append(Batch::new().write("a", Expected::NoStream, [NewEvent::new("Happened")])),
        |log| {
            let event = NewEvent::new("Happened").id(annals::Uuid::from_u128(7));
            log.append(Batch::new().write("a", Expected::Any, [event]))
        },
        |log| {
            let events = [7, 8].map(|n| NewEvent::new("Happened").id(annals::Uuid::from_u128(n)));
            log.append(Batch::new().write("a", Expected::Any, events))
        },
        |log| log.append(Batch::new().expect("a", Expected::Exists)),
    ];
    for (n, answer) in answers.into_iter().enumerate() {
        let disk = SimStorage::new();
        let log = open(&disk);
        log.append(&batch("b", 10)).unwrap();
        let (told, wait) = std::sync::mpsc::channel::<()>();
        let wait = std::sync::Mutex::new(wait);
        let syncing = Arc::new(AtomicBool::new(false));
        let begun = Arc::clone(&syncing);
        disk.on_call(move |call: &Call, _: &SimStorage| {
            if call.kind == CallKind::SyncData {
                begun.store(true, Ordering::SeqCst);
                let _until_told = wait.lock().unwrap().recv_timeout(Duration::from_secs(10));
            }
        });
        disk.fail(Fault::new(Nth::Of(CallKind::SyncData, 1), Failure::Device));
        std::thread::scope(|scope| {
            let first = scope.spawn(|| {
                let event = NewEvent::new("Happened").id(annals::Uuid::from_u128(7));
                log.append(Batch::new().write("a", Expected::Any, [event]))
            });
            while !syncing.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            let second = scope.spawn(|| answer(&log));
            std::thread::sleep(Duration::from_millis(30));
            assert!(!second.is_finished(), "{n}: it was answered before the outcome");
            told.send(()).unwrap();
            assert!(matches!(first.join().unwrap(), Err(Error::Poisoned { .. })));
            let second = second.join().unwrap();
            assert!(matches!(second, Err(Error::Poisoned { .. })), "{n}: {second:?}");
        });
    }
}

#[test]
fn a_duplicate_is_as_safe_as_was_asked_for_before_it_is_answered() {
    for first in LEVELS {
        for second in LEVELS {
            let disk = SimStorage::new();
            let log = open(&disk);
            let batch = batch("a", 10);
            log.append_with(&batch, first).unwrap();
            let again = log.append_with(&batch, second).unwrap();
            assert!(again.is_deduplicated() && again.durability() >= second);
            disk.power_cut(LoseAll);
            if again.durability() == Durability::Durable {
                assert_eq!(open(&disk).head(), 1, "{first:?} {second:?}");
            }
        }
    }
}

#[test]
fn submitting_what_is_refused_takes_no_lead_and_waits_for_nobody() {
    // The answer rests on a buffered batch behind one that is being synced. Whoever submits
    // may never wait, so nothing may be handed to it; nor does it write by itself meanwhile.
    for wait in [false, true] {
        let disk = SimStorage::new();
        let log = open(&disk);
        let (go, held) = std::sync::mpsc::channel::<()>();
        let held = std::sync::Mutex::new(held);
        let syncing = Arc::new(AtomicBool::new(false));
        let begun = Arc::clone(&syncing);
        disk.on_call(move |call: &Call, _: &SimStorage| {
            if call.kind == CallKind::SyncData && !begun.swap(true, Ordering::SeqCst) {
                let _until_told = held.lock().unwrap().recv_timeout(Duration::from_secs(10));
            }
        });
        std::thread::scope(|scope| {
            let first = scope.spawn(|| log.append(&batch("a", 10)));
            while !syncing.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            log.append_with(&batch("b", 10), Durability::Buffered).unwrap();
            let mut refused = Batch::new();
            refused.write("b", Expected::NoStream, [NewEvent::new("Happened")]);
            let asked = Instant::now();
            let ticket = log.submit_with(&refused, Durability::Written).unwrap();
            assert!(asked.elapsed() < Duration::from_secs(5), "submit waited for the sync");
            go.send(()).unwrap();
            first.join().unwrap().unwrap();
            if wait {
                let answer = ticket.wait();
                assert!(matches!(answer, Err(Error::WrongExpectedVersion { .. })), "{answer:?}");
            } else {
                drop(ticket);
            }
            // Nobody was left with a lead that it does not know of.
            log.append(&batch("c", 10)).unwrap();
        });
        assert_eq!(log.head(), 3);
    }
}
