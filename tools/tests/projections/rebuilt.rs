//! Tables that are rebuilt beside the live ones, and put in their place.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use annals::Log;
use annals::sourcing::{ProjectionError, SqlProjector};

use crate::databases::{Testable, on_both};
use crate::late::Late;
use crate::steps::{Projector, Room, Steps, append, append_many, check};

on_both! {
    a_rebuild_is_not_seen_before_its_switch_and_the_live_one_goes_on;
    a_rebuild_that_was_cut_off_goes_on_and_one_of_another_number_starts_over;
    a_rebuild_that_stops_leaves_the_live_one_in_its_place;
    a_rebuild_that_is_behind_the_live_one_is_not_switched_to;
    whoever_asks_never_sees_an_earlier_place_over_switches;
    two_programs_rebuild_the_same_generation_together;
}

fn rebuild<D: Testable, const SCHEMA: u32>(room: &Room, log: &Arc<Log>) -> Projector<D, SCHEMA> {
    let database = D::connect(&room.place);
    SqlProjector::rebuild(log.clone(), database, Steps::<SCHEMA>::default()).unwrap()
}

/// How many tables there are of this generation.
fn tables_of<D: Testable>(database: &mut D, generation: u64) -> usize {
    let names = ["steps", "lines"].map(|table| format!("{table}__g{generation}"));
    let mut there =
        |name: &String| database.number(&format!("SELECT COUNT(*) FROM {name}")).is_some();
    names.iter().filter(|name| there(name)).count()
}

fn a_rebuild_is_not_seen_before_its_switch_and_the_live_one_goes_on<D: Testable>() {
    let Some(room) = Room::new::<D>() else { return };
    let (log, mut asking) = (room.log(), D::connect(&room.place));
    append_many(&log, 20);
    let mut live = room.open::<D>(log.clone());
    live.catch_up().unwrap();

    let mut next = rebuild::<D, 10>(&room, &log);
    assert_eq!(next.catch_up().unwrap(), 20);
    check(&log, &mut asking, 1);
    append_many(&log, 5);
    assert_eq!(live.catch_up().unwrap(), 5);
    check(&log, &mut asking, 1);

    next.switch().unwrap();
    check(&log, &mut asking, 10);
    assert_eq!((tables_of(&mut asking, 1), tables_of(&mut asking, 2)), (0, 2));
    append_many(&log, 5);
    let replaced = live.catch_up().unwrap_err();
    assert!(matches!(replaced, ProjectionError::Replaced { generation: 1, .. }), "{replaced}");
    assert_eq!(next.catch_up().unwrap(), 5);
    next.switch().unwrap();
    drop(next);
    let open = SqlProjector::open(log.clone(), D::connect(&room.place), Steps::<10>::default());
    assert_eq!(open.unwrap().catch_up().unwrap(), 0);
    check(&log, &mut asking, 10);
    assert_eq!(asking.applied("steps").unwrap().unwrap().position, log.head());
}

fn a_rebuild_that_was_cut_off_goes_on_and_one_of_another_number_starts_over<D: Testable>() {
    let Some(room) = Room::new::<D>() else { return };
    let (log, mut asking) = (room.log(), D::connect(&room.place));
    append_many(&log, 20);
    room.open::<D>(log.clone()).catch_up().unwrap();
    let mut first = rebuild::<D, 10>(&room, &log);
    first.catch_up().unwrap();
    append_many(&log, 3);
    // Begun by another process, and gone on with: only what is new is applied.
    let mut second = rebuild::<D, 10>(&room, &log);
    assert_eq!(second.tables().generation(), 2);
    assert_eq!(second.catch_up().unwrap(), 3);
    let mut other = rebuild::<D, 100>(&room, &log);
    assert_eq!(other.tables().generation(), 3);
    assert_eq!(tables_of(&mut asking, 2), 0);
    for gone in [first.switch(), second.switch()] {
        assert!(matches!(gone, Err(ProjectionError::Replaced { generation: 2, .. })), "{gone:?}");
    }
    assert_eq!(room.open::<D>(log.clone()).catch_up().unwrap(), 3);
    check(&log, &mut asking, 1);
    other.switch().unwrap();
    check(&log, &mut asking, 100);
}

