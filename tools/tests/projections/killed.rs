//! Processes that are killed at random while they project: from outside, every event is in the
//! tables once.

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use annals::Reader;
use annals::sourcing::{Postgres, ProjectionError, SqlProjector, Sqlite};

use crate::databases::{Place, Testable, on_both};
use crate::steps::{Room, Steps, append_many, check};

on_both! {
    killed_at_random_each_event_is_in_the_tables_once;
}

#[cfg(debug_assertions)]
mod planted {
    //! What the tests above would not see is no proof.
    #[test]
    fn with_its_checkpoint_outside_the_transaction_it_is_seen_to_lose_events() {
        super::with_a_planted_bug::<annals::sourcing::Sqlite>();
    }
}

/// What the child is told by: the room, the server, whether it has a bug.
const LOG: &str = "ANNALS_PROJECTED_LOG";
const PLACE: &str = "ANNALS_PROJECTED_PLACE";
const PLANTED: &str = "ANNALS_PROJECTED_PLANTED";

const EVENTS: u64 = 400;
const KILLS: u64 = 12;

/// What the child does until it is killed, or is done.
fn project<D: Testable>(log: &Path, place: &Place) {
    let reader = Arc::new(Reader::open(log).unwrap());
    // Slow enough to be killed in the middle of a transaction.
    let slow = Steps::<1> {
        before: |_| std::thread::sleep(Duration::from_micros(300)),
        ..Steps::default()
    };
    let projector = SqlProjector::open(reader, D::connect(place), slow);
    projector.unwrap().transaction_events(40).catch_up().unwrap();
}

#[test]
fn a_child_of_the_tests_that_kill() {
    let Some(log) = std::env::var_os(LOG) else { return };
    #[cfg(debug_assertions)]
    if std::env::var_os(PLANTED).is_some() {
        annals::planted::plant_process(annals::planted::Bug::CheckpointOutsideTransaction);
    }
    let place = std::env::var(PLACE).unwrap();
    match place.strip_prefix("file:") {
        Some(path) => project::<Sqlite>(log.as_ref(), &Place::File(path.into())),
        None => project::<Postgres>(log.as_ref(), &Place::Server(place)),
    }
    std::process::exit(3);
}

/// Kills it so often, and lets it come to its end.
fn kill_and_finish(room: &Room, planted: bool) {
    let place = match &room.place {
        Place::File(path) => format!("file:{}", path.display()),
        Place::Server(config) => config.clone(),
    };
    let (mut random, mut killed) = (20_261_122_u64, 0);
    for kill in 0.. {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["killed::a_child_of_the_tests_that_kill", "--exact", "--nocapture"])
            .env(LOG, room.directory.path().join("log"))
            .env(PLACE, &place)
            .stdout(Stdio::null());
        if planted {
            command.env(PLANTED, "1");
        }
        let mut child = command.spawn().unwrap();
        if kill < KILLS {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            std::thread::sleep(Duration::from_millis(10 + (random >> 33) % 40));
            child.kill().unwrap();
        }
        match child.wait().unwrap().code() {
            None => killed += 1,
            Some(code) => {
                assert_eq!(code, 3);
                break;
            }
        }
    }
    assert!(killed >= 3, "killed {killed} times");
}

/// The server ends the connection in the middle of a transaction, and at any place between two.
#[test]
fn a_connection_that_the_server_cuts_off_loses_and_doubles_nothing() {
    let Some((room, log)) = room::<Postgres>() else { return };
    let (mut cut_off, mut asking) = (0, <Postgres as Testable>::connect(&room.place));
    loop {
        let slow = Steps::<1> {
            before: |_| std::thread::sleep(Duration::from_micros(300)),
            ..Steps::default()
        };
        let database = <Postgres as Testable>::connect(&room.place);
        let projector = SqlProjector::open(log.clone(), database, slow);
        let mut projector = projector.unwrap().transaction_events(40);
        let running = std::thread::spawn(move || projector.catch_up());
        std::thread::sleep(Duration::from_millis(5 + cut_off % 25));
        let others = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
                      WHERE datname = current_database() AND pid <> pg_backend_pid()";
        asking.number(others);
        match running.join().unwrap() {
            Ok(_) => break,
            Err(ProjectionError::Sql { .. }) => cut_off += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(cut_off > 2, "cut off {cut_off} times");
    check(&log, &mut asking, 1);
}

fn room<D: Testable>() -> Option<(Room, Arc<annals::Log>)> {
    let room = Room::new::<D>()?;
    let log = room.log();
    append_many(&log, EVENTS);
    Some((room, log))
}

fn killed_at_random_each_event_is_in_the_tables_once<D: Testable>() {
    let Some((room, log)) = room::<D>() else { return };
    kill_and_finish(&room, false);
    check(&log, &mut D::connect(&room.place), 1);
}

#[cfg(debug_assertions)]
fn with_a_planted_bug<D: Testable>() {
    let Some((room, log)) = room::<D>() else { return };
    kill_and_finish(&room, true);
    let checked = std::panic::catch_unwind(AssertUnwindSafe(|| {
        check(&log, &mut D::connect(&room.place), 1);
    }));
    assert!(checked.is_err());
}
