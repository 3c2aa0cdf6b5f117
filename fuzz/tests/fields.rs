//! Every field of events and snapshots: each combination comes back from a log whose writer
//! was killed, and any flipped bit of them is noticed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;

use annals::io::sim::{KeepAll, SimStorage};
use annals::{
    Background, Batch, Error, Expected, Log, NewEvent, NewSnapshot, Occurred, Options, Reading,
    Timestamp, Uuid,
};

const SEGMENT: &str = "00000000000000000001.seg";

fn options(reading: Reading) -> Options {
    Options::new().background(Background::Inline).segment_bytes(1 << 20).reading(reading)
}

fn open(disk: &SimStorage, reading: Reading) -> annals::Result<Log> {
    options(reading).open_on(Arc::new(disk.clone()))
}

/// An event with those of eight fields whose bits are set.
fn event(bits: u32) -> NewEvent<'static> {
    let has = |bit: u32| bits >> bit & 1 == 1;
    let mut event = NewEvent::new("Happened").id(Uuid::from_u128(1 + u128::from(bits)));
    event = if has(0) { event.json(r#"{"total":12}"#) } else { event.data(b"total=12") };
    if has(1) {
        event = event.schema(7);
    }
    if has(2) {
        let at = Timestamp::from_nanos(-1_234_567_890);
        event = event.occurred_at(Occurred::utc(at));
    }
    if has(3) {
        event = event.tag("shop-4").tag("größe");
    }
    if has(4) {
        event = event.correlation("order-17");
    }
    if has(5) {
        event = event.caused_by("message-3");
    }
    if has(6) {
        event = event.metadata(b"\x00\xFFtrace");
    }
    if has(7) && !has(0) {
        event = event.content_type("text/plain");
    }
    event
}

/// What was given, from what was read.
fn is_event(read: annals::Event<'_>, bits: u32) {
    let has = |bit: u32| bits >> bit & 1 == 1;
    assert_eq!(read.id(), Uuid::from_u128(1 + u128::from(bits)));
    assert_eq!(read.data(), if has(0) { &br#"{"total":12}"#[..] } else { b"total=12" });
    assert_eq!(read.schema(), if has(1) { 7 } else { 1 });
    let occurred = read.occurred_at().map(|occurred| occurred.at.as_nanos());
    assert_eq!(occurred, has(2).then_some(-1_234_567_890));
    let tags: Vec<_> = read.tags().map(str::to_owned).collect();
    assert_eq!(tags, if has(3) { vec!["shop-4", "größe"] } else { Vec::new() });
    assert_eq!(read.correlation(), has(4).then_some("order-17"));
    assert_eq!(read.caused_by(), has(5).then_some("message-3"));
    assert_eq!(read.metadata(), if has(6) { &b"\x00\xFFtrace"[..] } else { b"" });
    let text = has(7).then_some("text/plain");
    assert_eq!(read.content_type(), if has(0) { Some("application/json") } else { text });
}

fn killed(bits: impl Iterator<Item = u32> + Clone) -> SimStorage {
    let disk = SimStorage::new();
    let log = open(&disk, Reading::Mapped).unwrap();
    for bits in bits {
        log.append(Batch::new().write("a-1", Expected::Any, [event(bits)])).unwrap();
    }
    let snapshot = || NewSnapshot::new(2).data(b"folded");
    let mut batch = Batch::new();
    batch.once("message-9");
    batch.snapshot("a-1", 1, snapshot().content_type("text/plain"));
    batch.state("sums", 5, NewSnapshot::new(2).json("[1]"));
    log.append(&batch).unwrap();
    disk.kill();
    drop(log);
    disk.power_cut(KeepAll);
    disk
}

#[test]
fn every_combination_of_fields_comes_back_after_a_crash() {
    let disk = killed(0..256);
    for reading in [Reading::Mapped, Reading::Pread] {
        let disk = disk.fork();
        let log = open(&disk, reading).unwrap();
        let events = log.read("a-1").collect().unwrap();
        assert_eq!(events.len(), 256);
        for (bits, read) in (0..).zip(&events) {
            is_event(read.as_event(), bits);
        }
        for (bits, read) in (0..).zip(&log.read_all().collect().unwrap()) {
            is_event(read.as_event(), bits);
            let again = log.append(Batch::new().write("a-1", Expected::Any, [event(bits)]));
            assert!(again.unwrap().is_deduplicated(), "{bits:b}");
        }
        let other = NewEvent::new("Happened").id(Uuid::from_u128(1)).schema(2);
        let refused = log.append(Batch::new().write("a-1", Expected::Any, [other]));
        assert!(matches!(refused, Err(Error::DuplicateConflict { position: 1, .. })));
        let snapshot = log.snapshot("a-1").unwrap().unwrap();
        assert_eq!((snapshot.version(), snapshot.content_type()), (1, Some("text/plain")));
        let state = log.state("sums", 2).unwrap().unwrap();
        assert_eq!((state.data(), state.content_type()), (&b"[1]"[..], Some("application/json")));
        assert!(log.append(Batch::new().once("message-9")).unwrap().is_deduplicated());
    }
}

#[test]
fn a_flipped_bit_in_any_field_is_noticed() {
    // With every field, in either form; what stands behind them proves that they were whole.
    let disk = killed([0xFE, 0x7F].into_iter());
    let bytes = disk.read_file(SEGMENT).unwrap();
    let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let mut refused = 0;
    for bit in 4096 * 8..(last as u64 + 1) * 8 {
        let disk = disk.fork();
        assert!(disk.flip_bit(SEGMENT, bit));
        match options(Reading::Mapped).strict(true).open_on(Arc::new(disk)) {
            Err(Error::Corrupt(_) | Error::WouldDiscard(_)) => refused += 1,
            other => panic!("bit {bit}: {:?}", other.map(|log| log.recovery().clone())),
        }
    }
    assert!(refused > 4_000, "{refused}");
}
