//! Appends that share a write and a sync: the queue, the lead, and handing it on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use annals::io::sim::SimStorage;
use annals::model::Time;
use annals::{Durability, Error, Expected, NewEvent, Uuid};

use crate::harness::{Model, holds};
use crate::words::{
    Promise, check_dense, close, fail_sync, joined, left, one, open, options, spawn,
};

/// Three threads append durably, two batches each, each to a stream of its own and
/// expecting it to be as it left it. What is answered is durable by then.
fn exact() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    let threads = (0..3).map(|writer| {
        let (log, disk) = (log.clone(), disk.clone());
        spawn(move || {
            let stream = format!("s-{writer}");
            let append = |version| {
                let committed = log.append(&one(&stream, Expected::Exact(version))).unwrap();
                Promise::new(committed.first_position(), &stream, Durability::Durable, &disk)
            };
            [append(0), append(1)]
        })
    });
    check_dense(joined(threads).into_iter().flatten());
    close(log).unwrap();
    assert_eq!(left(&disk, Durability::Durable).len(), 6);
}

/// Five threads append once: several sleep on the same group.
fn crowd() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    let threads = (0..5).map(|_| {
        let (log, disk) = (log.clone(), disk.clone());
        spawn(move || {
            let at = log.append(&one("s", Expected::Any)).unwrap().first_position();
            Promise::new(at, "s", Durability::Durable, &disk)
        })
    });
    check_dense(joined(threads));
    close(log).unwrap();
}

/// Three threads append to one stream whatever it is, each as safe as it likes.
fn levels() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    let levels = [Durability::Durable, Durability::Written, Durability::Buffered];
    let threads = levels.map(|level| {
        let (log, disk) = (log.clone(), disk.clone());
        spawn(move || {
            let append = || {
                let committed = log.append_with(&one("s", Expected::Any), level).unwrap();
                Promise::new(committed.first_position(), "s", committed.durability(), &disk)
            };
            [append(), append()]
        })
    });
    check_dense(joined(threads).into_iter().flatten());
    close(log).unwrap();
    assert_eq!(left(&disk, Durability::Durable).len(), 6);
}

/// Of three threads that each want to begin a stream one does, and the others are told of
/// it when it is durable.
fn conflicts() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    let threads = (0..3).map(|_| {
        let (log, disk) = (log.clone(), disk.clone());
        spawn(move || match log.append(&one("s", Expected::NoStream)) {
            Ok(_) => (true, Promise::new(1, "s", Durability::Durable, &disk)),
            Err(Error::WrongExpectedVersion { actual: 1, .. }) => {
                (false, Promise::new(1, "s", Durability::Durable, &disk))
            }
            Err(error) => panic!("{error}"),
        })
    });
    let told = joined(threads);
    assert_eq!(told.iter().filter(|(began, _)| *began).count(), 1);
    told.iter().for_each(|(_, promise)| promise.check());
    close(log).unwrap();
}

/// Two threads append the same event, by its id: it is there once, and both are told so
/// when it is durable. A third appends something else meanwhile.
fn duplicates() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    let mut threads: Vec<_> = (0..2)
        .map(|_| {
            let (log, disk) = (log.clone(), disk.clone());
            spawn(move || {
                let event = NewEvent::new("Happened").id(Uuid::from_u128(7));
                let mut batch = annals::Batch::new();
                batch.write("same", Expected::Any, [event]);
                let committed = log.append(&batch).unwrap();
                let position = committed.first_position();
                let promise = Promise::new(position, "same", Durability::Durable, &disk);
                (committed.is_deduplicated(), promise)
            })
        })
        .collect();
    let (other, there) = (log.clone(), disk.clone());
    threads.push(spawn(move || {
        let committed = other.append(&one("other", Expected::NoStream)).unwrap();
        let position = committed.first_position();
        (false, Promise::new(position, "other", Durability::Durable, &there))
    }));
    let told = joined(threads);
    assert_eq!(told.iter().filter(|(again, _)| *again).count(), 1);
    told.iter().for_each(|(_, promise)| promise.check());
    close(log).unwrap();
    assert_eq!(left(&disk, Durability::Durable).len(), 2);
}

