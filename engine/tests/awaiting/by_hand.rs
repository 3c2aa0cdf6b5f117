//! Futures that are polled by hand: how often they are woken, and what they leave behind.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use annals::io::sim::{CallKind, Failure, Fault, Nth, SimStorage};
use annals::{Cursor, Error, Events, Expected, Log, Reader, Ticket, Visibility};

use super::{ALL, HALF, Wanted, batch, cursor, log_and_reader, options};

/// A waker that counts.
#[derive(Default)]
struct Counter {
    wakes: AtomicUsize,
}

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
    }
}

impl Counter {
    fn wakes(&self) -> usize {
        self.wakes.load(Ordering::SeqCst)
    }

    /// Until it was woken so often.
    fn wait(&self, wakes: usize) {
        let start = Instant::now();
        while self.wakes() < wakes {
            assert!(start.elapsed() < Duration::from_secs(20), "woken {} times", self.wakes());
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>, counter: &Arc<Counter>) -> Poll<F::Output> {
    let waker = Waker::from(Arc::clone(counter));
    future.poll(&mut Context::from_waker(&waker))
}

/// Polled until it is ready, as often as it is woken. How often that was.
fn drive<F: Future>(mut future: Pin<&mut F>, counter: &Arc<Counter>) -> (F::Output, usize) {
    let mut polls = 1;
    loop {
        let seen = counter.wakes();
        if let Poll::Ready(output) = poll(future.as_mut(), counter) {
            return (output, polls);
        }
        counter.wait(seen + 1);
        polls += 1;
    }
}

fn append(log: &Log, stream: &str) {
    log.append(&batch(stream, Expected::Any)).unwrap();
}

fn len(outcome: Poll<annals::Result<Events>>) -> Option<usize> {
    match outcome {
        Poll::Ready(events) => Some(events.unwrap().len()),
        Poll::Pending => None,
    }
}

/// Nobody holds the waker any more, soon.
fn let_go(counter: &Arc<Counter>) {
    let start = Instant::now();
    while Arc::strong_count(counter) > 1 {
        assert!(start.elapsed() < Duration::from_secs(5), "{}", Arc::strong_count(counter));
        thread::sleep(Duration::from_millis(1));
    }
}

fn both(log: &Log, reader: &Reader, test: impl Fn(&mut dyn FnMut(Wanted, Visibility) -> Cursor)) {
    for from in [log.reader(), reader] {
        test(&mut |wanted, visibility| cursor(from, wanted, visibility));
    }
}

#[test]
fn a_dropped_future_leaves_nothing_behind() {
    let (log, reader) = log_and_reader();
    append(&log, "s0-0");
    both(&log, &reader, |cursor| {
        for wanted in [ALL, HALF] {
            for visibility in [Visibility::Durable, Visibility::Written] {
                let mut cursor = cursor(wanted, visibility);
                cursor.poll(10).unwrap();
                let counter = Arc::new(Counter::default());
                for _ in 0..50 {
                    assert_eq!(len(poll(pin!(cursor.next(10)), &counter)), None);
                    let_go(&counter);
                }
                // One that is polled with other wakers keeps the last of them alone.
                let first = Arc::new(Counter::default());
                let mut next = Box::pin(cursor.next(10));
                assert_eq!(len(poll(next.as_mut(), &first)), None);
                for _ in 0..50 {
                    assert_eq!(len(poll(next.as_mut(), &counter)), None);
                    assert!(Arc::strong_count(&counter) <= 2, "{}", Arc::strong_count(&counter));
                }
                let_go(&first);
                drop(next);
                let_go(&counter);
                assert_eq!((first.wakes(), counter.wakes()), (0, 0));
            }
        }
    });
}

/// The thread that wakes for a reader looks at all that wait while they come and go.
#[test]
fn futures_of_a_reader_that_are_dropped_while_it_is_looked_leave_nothing_behind() {
    let (_log, reader) = log_and_reader();
    let counter = Arc::new(Counter::default());
    // While somebody waits for either level, the thread looks every few milliseconds.
    let kept = Arc::new(Counter::default());
    let mut early = cursor(&reader, ALL, Visibility::Written);
    let mut early = pin!(early.next(1));
    assert_eq!(len(poll(early.as_mut(), &kept)), None);
    let mut cursors: Vec<_> =
        (0..1000).map(|_| cursor(&reader, ALL, Visibility::Durable)).collect();
    for round in 0..100 {
        let mut futures: Vec<_> =
            cursors.iter_mut().map(|cursor| Box::pin(cursor.next(1))).collect();
        for future in &mut futures {
            assert_eq!(len(poll(future.as_mut(), &counter)), None);
        }
        thread::sleep(Duration::from_micros(50 * round));
        drop(futures);
    }
    thread::sleep(Duration::from_millis(20));
    let_go(&counter);
    assert_eq!((counter.wakes(), kept.wakes()), (0, 0));
}

#[test]
fn a_future_that_is_dropped_when_it_was_woken_loses_nothing() {
    let (log, reader) = log_and_reader();
    both(&log, &reader, |cursor| {
        for wanted in [ALL, HALF] {
            let mut cursor = cursor(wanted, Visibility::Durable);
            while !cursor.poll(100).unwrap().is_empty() {}
            let last = cursor.scanned_to();
            for n in 1..=20 {
                let counter = Arc::new(Counter::default());
                let mut next = Box::pin(cursor.next(1));
                assert_eq!(len(poll(next.as_mut(), &counter)), None);
                append(&log, "s1-1");
                counter.wait(1);
                drop(next);
                let_go(&counter);
                assert_eq!(len(poll(pin!(cursor.next(1)), &counter)), Some(1));
                assert_eq!(cursor.position(), last + n);
            }
        }
    });
}

#[test]
fn whoever_awaits_is_polled_when_something_came_and_not_before() {
    let (log, reader) = log_and_reader();
    both(&log, &reader, |cursor| {
        for wanted in [ALL, HALF] {
            let mut cursor = cursor(wanted, Visibility::Durable);
            while !cursor.poll(100).unwrap().is_empty() {}
            let counter = Arc::new(Counter::default());
            let mut next = Box::pin(cursor.next(9));
            assert_eq!(len(poll(next.as_mut(), &counter)), None);
            thread::sleep(Duration::from_millis(350));
            assert_eq!(counter.wakes(), 0, "nothing came");
            append(&log, "s1-1");
            counter.wait(1);
            assert_eq!(len(poll(next.as_mut(), &counter)), Some(1));
            drop(next);

            // What does not match wakes once or twice each, and no more.
            let mut next = Box::pin(cursor.next(9));
            let before = counter.wakes();
            let appended = thread::scope(|scope| {
                let appending = scope.spawn(|| {
                    for _ in 0..50 {
                        append(&log, if wanted.category.is_some() { "s0-0" } else { "s1-1" });
                        thread::sleep(Duration::from_millis(2));
                    }
                    append(&log, "s1-1");
                    51
                });
                let (events, polls) = drive(next.as_mut(), &counter);
                assert!(!events.unwrap().is_empty());
                (appending.join().unwrap(), polls)
            });
            let (appended, polls) = appended;
            let wakes = counter.wakes() - before;
            assert!(polls <= 2 * appended + 2 && wakes <= 2 * appended + 2, "{polls}, {wakes}");
        }
    });
}

/// A log whose next sync waits until it is let go on, or fails then.
fn held(disk: &SimStorage) -> (mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (reached, is_reached) = mpsc::channel();
    let (go_on, gone_on) = mpsc::channel();
    let gone_on = Mutex::new(Some(gone_on));
    disk.on_call(move |call, _| {
        if call.kind == CallKind::SyncData
            && let Some(gone_on) = gone_on.lock().unwrap().take()
        {
            reached.send(()).unwrap();
            let _sender_gone = gone_on.recv();
        }
    });
    (is_reached, go_on)
}

fn submit(log: &Log) -> Ticket {
    log.submit(&batch("s", Expected::Any)).unwrap()
}

#[test]
fn tickets_are_woken_once_and_dropped_ones_leave_nothing_behind() {
    let disk = SimStorage::new();
    let log = options().open_on(Arc::new(disk.clone())).unwrap();
    let (is_reached, go_on) = held(&disk);
    // The first is being synced, the others wait for the sync behind it.
    let mut tickets = vec![submit(&log)];
    is_reached.recv().unwrap();
    tickets.extend((0..20).map(|_| submit(&log)));
    let counters: Vec<_> = tickets.iter().map(|_| Arc::new(Counter::default())).collect();
    for (ticket, counter) in tickets.iter_mut().zip(&counters) {
        for _ in 0..10 {
            assert!(poll(Pin::new(&mut *ticket), counter).is_pending());
        }
        assert_eq!(Arc::strong_count(counter), 2, "as often as it was polled");
    }
    // Another waker takes the place of the first.
    let other = Arc::new(Counter::default());
    assert!(poll(Pin::new(&mut tickets[3]), &other).is_pending());
    assert_eq!(Arc::strong_count(&counters[3]), 1);
    // Dropped before it is answered.
    for n in [5, 6] {
        drop(tickets.remove(5));
        assert_eq!(Arc::strong_count(&counters[n]), 1);
    }
    assert!(counters.iter().all(|counter| counter.wakes() == 0));
    go_on.send(()).unwrap();
    other.wait(1);
    for (n, counter) in counters.iter().enumerate().filter(|(n, _)| ![3, 5, 6].contains(n)) {
        counter.wait(1);
        let_go(counter);
        assert_eq!(counter.wakes(), 1, "ticket {n}");
    }
    assert_eq!([3, 5, 6].map(|n| counters[n].wakes()), [0; 3]);
    for mut ticket in tickets {
        assert!(matches!(poll(Pin::new(&mut ticket), &other), Poll::Ready(Ok(_))));
    }
    disk.clear_hook();
    assert_eq!(log.version("s").unwrap(), 21);
}

/// A task as simple executors have it: its wakers hold it, and with it a future that waits.
struct Holder(#[allow(dead_code)] Mutex<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Wake for Holder {
    fn wake(self: Arc<Self>) {}
}

/// A waker that alone holds a future, which waits.
fn holder(future: impl Future<Output = ()> + Send + 'static) -> Waker {
    let mut future: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(future);
    assert!(poll(future.as_mut(), &Arc::default()).is_pending());
    Waker::from(Arc::new(Holder(Mutex::new(future))))
}

/// Polls with a waker that holds another future, then with another such waker, then drops.
fn with_holders<F: Future>(future: F, mut other: impl FnMut() -> Waker) {
    let mut future = Box::pin(future);
    for _ in 0..2 {
        let waker = other();
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
}

#[test]
fn a_waker_that_drops_another_future_when_it_is_dropped_holds_up_nothing() {
    super::runtimes::in_time(|| {
        let disk = SimStorage::new();
        let log = Arc::new(options().open_on(Arc::new(disk.clone())).unwrap());
        let reader = options().open_reader_on(Arc::new(disk.another_process())).unwrap();
        let (is_reached, go_on) = held(&disk);
        let first = submit(&log);
        is_reached.recv().unwrap();
        with_holders(submit(&log), || {
            let ticket = submit(&log);
            holder(async move { drop(ticket.await) })
        });
        for from in [log.reader(), &reader] {
            let mut one = cursor(from, ALL, Visibility::Durable);
            with_holders(one.next(9), || {
                let mut other = cursor(from, ALL, Visibility::Durable);
                holder(async move { drop(other.next(9).await) })
            });
        }
        go_on.send(()).unwrap();
        first.wait().unwrap();
        log.sync().unwrap();
        assert_eq!(log.version("s").unwrap(), 4);
    });
}

/// Two futures of one task, one of which is dropped: the other is woken all the same.
#[test]
fn tickets_that_share_a_waker_do_not_take_it_from_each_other() {
    let disk = SimStorage::new();
    let log = options().open_on(Arc::new(disk.clone())).unwrap();
    let (is_reached, go_on) = held(&disk);
    let first = submit(&log);
    is_reached.recv().unwrap();
    let (mut one, mut other) = (submit(&log), submit(&log));
    let counter = Arc::new(Counter::default());
    assert!(poll(Pin::new(&mut one), &counter).is_pending());
    assert!(poll(Pin::new(&mut other), &counter).is_pending());
    drop(one);
    go_on.send(()).unwrap();
    counter.wait(1);
    let (committed, _) = drive(pin!(other), &counter);
    assert_eq!(committed.unwrap().version("s"), Some(3));
    first.wait().unwrap();
}

#[test]
fn a_failed_sync_wakes_tickets_and_cursors_and_tells_them() {
    let disk = SimStorage::new();
    let log = options().open_on(Arc::new(disk.clone())).unwrap();
    append(&log, "s1-1");
    let mut cursors = [ALL, HALF].map(|wanted| cursor(log.reader(), wanted, Visibility::Durable));
    let [all, half] = &mut cursors;
    let waiting = Arc::new(Counter::default());
    let mut futures = [Box::pin(all.next(9)), Box::pin(half.next(9))];
    for future in &mut futures {
        assert_eq!(len(poll(future.as_mut(), &waiting)), Some(1));
    }
    drop(futures);
    let [all, half] = &mut cursors;
    let mut futures = [Box::pin(all.next(9)), Box::pin(half.next(9))];
    for future in &mut futures {
        assert_eq!(len(poll(future.as_mut(), &waiting)), None);
    }
    let (is_reached, go_on) = held(&disk);
    let mut tickets = vec![submit(&log)];
    is_reached.recv().unwrap();
    tickets.extend((0..3).map(|_| submit(&log)));
    let counters: Vec<_> = tickets.iter().map(|_| Arc::new(Counter::default())).collect();
    for (ticket, counter) in tickets.iter_mut().zip(&counters) {
        assert!(poll(Pin::new(ticket), counter).is_pending());
    }
    disk.fail(Fault::new(Nth::Of(CallKind::SyncData, 1), Failure::Device));
    go_on.send(()).unwrap();
    for (mut ticket, counter) in tickets.into_iter().zip(&counters) {
        counter.wait(1);
        match poll(Pin::new(&mut ticket), counter) {
            Poll::Ready(Err(Error::Poisoned { .. })) => {}
            other => panic!("{other:?}"),
        }
        let_go(counter);
    }
    disk.clear_hook();
    assert!(log.submit(&batch("s", Expected::Any)).is_err());
    // Nothing more will come: whoever waits is told, and told again.
    waiting.wait(2);
    for future in &mut futures {
        let (outcome, _) = drive(future.as_mut(), &waiting);
        assert!(matches!(outcome, Err(Error::Poisoned { .. })));
    }
    drop(futures);
    drop(log);
    for cursor in &mut cursors {
        let (outcome, _) = drive(Box::pin(cursor.next(9)).as_mut(), &waiting);
        assert!(matches!(outcome, Err(Error::Closed)));
    }
    let_go(&waiting);
}

#[test]
fn closing_wakes_cursors() {
    let disk = SimStorage::new();
    let log = options().open_on(Arc::new(disk.clone())).unwrap();
    let mut cursors = [ALL, HALF].map(|wanted| cursor(log.reader(), wanted, Visibility::Durable));
    let [all, half] = &mut cursors;
    let waiting = Arc::new(Counter::default());
    let mut futures = [Box::pin(all.next(9)), Box::pin(half.next(9))];
    for future in &mut futures {
        assert_eq!(len(poll(future.as_mut(), &waiting)), None);
    }
    let before = waiting.wakes();
    drop(log);
    waiting.wait(before + 2);
    for future in &mut futures {
        let (outcome, _) = drive(future.as_mut(), &waiting);
        assert!(matches!(outcome, Err(Error::Closed)));
    }
    drop(futures);
    let_go(&waiting);
}
