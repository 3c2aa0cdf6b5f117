//! A batch is all or nothing, and has its numbers in its own order.

use super::support::{Seen, Verdict, append, batch, follow, holds, line, lines, refused, same};
use super::{Make, promises};
use crate::{Batch, Error, Expected, Filter, NewEvent, NewSnapshot, Start, limits};

promises! {
    positions_and_versions_are_dense_from_1: "Each event has the next position of the store and \
        the next version of its stream; both begin at 1.";
    a_batch_over_streams_keeps_its_order: "Events of one batch have positions one after the other \
        in the batch's order, over all streams that it writes.";
    an_outcome_tells_of_what_was_written: "The outcome of an append has the first and the last \
        position, the new version of each stream that was written, and none of another stream.";
    the_last_event_of_a_batch_says_so: "The last event of a batch says that it is, and no other \
        does, in reads and tails.";
    what_is_no_event_takes_no_number: "Snapshots, states and keys take no position and no version.";
    what_is_too_large_or_empty_is_refused: "A batch with something that is beyond a limit or has \
        no name is refused with what `Batch::check` says, and nothing of it is written.";
    what_is_at_its_limit_is_taken: "Names, tags and keys as long as their limits are taken, and \
        read back.";
}

fn positions_and_versions_are_dense_from_1(make: &Make<'_>) -> Verdict {
    let store = make();
    same("the head of an empty store", store.head()?, 0)?;
    append(&*store, "a", &["A1"])?;
    append(&*store, "b", &["B1", "B2"])?;
    append(&*store, "a", &["A2", "A3"])?;
    let a = vec![line(1, 1, "A1"), line(2, 4, "A2"), line(3, 5, "A3")];
    same("what stream a holds", lines(&*store, "a", 1)?, a)?;
    same("what stream b holds", lines(&*store, "b", 1)?, vec![line(1, 2, "B1"), line(2, 3, "B2")])?;
    same("the head", store.head()?, 5)
}

fn a_batch_over_streams_keeps_its_order(make: &Make<'_>) -> Verdict {
    let store = make();
    append(&*store, "b", &["B1"])?;
    let mut mixed = batch("a", &["A1"]);
    mixed.write("b", Expected::Any, [NewEvent::new("B2")]).write(
        "a",
        Expected::Any,
        [NewEvent::new("A2")],
    );
    store.append(&mixed)?;
    same("what stream a holds", lines(&*store, "a", 1)?, vec![line(1, 2, "A1"), line(2, 4, "A2")])?;
    same("what stream b holds", lines(&*store, "b", 1)?, vec![line(1, 1, "B1"), line(2, 3, "B2")])
}

fn an_outcome_tells_of_what_was_written(make: &Make<'_>) -> Verdict {
    let store = make();
    append(&*store, "a", &["T", "T"])?;
    let mut mixed = batch("a", &["T", "T"]);
    mixed.write("b", Expected::NoStream, [NewEvent::new("T")]).expect("c", Expected::NoStream);
    let committed = store.append(&mixed)?;
    same("its positions", committed.positions(), 3..=5)?;
    same("its version of a", committed.version("a"), Some(4))?;
    same("its version of b", committed.version("b"), Some(1))?;
    same("its version of c, which it only expects", committed.version("c"), None)?;
    same("its version of d, which it does not name", committed.version("d"), None)?;
    holds("it is not called deduplicated", !committed.is_deduplicated())
}

fn the_last_event_of_a_batch_says_so(make: &Make<'_>) -> Verdict {
    let store = make();
    append(&*store, "a", &["T", "T", "T"])?;
    let end = append(&*store, "a", &["T"])?.last_position();
    let mut last = Vec::new();
    store.read("a", 1, &mut |event| {
        last.push(event.is_last_of_batch());
        std::ops::ControlFlow::Continue(())
    })?;
    same("which say so in a read", last.clone(), vec![false, false, true, true])?;
    last.clear();
    let mut tail = store.tail(Start::Beginning, &Filter::new())?;
    while tail.poll(9, &mut |event| last.push(event.is_last_of_batch()))? > 0 {}
    follow(&mut *tail, end)?;
    same("which say so in a tail", last, vec![false, false, true, true])
}

fn what_is_no_event_takes_no_number(make: &Make<'_>) -> Verdict {
    let store = make();
    append(&*store, "a", &["T"])?;
    let mut beside = Batch::new();
    beside
        .once("key")
        .snapshot("a", 1, NewSnapshot::new(1))
        .state("a", 7, NewSnapshot::new(1))
        .state("b", 7, NewSnapshot::new(1));
    let committed = store.append(&beside)?;
    holds("such a batch has no positions", committed.positions().is_empty())?;
    same("the position that it names", committed.first_position(), 2)?;
    same("the head", store.head()?, 1)?;
    let next = append(&*store, "a", &["T"])?;
    same("the next numbers", (next.first_position(), next.version("a")), (2, Some(2)))?;
    same("the version of a stream named like a state", store.version("b")?, 0)
}

fn what_is_too_large_or_empty_is_refused(make: &Make<'_>) -> Verdict {
    let store = make();
    let long = "x".repeat(limits::STREAM_NAME_BYTES + 1);
    let mut name = batch("a", &["T"]);
    name.write(&long, Expected::Any, [NewEvent::new("T")]);
    let mut key = batch("a", &["T"]);
    key.once(&long);
    let mut state = batch("a", &["T"]);
    state.state("", 1, NewSnapshot::new(1));
    let mut tag = batch("a", &["T"]);
    tag.write("a", Expected::Any, [NewEvent::new("T").tag(&long)]);
    for wrong in [name, key, state, tag, batch("a", &[""])] {
        let promised = wrong.check().err().map(|error| error.to_string());
        let error = refused(store.append(&wrong))?;
        if !matches!(error, Error::TooLarge { .. } | Error::Invalid { .. }) {
            return Err(Seen::new(format!("another error: {error}")));
        }
        same("what is said of it", Some(error.to_string()), promised)?;
    }
    same("what was written", (store.version("a")?, store.head()?), (0, 0))
}

fn what_is_at_its_limit_is_taken(make: &Make<'_>) -> Verdict {
    let store = make();
    let stream = "s".repeat(limits::STREAM_NAME_BYTES);
    let event_type = "t".repeat(limits::EVENT_TYPE_BYTES);
    let key = "k".repeat(limits::IDEMPOTENCY_KEY_BYTES);
    let state = "n".repeat(limits::STATE_NAME_BYTES);
    let tags: Vec<String> =
        (0..limits::TAGS).map(|n| format!("{n:0width$}", width = limits::TAG_BYTES)).collect();
    let event = tags.iter().fold(NewEvent::new(&event_type), |event, tag| event.tag(tag));
    let mut whole = Batch::new();
    whole.once(&key).write(&stream, Expected::NoStream, [event]);
    whole.state(&state, 1, NewSnapshot::new(1));
    store.append(&whole)?;
    let mut found = Vec::new();
    store.read(&stream, 1, &mut |event| {
        found.extend(event.tags().map(str::to_owned));
        std::ops::ControlFlow::Continue(())
    })?;
    same("its tags", found, tags)?;
    same("its type", lines(&*store, &stream, 1)?, vec![line(1, 1, &event_type)])?;
    holds("its key is found", store.outcome(&key)?.is_some())?;
    same("its state's name", store.states("")?, vec![state])
}
