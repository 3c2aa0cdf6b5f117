//! What the tests of subscriptions share.

use std::sync::Arc;
use std::time::Duration;

use annals::io::sim::SimStorage;
use annals::sourcing::{Consumer, Subscription, SubscriptionOptions, Subscriptions};
use annals::{Background, Batch, Expected, Filter, Log, NewEvent, Options};

/// A log on a simulated disk, and its subscriptions. Nothing happens in the background.
pub(crate) fn open(disk: &SimStorage) -> (Arc<Log>, Subscriptions) {
    let options = Options::new().background(Background::Inline).segment_bytes(64 << 10);
    let log = Arc::new(options.open_on(Arc::new(disk.clone())).unwrap());
    let subscriptions = Subscriptions::new(log.clone());
    (log, subscriptions)
}

/// Saves after each acknowledgement.
pub(crate) fn saving() -> SubscriptionOptions {
    SubscriptionOptions::new().save(1, Duration::ZERO)
}

/// Saves when it goes alone.
pub(crate) fn not_saving() -> SubscriptionOptions {
    SubscriptionOptions::new().save(u64::MAX, Duration::from_secs(1_000_000))
}

pub(crate) fn orders() -> Filter {
    Filter::new().category("order")
}

/// Appends an event to each of these streams.
pub(crate) fn append(log: &Log, streams: &[&str]) -> u64 {
    let mut last = 0;
    for stream in streams {
        let mut batch = Batch::new();
        batch.write(stream, Expected::Any, [NewEvent::new("T")]);
        last = log.append(&batch).unwrap().last_position();
    }
    last
}

/// The positions of everything that is there for a consumer, acknowledged.
pub(crate) fn drained(consumer: &Consumer) -> Vec<u64> {
    let mut seen = Vec::new();
    while let Some(delivery) = consumer.next(Duration::ZERO).unwrap() {
        seen.push(delivery.event().position());
        delivery.ack().unwrap();
    }
    seen
}

pub(crate) fn checkpoint(subscription: &Subscription) -> u64 {
    subscription.status().unwrap().checkpoint
}
