//! Many threads at once.

use std::sync::Arc;
use std::time::Duration;

use super::support::{PATIENCE, Seen, Verdict, batch, expecting, holds, lines, same};
use super::{Make, promises};
use crate::sourcing::Store;
use crate::sync::{AtomicBool, Instant, Ordering, thread};
use crate::{Batch, Expected, Filter, NewEvent, Start};

promises! {
    no_update_is_lost: "Of several writers that expect the same exact version one is taken: each \
        append that is answered is in the stream once, and versions stay dense.";
    a_tail_under_writers_has_no_gap: "While many threads append, a tail hands out positions one \
        after the other, no gap and no second time, and the events of a batch together.";
    one_batch_of_many_threads_commits_once: "A batch, or a key, that several threads append at \
        once commits once, and all are answered with the same positions.";
    nobody_sees_part_of_a_batch: "While batches over two streams are appended, no reader finds \
        the second stream behind the first.";
}

const WRITERS: u64 = 4;

/// Runs so many threads and waits for them.
fn together(
    threads: u64,
    run: impl Fn(u64) -> Verdict + Clone + Send + 'static,
) -> Verdict<impl FnOnce() -> Verdict> {
    let mut running = Vec::new();
    for n in 0..threads {
        let run = run.clone();
        let spawned = thread::Builder::new().spawn(move || run(n));
        running.push(spawned.map_err(|error| Seen::new(format!("no thread: {error}")))?);
    }
    Ok(move || {
        // All of them end before the first failure is told.
        let ended: Vec<_> = running.into_iter().map(thread::JoinHandle::join).collect();
        ended.into_iter().try_for_each(|end| end.map_err(|_| Seen::new("a thread panicked"))?)
    })
}

fn no_update_is_lost(make: &Make<'_>) -> Verdict {
    const EACH: u64 = 40;
    let store = make();
    let shared = Arc::clone(&store);
    let increments = move |writer: u64| -> Verdict {
        for n in 0..EACH {
            let name = format!("{writer}/{n}");
            let since = Instant::now();
            loop {
                let version = shared.version("a")?;
                match shared.append(&expecting("a", Expected::Exact(version), &[&name])) {
                    Ok(committed) => {
                        same("the version after it", committed.version("a"), Some(version + 1))?;
                        break;
                    }
                    Err(error) if error.is_conflict() => {}
                    Err(error) => return Err(error.into()),
                }
                holds("an update gets its turn", since.elapsed() < PATIENCE)?;
            }
        }
        Ok(())
    };
    together(WRITERS, increments)?()?;
    let found = lines(&*store, "a", 1)?;
    let versions: Vec<_> = found.iter().map(|(version, ..)| *version).collect();
    same("the versions", versions, (1..=WRITERS * EACH).collect())?;
    let mut names: Vec<_> = found.into_iter().map(|(.., name)| name).collect();
    names.sort();
    names.dedup();
    same("how many updates there are", names.len().try_into().ok(), Some(WRITERS * EACH))
}

fn a_tail_under_writers_has_no_gap(make: &Make<'_>) -> Verdict {
    const EACH: u64 = 60;
    let store = make();
    let shared = Arc::clone(&store);
    let appends = move |writer: u64| -> Verdict {
        for n in 0..EACH {
            let types = if n % 3 == 0 { &["T", "T", "T"][..] } else { &["T"] };
            let mut mixed = batch(&format!("a-{writer}"), types);
            mixed.write("all", Expected::Any, [NewEvent::new("T")]);
            shared.append(&mixed)?;
        }
        Ok(())
    };
    let mut tail = store.tail(Start::Beginning, &Filter::new())?;
    let ended = together(WRITERS, appends)?;
    let last = WRITERS * (EACH / 3 * 4 + (EACH - EACH / 3) * 2);
    let mut next = 1;
    let mut versions = std::collections::BTreeMap::<String, u64>::new();
    let mut open = None;
    let mut wrong = None;
    let mut since = Instant::now();
    while next <= last && wrong.is_none() && since.elapsed() < PATIENCE {
        let handed = tail.poll(7, &mut |event| {
            let version = versions.entry(event.stream().to_owned()).or_default();
            *version += 1;
            // Each batch ends with its event of the common stream.
            let batch_ends = event.stream() == "all";
            let writer = open.get_or_insert_with(|| event.stream().to_owned());
            let of_batch = batch_ends || writer == event.stream();
            let fits = event.position() == next
                && event.version() == *version
                && event.is_last_of_batch() == batch_ends
                && of_batch;
            if !fits && wrong.is_none() {
                wrong = Some(format!("{event:?} where position {next} was to be"));
            }
            if batch_ends {
                open = None;
            }
            next += 1;
        })?;
        match handed {
            0 => drop(tail.wait(Duration::from_millis(20))?),
            _ => since = Instant::now(),
        }
    }
    ended()?;
    match wrong {
        Some(wrong) => Err(Seen::new(wrong)),
        None => same("the last position that was handed out", next - 1, last),
    }
}

fn one_batch_of_many_threads_commits_once(make: &Make<'_>) -> Verdict {
    let store = make();
    for (round, keyed) in (0..20).zip([false, true].into_iter().cycle()) {
        let first = round + 1;
        let mut whole = batch("a", &["T"]);
        if keyed {
            whole.once(&format!("key/{round}"));
        }
        let shared = (Arc::clone(&store), Arc::new(whole));
        let answered = Arc::new(AtomicBool::new(false));
        let taken = Arc::clone(&answered);
        let appends = move |_: u64| -> Verdict {
            let committed = shared.0.append(&shared.1)?;
            same("its positions", committed.positions(), first..=first)?;
            let second = !committed.is_deduplicated() && taken.swap(true, Ordering::AcqRel);
            holds("one of them is not a duplicate", !second)
        };
        together(WRITERS, appends)?()?;
        holds("one of them was the first", answered.load(Ordering::Acquire))?;
    }
    same("the head", store.head()?, 20)
}

fn nobody_sees_part_of_a_batch(make: &Make<'_>) -> Verdict {
    let store = make();
    let shared = Arc::clone(&store);
    let done = Arc::new(AtomicBool::new(false));
    let end = Arc::clone(&done);
    let appends = move |_: u64| -> Verdict {
        let appended = (0..200).try_for_each(|_| {
            let mut both = Batch::new();
            both.write("one", Expected::Any, [NewEvent::new("T")]);
            both.write("two", Expected::Any, [NewEvent::new("T")]);
            shared.append(&both).map(drop)
        });
        end.store(true, Ordering::Release);
        Ok(appended?)
    };
    let ended = together(1, appends)?;
    let mut behind = None;
    while !done.load(Ordering::Acquire) && behind.is_none() {
        let (one, two) = (store.version("one")?, store.version("two")?);
        let (read_one, read_two) = (lines(&*store, "one", 1)?, lines(&*store, "two", 1)?);
        if one > two || read_one.len() > read_two.len() {
            behind = Some(format!("{one} and then {two} events, as versions say"));
        }
    }
    ended()?;
    behind.map_or(Ok(()), |behind| Err(Seen::new(behind)))
}
