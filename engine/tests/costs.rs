//! What an operation costs in calls of the storage: writes, syncs, reads.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use annals::io::sim::{CallKind, Counts, Failure, Fault, Nth, SimStorage, Times};
use annals::{Background, Batch, Durability, Expected, Log, NewEvent, Options, Start, Uuid};

/// So few that no segment gets full.
const BATCHES: u64 = 20;

fn open(disk: &SimStorage) -> Log {
    let options = Options::new().background(Background::Inline).segment_bytes(4 << 20);
    options.open_on(Arc::new(disk.clone())).unwrap()
}

fn batch(stream: &str, events: usize) -> Batch {
    let mut batch = Batch::new();
    let new = (0..events).map(|_| NewEvent::new("Happened").data(b"1234"));
    batch.write(stream, Expected::Any, new);
    batch
}

/// Blocks of a run that a look-up of something that is not in it looks at, at most: where it
/// would be, and, the first time, where that block's checksum and those of its neighbours are.
const MISSING_BLOCKS: usize = 3;

/// The same for what is in it: also the blocks that have it.
const KNOWN_BLOCKS: usize = 5;

/// And over all runs of a log on the average.
const MEAN_BLOCKS: usize = 3;

/// What `work` adds to the counts, as (calls, writes, syncs).
fn calls(disk: &SimStorage, work: impl FnOnce()) -> (u64, u64, u64) {
    let before = disk.counts();
    work();
    let after = disk.counts();
    let syncs = |counts: Counts| counts.sync_data + counts.sync_all;
    (after.calls() - before.calls(), after.write - before.write, syncs(after) - syncs(before))
}

#[test]
fn a_durable_batch_of_100_events_costs_one_write_and_one_sync() {
    let disk = SimStorage::new();
    let log = open(&disk);
    log.append(&batch("a", 100)).unwrap();
    let cost = calls(&disk, || {
        for _ in 0..BATCHES {
            log.append(&batch("a", 100)).unwrap();
        }
    });
    assert_eq!(cost, (2 * BATCHES, BATCHES, BATCHES));
}

#[test]
fn a_written_append_costs_one_write_and_no_sync() {
    let disk = SimStorage::new();
    let log = open(&disk);
    log.append(&batch("a", 1)).unwrap();
    let cost = calls(&disk, || {
        for _ in 0..BATCHES {
            log.append_with(&batch("a", 1), Durability::Written).unwrap();
        }
    });
    assert_eq!(cost, (BATCHES, BATCHES, 0));
}

#[test]
fn buffered_appends_cost_no_call_and_one_sync_makes_all_of_them_durable() {
    let disk = SimStorage::new();
    let log = open(&disk);
    log.append(&batch("a", 1)).unwrap();
    let buffered = || {
        for _ in 0..BATCHES {
            log.append_with(&batch("a", 1), Durability::Buffered).unwrap();
        }
    };
    assert_eq!(calls(&disk, buffered), (0, 0, 0));
    assert_eq!(calls(&disk, || log.sync().unwrap()), (2, 1, 1));
}

#[test]
fn the_version_of_a_stream_is_told_without_a_call_also_behind_what_is_not_written() {
    let disk = SimStorage::new();
    let log = open(&disk);
    log.append(&batch("a", 1)).unwrap();
    let versions = || {
        for version in 2..2 + BATCHES {
            log.append_with(&batch("a", 1), Durability::Buffered).unwrap();
            assert_eq!(log.version("a").unwrap(), version);
        }
    };
    assert_eq!(calls(&disk, versions), (0, 0, 0));
    // What cannot be written any more is told no longer.
    disk.fail(Fault::new(Nth::Change(1), Failure::Device).times(Times::ForGood));
    assert!(log.sync().is_err());
    assert_eq!((log.version("a").unwrap(), log.head()), (1, 1));
}

