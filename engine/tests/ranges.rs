//! From the least to the most of everything: sizes, names, positions, versions, cursors.
//! What is at its limit comes back whole on every way of reading; what is beyond it is
//! refused by name.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

#[path = "ranges/cursors.rs"]
mod cursors;
#[path = "ranges/names.rs"]
mod names;
#[path = "ranges/numbers.rs"]
mod numbers;
#[path = "golden/records.rs"]
#[allow(dead_code)]
mod records;

use std::path::Path;

use annals::{
    Batch, Cursor, Error, Expected, Log, NewEvent, NewSnapshot, Options, Reader, Reading, Start,
    Uuid, limits,
};

/// The bytes of an event's payload that are not its data, for a stream "s" and a type "T".
const NAMES: usize = 20 + 1 + 1;

// What the limits are is part of the promise.
const _: () = assert!(limits::EVENT_BYTES == 16 << 20 && limits::BATCH_BYTES == 32 << 20);

const SEGMENTS: [u64; 2] = [16 << 10, 1 << 20];

fn options(segment_bytes: u64) -> Options {
    Options::new().segment_bytes(segment_bytes)
}

/// Bytes that differ from place to place.
fn data(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| (n ^ (n >> 8) ^ (n >> 16)) as u8).collect()
}

fn too_large(outcome: annals::Result<annals::Committed>, named: (&str, usize, usize)) {
    match outcome {
        Err(Error::TooLarge { what, size, limit }) => {
            assert_eq!((what, size as usize, limit as usize), named);
        }
        other => panic!("{named:?}: {other:?}"),
    }
}

/// What a cursor hands out, in its order.
fn sizes(mut cursor: Cursor) -> Vec<(u64, usize)> {
    let mut found = Vec::new();
    loop {
        let events = cursor.poll(1000).unwrap();
        if events.is_empty() {
            return found;
        }
        found.extend(events.iter().map(|event| (event.position(), event.data().len())));
    }
}

/// On every way of reading, the log holds these events, the last of which has this data.
fn read_back(path: &Path, reader: &Reader, expected: &[(u64, usize)], last: &[u8]) {
    let (position, _) = *expected.last().unwrap();
    for reader in [
        reader.clone(),
        Reader::open(path).unwrap(),
        Options::new().reading(Reading::Pread).open_reader(path).unwrap(),
    ] {
        assert_eq!(sizes(reader.cursor(Start::Beginning).unwrap()), expected);
        let read = reader.read("s").collect().unwrap();
        let found: Vec<_> = read.iter().map(|event| event.as_event()).collect();
        assert!(found.iter().map(|e| (e.position(), e.data().len())).eq(expected.iter().copied()));
        assert!(found.last().unwrap().data() == last);
        let backward = reader.read_all().backward().limit(1).collect().unwrap();
        assert!(backward[0].as_event().data() == last);
        let by_id = reader.event(backward[0].as_event().id()).unwrap().unwrap();
        assert!(by_id.as_event().data() == last && by_id.as_event().position() == position);
        let mut cursor = reader.cursor(Start::After(position - 1)).unwrap();
        assert!(cursor.poll(1).unwrap().get(0).unwrap().data() == last);
    }
}

/// The ways of a log itself: appended in one life, read in it and in the next one.
fn in_two_lives(segment_bytes: u64, append: impl Fn(&Log), check: impl Fn(&Path, &Reader)) {
    for reading in [Reading::Mapped, Reading::Pread] {
        let folder = tempfile::tempdir().unwrap();
        let options = options(segment_bytes).reading(reading);
        let log = options.open(folder.path()).unwrap();
        append(&log);
        check(folder.path(), log.reader());
        drop(log);
        let log = options.open(folder.path()).unwrap();
        assert!(log.recovery().clean);
        check(folder.path(), log.reader());
    }
}

#[test]
fn an_event_of_16_mib_comes_back_whole_and_one_byte_more_is_refused() {
    let whole = data(limits::EVENT_BYTES - NAMES + 1);
    let most = &whole[..limits::EVENT_BYTES - NAMES];
    for segment_bytes in SEGMENTS {
        let append = |log: &Log| {
            let of = |data| {
                let mut batch = Batch::new();
                batch.write("s", Expected::Any, [NewEvent::new("T").data(data)]);
                log.append(&batch)
            };
            of(b"small").unwrap();
            let beyond = limits::EVENT_BYTES + 1;
            too_large(of(&whole), ("event (bytes)", beyond, limits::EVENT_BYTES));
            of(most).unwrap();
        };
        let expected = [(1, 5), (2, most.len())];
        in_two_lives(segment_bytes, append, |path, reader| {
            read_back(path, reader, &expected, most);
        });
    }
}

