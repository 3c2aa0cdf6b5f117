//! `annals read`: one stream.

use crate::cli::Read;
use crate::error::{Answer, Failure, OfLog};
use crate::open::reader;
use crate::output::{EventTable, Output, note, printable};

pub(crate) fn run(asked: &Read, output: &mut Output) -> Result<Answer, Failure> {
    let log = reader(&asked.log)?;
    let version = log.version(&asked.stream).of(&asked.log)?;
    if version == 0 {
        note(format_args!("no event of stream {} yet", printable(&asked.stream)));
    }
    let mut events = log.read(&asked.stream).from(asked.from);
    if let Some(to) = asked.to {
        events = events.to(to);
    }
    if let Some(limit) = asked.limit {
        events = events.limit(limit);
    }
    if asked.backward {
        events = events.backward();
    }
    let mut table = EventTable::of_stream(version);
    while let Some(event) = events.next().of(&asked.log)? {
        table.print(output, &event)?;
    }
    Ok(Answer::Yes)
}
