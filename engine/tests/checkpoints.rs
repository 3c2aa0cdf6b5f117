//! Where cursors start, when that is not a plain position: checkpoints, which tell a log
//! that is no longer what the reader saw, and times.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]
mod beside;

use annals::io::sim::{LoseAll, SimStorage};
use annals::{CursorOptions, Durability, Error, Start, Visibility};
use beside::{append, drain, open, reader, until_it_looks, written};

#[test]
fn a_power_cut_that_loses_what_a_reader_saw_written_is_told_by_its_checkpoint() {
    let disk = SimStorage::new();
    let log = open(&disk);
    let other = disk.another_process();
    let (durable, early) = (reader(&other), written(&other));
    append(&log, "a", 10, Durability::Durable);
    append(&log, "a", 10, Durability::Written);
    let mut durable_cursor = durable.cursor(Start::Beginning).unwrap();
    let options = CursorOptions::new().visibility(Visibility::Written);
    let mut early_cursor = early.cursor_with(Start::Beginning, &options).unwrap();
    assert_eq!((drain(&mut durable_cursor), drain(&mut early_cursor)), (vec![1], vec![1, 2]));
    let durable_checkpoint = durable_cursor.checkpoint().unwrap();
    let early_checkpoint = early_cursor.checkpoint().unwrap();
    assert_eq!(durable_checkpoint.epoch, early_checkpoint.epoch);
    disk.power_cut(LoseAll);
    let log = open(&disk);
    let refused = |checkpoint| {
        let error = log.cursor(Start::Checkpoint(checkpoint)).unwrap_err();
        assert!(matches!(error, Error::Diverged { same_until: 1, .. }), "{error}");
    };
    // Before anything has its position, and when something else has.
    refused(early_checkpoint);
    append(&log, "b", 10, Durability::Durable);
    refused(early_checkpoint);
    let mut cursor = log.cursor(Start::Checkpoint(durable_checkpoint)).unwrap();
    let events = cursor.poll(10).unwrap();
    assert_eq!((events.len(), events.get(0).unwrap().stream()), (1, "b"));
    assert_ne!(cursor.checkpoint().unwrap().epoch, durable_checkpoint.epoch);
    // Another log is another log.
    let other = open(&SimStorage::new());
    let error = other.cursor(Start::Checkpoint(durable_checkpoint)).unwrap_err();
    assert!(matches!(error, Error::Diverged { same_until: 0, .. }), "{error}");
}

#[test]
fn a_copy_that_was_restored_is_told_by_a_checkpoint() {
    let disk = SimStorage::new();
    let log = open(&disk);
    append(&log, "a", 10, Durability::Durable);
    let copy = disk.fork();
    append(&log, "a", 10, Durability::Durable);
    let mut cursor = log.cursor(Start::Beginning).unwrap();
    drain(&mut cursor);
    let checkpoint = cursor.checkpoint().unwrap();
    copy.kill();
    let restored = open(&copy);
    append(&restored, "other", 10, Durability::Durable);
    let error = restored.cursor(Start::Checkpoint(checkpoint)).unwrap_err();
    assert!(matches!(error, Error::Diverged { same_until: 1, .. }), "{error}");
}

#[test]
fn a_live_cursor_is_told_when_what_it_saw_was_lost() {
    // The reader's process lives on while the log is put back to an earlier copy, as a
    // restored backup would.
    let disk = SimStorage::new();
    let log = open(&disk);
    append(&log, "a", 10, Durability::Durable);
    log.close().unwrap();
    let backup: Vec<_> = disk
        .file_names()
        .into_iter()
        .map(|name| (name.clone(), disk.read_file(&name).unwrap()))
        .collect();
    let log = open(&disk);
    let reader = reader(&disk.another_process());
    let mut cursor = reader.cursor(Start::Beginning).unwrap();
    append(&log, "a", 10, Durability::Durable);
    append(&log, "a", 10, Durability::Durable);
    assert_eq!(drain(&mut cursor), [1, 2, 3]);
    log.close().unwrap();
    for (name, bytes) in backup {
        disk.remove_file(&name);
        disk.write_file(&name, &bytes);
    }
    let log = open(&disk);
    append(&log, "b", 10, Durability::Durable);
    until_it_looks();
    // The epoch that wrote what was lost is nowhere in the log: nothing is known of how
    // far the reader saw the same.
    let error = cursor.poll(10).unwrap_err();
    assert!(matches!(error, Error::Diverged { same_until: 0, .. }), "{error}");
}

#[test]
fn a_checkpoint_of_what_is_written_and_not_durable_yet_is_beyond_the_durable_head() {
    let disk = SimStorage::new();
    let log = open(&disk);
    append(&log, "a", 10, Durability::Durable);
    append(&log, "a", 10, Durability::Written);
    let options = CursorOptions::new().visibility(Visibility::Written);
    let mut early = log.cursor_with(Start::Beginning, &options).unwrap();
    assert_eq!(drain(&mut early), [1, 2]);
    let checkpoint = early.checkpoint().unwrap();
    let reader = reader(&disk.another_process());
    for refused in
        [log.cursor(Start::Checkpoint(checkpoint)), reader.cursor(Start::Checkpoint(checkpoint))]
    {
        let error = refused.unwrap_err();
        assert!(matches!(error, Error::BeyondHead { position: 2, head: 1 }), "{error}");
    }
    assert!(reader.cursor_with(Start::Checkpoint(checkpoint), &options).is_ok());
    log.sync().unwrap();
    assert!(reader.cursor(Start::Checkpoint(checkpoint)).is_ok());
}

#[test]
fn a_start_in_time_is_before_the_first_event_recorded_then() {
    let disk = SimStorage::new();
    let log = open(&disk);
    let mut times = Vec::new();
    // The clock jumps back and forth: the recorded time does not.
    for n in 0..60_i64 {
        disk.set_now(1_000_000 + (n % 7) * 1000 + n * 10);
        append(&log, "a", 700, Durability::Durable);
        let last = log.read_all().backward().limit(1).collect().unwrap();
        times.push(last[0].as_event().recorded_at());
    }
    assert!(times.is_sorted());
    for (n, time) in times.iter().enumerate() {
        let first = times.iter().position(|other| other >= time).unwrap();
        let mut cursor = log.cursor(Start::At(*time)).unwrap();
        assert_eq!(cursor.position() as usize, first, "{n}");
        assert_eq!(cursor.poll(1).unwrap().get(0).unwrap().position() as usize, first + 1);
    }
    let late = annals::Timestamp::from_nanos(i64::MAX);
    assert_eq!(log.cursor(Start::At(late)).unwrap().position(), 60);
    let early = annals::Timestamp::from_nanos(i64::MIN);
    assert_eq!(log.cursor(Start::At(early)).unwrap().position(), 0);
}
