//! `annals export`: events as JSON lines, in commit order.

use std::io::{self, IsTerminal};

use annals::{Event, Log};

use crate::cli::Export;
use crate::error::{Answer, Failure, OfLog};
use crate::json;
use crate::open::{Missing, with_log};
use crate::output::Output;
use crate::output::progress::Progress;

/// The bar moves once in so many events.
const PROGRESS_EVENTS: u64 = 1 << 10;

pub(crate) fn run(asked: &Export, output: &mut Output) -> Result<Answer, Failure> {
    with_log(&asked.log, Missing::Refuse, |log| {
        let mut lines = Lines::new(output, log.head());
        match &asked.stream {
            Some(stream) => of_stream(log, asked, stream, &mut lines)?,
            None => of_log(log, asked, &mut lines)?,
        }
        output.flush()?;
        Ok(Answer::Yes)
    })
}

fn of_log(log: &Log, asked: &Export, lines: &mut Lines<'_>) -> Result<(), Failure> {
    let Some(from) = asked.after.checked_add(1) else { return Ok(()) };
    let mut events = log.read_all().from(from);
    if let Some(until) = asked.until {
        events = events.to(until);
    }
    if let Some(limit) = asked.limit {
        events = events.limit(limit);
    }
    if asked.backward {
        events = events.backward();
    }
    while let Some(event) = events.next().of(&asked.log)? {
        lines.print(&event)?;
    }
    Ok(())
}

/// Positions grow along a stream, so what lies outside of them is at its two ends.
fn of_stream(
    log: &Log,
    asked: &Export,
    stream: &str,
    lines: &mut Lines<'_>,
) -> Result<(), Failure> {
    let mut left = asked.limit.unwrap_or(u64::MAX);
    let until = asked.until.unwrap_or(u64::MAX);
    let mut events = log.read(stream);
    if asked.backward {
        events = events.backward();
    }
    while left > 0 {
        let Some(event) = events.next().of(&asked.log)? else { break };
        let position = event.position();
        let (before, behind) = (position <= asked.after, position > until);
        let done = if asked.backward { before } else { behind };
        if done {
            break;
        }
        if !before && !behind {
            lines.print(&event)?;
            left -= 1;
        }
    }
    Ok(())
}

/// Prints lines, and how far that has got.
struct Lines<'o> {
    output: &'o mut Output,
    line: Vec<u8>,
    printed: u64,
    progress: Option<Progress>,
}

impl<'o> Lines<'o> {
    fn new(output: &'o mut Output, head: u64) -> Self {
        // On one terminal the bar and the lines would write over each other.
        let progress = (!io::stdout().is_terminal()).then(|| Progress::events(Some(head)));
        Self { output, line: Vec::new(), printed: 0, progress }
    }

    fn print(&mut self, event: &Event<'_>) -> Result<(), Failure> {
        self.line.clear();
        json::write_event(&mut self.line, event).map_err(Failure::Stdout)?;
        self.output.bytes(&self.line)?;
        self.printed += 1;
        if let Some(progress) = &self.progress
            && self.printed.is_multiple_of(PROGRESS_EVENTS)
        {
            progress.at(self.printed);
        }
        Ok(())
    }
}
