//! Streams, versions and single events, as they are read.

use std::ops::ControlFlow;

use super::support::{Line, Verdict, append, holds, line, lines, same};
use super::{Make, promises};
use crate::sourcing::Store;
use crate::{Batch, Expected, NewEvent, NewSnapshot, Uuid};

promises! {
    a_stream_is_read_from_a_version: "A read hands out the stream's events from a version on, in \
        order; 0 and 1 are the beginning, and behind the last one there is nothing.";
    a_read_ends_when_it_is_told: "A read hands out nothing more once it was told to break.";
    what_was_never_written_is_empty: "A stream that does not exist has version 0 and nothing to \
        read or load; an unknown id, state, snapshot or key is `None`.";
    an_event_is_found_by_its_id: "An event is found by its id, with its stream, version and \
        position.";
    streams_are_listed_in_byte_order: "Streams are listed by prefix in the byte order of their \
        names, each once with its version, and only those that have an event.";
    a_listing_ends_when_it_is_told: "A listing of streams hands out nothing more once it was told \
        to break.";
    names_are_told_apart_byte_by_byte: "Names that differ in case, in a trailing byte or in how a \
        letter is composed are different streams.";
}

fn a_stream_is_read_from_a_version(make: &Make<'_>) -> Verdict {
    let store = make();
    append(&*store, "a", &["1"])?;
    append(&*store, "b", &["T"])?;
    append(&*store, "a", &["2", "3"])?;
    let all = [line(1, 1, "1"), line(2, 3, "2"), line(3, 4, "3")];
    for (from, skipped) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 3), (u64::MAX, 3)] {
        let promised: Vec<Line> = all.iter().skip(skipped).cloned().collect();
        same(&format!("what is read from {from}"), lines(&*store, "a", from)?, promised)?;
    }
    Ok(())
}

fn a_read_ends_when_it_is_told(make: &Make<'_>) -> Verdict {
    let store = make();
    append(&*store, "a", &["1", "2", "3"])?;
    let mut seen = Vec::new();
    store.read("a", 1, &mut |event| {
        seen.push(event.version());
        if event.version() < 2 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    same("what was read", seen, vec![1, 2])
}

fn what_was_never_written_is_empty(make: &Make<'_>) -> Verdict {
    let store = make();
    for step in 0..2 {
        same("its version", store.version("a")?, 0)?;
        same("what is read of it", lines(&*store, "a", 1)?, Vec::new())?;
        let mut handed = 0;
        let each = &mut |_: crate::Event<'_>| {
            handed += 1;
            ControlFlow::Continue(())
        };
        let restore = &mut |_: &crate::Snapshot| true;
        same("the version that a load says", store.load("a", 1, restore, each)?, 0)?;
        same("how many events are loaded", handed, 0)?;
        holds("it has no snapshot", store.snapshot("a")?.is_none())?;
        holds("there is no such event", store.event(Uuid::from_u128(1))?.is_none())?;
        holds("there is no such state", store.state("a", 1)?.is_none())?;
        holds("there is no such key", store.outcome("a")?.is_none())?;
        // Also not when others are there.
        if step == 0 {
            append(&*store, "ab", &["T"])?;
            let mut beside = Batch::new();
            let snapshot = NewSnapshot::new(1);
            beside.once("ab").snapshot("ab", 1, snapshot).state("ab", 1, snapshot);
            store.append(&beside)?;
        }
    }
    Ok(())
}

fn an_event_is_found_by_its_id(make: &Make<'_>) -> Verdict {
    let store = make();
    append(&*store, "b", &["T"])?;
    let mut batch = Batch::new();
    let id = |n| Uuid::from_u128(n);
    let events = [("A1", 5), ("A2", 6)].map(|(name, n)| NewEvent::new(name).id(id(n)));
    batch.write("a", Expected::Any, events);
    store.append(&batch)?;
    for (n, promised) in [(5, line(1, 2, "A1")), (6, line(2, 3, "A2"))] {
        let found = store.event(id(n))?;
        let found = found.as_ref().map(|found| {
            let event = found.as_event();
            let at = line(event.version(), event.position(), event.event_type());
            (event.id(), event.stream().to_owned(), at)
        });
        same("what is found", found, Some((id(n), "a".to_owned(), promised)))?;
    }
    holds("another id is not found", store.event(id(7))?.is_none())
}

fn listed(store: &dyn Store, prefix: &str, most: usize) -> Verdict<Vec<(String, u64)>> {
    let mut streams = Vec::new();
    store.streams(prefix, &mut |name, version| {
        streams.push((name.to_owned(), version));
        if streams.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(streams)
}

fn streams_are_listed_in_byte_order(make: &Make<'_>) -> Verdict {
    let store = make();
    let names = ["b", "a-10", "a-2", "é-1", "a", "z-1", "B", "a-é", "a0", "\u{1f600}"];
    for (name, events) in names.iter().zip(1..) {
        let types = vec!["T"; events];
        append(&*store, name, &types)?;
        append(&*store, name, &["T"])?;
    }
    let mut other = Batch::new();
    other.expect("a-none", Expected::NoStream).state("a-state", 1, NewSnapshot::new(1));
    store.append(&other)?;
    for prefix in ["", "a", "a-", "é", "c", "a-10", "a-100"] {
        let versions = names.iter().zip(2..).map(|(name, version)| ((*name).to_owned(), version));
        let mut promised: Vec<_> = versions.filter(|(name, _)| name.starts_with(prefix)).collect();
        promised.sort();
        let found = listed(&*store, prefix, usize::MAX)?;
        same(&format!("what is listed by {prefix:?}"), found, promised)?;
    }
    Ok(())
}

fn a_listing_ends_when_it_is_told(make: &Make<'_>) -> Verdict {
    let store = make();
    for name in ["a", "b", "c"] {
        append(&*store, name, &["T"])?;
    }
    let found = listed(&*store, "", 2)?;
    same("what is listed", found, vec![("a".to_owned(), 1), ("b".to_owned(), 1)])
}

fn names_are_told_apart_byte_by_byte(make: &Make<'_>) -> Verdict {
    let store = make();
    let names = ["order", "Order", "order ", "order\0", "é", "e\u{301}", "order/../x", "%", "*"];
    for name in names {
        let committed = append(&*store, name, &[name])?;
        same("the version of a new name", committed.version(name), Some(1))?;
    }
    for (name, position) in names.iter().zip(1..) {
        same("what it holds", lines(&*store, name, 1)?, vec![line(1, position, name)])?;
    }
    Ok(())
}
