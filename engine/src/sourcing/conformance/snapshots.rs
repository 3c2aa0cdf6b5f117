//! Snapshots of streams and named states.

use std::ops::ControlFlow;

use super::support::{Seen, Verdict, append, batch, holds, refused, same};
use super::{Make, promises};
use crate::sourcing::Store;
use crate::{Batch, Error, NewSnapshot};

promises! {
    a_load_starts_at_the_newest_snapshot: "A load offers the newest snapshot with the schema that \
        was asked for, hands out the events after it and no others, and says the stream's version.";
    a_load_passes_over_snapshots: "Snapshots of another schema are not offered; of those that are \
        refused, the next older one is offered, and when all are refused, the events \
        start at version 1.";
    a_load_that_breaks_says_the_version_all_the_same: "A load that is told to break hands out \
        nothing more, and says the version of the stream's last event.";
    the_newest_snapshot_is_found_whatever_its_schema: "`snapshot` is the newest one of the stream, \
        of any schema.";
    a_snapshot_is_not_ahead_of_its_stream: "A snapshot of a version that its stream does not have \
        after the batch is `SnapshotAhead`, and nothing is written; one of what the batch itself \
        writes is taken.";
    the_newest_state_of_a_schema_is_found: "`state` is the one that was appended last under the \
        name with that schema, whatever its number; names of states and of streams have \
        nothing to do with each other.";
    states_are_listed_in_byte_order: "`states` lists the names that start with a prefix, each \
        once, in byte order.";
    events_and_states_of_a_batch_come_together: "The events, the state and the key of one batch \
        are all there once it is answered.";
}

fn snapshot(store: &dyn Store, version: u64, schema: u32) -> Verdict {
    let data = format!("{version}/{schema}");
    let mut batch = Batch::new();
    batch.snapshot("a", version, NewSnapshot::new(schema).data(data.as_bytes()));
    store.append(&batch)?;
    Ok(())
}

/// The version of the snapshot that is taken if it is `taken`, those that were offered, the
/// versions of the events, and the version that the load says.
type Load = (Vec<u64>, Vec<u64>, u64);

