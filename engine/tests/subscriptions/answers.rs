//! Acknowledgements, refusals, parking, partitions, exactly-once steps.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use annals::io::sim::{LoseAll, SimStorage};
use annals::sourcing::{Nack, OnFailure, SubscriptionError, partition_of};
use annals::{Batch, Durability, Error, Expected, NewEvent, NewSnapshot};

use crate::support::{append, checkpoint, drained, not_saving, open, orders, saving};

const SOON: Duration = Duration::ZERO;

/// KurrentDB #1301: with acknowledgements out of order, the checkpoint ran ahead of events that
/// nobody had acknowledged, and a restart lost them.
#[test]
fn the_checkpoint_is_never_above_the_lowest_event_that_is_not_acknowledged() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    append(&log, &["a", "b", "c", "d", "e"]);
    let subscription = subscriptions.open("s", &saving()).unwrap();
    let consumer = subscription.consumer();
    let mut held: BTreeMap<_, _> = (0..5)
        .map(|_| consumer.next(SOON).unwrap().unwrap())
        .map(|delivery| (delivery.event().position(), delivery))
        .collect();
    for (position, expected) in [(4, 0), (2, 0), (1, 2)] {
        held.remove(&position).unwrap().ack().unwrap();
        assert_eq!(checkpoint(&subscription), expected);
        let state = log.state("$subscription/s", 1).unwrap().unwrap();
        assert_eq!(state.version(), expected);
    }
    // What is saved of it is lost in a power cut or not: nothing else.
    log.sync().unwrap();
    let crashed = disk.fork();
    crashed.power_cut(LoseAll);
    let (_other, subscriptions) = open(&crashed);
    let subscription = subscriptions.open("s", &saving()).unwrap();
    assert_eq!(checkpoint(&subscription), 2);
    assert_eq!(drained(&subscription.consumer()), [3, 5]);
}

/// Spring Cloud Stream #1114, Marten: a consumer that failed went on with the next event.
#[test]
fn a_handler_that_fails_stops_it_unless_told_otherwise_and_nothing_is_skipped() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    append(&log, &["a", "b", "a"]);
    for _ in 0..2 {
        let subscription = subscriptions.open("s", &saving()).unwrap();
        let consumer = subscription.consumer();
        let mut seen = Vec::new();
        let ended = consumer.catch_up(OnFailure::stop(), |delivery| {
            seen.push(delivery.event().position());
            if delivery.event().stream() == "b" { Err("no") } else { Ok(()) }
        });
        match ended.unwrap_err() {
            SubscriptionError::Stopped { position, reason, .. } => {
                assert_eq!((position, reason.as_str()), (Some(2), "no"));
            }
            other => panic!("{other}"),
        }
        assert_eq!(seen.last(), Some(&2));
        assert!(consumer.next(SOON).is_err());
        assert_eq!(checkpoint(&subscription), 1);
    }
}

#[test]
fn a_failed_event_is_tried_again_after_its_time_and_its_stream_waits_meanwhile() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    append(&log, &["a", "b", "a", "b"]);
    let subscription = subscriptions.open("s", &saving()).unwrap();
    let mut seen = Vec::new();
    let policy = OnFailure::stop().retry(3, Duration::from_millis(2));
    let handled = subscription.consumer().catch_up(policy, |delivery| {
        let (position, attempt) = (delivery.event().position(), delivery.attempt());
        seen.push((position, attempt));
        if position == 1 && attempt < 4 { Err("not yet") } else { Ok(()) }
    });
    assert_eq!(handled.unwrap(), 4);
    let of = |stream: [u64; 2]| {
        let of_stream = seen.iter().copied().filter(|(position, _)| stream.contains(position));
        of_stream.collect::<Vec<_>>()
    };
    assert_eq!(of([1, 3]), [(1, 1), (1, 2), (1, 3), (1, 4), (3, 1)]);
    assert_eq!(of([2, 4]), [(2, 1), (4, 1)]);
    // The others did not wait.
    assert!(
        seen.iter().position(|s| s.0 == 4) < seen.iter().position(|s| *s == (1, 4)),
        "{seen:?}"
    );
    assert_eq!(checkpoint(&subscription), 4);
}

