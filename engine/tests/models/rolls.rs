//! From one segment to the next: spares made in the background, appends that need them,
//! and readers on the way across.

use annals::io::sim::SimStorage;
use annals::model::Time;
use annals::{CursorOptions, Durability, Expected, Start, Visibility};

use crate::harness::{Model, holds};
use crate::words::{
    Promise, check_dense, close, follow, joined, left, next, open, options, sized, spawn,
};

/// Two of these and the segment is full.
const LARGE: usize = 4000;

/// Two threads fill three segments while the background makes spares and runs, and a
/// cursor follows across.
fn followed() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    let mut cursor = log.cursor(Start::Beginning).unwrap();
    let there = disk.clone();
    let reader = spawn(move || follow(&mut cursor, 6, &there));
    let writers = (0..2).map(|writer| {
        let (log, disk) = (log.clone(), disk.clone());
        spawn(move || {
            let stream = format!("s-{writer}");
            let append = |version| {
                let batch = sized(&stream, Expected::Exact(version), LARGE);
                let at = log.append(&batch).unwrap().first_position();
                Promise::new(at, &stream, Durability::Durable, &disk)
            };
            [append(0), append(1), append(2)]
        })
    });
    check_dense(joined(writers).into_iter().flatten());
    reader.join().unwrap().iter().for_each(Promise::check);
    close(log).unwrap();
    assert_eq!(left(&disk, Durability::Durable).len(), 6);
    assert!(disk.file_names().iter().filter(|name| name.contains("seg")).count() > 2);
}

/// Readers look things up, by stream and by place, while what they look in is sealed and its
/// table gives way to a run.
fn read() {
    let disk = SimStorage::new();
    let log = open(&disk, &options());
    let looks = log.clone();
    let reader = spawn(move || {
        let mut seen = 0;
        while seen < 5 {
            let events = looks.read("s").collect().unwrap();
            let versions: Vec<_> = events.iter().map(|e| e.as_event().version()).collect();
            let dense: Vec<_> = (1..=events.len() as u64).collect();
            assert_eq!(versions, dense);
            assert!(versions.len() >= seen, "what was read is there");
            seen = versions.len();
            shuttle::thread::yield_now();
        }
    });
    let written = CursorOptions::new().visibility(Visibility::Written);
    let mut cursor = log.cursor_with(Start::Beginning, &written).unwrap();
    let follower = spawn(move || {
        while cursor.position() < 5 {
            next(&mut cursor).unwrap();
        }
    });
    for _ in 0..5 {
        log.append_with(&sized("s", Expected::Any, LARGE), Durability::Written).unwrap();
    }
    reader.join().unwrap();
    follower.join().unwrap();
    close(log).unwrap();
}

const fn model(name: &'static str, program: fn(), schedules: usize) -> Model {
    Model { name, program, time: Time::Stands, schedules }
}

pub(crate) const FOLLOWED: Model = model("rolls::followed", followed, 400);
pub(crate) const READ: Model = model("rolls::read", read, 300);

#[test]
fn appends_and_a_cursor_cross_segments_that_the_background_makes() {
    holds(&FOLLOWED);
}

#[test]
fn reads_see_the_same_while_segments_are_sealed_and_indexed() {
    holds(&READ);
}
