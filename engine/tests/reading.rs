//! Reads and cursors from and to any place, in both ways of reading, against a plain list.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;
use std::time::Duration;

use annals::io::sim::SimStorage;
use annals::{Background, Batch, Event, Expected, Log, NewEvent, Options, Reading, Start};
use proptest::prelude::*;

/// What is known of an event: position, stream, version, length of its data.
type Known = (u64, String, u64, usize);

fn options(reading: Reading) -> Options {
    Options::new().background(Background::Inline).segment_bytes(32 << 10).reading(reading)
}

/// A log over several segments, with batches of one to many events, and a reopening.
fn log(reading: Reading) -> (SimStorage, Log, Vec<Known>) {
    let disk = SimStorage::new();
    let mut log = options(reading).open_on(Arc::new(disk.clone())).unwrap();
    let mut known = Vec::new();
    let mut versions = [0; 5];
    for round in 0..60usize {
        if round == 31 {
            log.close().unwrap();
            log = options(reading).open_on(Arc::new(disk.clone())).unwrap();
        }
        let mut batch = Batch::new();
        let data = vec![7; 1 + round * 37 % 2000];
        for n in 0..1 + round * 7 % 9 {
            let stream = (round + n * n) % 5;
            let event = NewEvent::new("Happened").data(&data);
            batch.write(&format!("s-{stream}"), Expected::Any, [event]);
            versions[stream] += 1;
            let position = known.len() as u64 + 1;
            known.push((position, format!("s-{stream}"), versions[stream], data.len()));
        }
        log.append(&batch).unwrap();
    }
    assert!(disk.file_names().iter().filter(|name| name.ends_with(".seg")).count() >= 5);
    (disk, log, known)
}

fn seen(event: Event<'_>) -> Known {
    (event.position(), event.stream().to_owned(), event.version(), event.data().len())
}

/// What a read of `known` with these bounds gives.
fn expected(
    known: impl DoubleEndedIterator<Item = Known>,
    number: impl Fn(&Known) -> u64,
    (from, to): (u64, u64),
    backward: bool,
    limit: u64,
) -> Vec<Known> {
    let inside = known.filter(|event| number(event) >= from && number(event) <= to);
    let limit = usize::try_from(limit).unwrap();
    if backward { inside.rev().take(limit).collect() } else { inside.take(limit).collect() }
}

fn any_read(reading: Reading) {
    let (_disk, log, known) = log(reading);
    let bound = || prop_oneof![0u64..12, 0u64..400, Just(u64::MAX)];
    let cases = ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() };
    proptest!(cases, |(from in bound(), to in bound(), backward: bool, limit in 0u64..400, s in 0usize..6)| {
        let mut read = log.read_all().from(from).to(to).limit(limit);
        if backward {
            read = read.backward();
        }
        let found: Vec<_> =
            read.collect().unwrap().iter().map(|event| seen(event.as_event())).collect();
        let all = known.iter().cloned();
        prop_assert_eq!(found, expected(all, |event| event.0, (from, to), backward, limit));

        let name = format!("s-{s}");
        let mut read = log.read(&name).from(from).to(to).limit(limit);
        if backward {
            read = read.backward();
        }
        let found: Vec<_> =
            read.collect().unwrap().iter().map(|event| seen(event.as_event())).collect();
        let own = known.iter().filter(|event| event.1 == name).cloned();
        prop_assert_eq!(found, expected(own, |event| event.2, (from, to), backward, limit));
    });
}

#[test]
fn mapped_reads_from_and_to_any_place_give_what_a_list_gives() {
    any_read(Reading::Mapped);
}

#[test]
fn pread_reads_from_and_to_any_place_give_what_a_list_gives() {
    any_read(Reading::Pread);
}

#[test]
fn a_cursor_from_any_position_in_pieces_of_any_size_misses_and_doubles_nothing() {
    for reading in [Reading::Mapped, Reading::Pread] {
        let (_disk, log, known) = log(reading);
        let head = known.len() as u64;
        for after in (0..=head).step_by(7).chain([head]) {
            for max in [1, 3, 1000] {
                let mut cursor = log.cursor(Start::After(after)).unwrap();
                assert_eq!(cursor.position(), after);
                let mut found = Vec::new();
                loop {
                    let events = cursor.poll(max).unwrap();
                    assert!(events.len() <= max);
                    if events.is_empty() {
                        break;
                    }
                    found.extend(events.iter().map(seen));
                    assert_eq!(cursor.position(), found.last().unwrap().0);
                }
                let skip = usize::try_from(after).unwrap();
                assert!(found == known[skip..], "after {after}, {max} at a time");
            }
        }
    }
}

