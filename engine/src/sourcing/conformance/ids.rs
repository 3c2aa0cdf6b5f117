//! Ids of events are unique for ever, and a batch is known by them.

use super::support::{Seen, Verdict, append, batch, follow, holds, refused, same};
use super::{Make, promises};
use crate::sourcing::Store;
use crate::{Batch, Difference, Error, Expected, Filter, NewEvent, NewSnapshot, Start, Uuid};

promises! {
    the_same_batch_again_is_a_duplicate: "A batch whose ids are all in the store, in its order and \
        with its content, writes nothing and is answered with the first outcome, marked as \
        deduplicated; also much later, and if its ids were made for it.";
    a_duplicate_is_not_a_conflict: "Ids are looked at before expectations: a repeated batch that \
        expects an exact version is a duplicate, although the stream has gone on.";
    a_batch_of_which_some_ids_are_known_is_an_error: "A batch of which some ids are in the store \
        and others are not is `DuplicateConflict` with `SomeMissing`, one of those ids and its \
        position; nothing is written: 1, 3, 7 and then 2, 7, 14.";
    known_ids_with_other_content_are_an_error: "Known ids with another stream, type, schema, data \
        or tags are `DuplicateConflict` with `Content`; metadata, cause and time may differ.";
    known_ids_in_another_order_are_an_error: "Known ids that do not stand one after the other in \
        the batch's order are `DuplicateConflict` with `Order`.";
    an_id_twice_in_a_batch_is_refused: "A batch that names one id twice is `Invalid`.";
    a_duplicate_writes_no_states: "A deduplicated batch writes nothing at all: neither its \
        snapshots nor its states. What must be kept all the same, such as an acknowledgement, \
        is appended again without the events, and is taken.";
}

fn with_ids(stream: &str, expected: Expected, ids: &[u128]) -> Batch {
    let mut batch = Batch::new();
    let events = ids.iter().map(|id| NewEvent::new("T").id(Uuid::from_u128(*id)));
    batch.write(stream, expected, events);
    batch
}

fn difference(store: &dyn Store, batch: &Batch) -> Verdict<(Uuid, u64, Difference)> {
    match refused(store.append(batch))? {
        Error::DuplicateConflict { id, position, difference } => Ok((id, position, difference)),
        other => Err(Seen::new(format!("another error: {other}"))),
    }
}

fn the_same_batch_again_is_a_duplicate(make: &Make<'_>) -> Verdict {
    let store = make();
    append(&*store, "b", &["T"])?;
    let mut given = with_ids("a", Expected::Any, &[5, 9]);
    given.write("b", Expected::Any, [NewEvent::new("T").id(Uuid::from_u128(6))]);
    for whole in [given, batch("a", &["T", "T", "T"])] {
        let first = store.append(&whole)?;
        holds("it is not a duplicate at first", !first.is_deduplicated())?;
        append(&*store, "a", &["T"])?;
        let again = store.append(&whole)?;
        holds("it is a duplicate again", again.is_deduplicated())?;
        same("its positions", again.positions(), first.positions())?;
        for stream in ["a", "b", "c"] {
            same("its version", again.version(stream), first.version(stream))?;
        }
    }
    let mut tail = store.tail(Start::Beginning, &Filter::new())?;
    same("the positions that there are", follow(&mut *tail, 9)?, (1..=9).collect())
}

fn a_duplicate_is_not_a_conflict(make: &Make<'_>) -> Verdict {
    let store = make();
    append(&*store, "a", &["T", "T", "T", "T", "T"])?;
    let exact = with_ids("a", Expected::Exact(5), &[100]);
    let first = store.append(&exact)?;
    append(&*store, "a", &["T"])?;
    let again = store.append(&exact)?;
    holds("it is a duplicate", again.is_deduplicated())?;
    same("its version", again.version("a"), first.version("a"))?;
    same("the stream's version", store.version("a")?, 7)
}

fn a_batch_of_which_some_ids_are_known_is_an_error(make: &Make<'_>) -> Verdict {
    let store = make();
    store.append(&with_ids("a", Expected::Any, &[1, 3, 7]))?;
    let mut partly = with_ids("b", Expected::Any, &[2, 7, 14]);
    partly.state("state", 1, NewSnapshot::new(1));
    let found = difference(&*store, &partly)?;
    same("what is said", found, (Uuid::from_u128(7), 3, Difference::SomeMissing))?;
    same("what was written", (store.version("b")?, store.head()?), (0, 3))?;
    holds("its other ids are free", store.event(Uuid::from_u128(14))?.is_none())?;
    holds("its state is not there", store.state("state", 1)?.is_none())
}

fn known_ids_with_other_content_are_an_error(make: &Make<'_>) -> Verdict {
    let store = make();
    let id = Uuid::from_u128(40);
    let of = |stream: &str, event: NewEvent<'_>| {
        let mut batch = Batch::new();
        batch.write(stream, Expected::Any, [event.id(id)]);
        batch
    };
    let first = NewEvent::new("T").data("1".as_bytes()).tag("x").schema(2);
    append(&*store, "b", &["T"])?;
    store.append(&of("a", first.clone().metadata("m".as_bytes())))?;
    for other in [
        of("b", first.clone()),
        of("a", NewEvent::new("U").data("1".as_bytes()).tag("x").schema(2)),
        of("a", first.clone().data("2".as_bytes())),
        of("a", first.clone().tag("y")),
        of("a", first.clone().schema(3)),
    ] {
        same("what is said", difference(&*store, &other)?, (id, 2, Difference::Content))?;
    }
    let beside = of("a", first.metadata("other".as_bytes()).caused_by("other"));
    holds("what is beside it may differ", store.append(&beside)?.is_deduplicated())?;
    same("the head", store.head()?, 2)
}

fn known_ids_in_another_order_are_an_error(make: &Make<'_>) -> Verdict {
    let store = make();
    store.append(&with_ids("a", Expected::Any, &[1, 2]))?;
    store.append(&with_ids("a", Expected::Any, &[3, 4]))?;
    for ids in [&[2, 1][..], &[1, 3], &[1, 2, 4]] {
        let (_, _, found) = difference(&*store, &with_ids("a", Expected::Any, ids))?;
        same("what is said", found, Difference::Order)?;
    }
    same("the head", store.head()?, 4)
}

fn an_id_twice_in_a_batch_is_refused(make: &Make<'_>) -> Verdict {
    let store = make();
    let error = refused(store.append(&with_ids("a", Expected::Any, &[1, 2, 1])))?;
    if !matches!(error, Error::Invalid { .. }) {
        return Err(Seen::new(format!("another error: {error}")));
    }
    same("the head", store.head()?, 0)
}

fn a_duplicate_writes_no_states(make: &Make<'_>) -> Verdict {
    let store = make();
    store.append(&with_ids("a", Expected::Any, &[1]))?;
    let mut again = with_ids("a", Expected::Any, &[1]);
    again.state("place", 7, NewSnapshot::new(1)).snapshot("a", 1, NewSnapshot::new(1));
    holds("it is a duplicate", store.append(&again)?.is_deduplicated())?;
    holds("its state is not written", store.state("place", 1)?.is_none())?;
    holds("its snapshot is not written", store.snapshot("a")?.is_none())?;
    let mut alone = Batch::new();
    alone.state("place", 7, NewSnapshot::new(1));
    store.append(&alone)?;
    let state = store.state("place", 1)?;
    same("the state that was appended alone", state.map(|state| state.version()), Some(7))
}
