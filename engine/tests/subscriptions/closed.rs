//! What can be asked and done about subscriptions that nobody has open here.

use std::time::Duration;

use annals::io::sim::{LoseAll, SimStorage};
use annals::sourcing::{Nack, SubscriptionError, SubscriptionStatus};

use crate::support::{append, checkpoint, drained, not_saving, open, saving};

/// A handler is not at hand where parked events are looked at, in a tool for instance: it is
/// noted what is to be delivered, and that survives a power cut.
#[test]
fn parked_streams_of_a_closed_subscription_are_replayed_and_dropped_durably() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    append(&log, &["a", "c", "b", "a", "b", "d"]);
    let subscription = subscriptions.open("s", &saving()).unwrap();
    let consumer = subscription.consumer();
    let next = || consumer.next(Duration::ZERO).unwrap().unwrap();
    next().nack(Nack::Park("why")).unwrap();
    let in_hand = next();
    next().nack(Nack::Park("why")).unwrap();
    let last = next();
    assert_eq!((in_hand.event().position(), last.event().position()), (2, 6));
    last.ack().unwrap();
    drop((in_hand, consumer, subscription));

    subscriptions.replay("s", "a").unwrap();
    subscriptions.drop_parked("s", "b", "sent twice").unwrap();
    let refused = subscriptions.drop_parked("s", "b", "again").unwrap_err();
    assert!(matches!(refused, SubscriptionError::NotParked { .. }), "{refused}");
    let refused = subscriptions.replay("s", "c").unwrap_err();
    assert!(matches!(refused, SubscriptionError::NotParked { .. }), "{refused}");
    let refused = subscriptions.replay("t", "a").unwrap_err();
    assert!(matches!(refused, SubscriptionError::NotFound { .. }), "{refused}");

    let crashed = disk.fork();
    crashed.power_cut(LoseAll);
    let (_other, subscriptions) = open(&crashed);
    let status = subscriptions.status("s").unwrap();
    assert_eq!((status.checkpoint, status.parked.len(), status.skipped), (1, 2, 1));
    assert!(status.parked.iter().all(|parked| parked.replaying), "{status:?}");
    let subscription = subscriptions.open("s", &saving()).unwrap();
    // Not 3, which was dropped, nor 6, which was acknowledged before.
    let mut seen = drained(&subscription.consumer());
    seen.sort_unstable();
    assert_eq!(seen, [1, 2, 4, 5]);
    let status = subscription.status().unwrap();
    assert_eq!((status.checkpoint, status.parked.len()), (6, 0));
    assert_eq!(status.last_skipped[0].reason, "sent twice");
}

#[test]
fn a_subscription_that_is_open_is_replayed_at_once() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    append(&log, &["a", "a"]);
    let subscription = subscriptions.open("s", &saving()).unwrap();
    let consumer = subscription.consumer();
    consumer.next(Duration::ZERO).unwrap().unwrap().nack(Nack::Park("why")).unwrap();
    assert!(drained(&consumer).is_empty());
    subscriptions.replay("s", "a").unwrap();
    assert_eq!(drained(&consumer), [1, 2]);
}

#[test]
fn a_reader_knows_what_was_saved() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    append(&log, &["a", "b", "c"]);
    let subscription = subscriptions.open("s", &not_saving()).unwrap();
    subscriptions.open("t", &not_saving()).unwrap();
    subscriptions.delete("t").unwrap();
    drained(&subscription.consumer());
    let reader = log.reader();
    let found = |name: &str| SubscriptionStatus::find(reader, name).unwrap();
    let lag = || found("s").map(|status| (status.checkpoint, status.lag_events));
    assert_eq!((checkpoint(&subscription), lag()), (3, Some((0, 3))));
    subscription.save().unwrap();
    assert_eq!(lag(), Some((3, 0)));
    assert_eq!(SubscriptionStatus::names(reader).unwrap(), ["s", "t"]);
    assert!(found("t").is_none() && found("u").is_none());
}