#[test]
fn metadata_counts_with_the_data_and_snapshots_have_the_same_limit() {
    let folder = tempfile::tempdir().unwrap();
    let log = options(16 << 10).open(folder.path()).unwrap();
    let bytes = data(limits::EVENT_BYTES);
    // The metadata's length takes 4 bytes.
    let (metadata, rest) = bytes.split_at(limits::EVENT_BYTES / 2);
    let rest = &rest[..rest.len() - NAMES - 4];
    let of = |metadata, data| {
        let mut batch = Batch::new();
        batch.write("s", Expected::Any, [NewEvent::new("T").metadata(metadata).data(data)]);
        batch
    };
    let limit = limits::EVENT_BYTES;
    log.append(&of(metadata, rest)).unwrap();
    let longer = &bytes[..metadata.len() + 1];
    too_large(log.append(&of(longer, rest)), ("event (bytes)", limit + 1, limit));
    let read = log.read("s").collect().unwrap();
    assert!(read[0].as_event().metadata() == metadata && read[0].as_event().data() == rest);

    // Of a snapshot, 8 bytes and the name are not its data.
    let most = &bytes[..limit - 9];
    for state in [false, true] {
        let of = |data| {
            let (mut batch, snapshot) = (Batch::new(), NewSnapshot::new(1).data(data));
            if state {
                batch.state("p", 7, snapshot);
            } else {
                batch.snapshot("s", 1, snapshot);
            }
            batch
        };
        let what = if state { "state (bytes)" } else { "snapshot (bytes)" };
        too_large(log.append(&of(&bytes[..limit - 8])), (what, limit + 1, limit));
        log.append(&of(most)).unwrap();
    }
    drop(log);
    for reader in [options(16 << 10).open(folder.path()).unwrap().reader(), &open(folder.path())] {
        assert!(reader.load("s", 1).unwrap().snapshot().unwrap().data() == most);
        assert!(reader.state("p", 1).unwrap().unwrap().data() == most);
    }
}

fn open(path: &Path) -> Reader {
    Reader::open(path).unwrap()
}

#[test]
fn a_batch_of_32_mib_comes_back_whole_and_one_record_more_is_refused() {
    // Two events: with their heads of 40 bytes and the names, 32 MiB and no byte more.
    let first = data(limits::EVENT_BYTES - NAMES);
    let second = &first[..first.len() - 80];
    for segment_bytes in SEGMENTS {
        let append = |log: &Log| {
            let mut batch = Batch::new();
            let events = [&first[..], second].map(|data| NewEvent::new("T").data(data));
            batch.write("s", Expected::NoStream, events);
            assert_eq!(batch.bytes(), limits::BATCH_BYTES as u64);
            log.append(&batch).unwrap();
            batch.write("s", Expected::Any, [NewEvent::new("T")]);
            let beyond = limits::BATCH_BYTES + 64;
            too_large(log.append(&batch), ("batch (bytes)", beyond, limits::BATCH_BYTES));
            log.append(Batch::new().write("s", Expected::Any, [NewEvent::new("T")])).unwrap();
        };
        let expected = [(1, first.len()), (2, second.len()), (3, 0)];
        in_two_lives(segment_bytes, append, |path, reader| {
            read_back(path, reader, &expected, &[]);
            let read = reader.read_all().to(2).collect().unwrap();
            assert!(read[0].as_event().data() == first && read[1].as_event().data() == second);
        });
    }
}

/// The least that an event takes is 64 bytes, so 32 MiB hold 524,288 of them.
#[test]
fn a_batch_of_half_a_million_events_comes_back_whole() {
    let events = limits::BATCH_BYTES / 64;
    let folder = tempfile::tempdir().unwrap();
    let log = options(16 << 10).open(folder.path()).unwrap();
    let mut batch = Batch::new();
    let id = |n: usize| Uuid::from_u128(n as u128 + 1);
    batch.write("s", Expected::NoStream, (0..events).map(|n| NewEvent::new("T").id(id(n))));
    assert_eq!(batch.bytes(), limits::BATCH_BYTES as u64);
    assert_eq!(log.append(&batch).unwrap().version("s"), Some(events as u64));
    assert!(log.append(&batch).unwrap().is_deduplicated());
    drop(log);
    let log = options(16 << 10).open(folder.path()).unwrap();
    for reader in [log.reader(), &open(folder.path())] {
        let mut read = reader.read("s").from(events as u64 - 1);
        let mut last = 0;
        while let Some(event) = read.next().unwrap() {
            assert_eq!(
                (event.id(), event.is_last_of_batch()),
                (id(event.position() as usize - 1), event.position() == events as u64)
            );
            last = event.version();
        }
        assert_eq!(last, events as u64);
        let all = sizes(reader.cursor(Start::Beginning).unwrap());
        assert!(all.iter().map(|(position, _)| *position).eq(1..=events as u64));
        assert!(reader.contains(id(events - 1)).unwrap() && !reader.contains(id(events)).unwrap());
    }
}
