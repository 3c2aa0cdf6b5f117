//! `annals tail`: events as they come, until Ctrl-C or until it was enough.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use annals::{Cursor, Event, Log, Start};

use crate::cli::Tail;
use crate::error::{Answer, Failure, OfLog};
use crate::open::{Missing, with_log};
use crate::output::{EventTable, Output};

/// How long Ctrl-C may go unseen.
const GLANCE: Duration = Duration::from_millis(100);

pub(crate) fn run(asked: &Tail, output: &mut Output) -> Result<Answer, Failure> {
    let stopped = stop_on_interrupt()?;
    with_log(&asked.log, Missing::Refuse, |log| {
        let start = match asked.after {
            Some(position) => Start::After(position),
            None if asked.end => Start::End,
            None => Start::Beginning,
        };
        let cursor = log.cursor(start).of(&asked.log)?;
        follow(log, asked, cursor, &stopped, output)?;
        Ok(Answer::Yes)
    })
}

fn follow(
    log: &Log,
    asked: &Tail,
    mut cursor: Cursor,
    stopped: &AtomicBool,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut table = EventTable::of_log(log.head());
    let mut left = asked.count.unwrap_or(u64::MAX);
    let mut last_printed = Instant::now();
    while left > 0 && !stopped.load(Ordering::Relaxed) {
        let idle_left = asked.idle_exit.map(|idle| idle.saturating_sub(last_printed.elapsed()));
        let events = cursor.wait(idle_left.unwrap_or(GLANCE).min(GLANCE)).of(&asked.log)?;
        if events.is_empty() && idle_left == Some(Duration::ZERO) {
            break;
        }
        for event in &events {
            if left == 0 || stopped.load(Ordering::Relaxed) {
                break;
            }
            if is_asked_for(asked, &event) {
                table.print(output, &event)?;
                left -= 1;
                last_printed = Instant::now();
            }
        }
        // Whoever reads along sees events now, not when a buffer is full.
        output.flush()?;
    }
    Ok(())
}

fn is_asked_for(asked: &Tail, event: &Event<'_>) -> bool {
    asked.stream.as_deref().is_none_or(|stream| stream == event.stream())
}

/// Turns Ctrl-C into a wish to end, so that the log is closed.
fn stop_on_interrupt() -> Result<Arc<AtomicBool>, Failure> {
    let stopped = Arc::new(AtomicBool::new(false));
    let handler = Arc::clone(&stopped);
    ctrlc::set_handler(move || handler.store(true, Ordering::Relaxed)).map_err(|error| {
        Failure::Input { name: "Ctrl-C".to_owned(), source: std::io::Error::other(error) }
    })?;
    Ok(stopped)
}
