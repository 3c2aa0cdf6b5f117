//! Consumers that share a subscription, beside threads that append. A wait for an event may end
//! by its time here: one that waits with the log's tail is not woken by what others settle.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use annals::io::sim::SimStorage;
use annals::model::Time;
use annals::sourcing::{Consumer, SubscriptionOptions, Subscriptions};
use annals::{Expected, Log};

use crate::harness::{Model, holds};
use crate::words::{LONG, close, joined, one, open, options, spawn};

const EVENTS: usize = 4;
const SHORT: Duration = Duration::from_millis(1);

/// Stream and version of what one consumer was handed, in order, until all is acknowledged.
type Seen = Vec<(String, u64)>;

/// Takes at most so many.
fn consume(consumer: Consumer, most: usize, done: Arc<AtomicUsize>) -> Seen {
    let mut seen = Seen::new();
    while done.load(Ordering::SeqCst) < EVENTS && seen.len() < most {
        let Some(delivery) = consumer.next(SHORT).unwrap() else {
            // Or a schedule that prefers this thread would have it wait for ever.
            shuttle::thread::yield_now();
            continue;
        };
        let event = delivery.event();
        seen.push((event.stream().to_owned(), event.version()));
        delivery.ack().unwrap();
        done.fetch_add(1, Ordering::SeqCst);
    }
    seen
}

fn append(log: &Arc<Log>) -> [shuttle::thread::JoinHandle<()>; 2] {
    ["a", "b"].map(|stream| {
        let log = log.clone();
        spawn(move || {
            for _ in 0..EVENTS / 2 {
                log.append(&one(stream, Expected::Any)).unwrap();
            }
        })
    })
}

/// Everything was handed out once, each stream in its order by whom its events were handed to.
fn check(seen: Vec<Seen>, log: Arc<Log>, subscriptions: Subscriptions) {
    let mut all: Seen = seen.iter().flatten().cloned().collect();
    for one in &seen {
        for stream in ["a", "b"] {
            let versions = one.iter().filter(|(of, _)| of == stream).map(|(_, version)| version);
            assert!(versions.is_sorted(), "out of order: {one:?}");
        }
    }
    all.sort();
    let expected = ["a", "b"].map(|stream| [1, 2].map(|version| (stream.to_owned(), version)));
    assert_eq!(all, expected.as_flattened());
    assert!(subscriptions.wait_for("s", EVENTS as u64, LONG).unwrap());
    drop(subscriptions);
    close(log).unwrap();
}

/// Two members share the streams.
fn shared() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    let subscriptions = Subscriptions::new(log.clone());
    let subscription = subscriptions.open("s", &SubscriptionOptions::new()).unwrap();
    let done = Arc::new(AtomicUsize::new(0));
    let consumers = [0, 1].map(|_| {
        let (consumer, done) = (subscription.consumer(), Arc::clone(&done));
        spawn(move || consume(consumer, EVENTS, done))
    });
    drop(subscription);
    joined(append(&log));
    let seen = joined(consumers);
    check(seen, log, subscriptions);
}

/// One leaves after its first event, with which its share goes to the other.
fn left() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    let subscriptions = Subscriptions::new(log.clone());
    let subscription = subscriptions.open("s", &SubscriptionOptions::new()).unwrap();
    let done = Arc::new(AtomicUsize::new(0));
    let consumers = [1, EVENTS].map(|most| {
        let (consumer, done) = (subscription.consumer(), Arc::clone(&done));
        spawn(move || consume(consumer, most, done))
    });
    drop(subscription);
    joined(append(&log));
    let seen = joined(consumers);
    check(seen, log, subscriptions);
}

const fn model(name: &'static str, program: fn()) -> Model {
    Model { name, program, time: Time::Runs, schedules: 300 }
}

/// One after the other: what keeps the open subscriptions of a process is one for all threads,
/// and the locks of two models that run at once cannot be the same.
#[test]
fn members_that_come_and_go_are_handed_everything_once_and_each_stream_in_order() {
    holds(&model("subscriptions::shared", shared));
    holds(&model("subscriptions::left", left));
}
