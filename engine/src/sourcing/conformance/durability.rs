//! What is seen once an append is answered.

use std::ops::ControlFlow;

use super::support::{Verdict, append, batch, follow, holds, lines, same};
use super::{Make, promises};
use crate::sourcing::Store;
use crate::{Durability, Expected, Filter, NewEvent, NewSnapshot, Start, Uuid};

promises! {
    a_program_reads_its_own_writes: "Once an append is answered, however safe it is, every read \
        but a tail sees it: streams, loads, versions, ids, keys, snapshots, states, listings.";
    an_outcome_is_as_safe_as_asked: "The outcome says a durability that is at least the one that \
        was asked for.";
    what_is_durable_is_in_the_head_and_in_tails: "Once a durable append is answered, the head is \
        at or behind it, and tails hand it out.";
    a_sync_makes_durable_what_was_appended: "Once a sync is answered, all that was appended \
        before it is in the head and in tails, whatever durability it asked for.";
    what_is_durable_has_all_before_it: "Once a durable append is answered, so are durable all \
        that were answered before it: the head is dense.";
}

const ALL: [Durability; 3] = [Durability::Buffered, Durability::Written, Durability::Durable];

fn a_program_reads_its_own_writes(make: &Make<'_>) -> Verdict {
    let store = make();
    for (durability, n) in ALL.into_iter().cycle().take(30).zip(1..) {
        let id = Uuid::from_u128(u128::from(n) + 1000);
        let key = format!("key/{n}");
        let mut step = batch("a", &[]);
        step.once(&key)
            .write("a", Expected::Exact(n - 1), [NewEvent::new("T").id(id)])
            .snapshot("a", n, NewSnapshot::new(1))
            .state(&format!("state/{n:02}"), n, NewSnapshot::new(1));
        store.append_with(&step, durability)?;
        seen(&*store, n, id, &key)?;
    }
    Ok(())
}

/// Whether all of step `n` is seen in every way.
fn seen(store: &dyn Store, n: u64, id: Uuid, key: &str) -> Verdict {
    same("the version", store.version("a")?, n)?;
    same("how many events are read", lines(store, "a", 1)?.len().try_into().ok(), Some(n))?;
    let mut offered = 0;
    let restore = &mut |snapshot: &crate::Snapshot| {
        offered = snapshot.version();
        true
    };
    let loaded = store.load("a", 1, restore, &mut |_| ControlFlow::Continue(()))?;
    same("what a load says and is offered", (loaded, offered), (n, n))?;
    holds("the event is found by its id", store.event(id)?.is_some())?;
    holds("the key is found", store.outcome(key)?.is_some())?;
    same("the snapshot", store.snapshot("a")?.map(|snapshot| snapshot.version()), Some(n))?;
    let state = store.state(&format!("state/{n:02}"), 1)?;
    same("the state", state.map(|state| state.version()), Some(n))?;
    same("how many states there are", store.states("state/")?.len().try_into().ok(), Some(n))?;
    let mut listed = 0;
    store.streams("a", &mut |_, version| {
        listed = version;
        ControlFlow::Continue(())
    })?;
    same("the version that is listed", listed, n)
}

fn an_outcome_is_as_safe_as_asked(make: &Make<'_>) -> Verdict {
    let store = make();
    for durability in ALL {
        let committed = store.append_with(&batch("a", &["T"]), durability)?;
        let safe = committed.durability() >= durability;
        holds(&format!("{:?} is as safe as {durability:?}", committed.durability()), safe)?;
    }
    Ok(())
}

fn what_is_durable_is_in_the_head_and_in_tails(make: &Make<'_>) -> Verdict {
    let store = make();
    let mut tail = store.tail(Start::Beginning, &Filter::new())?;
    for n in 1..=5 {
        let committed = store.append_with(&batch("a", &["T"]), Durability::Durable)?;
        same("its position", committed.last_position(), n)?;
        holds("the head is at it or behind it", store.head()? >= n)?;
        same("what a tail hands out", follow(&mut *tail, n)?, vec![n])?;
        let at_end = store.tail(Start::After(n), &Filter::new());
        holds("a tail can start after it", at_end.is_ok())?;
    }
    Ok(())
}

fn a_sync_makes_durable_what_was_appended(make: &Make<'_>) -> Verdict {
    let store = make();
    store.sync()?;
    let mut tail = store.tail(Start::Beginning, &Filter::new())?;
    for (durability, n) in ALL.into_iter().zip(1..) {
        store.append_with(&batch("a", &["T"]), durability)?;
        store.sync()?;
        same("the head", store.head()?, n)?;
        same("what a tail hands out", follow(&mut *tail, n)?, vec![n])?;
    }
    Ok(())
}

fn what_is_durable_has_all_before_it(make: &Make<'_>) -> Verdict {
    let store = make();
    let mut tail = store.tail(Start::Beginning, &Filter::new())?;
    for n in 0..10 {
        store.append_with(&batch("a", &["T"]), Durability::Buffered)?;
        store.append_with(&batch("b", &["T"]), Durability::Written)?;
        let end = store.append_with(&batch("a", &["T"]), Durability::Durable)?.last_position();
        same("the last position", end, n * 3 + 3)?;
        same("the head", store.head()?, end)?;
        same("what a tail hands out", follow(&mut *tail, end)?, vec![end - 2, end - 1, end])?;
    }
    append(&*store, "a", &["T"]).map(drop)
}
