//! Commands, their refusals, and what undoes them.

use std::cell::Cell;
use std::convert::Infallible;
use std::sync::Arc;

use annals::sourcing::{Context, Outputs, Process, Repository, RepositoryError, Subscriptions};
use annals::{Batch, Event, Expected, Log, NewEvent};

use crate::support::{Seat, Seats, append, clock, managed, open, taken, texts, told, trips};

fn log() -> Arc<Log> {
    open(&annals::io::sim::SimStorage::new())
}

#[test]
fn what_the_third_step_is_refused_for_undoes_the_first_two_in_reverse_order() {
    let (log, clock) = (log(), clock());
    for trip in ["1", "2"] {
        append(&log, trip, "Wanted", "car");
    }
    for what in ["flight", "hotel", "car"] {
        append(&log, "3", "Wanted", what);
    }
    append(&log, "3", "Paid", "");
    let mut manager = trips(&log, &clock);
    assert_eq!(manager.catch_up().unwrap(), 6);
    assert_eq!(told(&log, "3"), ["booked up", "no hotel", "no flight"]);
    assert_eq!(["car", "flight", "hotel"].map(|what| taken(&log, what)), [2, 0, 0]);
    assert!(manager.has_ended("3").unwrap());
    assert_eq!(manager.state("3").unwrap(), None);
    // What comes later does not start it anew.
    append(&log, "3", "Wanted", "flight");
    manager.catch_up().unwrap();
    assert_eq!(told(&log, "3").len(), 3);
    assert_eq!(taken(&log, "flight"), 0);
}

#[test]
fn commands_of_many_processes_to_one_aggregate_are_decided_one_after_the_other_in_one_batch() {
    let (log, clock) = (log(), clock());
    for trip in 0..5 {
        append(&log, &trip.to_string(), "Wanted", "flight");
    }
    let before = log.head();
    trips(&log, &clock).catch_up().unwrap();
    assert_eq!(taken(&log, "flight"), 2);
    let refused = (0..5).filter(|trip| told(&log, &trip.to_string()) == ["booked up"]);
    assert_eq!(refused.collect::<Vec<_>>(), [2, 3, 4]);
    // In one batch: of its events the last one alone is marked.
    let mut cursor = log.cursor(annals::Start::After(before)).unwrap();
    let events = cursor.poll(100).unwrap();
    let last: Vec<_> = events.iter().map(|event| event.is_last_of_batch()).collect();
    assert_eq!(last, [false, false, false, false, true]);
}

/// Meets others while it decides, so many times.
struct Raced {
    seats: Repository<Seats>,
    log: Arc<Log>,
    times: Cell<u32>,
    handled: Cell<u32>,
}

impl Process for Raced {
    type State = u64;
    type Compensation = ();
    type Error = RepositoryError<Infallible>;
    const STATE_SCHEMA: u32 = 1;

    fn correlation(&self, event: &Event<'_>) -> Option<String> {
        Some(event.stream().to_owned())
    }

    fn handle(
        &self,
        count: &mut u64,
        _event: &Event<'_>,
        out: &mut Outputs<'_, Self>,
    ) -> Result<(), Self::Error> {
        self.handled.set(self.handled.get() + 1);
        *count += 1;
        let refused = out.execute(&self.seats, "flight", &Seat::Take)?.is_err();
        if refused {
            out.deadline_in("again", std::time::Duration::from_secs(60));
        }
        let text = if refused { "refused" } else { "taken" };
        out.write("all", Expected::Any, [NewEvent::new("Done").data(text.as_bytes())]);
        if self.times.get() > 0 {
            self.times.set(self.times.get() - 1);
            // Somebody else is faster, and takes a seat or gives one back.
            let seats = Repository::<Seats>::new(self.log.clone());
            let seat = if taken(&self.log, "flight") == 2 { Seat::GiveBack } else { Seat::Take };
            seats.execute("flight", seat).unwrap();
        }
        Ok(())
    }
}

fn raced(log: &Arc<Log>, times: u32) -> Raced {
    let (times, handled) = (Cell::new(times), Cell::new(0));
    Raced { seats: Repository::new(log.clone()), log: log.clone(), times, handled }
}

#[test]
fn a_step_that_somebody_was_faster_than_is_decided_again_on_what_there_is_then() {
    let (log, clock) = (log(), clock());
    append(&log, "1", "Go", "");
    append(&log, "2", "Go", "");
    // Twice: the seats are taken, by others.
    let mut manager = managed(&log, &clock, raced(&log, 2));
    assert_eq!(manager.catch_up().unwrap(), 2);
    assert_eq!(texts(&log, "all"), ["refused", "refused"]);
    assert_eq!(taken(&log, "flight"), 2);
    // Each was counted once, however often it was handled.
    assert_eq!(manager.state("trip-1").unwrap(), Some(1));
    assert_eq!(manager.state("trip-2").unwrap(), Some(1));
}

#[test]
fn a_refusal_that_does_not_hold_any_more_is_not_acted_upon() {
    let (log, clock) = (log(), clock());
    let seats = Repository::<Seats>::new(log.clone());
    for _ in 0..2 {
        seats.execute("flight", Seat::Take).unwrap();
    }
    append(&log, "1", "Go", "");
    // A seat is given back while the process hears that there is none.
    let mut manager = managed(&log, &clock, raced(&log, 1));
    manager.catch_up().unwrap();
    assert_eq!(texts(&log, "all"), ["taken"]);
    assert_eq!(manager.deadlines(), []);
    assert_eq!(taken(&log, "flight"), 2);
}

