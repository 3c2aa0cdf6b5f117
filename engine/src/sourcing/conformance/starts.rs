//! Where a tail can start, and where not.

use super::support::{Seen, Verdict, append, follow, same};
use super::{Make, promises};
use crate::sourcing::Store;
use crate::{Error, Filter, Start, Timestamp};

promises! {
    a_tail_starts_at_the_beginning_or_after_a_position: "A tail that starts at the beginning, or \
        after position 0, hands out every event; one that starts after a position, those behind \
        it; after the last one, nothing yet.";
    a_tail_starts_at_the_end: "A tail that starts at the end hands out what is appended after it \
        was opened, and nothing from before.";
    a_tail_starts_at_a_time: "A tail that starts at a time hands out the first event that was \
        recorded then or later and all behind it; at a later time than any, what comes next.";
    a_tail_goes_on_from_a_checkpoint: "A tail that starts at a checkpoint of another one hands out \
        exactly what that one did not.";
    a_start_beyond_the_head_is_refused: "To start after a position that is not there is \
        `BeyondHead` with that position and the last one that is.";
    a_checkpoint_of_another_store_is_refused: "To start at a checkpoint of another store is \
        `Diverged` with that checkpoint.";
}

fn positions(store: &dyn Store, start: Start, end: u64) -> Verdict<Vec<u64>> {
    follow(&mut *store.tail(start, &Filter::new())?, end)
}

fn a_tail_starts_at_the_beginning_or_after_a_position(make: &Make<'_>) -> Verdict {
    let store = make();
    same("what an empty store has", positions(&*store, Start::Beginning, 0)?, vec![])?;
    append(&*store, "a", &["T", "T"])?;
    append(&*store, "b", &["T", "T"])?;
    same("what is there", positions(&*store, Start::Beginning, 4)?, vec![1, 2, 3, 4])?;
    for after in 0..=4 {
        let promised = (after + 1..=4).collect();
        same("what is there after it", positions(&*store, Start::After(after), 4)?, promised)?;
    }
    let mut tail = store.tail(Start::After(4), &Filter::new())?;
    let end = append(&*store, "a", &["T"])?.last_position();
    same("what comes next", follow(&mut *tail, end)?, vec![5])
}

fn a_tail_starts_at_the_end(make: &Make<'_>) -> Verdict {
    let store = make();
    for first in [1, 4] {
        let mut tail = store.tail(Start::End, &Filter::new())?;
        same("where it stands", tail.scanned_to(), first - 1)?;
        let end = append(&*store, "a", &["T", "T", "T"])?.last_position();
        same("what comes", follow(&mut *tail, end)?, (first..=end).collect())?;
    }
    Ok(())
}

fn a_tail_starts_at_a_time(make: &Make<'_>) -> Verdict {
    let store = make();
    let mut end = 0;
    for _ in 0..6 {
        end = append(&*store, "a", &["T"])?.last_position();
        // So that the times differ, as far as the store's clock goes.
        crate::sync::thread::sleep(std::time::Duration::from_millis(2));
    }
    let mut times = Vec::new();
    store.read("a", 1, &mut |event| {
        times.push(event.recorded_at());
        std::ops::ControlFlow::Continue(())
    })?;
    for time in &times {
        let first = times.iter().zip(1..).find(|(other, _)| *other >= time);
        let promised = (first.map_or(1, |(_, position)| position)..=end).collect();
        same("what is there from a time on", positions(&*store, Start::At(*time), end)?, promised)?;
    }
    let early = Start::At(Timestamp::from_nanos(i64::MIN));
    same("what is there from ever", positions(&*store, early, end)?, (1..=end).collect())?;
    let late = Start::At(Timestamp::from_nanos(i64::MAX));
    let mut tail = store.tail(late, &Filter::new())?;
    same("what is there from a later time on", follow(&mut *tail, end)?, vec![])?;
    let end = append(&*store, "a", &["T"])?.last_position();
    same("what comes next", follow(&mut *tail, end)?, vec![end])
}

fn a_tail_goes_on_from_a_checkpoint(make: &Make<'_>) -> Verdict {
    let store = make();
    append(&*store, "a", &["T", "T", "T"])?;
    let end = append(&*store, "b", &["T", "T"])?.last_position();
    for polls in 0..=5 {
        let mut tail = store.tail(Start::Beginning, &Filter::new())?;
        let mut seen = Vec::new();
        for _ in 0..polls {
            tail.poll(1, &mut |event| seen.push(event.position()))?;
        }
        let checkpoint = tail.checkpoint()?;
        same("the checkpoint's position", checkpoint.position, tail.scanned_to())?;
        seen.extend(positions(&*store, Start::Checkpoint(checkpoint), end)?);
        same("what both handed out", seen, (1..=end).collect())?;
    }
    Ok(())
}

fn a_start_beyond_the_head_is_refused(make: &Make<'_>) -> Verdict {
    let store = make();
    for last in [0, 3] {
        for beyond in [last + 1, last + 9, u64::MAX] {
            match store.tail(Start::After(beyond), &Filter::new()) {
                Err(Error::BeyondHead { position, head }) => {
                    same("what is said", (position, head), (beyond, last))?;
                }
                Err(other) => return Err(Seen::new(format!("another error: {other}"))),
                Ok(_) => return Err(Seen::new(format!("a tail after {beyond} of {last}"))),
            }
        }
        append(&*store, "a", &["T", "T", "T"])?;
    }
    Ok(())
}

fn a_checkpoint_of_another_store_is_refused(make: &Make<'_>) -> Verdict {
    let (one, other) = (make(), make());
    for store in [&one, &other] {
        append(&**store, "a", &["T", "T", "T"])?;
    }
    let mut tail = one.tail(Start::Beginning, &Filter::new())?;
    tail.poll(2, &mut |_| {})?;
    let kept = tail.checkpoint()?;
    match other.tail(Start::Checkpoint(kept), &Filter::new()) {
        Err(Error::Diverged { checkpoint, .. }) => same("what is said", checkpoint, kept),
        Err(error) => Err(Seen::new(format!("another error: {error}"))),
        Ok(_) => Err(Seen::new("a tail from there")),
    }
}
