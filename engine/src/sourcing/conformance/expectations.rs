//! What a batch expects of streams.

use super::support::{Verdict, append, batch, expecting, holds, lines, refused, same};
use super::{Make, promises};
use crate::sourcing::Store;
use crate::{Batch, Error, Expected, NewEvent, NewSnapshot, Uuid};

promises! {
    any_takes_every_stream: "A write that expects `Any` is taken whatever the stream is.";
    no_stream_takes_what_has_no_event: "A write that expects `NoStream`, or `Exact(0)`, which is \
        the same, is taken if the stream has no event, and refused if it has one.";
    exists_takes_what_has_an_event: "A write that expects `Exists` is taken if the stream has an \
        event, and refused if it has none.";
    exact_takes_one_version: "A write that expects `Exact(version)` is taken if that is the \
        stream's last version, and refused if the stream is before it or behind it.";
    a_conflict_says_what_was_expected_and_what_is: "A refused expectation is \
        `WrongExpectedVersion` with the stream, what was expected of it, and its version.";
    a_refused_batch_leaves_nothing: "A batch of which one expectation does not hold writes \
        nothing: no event of any stream, no snapshot, no state, no key; its ids are not taken.";
    a_refused_batch_uses_no_number: "After a refused batch the next event has the position and \
        the version that it would have had without it.";
    streams_that_are_not_written_can_be_expected: "An expectation of a stream that the batch does \
        not write counts as any other.";
    every_expectation_of_a_stream_must_hold: "All that is expected of a stream must hold of it as \
        it is before the batch, also where the batch itself writes it.";
    a_batch_of_expectations_alone_is_answered: "A batch that only expects is refused or taken by \
        that; it writes nothing, and names the position that the next event will have.";
}

fn taken(store: &dyn Store, expected: Expected) -> bool {
    store.append(&expecting("a", expected, &["T"])).is_ok()
}

fn any_takes_every_stream(make: &Make<'_>) -> Verdict {
    let store = make();
    for version in 1..=3 {
        let committed = store.append(&expecting("a", Expected::Any, &["T"]))?;
        same("the version after it", committed.version("a"), Some(version))?;
    }
    Ok(())
}

fn no_stream_takes_what_has_no_event(make: &Make<'_>) -> Verdict {
    for expected in [Expected::NoStream, Expected::Exact(0)] {
        let store = make();
        append(&*store, "b", &["T"])?;
        same("whether it was taken at first", taken(&*store, expected), true)?;
        same("whether it was taken again", taken(&*store, expected), false)?;
        same("the stream's version", store.version("a")?, 1)?;
    }
    Ok(())
}

fn exists_takes_what_has_an_event(make: &Make<'_>) -> Verdict {
    let store = make();
    append(&*store, "b", &["T"])?;
    same("whether it was taken without an event", taken(&*store, Expected::Exists), false)?;
    append(&*store, "a", &["T"])?;
    same("whether it was taken with one", taken(&*store, Expected::Exists), true)?;
    same("the stream's version", store.version("a")?, 2)
}

fn exact_takes_one_version(make: &Make<'_>) -> Verdict {
    let store = make();
    append(&*store, "b", &["T", "T", "T", "T"])?;
    append(&*store, "a", &["T", "T"])?;
    for (exact, is_taken) in [(1, false), (3, false), (4, false), (2, true), (2, false), (3, true)]
    {
        let found = taken(&*store, Expected::Exact(exact));
        same(&format!("whether Exact({exact}) was taken"), found, is_taken)?;
    }
    same("the stream's version", store.version("a")?, 4)
}

fn a_conflict_says_what_was_expected_and_what_is(make: &Make<'_>) -> Verdict {
    let store = make();
    append(&*store, "a", &["T", "T"])?;
    for (of, expected, actual) in [
        ("a", Expected::NoStream, 2),
        ("a", Expected::Exact(1), 2),
        ("a", Expected::Exact(9), 2),
        ("b", Expected::Exists, 0),
        ("b", Expected::Exact(1), 0),
    ] {
        let error = refused(store.append(&expecting(of, expected, &["T"])))?;
        holds("such an error is a conflict", error.is_conflict())?;
        let Error::WrongExpectedVersion { stream, expected: stated, actual: is } = error else {
            return Err(error.into());
        };
        same("what it says", (stream.as_str(), stated, is), (of, expected, actual))?;
    }
    Ok(())
}

