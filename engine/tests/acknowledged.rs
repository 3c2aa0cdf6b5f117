//! Reads in the process that writes see what was acknowledged, and what an answer rests on,
//! and nothing that is not written yet.
//!
//! Found by the histories of `annals-fuzz`, which check that what several threads are told
//! can have happened one after the other.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use annals::io::sim::{CallKind, SimStorage};
use annals::{Background, Batch, Durability, Error, Expected, Log, NewEvent, Options, Uuid};

fn open(disk: &SimStorage) -> Log {
    Options::new().background(Background::Inline).open_on(Arc::new(disk.clone())).unwrap()
}

fn event(id: u128) -> NewEvent<'static> {
    NewEvent::new("Happened").id(Uuid::from_u128(id))
}

/// A read has what is only in memory written first, and looked only then how far it may go.
/// A batch that was acknowledged in between is not written: it was read from the file all the
/// same, found to be zeros, and reported as damage of a log that is whole.
#[test]
fn a_batch_that_is_buffered_while_a_read_has_others_written_is_no_damage() {
    for question in [
        |log: &Log| log.read("a").collect().map(|events| events.len()),
        |log: &Log| log.read_all().collect().map(|events| events.len()),
        |log: &Log| log.event(Uuid::from_u128(1)).map(|event| usize::from(event.is_some())),
    ] {
        let disk = SimStorage::new();
        let log = Arc::new(open(&disk));
        let append = |log: &Log, id| {
            let mut batch = Batch::new();
            batch.write("a", Expected::Any, [event(id)]);
            log.append_with(&batch, Durability::Buffered).unwrap();
        };
        append(&log, 1);
        let once = AtomicBool::new(false);
        let other = Arc::clone(&log);
        disk.on_call(move |call, _| {
            if call.kind == CallKind::Write && !once.swap(true, Ordering::SeqCst) {
                append(&other, 2);
            }
        });
        assert_eq!(question(&log).unwrap(), 1);
        disk.clear_hook();
        assert_eq!(log.read("a").collect().unwrap().len(), 2);
    }
}

/// A read goes up to the last batch that was acknowledged. When batches that nobody had been
/// told of yet shared a group with it, that was the middle of a group: the read found a group
/// that reaches beyond its end, and reported it as damage.
#[test]
fn a_batch_that_shares_its_group_with_one_that_is_not_acknowledged_is_no_damage() {
    let disk = SimStorage::new();
    let log = Arc::new(open(&disk));
    let append = |log: &Log, id, level| {
        let mut batch = Batch::new();
        batch.write("a", Expected::Any, [event(id)]);
        log.append_with(&batch, level).unwrap();
    };
    append(&log, 1, Durability::Buffered);
    let read = Arc::new(Mutex::new(Vec::new()));
    let (other, told) = (Arc::clone(&log), Arc::clone(&read));
    disk.on_call(move |call, _| {
        if call.kind == CallKind::SyncData {
            let (forward, backward) = (other.read_all(), other.read_all().backward());
            told.lock().unwrap().extend([forward.collect(), backward.collect()]);
        }
    });
    append(&log, 2, Durability::Durable);
    disk.clear_hook();
    let read = std::mem::take(&mut *read.lock().unwrap());
    assert_eq!(read.len(), 2);
    for events in read {
        assert!(events.unwrap().iter().any(|event| event.as_event().position() == 1));
    }
}

/// A batch was written and nobody had been told yet. Others that asked were told of it, by a
/// conflict, a duplicate or an expectation that holds; what they read then did not have it,
/// until its own append was answered or everything was durable.
#[test]
fn what_an_answer_rests_on_is_seen_by_the_next_read() {
    for what in ["a conflict", "the same batch", "a part of it", "its key", "an expectation"] {
        for (level, ticket) in [
            (Durability::Buffered, false),
            (Durability::Buffered, true),
            (Durability::Written, false),
            (Durability::Written, true),
        ] {
            let log = open(&SimStorage::new());
            let mut batch = Batch::new();
            batch.once("message").write("a", Expected::Any, [event(1)]);
            drop(log.submit_with(&batch, Durability::Written).unwrap());
            let answer = ask(&log, what, level, ticket);
            let fits = matches!(
                answer,
                Ok(_)
                    | Err(Error::WrongExpectedVersion { actual: 1, .. }
                        | Error::DuplicateConflict { position: 1, .. })
            );
            assert!(fits, "{what}: {answer:?}");
            assert_eq!(log.version("a").unwrap(), 1, "{what}, {level:?}, {ticket}");
            assert_eq!(log.read_all().collect().unwrap().len(), 1, "{what}");
        }
    }
}

fn ask(
    log: &Log,
    what: &str,
    level: Durability,
    ticket: bool,
) -> annals::Result<annals::Committed> {
    let mut batch = Batch::new();
    match what {
        "a conflict" => batch.write("a", Expected::NoStream, [event(9)]),
        "the same batch" => batch.write("a", Expected::Any, [event(1)]),
        "a part of it" => batch.write("a", Expected::Any, [event(1), event(2)]),
        "its key" => batch.once("message"),
        _ => batch.expect("a", Expected::Exists),
    };
    if ticket {
        return log.submit_with(&batch, level).and_then(annals::Ticket::wait);
    }
    log.append_with(&batch, level)
}
