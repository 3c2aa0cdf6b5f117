//! What holds of projections in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use annals::io::sim::{Seeded, SimStorage};
use annals::sourcing::{
    EventEnum, Json, MemoryProjector, Projection, ProjectionError, RawEvent, Upcasters, event_types,
};
use annals::{
    Background, Batch, Event, Expected, Filter, Log, NewEvent, NewSnapshot, Options, Reader, Uuid,
};
use serde::{Deserialize, Serialize};

use crate::steps::{append, append_many};

/// Events by stream, and what a part of an event that was not applied would leave.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Counts {
    streams: BTreeMap<String, u64>,
    halves: u64,
}

struct Counting<const SCHEMA: u32> {
    filter: Filter,
    refuses: &'static str,
}

impl<const SCHEMA: u32> Default for Counting<SCHEMA> {
    fn default() -> Self {
        Self { filter: Filter::new().category("order"), refuses: "" }
    }
}

impl<const SCHEMA: u32> Projection for Counting<SCHEMA> {
    type State = Counts;
    type Error = String;
    const NAME: &'static str = "counts";
    const SCHEMA: u32 = SCHEMA;

    fn filter(&self) -> Filter {
        self.filter.clone()
    }

    fn apply(&self, counts: &mut Counts, event: &Event<'_>) -> Result<(), String> {
        counts.halves += 1;
        if event.event_type() == self.refuses {
            return Err("what is that?".to_owned());
        }
        *counts.streams.entry(event.stream().to_owned()).or_default() += 1;
        counts.halves -= 1;
        Ok(())
    }
}

fn log() -> (tempfile::TempDir, Arc<Log>) {
    let directory = tempfile::tempdir().unwrap();
    let log = Arc::new(Log::open(directory.path()).unwrap());
    (directory, log)
}

/// What the log says.
fn folded(log: &Log) -> Counts {
    let mut streams = BTreeMap::new();
    let mut names = log.streams("order-").unwrap();
    while let Some(stream) = names.next().unwrap() {
        streams.insert(stream.name.to_owned(), stream.version);
    }
    Counts { streams, halves: 0 }
}

fn value<P: Projection<State = Counts>>(projector: &MemoryProjector<P>) -> Counts {
    projector.view().read(Clone::clone)
}

#[test]
fn what_was_saved_is_gone_on_from_and_the_rest_is_applied_again() {
    let (_directory, log) = log();
    for (round, expected) in [(1, 30), (2, 30), (3, 30)] {
        append_many(&log, 30);
        let mut counts = MemoryProjector::open(log.clone(), Counting::<1>::default()).unwrap();
        counts = counts.save_every(7, Duration::MAX);
        let unsaved = counts.watch().position() - log.head() / round * (round - 1);
        assert_eq!(unsaved, 0);
        assert_eq!(counts.catch_up().unwrap(), expected);
        assert_eq!(value(&counts), folded(&log));
        let progress = counts.progress().unwrap();
        assert_eq!((progress.position, progress.lag_events), (log.head(), 0));
        assert_eq!(progress.lag_time, Duration::ZERO);
    }
    append_many(&log, 3);
    let mut counts = MemoryProjector::open(log.clone(), Counting::<1>::default()).unwrap();
    assert!(counts.progress().unwrap().lag_time > Duration::ZERO);
    for _ in 0..2 {
        // Three are too few to be saved.
        assert_eq!(counts.catch_up().unwrap(), 3);
        counts = MemoryProjector::open(log.clone(), Counting::<1>::default()).unwrap();
    }
    counts = counts.save_every(u64::MAX, Duration::ZERO);
    counts.catch_up().unwrap();
    let mut again = MemoryProjector::open(log.clone(), Counting::<1>::default()).unwrap();
    assert_eq!(again.catch_up().unwrap(), 0);
    assert_eq!(value(&again), folded(&log));
}

#[test]
fn a_state_of_another_number_or_filter_or_that_does_not_decode_is_passed_over() {
    let (_directory, log) = log();
    append_many(&log, 30);
    let mut counts = MemoryProjector::open(log.clone(), Counting::<1>::default()).unwrap();
    counts.catch_up().unwrap();
    counts.save().unwrap();

    let mut next = MemoryProjector::open(log.clone(), Counting::<2>::default()).unwrap();
    assert_eq!(next.catch_up().unwrap(), 30);
    next.save().unwrap();
    let all = Counting::<1> { filter: Filter::new(), refuses: "" };
    let mut all = MemoryProjector::open(log.clone(), all).unwrap();
    assert_eq!(all.catch_up().unwrap(), 33);
    // The old number's is still there.
    let mut again = MemoryProjector::open(log.clone(), Counting::<1>::default()).unwrap();
    assert_eq!((again.catch_up().unwrap(), value(&again)), (0, folded(&log)));

    let mut batch = Batch::new();
    batch.state("$projection/counts", 33, NewSnapshot::new(1).json("{\"state\":7}"));
    log.append(&batch).unwrap();
    let mut again = MemoryProjector::open(log.clone(), Counting::<1>::default()).unwrap();
    assert_eq!((again.catch_up().unwrap(), value(&again)), (30, folded(&log)));
}

