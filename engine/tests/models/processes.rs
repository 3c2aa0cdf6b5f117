//! A reader in another process: the words of the control file, and being woken through
//! them.

use std::sync::Arc;

use annals::io::sim::SimStorage;
use annals::model::Time;
use annals::{Durability, Error, Expected, Log, Reader, Start};

use crate::harness::{Model, holds};
use crate::words::{
    Promise, close, follow, joined, left, next, one, open, options, sized, spawn, storage,
};

fn reader(disk: &SimStorage) -> Reader {
    options().open_reader_on(storage(&disk.another_process())).unwrap()
}

fn append(log: &Arc<Log>, bytes: usize, count: usize) {
    for _ in 0..count {
        log.append(&sized("s", Expected::Any, bytes)).unwrap();
    }
}

/// The writer publishes from two threads, two readers in other processes wait: each is
/// woken, goes in order, and is handed only what is durable.
fn beside() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    let readers = [0, 1].map(|_| {
        let reader = reader(&disk);
        let disk = disk.clone();
        spawn(move || {
            let mut cursor = reader.cursor(Start::Beginning).unwrap();
            follow(&mut cursor, 4, &disk)
        })
    });
    let writers = [0, 1].map(|_| {
        let log = log.clone();
        spawn(move || append(&log, 0, 2))
    });
    joined(writers);
    joined(readers).iter().flatten().for_each(Promise::check);
    close(log).unwrap();
}

/// One writer, one reader, one event: the smallest program in which a wake-up can be lost.
fn woken() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    let mut cursor = reader(&disk).cursor(Start::Beginning).unwrap();
    let waits = spawn(move || next(&mut cursor).unwrap().len());
    append(&log, 0, 1);
    assert_eq!(waits.join().unwrap(), 1);
    close(log).unwrap();
}

/// As `tails::resumed`, in another process.
fn resumed() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    let reader = reader(&disk);
    let follower = spawn(move || {
        let mut cursor = reader.cursor(Start::Beginning).unwrap();
        while cursor.position() < 2 {
            next(&mut cursor).unwrap();
            let position = cursor.position();
            let other = reader.cursor(Start::After(position)).unwrap();
            assert_eq!(other.position(), position);
            reader.cursor(Start::Checkpoint(cursor.checkpoint().unwrap())).unwrap();
            assert!(reader.head().unwrap() >= position, "the head is behind");
        }
    });
    append(&log, 0, 2);
    follower.join().unwrap();
    close(log).unwrap();
}

/// A reader in another process goes along from segment to segment.
fn rolled() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    let other = reader(&disk);
    let there = disk.clone();
    let follower = spawn(move || {
        let mut cursor = other.cursor(Start::Beginning).unwrap();
        let promises = follow(&mut cursor, 5, &there);
        assert_eq!(other.version("s").unwrap(), 5);
        promises
    });
    append(&log, 4000, 5);
    follower.join().unwrap().iter().for_each(Promise::check);
    close(log).unwrap();
}

/// The reader is opened, and follows, while one writer closes and another opens the log.
fn reopened() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    append(&log, 0, 1);
    let there = disk.clone();
    let follower = spawn(move || {
        let reader = reader(&there);
        let mut cursor = reader.cursor(Start::Beginning).unwrap();
        let mut promises = Vec::new();
        while cursor.position() < 3 {
            let events = next(&mut cursor).unwrap();
            let checkpoint = cursor.checkpoint().unwrap();
            assert_eq!(checkpoint.position, cursor.position());
            if let Some(last) = events.iter().last() {
                let level = Durability::Durable;
                promises.push(Promise::new(last.position(), "s", level, &there));
            }
        }
        promises
    });
    log.append(&one("s", Expected::Exact(1))).unwrap();
    close(log).unwrap();
    let log = loop {
        match options().open_on(storage(&disk)) {
            Ok(log) => break log,
            // A reader keeps writers out while it finds the end.
            Err(Error::Locked { .. }) => shuttle::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    };
    log.append(&one("s", Expected::Exact(2))).unwrap();
    follower.join().unwrap().iter().for_each(Promise::check);
    log.close().unwrap();
    assert_eq!(left(&disk, Durability::Durable).len(), 3);
}

pub(crate) const BESIDE: Model =
    Model { name: "processes::beside", program: beside, time: Time::Stands, schedules: 400 };
pub(crate) const WOKEN: Model =
    Model { name: "processes::woken", program: woken, time: Time::Stands, schedules: 1000 };
pub(crate) const RESUMED: Model =
    Model { name: "processes::resumed", program: resumed, time: Time::Stands, schedules: 500 };
pub(crate) const ROLLED: Model =
    Model { name: "processes::rolled", program: rolled, time: Time::Stands, schedules: 300 };
pub(crate) const REOPENED: Model =
    Model { name: "processes::reopened", program: reopened, time: Time::Runs, schedules: 300 };

#[test]
fn readers_in_other_processes_are_woken_and_handed_only_what_is_durable() {
    holds(&BESIDE);
}

#[test]
fn no_wake_up_of_a_reader_in_another_process_is_lost() {
    holds(&WOKEN);
}

#[test]
fn what_was_handed_out_in_another_process_is_not_beyond_the_head() {
    holds(&RESUMED);
}

#[test]
fn readers_in_other_processes_cross_segments() {
    holds(&ROLLED);
}

#[test]
fn readers_in_other_processes_go_from_one_writer_to_the_next() {
    holds(&REOPENED);
}
