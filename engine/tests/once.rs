//! Idempotence by key: the first batch with a key commits, the same key again is answered
//! with what the first came to, for any age.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
use std::sync::Arc;

use annals::io::sim::{LoseAll, SimStorage};
use annals::{
    Background, Batch, Durability, Error, Expected, Log, NewEvent, NewSnapshot, Options, Uuid,
};

fn options() -> Options {
    Options::new().background(Background::Inline).segment_bytes(16 << 10)
}

fn open(disk: &SimStorage) -> Log {
    options().open_on(Arc::new(disk.clone())).unwrap()
}

fn event(bytes: usize) -> Vec<u8> {
    vec![7; bytes]
}

/// Two streams, three events.
fn keyed(key: &str) -> Batch {
    let data = event(50);
    let mut batch = Batch::new();
    batch
        .once(key)
        .write("a", Expected::Any, [NewEvent::new("One").data(&data), NewEvent::new("Two")])
        .write("b", Expected::Any, [NewEvent::new("Three")])
        .expect("c", Expected::Any);
    batch
}

fn fill(log: &Log, segments: u64) {
    let data = event(900);
    let target = log.stats().unwrap().segments + segments;
    while log.stats().unwrap().segments < target {
        let mut batch = Batch::new();
        batch.write("filler", Expected::Any, [NewEvent::new("Filled").data(&data)]);
        log.append(&batch).unwrap();
    }
}

#[test]
fn the_same_key_again_is_answered_with_the_first_outcome_and_writes_nothing() {
    let disk = SimStorage::new();
    let log = open(&disk);
    fill(&log, 1);
    let first = log.append(&keyed("consumer/1")).unwrap();
    assert!(!first.is_deduplicated());
    let check = |log: &Log| {
        disk.reset_counts();
        let head = log.head();
        // Another batch altogether: other ids, other content, other expectations.
        let mut other = Batch::new();
        other.once("consumer/1").write("z", Expected::Exact(99), [NewEvent::new("Other")]);
        for batch in [&keyed("consumer/1"), &other] {
            let again = log.append(batch).unwrap();
            assert!(again.is_deduplicated());
            assert_eq!(again.positions(), first.positions());
            for stream in ["a", "b", "c", "z"] {
                assert_eq!(again.version(stream), first.version(stream), "{stream}");
            }
        }
        let segments = disk.file_names().into_iter().filter(|name| name.ends_with(".seg"));
        let writes: u64 = segments.map(|name| disk.counts_of(&name).write).sum();
        assert_eq!((log.head(), writes), (head, 0));
    };
    check(&log);
    // In a sealed segment whose run answers, after a close, after a crash, much later.
    fill(&log, 3);
    check(&log);
    log.close().unwrap();
    check(&open(&disk));
    let log = open(&disk);
    fill(&log, 2);
    disk.power_cut(LoseAll);
    check(&open(&disk));
}

#[test]
fn a_batch_without_events_is_known_by_its_key_too() {
    let disk = SimStorage::new();
    let log = open(&disk);
    log.append(&keyed("k")).unwrap();
    let mut empty = Batch::new();
    empty.once("nothing/1");
    let first = log.append(&empty).unwrap();
    assert!(!first.is_deduplicated() && first.positions().is_empty());
    assert_eq!((first.first_position(), first.last_position()), (4, 3));
    log.append(&keyed("l")).unwrap();
    log.close().unwrap();
    let log = open(&disk);
    for batch in [&empty, &keyed("nothing/1")] {
        let again = log.append(batch).unwrap();
        assert!(again.is_deduplicated());
        assert_eq!((again.first_position(), again.last_position()), (4, 3));
        assert_eq!(again.version("a"), None);
    }
    assert_eq!(log.head(), 6);
}

#[test]
fn a_key_does_not_commit_with_a_batch_that_is_refused() {
    let disk = SimStorage::new();
    let log = open(&disk);
    let mut refused = Batch::new();
    refused.once("k").write("a", Expected::Exact(7), [NewEvent::new("One")]);
    assert!(matches!(log.append(&refused), Err(Error::WrongExpectedVersion { .. })));
    let committed = log.append(&keyed("k")).unwrap();
    assert!(!committed.is_deduplicated());
    assert_eq!(committed.first_position(), 1);
}

#[test]
fn of_many_threads_with_one_key_one_commits_and_all_get_its_outcome() {
    let directory = tempfile::tempdir().unwrap();
    let log = Log::open(directory.path()).unwrap();
    for round in 0..20 {
        let key = format!("message/{round}");
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| log.append(&keyed(&key)).unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(outcomes.iter().filter(|outcome| !outcome.is_deduplicated()).count(), 1);
        assert!(outcomes.iter().all(|outcome| outcome.positions() == outcomes[0].positions()));
    }
    assert_eq!(log.head(), 60);
}