fn a_rebuild_that_stops_leaves_the_live_one_in_its_place<D: Testable>() {
    let Some(room) = Room::new::<D>() else { return };
    let (log, mut asking) = (room.log(), D::connect(&room.place));
    append_many(&log, 20);
    let strange = append(&log, "Strange", &["order-1"]);
    let mut live = room.open::<D>(log.clone());
    live.catch_up().unwrap();
    let refusing = Steps::<2> { refuses: "Strange", ..Steps::default() };
    let next = SqlProjector::rebuild(log.clone(), D::connect(&room.place), refusing);
    let stopped = next.unwrap().switch().unwrap_err();
    let at = |position| position == strange;
    assert!(
        matches!(stopped, ProjectionError::Stopped { position, .. } if at(position)),
        "{stopped}"
    );
    append_many(&log, 3);
    assert_eq!(live.catch_up().unwrap(), 3);
    check(&log, &mut asking, 1);
}

fn a_rebuild_that_is_behind_the_live_one_is_not_switched_to<D: Testable>() {
    let Some(room) = Room::new::<D>() else { return };
    let (log, mut asking) = (room.log(), D::connect(&room.place));
    for _ in 0..8 {
        append(&log, "T", &["order-1"]);
    }
    let mut live = room.open::<D>(log.clone());
    live.catch_up().unwrap();
    let late = Arc::new(Late { log: log.clone(), until: 6 });
    let behind = SqlProjector::rebuild(late, D::connect(&room.place), Steps::<10>::default());
    let refused = behind.unwrap().switch().unwrap_err();
    assert!(
        matches!(refused, ProjectionError::NotCaughtUp { position: 6, live: 8, .. }),
        "{refused}"
    );
    check(&log, &mut asking, 1);
    assert_eq!(live.catch_up().unwrap(), 0);
    rebuild::<D, 10>(&room, &log).switch().unwrap();
    check(&log, &mut asking, 10);
}

/// The live one goes on all the while, so that the switch finds it ahead now and then.
fn whoever_asks_never_sees_an_earlier_place_over_switches<D: Testable>() {
    let Some(room) = Room::new::<D>() else { return };
    let (log, done) = (room.log(), AtomicBool::new(false));
    room.open::<D>(log.clone()).catch_up().unwrap();
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let mut live = room.open::<D>(log.clone());
            while !done.load(Ordering::SeqCst) {
                append(&log, "T", &["order-1"]);
                match live.catch_up() {
                    Ok(_) => {}
                    Err(ProjectionError::Replaced { .. }) => live = room.open::<D>(log.clone()),
                    Err(error) => panic!("{error}"),
                }
            }
        });
        threads.spawn(|| {
            let (mut asking, mut last) = (D::connect(&room.place), 0);
            while !done.load(Ordering::SeqCst) {
                let now = asking.applied("steps").unwrap().unwrap().position;
                assert!(now >= last, "from {last} back to {now}");
                last = now;
            }
        });
        let switched = std::panic::catch_unwind(AssertUnwindSafe(|| {
            for _ in 0..5 {
                let mut next = rebuild::<D, 1>(&room, &log);
                loop {
                    match next.switch() {
                        Ok(()) => break,
                        Err(ProjectionError::NotCaughtUp { position, live, .. }) => {
                            assert!(position < live);
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        }));
        done.store(true, Ordering::SeqCst);
        switched.unwrap();
    });
    room.open::<D>(log.clone()).catch_up().unwrap();
    let mut asking = D::connect(&room.place);
    check(&log, &mut asking, 1);
    assert_eq!(asking.number("SELECT COUNT(*) FROM annals_projections"), Some(1));
}

fn two_programs_rebuild_the_same_generation_together<D: Testable>() {
    let Some(room) = Room::new::<D>() else { return };
    let (log, mut asking) = (room.log(), D::connect(&room.place));
    append_many(&log, 200);
    room.open::<D>(log.clone()).catch_up().unwrap();
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                let mut next = rebuild::<D, 10>(&room, &log).transaction_events(3);
                // The other one may have switched before.
                next.switch().unwrap();
            });
        }
    });
    check(&log, &mut asking, 10);
}
