//! Deadlines: once, in order, over restarts.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use annals::io::sim::{LoseAll, SimStorage};
use annals::sourcing::{
    Clock, ManualClock, Outputs, Process, ProcessManager, SubscriptionOptions, Subscriptions,
};
use annals::{Batch, Durability, Event, Expected, Filter, Log, NewEvent, Timestamp};

use crate::support::{PAYMENT, append, clock, managed, open, taken, texts, told, trips};

/// Sets and cancels deadlines as its events say: the type is what, the data the name and
/// seconds. Tells each that comes.
pub(crate) struct Alarm;

impl Process for Alarm {
    type State = ();
    type Compensation = ();
    type Error = Infallible;
    const STATE_SCHEMA: u32 = 1;

    fn correlation(&self, event: &Event<'_>) -> Option<String> {
        Some(event.stream().to_owned())
    }

    fn handle(
        &self,
        _: &mut (),
        event: &Event<'_>,
        out: &mut Outputs<'_, Self>,
    ) -> Result<(), Infallible> {
        let data = std::str::from_utf8(event.data()).unwrap();
        let (name, seconds) = data.split_once(' ').unwrap_or((data, "0"));
        match event.event_type() {
            "Set" => out.deadline_in(name, Duration::from_secs(seconds.parse().unwrap())),
            "Cancel" => out.cancel_deadline(name),
            _ => out.write("rung", Expected::Any, [NewEvent::new("Seen")]),
        }
        Ok(())
    }

    fn deadline(
        &self,
        _: &mut (),
        name: &str,
        out: &mut Outputs<'_, Self>,
    ) -> Result<(), Infallible> {
        let text = format!("{} {name}", out.correlation());
        if name == "again" && out.now() < later(3) {
            out.deadline_in("again", Duration::from_secs(1));
        }
        if name == "killer" {
            out.cancel_deadline("victim");
        }
        out.write("rung", Expected::Any, [NewEvent::new("Rung").data(text.as_bytes())]);
        Ok(())
    }
}

fn later(seconds: u64) -> Timestamp {
    let clock = clock();
    clock.advance(Duration::from_secs(seconds));
    clock.now()
}

fn rung(log: &Log) -> Vec<String> {
    texts(log, "rung")
}

#[test]
fn deadlines_that_fell_due_while_the_program_was_down_fire_once_at_the_restart_in_order() {
    let (disk, clock) = (SimStorage::new(), clock());
    let log = open(&disk);
    for (trip, name) in [("1", "c 30"), ("2", "b 20"), ("1", "a 10"), ("2", "later 100")] {
        append(&log, trip, "Set", name);
    }
    managed(&log, &clock, Alarm).catch_up().unwrap();
    assert_eq!(rung(&log), [""; 0]);
    drop(log);
    disk.power_cut(LoseAll);
    clock.advance(Duration::from_secs(50));
    for handled in [3, 0] {
        let log = open(&disk);
        assert_eq!(managed(&log, &clock, Alarm).catch_up().unwrap(), handled);
        assert_eq!(rung(&log), ["trip-1 a", "trip-2 b", "trip-1 c"]);
    }
}

#[test]
fn a_deadline_that_was_cancelled_never_fires_and_one_that_was_moved_fires_at_its_new_time() {
    let (disk, clock) = (SimStorage::new(), clock());
    let log = open(&disk);
    for name in ["kept 10", "cancelled 10", "moved 10", "sooner 90", "killer 10", "victim 11"] {
        append(&log, "1", "Set", name);
    }
    let mut manager = managed(&log, &clock, Alarm);
    manager.catch_up().unwrap();
    append(&log, "1", "Cancel", "cancelled");
    append(&log, "1", "Set", "moved 60");
    append(&log, "1", "Set", "sooner 5");
    manager.catch_up().unwrap();
    let due: Vec<_> = manager.deadlines().into_iter().map(|d| (d.name, d.due)).collect();
    assert_eq!(due[2], ("moved".to_owned(), later(60)));
    drop(manager);
    clock.advance(Duration::from_secs(20));
    // Two of them are due in one step, and the first takes the second away.
    let mut manager = managed(&log, &clock, Alarm);
    manager.catch_up().unwrap();
    assert_eq!(rung(&log), ["trip-1 sooner", "trip-1 kept", "trip-1 killer"]);
    clock.advance(Duration::from_secs(39));
    manager.catch_up().unwrap();
    assert_eq!(rung(&log).len(), 3);
    clock.advance(Duration::from_secs(1));
    manager.catch_up().unwrap();
    assert_eq!(rung(&log)[3..], ["trip-1 moved"]);
    assert_eq!(manager.deadlines(), []);
}