#[test]
fn parking_an_event_parks_its_stream_and_the_others_go_on() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    append(&log, &["a", "b", "a", "b"]);
    let subscription = subscriptions.open("s", &saving()).unwrap();
    let consumer = subscription.consumer();
    let mut seen = Vec::new();
    let mut fails = |delivery: &annals::sourcing::Delivery| {
        seen.push(delivery.event().position());
        if delivery.event().position() == 1 { Err("no such customer") } else { Ok(()) }
    };
    assert_eq!(consumer.catch_up(OnFailure::park(), &mut fails).unwrap(), 2);
    append(&log, &["a", "b"]);
    assert_eq!(consumer.catch_up(OnFailure::park(), &mut fails).unwrap(), 1);
    assert_eq!(seen, [1, 2, 4, 6]);
    let status = subscription.status().unwrap();
    // It is settled by being parked: the checkpoint does not wait.
    assert_eq!(status.checkpoint, 6);
    let [parked] = &status.parked[..] else { panic!("{status:?}") };
    assert_eq!((parked.stream.as_str(), parked.position, parked.version), ("a", 1, 1));
    assert_eq!((parked.reason.as_str(), parked.attempts), ("no such customer", 1));
}

/// KurrentDB #500, #1890: replaying parked messages moved the checkpoint.
#[test]
fn replaying_parked_events_leaves_the_checkpoint_alone_and_survives_a_restart() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    append(&log, &["a", "b", "a", "a"]);
    let subscription = subscriptions.open("s", &saving()).unwrap();
    let consumer = subscription.consumer();
    consumer.next(SOON).unwrap().unwrap().nack(Nack::Park("why")).unwrap();
    assert_eq!(drained(&consumer), [2]);
    subscription.replay("a").unwrap();
    for (position, next) in [(1, 3), (3, 4)] {
        let delivery = consumer.next(SOON).unwrap().unwrap();
        assert_eq!(delivery.event().position(), position);
        delivery.ack().unwrap();
        let status = subscription.status().unwrap();
        assert_eq!((status.checkpoint, status.parked[0].position), (4, next));
    }
    drop((consumer, subscription, log, subscriptions));

    let (log, subscriptions) = open(&disk);
    let subscription = subscriptions.open("s", &saving()).unwrap();
    append(&log, &["a"]);
    // Where it was, and then live.
    assert_eq!(drained(&subscription.consumer()), [4, 5]);
    let status = subscription.status().unwrap();
    assert_eq!((status.checkpoint, status.parked.len()), (5, 0));
}

#[test]
fn an_event_that_fails_again_in_a_replay_is_parked_again() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    append(&log, &["a", "a", "a"]);
    let subscription = subscriptions.open("s", &saving()).unwrap();
    let consumer = subscription.consumer();
    consumer.next(SOON).unwrap().unwrap().nack(Nack::Park("first")).unwrap();
    subscription.replay("a").unwrap();
    consumer.next(SOON).unwrap().unwrap().ack().unwrap();
    consumer.next(SOON).unwrap().unwrap().nack(Nack::Park("second")).unwrap();
    assert!(consumer.next(SOON).unwrap().is_none());
    let parked = subscription.status().unwrap().parked;
    assert_eq!((parked[0].position, parked[0].reason.as_str()), (2, "second"));
    // Dropping takes that one event, and what waited behind it is delivered.
    subscription.drop_parked("a", "sent twice").unwrap();
    assert_eq!(drained(&consumer), [3]);
    let status = subscription.status().unwrap();
    assert_eq!((status.skipped, status.last_skipped[0].position), (1, 2));
    assert_eq!(status.last_skipped[0].reason, "sent twice");
    assert!(status.parked.is_empty());
    assert!(matches!(subscription.replay("a"), Err(SubscriptionError::NotParked { .. })));
    append(&log, &["a"]);
    assert_eq!(drained(&consumer), [4]);
}

