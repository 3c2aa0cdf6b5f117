//! Bad input is told by what it is, how large it is and how large it may be.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]
use std::sync::Arc;

use annals::io::sim::SimStorage;
use annals::{
    Background, Batch, Difference, Error, Expected, Log, NewEvent, Occurred, Options, Timestamp,
    Uuid, limits,
};

fn log() -> Log {
    let options = Options::new().background(Background::Inline).segment_bytes(64 << 10);
    options.open_on(Arc::new(SimStorage::new())).unwrap()
}

fn refused(log: &Log, batch: &Batch) -> Error {
    let head = log.head();
    let error = log.append(batch).unwrap_err();
    assert_eq!(log.head(), head);
    error
}

#[test]
fn what_is_too_large_is_named_with_its_size_and_limit() {
    let log = log();
    let long = "x".repeat(600);
    let huge = vec![0; limits::EVENT_BYTES + 1];
    let tags: Vec<String> = (0..65).map(|n| format!("t{n}")).collect();
    let many = tags.iter().fold(NewEvent::new("T"), |event, tag| event.tag(tag));
    let cases = [
        ("stream name", long.as_str(), NewEvent::new("T"), 512),
        ("event type", "s", NewEvent::new(&long[..256]), 255),
        ("tag", "s", NewEvent::new("T").tag(&long[..256]), 255),
        ("tags of an event", "s", many, 64),
        ("content type", "s", NewEvent::new("T").content_type(&long), 255),
        ("correlation", "s", NewEvent::new("T").correlation(&long), 255),
        ("cause", "s", NewEvent::new("T").caused_by(&long), 255),
        ("data (bytes)", "s", NewEvent::new("T").data(&huge), limits::EVENT_BYTES as u64),
        ("event (bytes)", "s", NewEvent::new("T").data(&huge[1..]), limits::EVENT_BYTES as u64),
    ];
    for (name, stream, event, allowed) in cases {
        let mut batch = Batch::new();
        batch.write(stream, Expected::Any, [event]);
        match refused(&log, &batch) {
            Error::TooLarge { what, size, limit } => {
                assert_eq!((what, limit), (name, allowed));
                assert!(size > limit);
            }
            other => panic!("{name}: {other}"),
        }
    }
}

#[test]
fn a_batch_beyond_its_limit_is_refused_and_one_at_it_goes_into_a_segment_of_its_own() {
    let log = log();
    let mut batch = Batch::new();
    let data = vec![9; (8 << 20) - 100];
    batch.write("big", Expected::NoStream, (0..4).map(|_| NewEvent::new("T").data(&data)));
    log.append(&batch).unwrap();
    batch.write("big", Expected::Any, [NewEvent::new("T").data(&data)]);
    assert!(matches!(refused(&log, &batch), Error::TooLarge { what: "batch (bytes)", .. }));
    let mut small = Batch::new();
    small.write("small", Expected::NoStream, [NewEvent::new("T")]);
    log.append(&small).unwrap();
    let sizes: Vec<_> =
        log.read_all().collect().unwrap().iter().map(|e| e.as_event().data().len()).collect();
    assert_eq!(sizes, [data.len(), data.len(), data.len(), data.len(), 0]);
}

#[test]
fn empty_names_and_impossible_times_are_refused() {
    let log = log();
    let odd = |digits, offset| Occurred {
        at: Timestamp::from_nanos(0),
        offset_minutes: Some(offset),
        fraction_digits: digits,
    };
    for (name, stream, event) in [
        ("stream name", "", NewEvent::new("T")),
        ("event type", "s", NewEvent::new("")),
        ("tag", "s", NewEvent::new("T").tag("")),
        ("occurred_at", "s", NewEvent::new("T").occurred_at(odd(10, 0))),
        ("occurred_at", "s", NewEvent::new("T").occurred_at(odd(0, 1440))),
    ] {
        let mut batch = Batch::new();
        batch.write(stream, Expected::Any, [event]);
        assert!(matches!(refused(&log, &batch), Error::Invalid { what, .. } if what == name));
    }
    let twice = [1, 1].map(|id| NewEvent::new("T").id(Uuid::from_u128(id)));
    let mut batch = Batch::new();
    batch.write("s", Expected::Any, twice);
    assert!(matches!(refused(&log, &batch), Error::Invalid { what: "event id", .. }));
}