#[test]
fn durable_appends_of_64_threads_share_writes_and_syncs() {
    const THREADS: u64 = 64;
    const EACH: u64 = 10;
    let disk = SimStorage::new();
    // A disk whose syncs take no time leaves nothing to share.
    disk.on_call(|call, _| {
        if call.kind == CallKind::SyncData {
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    let log = Options::new().open_on(Arc::new(disk.clone())).unwrap();
    let (_, writes, syncs) = calls(&disk, || {
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let log = &log;
                scope.spawn(move || {
                    for _ in 0..EACH {
                        log.append(&batch(&format!("s-{thread}"), 1)).unwrap();
                    }
                });
            }
        });
    });
    assert_eq!(log.head(), THREADS * EACH);
    // Each group is one write and one sync; some of the log's own come on top.
    assert!(syncs < THREADS * EACH / 4, "{syncs} syncs of {} appends", THREADS * EACH);
    assert!(writes < THREADS * EACH / 4, "{writes} writes of {} appends", THREADS * EACH);
}

/// Spread as random ones are, and the same in every run, so that the counts are.
fn id_of(number: u64) -> Uuid {
    Uuid::from_u64_pair((number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15), number)
}

/// A log of 40 sealed segments and more; streams have events in all of them.
fn many_segments(disk: &SimStorage) -> (Log, usize) {
    let options = Options::new().background(Background::Inline).segment_bytes(64 << 10);
    let log = options.open_on(Arc::new(disk.clone())).unwrap();
    let mut batch = Batch::new();
    for round in 0..300 {
        batch.clear();
        for n in 0..100 {
            let stream = format!("s-{}", (round * 100 + n) % 5000);
            let event = NewEvent::new("Happened").id(id_of(round * 100 + n)).data(b"1234");
            batch.write(&stream, Expected::Any, [event]);
        }
        log.append_with(&batch, Durability::Buffered).unwrap();
    }
    log.close().unwrap();
    let log = options.open_on(Arc::new(disk.clone())).unwrap();
    let runs = disk.file_names().into_iter().filter(|name| name.ends_with(".idx")).count();
    assert!(runs >= 40, "{runs} runs");
    (log, runs)
}

/// Has every run and segment opened.
fn open_all(log: &Log) {
    assert!(!log.contains(Uuid::from_u128(7)).unwrap());
    let mut cursor = log.cursor(Start::Beginning).unwrap();
    while !cursor.poll(1024).unwrap().is_empty() {}
}

/// Blocks of 4 KiB that were looked at in each run that was looked at, and how many records'
/// heads: reads of segments at different places.
fn reads(disk: &SimStorage, work: impl FnOnce()) -> (Vec<usize>, usize) {
    const BLOCK: u64 = 4096;
    disk.reset_counts();
    disk.trace_reads(true);
    work();
    disk.trace_reads(false);
    let of = |name: &String| disk.reads_of(name).into_iter();
    let blocks = |name: &String| {
        let all = of(name).flat_map(|range| range.start / BLOCK..range.end.div_ceil(BLOCK));
        all.collect::<BTreeSet<_>>().len()
    };
    let names = disk.file_names();
    let (runs, others): (Vec<_>, Vec<_>) = names.iter().partition(|name| name.ends_with(".idx"));
    let records = others
        .into_iter()
        .map(|name| of(name).map(|range| range.start).collect::<BTreeSet<_>>().len());
    (runs.into_iter().map(blocks).filter(|blocks| *blocks > 0).collect(), records.sum())
}

#[test]
fn the_first_look_up_opens_each_run_with_four_blocks_at_most() {
    let disk = SimStorage::new();
    let (log, runs) = many_segments(&disk);
    let look_up = || assert!(!log.contains(Uuid::from_u128(7)).unwrap());
    let (blocks, headers) = reads(&disk, look_up);
    assert!(blocks.len() == runs && blocks.iter().all(|blocks| *blocks <= 4), "{blocks:?}");
    assert!(headers <= runs + 1, "{headers} places in segments");
}

