//! Cursors with filters while appends go on, what they and filtered reads cost, and what they
//! do where the log or an index is hurt.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use annals::io::sim::SimStorage;
use annals::{
    Background, Batch, Cursor, CursorOptions, Damage, Durability, Error, Event, Events, Expected,
    Filter, Log, NewEvent, Options, Reading, Start,
};
use annals_index::{Kind, Run, RunMeta, Table, TableEvent, build};

fn options(reading: Reading) -> Options {
    Options::new().segment_bytes(16 << 10).reading(reading)
}

fn inline(disk: &SimStorage, reading: Reading) -> Log {
    options(reading).background(Background::Inline).open_on(Arc::new(disk.clone())).unwrap()
}

fn filtered(log: &Log, filter: Filter) -> Cursor {
    log.cursor_with(Start::Beginning, &CursorOptions::new().filter(filter)).unwrap()
}

fn append(log: &Log, stream: &str, event: NewEvent<'_>) -> u64 {
    let mut batch = Batch::new();
    batch.write(stream, Expected::Any, [event]);
    log.append(&batch).unwrap().first_position()
}

fn positions(events: &Events) -> Vec<u64> {
    events.iter().map(|event| event.position()).collect()
}

/// Three appenders fill many segments while cursors with filters follow.
fn concurrent(reading: Reading) {
    let directory = tempfile::tempdir().unwrap();
    let log = options(reading).open(directory.path()).unwrap();
    let (left, wanted) = (AtomicU64::new(3), Filter::new().category("order").tag("vip"));
    let matches = |event: &Event<'_>| {
        event.stream().starts_with("order-") && event.tags().any(|tag| tag == "vip")
    };
    let follow = |filter: Filter| {
        let (mut found, mut scanned) = (Vec::new(), 0);
        let mut cursor = filtered(&log, filter);
        loop {
            let over = left.load(Ordering::SeqCst) == 0;
            let events = cursor.wait(Duration::from_millis(5)).unwrap();
            assert!(cursor.scanned_to() >= scanned.max(cursor.position()));
            scanned = cursor.scanned_to();
            if events.is_empty() && over {
                return (found, scanned);
            }
            found.extend(events.iter().map(|event| {
                assert!(matches(&event), "{event:?}");
                event.position()
            }));
        }
    };
    let (found, nothing) = std::thread::scope(|scope| {
        for thread in 0..3u64 {
            let (log, left) = (&log, &left);
            scope.spawn(move || {
                for n in 0..400u64 {
                    let mut batch = Batch::new();
                    for m in 0..1 + (n + thread) % 4 {
                        let name = ["order", "stock"][usize::from((n + m) % 3 == 0)];
                        let mut event = NewEvent::new("Happened").data(&[1; 150]);
                        if (n * 7 + m + thread) % 5 < 2 {
                            event = event.tag("vip");
                        }
                        batch.write(&format!("{name}-{thread}"), Expected::Any, [event]);
                    }
                    let levels = [Durability::Durable, Durability::Written, Durability::Buffered];
                    log.append_with(&batch, levels[(n % 3) as usize]).unwrap();
                }
                log.sync().unwrap();
                left.fetch_sub(1, Ordering::SeqCst);
            });
        }
        let none = scope.spawn(|| follow(Filter::new().tag("vip").category("nobody")));
        (follow(wanted), none.join().unwrap())
    });
    let all = log.read_all().collect().unwrap();
    let expected = all.iter().map(|event| event.as_event()).filter(|event| matches(event));
    let expected: Vec<_> = expected.map(|event| event.position()).collect();
    assert!(expected.len() > 300);
    assert!(found.0 == expected, "{} of {}", found.0.len(), expected.len());
    assert_eq!((found.1, nothing), (log.head(), (Vec::new(), log.head())));
    assert!(log.stats().unwrap().segments > 20);
}

#[test]
fn mapped_a_cursor_delivers_what_matches_once_and_in_order_under_appends_and_rolls() {
    concurrent(Reading::Mapped);
}

#[test]
fn pread_a_cursor_delivers_what_matches_once_and_in_order_under_appends_and_rolls() {
    concurrent(Reading::Pread);
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        std::thread::park();
    }
}

#[test]
fn waiting_and_awaiting_go_on_until_something_matches() {
    let log = options(Reading::Mapped).open_on(Arc::new(SimStorage::new())).unwrap();
    let mut waited = filtered(&log, Filter::new().category("order"));
    let mut awaited = filtered(&log, Filter::new().category("order"));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..50 {
                append(&log, "stock-1", NewEvent::new("T"));
                std::thread::sleep(Duration::from_micros(n * 20));
            }
            append(&log, "order-1", NewEvent::new("T"));
        });
        assert_eq!(positions(&waited.wait(Duration::from_secs(30)).unwrap()), [51]);
        assert_eq!(positions(&block_on(awaited.next(10)).unwrap()), [51]);
    });
    log.close().unwrap();
    assert!(matches!(waited.wait(Duration::from_secs(30)), Err(Error::Closed)));
    assert!(matches!(block_on(awaited.next(10)), Err(Error::Closed)));
    assert_eq!(waited.scanned_to(), 51);
}

