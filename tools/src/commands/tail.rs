//! `annals tail`: events as they come, until Ctrl-C or until it was enough.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use annals::{Cursor, CursorOptions, Start};

use crate::cli::Tail;
use crate::error::{Answer, Failure, OfLog};
use crate::interrupt::stop_on_interrupt;
use crate::open::reader;
use crate::output::{EventTable, Output};

/// How long Ctrl-C may go unseen.
const GLANCE: Duration = Duration::from_millis(100);

pub(crate) fn run(asked: &Tail, output: &mut Output) -> Result<Answer, Failure> {
    let stopped = stop_on_interrupt()?;
    let log = reader(&asked.log)?;
    let start = match (asked.after, asked.filters.since) {
        (Some(position), _) => Start::After(position),
        (None, _) if asked.end => Start::End,
        (None, Some(time)) => Start::At(time),
        (None, None) => Start::Beginning,
    };
    let options = CursorOptions::new().filter(asked.filters.filter());
    let cursor = log.cursor_with(start, &options).of(&asked.log)?;
    let table = EventTable::of_log(log.head().of(&asked.log)?);
    follow(asked, cursor, table, &stopped, output)?;
    Ok(Answer::Yes)
}

fn follow(
    asked: &Tail,
    mut cursor: Cursor,
    mut table: EventTable,
    stopped: &AtomicBool,
    output: &mut Output,
) -> Result<(), Failure> {
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
            let time = event.recorded_at();
            if asked.filters.before.is_some_and(|before| time >= before) {
                // Times never run backwards: none of those that come is meant.
                return output.flush();
            }
            if asked.filters.since.is_none_or(|since| time >= since) {
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
