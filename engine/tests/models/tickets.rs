//! Batches that are submitted: tickets that are waited for, awaited and dropped, and how
//! much may be in memory.

use annals::io::sim::SimStorage;
use annals::model::Time;
use annals::{Durability, Error, Expected, Start};

use crate::harness::{Model, holds};
use crate::words::{
    Promise, check_dense, close, fail_sync, joined, left, one, open, options, sized, spawn,
};

/// Two threads submit three batches each, drop one ticket and wait for the others, the last
/// first. What is dropped commits all the same.
fn waited_and_dropped() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    let threads = (0..2).map(|writer| {
        let (log, disk) = (log.clone(), disk.clone());
        spawn(move || {
            let stream = format!("s-{writer}");
            let submit = |version| log.submit(&one(&stream, Expected::Exact(version))).unwrap();
            let (first, dropped, last) = (submit(0), submit(1), submit(2));
            drop(dropped);
            [last, first].map(|ticket| {
                let at = ticket.wait().unwrap().first_position();
                Promise::new(at, &stream, Durability::Durable, &disk)
            })
        })
    });
    joined(threads).iter().flatten().for_each(Promise::check);
    close(log).unwrap();
    assert_eq!(left(&disk, Durability::Durable).len(), 6);
}

/// More is submitted than may be in memory, by three threads: who waits for room gets it,
/// also while nobody waits for a ticket.
fn bounded() {
    let disk = SimStorage::new();
    let options = options().segment_bytes(128 << 10).in_flight_bytes(64 << 10);
    let log = open(&disk, &options);
    let levels = [Durability::Durable, Durability::Written, Durability::Buffered];
    let threads = levels.map(|level| {
        let log = log.clone();
        spawn(move || {
            for _ in 0..2 {
                let batch = sized("s", Expected::Any, 30 << 10);
                drop(log.submit_with(&batch, level).unwrap());
            }
        })
    });
    joined(threads);
    log.sync().unwrap();
    assert_eq!(left(&disk, Durability::Durable).len(), 6, "the sync returned");
    close(log).unwrap();
}

/// Tickets are waited for while others are dropped and the log is closed: each gets an
/// answer, and all is durable by then.
fn closed_meanwhile() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    let threads = [Durability::Durable, Durability::Written].map(|level| {
        let (ticket, disk) = (log.submit_with(&one("s", Expected::Any), level), disk.clone());
        let ticket = ticket.unwrap();
        spawn(move || Promise::new(ticket.wait().unwrap().first_position(), "s", level, &disk))
    });
    drop(log.submit(&one("s", Expected::Any)).unwrap());
    close(log).unwrap();
    check_dense(joined(threads));
    assert_eq!(left(&disk, Durability::Durable).len(), 3);
}

/// The flusher leads, then a waiter does, and the flusher goes: what nobody waits for is
/// written all the same.
fn flusher_gone() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    drop(log.submit(&one("s", Expected::Any)).unwrap());
    let waited = log.submit(&one("s", Expected::Any)).unwrap();
    let waits = spawn(move || drop(waited.wait().unwrap()));
    drop(log.submit(&one("s", Expected::Any)).unwrap());
    close(log).unwrap();
    waits.join().unwrap();
    assert_eq!(left(&disk, Durability::Durable).len(), 3);
}

/// Tickets and a cursor are awaited, one ticket is dropped while it is.
fn awaited() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    let mut cursor = log.cursor(Start::Beginning).unwrap();
    let reader = spawn(move || {
        shuttle::future::block_on(async move {
            while cursor.position() < 4 {
                let before = cursor.position();
                let events = cursor.next(10).await.unwrap();
                assert_eq!(events.iter().next().unwrap().position(), before + 1);
            }
        });
    });
    let threads = (0..2).map(|_| {
        let (log, disk) = (log.clone(), disk.clone());
        spawn(move || {
            let ticket = log.submit(&one("s", Expected::Any)).unwrap();
            let other = log.submit(&one("s", Expected::Any)).unwrap();
            let polled_once = async move {
                let mut other = std::pin::pin!(other);
                std::future::poll_fn(|context| {
                    let _whatever = other.as_mut().poll(context);
                    std::task::Poll::Ready(())
                })
                .await;
            };
            shuttle::future::block_on(async move {
                polled_once.await;
                let at = ticket.await.unwrap().first_position();
                Promise::new(at, "s", Durability::Durable, &disk)
            })
        })
    });
    joined(threads).iter().for_each(Promise::check);
    reader.join().unwrap();
    close(log).unwrap();
}

/// One ticket and one cursor are awaited: the smallest program in which a waker can come too
/// late.
fn woken() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    let mut cursor = log.cursor(Start::Beginning).unwrap();
    let reader = spawn(move || {
        shuttle::future::block_on(async move { cursor.next(10).await.unwrap().len() })
    });
    let ticket = log.submit(&one("s", Expected::Any)).unwrap();
    assert_eq!(shuttle::future::block_on(ticket).unwrap().first_position(), 1);
    assert_eq!(reader.join().unwrap(), 1);
    close(log).unwrap();
}

/// A sync fails under tickets: all that are not durable say so, also those that are
/// awaited, and nobody sleeps on.
fn failing() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    fail_sync(&disk, 1);
    let threads = (0..3).map(|writer| {
        let log = log.clone();
        spawn(move || {
            let submitted = log.submit(&one("s", Expected::Any));
            let outcome = submitted.and_then(|ticket| match writer {
                0 => shuttle::future::block_on(ticket),
                _ => ticket.wait(),
            });
            assert!(matches!(outcome, Err(Error::Poisoned { .. })), "{outcome:?}");
        })
    });
    joined(threads);
    assert!(matches!(close(log), Err(Error::Poisoned { .. })));
}

const fn model(name: &'static str, program: fn(), schedules: usize) -> Model {
    Model { name, program, time: Time::Stands, schedules }
}

pub(crate) const WAITED: Model = model("tickets::waited_and_dropped", waited_and_dropped, 800);
pub(crate) const BOUNDED: Model = model("tickets::bounded", bounded, 500);
pub(crate) const CLOSED: Model = model("tickets::closed_meanwhile", closed_meanwhile, 800);
pub(crate) const FLUSHER_GONE: Model = model("tickets::flusher_gone", flusher_gone, 800);
pub(crate) const AWAITED: Model = model("tickets::awaited", awaited, 600);
pub(crate) const WOKEN: Model = model("tickets::woken", woken, 1000);
pub(crate) const FAILING: Model = model("tickets::failing", failing, 500);

#[test]
fn tickets_that_are_dropped_or_waited_for_late_keep_nobody_waiting() {
    holds(&WAITED);
}

#[test]
fn who_waits_for_room_in_memory_gets_it() {
    holds(&BOUNDED);
}

#[test]
fn tickets_get_an_answer_while_the_log_is_closed() {
    holds(&CLOSED);
}

#[test]
fn what_nobody_waits_for_is_written_when_the_flusher_has_gone() {
    holds(&FLUSHER_GONE);
}

#[test]
fn futures_are_woken() {
    holds(&AWAITED);
    holds(&WOKEN);
}

#[test]
fn all_tickets_of_a_failed_sync_say_so() {
    holds(&FAILING);
}
