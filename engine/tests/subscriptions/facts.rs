//! Opening, following, saving, deleting.

use std::time::Duration;

use annals::io::sim::{CallKind, Failure, Fault, KeepAll, Nth, SimStorage, Times};
use annals::sourcing::{OnFailure, SubscriptionError, SubscriptionOptions};
use annals::{Batch, Error, Expected, NewEvent, NewSnapshot, Start};

use crate::support::{append, checkpoint, drained, not_saving, open, orders, saving};

#[test]
fn what_was_acknowledged_is_not_delivered_again_after_a_restart_and_the_rest_is() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    append(&log, &["a", "b", "a", "c"]);
    let subscription = subscriptions.open("s", &not_saving()).unwrap();
    let consumer = subscription.consumer();
    for expected in 1..=2 {
        let delivery = consumer.next(Duration::ZERO).unwrap().unwrap();
        assert_eq!((delivery.event().position(), delivery.attempt()), (expected, 1));
        delivery.ack().unwrap();
    }
    drop(consumer.next(Duration::ZERO).unwrap());
    drop((consumer, subscription));
    drop((log, subscriptions));

    let (_log, subscriptions) = open(&disk);
    let subscription = subscriptions.open("s", &not_saving()).unwrap();
    assert_eq!(checkpoint(&subscription), 2);
    assert_eq!(drained(&subscription.consumer()), [3, 4]);
}

#[test]
fn each_start_is_where_it_says_and_holds_from_the_first_opening_on() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    disk.set_now(1_000);
    append(&log, &["a"]);
    disk.set_now(2_000_000_000);
    append(&log, &["a"]);
    let second = log.read("a").from(2).collect().unwrap()[0].as_event().recorded_at();
    append(&log, &["a"]);
    let starts = [
        ("beginning", Start::Beginning, 0),
        ("after", Start::After(2), 2),
        ("end", Start::End, 3),
        ("at", Start::At(second), 1),
    ];
    for (name, start, after) in starts {
        let options = SubscriptionOptions::new().start(start);
        let subscription = subscriptions.open(name, &options).unwrap();
        assert_eq!(checkpoint(&subscription), after, "{name}");
    }
    let beyond = SubscriptionOptions::new().start(Start::After(4));
    let error = subscriptions.open("beyond", &beyond).unwrap_err();
    assert!(matches!(error, SubscriptionError::Store(Error::BeyondHead { .. })), "{error}");
    drop((log, subscriptions));
    disk.power_cut(annals::io::sim::LoseAll);

    let (log, subscriptions) = open(&disk);
    append(&log, &["a"]);
    for (name, start, after) in starts {
        // What was asked for once holds, not what would be the end by now.
        let subscription = subscriptions.open(name, &SubscriptionOptions::new().start(start));
        let expected: Vec<_> = (after + 1..=4).collect();
        assert_eq!(drained(&subscription.unwrap().consumer()), expected, "{name}");
    }
}

#[test]
fn another_filter_under_the_same_name_is_an_error() {
    let disk = SimStorage::new();
    let (_log, subscriptions) = open(&disk);
    let options = SubscriptionOptions::new().filter(orders());
    let first = subscriptions.open("s", &options).unwrap();
    for round in 0..2 {
        let error = subscriptions.open("s", &SubscriptionOptions::new()).unwrap_err();
        match error {
            SubscriptionError::OtherFilter { name, stored, given } => {
                assert_eq!((name.as_str(), stored.as_str()), ("s", "category=\"order\""));
                assert_eq!(given, "everything", "{round}");
            }
            other => panic!("{other}"),
        }
        if round == 0 {
            let again = subscriptions.open("s", &options).unwrap();
            assert_eq!(again.status().unwrap().filter, first.status().unwrap().filter);
        }
    }
}

/// KurrentDB #3320, #4892, Eventuous #559: a subscription to rare events stood still, looked
/// as though it lagged, and read everything again after each restart.
#[test]
fn a_filter_that_matches_nothing_still_moves_the_checkpoint_to_the_head() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    let options = not_saving().filter(orders());
    let subscription = subscriptions.open("s", &options).unwrap();
    for _ in 0..40 {
        append(&log, &["stock-1", "stock-2"]);
    }
    assert_eq!(subscription.status().unwrap().lag_events, 80);
    assert!(subscription.status().unwrap().lag_time > Duration::ZERO);
    let consumer = subscription.consumer();
    let records = log.stats().unwrap().states;
    for _ in 0..100 {
        assert!(consumer.next(Duration::ZERO).unwrap().is_none());
    }
    let status = subscription.status().unwrap();
    assert_eq!((status.checkpoint, status.lag_events), (80, 0));
    assert_eq!(status.lag_time, Duration::ZERO);
    assert_eq!(log.stats().unwrap().states, records, "a record for nothing");
    drop((consumer, subscription));
    assert_eq!(subscriptions.status("s").unwrap().checkpoint, 80);
    assert_eq!(log.stats().unwrap().states, records + 1);
}