#[test]
fn a_checkpoint_keeps_what_was_looked_at_and_matched_nothing() {
    let disk = SimStorage::new();
    let log = inline(&disk, Reading::Mapped);
    for _ in 0..300 {
        append(&log, "stock-1", NewEvent::new("T").data(&[7; 100]));
    }
    let mut cursor = filtered(&log, Filter::new().category("order"));
    assert!(cursor.poll(10).unwrap().is_empty());
    let checkpoint = cursor.checkpoint().unwrap();
    assert_eq!((checkpoint.position, cursor.position()), (300, 0));
    let expected = append(&log, "order-1", NewEvent::new("T"));
    let options = CursorOptions::new().filter(Filter::new().category("order"));
    let mut again = log.cursor_with(Start::Checkpoint(checkpoint), &options).unwrap();
    assert_eq!(positions(&again.poll(10).unwrap()), [expected]);
}

/// Bytes that were read of all segments but for their first blocks.
fn read_of_segments(disk: &SimStorage) -> u64 {
    let segments = disk.file_names().into_iter().filter(|name| name.ends_with(".seg"));
    let reads = segments.flat_map(|name| disk.reads_of(&name));
    reads.filter(|range| range.start >= 4096).map(|range| range.end - range.start).sum()
}

/// Many segments with two rare events: at position 1,000 with the type, at 2,000 with the tag.
fn rare(reading: Reading) -> (SimStorage, Log) {
    let disk = SimStorage::new();
    let log = inline(&disk, reading);
    for n in 1..=3000 {
        let mut event = NewEvent::new(if n == 1000 { "Rare" } else { "T" }).data(&[7; 100]);
        for (tag, of) in [("rare", n == 2000), ("zero", n % 4 == 0), ("two", n % 4 == 2)] {
            event = if of { event.tag(tag) } else { event };
        }
        append(&log, "stock-1", event.tag("all"));
    }
    log.close().unwrap();
    let log = inline(&disk, reading);
    disk.trace_reads(true);
    (disk, log)
}

#[test]
fn a_rare_key_is_read_out_of_many_segments_for_a_few_bytes() {
    let (disk, log) = rare(Reading::Pread);
    assert!(disk.file_names().iter().filter(|name| name.ends_with(".seg")).count() > 30);
    let one = |filter: Filter, backward: bool| {
        disk.reset_counts();
        let read = log.read_all().filter(filter);
        let found = if backward { read.backward() } else { read }.collect().unwrap();
        assert_eq!(found.len(), 1);
        (found[0].as_event().position(), read_of_segments(&disk))
    };
    for backward in [false, true] {
        let (position, bytes) = one(Filter::new().event_type("Rare"), backward);
        assert!(position == 1000 && bytes <= 4096, "{position} {bytes}");
        // The rarest condition leads, and the indexes settle the others.
        let tags = Filter::new().category("stock").tag("all").tag("rare").event_type("T");
        let (position, bytes) = one(tags, backward);
        assert!(position == 2000 && bytes <= 4096, "{position} {bytes}");
    }
    disk.reset_counts();
    // In no segment, and in no event.
    let apart = Filter::new().event_type("Rare").tag("rare");
    let never = Filter::new().tag("zero").tag("two");
    for both in [apart, never] {
        assert!(log.read_all().filter(both).collect().unwrap().is_empty());
    }
    assert_eq!(read_of_segments(&disk), 0);
    // The newest one of a common key, and no more than that.
    let last = log.read_all().filter(Filter::new().tag("all")).backward().limit(1);
    assert_eq!(last.collect().unwrap()[0].as_event().position(), 3000);
    assert!(read_of_segments(&disk) <= 4096);
}

#[test]
fn a_poll_costs_what_is_new_and_nothing_is_read_twice() {
    let (disk, log) = rare(Reading::Pread);
    let mut cursor = filtered(&log, Filter::new().tag("rare"));
    assert_eq!(positions(&cursor.poll(10).unwrap()), [2000]);
    assert!(cursor.poll(10).unwrap().is_empty());
    disk.reset_counts();
    for n in 0..500u64 {
        let position = append(&log, "stock-1", NewEvent::new("T"));
        assert!(cursor.poll(10).unwrap().is_empty());
        assert_eq!(cursor.scanned_to(), position);
        if n % 100 == 0 {
            append(&log, "stock-1", NewEvent::new("T").tag("rare"));
            assert_eq!(cursor.poll(10).unwrap().len(), 1);
        }
    }
    let read = read_of_segments(&disk);
    assert!(read <= 5 * 4096, "{read}");
    // One at a time costs what all at once do: nothing found is looked up again, nor read.
    let mut common = filtered(&log, Filter::new().category("stock"));
    disk.reset_counts();
    while !common.poll(1).unwrap().is_empty() {}
    assert_eq!(common.position(), 3505);
    assert!(read_of_segments(&disk) <= 3505 * 4096);
}