fn a_refused_batch_leaves_nothing(make: &Make<'_>) -> Verdict {
    let store = make();
    append(&*store, "a", &["T"])?;
    let id = Uuid::from_u128(77);
    let mut whole = Batch::new();
    whole
        .once("key")
        .write("a", Expected::Exact(1), [NewEvent::new("Mine").id(id)])
        .snapshot("a", 1, NewSnapshot::new(1))
        .state("state", 1, NewSnapshot::new(1))
        .write("b", Expected::Exact(4), [NewEvent::new("Mine")]);
    refused(store.append(&whole))?;
    same("the versions", (store.version("a")?, store.version("b")?), (1, 0))?;
    same("what a read hands out", lines(&*store, "a", 1)?.len(), 1)?;
    holds("no event of it is found", store.event(id)?.is_none())?;
    holds("no snapshot of it is found", store.snapshot("a")?.is_none())?;
    holds("no state of it is found", store.state("state", 1)?.is_none())?;
    same("the names of states", store.states("")?, Vec::new())?;
    holds("its key is not taken", store.outcome("key")?.is_none())?;
    same("the head", store.head()?, 1)?;
    let mut again = Batch::new();
    again.once("key").write("c", Expected::NoStream, [NewEvent::new("Mine").id(id)]);
    holds("its key and ids can be used", !store.append(&again)?.is_deduplicated())
}

fn a_refused_batch_uses_no_number(make: &Make<'_>) -> Verdict {
    let store = make();
    append(&*store, "a", &["T"])?;
    for _ in 0..3 {
        refused(store.append(&expecting("a", Expected::NoStream, &["T", "T"])))?;
    }
    let next = append(&*store, "a", &["T"])?;
    same("the next position", next.first_position(), 2)?;
    same("the next version", next.version("a"), Some(2))
}

fn streams_that_are_not_written_can_be_expected(make: &Make<'_>) -> Verdict {
    let store = make();
    append(&*store, "rule", &["T", "T"])?;
    for (expected, is_taken) in
        [(Expected::Exact(2), true), (Expected::Exact(1), false), (Expected::NoStream, false)]
    {
        let mut decided = batch("a", &["T"]);
        decided.expect("rule", expected);
        let found = store.append(&decided);
        same("whether it was taken", found.is_ok(), is_taken)?;
    }
    same("the versions", (store.version("a")?, store.version("rule")?), (1, 2))
}

fn every_expectation_of_a_stream_must_hold(make: &Make<'_>) -> Verdict {
    let store = make();
    append(&*store, "a", &["T", "T"])?;
    let mut both = expecting("a", Expected::Exists, &["T"]);
    both.expect("a", Expected::Exact(1));
    refused(store.append(&both))?;
    // What the batch itself writes is not before it.
    let mut after = expecting("a", Expected::Exact(2), &["T"]);
    after.write("a", Expected::Exact(3), [NewEvent::new("T")]);
    refused(store.append(&after))?;
    let mut before = expecting("a", Expected::Exact(2), &["T"]);
    before.write("a", Expected::Exact(2), [NewEvent::new("T")]).expect("a", Expected::Exists);
    same("the version after it", store.append(&before)?.version("a"), Some(4))
}

fn a_batch_of_expectations_alone_is_answered(make: &Make<'_>) -> Verdict {
    let store = make();
    append(&*store, "a", &["T", "T"])?;
    let mut holding = Batch::new();
    holding.expect("a", Expected::Exact(2)).expect("b", Expected::NoStream);
    let committed = store.append(&holding)?;
    same("the position that it names", committed.first_position(), 3)?;
    holds("it has no positions", committed.positions().is_empty())?;
    let mut failing = Batch::new();
    failing.expect("a", Expected::Exact(1));
    holds("the other is a conflict", refused(store.append(&failing))?.is_conflict())?;
    same("the head", store.head()?, 2)
}
