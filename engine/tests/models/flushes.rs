//! What nobody waits for: the flusher, `sync` and the background, with waits that end by
//! their time whenever the checker likes.

use annals::io::sim::SimStorage;
use annals::model::Time;
use annals::{CursorOptions, Durability, Expected, Start, Visibility};

use crate::harness::{Model, holds};
use crate::words::{Promise, close, joined, left, next, one, open, options, spawn};

/// Two threads append what is not durable and sync, while the flusher may at any moment:
/// what a thread appended before its sync is durable when that returns.
fn synced() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    let levels = [Durability::Buffered, Durability::Written];
    let threads = levels.map(|level| {
        let (log, disk) = (log.clone(), disk.clone());
        spawn(move || {
            let mut promises = Vec::new();
            for _ in 0..2 {
                let committed = log.append_with(&one("s", Expected::Any), level).unwrap();
                log.sync().unwrap();
                let at = committed.first_position();
                promises.push(Promise::new(at, "s", Durability::Durable, &disk));
            }
            promises
        })
    });
    joined(threads).iter().flatten().for_each(Promise::check);
    close(log).unwrap();
    assert_eq!(left(&disk, Durability::Durable).len(), 4);
}

/// Nobody syncs, and a cursor waits for what is durable: the flusher sees to it in time,
/// also while a durable append of another thread leads.
fn flushed() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    let mut cursor = log.cursor(Start::Beginning).unwrap();
    let threads = [Durability::Buffered, Durability::Written, Durability::Durable].map(|level| {
        let log = log.clone();
        spawn(move || drop(log.append_with(&one("s", Expected::Any), level).unwrap()))
    });
    while cursor.position() < 3 {
        next(&mut cursor).unwrap();
    }
    joined(threads);
    close(log).unwrap();
}

/// The log is closed while the flusher and the background have work, and a cursor of what
/// is written waits: nothing is lost, and the cursor is told.
fn closed() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    let written = CursorOptions::new().visibility(Visibility::Written);
    let mut cursor = log.cursor_with(Start::Beginning, &written).unwrap();
    let reader = spawn(move || while next(&mut cursor).is_ok() {});
    for level in [Durability::Buffered, Durability::Written] {
        log.append_with(&one("s", Expected::Any), level).unwrap();
    }
    close(log).unwrap();
    assert_eq!(left(&disk, Durability::Durable).len(), 2);
    reader.join().unwrap();
}

const fn model(name: &'static str, program: fn(), schedules: usize) -> Model {
    Model { name, program, time: Time::Runs, schedules }
}

pub(crate) const SYNCED: Model = model("flushes::synced", synced, 700);
pub(crate) const FLUSHED: Model = model("flushes::flushed", flushed, 500);
pub(crate) const CLOSED: Model = model("flushes::closed", closed, 500);

#[test]
fn what_a_sync_returned_for_is_durable() {
    holds(&SYNCED);
}

#[test]
fn what_nobody_waits_for_gets_durable() {
    holds(&FLUSHED);
}

#[test]
fn closing_loses_nothing_that_was_left_to_the_background() {
    holds(&CLOSED);
}