#[test]
fn damage_to_a_record_that_matches_is_an_error_and_the_cursor_stays_before_it() {
    for reading in [Reading::Mapped, Reading::Pread] {
        let disk = SimStorage::new();
        let log = inline(&disk, reading);
        for n in 0..600u64 {
            let data = format!("needle {n:04} and some more");
            let kind = if n % 3 == 0 { "Third" } else { "T" };
            append(&log, "stock-1", NewEvent::new(kind).data(data.as_bytes()));
        }
        log.close().unwrap();
        let names = disk.file_names();
        let file = names.iter().find(|name| {
            let bytes = disk.read_file(name).unwrap();
            bytes.windows(11).any(|part| part == b"needle 0150")
        });
        let file = file.unwrap();
        let bytes = disk.read_file(file).unwrap();
        let at = bytes.windows(11).position(|part| part == b"needle 0150").unwrap();
        disk.flip_bit(file, at as u64 * 8);

        let log = inline(&disk, reading);
        let mut cursor = filtered(&log, Filter::new().event_type("Third"));
        let mut found = Vec::new();
        let error = loop {
            match cursor.poll(7) {
                Ok(events) if events.is_empty() => panic!("it passes over damage"),
                Ok(events) => found.extend(positions(&events)),
                Err(error) => break error,
            }
        };
        // Event 150 is at position 151.
        assert_eq!(found, (1..151).step_by(3).collect::<Vec<_>>());
        assert!(matches!(&error, Error::Corrupt(damage) if damage.cause == Damage::Payload));
        let before = (cursor.position(), cursor.scanned_to());
        assert_eq!(before, (148, 148));
        assert!(matches!(cursor.poll(7), Err(Error::Corrupt(_))));
        assert_eq!((cursor.position(), cursor.scanned_to()), before);
        let mut read = log.read_all().filter(Filter::new().event_type("Third")).backward();
        let mut count = 0;
        let error = loop {
            match read.next() {
                Ok(event) => count += u64::from(event.is_some()),
                Err(error) => break error,
            }
            assert!(count < 200, "it passes over damage");
        };
        assert_eq!(count, 149);
        assert!(matches!(error, Error::Corrupt(_)), "{error}");
    }
}

/// A run that fits the log by all that is said of it, and names an event by a key that the event
/// does not have.
#[test]
fn an_index_that_names_what_an_event_does_not_have_is_damage() {
    for reading in [Reading::Mapped, Reading::Pread] {
        let disk = SimStorage::new();
        let log = inline(&disk, reading);
        for _ in 0..300 {
            append(&log, "stock-1", NewEvent::new("T").data(&[1; 100]));
        }
        let all = log.read_all().collect().unwrap();
        log.close().unwrap();
        let name = "00000000000000000001.idx";
        let run = Run::open(disk.read_file(name).unwrap()).unwrap();
        let mut offsets = Vec::new();
        run.postings(Kind::Type, "T", 0..u64::MAX, &mut offsets).unwrap();
        let mut table = Table::new(1);
        for (offset, event) in offsets.iter().zip(&all) {
            let event = event.as_event();
            let lie = event.position() == 5;
            let event = TableEvent {
                stream: "stock-1",
                version: event.version(),
                id: event.id().as_u128(),
                position: event.position(),
                offset: *offset,
                category: "stock",
                event_type: if lie { "Lie" } else { "T" },
                others: if lie { &[(Kind::Tag, "lie")] } else { &[] },
            };
            table.insert(&event).unwrap();
        }
        let meta = RunMeta { ..run.meta().clone() };
        disk.write_file(name, &build(&table, &meta));

        let log = inline(&disk, reading);
        let lies = [
            Filter::new().event_type("Lie"),
            Filter::new().tag("lie"),
            // Whichever of them leads, the other is not passed over either.
            Filter::new().event_type("T").event_type("Lie").tag("lie"),
        ];
        for filter in lies {
            let error = log.read_all().filter(filter.clone()).collect().unwrap_err();
            assert!(matches!(&error, Error::Corrupt(damage) if damage.cause == Damage::Index));
            let mut cursor = filtered(&log, filter);
            assert!(matches!(cursor.poll(9), Err(Error::Corrupt(_))));
            assert_eq!((cursor.position(), cursor.scanned_to()), (0, 0));
            assert!(matches!(cursor.poll(9), Err(Error::Corrupt(_))));
        }
    }
}

#[test]
fn a_damaged_run_is_made_again_and_the_answer_is_whole() {
    for reading in [Reading::Mapped, Reading::Pread] {
        let (disk, log) = rare(reading);
        log.close().unwrap();
        for name in disk.file_names().iter().filter(|name| name.ends_with(".idx")) {
            let len = disk.read_file(name).unwrap().len() as u64;
            for at in (100..len).step_by(97) {
                disk.flip_bit(name, at * 8);
            }
        }
        let log = inline(&disk, reading);
        let found = log.read_all().filter(Filter::new().tag("all")).collect().unwrap();
        assert_eq!(found.len(), 3000);
        let mut cursor = filtered(&log, Filter::new().tag("rare"));
        assert_eq!(positions(&cursor.poll(10).unwrap()), [2000]);
    }
}
