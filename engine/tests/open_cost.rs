//! What opening costs, by the storage's own count.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]
use std::sync::Arc;

use annals::io::sim::SimStorage;
use annals::{Background, Batch, Expected, NewEvent, Options};

#[test]
fn opening_a_closed_log_of_a_million_events_in_40_segments_reads_no_record_of_a_sealed_one() {
    let disk = SimStorage::new();
    let options = Options::new().background(Background::Inline).segment_bytes(2_000_000);
    let log = options.open_on(Arc::new(disk.clone())).unwrap();
    let mut batch = Batch::new();
    for round in 0..1000 {
        batch.clear();
        for n in 0..1000 {
            let stream = format!("s-{}", (round * 1000 + n) % 5000);
            batch.write(&stream, Expected::Any, [NewEvent::new("Happened").data(b"1234")]);
        }
        log.append(&batch).unwrap();
    }
    log.close().unwrap();
    let segments: Vec<_> =
        disk.file_names().into_iter().filter(|name| name.ends_with(".seg")).collect();
    assert!(segments.len() >= 40, "{} segments", segments.len());

    disk.trace_reads(true);
    disk.reset_counts();
    let log = options.create(false).open_on(Arc::new(disk.clone())).unwrap();
    assert!(log.recovery().clean);
    assert_eq!((log.head(), log.recovery().scanned_bytes), (1_000_000, 0));
    let (active, sealed) = segments.split_last().unwrap();
    for name in sealed {
        for range in disk.reads_of(name) {
            // The first block holds the header and the witness, no record.
            assert!(range.end <= 4096, "{name}: {range:?}");
        }
    }
    for range in disk.reads_of(active) {
        let durable = disk.read_file(active).unwrap();
        let end = durable.iter().rposition(|byte| *byte != 0).unwrap() as u64;
        assert!(range.end <= 4096 || range.start >= end, "{active}: {range:?}");
    }
    let counts = disk.counts();
    assert!(counts.bytes_read < 64 << 10, "{counts:?}");
    assert_eq!(counts.bytes_written, 0, "{counts:?}");
    // And it is all there.
    assert_eq!(log.version("s-17").unwrap(), 200);
    assert_eq!(log.read("s-17").backward().limit(1).collect().unwrap().len(), 1);
}

#[test]
fn a_durable_append_alone_costs_one_write_and_one_sync() {
    let disk = SimStorage::new();
    let options = Options::new().background(Background::Inline).segment_bytes(1 << 20);
    let log = options.open_on(Arc::new(disk.clone())).unwrap();
    let append = |n: u64| {
        let mut batch = Batch::new();
        batch.write("a", Expected::Exact(n), [NewEvent::new("Happened").data(b"1234")]);
        log.append(&batch).unwrap();
    };
    append(0);
    let before = disk.counts();
    (1..=100).for_each(append);
    let after = disk.counts();
    assert_eq!(after.write - before.write, 100);
    assert_eq!(after.sync_data + after.sync_all - before.sync_data - before.sync_all, 100);
    assert_eq!(after.calls() - before.calls(), 200, "{before:?} {after:?}");
}

#[test]
fn an_idle_log_writes_its_witness_and_then_nothing() {
    let disk = SimStorage::new();
    let log = Options::new().segment_bytes(64 << 10).open_on(Arc::new(disk.clone())).unwrap();
    let mut batch = Batch::new();
    batch.write("a", Expected::Any, [NewEvent::new("Happened")]);
    log.append(&batch).unwrap();
    let settled = || {
        std::thread::sleep(std::time::Duration::from_millis(700));
        disk.changes()
    };
    let after_witness = settled();
    assert_eq!(settled(), after_witness, "an idle log goes on writing");
    // With it, damage to what was synced last is no torn tail any more.
    disk.kill();
    let name = "00000000000000000001.seg";
    let mut bytes = disk.read_file(name).unwrap();
    bytes[4096..].fill(0);
    disk.write_file(name, &bytes);
    let error = Options::new().open_on(Arc::new(disk.clone())).unwrap_err();
    assert!(matches!(error, annals::Error::Corrupt(_)), "{error}");
}