#[test]
fn a_deadline_may_set_itself_again() {
    let (log, clock) = (open(&SimStorage::new()), clock());
    append(&log, "1", "Set", "again 1");
    let mut manager = managed(&log, &clock, Alarm);
    for _ in 0..10 {
        manager.catch_up().unwrap();
        clock.advance(Duration::from_secs(1));
    }
    assert_eq!(rung(&log), ["trip-1 again"; 3]);
}

#[test]
fn what_was_recorded_before_a_deadline_is_handled_before_it_and_what_comes_later_after_it() {
    let (disk, clock) = (SimStorage::new(), ManualClock::new(Timestamp::from_nanos(0)));
    disk.set_now(0);
    let log = open(&disk);
    let hour = 3_600_000_000_000;
    let mut manager = managed(&log, &clock, Alarm);
    append(&log, "1", "Set", "hour 3600");
    append(&log, "1", "Set", "later 9000");
    manager.catch_up().unwrap();
    // The manager falls behind: all four are waiting when it goes on.
    disk.set_now(hour / 2);
    append(&log, "1", "See", "");
    disk.set_now(hour * 2);
    append(&log, "1", "See", "");
    clock.set(Timestamp::from_nanos(hour * 3));
    assert_eq!(manager.catch_up().unwrap(), 4);
    assert_eq!(rung(&log), ["", "trip-1 hour", "", "trip-1 later"]);
}

#[test]
fn what_was_recorded_before_a_deadline_and_is_not_durable_yet_is_handled_before_it_too() {
    let (log, clock) = (open(&SimStorage::new()), clock());
    append(&log, "1", "Set", "x 1");
    let mut manager = managed(&log, &clock, Alarm);
    manager.catch_up().unwrap();
    let mut batch = Batch::new();
    batch.write("trip-1", Expected::Any, [NewEvent::new("Cancel").data(b"x")]);
    log.append_with(&batch, Durability::Buffered).unwrap();
    clock.advance(Duration::from_secs(2));
    manager.catch_up().unwrap();
    assert_eq!(rung(&log), [""; 0]);
}

#[test]
fn a_process_that_ended_has_no_deadlines() {
    let (log, clock) = (open(&SimStorage::new()), clock());
    append(&log, "1", "Wanted", "flight");
    append(&log, "2", "Wanted", "flight");
    append(&log, "1", "Paid", "");
    let mut manager = trips(&log, &clock);
    manager.catch_up().unwrap();
    assert_eq!(manager.deadlines().len(), 2);
    clock.advance(PAYMENT);
    assert_eq!(manager.catch_up().unwrap(), 2);
    assert_eq!(told(&log, "1"), ["booked"]);
    assert_eq!(told(&log, "2"), ["reminder", "payment", "no flight"]);
    assert_eq!(taken(&log, "flight"), 1);
}