#[test]
fn a_step_that_meets_a_conflict_every_time_is_a_failure_after_16_attempts() {
    let (log, clock) = (log(), clock());
    append(&log, "1", "Go", "");
    let mut manager = managed(&log, &clock, raced(&log, u32::MAX));
    let error = manager.catch_up().unwrap_err().to_string();
    assert!(error.contains("stopped at position 1"), "{error}");
    assert_eq!(texts(&log, "all"), [""; 0]);
    assert_eq!(manager.state("trip-1").unwrap(), None);
}

/// Writes streams as its events say: `stream expectation`, `command`.
struct Writes(Repository<Seats>);

impl Process for Writes {
    type State = ();
    type Compensation = ();
    type Error = RepositoryError<Infallible>;
    const STATE_SCHEMA: u32 = 1;

    fn correlation(&self, event: &Event<'_>) -> Option<String> {
        Some(event.stream().to_owned())
    }

    fn handle(
        &self,
        _: &mut (),
        event: &Event<'_>,
        out: &mut Outputs<'_, Self>,
    ) -> Result<(), Self::Error> {
        for word in std::str::from_utf8(event.data()).unwrap().split(' ') {
            match word.split_once('=') {
                Some((stream, version)) => {
                    let expected = Expected::Exact(version.parse().unwrap());
                    out.write(stream, expected, [NewEvent::new("Written")]);
                }
                None if word == "command" => {
                    drop(out.execute(&self.0, "car", &Seat::Take)?);
                }
                None => out.write(word, Expected::Any, [NewEvent::new("Written")]),
            }
        }
        Ok(())
    }
}

#[test]
fn inputs_that_do_not_go_together_in_one_batch_are_handled_one_after_the_other() {
    let (log, clock) = (log(), clock());
    for says in ["a=0", "a=1", "a", "command", "seats-car=1", "command", "a=3 b"] {
        append(&log, "1", "Go", says);
    }
    let mut manager = managed(&log, &clock, Writes(Repository::new(log.clone())));
    let error = manager.catch_up().unwrap_err().to_string();
    assert!(error.contains("position 6") && error.contains("Written"), "{error}");
    // The event that is none of the aggregate stops the next command, and nothing before it.
    assert_eq!(["a", "seats-car", "b"].map(|stream| log.version(stream).unwrap()), [3, 2, 0]);
}

#[test]
fn a_stream_that_a_command_and_an_event_of_one_input_write_is_an_error() {
    for says in ["command seats-car", "seats-car command"] {
        let (log, clock) = (log(), clock());
        append(&log, "1", "Go", says);
        let mut manager = managed(&log, &clock, Writes(Repository::new(log.clone())));
        let error = manager.catch_up().unwrap_err().to_string();
        assert!(error.contains("a command's stream is written besides"), "{error}");
        assert_eq!(log.version("seats-car").unwrap(), 0);
    }
}

#[test]
fn an_expectation_that_does_not_hold_is_a_failure_of_its_event_alone() {
    let (log, clock) = (log(), clock());
    append(&log, "1", "Go", "a");
    append(&log, "2", "Go", "a=7");
    append(&log, "3", "Go", "a");
    let park = annals::sourcing::OnFailure::park();
    let mut manager = managed(&log, &clock, Writes(Repository::new(log.clone()))).on_failure(park);
    assert_eq!(manager.catch_up().unwrap(), 2);
    assert_eq!(log.version("a").unwrap(), 2);
    drop(manager);
    let status = Subscriptions::new(log).status("trips").unwrap();
    assert_eq!(status.parked[0].stream, "trip-2");
}

#[test]
fn a_command_to_an_aggregate_of_another_store_is_an_error() {
    let (log, other, clock) = (log(), log(), clock());
    append(&log, "1", "Go", "command");
    let mut manager = managed(&log, &clock, Writes(Repository::new(other.clone())));
    let error = manager.catch_up().unwrap_err().to_string();
    assert!(error.contains("it is of another store"), "{error}");
    assert_eq!((log.head(), other.head()), (1, 0));
}

#[test]
fn what_a_process_does_belongs_to_what_its_input_belongs_to_and_is_caused_by_it() {
    let (log, clock) = (log(), clock());
    let wanted = NewEvent::new("Wanted").data(b"flight").correlation("request-9");
    log.append(Batch::new().write("trip-1", Expected::Any, [wanted])).unwrap();
    let noting = Repository::new(log.clone()).with(Context::new().metadata(b"by the agency"));
    let mut manager = managed(&log, &clock, crate::support::Trips { seats: noting });
    manager.catch_up().unwrap();
    clock.advance(crate::support::PAYMENT);
    manager.catch_up().unwrap();
    assert_eq!(told(&log, "1"), ["reminder", "payment", "no flight"]);
    let first = log.read("trip-1").next().unwrap().unwrap().id().to_string();
    for stream in ["seats-flight", "told-1"] {
        for event in log.read(stream).collect().unwrap() {
            let event = event.as_event();
            assert_eq!(event.correlation(), Some("request-9"), "{event:?}");
            assert_eq!(event.caused_by(), Some(&*first), "{event:?}");
            let noted: &[u8] = if stream == "told-1" { b"" } else { b"by the agency" };
            assert_eq!(event.metadata(), noted);
        }
    }
}
