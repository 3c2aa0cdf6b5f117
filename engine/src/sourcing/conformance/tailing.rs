//! Following what matches a filter.

use std::time::Duration;

use super::support::{Seen, Verdict, append, batch, follow, holds, same, told};
use super::{Make, promises};
use crate::sourcing::Store;
use crate::sync::thread;
use crate::{Batch, Expected, Filter, NewEvent, Start};

promises! {
    a_tail_hands_out_each_event_once_in_order: "Poll by poll, a tail hands out every event once in \
        the order of positions, no more at a time than was asked for, and none at the end.";
    a_filter_hands_out_what_matches: "A tail with a filter hands out what `Filter::matches` takes \
        and nothing else: by category, stream, type, tag, correlation, cause, and all together.";
    scanned_to_moves_when_nothing_matches: "`scanned_to` and the checkpoint move over what does \
        not match.";
    scanned_to_is_not_ahead_of_what_was_handed_out: "Everything that matches up to `scanned_to` \
        was handed out: also after a poll that took less than there was.";
    a_wait_tells_of_what_does_not_match: "A wait says that there is more as soon as there is an \
        event that was not looked at, whether or not it matches, and ends by its time if \
        there is none.";
    a_wait_is_woken: "A wait of a tail ends when somebody else appends.";
}

fn a_tail_hands_out_each_event_once_in_order(make: &Make<'_>) -> Verdict {
    let store = make();
    let mut tail = store.tail(Start::Beginning, &Filter::new())?;
    let mut seen = Vec::new();
    let mut end = 0;
    for round in 1..=12_usize {
        end = append(&*store, &format!("a-{}", round % 5), &vec!["T"; round])?.last_position();
        let mut handed = Vec::new();
        let said = tail.poll(round.div_ceil(2), &mut |event| handed.push(event.position()))?;
        same("what a poll says", said, handed.len())?;
        holds("a poll hands out no more than it was asked for", said <= round.div_ceil(2))?;
        same("where it is then", handed.last().copied().unwrap_or(0), tail.scanned_to())?;
        seen.extend(handed);
    }
    seen.extend(follow(&mut *tail, end)?);
    same("what was handed out", seen, (1..=end).collect())?;
    same("what there is at the end", tail.poll(9, &mut |_| {})?, 0)?;
    same("what a poll for nothing hands out", tail.poll(0, &mut |_| {})?, 0)
}

/// Events of all kinds. Returns the last position.
fn varied(store: &dyn Store) -> Verdict<u64> {
    let mut end = 0;
    for n in 0..48_u32 {
        let stream = ["order-1", "order-2", "stock-1", "order", "-x", "ordered-1"];
        let stream = stream.iter().cycle().nth(n.try_into().unwrap_or(0)).copied();
        let mut event = NewEvent::new(if n % 4 == 0 { "Placed" } else { "Paid" });
        if n % 2 == 0 {
            event = event.tag("vip");
        }
        if n % 3 == 0 {
            event = event.tag("eu");
        }
        if n % 5 == 0 {
            event = event.correlation("c-1");
        }
        if n % 7 == 0 {
            event = event.caused_by("m-1");
        }
        let mut one = Batch::new();
        one.write(stream.unwrap_or_default(), Expected::Any, [event]);
        end = store.append(&one)?.last_position();
    }
    Ok(end)
}

fn a_filter_hands_out_what_matches(make: &Make<'_>) -> Verdict {
    let store = make();
    let end = varied(&*store)?;
    let mut all = Vec::new();
    let mut tail = store.tail(Start::Beginning, &Filter::new())?;
    while tail.poll(99, &mut |event| all.push(event.to_owned()))? > 0 {}
    same("how many events there are", all.len(), 48)?;
    let any = Filter::new;
    for filter in [
        any(),
        any().category("order"),
        any().category("").category("stock"),
        any().stream("order-1"),
        any().stream("order").stream("order-2"),
        any().event_type("Placed"),
        any().event_type("Placed").event_type("Paid"),
        any().event_type("Nothing"),
        any().tag("vip"),
        any().tag("vip").tag("eu"),
        any().correlation("c-1"),
        any().caused_by("m-1"),
        any().category("order").event_type("Paid").tag("eu"),
        any().stream("stock-1").correlation("c-1"),
        any().tag("vip").caused_by("m-1").correlation("c-1"),
        any().category("nowhere"),
        any().stream(&"x".repeat(9999)),
    ] {
        let matching = all.iter().filter(|event| filter.matches(&event.as_event()));
        let promised: Vec<_> = matching.map(|event| event.as_event().position()).collect();
        let found = follow(&mut *store.tail(Start::Beginning, &filter)?, end)?;
        same(&format!("what has {filter}"), found, promised.clone())?;
        let behind = promised.into_iter().filter(|position| *position > 20).collect();
        let found = follow(&mut *store.tail(Start::After(20), &filter)?, end)?;
        same(&format!("what has {filter} after 20"), found, behind)?;
    }
    Ok(())
}

fn scanned_to_moves_when_nothing_matches(make: &Make<'_>) -> Verdict {
    let store = make();
    let mut tail = store.tail(Start::Beginning, &Filter::new().category("order"))?;
    for _ in 0..3 {
        let end = append(&*store, "stock-1", &["T", "T"])?.last_position();
        same("what matches", follow(&mut *tail, end)?, vec![])?;
        same("how far it has looked", tail.scanned_to(), end)?;
        same("the checkpoint's position", tail.checkpoint()?.position, end)?;
    }
    Ok(())
}

fn scanned_to_is_not_ahead_of_what_was_handed_out(make: &Make<'_>) -> Verdict {
    let store = make();
    let end = varied(&*store)?;
    let filter = Filter::new().tag("vip");
    let all = follow(&mut *store.tail(Start::Beginning, &filter)?, end)?;
    let mut tail = store.tail(Start::Beginning, &filter)?;
    let mut seen = Vec::new();
    for _ in 0..10 {
        tail.poll(1, &mut |event| seen.push(event.position()))?;
        let scanned = tail.scanned_to();
        let below = all.iter().copied().filter(|position| *position <= scanned).collect();
        same(&format!("what was handed out up to {scanned}"), seen.clone(), below)?;
    }
    holds("something was handed out", seen.len() > 3)
}

fn a_wait_tells_of_what_does_not_match(make: &Make<'_>) -> Verdict {
    let store = make();
    let mut tail = store.tail(Start::Beginning, &Filter::new().category("order"))?;
    same("whether an empty store has more", tail.wait(Duration::from_millis(20))?, false)?;
    for stream in ["stock-1", "order-1"] {
        let end = append(&*store, stream, &["T"])?.last_position();
        told(&mut *tail)?;
        follow(&mut *tail, end)?;
        same("whether there is more at the end", tail.wait(Duration::from_millis(20))?, false)?;
    }
    Ok(())
}

fn a_wait_is_woken(make: &Make<'_>) -> Verdict {
    let store = make();
    let mut tail = store.tail(Start::Beginning, &Filter::new())?;
    for position in 1..=3 {
        let other = std::sync::Arc::clone(&store);
        let appends = move || {
            thread::sleep(Duration::from_millis(30));
            other.append(&batch("a", &["T"])).map(drop)
        };
        let thread = thread::Builder::new().spawn(appends);
        let thread = thread.map_err(|error| Seen::new(format!("no thread: {error}")))?;
        let ended = told(&mut *tail);
        thread.join().map_err(|_| Seen::new("the appending thread panicked"))??;
        ended?;
        same("what there is", follow(&mut *tail, position)?, vec![position])?;
    }
    Ok(())
}