#[test]
fn run_wakes_for_a_deadline_without_an_event() {
    let log = open(&SimStorage::new());
    append(&log, "1", "Set", "soon 0");
    append(&log, "1", "Set", "shortly 1");
    let subscriptions = Subscriptions::new(log.clone());
    let mut manager =
        ProcessManager::open(&subscriptions, "trips", &crate::support::options(), Alarm).unwrap();
    let subscription = manager.subscription().clone();
    let running = std::thread::spawn(move || manager.run());
    let begin = Instant::now();
    while rung(&log).len() < 2 {
        assert!(begin.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(begin.elapsed() >= Duration::from_millis(900));
    subscription.stop("enough");
    assert!(running.join().unwrap().unwrap_err().to_string().contains("enough"));
}

/// Each of many processes waits; a restart finds all of them, and reads a page for each 32.
/// With `ANNALS_DEADLINES` more of them, and what that takes.
#[test]
fn ten_thousand_deadlines_are_found_again_and_fire_once_each() {
    let processes = std::env::var("ANNALS_DEADLINES").map_or(10_000, |n| n.parse().unwrap());
    let disk = SimStorage::new();
    let log = annals::Options::new().open_on(std::sync::Arc::new(disk)).unwrap();
    let (log, clock) = (std::sync::Arc::new(log), clock());
    for begin in (0..processes).step_by(1000) {
        let mut batch = Batch::new();
        for n in begin..begin + 1000 {
            let text = format!("wait {}", n % 100 + 1);
            let event = NewEvent::new("Set").data(text.as_bytes());
            batch.write(&format!("trip-{n}"), Expected::NoStream, [event]);
        }
        log.append(&batch).unwrap();
    }
    let took = |what: &str, begin: Instant| println!("{processes} {what}: {:?}", begin.elapsed());
    let begin = Instant::now();
    let mut manager = managed(&log, &clock, Alarm);
    assert_eq!(manager.catch_up().unwrap(), processes);
    took("set", begin);
    drop(manager);
    let pages = log.states("$deadlines/5/trips/").unwrap().len() as u64;
    assert_eq!(pages, processes.div_ceil(32));
    let begin = Instant::now();
    let mut manager = managed(&log, &clock, Alarm);
    took("read again", begin);
    assert_eq!(manager.deadlines().len() as u64, processes);
    clock.advance(Duration::from_secs(50));
    let begin = Instant::now();
    assert_eq!(manager.catch_up().unwrap(), processes / 2);
    took("half fired", begin);
    drop(manager);
    clock.advance(Duration::from_secs(50));
    let mut manager = managed(&log, &clock, Alarm);
    assert_eq!(manager.catch_up().unwrap(), processes / 2);
    assert_eq!(manager.deadlines(), []);
    let mut all = rung(&log);
    assert_eq!(all.len() as u64, processes);
    all.sort();
    all.dedup();
    assert_eq!(all.len() as u64, processes);
}

#[test]
fn processes_of_two_kinds_beside_each_other_have_states_and_deadlines_of_their_own() {
    let (log, clock) = (open(&SimStorage::new()), clock());
    append(&log, "1", "Wanted", "flight");
    append(&log, "1", "Set", "x 5");
    let mut trips = trips(&log, &clock);
    let filter = Filter::new().category("trip").event_type("Set");
    let options = SubscriptionOptions::new().filter(filter);
    let subscriptions = Subscriptions::new(log.clone());
    // The names could run into each other.
    let alarm = ProcessManager::open(&subscriptions, "trips/1", &options, Alarm).unwrap();
    let mut alarm = alarm.clock(clock.clone());
    assert_eq!((trips.catch_up().unwrap(), alarm.catch_up().unwrap()), (2, 1));
    assert_eq!((trips.deadlines().len(), alarm.deadlines().len()), (2, 1));
    drop(alarm);
    let alarm = ProcessManager::open(&subscriptions, "trips/1", &options, Alarm).unwrap();
    let mut alarm = alarm.clock(clock.clone());
    clock.advance(PAYMENT / 2);
    assert_eq!((trips.catch_up().unwrap(), alarm.catch_up().unwrap()), (1, 1));
    assert_eq!(
        (told(&log, "1"), rung(&log)),
        (vec!["reminder".to_owned()], vec!["trip-1 x".to_owned()])
    );
}
