//! What a process cannot handle: it stops, is tried again, or is parked.

use std::cell::Cell;
use std::time::Duration;

use annals::io::sim::SimStorage;
use annals::sourcing::{OnFailure, Outputs, Process, Subscriptions};
use annals::{Event, Expected, NewEvent};

use crate::support::{append, clock, managed, open, texts};

/// Fails so many times at what is called "Bad", then no more.
struct Fails(Cell<u32>);

impl Fails {
    fn at(&self, name: &str, out: &mut Outputs<'_, Self>) -> Result<(), String> {
        out.write("done", Expected::Any, [NewEvent::new("Done").data(name.as_bytes())]);
        if name == "Bad" && self.0.get() > 0 {
            self.0.set(self.0.get() - 1);
            return Err("not today".to_owned());
        }
        Ok(())
    }
}

impl Process for Fails {
    type State = u64;
    type Compensation = ();
    type Error = String;
    const STATE_SCHEMA: u32 = 1;

    fn correlation(&self, event: &Event<'_>) -> Option<String> {
        Some(event.stream().to_owned())
    }

    fn handle(
        &self,
        count: &mut u64,
        event: &Event<'_>,
        out: &mut Outputs<'_, Self>,
    ) -> Result<(), String> {
        *count += 1;
        if event.event_type() == "Set" {
            out.deadline_in(std::str::from_utf8(event.data()).unwrap(), Duration::ZERO);
            return Ok(());
        }
        self.at(event.event_type(), out)
    }

    fn deadline(
        &self,
        count: &mut u64,
        name: &str,
        out: &mut Outputs<'_, Self>,
    ) -> Result<(), String> {
        *count += 1;
        self.at(name, out)
    }
}

#[test]
fn an_event_that_cannot_be_handled_stops_the_process_and_nothing_of_it_is_kept() {
    let (log, clock) = (open(&SimStorage::new()), clock());
    for what in ["Good", "Bad", "Good"] {
        append(&log, "1", what, "");
    }
    let mut manager = managed(&log, &clock, Fails(Cell::new(1)));
    assert!(manager.catch_up().unwrap_err().to_string().contains("position 2: not today"));
    assert_eq!((texts(&log, "done").len(), manager.state("trip-1").unwrap()), (1, Some(1)));
    drop(manager);
    let mut manager = managed(&log, &clock, Fails(Cell::new(0)));
    assert_eq!(manager.catch_up().unwrap(), 2);
    assert_eq!((texts(&log, "done").len(), manager.state("trip-1").unwrap()), (3, Some(3)));
}

#[test]
fn a_deadline_that_cannot_be_handled_stops_the_process_and_is_still_set() {
    let (log, clock) = (open(&SimStorage::new()), clock());
    for name in ["A", "Bad", "C"] {
        append(&log, "1", "Set", name);
    }
    let mut manager = managed(&log, &clock, Fails(Cell::new(1)));
    assert!(manager.catch_up().unwrap_err().to_string().contains("not today"));
    assert_eq!(
        (texts(&log, "done"), manager.state("trip-1").unwrap()),
        (vec!["A".into()], Some(4))
    );
    drop(manager);
    let mut manager = managed(&log, &clock, Fails(Cell::new(0)));
    assert_eq!(manager.catch_up().unwrap(), 2);
    assert_eq!(texts(&log, "done"), ["A", "Bad", "C"]);
}

#[test]
fn what_fails_is_tried_again_as_often_as_the_policy_says_and_others_go_on() {
    let policy = OnFailure::stop().retry(5, Duration::from_millis(1));
    let all = [("Set", "A"), ("Set", "Bad"), ("Set", "C")];
    for (events, last) in [(all, "Bad"), ([("Bad", ""), ("A", ""), ("C", "")], "C")] {
        let (log, clock) = (open(&SimStorage::new()), clock());
        for (what, data) in events {
            append(&log, "1", what, data);
        }
        append(&log, "2", "Other", "");
        let mut manager = managed(&log, &clock, Fails(Cell::new(5))).on_failure(policy);
        manager.catch_up().unwrap();
        let done = texts(&log, "done");
        assert_eq!((done.len(), &**done.last().unwrap()), (4, last));
        assert_eq!(done[0], "Other");
        // One attempt more than the policy has.
        append(&log, "1", "Bad", "");
        let mut manager = {
            drop(manager);
            managed(&log, &clock, Fails(Cell::new(6)))
        };
        manager = manager.on_failure(policy);
        assert!(manager.catch_up().is_err());
    }
}