fn load(store: &dyn Store, schema: u32, taken: u64, last: u64) -> Verdict<Load> {
    let (mut offered, mut events, mut wrong) = (Vec::new(), Vec::new(), None);
    let restore = &mut |snapshot: &crate::Snapshot| {
        if snapshot.data() != format!("{}/{schema}", snapshot.version()).as_bytes() {
            wrong = Some(format!("{snapshot:?}"));
        }
        offered.push(snapshot.version());
        snapshot.version() == taken
    };
    let version = store.load("a", schema, restore, &mut |event| {
        events.push(event.version());
        if event.version() < last { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    match wrong {
        Some(wrong) => Err(Seen::new(format!("a snapshot that was not asked for: {wrong}"))),
        None => Ok((offered, events, version)),
    }
}

fn a_load_starts_at_the_newest_snapshot(make: &Make<'_>) -> Verdict {
    let store = make();
    append(&*store, "a", &["T", "T"])?;
    same("a load without snapshots", load(&*store, 1, 9, 99)?, (vec![], vec![1, 2], 2))?;
    snapshot(&*store, 1, 1)?;
    append(&*store, "a", &["T"])?;
    snapshot(&*store, 2, 1)?;
    append(&*store, "b", &["T"])?;
    append(&*store, "a", &["T"])?;
    same("a load", load(&*store, 1, 2, 99)?, (vec![2], vec![3, 4], 4))?;
    snapshot(&*store, 4, 1)?;
    same("a load of what has no later event", load(&*store, 1, 4, 99)?, (vec![4], vec![], 4))
}

fn a_load_passes_over_snapshots(make: &Make<'_>) -> Verdict {
    let store = make();
    for (version, schema) in [(1, 1), (2, 1), (3, 2), (4, 1), (5, 3)] {
        append(&*store, "a", &["T"])?;
        snapshot(&*store, version, schema)?;
    }
    for (taken, offered, events) in [
        (4, vec![4], vec![5]),
        (2, vec![4, 2], vec![3, 4, 5]),
        (1, vec![4, 2, 1], vec![2, 3, 4, 5]),
        (99, vec![4, 2, 1], vec![1, 2, 3, 4, 5]),
    ] {
        same("a load", load(&*store, 1, taken, 99)?, (offered, events, 5))?;
    }
    same("a load of a later schema", load(&*store, 4, 99, 99)?, (vec![], vec![1, 2, 3, 4, 5], 5))
}

fn a_load_that_breaks_says_the_version_all_the_same(make: &Make<'_>) -> Verdict {
    let store = make();
    append(&*store, "a", &["T", "T", "T", "T"])?;
    same("a load that breaks", load(&*store, 1, 9, 2)?, (vec![], vec![1, 2], 4))?;
    snapshot(&*store, 1, 1)?;
    same("one from a snapshot", load(&*store, 1, 1, 2)?, (vec![1], vec![2], 4))
}

fn the_newest_snapshot_is_found_whatever_its_schema(make: &Make<'_>) -> Verdict {
    let store = make();
    append(&*store, "a", &["T", "T", "T"])?;
    append(&*store, "b", &["T"])?;
    for (version, schema) in [(1, 7), (2, 1), (3, 9)] {
        snapshot(&*store, version, schema)?;
        let found = store.snapshot("a")?.map(|found| (found.version(), found.schema()));
        same("the newest snapshot", found, Some((version, schema)))?;
    }
    holds("another stream has none", store.snapshot("b")?.is_none())
}

fn a_snapshot_is_not_ahead_of_its_stream(make: &Make<'_>) -> Verdict {
    let store = make();
    append(&*store, "a", &["T", "T"])?;
    let mut ahead = batch("a", &["T"]);
    ahead.snapshot("a", 4, NewSnapshot::new(1)).state("state", 1, NewSnapshot::new(1));
    match refused(store.append(&ahead))? {
        Error::SnapshotAhead { stream, version, actual } => {
            same("what is said", (stream.as_str(), version, actual), ("a", 4, 3))?;
        }
        other => return Err(Seen::new(format!("another error: {other}"))),
    }
    same("the version", store.version("a")?, 2)?;
    holds("its state is not written", store.state("state", 1)?.is_none())?;
    let mut level = batch("a", &["T"]);
    level.snapshot("a", 3, NewSnapshot::new(1).data("3/1".as_bytes()));
    store.append(&level)?;
    same("a load", load(&*store, 1, 3, 99)?, (vec![3], vec![], 3))
}

fn the_newest_state_of_a_schema_is_found(make: &Make<'_>) -> Verdict {
    let store = make();
    append(&*store, "s", &["T"])?;
    let mut of_stream = Batch::new();
    of_stream.snapshot("s", 1, NewSnapshot::new(1).data("stream".as_bytes()));
    store.append(&of_stream)?;
    holds("a stream's snapshot is no state", store.state("s", 1)?.is_none())?;
    for (through, schema, data) in [(9, 1, "x"), (5, 1, "y"), (7, 2, "z")] {
        let mut batch = Batch::new();
        batch.state("s", through, NewSnapshot::new(schema).data(data.as_bytes()));
        store.append(&batch)?;
    }
    let found = |schema| -> Verdict<_> {
        let state = store.state("s", schema)?;
        Ok(state.map(|state| (state.version(), state.data().to_vec())))
    };
    same("the state of schema 1", found(1)?, Some((5, "y".as_bytes().to_vec())))?;
    same("the state of schema 2", found(2)?, Some((7, "z".as_bytes().to_vec())))?;
    same("the state of schema 3", found(3)?, None)?;
    let of_stream = store.snapshot("s")?.map(|snapshot| snapshot.data().to_vec());
    same("the stream's snapshot", of_stream, Some("stream".as_bytes().to_vec()))
}

fn states_are_listed_in_byte_order(make: &Make<'_>) -> Verdict {
    let store = make();
    append(&*store, "x/stream", &["T"])?;
    for name in ["x/b", "y", "x/a", "x/é", "x/a", "X/a", "x"] {
        let mut batch = Batch::new();
        batch.state(name, 1, NewSnapshot::new(1));
        store.append(&batch)?;
    }
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    same("those below x/", store.states("x/")?, names(&["x/a", "x/b", "x/é"]))?;
    same("all", store.states("")?, names(&["X/a", "x", "x/a", "x/b", "x/é", "y"]))?;
    same("those below z", store.states("z")?, Vec::new())
}

fn events_and_states_of_a_batch_come_together(make: &Make<'_>) -> Verdict {
    let store = make();
    for n in 1..=20 {
        let mut step = batch("out", &["T"]);
        step.once(&format!("step/{n}")).state("place", n, NewSnapshot::new(1));
        step.snapshot("out", n, NewSnapshot::new(1));
        store.append(&step)?;
        same("the stream's version", store.version("out")?, n)?;
        let state = store.state("place", 1)?.map(|state| state.version());
        same("the state", state, Some(n))?;
        let snapshot = store.snapshot("out")?.map(|snapshot| snapshot.version());
        same("the snapshot", snapshot, Some(n))?;
        holds("the key is found", store.outcome(&format!("step/{n}"))?.is_some())?;
    }
    Ok(())
}