/// As `duplicates`, with a key or without, while a sync fails: who is told that the event is
/// there has it after a power cut, and nobody is told of one that was lost.
fn failing_duplicates() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    log.append(&one("before", Expected::NoStream)).unwrap();
    fail_sync(&disk, 1);
    let threads = [false, true].map(|keyed| {
        let (log, disk) = (log.clone(), disk.clone());
        spawn(move || {
            let event = NewEvent::new("Happened").id(Uuid::from_u128(7));
            let mut batch = annals::Batch::new();
            batch.write("same", Expected::Any, [event]);
            if keyed {
                batch.once("key");
            }
            let committed = log.append(&batch).ok()?;
            let level = Durability::Durable;
            Some(Promise::new(committed.first_position(), "same", level, &disk))
        })
    });
    joined(threads).iter().flatten().for_each(Promise::check);
    assert!(close(log).is_err());
}

/// A sync fails under three threads. Who was told of success has it; from the first failure
/// on nobody is told of success any more, and all are told the same.
fn failing() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    fail_sync(&disk, 2);
    let failed = Arc::new(AtomicBool::new(false));
    let threads = (0..3).map(|writer| {
        let (log, disk, failed) = (log.clone(), disk.clone(), failed.clone());
        spawn(move || {
            let stream = format!("s-{writer}");
            let mut promises = Vec::new();
            for _ in 0..2 {
                let late = failed.load(Ordering::SeqCst);
                match log.append(&one(&stream, Expected::Any)) {
                    Ok(committed) => {
                        assert!(!late, "a success after a failure");
                        let (at, level) = (committed.first_position(), Durability::Durable);
                        promises.push(Promise::new(at, &stream, level, &disk));
                    }
                    Err(Error::Poisoned { operation: "sync", .. }) => {
                        failed.store(true, Ordering::SeqCst);
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            promises
        })
    });
    let promises = joined(threads);
    promises.iter().flatten().for_each(Promise::check);
    if failed.load(Ordering::SeqCst) {
        assert!(matches!(log.sync(), Err(Error::Poisoned { .. })));
    }
    drop(close(log));
}

const fn model(name: &'static str, program: fn(), schedules: usize) -> Model {
    Model { name, program, time: Time::Stands, schedules }
}

pub(crate) const EXACT: Model = model("groups::exact", exact, 1000);
pub(crate) const CROWD: Model = model("groups::crowd", crowd, 500);
pub(crate) const LEVELS: Model = model("groups::levels", levels, 600);
pub(crate) const CONFLICTS: Model = model("groups::conflicts", conflicts, 500);
pub(crate) const DUPLICATES: Model = model("groups::duplicates", duplicates, 500);
const FAILING_DUPLICATES: Model = model("groups::failing_duplicates", failing_duplicates, 3000);
pub(crate) const FAILING: Model = model("groups::failing", failing, 1000);

#[test]
fn durable_appends_of_several_threads_are_dense_and_durable_when_they_are_answered() {
    holds(&EXACT);
}

#[test]
fn all_who_sleep_on_one_group_are_woken_and_told_the_same() {
    holds(&CROWD);
}

#[test]
fn appends_of_every_level_are_as_safe_as_they_are_called() {
    holds(&LEVELS);
}

#[test]
fn a_conflict_is_told_when_what_it_rests_on_is_durable() {
    holds(&CONFLICTS);
}

#[test]
fn a_duplicate_is_told_when_what_it_rests_on_is_durable() {
    holds(&DUPLICATES);
}

/// The histories found it: the group could fail between the look-up of what is there and the
/// question what the answer rests on, and then there was nothing to wait for.
#[test]
fn a_duplicate_fails_with_what_it_rests_on() {
    holds(&FAILING_DUPLICATES);
}

#[test]
fn all_who_share_a_failed_sync_are_told_and_nobody_succeeds_after_it() {
    holds(&FAILING);
}
