//! A million streams: appended, closed, opened again, looked up, listed and appended to, in
//! the memory that was promised. A test program of its own, so that its memory is its own.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

use std::path::Path;
use std::time::Instant;

use annals::{
    Batch, CursorOptions, Durability, Error, Expected, Filter, Log, NewEvent, Reader, Start,
};

const STREAMS: u64 = 1_000_000;
const BATCH: u64 = 1_000;

/// Of 1,000 categories.
fn name(n: u64) -> String {
    format!("account{}-{n:07}", n % 1_000)
}

fn sample() -> impl Iterator<Item = u64> {
    // Steps that meet every segment, and both ends.
    (0..STREAMS).step_by(9_973).chain([STREAMS - 1])
}

/// The most memory that this process ever had, in bytes, and what it has now; where the
/// system tells.
fn memory() -> Option<[u64; 2]> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = |field: &str| -> Option<u64> {
        let line = status.lines().find(|line| line.starts_with(field))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    Some([kib("VmHWM:")? << 10, kib("RssAnon:")? << 10])
}

fn fill(path: &Path) {
    let log = Log::open(path).unwrap();
    let mut batch = Batch::new();
    for first in (0..STREAMS).step_by(BATCH as usize) {
        batch.clear();
        for n in first..first + BATCH {
            let data = n.to_le_bytes();
            batch.write(&name(n), Expected::NoStream, [NewEvent::new("Opened").data(&data)]);
        }
        let committed = log.append_with(&batch, Durability::Buffered).unwrap();
        assert_eq!(committed.first_position(), first + 1);
    }
    assert_eq!(log.version(&name(0)).unwrap(), 1);
    log.close().unwrap();
}

fn look_up(reader: &Reader) {
    for n in sample() {
        let name = name(n);
        assert_eq!(reader.version(&name).unwrap(), 1, "{name}");
        let read = reader.read(&name).collect().unwrap();
        let [event] = read.as_slice() else { unreachable!("{name}: {} events", read.len()) };
        assert_eq!(event.as_event().data(), n.to_le_bytes());
        assert_eq!(event.as_event().position(), n + 1);
    }
    for absent in ["account0-0000001", "account", "account999-9999999", "zzz"] {
        assert_eq!(reader.version(absent).unwrap(), 0);
    }
}

fn list(reader: &Reader) {
    for (prefix, expected) in
        [("account7-", STREAMS / 1_000), ("account99", STREAMS / 1_000 * 11), ("b", 0)]
    {
        let mut streams = reader.streams(prefix).unwrap();
        assert_eq!(streams.len() as u64, expected, "{prefix}");
        let mut last = String::new();
        while let Some(stream) = streams.next().unwrap() {
            assert!(stream.name.starts_with(prefix) && *stream.name > *last);
            assert_eq!(stream.version, 1);
            stream.name.clone_into(&mut last);
        }
    }
    let options = CursorOptions::new().filter(Filter::new().category("account7"));
    let mut cursor = reader.cursor_with(Start::Beginning, &options).unwrap();
    let mut found = 0;
    loop {
        let events = cursor.poll(1_000).unwrap();
        if events.is_empty() {
            break;
        }
        found += events.len() as u64;
    }
    assert_eq!((found, cursor.scanned_to()), (STREAMS / 1_000, STREAMS));
    let all = reader.streams("").unwrap();
    assert_eq!(all.len() as u64, STREAMS);
}

fn append_to_samples(log: &Log) {
    for n in sample() {
        let mut batch = Batch::new();
        batch.write(&name(n), Expected::NoStream, [NewEvent::new("Opened")]);
        let refused = log.append_with(&batch, Durability::Buffered);
        assert!(matches!(refused, Err(Error::WrongExpectedVersion { actual: 1, .. })));
        batch.clear();
        batch.write(&name(n), Expected::Exact(1), [NewEvent::new("Closed")]);
        assert_eq!(
            log.append_with(&batch, Durability::Buffered).unwrap().version(&name(n)),
            Some(2)
        );
    }
    log.sync().unwrap();
    for n in sample() {
        assert_eq!(log.version(&name(n)).unwrap(), 2);
    }
    assert_eq!(log.head(), STREAMS + sample().count() as u64);
}

#[test]
fn a_million_streams_are_appended_looked_up_listed_and_appended_to() {
    let folder = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let told = |what: &str| println!("{what} after {:.1?}, memory {:?}", start.elapsed(), memory());
    fill(folder.path());
    told("filled");
    let filled = memory();
    let log = Log::open(folder.path()).unwrap();
    assert!(log.recovery().clean && log.recovery().scanned_bytes == 0);
    look_up(&log);
    told("looked up");
    let looked_up = memory();
    list(&log);
    told("listed");
    append_to_samples(&log);
    log.close().unwrap();
    let reader = Reader::open(folder.path()).unwrap();
    assert_eq!(reader.version(&name(0)).unwrap(), 2);
    assert_eq!(reader.stats().unwrap().streams, STREAMS);
    told("appended to");
    if let (Some([most, _]), Some([_, anonymous]), Some([in_all, _])) =
        (filled, looked_up, memory())
    {
        // The tables of three segments of 64 MiB; then runs, which are mapped; then all names.
        assert!(most < 256 << 20, "{most} bytes to append");
        assert!(anonymous < 128 << 20, "{anonymous} bytes to look up");
        assert!(in_all < 512 << 20, "{in_all} bytes in all");
    }
}
