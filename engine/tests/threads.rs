//! Many writers and many cursors at once, on real files.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use annals::{Batch, Cursor, Durability, Error, Expected, Log, NewEvent, Options, Start, Uuid};

const WRITERS: u64 = 8;
const CURSORS: usize = 4;
const STREAMS: u64 = 1000;
const EVENTS: u64 = 1_000_000;

/// A small generator: the test says which seed it used.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn pause(&mut self) {
        match self.below(2000) {
            0 => thread::sleep(Duration::from_micros(self.below(300))),
            1..40 => thread::yield_now(),
            _ => {}
        }
    }
}

/// What one writer was told: id of the first event, position, stream, version, count.
type Acknowledged = Vec<(u128, u64, u64, u64, u64)>;

fn write(log: &Log, writer: u64, left: &AtomicU64) -> Acknowledged {
    let mut random = Random(writer + 1);
    let mut known: HashMap<u64, u64> = HashMap::new();
    let mut acknowledged = Vec::new();
    let mut batch = Batch::new();
    let mut next_id = u128::from(writer + 1) << 64;
    loop {
        let count = 1 + random.below(30);
        if left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(count))
            .is_err()
        {
            return acknowledged;
        }
        let stream = random.below(STREAMS);
        let name = format!("stream-{stream}");
        let first = next_id;
        next_id += u128::from(count);
        loop {
            random.pause();
            let version = *known.entry(stream).or_default();
            batch.clear();
            let event = |n| NewEvent::new("Happened").id(Uuid::from_u128(first + u128::from(n)));
            batch.write(&name, Expected::Exact(version), (0..count).map(event));
            match log.append(&batch) {
                Ok(committed) => {
                    assert_eq!(committed.version(&name), Some(version + count));
                    assert!(!committed.is_deduplicated());
                    known.insert(stream, version + count);
                    acknowledged.push((
                        first,
                        committed.first_position(),
                        stream,
                        version + 1,
                        count,
                    ));
                    break;
                }
                Err(Error::WrongExpectedVersion { actual, .. }) => {
                    assert!(actual > version, "{actual} {version}");
                    // What the answer rests on must be readable.
                    if random.below(50) == 0 {
                        assert!(log.version(&name).unwrap() >= actual);
                    }
                    known.insert(stream, actual);
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Follows the log; a checksum of what it saw, in order.
fn follow(mut cursor: Cursor, seed: u64, done: &AtomicBool, head: impl Fn() -> u64) -> (u64, u64) {
    let mut random = Random(seed);
    let mut sum = 0u64;
    let mut position = 0;
    loop {
        random.pause();
        let events = if random.below(2) == 0 {
            cursor.poll(1 + usize::try_from(random.below(500)).unwrap()).unwrap()
        } else {
            cursor.wait(Duration::from_millis(20)).unwrap()
        };
        for event in &events {
            position += 1;
            assert_eq!(event.position(), position);
            let id = event.id().as_u128();
            let low = (id ^ id >> 64) as u64;
            sum = sum.rotate_left(7) ^ low ^ event.version();
        }
        if events.is_empty() && done.load(Ordering::SeqCst) && position == head() {
            return (position, sum);
        }
    }
}

fn check(log: &Log, acknowledged: &[Acknowledged]) {
    let all = acknowledged.iter().flatten();
    let total: u64 = all.clone().map(|(.., count)| count).sum();
    assert_eq!(log.head(), total);
    // What was acknowledged, by position.
    let mut expected = vec![(0u128, 0u64, 0u64); usize::try_from(total).unwrap()];
    for (id, position, stream, version, count) in all {
        for n in 0..*count {
            let slot = &mut expected[usize::try_from(position + n - 1).unwrap()];
            assert_eq!(slot.0, 0, "two batches were told position {}", position + n);
            *slot = (id + u128::from(n), *stream, version + n);
        }
    }
    let mut read = log.read_all();
    let mut versions = vec![0; usize::try_from(STREAMS).unwrap()];
    for (index, (id, stream, version)) in expected.iter().enumerate() {
        let event = read.next().unwrap().unwrap();
        assert_eq!(event.position(), index as u64 + 1);
        assert_eq!(event.id().as_u128(), *id);
        assert_eq!(event.stream(), format!("stream-{stream}"));
        assert_eq!(event.version(), *version);
        versions[usize::try_from(*stream).unwrap()] += 1;
        assert_eq!(versions[usize::try_from(*stream).unwrap()], *version);
    }
    assert!(read.next().unwrap().is_none());
}

#[test]
fn a_million_events_of_8_writers_are_seen_once_and_in_one_order_by_4_cursors() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let options = Options::new().segment_bytes(16 << 20);
    let log = options.open(&path).unwrap();
    let left = AtomicU64::new(EVENTS + 15 * WRITERS);
    let done = AtomicBool::new(false);
    let (acknowledged, seen) = thread::scope(|scope| {
        let cursors: Vec<_> = (0..CURSORS)
            .map(|n| {
                let cursor = log.cursor(Start::Beginning).unwrap();
                let (done, log) = (&done, &log);
                scope.spawn(move || follow(cursor, n as u64 + 100, done, || log.head()))
            })
            .collect();
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (log, left) = (&log, &left);
                scope.spawn(move || write(log, writer, left))
            })
            .collect();
        let acknowledged: Vec<_> =
            writers.into_iter().map(|writer| writer.join().unwrap()).collect();
        done.store(true, Ordering::SeqCst);
        let seen: Vec<_> = cursors.into_iter().map(|cursor| cursor.join().unwrap()).collect();
        (acknowledged, seen)
    });
    assert!(log.head() >= EVENTS, "{}", log.head());
    assert!(seen.iter().all(|cursor| *cursor == seen[0]), "{seen:?}");
    assert_eq!(seen[0].0, log.head());
    check(&log, &acknowledged);
    log.close().unwrap();
    let log = options.open(&path).unwrap();
    assert!(log.recovery().clean);
    check(&log, &acknowledged);
    assert!(log.stats().unwrap().segments >= 6, "{:?}", log.stats());
}

#[test]
fn a_flush_that_is_due_never_keeps_the_lead_from_the_flusher() {
    let directory = tempfile::tempdir().unwrap();
    let log = Options::new().flush_after(Duration::from_millis(1)).open(directory.path()).unwrap();
    let (done, told) = std::sync::mpsc::channel();
    let writer = std::thread::spawn(move || {
        let mut tickets = std::collections::VecDeque::new();
        let data = [7; 200];
        for n in 0..6_000 {
            let level = if n % 7 == 0 { Durability::Buffered } else { Durability::Written };
            let mut batch = Batch::new();
            let events = std::iter::repeat_n(NewEvent::new("T").data(&data), 100);
            batch.write("s", Expected::Any, events);
            tickets.push_back(log.submit_with(&batch, level).unwrap());
            if tickets.len() > 8 {
                tickets.pop_front().unwrap().wait().unwrap();
            }
        }
        log.close().unwrap();
        done.send(()).unwrap();
    });
    assert!(told.recv_timeout(Duration::from_secs(60)).is_ok(), "nobody leads");
    writer.join().unwrap();
}
