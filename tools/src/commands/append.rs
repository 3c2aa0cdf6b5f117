//! `annals append`: one event.

use std::io::{self, Read};

use annals::{Batch, NewEvent, Uuid, limits};
use serde::Serialize;

use crate::cli::Append;
use crate::error::{Answer, Failure, OfLog};
use crate::import::STDIN;
use crate::json;
use crate::open::{Missing, with_log};
use crate::output::style::NAME;
use crate::output::{Output, printable, units};

#[derive(Serialize)]
struct Appended<'a> {
    position: u64,
    stream: &'a str,
    version: u64,
    id: String,
    /// The event was there already, under this id.
    deduplicated: bool,
}

pub(crate) fn run(asked: &Append, output: &mut Output) -> Result<Answer, Failure> {
    let data = asked.data.as_deref().map(read_data).transpose()?;
    let data = data.as_deref().map(|text| json_argument("--data", text)).transpose()?;
    let metadata =
        asked.metadata.as_deref().map(|text| json_argument("--metadata", text)).transpose()?;
    let id = asked.id.unwrap_or_else(Uuid::now_v7);
    let mut event = NewEvent::new(&asked.event_type).id(id);
    if let Some(data) = data {
        event = event.json(data);
    }
    if let Some(metadata) = metadata {
        event = event.metadata(metadata.as_bytes());
    }
    if let Some(cause) = &asked.caused_by {
        event = event.caused_by(cause);
    }
    if let Some(correlation) = &asked.correlation {
        event = event.correlation(correlation);
    }
    event = asked.tags.iter().fold(event, |event, tag| event.tag(tag));
    let mut batch = Batch::new();
    batch.write(&asked.stream, asked.expect, [event]);

    let committed = with_log(&asked.log, Missing::Make, |log| log.append(&batch).of(&asked.log))?;
    let appended = Appended {
        position: committed.first_position(),
        stream: &asked.stream,
        version: committed.version(&asked.stream).unwrap_or_default(),
        id: id.to_string(),
        deduplicated: committed.is_deduplicated(),
    };
    print(output, &appended)?;
    Ok(Answer::Yes)
}

fn print(output: &mut Output, appended: &Appended<'_>) -> Result<(), Failure> {
    if output.is_json() {
        return output.object(appended);
    }
    let there = if appended.deduplicated { "  (it was there already)" } else { "" };
    output.line(format_args!(
        "position {}  {NAME}{}{NAME:#}  version {}  id {}{there}",
        units::count(appended.position),
        printable(appended.stream),
        units::count(appended.version),
        appended.id
    ))
}

/// The text itself, or what standard input has. A little more than the largest event
/// is read, so that the library's own limit answers what is too large.
fn read_data(argument: &str) -> Result<String, Failure> {
    if argument != STDIN {
        return Ok(argument.to_owned());
    }
    let limit = u64::try_from(limits::EVENT_BYTES).unwrap_or(u64::MAX).saturating_add(4096);
    let mut text = String::new();
    match io::stdin().take(limit).read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(source) => Err(Failure::Input { name: "standard input".to_owned(), source }),
    }
}

/// The JSON value in an argument, byte for byte, without white space around it.
fn json_argument<'t>(argument: &str, text: &'t str) -> Result<&'t str, Failure> {
    json::trimmed(text).map_err(|error| Failure::Usage {
        what: argument.to_owned(),
        why: format!(
            "not JSON at line {}, column {}: {}",
            error.line(),
            error.column(),
            json::message(&error)
        ),
    })
}