#[test]
fn names_at_their_limit_in_any_script_come_back() {
    let log = log();
    let stream = "流".repeat(170) + "ab";
    let text = "ß".repeat(127) + "x";
    let tags: Vec<String> = (0..64).map(|n| format!("{n:02}{}", "ж".repeat(126))).collect();
    let occurred =
        Occurred { at: Timestamp::from_nanos(-1), offset_minutes: Some(-1439), fraction_digits: 9 };
    let event = tags
        .iter()
        .fold(NewEvent::new(&text), |event, tag| event.tag(tag))
        .content_type(&text)
        .caused_by(&text)
        .correlation(&text)
        .schema(u32::MAX)
        .occurred_at(occurred)
        .metadata(&[1, 2])
        .data(&[3]);
    let mut batch = Batch::new();
    batch.write(&stream, Expected::NoStream, [event]);
    log.append(&batch).unwrap();
    let read = log.read(&stream).collect().unwrap();
    let event = read[0].as_event();
    assert_eq!((event.stream(), event.event_type()), (&*stream, &*text));
    assert!(event.tags().eq(tags.iter().map(String::as_str)));
    assert_eq!(event.content_type(), Some(&*text));
    assert_eq!((event.caused_by(), event.correlation()), (Some(&*text), Some(&*text)));
    assert_eq!((event.schema(), event.occurred_at()), (u32::MAX, Some(occurred)));
    assert_eq!((event.metadata(), event.data()), (&[1, 2][..], &[3][..]));
}

fn ids(stream: &str, expected: Expected, ids: &[u128]) -> Batch {
    let mut batch = Batch::new();
    let events = ids.iter().map(|id| NewEvent::new("T").id(Uuid::from_u128(*id)));
    batch.write(stream, expected, events);
    batch
}

#[test]
fn a_batch_that_is_there_comes_back_with_its_first_outcome_whatever_it_expects() {
    let log = log();
    let first = log.append(&ids("s", Expected::NoStream, &[1, 3, 7])).unwrap();
    log.append(&ids("s", Expected::Exact(3), &[9])).unwrap();
    let again = log.append(&ids("s", Expected::NoStream, &[1, 3, 7])).unwrap();
    assert!(again.is_deduplicated() && !first.is_deduplicated());
    assert_eq!(again.positions(), first.positions());
    assert_eq!(again.version("s"), Some(3));
    assert_eq!(log.head(), 4);
}

#[test]
fn a_batch_that_is_there_only_in_part_or_with_other_content_is_an_error_of_its_own() {
    let log = log();
    log.append(&ids("s", Expected::NoStream, &[1, 3, 7])).unwrap();
    let conflict = |batch: &Batch| match refused(&log, batch) {
        Error::DuplicateConflict { id, position, difference } => {
            (id.as_u128(), position, difference)
        }
        other => panic!("{other}"),
    };
    assert_eq!(conflict(&ids("s", Expected::Any, &[2, 7, 14])), (7, 3, Difference::SomeMissing));
    assert_eq!(conflict(&ids("s", Expected::Any, &[1, 7])), (7, 3, Difference::Order));
    assert_eq!(conflict(&ids("other", Expected::Any, &[1, 3, 7])), (1, 1, Difference::Content));
    // A conflict of ids comes before one of versions.
    assert_eq!(conflict(&ids("s", Expected::Exact(9), &[3, 1])), (1, 1, Difference::Order));
}

#[test]
fn a_batch_without_events_only_checks_what_it_expects() {
    let log = log();
    let mut batch = Batch::new();
    batch.expect("s", Expected::NoStream);
    assert_eq!(log.append(&batch).unwrap().last_position(), 0);
    log.append(&ids("s", Expected::NoStream, &[1])).unwrap();
    assert!(refused(&log, &batch).is_conflict());
}