/// What waits behind a parked event need not fit into memory at once.
#[test]
fn a_long_parked_stream_is_replayed_in_order_while_it_grows() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    let mut batch = Batch::new();
    for n in 0..600_u64 {
        let stream = if n % 3 == 2 { "order-b" } else { "order-a" };
        batch.write(stream, Expected::Any, [NewEvent::new("T")]);
    }
    log.append(&batch).unwrap();
    let options = not_saving().filter(orders()).window(50);
    let subscription = subscriptions.open("s", &options).unwrap();
    let consumer = subscription.consumer();
    consumer.next(SOON).unwrap().unwrap().nack(Nack::Park("why")).unwrap();
    assert_eq!(drained(&consumer).len(), 200);
    subscription.replay("order-a").unwrap();
    let mut versions = Vec::new();
    while let Some(delivery) = consumer.next(SOON).unwrap() {
        versions.push(delivery.event().version());
        delivery.ack().unwrap();
        if versions.len().is_multiple_of(100) && versions.len() < 600 {
            append(&log, &["order-a", "stock-1"]);
        }
    }
    let expected: Vec<_> = (1..=404).collect();
    assert_eq!(versions, expected);
    assert!(subscription.status().unwrap().parked.is_empty());
}

#[test]
fn so_many_parked_streams_stop_it() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    append(&log, &["a", "b", "c", "d"]);
    let subscription = subscriptions.open("s", &saving().parked_streams(2)).unwrap();
    let ended = subscription.consumer().catch_up(OnFailure::park(), |_| Err("down"));
    assert!(
        matches!(ended, Err(SubscriptionError::Stopped { position: Some(3), .. })),
        "{ended:?}"
    );
    assert_eq!(checkpoint(&subscription), 2);
}

#[test]
fn what_is_skipped_is_recorded_with_its_reason() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    append(&log, &["a", "a"]);
    let subscription = subscriptions.open("s", &saving()).unwrap();
    let consumer = subscription.consumer();
    consumer.next(SOON).unwrap().unwrap().nack(Nack::Skip("a test order")).unwrap();
    assert_eq!(drained(&consumer), [2]);
    drop((consumer, subscription));
    let status = subscriptions.status("s").unwrap();
    let skip = &status.last_skipped[0];
    assert_eq!((status.skipped, skip.position, skip.stream.as_str()), (1, 1, "a"));
    assert_eq!(skip.reason, "a test order");
}

#[test]
fn members_share_the_streams_and_order_within_each_holds_as_they_come_and_go() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    let names: Vec<_> = (0..20).map(|n| format!("order-{n}")).collect();
    for _ in 0..30 {
        append(&log, &names.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let subscription = subscriptions.open("s", &not_saving().window(64)).unwrap();
    let mut consumers = vec![subscription.consumer()];
    let mut versions: BTreeMap<String, u64> = BTreeMap::new();
    let mut held = Vec::new();
    let mut takers: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    let mut handled = 0;
    for round in 0_usize.. {
        match round % 40 {
            7 => consumers.push(subscription.consumer()),
            19 => consumers.push(subscription.consumer()),
            31 => drop(consumers.remove(0)),
            39 => consumers.truncate(1),
            _ => {}
        }
        let at = round % consumers.len();
        if let Some(delivery) = consumers[at].next(SOON).unwrap() {
            takers.entry(delivery.event().stream().to_owned()).or_default().insert(round / 40);
            held.push(delivery);
        }
        // Answered late and out of order.
        if held.len() > 5 || (round > 10_000 && !held.is_empty()) {
            let delivery = held.remove(round % held.len());
            let event = delivery.event();
            let last = versions.entry(event.stream().to_owned()).or_default();
            assert_eq!(event.version(), *last + 1, "{}", event.stream());
            *last += 1;
            handled += 1;
            delivery.ack().unwrap();
        }
        if handled == 600 {
            break;
        }
        assert!(round < 20_000, "{handled}");
    }
    assert_eq!(checkpoint(&subscription), 600);
}

#[test]
fn a_partition_is_of_the_streams_that_hash_to_it() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    let names: Vec<_> = (0..50).map(|n| format!("order-{n}")).collect();
    append(&log, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let subscription = subscriptions.open("s", &saving()).unwrap();
    let consumers = [0, 1, 2].map(|index| subscription.partition(index, 3));
    let mut all = BTreeSet::new();
    for (index, consumer) in (0..).zip(&consumers) {
        while let Some(delivery) = consumer.next(SOON).unwrap() {
            let stream = delivery.event().stream().to_owned();
            assert_eq!(partition_of(&stream, 3), index);
            assert!(all.insert(stream));
            delivery.ack().unwrap();
        }
    }
    assert_eq!(all.len(), 50);
}

/// UmaDB, KurrentDB: names whose hashes were equal were taken for each other.
#[test]
fn streams_of_one_partition_never_mix() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    // All streams have one hash where there is one partition.
    append(&log, &["a", "b", "a"]);
    let subscription = subscriptions.open("s", &saving()).unwrap();
    let consumer = subscription.partition(0, 1);
    consumer.next(SOON).unwrap().unwrap().nack(Nack::Park("why")).unwrap();
    assert_eq!(drained(&consumer), [2]);
    assert_eq!(subscription.status().unwrap().parked.len(), 1);
}