/// An idle subscription at the head writes nothing more: its own records are no events.
#[test]
fn a_subscription_at_the_head_writes_no_record_for_ever() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    append(&log, &["a", "a"]);
    let subscription = subscriptions.open("s", &saving()).unwrap();
    let consumer = subscription.consumer();
    assert_eq!(drained(&consumer), [1, 2]);
    let records = log.stats().unwrap().states;
    for _ in 0..50 {
        assert!(consumer.next(Duration::from_millis(1)).unwrap().is_none());
    }
    assert_eq!(log.stats().unwrap().states, records);
}

/// KurrentDB #1083: after one failed write of its checkpoint a subscription wrote none any
/// more.
#[test]
fn one_failed_checkpoint_write_does_not_stop_later_ones() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    append(&log, &["a", "a", "a"]);
    let subscription = subscriptions.open("s", &saving()).unwrap();
    let consumer = subscription.consumer();
    // There is no space for a while.
    disk.set_capacity(Some(disk.allocated()));
    let mut big = Batch::new();
    big.write("big", Expected::Any, [NewEvent::new("T").data(&[0; 60 << 10])]);
    assert!(matches!(log.append(&big), Err(Error::Full { .. })));
    consumer.next(Duration::ZERO).unwrap().unwrap().ack().unwrap();
    disk.set_capacity(None);
    drop(subscription.save());
    assert_eq!(drained(&consumer), [2, 3]);
    let status = subscription.status().unwrap();
    assert!(status.save_error.is_none(), "{status:?}");
    drop((consumer, subscription, log, subscriptions));
    let (_log, subscriptions) = open(&disk);
    assert_eq!(subscriptions.status("s").unwrap().checkpoint, 3);
}

#[test]
fn a_poisoned_log_is_told_to_who_waits_for_events() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    append(&log, &["a", "a", "a"]);
    let subscription = subscriptions.open("s", &saving()).unwrap();
    let consumer = subscription.consumer();
    let first = consumer.next(Duration::ZERO).unwrap().unwrap();
    let fault = Fault::new(Nth::Of(CallKind::Write, 1), Failure::Device).times(Times::ForGood);
    disk.fail(fault);
    let mut batch = Batch::new();
    batch.write("a", Expected::Any, [NewEvent::new("T")]);
    assert!(matches!(log.append(&batch), Err(Error::Poisoned { .. })));
    let poisoned = |error| matches!(error, SubscriptionError::Store(Error::Poisoned { .. }));
    assert!(poisoned(first.ack().unwrap_err()));
    assert!(poisoned(consumer.next(Duration::ZERO).unwrap_err()));
    assert!(poisoned(subscription.save().unwrap_err()));
}

/// Protean #1361: a subscription whose place is beyond the end of a log that was restored from
/// an older copy skipped whatever came next.
#[test]
fn a_subscription_beyond_the_head_is_reported_and_not_skipped_forward() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    append(&log, &["a", "a", "a"]);
    let subscription = subscriptions.open("s", &saving()).unwrap();
    assert_eq!(drained(&subscription.consumer()), [1, 2, 3]);
    drop(subscription);
    let state = log.state("$subscription/s", 1).unwrap().unwrap();
    let text = String::from_utf8(state.data().to_vec()).unwrap();

    // An older log, into which the newer place got.
    let older = SimStorage::new();
    let (log, subscriptions) = open(&older);
    append(&log, &["a", "a"]);
    let mut batch = Batch::new();
    batch.state("$subscription/s", 3, NewSnapshot::new(1).json(&text));
    log.append(&batch).unwrap();
    match subscriptions.open("s", &saving()).unwrap_err() {
        SubscriptionError::BeyondHead { name, position, head } => {
            assert_eq!((name.as_str(), position, head), ("s", 3, 2));
        }
        other => panic!("{other}"),
    }
    subscriptions.reset("s", Start::After(1)).unwrap();
    let subscription = subscriptions.open("s", &saving()).unwrap();
    assert_eq!(drained(&subscription.consumer()), [2]);
}

