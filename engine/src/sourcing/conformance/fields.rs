//! What was handed in comes back, byte for byte.

use std::ops::ControlFlow;

use super::support::{Seen, Verdict, append, follow, holds, same};
use super::{Make, promises};
use crate::sourcing::Store;
use crate::{
    Batch, Event, Expected, Filter, NewEvent, NewSnapshot, Occurred, OwnedEvent, Snapshot, Start,
    Timestamp, Uuid,
};

promises! {
    events_come_back_byte_for_byte: "Type, schema, data, metadata, tags in their order, content \
        type, cause, correlation, id and when it occurred come back as they were handed in: from \
        reads, loads, tails and by id.";
    what_was_not_given_is_not_there: "An event without them has no metadata, tags, content type, \
        cause, correlation or time of its own, and schema 1.";
    snapshots_come_back_byte_for_byte: "Name, version, schema, data and content type of snapshots \
        and states come back as they were handed in, with the position before them.";
    time_of_record_never_runs_backwards: "When events were recorded does not run backwards along \
        positions, and all of one batch have one time.";
}

/// No text in any encoding that there is.
const DATA: &[u8] = &[0, 0xff, 0xfe, 0xc3, 0x28, 13, 10, 0];
const METADATA: &[u8] = &[0x80, 0, 0xf0, 0x9f, 1];
const TAGS: [&str; 4] = ["z:1", "a", "é", "a"];

fn occurred() -> Occurred {
    let at = Timestamp::from_nanos(-1_234_567_890_123_456_789);
    Occurred { at, offset_minutes: Some(-1439), fraction_digits: 3 }
}

fn full() -> NewEvent<'static> {
    let event = NewEvent::new("a type with \"é\"").id(Uuid::from_u128(u128::MAX - 6));
    let event = TAGS.iter().fold(event, |event, tag| event.tag(tag));
    event
        .data(DATA)
        .metadata(METADATA)
        .schema(u32::MAX)
        .content_type("application/x-é")
        .caused_by("cause \0 1")
        .correlation("correlation/1")
        .occurred_at(occurred())
}

fn as_handed_in(event: &Event<'_>) -> Verdict {
    same("its stream", event.stream(), "a-1")?;
    same("its type", event.event_type(), "a type with \"é\"")?;
    same("its id", event.id(), Uuid::from_u128(u128::MAX - 6))?;
    same("its schema", event.schema(), u32::MAX)?;
    same("its data", event.data(), DATA)?;
    same("its metadata", event.metadata(), METADATA)?;
    same("its tags", event.tags().collect(), TAGS.to_vec())?;
    same("its content type", event.content_type(), Some("application/x-é"))?;
    same("its cause", event.caused_by(), Some("cause \0 1"))?;
    same("its correlation", event.correlation(), Some("correlation/1"))?;
    same("when it occurred", event.occurred_at(), Some(occurred()))
}

/// The event of a stream that has one, in every way that there is.
fn every_way(store: &dyn Store, stream: &str, id: Uuid) -> Verdict<Vec<OwnedEvent>> {
    let mut found = Vec::new();
    store.read(stream, 1, &mut |event| {
        found.push(event.to_owned());
        ControlFlow::Continue(())
    })?;
    let each = &mut |event: Event<'_>| {
        found.push(event.to_owned());
        ControlFlow::Continue(())
    };
    store.load(stream, 1, &mut |_| false, each)?;
    let filter = Filter::new().stream(stream);
    let mut tail = store.tail(Start::Beginning, &filter)?;
    while tail.poll(9, &mut |event| found.push(event.to_owned()))? > 0 {}
    found.extend(store.event(id)?);
    same("in how many ways it was found", found.len(), 4)?;
    Ok(found)
}

fn events_come_back_byte_for_byte(make: &Make<'_>) -> Verdict {
    let store = make();
    let large = vec![0xa5; 300_000];
    let mut batch = Batch::new();
    batch.write("a-1", Expected::Any, [full()]);
    batch.write("b", Expected::Any, [NewEvent::new("T").data(&large)]);
    batch.write("c", Expected::Any, [NewEvent::new("T").json("{\"a\" : 1}")]);
    store.append(&batch)?;
    for found in every_way(&*store, "a-1", Uuid::from_u128(u128::MAX - 6))? {
        as_handed_in(&found.as_event())?;
    }
    let mut others = Vec::new();
    for stream in ["b", "c"] {
        store.read(stream, 1, &mut |event| {
            others.push((event.data().to_vec(), event.content_type().map(str::to_owned)));
            ControlFlow::Continue(())
        })?;
    }
    let json = ("{\"a\" : 1}".as_bytes().to_vec(), Some("application/json".to_owned()));
    holds("large data and JSON come back", others == [(large, None), json])
}

fn what_was_not_given_is_not_there(make: &Make<'_>) -> Verdict {
    let store = make();
    let id = Uuid::from_u128(1);
    let mut batch = Batch::new();
    batch.write("a", Expected::Any, [NewEvent::new("T").id(id)]);
    store.append(&batch)?;
    for found in every_way(&*store, "a", id)? {
        let event = found.as_event();
        same("its data and metadata", (event.data(), event.metadata()), (&[][..], &[][..]))?;
        same("how many tags it has", event.tags().count(), 0)?;
        same("its schema", event.schema(), 1)?;
        let texts = (event.content_type(), event.caused_by(), event.correlation());
        same("its content type, cause and correlation", texts, (None, None, None))?;
        same("when it occurred", event.occurred_at(), None)?;
    }
    Ok(())
}

fn snapshots_come_back_byte_for_byte(make: &Make<'_>) -> Verdict {
    let store = make();
    append(&*store, "a", &["T", "T", "T"])?;
    let new = NewSnapshot::new(u32::MAX).data(DATA).content_type("application/x-é");
    let mut batch = Batch::new();
    batch.snapshot("a", 2, new).state("a state \0", u64::MAX, new);
    store.append(&batch)?;
    append(&*store, "a", &["T"])?;
    let check = |found: Option<Snapshot>, name: &str, version: u64, is_state: bool| {
        let Some(found) = found else { return Err(Seen::new("it is not found")) };
        same("its name", found.name(), name)?;
        same("its version", found.version(), version)?;
        same("whether it is a state", found.is_state(), is_state)?;
        same("its schema", found.schema(), u32::MAX)?;
        same("its data", found.data(), DATA)?;
        same("its content type", found.content_type(), Some("application/x-é"))?;
        same("the position before it", found.position(), 3)
    };
    check(store.snapshot("a")?, "a", 2, false)?;
    check(store.state("a state \0", u32::MAX)?, "a state \0", u64::MAX, true)
}

fn time_of_record_never_runs_backwards(make: &Make<'_>) -> Verdict {
    let store = make();
    let mut end = 0;
    for n in 0..40 {
        end = append(&*store, &format!("a-{}", n % 3), &["T", "T"])?.last_position();
    }
    let mut times = Vec::new();
    let mut tail = store.tail(Start::Beginning, &Filter::new())?;
    while tail.poll(99, &mut |event| times.push(event.recorded_at()))? > 0 {}
    follow(&mut *tail, end)?;
    same("how many events there are", times.len(), 80)?;
    holds("times do not run backwards", times.is_sorted())?;
    let one = times.chunks(2).all(|batch| batch.first() == batch.last());
    holds("a batch has one time", one)
}