#[test]
fn a_batch_whose_ids_are_known_gets_its_key_known_as_well() {
    // A program that first relied on ids alone and now names keys: the next batch with the
    // key must be known by it, whatever its ids.
    let disk = SimStorage::new();
    let log = open(&disk);
    let with_id = |key: Option<&str>, id: u128| {
        let mut batch = Batch::new();
        if let Some(key) = key {
            batch.once(key);
        }
        batch.write("a", Expected::Any, [NewEvent::new("One").id(Uuid::from_u128(id))]);
        batch
    };
    let first = log.append(&with_id(None, 1)).unwrap();
    log.append(&with_id(None, 2)).unwrap();
    // The events are durable; the key is as safe as was asked for, and no more is said.
    let early = log.append_with(&with_id(Some("j"), 2), Durability::Buffered).unwrap();
    assert!(early.is_deduplicated());
    assert_eq!(early.durability(), Durability::Buffered);
    let again = log.append(&with_id(Some("k"), 1)).unwrap();
    assert!(again.is_deduplicated());
    assert_eq!((again.positions(), again.durability()), (first.positions(), Durability::Durable));
    log.close().unwrap();
    let log = open(&disk);
    let by_key = log.append(&with_id(Some("k"), 77)).unwrap();
    assert!(by_key.is_deduplicated());
    assert_eq!((by_key.positions(), by_key.version("a")), (first.positions(), Some(1)));
    assert_eq!(log.head(), 2);
}

#[test]
fn the_first_outcome_of_a_batch_in_flight_is_waited_for() {
    for level in [Durability::Buffered, Durability::Written] {
        let disk = SimStorage::new();
        let log = open(&disk);
        log.append_with(&keyed("k"), level).unwrap();
        let again = log.append(&keyed("k")).unwrap();
        assert_eq!(again.durability(), Durability::Durable);
        disk.power_cut(LoseAll);
        let log = open(&disk);
        assert!(log.append(&keyed("k")).unwrap().is_deduplicated());
        assert_eq!(log.head(), 3);
    }
}

#[test]
fn keys_are_kept_whole_in_any_script_up_to_their_limit() {
    let disk = SimStorage::new();
    let log = open(&disk);
    let longest = "ключ".repeat(31) + "1234567";
    assert_eq!(longest.len(), 255);
    let keys = ["a", "a\0", "é", "e\u{301}", &longest, &longest[..254]];
    for key in keys {
        assert!(!log.append(&keyed(key)).unwrap().is_deduplicated(), "{key}");
    }
    log.close().unwrap();
    let log = open(&disk);
    for key in keys {
        assert!(log.append(&keyed(key)).unwrap().is_deduplicated(), "{key}");
    }
    let mut batch = Batch::new();
    batch.once(&(longest + "x"));
    assert!(matches!(log.append(&batch), Err(Error::TooLarge { size: 256, limit: 255, .. })));
}

/// Other stores keep the ids of the last million events, or of the time since the start.
#[test]
fn an_id_and_a_key_are_known_after_a_million_events_snapshots_and_restarts() {
    const CALLS: u64 = 1_000;
    const EVENTS: u64 = 1_000;
    let directory = tempfile::tempdir().unwrap();
    let options = Options::new().durability(Durability::Buffered);
    let by_id = || {
        let mut batch = Batch::new();
        let ids = [1, 2].map(|id| NewEvent::new("First").id(Uuid::from_u128(id)));
        batch.write("early", Expected::Any, ids);
        batch
    };
    let log = options.open(directory.path()).unwrap();
    let first = [log.append(&by_id()).unwrap(), log.append(&keyed("early")).unwrap()];
    for call in 1..=CALLS {
        let mut batch = Batch::new();
        batch.write("later", Expected::Any, (0..EVENTS).map(|_| NewEvent::new("Later")));
        if call % 100 == 0 {
            batch.snapshot("later", call * EVENTS, NewSnapshot::new(1).json("{}"));
            batch.snapshot("early", 2, NewSnapshot::new(1).json("{}"));
        }
        log.append(&batch).unwrap();
    }
    log.close().unwrap();
    for _ in 0..2 {
        let log = options.open(directory.path()).unwrap();
        let again = [log.append(&by_id()).unwrap(), log.append(&keyed("early")).unwrap()];
        for (again, first) in again.iter().zip(&first) {
            assert!(again.is_deduplicated());
            assert_eq!(again.positions(), first.positions());
            for stream in ["early", "a", "b"] {
                assert_eq!(again.version(stream), first.version(stream), "{stream}");
            }
        }
        assert_eq!(log.head(), 5 + CALLS * EVENTS);
    }
}
