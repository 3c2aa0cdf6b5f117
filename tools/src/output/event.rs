//! Events as people read them: one line each, in columns.
//!
//! Lines are printed as they come, so a column's width is that of the longest text
//! so far; the widest text, the data, comes last.

use annals::{Event, Occurred};

use super::style::{DIM, NAME};
use super::{Output, printable, units};
use crate::error::Failure;
use crate::json;
use crate::time;

/// Columns do not grow beyond this; a longer text shifts its own line only.
const WIDEST: usize = 40;

/// What stands in the first columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Of one stream: its version.
    InStream,
    /// Of the whole log: its position, its stream and its version there.
    InLog,
}

/// Prints events, as text in columns or as JSON.
pub(crate) struct EventTable {
    place: Place,
    number: usize,
    stream: usize,
    time: usize,
    event_type: usize,
    line: Vec<u8>,
}

impl EventTable {
    /// For events of one stream, of about so many.
    pub(crate) fn of_stream(last_version: u64) -> Self {
        Self::new(Place::InStream, last_version)
    }

    /// For events of the whole log, of about so many.
    pub(crate) fn of_log(head: u64) -> Self {
        Self::new(Place::InLog, head)
    }

    fn new(place: Place, last: u64) -> Self {
        let number = units::count(last).len();
        Self { place, number, stream: 0, time: 0, event_type: 0, line: Vec::new() }
    }

    /// Prints one event.
    pub(crate) fn print(&mut self, output: &mut Output, event: &Event<'_>) -> Result<(), Failure> {
        if output.is_json() {
            self.line.clear();
            json::write_event(&mut self.line, event).map_err(Failure::Stdout)?;
            return output.bytes(&self.line);
        }
        let at = event.occurred_at().unwrap_or_else(|| Occurred::utc(event.recorded_at()));
        let (time, event_type) = (time::text(at), printable(event.event_type()));
        let time = pad(&mut self.time, &time);
        let event_type = pad(&mut self.event_type, &event_type);
        let data = data_text(event);
        let width = self.number;
        match self.place {
            Place::InStream => output.line(format_args!(
                "{:>width$}  {DIM}{time}{DIM:#}  {event_type}  {data}",
                units::count(event.version())
            )),
            Place::InLog => {
                let stream = pad(&mut self.stream, &printable(event.stream()));
                output.line(format_args!(
                    "{:>width$}  {NAME}{stream}{NAME:#}  {:>4}  {DIM}{time}{DIM:#}  {event_type}  \
                     {data}",
                    units::count(event.position()),
                    units::count(event.version())
                ))
            }
        }
    }
}

fn data_text(event: &Event<'_>) -> String {
    let data = event.data();
    match json::as_json_text(data) {
        Some(text) => printable(text).into_owned(),
        None if data.is_empty() => "-".to_owned(),
        None => format!("({}, no JSON text)", units::bytes(units::wide(data.len()))),
    }
}

/// The text, filled up to the column's width, which grows with it.
fn pad(width: &mut usize, text: &str) -> String {
    *width = (*width).max(text.chars().count().min(WIDEST));
    format!("{text:<0$}", *width)
}