#[test]
fn what_lies_behind_a_retry_in_its_stream_is_taken_back() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    append(&log, &["a", "a", "b", "a"]);
    let subscription = subscriptions.open("s", &saving()).unwrap();
    let consumer = subscription.consumer();
    let mut many = consumer.next_many(10, SOON).unwrap();
    let positions: Vec<_> = many.iter().map(|delivery| delivery.event().position()).collect();
    assert_eq!(positions, [1, 2, 3, 4]);
    let last = many.pop().unwrap();
    let third = many.pop().unwrap();
    let second = many.pop().unwrap();
    // One that was delivered before it in its stream is not acknowledged yet.
    match last.ack().unwrap_err() {
        SubscriptionError::OutOfOrder { position, .. } => assert_eq!(position, 4),
        other => panic!("{other}"),
    }
    many.pop().unwrap().nack(Nack::Retry(SOON)).unwrap();
    match second.ack().unwrap_err() {
        SubscriptionError::NotInFlight { position, .. } => assert_eq!(position, 2),
        other => panic!("{other}"),
    }
    third.ack().unwrap();
    assert_eq!(checkpoint(&subscription), 0);
    assert_eq!(drained(&consumer), [1, 2, 4]);
    assert_eq!(checkpoint(&subscription), 4);
}

#[test]
fn a_reset_takes_back_what_is_in_flight() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    append(&log, &["a", "a"]);
    let subscription = subscriptions.open("s", &saving()).unwrap();
    let consumer = subscription.consumer();
    let early = consumer.next(SOON).unwrap().unwrap();
    subscriptions.reset("s", annals::Start::Beginning).unwrap();
    assert!(matches!(early.ack(), Err(SubscriptionError::NotInFlight { .. })));
    assert_eq!(drained(&consumer), [1, 2]);
}

fn counted(count: u64) -> Batch {
    let text = count.to_string();
    let mut batch = Batch::new();
    batch.write("counts", Expected::Any, [NewEvent::new("Counted").json(&text)]).state(
        "count",
        count,
        NewSnapshot::new(1).json(&text),
    );
    batch
}

#[test]
fn a_step_is_in_the_log_with_what_it_led_to_or_not_at_all() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    append(&log, &["order-1", "order-2"]);
    let subscription = subscriptions.open("s", &not_saving().filter(orders())).unwrap();
    let consumer = subscription.consumer();
    let first = consumer.next(SOON).unwrap().unwrap();
    let committed = first.commit(counted(1), Durability::Durable).unwrap();
    assert_eq!(committed.version("counts"), Some(1));
    // A batch that is refused leaves the event where it was.
    let second = consumer.next(SOON).unwrap().unwrap();
    let mut conflicting = counted(2);
    conflicting.expect("counts", Expected::NoStream);
    let error = second.commit(conflicting, Durability::Durable).unwrap_err();
    assert!(matches!(error, SubscriptionError::Store(Error::WrongExpectedVersion { .. })));
    assert_eq!(checkpoint(&subscription), 1);
    let again = consumer.next(SOON).unwrap().unwrap();
    assert_eq!((again.event().position(), again.attempt()), (2, 2));
    again.commit(counted(2), Durability::Buffered).unwrap();
    assert_eq!(checkpoint(&subscription), 2);

    // Nothing was saved but by the steps, and the second one was not durable.
    let crashed = disk.fork();
    crashed.power_cut(LoseAll);
    let (log, subscriptions) = open(&crashed);
    let saved = subscriptions.status("s").unwrap().checkpoint;
    let count = log.state("count", 1).unwrap().unwrap().version();
    assert_eq!((saved, count, log.version("counts").unwrap()), (1, 1, 1));
}