#[test]
fn catching_up_and_following_are_one_loop_also_over_rolls() {
    for reading in [Reading::Mapped, Reading::Pread] {
        let (_disk, log, mut known) = log(reading);
        let mut cursor = log.cursor(Start::Beginning).unwrap();
        let mut end = log.cursor(Start::End).unwrap();
        assert!(end.poll(10).unwrap().is_empty());
        assert!(end.wait(Duration::from_millis(1)).unwrap().is_empty());
        let mut found = Vec::new();
        for round in 0..40u64 {
            found.extend(cursor.poll(usize::MAX).unwrap().iter().map(seen));
            let mut batch = Batch::new();
            batch.write("live", Expected::Exact(round), [NewEvent::new("T").data(&[1; 3000])]);
            let committed = log.append(&batch).unwrap();
            known.push((committed.first_position(), "live".to_owned(), round + 1, 3000));
            let events = end.wait(Duration::from_secs(5)).unwrap();
            assert_eq!(events.iter().map(seen).collect::<Vec<_>>(), known[known.len() - 1..]);
        }
        loop {
            let events = cursor.poll(usize::MAX).unwrap();
            if events.is_empty() {
                break;
            }
            found.extend(events.iter().map(seen));
        }
        assert_eq!(found, known);
    }
}

#[test]
fn events_larger_than_any_window_come_back_in_both_ways_of_reading() {
    for reading in [Reading::Mapped, Reading::Pread] {
        let disk = SimStorage::new();
        let log = options(reading).open_on(Arc::new(disk)).unwrap();
        let sizes = [10, 300 << 10, 5, (2 << 20) + 3, 1 << 20, 0, 70 << 10];
        for (n, size) in sizes.iter().enumerate() {
            let data: Vec<u8> = (0..*size).map(|at: usize| at.to_le_bytes()[0]).collect();
            let mut batch = Batch::new();
            batch.write("big", Expected::Exact(n as u64), [NewEvent::new("T").data(&data)]);
            log.append(&batch).unwrap();
        }
        for backward in [false, true] {
            let (mut all, mut own) = (log.read_all(), log.read("big"));
            if backward {
                (all, own) = (all.backward(), own.backward());
            }
            for read in [all.collect().unwrap(), own.collect().unwrap()] {
                let mut found: Vec<_> =
                    read.iter().map(|event| event.as_event().data().len()).collect();
                if backward {
                    found.reverse();
                }
                assert_eq!(found, sizes);
                let sound = read.iter().all(|event| {
                    let data = event.as_event().data();
                    data.iter().enumerate().all(|(at, byte)| *byte == at.to_le_bytes()[0])
                });
                assert!(sound);
            }
        }
    }
}

#[test]
fn what_was_handed_out_stays_readable_after_the_log_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let log = Log::open(directory.path()).unwrap();
    let mut batch = Batch::new();
    batch.write("a", Expected::Any, [NewEvent::new("Happened").data(&[5; 5000])]);
    log.append(&batch).unwrap();
    let mut cursor = log.cursor(Start::Beginning).unwrap();
    let events = cursor.poll(10).unwrap();
    log.close().unwrap();
    let event = events.get(0).unwrap();
    assert_eq!((event.data(), event.stream()), (&[5; 5000][..], "a"));
    assert!(matches!(cursor.wait(Duration::from_secs(1)), Err(annals::Error::Closed)));
}

#[test]
fn a_stream_is_read_up_to_damage_and_nobody_gets_past_it_by_asking_again() {
    for reading in [Reading::Mapped, Reading::Pread] {
        let disk = SimStorage::new();
        let log = options(reading).open_on(Arc::new(disk.clone())).unwrap();
        // Over several segments, so that a later part is whole.
        for n in 1..=90_u64 {
            let text = format!("this is event number {n:4} {}", "x".repeat(900));
            let event = NewEvent::new("Happened").data(text.as_bytes());
            log.append(Batch::new().write("s", Expected::Any, [event])).unwrap();
        }
        log.close().unwrap();
        let hurt = 7;
        let needle = format!("this is event number {hurt:4}");
        let name = "00000000000000000001.seg";
        let bytes = disk.read_file(name).unwrap();
        let at = bytes.windows(needle.len()).position(|w| w == needle.as_bytes()).unwrap();
        assert!(disk.flip_bit(name, at as u64 * 8));
        let log = options(reading).open_on(Arc::new(disk.clone())).unwrap();
        for backward in [false, true] {
            let read = if backward { log.read("s").backward() } else { log.read("s") };
            let mut read = read;
            let mut versions = Vec::new();
            let error = loop {
                match read.next() {
                    Ok(Some(event)) => versions.push(event.version()),
                    Ok(None) => panic!("the damage was passed over"),
                    Err(error) => break error,
                }
            };
            let whole: Vec<u64> =
                if backward { (hurt + 1..=90).rev().collect() } else { (1..hurt).collect() };
            assert_eq!(versions, whole);
            for _ in 0..3 {
                let again = read.next().map(|event| event.map(|event| event.version()));
                assert!(matches!(again, Err(annals::Error::Corrupt(_))), "{again:?}");
            }
            assert!(matches!(error, annals::Error::Corrupt(_)));
        }
    }
}