#[test]
fn a_deadline_waits_for_an_event_before_it_that_is_tried_again() {
    for policy in [OnFailure::stop(), OnFailure::park()] {
        let (log, clock) = (open(&SimStorage::new()), clock());
        append(&log, "1", "Set", "A");
        // Parked in the end, it is passed by.
        let fails = if policy == OnFailure::park() { 9 } else { 3 };
        append(&log, "1", "Bad", "");
        let policy = policy.retry(3, Duration::from_millis(1));
        let mut manager = managed(&log, &clock, Fails(Cell::new(fails))).on_failure(policy);
        manager.catch_up().unwrap();
        let done = texts(&log, "done");
        if fails == 3 { assert_eq!(done, ["Bad", "A"]) } else { assert_eq!(done, ["A"]) }
    }
}

#[test]
fn a_parked_deadline_waits_until_it_is_replayed_also_over_a_restart() {
    let (log, clock) = (open(&SimStorage::new()), clock());
    for name in ["A", "Bad", "C"] {
        append(&log, "1", "Set", name);
    }
    let mut manager = managed(&log, &clock, Fails(Cell::new(1))).on_failure(OnFailure::park());
    assert_eq!(manager.catch_up().unwrap(), 5);
    assert_eq!(texts(&log, "done"), ["A", "C"]);
    drop(manager);
    let mut manager = managed(&log, &clock, Fails(Cell::new(0)));
    assert_eq!(manager.catch_up().unwrap(), 0);
    let parked = manager.deadlines();
    assert_eq!((parked.len(), parked[0].parked.as_deref()), (1, Some("not today")));
    assert!(!manager.replay_deadline("trip-1", "A").unwrap());
    assert!(manager.replay_deadline("trip-1", "Bad").unwrap());
    drop(manager);
    let mut manager = managed(&log, &clock, Fails(Cell::new(0)));
    assert_eq!(manager.catch_up().unwrap(), 1);
    assert_eq!(texts(&log, "done"), ["A", "C", "Bad"]);
}

#[test]
fn a_parked_event_keeps_its_stream_waiting_and_nothing_else() {
    let (log, clock) = (open(&SimStorage::new()), clock());
    for (trip, what) in [("1", "Bad"), ("1", "Good"), ("2", "Good")] {
        append(&log, trip, what, "");
    }
    let mut manager = managed(&log, &clock, Fails(Cell::new(1))).on_failure(OnFailure::park());
    assert_eq!(manager.catch_up().unwrap(), 1);
    assert_eq!(manager.state("trip-1").unwrap(), None);
    let subscriptions = Subscriptions::new(log.clone());
    subscriptions.replay("trips", "trip-1").unwrap();
    assert_eq!(manager.catch_up().unwrap(), 2);
    assert_eq!(manager.state("trip-1").unwrap(), Some(2));
}

/// Sets a deadline and notes what to undo, and handles neither.
struct Forgetful;

impl Process for Forgetful {
    type State = ();
    type Compensation = ();
    type Error = String;
    const STATE_SCHEMA: u32 = 1;

    fn correlation(&self, event: &Event<'_>) -> Option<String> {
        Some(event.stream().to_owned())
    }

    fn handle(
        &self,
        _: &mut (),
        event: &Event<'_>,
        out: &mut Outputs<'_, Self>,
    ) -> Result<(), String> {
        if event.event_type() == "Set" {
            out.deadline_in("x", Duration::ZERO);
        } else {
            out.compensate_with(());
            out.compensate();
        }
        Ok(())
    }
}

#[test]
fn a_deadline_or_compensation_that_no_code_handles_is_a_failure_and_not_passed_over() {
    for (what, why) in [("Set", "its deadline \"x\""), ("Undo", "its compensations")] {
        let (log, clock) = (open(&SimStorage::new()), clock());
        append(&log, "1", what, "");
        let error = managed(&log, &clock, Forgetful).catch_up().unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}