#[test]
fn acks_in_a_deduplicated_batch_still_apply() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    append(&log, &["order-1", "order-2"]);
    let subscription = subscriptions.open("s", &not_saving().filter(orders())).unwrap();
    let consumer = subscription.consumer();
    for duplicate in [false, true] {
        let mut batch = counted(1);
        batch.once("message-7");
        let delivery = consumer.next(SOON).unwrap().unwrap();
        let committed = delivery.commit(batch, Durability::Durable).unwrap();
        assert_eq!(committed.is_deduplicated(), duplicate);
    }
    assert_eq!(log.version("counts").unwrap(), 1);
    let saved = log.state("$subscription/s", 1).unwrap().unwrap();
    assert_eq!((checkpoint(&subscription), saved.version()), (2, 2));
}

#[test]
fn several_events_are_handled_in_one_step() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    append(&log, &["order-1", "order-1", "order-2"]);
    let subscription = subscriptions.open("s", &not_saving()).unwrap();
    let consumer = subscription.consumer();
    let mut many = consumer.next_many(2, SOON).unwrap();
    consumer.commit(&mut many, counted(2), Durability::Durable).unwrap();
    assert!(many.is_empty());
    assert_eq!(checkpoint(&subscription), 2);
    let mut rest = consumer.next_many(9, SOON).unwrap();
    assert_eq!(rest.len(), 2);
    // One that was taken back spoils the step as a whole.
    rest.pop().unwrap().nack(Nack::Retry(SOON)).unwrap();
    subscriptions.reset("s", annals::Start::After(2)).unwrap();
    let error = consumer.commit(&mut rest, counted(9), Durability::Durable).unwrap_err();
    assert!(matches!(error, SubscriptionError::NotInFlight { position: 3, .. }), "{error}");
    assert_eq!(log.version("counts").unwrap(), 1);
}

/// What was handed out before it stopped is answered for all the same.
#[test]
fn what_is_in_flight_when_it_stops_can_be_acknowledged() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    append(&log, &["a", "b"]);
    let subscription = subscriptions.open("s", &saving()).unwrap();
    let consumer = subscription.consumer();
    let first = consumer.next(SOON).unwrap().unwrap();
    consumer.next(SOON).unwrap().unwrap().nack(Nack::Stop("down")).unwrap();
    assert!(consumer.next(SOON).is_err());
    first.ack().unwrap();
    assert_eq!(checkpoint(&subscription), 1);
}

/// An opening that came while the last handle went could read an older place than that one
/// wrote then, and what was committed in between was done twice.
#[test]
fn who_opens_it_while_it_goes_begins_with_the_last_that_it_wrote() {
    let directory = tempfile::tempdir().unwrap();
    let log = std::sync::Arc::new(annals::Log::open(directory.path()).unwrap());
    let subscriptions = annals::sourcing::Subscriptions::new(log.clone());
    for _ in 0..300 {
        append(&log, &["a"]);
    }
    let seen = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                for _ in 0..75 {
                    let subscription = subscriptions.open("s", &not_saving()).unwrap();
                    let consumer = subscription.consumer();
                    let delivery = consumer.next(Duration::from_secs(30)).unwrap();
                    if let Some(delivery) = delivery {
                        seen.lock().unwrap().push(delivery.event().position());
                        delivery.ack().unwrap();
                    }
                }
            });
        }
    });
    let seen = seen.into_inner().unwrap();
    assert!(seen.is_sorted(), "{seen:?}");
    assert!(seen.windows(2).all(|two| two[0] != two[1]), "{seen:?}");
}
