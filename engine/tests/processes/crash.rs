//! Processes that are cut off: at every change of the disk, with whatever the power cut leaves;
//! and a planted bug, which this must see.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals::io::sim::{LoseAll, Seeded, SimStorage};
use annals::sourcing::{ProcessManager, Repository, SubscriptionError, Subscriptions};
use annals::{Background, Batch, Durability, Expected, Log, NewEvent, Options, Uuid};

use crate::support::{PAYMENT, Trips, clock, open, options, taken, told};

/// What customers do: trip, type, data.
const EVENTS: [(&str, &str, &str); 10] = [
    ("1", "Wanted", "flight"),
    ("2", "Wanted", "car"),
    ("3", "Wanted", "car"),
    ("1", "Wanted", "hotel"),
    // Two cars are gone: flight and hotel are given back.
    ("4", "Wanted", "flight"),
    ("4", "Wanted", "hotel"),
    ("4", "Wanted", "car"),
    ("2", "Paid", ""),
    // It ended.
    ("4", "Paid", ""),
    ("1", "Seen", ""),
];

/// What a program does in a life: it appends what is not there yet, known by its ids, and has
/// the process handle it; time goes on, and what is not paid times out.
fn life(
    disk: &SimStorage,
    durability: Durability,
    between: usize,
) -> Result<(), SubscriptionError> {
    let options_ = Options::new().background(Background::Inline).segment_bytes(16 << 10);
    let log = Arc::new(options_.open_on(Arc::new(disk.clone()))?);
    let (subscriptions, clock) = (Subscriptions::new(log.clone()), clock());
    let process = Trips { seats: Repository::new(log.clone()) };
    let manager = ProcessManager::open(&subscriptions, "trips", &options(), process)?;
    let mut manager = manager.clock(clock.clone()).durability(durability);
    for (n, (trip, what, data)) in EVENTS.into_iter().enumerate() {
        let id = Uuid::from_u128(n as u128 + 1);
        let event = NewEvent::new(what).id(id).data(data.as_bytes());
        log.append(Batch::new().write(&format!("trip-{trip}"), Expected::Any, [event]))?;
        if n % between == 0 {
            manager.catch_up()?;
        }
    }
    manager.catch_up()?;
    clock.advance(PAYMENT / 2);
    manager.catch_up()?;
    clock.advance(PAYMENT / 2);
    manager.catch_up()?;
    log.sync()?;
    Ok(())
}

type End = BTreeMap<String, Vec<String>>;

/// What was told of each trip, and everything that is kept.
fn end(disk: &SimStorage) -> End {
    let log = open(disk);
    let mut end = End::new();
    for trip in ["1", "2", "3", "4"] {
        end.insert(trip.to_owned(), told(&log, trip));
        let state = log.state(&format!("$process/5/trips/{trip}"), 1).unwrap().unwrap();
        let state = String::from_utf8(state.data().to_vec()).unwrap();
        end.insert(format!("state of {trip}"), vec![state]);
    }
    for what in ["flight", "hotel", "car"] {
        let events = log.version(&format!("seats-{what}")).unwrap();
        end.insert(what.to_owned(), vec![taken(&log, what).to_string(), events.to_string()]);
    }
    end.insert("deadlines".to_owned(), pages(&log));
    end
}

fn pages(log: &Log) -> Vec<String> {
    let pages = log.states("$deadlines/5/trips/").unwrap();
    let text = |name: &String| {
        let page = log.state(name, 1).unwrap().unwrap();
        String::from_utf8(page.data().to_vec()).unwrap()
    };
    pages.iter().map(text).collect()
}

/// How the first run ends that is otherwise than one that was never cut off; and how many runs
/// there were.
fn first_difference(durability: Durability, between: usize) -> (u64, Option<String>) {
    let never_cut = SimStorage::new();
    life(&never_cut, durability, between).unwrap();
    let expected = end(&never_cut);
    assert_eq!(expected["1"], ["reminder", "payment", "no hotel", "no flight"]);
    assert_eq!(expected["2"], ["booked"]);
    assert_eq!(expected["3"], ["reminder", "payment", "no car"]);
    assert_eq!(expected["4"], ["booked up", "no hotel", "no flight"]);
    assert_eq!(expected["car"], ["1", "3"]);
    assert_eq!(expected["deadlines"], [r#"{"format":1,"deadlines":[]}"#]);
    for call in 1.. {
        let disk = SimStorage::new();
        disk.set_seed(call);
        disk.crash_at(call);
        let outcome = life(&disk, durability, between);
        if outcome.is_ok() {
            assert!(call > 20, "only {call} calls");
            return (call, None);
        }
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
            return (call, Some(error.to_string()));
        }
        let found = end(&disk);
        if found != expected {
            return (call, Some(format!("call {call}: {found:?}\nexpected {expected:?}")));
        }
    }
    (0, None)
}

#[test]
fn a_process_that_is_cut_off_at_every_call_ends_as_one_that_never_was() {
    for (durability, between) in
        [(Durability::Durable, 3), (Durability::Buffered, 3), (Durability::Written, 5)]
    {
        let (runs, difference) = first_difference(durability, between);
        assert_eq!(difference, None, "{durability:?}, after {runs} runs");
    }
}

#[cfg(feature = "planted")]
#[test]
fn deadlines_outside_their_batch_are_seen() {
    use annals::planted::{Bug, plant};
    for durability in [Durability::Durable, Durability::Written] {
        plant(Some(Bug::DeadlineOutsideBatch));
        let (_, difference) = first_difference(durability, 3);
        plant(None);
        assert!(difference.is_some(), "{durability:?}");
    }
}
