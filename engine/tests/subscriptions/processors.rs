//! Processors whose handling fails, and followers in other processes.

use std::time::Duration;

use annals::io::sim::{LoseAll, SimStorage};
use annals::sourcing::{
    CheckpointStore, FileCheckpoints, Follower, OnFailure, Processing, Processor, SubscriptionError,
};
use annals::{
    Batch, Durability, Error, Event, Expected, Filter, Log, NewEvent, NewSnapshot, Options, Reader,
    Start,
};

use crate::support::{append, not_saving, open, orders};

/// Counts the events of each stream, tells each, and fails at some positions, having changed
/// and written everything.
struct Fails(Vec<u64>);

impl Processor for Fails {
    type State = u64;
    type Error = String;

    fn key(&self, event: &Event<'_>) -> Option<String> {
        (event.stream() != "order-none").then(|| event.stream().to_owned())
    }

    fn process(
        &self,
        count: &mut u64,
        event: &Event<'_>,
        output: &mut Batch,
    ) -> Result<(), String> {
        *count += 1;
        let text = format!("{} {count}", event.stream());
        output.write("told", Expected::Any, [NewEvent::new("Told").json(&text)]);
        if self.0.contains(&event.position()) { Err("no".to_owned()) } else { Ok(()) }
    }
}

fn told(log: &Log) -> Vec<String> {
    let told = log.read("told").collect().unwrap();
    told.iter().map(|e| String::from_utf8(e.as_event().data().to_vec()).unwrap()).collect()
}

#[test]
fn what_a_failed_event_changed_and_wrote_is_forgotten_and_those_before_it_are_kept() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    append(&log, &["order-a", "order-b", "order-none", "order-a", "order-b"]);
    let options = not_saving().filter(orders());
    let mut fails = Processing::open(&subscriptions, "p", &options, Fails(vec![4])).unwrap();
    match fails.catch_up().unwrap_err() {
        SubscriptionError::Stopped { position, reason, .. } => {
            assert_eq!((position, reason.as_str()), (Some(4), "no"));
        }
        other => panic!("{other}"),
    }
    assert_eq!(told(&log), ["order-a 1", "order-b 1"]);
    drop(fails);
    assert_eq!(subscriptions.status("p").unwrap().checkpoint, 3);
    let mut mended = Processing::open(&subscriptions, "p", &options, Fails(vec![])).unwrap();
    assert_eq!(mended.catch_up().unwrap(), 2);
    assert_eq!(told(&log), ["order-a 1", "order-b 1", "order-a 2", "order-b 2"]);
    assert_eq!(mended.state("order-a").unwrap(), Some(2));
    assert_eq!(mended.state("order-none").unwrap(), None);
}

#[test]
fn a_processor_parks_what_it_cannot_handle_if_it_is_told_to() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    append(&log, &["order-a", "order-b", "order-a", "order-b"]);
    let options = not_saving().filter(orders());
    let policy = OnFailure::park().retry(2, Duration::from_millis(1));
    let fails = Processing::open(&subscriptions, "p", &options, Fails(vec![1])).unwrap();
    let mut fails = fails.on_failure(policy).durability(Durability::Written);
    assert_eq!(fails.catch_up().unwrap(), 2);
    assert_eq!(told(&log), ["order-b 1", "order-b 2"]);
    let status = subscriptions.status("p").unwrap();
    assert_eq!((status.parked[0].stream.as_str(), status.parked[0].attempts), ("order-a", 3));
    drop(fails);
    let subscription = subscriptions.open("p", &options).unwrap();
    subscription.replay("order-a").unwrap();
    drop(subscription);
    let mut mended = Processing::open(&subscriptions, "p", &options, Fails(vec![])).unwrap();
    assert_eq!(mended.catch_up().unwrap(), 2);
    assert_eq!(mended.state("order-a").unwrap(), Some(2));
}

#[test]
fn a_state_that_does_not_decode_is_not_taken_for_a_new_one() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    append(&log, &["order-a"]);
    let mut batch = Batch::new();
    batch.state("$processor/1/p/order-a", 0, NewSnapshot::new(1).json("{}"));
    log.append(&batch).unwrap();
    let options = not_saving().filter(orders());
    let mut processing = Processing::open(&subscriptions, "p", &options, Fails(vec![])).unwrap();
    match processing.catch_up().unwrap_err() {
        SubscriptionError::UnreadableState { name, key, .. } => {
            assert_eq!((name.as_str(), key.as_str()), ("p", "order-a"));
        }
        other => panic!("{other}"),
    }
    assert!(told(&log).is_empty());
}

/// `a` with the key `b/c` and `a/b` with the key `c` have states of their own.
#[test]
fn names_and_keys_never_run_into_each_other() {
    let disk = SimStorage::new();
    let (log, subscriptions) = open(&disk);
    append(&log, &["b/c", "c", "c"]);
    for (name, key, expected) in [("a", "b/c", 1), ("a/b", "c", 2)] {
        let options = not_saving().filter(Filter::new().stream(key));
        let mut processing =
            Processing::open(&subscriptions, name, &options, Fails(vec![])).unwrap();
        processing.catch_up().unwrap();
        assert_eq!(processing.state(key).unwrap(), Some(expected));
    }
}

#[test]
fn a_follower_in_another_process_goes_on_where_it_saved() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let log = Log::open(&path).unwrap();
    append(&log, &["order-1", "stock-1", "order-2"]);
    let reader = Reader::open(&path).unwrap();
    let open = || {
        let kept = FileCheckpoints::new(directory.path().join("kept"));
        Follower::open(&reader, "../a name/\u{e4}", &orders(), Start::Beginning, kept).unwrap()
    };
    let seen = |follower: &mut Follower<_>, max| {
        let mut positions = Vec::new();
        follower.poll(max, &mut |event: Event<'_>| positions.push(event.position())).unwrap();
        positions
    };
    let mut follower = open();
    assert_eq!(seen(&mut follower, 1), [1]);
    follower.save().unwrap();
    assert_eq!(seen(&mut follower, 9), [3]);
    // It was not saved, so it comes again.
    assert_eq!(seen(&mut open(), 9), [3]);
    let names: Vec<_> = std::fs::read_dir(directory.path().join("kept"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names, ["%2e%2e%2fa%20name%2f%c3%a4.checkpoint"]);
}

/// Protean #1361 for places outside the log.
#[test]
fn a_follower_of_an_older_copy_is_refused_and_told_where_it_may_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let disk = SimStorage::new();
    let (log, _subscriptions) = open(&disk);
    append(&log, &["a", "a"]);
    let older = disk.fork();
    append(&log, &["a"]);
    let kept = FileCheckpoints::new(directory.path());
    let mut follower =
        Follower::open(&*log, "f", &Filter::new(), Start::Beginning, kept.clone()).unwrap();
    assert_eq!(follower.poll(9, &mut |_| {}).unwrap(), 3);
    follower.save().unwrap();

    older.power_cut(LoseAll);
    let options = Options::new().background(annals::Background::Inline);
    let log = options.open_on(std::sync::Arc::new(older)).unwrap();
    append(&log, &["b", "b"]);
    let refused = Follower::open(&log, "f", &Filter::new(), Start::Beginning, kept.clone());
    assert!(matches!(refused, Err(Error::Diverged { same_until: 2, .. })), "{refused:?}");

    std::fs::write(directory.path().join("f.checkpoint"), "half a check").unwrap();
    assert!(matches!(kept.load("f"), Err(Error::Invalid { .. })));
}
