//! States of processes: their shape over time, and when they are written.

use std::convert::Infallible;

use annals::io::sim::SimStorage;
use annals::sourcing::{Outputs, Process};
use annals::{Event, Log};
use serde::{Deserialize, Serialize};

use crate::support::{append, clock, managed, open};

/// Counts what is not "Nothing", by a schema.
struct Counts<const SCHEMA: u32>;

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Count {
    events: u64,
}

impl<const SCHEMA: u32> Process for Counts<SCHEMA> {
    type State = Count;
    type Compensation = String;
    type Error = Infallible;
    const STATE_SCHEMA: u32 = SCHEMA;

    fn correlation(&self, event: &Event<'_>) -> Option<String> {
        event.correlation().or(Some(event.stream())).map(str::to_owned)
    }

    fn handle(
        &self,
        count: &mut Count,
        event: &Event<'_>,
        out: &mut Outputs<'_, Self>,
    ) -> Result<(), Infallible> {
        match event.event_type() {
            "Nothing" => {}
            "Note" => out.compensate_with("note".to_owned()),
            "End" => out.end(),
            _ => count.events += 1,
        }
        Ok(())
    }

    fn upgrade(schema: u32, state: &str) -> Option<Count> {
        // Once it was a bare number.
        (schema == 1).then(|| Count { events: state.parse().unwrap_or(100) })
    }
}

fn state(log: &Log) -> Option<String> {
    let state = log.state("$process/5/trips/trip-1", 1).unwrap()?;
    Some(String::from_utf8(state.data().to_vec()).unwrap())
}

#[test]
fn a_state_of_an_earlier_schema_is_taken_over_and_one_that_cannot_be_is_an_error() {
    let (log, clock) = (open(&SimStorage::new()), clock());
    append(&log, "1", "Counted", "");
    append(&log, "1", "Note", "");
    managed(&log, &clock, Counts::<1>).catch_up().unwrap();
    let kept = r#"{"format":1,"schema":1,"state":{"events":1},"compensations":["note"]}"#;
    assert_eq!(state(&log).unwrap(), kept);

    append(&log, "1", "Counted", "");
    let mut second = managed(&log, &clock, Counts::<2>);
    assert_eq!(second.state("trip-1").unwrap(), Some(Count { events: 100 }));
    second.catch_up().unwrap();
    let kept = r#"{"format":1,"schema":2,"state":{"events":101},"compensations":["note"]}"#;
    assert_eq!(state(&log).unwrap(), kept);
    drop(second);

    append(&log, "1", "Counted", "");
    let mut third = managed(&log, &clock, Counts::<3>);
    let error = third.catch_up().unwrap_err().to_string();
    assert!(error.contains("its schema is 2, not 3"), "{error}");
    // Nothing was taken for a new one: the right program goes on.
    drop(third);
    managed(&log, &clock, Counts::<2>).catch_up().unwrap();
    assert!(state(&log).unwrap().contains("102"));
}

#[test]
fn a_state_that_stays_as_it_was_is_not_written_and_one_by_default_leaves_no_trace() {
    let (log, clock) = (open(&SimStorage::new()), clock());
    append(&log, "1", "Nothing", "");
    let mut manager = managed(&log, &clock, Counts::<1>);
    manager.catch_up().unwrap();
    assert_eq!((state(&log), manager.state("trip-1").unwrap()), (None, None));
    append(&log, "1", "Counted", "");
    manager.catch_up().unwrap();
    let through = || log.state("$process/5/trips/trip-1", 1).unwrap().unwrap().version();
    assert_eq!(through(), 2);
    append(&log, "1", "Nothing", "");
    manager.catch_up().unwrap();
    assert_eq!(through(), 2);
    append(&log, "1", "End", "");
    manager.catch_up().unwrap();
    assert_eq!(state(&log).unwrap(), r#"{"format":1,"ended":true}"#);
}

#[test]
fn a_process_follows_the_correlation_of_events_over_streams() {
    use annals::{Batch, Expected, NewEvent};
    let (log, clock) = (open(&SimStorage::new()), clock());
    for stream in ["trip-1", "trip-2", "trip-3"] {
        let event = NewEvent::new("Counted").correlation("request-7");
        log.append(Batch::new().write(stream, Expected::Any, [event])).unwrap();
    }
    let mut manager = managed(&log, &clock, Counts::<1>);
    manager.catch_up().unwrap();
    assert_eq!(manager.state("request-7").unwrap(), Some(Count { events: 3 }));
}
