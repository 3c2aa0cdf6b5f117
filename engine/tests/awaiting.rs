//! Tickets and cursors that are awaited, by three runtimes: tokio with one thread and with
//! several, and async-executor under pollster with two.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "awaiting/by_hand.rs"]
mod by_hand;
#[path = "awaiting/runtimes.rs"]
mod runtimes;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use annals::io::sim::SimStorage;
use annals::{
    Batch, Cursor, CursorOptions, Durability, Error, Expected, Filter, Log, NewEvent, Options,
    Reader, Start, Visibility,
};
use runtimes::{RUNTIMES, Runtime, Task, in_time};

const APPENDERS: u64 = 16;
const BATCHES: u64 = 40;
const EVENTS: u64 = APPENDERS * BATCHES;

fn options() -> Options {
    Options::new().segment_bytes(16 << 10)
}

fn batch(stream: &str, expected: Expected) -> Batch {
    let mut batch = Batch::new();
    batch.write(stream, expected, [NewEvent::new("T").data(&[7; 60])]);
    batch
}

/// Appends to a stream of its own, each batch when the one before it was answered.
fn appender(log: &Arc<Log>, n: u64, durability: Durability) -> Task {
    let log = Arc::clone(log);
    Box::pin(async move {
        let stream = format!("s{}-{n}", n % 2);
        for version in 0..BATCHES {
            let batch = batch(&stream, Expected::Exact(version));
            let committed = log.submit_with(&batch, durability).unwrap().await.unwrap();
            assert_eq!(committed.version(&stream), Some(version + 1));
            assert!(committed.durability() >= durability);
        }
    })
}

/// What a tailing task is to be handed: everything, or what one filter takes.
#[derive(Clone, Copy)]
struct Wanted {
    category: Option<&'static str>,
    events: u64,
    max: usize,
}

const ALL: Wanted = Wanted { category: None, events: EVENTS, max: 100 };
const HALF: Wanted = Wanted { category: Some("s1"), events: EVENTS / 2, max: 3 };

fn cursor(reader: &Reader, wanted: Wanted, visibility: Visibility) -> Cursor {
    let filter = wanted.category.map_or(Filter::new(), |name| Filter::new().category(name));
    let options = CursorOptions::new().visibility(visibility).filter(filter);
    reader.cursor_with(Start::Beginning, &options).unwrap()
}

/// What was handed out so far, in position order.
#[derive(Default)]
struct Seen {
    events: u64,
    last: u64,
}

impl Seen {
    fn take(&mut self, wanted: Wanted, events: &annals::Events) {
        for event in events {
            let next = self.last + 1;
            match wanted.category {
                None => assert_eq!(event.position(), next),
                Some(name) => {
                    assert!(event.position() >= next && event.stream().starts_with(name));
                }
            }
            self.last = event.position();
            self.events += 1;
        }
        assert!(self.events <= wanted.events);
    }
}

fn tailer(mut cursor: Cursor, wanted: Wanted) -> Task {
    Box::pin(async move {
        let mut seen = Seen::default();
        while seen.events < wanted.events {
            let events = cursor.next(wanted.max).await.unwrap();
            assert!(!events.is_empty() && events.len() <= wanted.max);
            seen.take(wanted, &events);
        }
    })
}

/// A log, and a reader of it in another process.
fn log_and_reader() -> (Arc<Log>, Reader) {
    let disk = SimStorage::new();
    let log = options().open_on(Arc::new(disk.clone())).unwrap();
    let reader = options().open_reader_on(Arc::new(disk.another_process())).unwrap();
    (Arc::new(log), reader)
}

fn everybody(runtime: Runtime, level: Durability) {
    let (log, reader) = log_and_reader();
    let mut tasks: Vec<Task> = Vec::new();
    for from in [log.reader(), &reader] {
        for visibility in [Visibility::Durable, Visibility::Written] {
            for wanted in [ALL, HALF, ALL] {
                tasks.push(tailer(cursor(from, wanted, visibility), wanted));
            }
        }
    }
    tasks.extend((0..APPENDERS).map(|n| appender(&log, n, level)));
    runtime(tasks);
    assert_eq!(log.read_all().collect().unwrap().len(), usize::try_from(EVENTS).unwrap());
}

#[test]
fn tasks_that_append_and_tasks_that_tail_share_a_runtime() {
    for (name, runtime) in RUNTIMES {
        for level in [Durability::Durable, Durability::Written, Durability::Buffered] {
            println!("{name}, {level:?}");
            in_time(move || everybody(runtime, level));
        }
    }
}

#[test]
fn a_log_without_threads_is_awaited_too() {
    for (_, runtime) in RUNTIMES {
        in_time(move || {
            let options = options().background(annals::Background::Inline);
            let log = options.open_on(Arc::new(SimStorage::new())).unwrap();
            let log = Arc::new(log);
            let mut tasks: Vec<Task> =
                vec![tailer(cursor(log.reader(), ALL, Visibility::Durable), ALL)];
            tasks.extend((0..APPENDERS).map(|n| appender(&log, n, Durability::Durable)));
            runtime(tasks);
        });
    }
}

