//! Cursors in the writing process: the watermark, and being woken when it moves. Time
//! stands, so a wake-up that is lost is a deadlock.

use annals::io::sim::SimStorage;
use annals::model::Time;
use annals::{Cursor, CursorOptions, Durability, Error, Expected, Start, Visibility};

use crate::harness::{Model, holds};
use crate::words::{Promise, close, fail_sync, follow, joined, next, one, open, options, spawn};

/// Two threads append, two cursors wait: each is handed every event once and in order, and
/// what it is handed is durable by then.
fn waiting() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    let readers = [0, 1].map(|_| {
        let mut cursor = log.cursor(Start::Beginning).unwrap();
        let disk = disk.clone();
        spawn(move || follow(&mut cursor, 4, &disk))
    });
    let writers = [0, 1].map(|_| {
        let log = log.clone();
        spawn(move || {
            for _ in 0..2 {
                log.append(&one("s", Expected::Any)).unwrap();
            }
        })
    });
    joined(writers);
    joined(readers).iter().flatten().for_each(Promise::check);
    close(log).unwrap();
}

/// As `waiting`, for what is written: a killed process leaves it.
fn written() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    let options = CursorOptions::new().visibility(Visibility::Written);
    let readers = [0, 1].map(|_| {
        let mut cursor = log.cursor_with(Start::Beginning, &options).unwrap();
        let disk = disk.clone();
        spawn(move || {
            let mut promises = Vec::new();
            while cursor.position() < 4 {
                let events = next(&mut cursor).unwrap();
                let last = events.iter().last().unwrap();
                let level = Durability::Written;
                promises.push(Promise::new(last.position(), last.stream(), level, &disk));
            }
            promises
        })
    });
    let writers = [Durability::Written, Durability::Durable].map(|level| {
        let log = log.clone();
        spawn(move || {
            for _ in 0..2 {
                log.append_with(&one("s", Expected::Any), level).unwrap();
            }
        })
    });
    joined(writers);
    joined(readers).iter().flatten().for_each(Promise::check);
    close(log).unwrap();
}

/// The head never goes back, what it says is there is handed out by a cursor at once, and
/// what was acknowledged to a thread is seen by its reads.
fn head() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    let mut cursor = log.cursor(Start::Beginning).unwrap();
    let looks = log.clone();
    let reader = spawn(move || {
        let mut before = 0;
        while before < 4 {
            let head = looks.head();
            assert!(head >= before, "the head went back");
            before = head;
            take(&mut cursor, head);
            shuttle::thread::yield_now();
        }
    });
    let levels = [Durability::Durable, Durability::Written];
    let writers = levels.map(|level| {
        let log = log.clone();
        spawn(move || {
            let stream = format!("{level:?}");
            for version in 1..=2 {
                log.append_with(&one(&stream, Expected::Any), level).unwrap();
                assert_eq!(log.version(&stream).unwrap(), version);
                let read = log.read(&stream).collect().unwrap();
                assert_eq!(read.len() as u64, version);
            }
            if level == Durability::Written {
                log.sync().unwrap();
            }
        })
    });
    joined(writers);
    reader.join().unwrap();
    close(log).unwrap();
}

/// Takes what is there at once, which must be everything up to `head`.
fn take(cursor: &mut Cursor, head: u64) {
    while cursor.position() < head {
        let before = cursor.position();
        let events = cursor.poll(10).unwrap();
        assert!(!events.is_empty(), "the head is at {head}, and nothing is there after {before}");
    }
}

/// Who was handed an event can go on after it at once, with another cursor, and finds the
/// head there.
fn resumed() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    let mut cursor = log.cursor(Start::Beginning).unwrap();
    let reader = log.clone();
    let follower = spawn(move || {
        while cursor.position() < 2 {
            next(&mut cursor).unwrap();
            let position = cursor.position();
            assert!(reader.head() >= position, "the head is behind what was handed out");
            let other = reader.cursor(Start::After(position)).unwrap();
            assert_eq!(other.position(), position);
            reader.cursor(Start::Checkpoint(cursor.checkpoint().unwrap())).unwrap();
        }
    });
    let writers = [0, 1].map(|_| {
        let log = log.clone();
        spawn(move || drop(log.append(&one("s", Expected::Any)).unwrap()))
    });
    joined(writers);
    follower.join().unwrap();
    close(log).unwrap();
}

/// A cursor waits for what never comes: it is told when the log is closed.
fn closed() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    let readers = [0, 1].map(|_| {
        let mut cursor = log.cursor(Start::Beginning).unwrap();
        spawn(move || {
            loop {
                match next(&mut cursor) {
                    Ok(_) => {}
                    Err(Error::Closed) => return cursor.position(),
                    Err(error) => panic!("{error}"),
                }
            }
        })
    });
    log.append(&one("s", Expected::Any)).unwrap();
    close(log).unwrap();
    // Told of the end only when all that there is was handed out.
    assert_eq!(joined(readers), [1, 1]);
}

/// A cursor waits while a sync fails: it is told, and is handed nothing of what failed.
fn failed() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    fail_sync(&disk, 2);
    let mut cursor = log.cursor(Start::Beginning).unwrap();
    let there = disk.clone();
    let reader = spawn(move || {
        let mut promises = Vec::new();
        loop {
            match next(&mut cursor) {
                Ok(events) => {
                    for event in &events {
                        let (at, level) = (event.position(), Durability::Durable);
                        promises.push(Promise::new(at, "s", level, &there));
                    }
                }
                Err(Error::Poisoned { .. }) => return promises,
                Err(error) => panic!("{error}"),
            }
        }
    });
    let writers = [0, 1].map(|_| {
        let log = log.clone();
        spawn(move || while log.append(&one("s", Expected::Any)).is_ok() {})
    });
    joined(writers);
    reader.join().unwrap().iter().for_each(Promise::check);
    drop(close(log));
}

const fn model(name: &'static str, program: fn(), schedules: usize) -> Model {
    Model { name, program, time: Time::Stands, schedules }
}

pub(crate) const WAITING: Model = model("tails::waiting", waiting, 700);
pub(crate) const WRITTEN: Model = model("tails::written", written, 300);
pub(crate) const HEAD: Model = model("tails::head", head, 500);
pub(crate) const RESUMED: Model = model("tails::resumed", resumed, 500);
pub(crate) const CLOSED: Model = model("tails::closed", closed, 300);
pub(crate) const FAILED: Model = model("tails::failed", failed, 300);

#[test]
fn cursors_are_woken_and_handed_only_what_is_durable() {
    holds(&WAITING);
}

#[test]
fn cursors_of_what_is_written_are_woken_by_the_write() {
    holds(&WRITTEN);
}

#[test]
fn what_is_below_the_head_is_there() {
    holds(&HEAD);
}

#[test]
fn what_was_handed_out_is_not_beyond_the_head() {
    holds(&RESUMED);
}

#[test]
fn cursors_are_told_of_the_close_when_they_have_all() {
    holds(&CLOSED);
}

#[test]
fn cursors_are_told_of_a_failure_and_handed_nothing_of_it() {
    holds(&FAILED);
}