#[test]
fn a_state_that_cannot_be_read_is_not_taken_for_a_new_subscription() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    for (text, why) in [
        ("{\"format\":2}", "format is 2"),
        ("no json", "expected"),
        ("{\"format\":1,\"filter\":\"everything\"}", "no place"),
    ] {
        let mut batch = Batch::new();
        batch.state("$subscription/s", 0, NewSnapshot::new(1).json(text));
        log.append(&batch).unwrap();
        let error = subscriptions.open("s", &saving()).unwrap_err();
        assert!(matches!(error, SubscriptionError::Unreadable { .. }), "{error}");
        assert!(error.to_string().contains(why), "{error}");
        assert!(subscriptions.list().is_err());
    }
}

#[test]
fn subscriptions_are_listed_reset_and_deleted_open_or_not() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    append(&log, &["a", "a", "a"]);
    for open_meanwhile in [true, false] {
        let held = ["x", "y"].map(|name| {
            let subscription = subscriptions.open(name, &saving()).unwrap();
            assert_eq!(drained(&subscription.consumer()), [1, 2, 3]);
            subscription
        });
        let held = open_meanwhile.then_some(held);
        let list = subscriptions.list().unwrap();
        let list: Vec<_> = list.iter().map(|s| (s.name.as_str(), s.checkpoint)).collect();
        assert_eq!(list, [("x", 3), ("y", 3)]);

        subscriptions.reset("x", Start::After(1)).unwrap();
        subscriptions.delete("y").unwrap();
        let error = subscriptions.status("y").unwrap_err();
        assert!(matches!(error, SubscriptionError::NotFound { .. }), "{error}");
        assert!(matches!(subscriptions.delete("y"), Err(SubscriptionError::NotFound { .. })));
        assert!(matches!(
            subscriptions.reset("y", Start::End),
            Err(SubscriptionError::NotFound { .. })
        ));
        if let Some([x, y]) = &held {
            assert_eq!(drained(&x.consumer()), [2, 3]);
            let error = y.consumer().next(Duration::ZERO).unwrap_err();
            assert!(matches!(error, SubscriptionError::NotFound { .. }), "{error}");
        }
        drop(held);
        assert_eq!(subscriptions.list().unwrap().len(), 1);
        // A new one under the name of the deleted one, with another filter.
        let y = subscriptions.open("y", &saving().filter(orders())).unwrap();
        assert!(drained(&y.consumer()).is_empty());
        drop(y);
        subscriptions.delete("y").unwrap();
        subscriptions.delete("x").unwrap();
    }
}

/// Occurrent #361: a program could not tell when a view had seen its own write.
#[test]
fn a_program_waits_until_a_subscription_has_settled_its_own_write() {
    let directory = tempfile::tempdir().unwrap();
    let log = std::sync::Arc::new(annals::Log::open(directory.path()).unwrap());
    let subscriptions = annals::sourcing::Subscriptions::new(log.clone());
    let subscription = subscriptions.open("view", &SubscriptionOptions::new()).unwrap();
    let position = append(&log, &["a", "b"]);
    assert!(!subscriptions.wait_for("view", position, Duration::from_millis(20)).unwrap());
    std::thread::scope(|threads| {
        let consumer = subscription.consumer();
        threads.spawn(move || {
            let error = consumer.run(OnFailure::stop(), |_| {
                std::thread::sleep(Duration::from_millis(20));
                Ok::<(), String>(())
            });
            assert!(matches!(error, Err(SubscriptionError::Stopped { .. })));
        });
        for _ in 0..3 {
            let position = append(&log, &["a"]);
            assert!(subscriptions.wait_for("view", position, Duration::from_secs(30)).unwrap());
            assert!(checkpoint(&subscription) >= position);
        }
        subscription.stop("the test is over");
    });
    drop(subscription);
    // It is closed, and what it has settled is known all the same.
    assert!(subscriptions.wait_for("view", position, Duration::ZERO).unwrap());
    assert!(subscriptions.wait_for("none", 0, Duration::ZERO).is_err());
}

#[test]
fn handles_of_one_store_share_an_open_subscription() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    append(&log, &["a", "b"]);
    let first = subscriptions.open("s", &saving()).unwrap();
    let again = annals::sourcing::Subscriptions::new(log.clone());
    let second = again.open("s", &saving()).unwrap();
    let held = first.consumer().next(Duration::ZERO).unwrap().unwrap();
    // What the first one has in its hands the second one is not handed.
    assert_eq!(drained(&second.consumer()), [2]);
    assert_eq!(second.status().unwrap().in_flight, 1);
    held.ack().unwrap();
    assert_eq!(checkpoint(&second), 2);
    disk.power_cut(KeepAll);
}