/// One task with many batches in flight; they are answered out of the order in which they
/// are awaited.
#[test]
fn many_tickets_of_one_task_are_awaited_in_any_order() {
    for (_, runtime) in RUNTIMES {
        in_time(move || {
            let (log, _) = log_and_reader();
            let task = Arc::clone(&log);
            runtime(vec![Box::pin(async move {
                let submit = |n| task.submit(&batch("s", Expected::Exact(n))).unwrap();
                let mut tickets: Vec<_> = (0..500).map(submit).collect();
                // Every third one is dropped: it commits all the same.
                let mut awaited = 0;
                while let Some(ticket) = tickets.pop() {
                    if tickets.len() % 3 > 0 {
                        let version = ticket.await.unwrap().version("s").unwrap();
                        assert_eq!(version, tickets.len() as u64 + 1);
                        awaited += 1;
                    }
                }
                assert_eq!(awaited, 333);
                task.sync().unwrap();
            })]);
            assert_eq!((log.head(), log.version("s").unwrap()), (500, 500));
        });
    }
}

/// A time limit that is often up first: what the dropped futures would have handed out comes
/// with the next one.
fn impatient(mut cursor: Cursor, wanted: Wanted, dropped: Arc<AtomicU64>) -> Task {
    Box::pin(async move {
        let mut seen = Seen::default();
        let mut limits = [0, 0, 1].map(Duration::from_millis).into_iter().cycle();
        while seen.events < wanted.events {
            let limit = limits.next().unwrap();
            match tokio::time::timeout(limit, cursor.next(wanted.max)).await {
                Ok(events) => seen.take(wanted, &events.unwrap()),
                Err(_) => drop(dropped.fetch_add(1, Ordering::Relaxed)),
            }
        }
    })
}

#[test]
fn what_a_dropped_future_would_have_handed_out_is_neither_lost_nor_doubled() {
    // Time limits are tokio's.
    for (_, runtime) in RUNTIMES.into_iter().filter(|(name, _)| name.starts_with("tokio")) {
        in_time(move || {
            let (log, reader) = log_and_reader();
            let dropped = Arc::new(AtomicU64::new(0));
            let mut tasks: Vec<Task> = Vec::new();
            for from in [log.reader(), &reader] {
                for wanted in [ALL, HALF] {
                    let cursor = cursor(from, wanted, Visibility::Durable);
                    tasks.push(impatient(cursor, wanted, Arc::clone(&dropped)));
                }
            }
            // Tickets as well: one that is not ready in time is awaited on, or dropped.
            for n in 0..APPENDERS {
                let log = Arc::clone(&log);
                tasks.push(Box::pin(async move {
                    let stream = format!("s{}-{n}", n % 2);
                    for version in 0..BATCHES {
                        let mut ticket = log.submit(&batch(&stream, Expected::Exact(version)));
                        let ticket = ticket.as_mut().unwrap();
                        let limit = Duration::from_micros(n * 7);
                        if tokio::time::timeout(limit, &mut *ticket).await.is_err() && n % 2 == 0 {
                            assert_eq!(ticket.await.unwrap().version(&stream), Some(version + 1));
                        }
                        tokio::time::sleep(Duration::from_micros(300)).await;
                    }
                }));
            }
            runtime(tasks);
            assert_eq!(log.head(), EVENTS);
            assert!(dropped.load(Ordering::Relaxed) > 5, "{dropped:?}");
        });
    }
}

/// A cursor that waits is told when its log is closed, also one with a filter; first it is
/// handed what is there.
#[test]
fn closing_wakes_whoever_awaits() {
    for (_, runtime) in RUNTIMES {
        in_time(move || {
            let (log, _) = log_and_reader();
            let mut tasks: Vec<Task> = Vec::new();
            for wanted in [ALL, HALF] {
                let mut cursor = cursor(log.reader(), wanted, Visibility::Durable);
                tasks.push(Box::pin(async move {
                    let mut seen = 0;
                    let end = loop {
                        match cursor.next(10).await {
                            Ok(events) => seen += events.len(),
                            Err(error) => break error,
                        }
                    };
                    assert!(matches!(end, Error::Closed), "{end}");
                    assert_eq!(seen, if wanted.category.is_some() { 1 } else { 2 });
                    assert!(matches!(cursor.next(10).await, Err(Error::Closed)));
                    assert!(cursor.next(0).await.unwrap().is_empty());
                }));
            }
            tasks.push(Box::pin(async move {
                for stream in ["s0-1", "s1-1"] {
                    log.submit(&batch(stream, Expected::Any)).unwrap().await.unwrap();
                }
                Arc::into_inner(log).unwrap().close().unwrap();
            }));
            runtime(tasks);
        });
    }
}

/// The other process goes on: the writer closes, dies, and comes again.
#[test]
fn cursors_of_another_process_are_awaited_over_the_lives_of_writers() {
    for (_, runtime) in RUNTIMES {
        in_time(move || {
            let disk = SimStorage::new();
            drop(options().open_on(Arc::new(disk.clone())).unwrap());
            let elsewhere = disk.another_process();
            let reader = options().open_reader_on(Arc::new(elsewhere)).unwrap();
            let ten = |category| Wanted { category, events: 10, max: 4 };
            let mut tasks: Vec<Task> = Vec::new();
            for wanted in [ten(None), ten(Some("s"))] {
                tasks.push(tailer(cursor(&reader, wanted, Visibility::Durable), wanted));
            }
            let writers = std::thread::spawn(move || {
                for n in 0..10 {
                    let log = loop {
                        match options().open_on(Arc::new(disk.clone())) {
                            // The reader makes durable what it found without a writer.
                            Err(Error::Locked { .. }) => std::thread::yield_now(),
                            other => break other.unwrap(),
                        }
                    };
                    log.append(&batch("s-1", Expected::Exact(n))).unwrap();
                    if n % 3 == 0 {
                        // What was written is read by whoever comes when this one is dead.
                        disk.kill();
                    }
                }
            });
            runtime(tasks);
            writers.join().unwrap();
        });
    }
}