#[test]
fn an_event_that_cannot_be_applied_stops_it_and_half_of_it_is_not_seen() {
    let (_directory, log) = log();
    append_many(&log, 5);
    let before = folded(&log);
    let strange = append(&log, "Strange", &["order-9"]);
    append_many(&log, 5);
    for save_every in [2, u64::MAX] {
        let refusing = Counting::<1> { refuses: "Strange", ..Counting::default() };
        let mut counts = MemoryProjector::open(log.clone(), refusing).unwrap();
        counts = counts.save_every(save_every, Duration::MAX);
        for _ in 0..2 {
            let stopped = counts.catch_up().unwrap_err();
            let ProjectionError::Stopped { position, .. } = stopped else { panic!("{stopped}") };
            assert_eq!((position, value(&counts)), (strange, before.clone()));
            assert_eq!(counts.watch().position(), strange - 1);
            assert!(counts.watch().wait_for(strange, Duration::from_secs(60)).is_err());
        }
        let mut mended = MemoryProjector::follow(log.clone(), Counting::<1>::default()).unwrap();
        mended.catch_up().unwrap();
        assert_eq!(value(&mended), folded(&log));
    }
}

#[test]
fn a_filter_that_matches_nothing_moves_it_to_the_head() {
    let (_directory, log) = log();
    let head = append(&log, "T", &["stock", "stock"]);
    let mut counts = MemoryProjector::open(log.clone(), Counting::<1>::default()).unwrap();
    assert_eq!((counts.catch_up().unwrap(), counts.watch().position()), (0, head));
}

#[test]
fn another_process_starts_with_what_is_saved_and_saves_nothing() {
    let (directory, log) = log();
    append_many(&log, 30);
    let mut counts = MemoryProjector::open(log.clone(), Counting::<1>::default()).unwrap();
    counts.catch_up().unwrap();
    counts.save().unwrap();
    append_many(&log, 5);
    let reader = Arc::new(Reader::open(directory.path()).unwrap());
    for _ in 0..2 {
        let mut beside = MemoryProjector::follow(reader.clone(), Counting::<1>::default()).unwrap();
        beside = beside.save_every(1, Duration::ZERO);
        assert_eq!(beside.catch_up().unwrap(), 5);
        beside.save().unwrap();
        assert_eq!(value(&beside), folded(&log));
    }
}

#[test]
fn a_program_waits_until_its_own_write_is_applied_and_reads_it() {
    let (_directory, log) = log();
    let mut counts = MemoryProjector::open(log.clone(), Counting::<1>::default()).unwrap();
    let (watch, view) = (counts.watch(), counts.view());
    std::thread::scope(|threads| {
        let shared = watch.clone();
        threads.spawn(move || counts.run(|| shared.position() < 50).unwrap());
        for n in 1..=50 {
            let position = append(&log, "T", &["order-1"]);
            assert!(watch.wait_for(position, Duration::from_secs(20)).unwrap());
            assert_eq!(view.read(|counts| counts.streams["order-1"]), n);
        }
    });
    assert!(!watch.wait_for(51, Duration::from_secs(60)).unwrap());
}

/// What one stored event is upcast to.
#[derive(Debug, Serialize, Deserialize)]
enum Step {
    Done { step: u64 },
}
event_types! { Step { Done = "done" } upcasters: thrice; }

fn thrice() -> Upcasters {
    let done = |step| RawEvent::new::<Json>("done", 1, &serde_json::json!({ "step": step }));
    Upcasters::new().on("all-done", 1, move |_| (1..=3).map(done).collect())
}

struct Parts;

impl Projection for Parts {
    type State = Vec<u64>;
    type Error = String;
    const NAME: &'static str = "parts";
    const SCHEMA: u32 = 1;

    fn apply(&self, steps: &mut Vec<u64>, event: &Event<'_>) -> Result<(), String> {
        for part in Step::decode(event).map_err(|error| error.to_string())? {
            let Step::Done { step } = part.event;
            steps.push(event.position() * 10 + step);
        }
        Ok(())
    }
}

/// It is saved between stored events alone, so it never goes on in the middle of one.
#[test]
fn an_event_that_is_upcast_to_three_is_applied_as_a_whole_wherever_it_goes_on() {
    let (_directory, log) = log();
    for n in 1..=20 {
        append(&log, "all-done", &["case-1"]);
        let mut parts = MemoryProjector::open(log.clone(), Parts).unwrap();
        parts = parts.save_every(1 + n % 3, Duration::MAX);
        parts.catch_up().unwrap();
        let expected: Vec<u64> =
            (1..=n).flat_map(|n| (1..=3).map(move |step| n * 10 + step)).collect();
        assert_eq!(parts.view().read(Clone::clone), expected);
    }
}

/// Appends what is not there yet, by ids, and projects it. Returns what it came to, and from
/// where it went on.
fn life(disk: &SimStorage) -> Result<(Counts, u64), ProjectionError> {
    let options = Options::new().background(Background::Inline).segment_bytes(16 << 10);
    let log = Arc::new(options.open_on(Arc::new(disk.clone()))?);
    let mut counts = MemoryProjector::open(log.clone(), Counting::<1>::default())?;
    counts = counts.save_every(2, Duration::MAX);
    let saved = counts.watch().position();
    for n in 1..=12 {
        let event = NewEvent::new("T").id(Uuid::from_u128(n));
        log.append(Batch::new().write(&format!("order-{}", n % 3), Expected::Any, [event]))?;
        counts.catch_up()?;
    }
    log.sync()?;
    Ok((value(&counts), saved))
}

#[test]
fn after_a_power_cut_at_any_call_it_comes_to_what_the_log_says() {
    let expected = life(&SimStorage::new()).unwrap().0;
    let mut gone_on = 0;
    for call in 1.. {
        let disk = SimStorage::new();
        disk.set_seed(call);
        disk.crash_at(call);
        if life(&disk).is_ok() {
            assert!(call > 20, "only {call} calls");
            break;
        }
        disk.power_cut(Seeded::new(call));
        let (counts, saved) = life(&disk).unwrap();
        assert_eq!(counts, expected, "call {call}");
        gone_on += u64::from(saved > 0);
    }
    assert!(gone_on > 5, "it went on from a saved state {gone_on} times");
}
