//! A processor that is cut off: at every change of the disk, with whatever the power cut
//! leaves; and planted bugs, which this must see.

use std::collections::BTreeMap;
use std::convert::Infallible;

use annals::io::sim::{LoseAll, Seeded, SimStorage};
use annals::sourcing::{Processing, Processor, SubscriptionError, SubscriptionOptions};
use annals::{Batch, Durability, Event, Expected, Log, NewEvent, Uuid};
use serde::{Deserialize, Serialize};

use crate::support::{open, orders};

const EVENTS: u64 = 24;
const STREAMS: u64 = 4;

/// Sums what each stream says, and tells every second sum.
pub(crate) struct Sums;

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sum {
    pub(crate) events: u64,
    pub(crate) total: u64,
}

impl Processor for Sums {
    type State = Sum;
    type Error = Infallible;

    fn key(&self, event: &Event<'_>) -> Option<String> {
        Some(event.stream().to_owned())
    }

    fn process(
        &self,
        sum: &mut Sum,
        event: &Event<'_>,
        output: &mut Batch,
    ) -> Result<(), Infallible> {
        sum.events += 1;
        sum.total += std::str::from_utf8(event.data()).unwrap().parse::<u64>().unwrap();
        if sum.events.is_multiple_of(2) {
            let (stream, text) = (format!("told-{}", event.stream()), sum.total.to_string());
            output.write(&stream, Expected::Any, [NewEvent::new("Told").json(&text)]);
        }
        Ok(())
    }
}

type Failure = Result<(), SubscriptionError>;

/// What a program does in a life: appends what is not there yet, and processes it. Known by
/// their ids, events are there once.
fn life(disk: &SimStorage, durability: Durability, between: u64) -> Failure {
    let (log, subscriptions) = opened(disk)?;
    let options = SubscriptionOptions::new().filter(orders()).save(3, std::time::Duration::ZERO);
    let mut processing =
        Processing::open(&subscriptions, "sums", &options, Sums)?.durability(durability);
    for n in 0..EVENTS {
        let (stream, text) = (format!("order-{}", n % STREAMS), n.to_string());
        let event = NewEvent::new("T").id(Uuid::from_u128(u128::from(n) + 1)).json(&text);
        log.append(Batch::new().write(&stream, Expected::Any, [event]))?;
        if n % between == 0 {
            processing.catch_up()?;
        }
    }
    processing.catch_up()?;
    log.sync()?;
    Ok(())
}

fn opened(
    disk: &SimStorage,
) -> Result<(std::sync::Arc<Log>, annals::sourcing::Subscriptions), SubscriptionError> {
    let options = annals::Options::new().background(annals::Background::Inline);
    let options = options.segment_bytes(16 << 10);
    let log = std::sync::Arc::new(options.open_on(std::sync::Arc::new(disk.clone()))?);
    let subscriptions = annals::sourcing::Subscriptions::new(log.clone());
    Ok((log, subscriptions))
}

/// Every state, and every event that was told, stream by stream.
type Told = BTreeMap<String, Vec<String>>;

fn end(disk: &SimStorage) -> Told {
    let (log, _) = open(disk);
    let mut told = Told::new();
    for n in 0..STREAMS {
        let name = format!("order-{n}");
        let state = log.state(&format!("$processor/4/sums/{name}"), 1).unwrap();
        let state = state.map(|state| String::from_utf8(state.data().to_vec()).unwrap());
        told.insert(name.clone(), state.into_iter().collect());
        let events = log.read(&format!("told-{name}")).collect().unwrap();
        let texts = events.iter().map(|e| String::from_utf8(e.as_event().data().to_vec()).unwrap());
        told.insert(format!("told-{name}"), texts.collect());
    }
    told
}

/// How the first run ends that is otherwise than one that was never cut off, and after how
/// many runs; `None` if none is.
fn first_difference(durability: Durability, between: u64, most: u64) -> (u64, Option<String>) {
    let never_cut = SimStorage::new();
    life(&never_cut, durability, between).unwrap();
    let expected = end(&never_cut);
    assert_eq!(expected["told-order-1"].len(), 3);
    let mut runs = 0;
    for call in 1..=most {
        let disk = SimStorage::new();
        disk.set_seed(call);
        disk.crash_at(call);
        let outcome = life(&disk, durability, between);
        if outcome.is_ok() {
            disk.power_cut(LoseAll);
            assert!(runs > 20, "only {runs} calls");
            break;
        }
        runs += 1;
        if call % 2 == 0 {
            disk.power_cut(LoseAll);
        } else {
            disk.power_cut(Seeded::new(call));
        }
        // Cut off again on the way, and then not any more.
        disk.crash_at(call % 13 + 3);
        drop(life(&disk, durability, between));
        disk.power_cut(Seeded::new(call));
        if let Err(error) = life(&disk, durability, between) {
            return (runs, Some(error.to_string()));
        }
        let found = end(&disk);
        if found != expected {
            return (runs, Some(format!("call {call}: {found:?}\nexpected {expected:?}")));
        }
    }
    (runs, None)
}

#[test]
fn a_processor_that_is_cut_off_at_every_call_ends_as_one_that_never_was() {
    for (durability, between) in
        [(Durability::Durable, 3), (Durability::Buffered, 3), (Durability::Written, 5)]
    {
        let (runs, difference) = first_difference(durability, between, u64::MAX);
        assert_eq!(difference, None, "{durability:?}, after {runs} runs");
    }
}

#[cfg(feature = "planted")]
#[test]
fn an_acknowledgement_outside_its_batch_is_seen() {
    use annals::planted::{Bug, plant};
    plant(Some(Bug::AckOutsideBatch));
    let (_, difference) = first_difference(Durability::Written, 3, u64::MAX);
    plant(None);
    assert!(difference.is_some());
}

/// Handles events out of order, is cut off, goes on. Returns what was never handled.
#[cfg(feature = "planted")]
fn lost_when_cut_off() -> Vec<u64> {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    for n in 0..6 {
        let mut batch = Batch::new();
        batch.write(&format!("order-{n}"), Expected::Any, [NewEvent::new("T")]);
        log.append(&batch).unwrap();
    }
    let mut handled = std::collections::BTreeSet::new();
    let subscription = subscriptions.open("s", &crate::support::saving()).unwrap();
    let consumer = subscription.consumer();
    let mut many = consumer.next_many(6, std::time::Duration::ZERO).unwrap();
    let last = many.pop().unwrap();
    handled.insert(last.event().position());
    last.ack().unwrap();
    log.sync().unwrap();
    disk.power_cut(LoseAll);
    drop((many, consumer, subscription, log, subscriptions));
    let (_log, subscriptions) = open(&disk);
    let subscription = subscriptions.open("s", &crate::support::saving()).unwrap();
    handled.extend(crate::support::drained(&subscription.consumer()));
    (1..=6).filter(|position| !handled.contains(position)).collect()
}

#[cfg(feature = "planted")]
#[test]
fn a_checkpoint_ahead_of_its_acknowledgements_is_seen() {
    use annals::planted::{Bug, plant};
    assert!(lost_when_cut_off().is_empty());
    plant(Some(Bug::CheckpointAheadOfAcks));
    let lost = lost_when_cut_off();
    plant(None);
    assert_eq!(lost, [1, 2, 3, 4, 5]);
}