/// Slices and bytes of all runs that a look-up looks at when everything that it touches was
/// checked before.
fn warm(disk: &SimStorage, look_up: impl Fn()) -> (u64, u64) {
    look_up();
    disk.reset_counts();
    look_up();
    let names = disk.file_names();
    let runs = names.iter().filter(|name| name.ends_with(".idx"));
    let counts = runs.map(|name| disk.counts_of(name));
    counts.fold((0, 0), |(slices, bytes), counts| {
        (slices + counts.slice, bytes + counts.bytes_sliced)
    })
}

#[test]
fn a_warm_look_up_touches_few_bytes_of_each_run() {
    let disk = SimStorage::new();
    let (log, runs) = many_segments(&disk);
    open_all(&log);
    let runs = runs as u64;
    for n in 0..20 {
        let missing = id_of(1_000_000 + n);
        let (slices, bytes) = warm(&disk, || assert!(!log.contains(missing).unwrap()));
        assert!(slices <= 2 * runs && bytes <= 160 * runs, "id: {slices} slices, {bytes} bytes");
        let stream = format!("s-{}", n * 100 + 9);
        let read = || assert_eq!(log.read(&stream).collect().unwrap().len(), 6);
        let (slices, bytes) = warm(&disk, read);
        // Once ahead, for several runs together, and once to believe it.
        assert!(slices <= 10 * runs && bytes <= 360 * runs, "{slices} slices, {bytes} bytes");
    }
}

#[test]
fn an_id_that_is_not_there_costs_few_blocks_of_each_run_and_no_record() {
    let disk = SimStorage::new();
    let (log, runs) = many_segments(&disk);
    open_all(&log);
    for id in 1..=20 {
        let missing = id_of(1_000_000 + id);
        let look_up = || assert!(!log.contains(missing).unwrap());
        let (blocks, records) = reads(&disk, look_up);
        assert!(
            blocks.len() <= runs && blocks.iter().all(|blocks| *blocks <= MISSING_BLOCKS),
            "{blocks:?}"
        );
        assert_eq!(records, 0);
    }
}

#[test]
fn an_id_that_is_there_costs_few_blocks_of_a_run_and_its_record() {
    let disk = SimStorage::new();
    let (log, _) = many_segments(&disk);
    open_all(&log);
    let events = log.cursor(Start::Beginning).unwrap().poll(20).unwrap();
    for id in events.iter().map(|event| event.id()) {
        let (blocks, records) = reads(&disk, || assert!(log.event(id).unwrap().is_some()));
        assert!(blocks.iter().all(|blocks| *blocks <= KNOWN_BLOCKS), "{blocks:?}");
        assert!(records <= 3, "{records} places");
    }
}

#[test]
fn a_stream_in_40_segments_costs_few_blocks_of_each_run_and_no_record_but_its_own() {
    let disk = SimStorage::new();
    let (log, runs) = many_segments(&disk);
    open_all(&log);
    for nth in 0..20 {
        let stream = format!("s-{}", nth * 100 + 7);
        let read = || assert_eq!(log.read(&stream).collect().unwrap().len(), 6);
        let (blocks, records) = reads(&disk, read);
        assert!(blocks.iter().sum::<usize>() <= MEAN_BLOCKS * runs, "{blocks:?}");
        assert!(
            blocks.len() <= runs && blocks.iter().all(|blocks| *blocks <= KNOWN_BLOCKS),
            "{blocks:?}"
        );
        assert!(records <= 6 * 3, "{records} places for 6 events");
    }
}

#[test]
fn a_streams_version_is_found_in_the_newest_run_that_has_it() {
    let disk = SimStorage::new();
    let (log, runs) = many_segments(&disk);
    open_all(&log);
    for nth in 0..20 {
        // The last round of all streams is a sixth of the log.
        let stream = format!("s-{}", nth * 100 + 8);
        let (blocks, records) = reads(&disk, || assert_eq!(log.version(&stream).unwrap(), 6));
        assert!(blocks.len() <= runs.div_ceil(6) + 1, "{} of {runs} runs", blocks.len());
        assert!(blocks.iter().all(|blocks| *blocks <= KNOWN_BLOCKS), "{blocks:?}");
        assert_eq!(records, 0);
    }
}
