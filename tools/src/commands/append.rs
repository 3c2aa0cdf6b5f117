//! `annals append`: one event.

use std::io::{self, Read};

use annals::{Batch, Committed, Log, NewEvent, Uuid, limits};
use serde::Serialize;

use crate::cli::Append;
use crate::error::{Answer, Failure, OfLog};
use crate::import::STDIN;
use crate::json;
use crate::open::{Missing, with_log};
use crate::output::style::NAME;
use crate::output::{Output, level, printable, units};

/// What came of it. Of an append that was done before, everything as it was then; the
/// first batch with a key may have had no events, and then there is no position.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Appended {
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
    stream: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// It was there already, under this id or key.
    deduplicated: bool,
    durability: &'static str,
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
    if let Some(key) = &asked.once {
        batch.once(key);
    }

    let appended = with_log(&asked.log, Missing::Make, |log| {
        let committed = log.append_with(&batch, asked.durability.into()).of(&asked.log)?;
        if committed.is_deduplicated() {
            return first_time(log, asked, &committed);
        }
        Ok(Appended {
            position: Some(committed.first_position()),
            stream: asked.stream.clone(),
            version: committed.version(&asked.stream),
            id: Some(id.to_string()),
            deduplicated: false,
            durability: level(committed.durability()),
        })
    })?;
    print(output, &appended)?;
    Ok(Answer::Yes)
}

/// What the log has from the first time: under a key that may be another event than the
/// one that was asked for.
fn first_time(log: &Log, asked: &Append, committed: &Committed) -> Result<Appended, Failure> {
    let mut appended = Appended {
        position: None,
        stream: asked.stream.clone(),
        version: None,
        id: None,
        deduplicated: true,
        durability: level(committed.durability()),
    };
    if committed.positions().is_empty() {
        return Ok(appended);
    }
    let mut events = log.read_all().from(committed.first_position()).limit(1);
    if let Some(event) = events.next().of(&asked.log)? {
        appended.position = Some(event.position());
        appended.stream = event.stream().to_owned();
        appended.version = Some(event.version());
        appended.id = Some(event.id().to_string());
    }
    Ok(appended)
}

fn print(output: &mut Output, appended: &Appended) -> Result<(), Failure> {
    if output.is_json() {
        return output.object(appended);
    }
    let (Some(position), Some(version), Some(id)) =
        (appended.position, appended.version, &appended.id)
    else {
        return output.line(format_args!("nothing was appended: the key was used before"));
    };
    let there = if appended.deduplicated { "  (it was there already)" } else { "" };
    output.line(format_args!(
        "position {}  {NAME}{}{NAME:#}  version {}  id {id}  {}{there}",
        units::count(position),
        printable(&appended.stream),
        units::count(version),
        appended.durability
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
