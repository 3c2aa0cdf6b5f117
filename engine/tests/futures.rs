//! Tickets and cursors as futures: who is woken, when, and by whom; and readers that leave
//! anything at all in the file that is theirs to write.
#![cfg(feature = "async")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use annals::io::sim::{CallKind, Failure, Fault, Nth, SimStorage};
use annals::{Batch, Durability, Error, Expected, Log, NewEvent, Options, Start, verify};

const LONG: Duration = Duration::from_secs(20);

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Bell {
    fn rings(&self) -> bool {
        let begin = Instant::now();
        while self.0.load(Ordering::SeqCst) == 0 {
            if begin.elapsed() > LONG {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }
}

/// With its threads: nobody who waits is there to lead.
fn open(disk: &SimStorage) -> Log {
    Options::new().open_on(Arc::new(disk.clone())).unwrap()
}

fn batch(stream: &str) -> Batch {
    let mut batch = Batch::new();
    batch.write(stream, Expected::Any, [NewEvent::new("Happened")]);
    batch
}

/// The next syncs wait until this is dropped.
fn slow_sync(disk: &SimStorage) -> mpsc::Sender<()> {
    let (go, goes) = mpsc::channel::<()>();
    let goes = Mutex::new(goes);
    disk.on_call(move |call, _| {
        if call.kind == CallKind::SyncData {
            let _ends = goes.lock().unwrap().recv();
        }
    });
    go
}

#[test]
fn a_ticket_that_is_awaited_is_woken_when_its_batch_is_durable() {
    let disk = SimStorage::new();
    let log = open(&disk);
    let go = slow_sync(&disk);
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let mut context = Context::from_waker(&waker);
    let mut ticket = pin!(log.submit(&batch("a")).unwrap());
    assert!(ticket.as_mut().poll(&mut context).is_pending());
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(bell.0.load(Ordering::SeqCst), 0, "woken before the sync is done");
    drop(go);
    assert!(bell.rings(), "nobody woke it");
    match ticket.as_mut().poll(&mut context) {
        Poll::Ready(Ok(committed)) => assert_eq!(committed.durability(), Durability::Durable),
        other => panic!("{other:?}"),
    }
    assert_eq!(log.head(), 1);
}

#[test]
fn a_ticket_that_was_polled_and_dropped_commits_all_the_same() {
    let disk = SimStorage::new();
    let log = open(&disk);
    let go = slow_sync(&disk);
    let waker = Waker::from(Arc::new(Bell::default()));
    {
        let mut ticket = pin!(log.submit(&batch("a")).unwrap());
        assert!(ticket.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    drop(go);
    let mut cursor = log.cursor(Start::Beginning).unwrap();
    assert_eq!(cursor.wait(LONG).unwrap().len(), 1);
}

#[test]
fn a_ticket_whose_sync_fails_is_woken_with_the_error() {
    let disk = SimStorage::new();
    let log = open(&disk);
    disk.fail(Fault::new(Nth::Of(CallKind::SyncData, 1), Failure::Device));
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let mut context = Context::from_waker(&waker);
    let mut ticket = pin!(log.submit(&batch("a")).unwrap());
    let outcome = match ticket.as_mut().poll(&mut context) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => {
            assert!(bell.rings(), "nobody woke it");
            match ticket.as_mut().poll(&mut context) {
                Poll::Ready(outcome) => outcome,
                Poll::Pending => panic!("woken for nothing"),
            }
        }
    };
    assert!(matches!(outcome, Err(Error::Poisoned { .. })), "{outcome:?}");
}

#[test]
fn cursors_that_are_awaited_are_woken_here_and_in_another_process() {
    let disk = SimStorage::new();
    let log = open(&disk);
    let reader = Options::new().open_reader_on(Arc::new(disk.another_process())).unwrap();
    let bells = [Arc::new(Bell::default()), Arc::new(Bell::default())];
    let mut here = log.cursor(Start::Beginning).unwrap();
    let mut there = reader.cursor(Start::Beginning).unwrap();
    let mut futures = [Box::pin(here.next(10)), Box::pin(there.next(10))];
    for (future, bell) in futures.iter_mut().zip(&bells) {
        let waker = Waker::from(Arc::clone(bell));
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    log.append(&batch("a")).unwrap();
    for (future, bell) in futures.iter_mut().zip(&bells) {
        assert!(bell.rings(), "nobody woke it");
        let waker = Waker::from(Arc::clone(bell));
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(events) => assert_eq!(events.unwrap().len(), 1),
            Poll::Pending => panic!("woken for nothing"),
        }
    }
}

#[test]
fn whatever_readers_leave_in_their_file_the_log_goes_on() {
    for left in [vec![0xff; 512], vec![1; 512], (0..=255).chain(0..=255).collect()] {
        let disk = SimStorage::new();
        let log = open(&disk);
        let reader = Options::new().open_reader_on(Arc::new(disk.another_process())).unwrap();
        let mut cursor = reader.cursor(Start::Beginning).unwrap();
        let mut seen = 0;
        for n in 1..=20 {
            disk.write_file("readers", &left);
            assert_eq!(log.append(&batch("a")).unwrap().last_position(), n);
            seen += cursor.poll(10).unwrap().len() as u64;
            assert_eq!(seen, n);
        }
        log.close().unwrap();
        assert_eq!(verify(&disk, &mut |_, _| {}).unwrap().findings, []);
        assert_eq!(open(&disk).head(), 20);
    }
}
