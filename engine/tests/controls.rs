//! Records that are no events stand among them in the log: nothing of the events changes
//! by that, and they survive what events survive.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]
use std::sync::Arc;

use annals::io::sim::{LoseAll, SimStorage};
use annals::{
    Background, Batch, Durability, Expected, Log, NewEvent, NewSnapshot, Options, Reading, Start,
    verify,
};

fn open(disk: &SimStorage, reading: Reading) -> Log {
    let options = Options::new().background(Background::Inline).reading(reading);
    options.segment_bytes(16 << 10).open_on(Arc::new(disk.clone())).unwrap()
}

/// Appends two events of a stream with everything that a batch can carry beside them,
/// and in every third batch without the events.
fn append(log: &Log, n: u64) {
    let (key, data) = (format!("message-{n}"), vec![1; (n * 157 % 3000) as usize]);
    let stream = format!("s-{}", n % 3);
    let mut batch = Batch::new();
    if !n.is_multiple_of(3) {
        batch.write(&stream, Expected::Any, ["A", "B"].map(NewEvent::new));
    }
    batch.once(&key).snapshot("s-1", 1, NewSnapshot::new(1).data(&data)).state(
        "sums",
        n,
        NewSnapshot::new(1).data(&data),
    );
    let head = log.head();
    let committed = log.append(&batch).unwrap();
    assert_eq!(committed.durability(), Durability::Durable);
    assert_eq!(log.head(), head + batch.len() as u64);
    assert_eq!(committed.first_position(), head + 1);
}

fn positions(log: &Log) -> Vec<u64> {
    let mut cursor = log.cursor(Start::Beginning).unwrap();
    let mut seen = Vec::new();
    loop {
        let events = cursor.poll(7).unwrap();
        if events.is_empty() {
            return seen;
        }
        seen.extend(events.iter().map(|event| event.position()));
    }
}

#[test]
fn events_are_read_as_if_nothing_stood_between_them() {
    for reading in [Reading::Mapped, Reading::Pread] {
        let disk = SimStorage::new();
        let mut log = open(&disk, reading);
        for life in 0..3 {
            (1..=20).for_each(|n| append(&log, life * 20 + n));
            let head = log.head();
            assert_eq!(positions(&log), (1..=head).collect::<Vec<_>>());
            let backward: Vec<_> = log.read_all().backward().collect().unwrap();
            let backward = backward.iter().map(|event| event.as_event().position());
            assert!(backward.eq((1..=head).rev()));
            let versions: Vec<_> = log.read("s-1").collect().unwrap();
            let versions = versions.iter().map(|event| event.as_event().version());
            assert!(versions.eq(1..=log.version("s-1").unwrap()));
            if life == 1 {
                drop(log);
                disk.power_cut(LoseAll);
                disk.rejoin();
            } else {
                log.close().unwrap();
            }
            let report = verify(&disk, &mut |_, _| {}).unwrap();
            assert!(report.findings.is_empty(), "{:?}", report.findings);
            log = open(&disk, reading);
            assert_eq!((log.head(), positions(&log).len() as u64), (head, head));
        }
    }
}

#[test]
fn what_has_no_events_is_written_before_the_append_returns() {
    let disk = SimStorage::new();
    let log = open(&disk, Reading::Mapped);
    log.append(Batch::new().write("s", Expected::NoStream, [NewEvent::new("T")])).unwrap();
    let fills: [fn(&mut Batch); 3] = [
        |batch| _ = batch.once("a key to look for"),
        |batch| _ = batch.snapshot("s", 1, NewSnapshot::new(1).data(b"a snapshot to look for")),
        |batch| _ = batch.state("s", 1, NewSnapshot::new(1).data(b"a state to look for")),
    ];
    let texts = ["a key to look for", "a snapshot to look for", "a state to look for"];
    for (fill, text) in fills.iter().zip(texts) {
        let mut batch = Batch::new();
        fill(&mut batch);
        let durable = || {
            let bytes = disk.read_durable("00000000000000000001.seg").unwrap_or_default();
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        };
        assert!(!durable());
        assert_eq!(log.append(&batch).unwrap().first_position(), 2);
        assert!(durable(), "{text}");
    }
    assert_eq!(log.head(), 1);
}

#[test]
fn the_same_batch_without_events_can_be_appended_again() {
    let disk = SimStorage::new();
    let log = open(&disk, Reading::Mapped);
    let mut batch = Batch::new();
    batch.state("s", 1, NewSnapshot::new(1)).expect("other", Expected::NoStream);
    for _ in 0..3 {
        log.append(&batch).unwrap();
    }
    // What it expects is looked at each time.
    let mut other = Batch::new();
    other.write("other", Expected::NoStream, [NewEvent::new("T")]);
    log.append(&other).unwrap();
    assert!(log.append(&batch).unwrap_err().is_conflict());
}
