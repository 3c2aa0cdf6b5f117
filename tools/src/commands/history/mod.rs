//! `annals history`: one stream as a story: what happened, by whom, why, and what changed.

mod fields;

use annals::{Event, Occurred, OwnedEvent, Reader, Uuid};
use serde::Serialize;
use serde_json::Value;

use crate::cli::History;
use crate::error::{Answer, Failure, OfLog};
use crate::open::reader;
use crate::output::style::{BAD, DIM, GOOD, HEADING, NAME};
use crate::output::{Output, note, printable, shortened, units};
use crate::time;
use fields::{Became, Change, State};

/// Where metadata may say who did it, the likeliest first.
const ACTORS: [&str; 6] = ["actor", "user", "user_id", "author", "by", "principal"];

/// Longest value that people are shown whole, in characters.
const VALUE_SHOWN: usize = 120;

/// One event of the story.
#[derive(Serialize)]
struct Step<'a> {
    position: u64,
    stream: &'a str,
    version: u64,
    id: String,
    #[serde(rename = "type")]
    event_type: &'a str,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caused_by: Option<&'a str>,
    /// The cause, where it is an event of the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Cause<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation: Option<&'a str>,
    /// Of data that is no JSON object there are none, and only its size is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<Vec<Change>>,
    bytes: u64,
}

#[derive(Serialize)]
struct Cause<'a> {
    position: u64,
    stream: &'a str,
    version: u64,
    #[serde(rename = "type")]
    event_type: &'a str,
}

pub(crate) fn run(asked: &History, output: &mut Output) -> Result<Answer, Failure> {
    let log = reader(&asked.log)?;
    let version = log.version(&asked.stream).of(&asked.log)?;
    if version == 0 {
        note(format_args!("no event of stream {} yet", printable(&asked.stream)));
    }
    if asked.from > version {
        return Ok(Answer::Yes);
    }
    let last = asked.limit.map(|limit| asked.from.max(1).saturating_add(limit) - 1);
    let mut events = log.read(&asked.stream).to(last.unwrap_or(u64::MAX));
    let mut state = State::default();
    while let Some(event) = events.next().of(&asked.log)? {
        let changes = state.next(event.data());
        if event.version() < asked.from {
            continue;
        }
        let cause = cause_of(&log, &event).of(&asked.log)?;
        print(output, version, &step(&event, cause.as_ref(), changes))?;
    }
    Ok(Answer::Yes)
}

/// The event that caused this one, if it is in the log.
fn cause_of(log: &Reader, event: &Event<'_>) -> annals::Result<Option<OwnedEvent>> {
    let id = event.caused_by().and_then(|cause| cause.parse::<Uuid>().ok());
    id.map_or(Ok(None), |id| log.event(id))
}

fn step<'a>(
    event: &Event<'a>,
    cause: Option<&'a OwnedEvent>,
    changes: Option<Vec<Change>>,
) -> Step<'a> {
    let at = event.occurred_at().unwrap_or_else(|| Occurred::utc(event.recorded_at()));
    let cause = cause.map(OwnedEvent::as_event).map(|cause| Cause {
        position: cause.position(),
        stream: cause.stream(),
        version: cause.version(),
        event_type: cause.event_type(),
    });
    Step {
        position: event.position(),
        stream: event.stream(),
        version: event.version(),
        id: event.id().to_string(),
        event_type: event.event_type(),
        time: time::text(at),
        actor: actor(event.metadata()),
        caused_by: event.caused_by(),
        cause,
        correlation: event.correlation(),
        changes,
        bytes: units::wide(event.data().len()),
    }
}

/// Who did it, if the metadata is a JSON object that says so.
fn actor(metadata: &[u8]) -> Option<String> {
    let metadata: Value = serde_json::from_slice(metadata).ok()?;
    let named = ACTORS.iter().find_map(|name| name_in(metadata.get(name)?));
    named.filter(|name| !name.is_empty())
}

/// A name or number as it is, or that in an object with a `name` or `id`.
fn name_in(value: &Value) -> Option<String> {
    match value {
        Value::String(name) => Some(name.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Object(fields) => {
            ["name", "id"].iter().find_map(|name| match fields.get(*name)? {
                Value::String(name) => Some(name.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            })
        }
        _ => None,
    }
}

fn print(output: &mut Output, last_version: u64, step: &Step<'_>) -> Result<(), Failure> {
    if output.is_json() {
        return output.object(step);
    }
    let width = units::count(last_version).len();
    let mut line = format!(
        "{:>width$}  {DIM}{}{DIM:#}  {HEADING}{}{HEADING:#}",
        units::count(step.version),
        step.time,
        printable(step.event_type)
    );
    if let Some(actor) = &step.actor {
        line += &format!("  by {NAME}{}{NAME:#}", printable(actor));
    }
    match (&step.cause, step.caused_by) {
        (Some(cause), _) => {
            let (kind, stream) = (printable(cause.event_type), printable(cause.stream));
            let version = units::count(cause.version);
            line += &format!("  caused by {kind} ({NAME}{stream}{NAME:#} {version})");
        }
        (None, Some(cause)) => line += &format!("  caused by {}", printable(cause)),
        (None, None) => {}
    }
    if let Some(correlation) = step.correlation {
        line += &format!("  {DIM}correlation {}{DIM:#}", printable(correlation));
    }
    output.line(format_args!("{line}"))?;
    match &step.changes {
        Some(changes) => print_changes(output, width, changes),
        None if step.bytes == 0 => Ok(()),
        None => {
            let bytes = units::bytes(step.bytes);
            output.line(format_args!("{:width$}  ({bytes}, no JSON object)", ""))
        }
    }
}

fn print_changes(output: &mut Output, indent: usize, changes: &[Change]) -> Result<(), Failure> {
    let name = |change: &Change| printable(&change.field).into_owned();
    let width = changes.iter().map(|change| name(change).chars().count()).max().unwrap_or(0);
    for change in changes {
        let shown = |raw: &Option<Box<serde_json::value::RawValue>>| {
            raw.as_ref().map_or_else(String::new, |raw| shortened(raw.get(), VALUE_SHOWN))
        };
        let (old, new) = (shown(&change.old), shown(&change.new));
        let (style, sign, value) = match change.became {
            Became::New => (GOOD, '+', new),
            Became::Changed => (NAME, '~', format!("{old} -> {new}")),
            Became::Gone => (BAD, '-', old),
        };
        let name = name(change);
        output
            .line(format_args!("{:indent$}  {style}{sign}{style:#} {name:<width$}  {value}", ""))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::actor;

    #[test]
    fn an_actor_is_found_where_metadata_names_one() {
        let named = |metadata: &str| actor(metadata.as_bytes());
        assert_eq!(named(r#"{"by":"bo","actor":"Ann"}"#).as_deref(), Some("Ann"));
        assert_eq!(named(r#"{"user_id":17}"#).as_deref(), Some("17"));
        assert_eq!(named(r#"{"user":{"id":"u-1","mail":"x"}}"#).as_deref(), Some("u-1"));
        assert_eq!(named(r#"{"user":{"mail":"x"},"author":"Ada"}"#).as_deref(), Some("Ada"));
        for nobody in ["", "{}", "[1]", "\"Ann\"", r#"{"actor":null}"#, r#"{"actor":""}"#] {
            assert_eq!(named(nobody), None, "{nobody}");
        }
    }
}
