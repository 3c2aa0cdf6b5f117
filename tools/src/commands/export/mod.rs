//! `annals export`: events as JSON lines, in commit order; or as rows of a SQLite table.

mod sqlite;

use std::io::{self, IsTerminal};

use annals::Event;

use crate::cli::Export;
use crate::error::{Answer, Failure, OfLog};
use crate::json;
use crate::open::reader;
use crate::output::Output;
use crate::output::progress::Progress;

/// The bar moves once in so many events.
const PROGRESS_EVENTS: u64 = 1 << 10;

pub(crate) fn run(asked: &Export, output: &mut Output) -> Result<Answer, Failure> {
    if let Some(file) = &asked.sqlite {
        return sqlite::run(&asked.log, file, output);
    }
    let log = reader(&asked.log)?;
    let mut lines = Lines::new(output, log.head().of(&asked.log)?);
    let Some(from) = asked.after.checked_add(1) else { return Ok(Answer::Yes) };
    let mut events = log.read_all().from(from).filter(asked.filters.filter());
    if let Some(until) = asked.until {
        events = events.to(until);
    }
    if let Some(since) = asked.filters.since {
        events = events.since(since);
    }
    if let Some(before) = asked.filters.before {
        events = events.before(before);
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
    Ok(Answer::Yes)
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
