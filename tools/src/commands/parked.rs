//! `annals parked`: the streams of a subscription that wait, and what is to become of them.

use annals::sourcing::{ParkedStream, SubscriptionError, SubscriptionStatus};
use annals::{Occurred, OwnedEvent, Reader};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::cli::Parked;
use crate::error::{Answer, Failure, OfLog};
use crate::json;
use crate::open::{reader, with_subscriptions};
use crate::output::style::{DIM, NAME};
use crate::output::{Output, note, printable, shortened, units};
use crate::time;

/// Longest data that people are shown whole, in characters.
const DATA_SHOWN: usize = 200;

#[derive(Serialize)]
struct Waiting<'a> {
    stream: &'a str,
    position: u64,
    version: u64,
    attempts: u32,
    reason: &'a str,
    parked_at: String,
    replaying: bool,
    /// How many events of the stream come after it, whether or not they match.
    behind: u64,
    /// What it is parked at, as an export has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<Box<RawValue>>,
}

/// What was done about a stream.
#[derive(Serialize)]
struct Done<'a> {
    stream: &'a str,
    position: u64,
    version: u64,
    #[serde(rename = "done")]
    what: &'a str,
}

pub(crate) fn run(asked: &Parked, output: &mut Output) -> Result<Answer, Failure> {
    if asked.replay || asked.drop {
        return unpark(asked, output);
    }
    let log = reader(&asked.log)?;
    let status = SubscriptionStatus::find(&log, &asked.name).of(&asked.log)?;
    let Some(chosen) = chosen(asked, status) else { return Ok(Answer::No) };
    for parked in &chosen {
        print(asked, &log, parked, output)?;
    }
    Ok(Answer::Yes)
}

/// The parked streams that were asked for; `None`, and a note, if one of them is not there, or
/// no such subscription.
fn chosen(asked: &Parked, status: Option<SubscriptionStatus>) -> Option<Vec<ParkedStream>> {
    let name = printable(&asked.name);
    let Some(status) = status else {
        note(format_args!("no subscription {name}"));
        return None;
    };
    for stream in &asked.streams {
        if !status.parked.iter().any(|parked| parked.stream == *stream) {
            note(format_args!("stream {} is not parked in {name}", printable(stream)));
            return None;
        }
    }
    if status.parked.is_empty() {
        note(format_args!("nothing is parked in {name}"));
    }
    let mut parked = status.parked;
    parked.retain(|parked| asked.streams.is_empty() || asked.streams.contains(&parked.stream));
    Some(parked)
}

fn print(
    asked: &Parked,
    log: &Reader,
    parked: &ParkedStream,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut events = log.read(&parked.stream).from(parked.version).limit(1);
    let event = events.next().of(&asked.log)?.map(|event| event.to_owned());
    let last = log.version(&parked.stream).of(&asked.log)?;
    let waiting = Waiting {
        stream: &parked.stream,
        position: parked.position,
        version: parked.version,
        attempts: parked.attempts,
        reason: &parked.reason,
        parked_at: time::text(Occurred::utc(parked.parked_at)),
        replaying: parked.replaying,
        behind: last.saturating_sub(parked.version),
        event: event.as_ref().map(raw).transpose()?.flatten(),
    };
    if output.is_json() {
        return output.object(&waiting);
    }
    let replaying = if parked.replaying { ", to be delivered again" } else { "" };
    output.line(format_args!(
        "{NAME}{}{NAME:#}  version {}, {} behind it{replaying}",
        printable(waiting.stream),
        units::count(waiting.version),
        units::counted(waiting.behind, "event")
    ))?;
    output.line(format_args!(
        "  {DIM}parked{DIM:#}  {}, after {}: {}",
        waiting.parked_at,
        units::counted(waiting.attempts.into(), "attempt"),
        printable(waiting.reason)
    ))?;
    let Some(event) = &event else { return Ok(()) };
    let event = event.as_event();
    let data = match json::as_json_text(event.data()) {
        Some(text) => shortened(text, DATA_SHOWN),
        None => format!("({})", units::bytes(units::wide(event.data().len()))),
    };
    output.line(format_args!(
        "  {DIM}event{DIM:#}   position {}  {}  {data}",
        units::count(event.position()),
        printable(event.event_type())
    ))
}

fn raw(event: &OwnedEvent) -> Result<Option<Box<RawValue>>, Failure> {
    let mut line = Vec::new();
    json::write_event(&mut line, &event.as_event()).map_err(Failure::Stdout)?;
    let text = String::from_utf8(line).unwrap_or_default();
    Ok(RawValue::from_string(text.trim_end().to_owned()).ok())
}

/// Marks streams in the log: the program that has the subscription delivers them.
fn unpark(asked: &Parked, output: &mut Output) -> Result<Answer, Failure> {
    with_subscriptions(&asked.log, |subscriptions| {
        let status = match subscriptions.status(&asked.name) {
            Err(SubscriptionError::NotFound { .. }) => None,
            status => Some(status.of(&asked.log)?),
        };
        let Some(chosen) = chosen(asked, status) else { return Ok(Answer::No) };
        let mut answer = Answer::Yes;
        for parked in &chosen {
            if asked.drop && parked.replaying {
                let stream = printable(&parked.stream);
                note(format_args!("stream {stream} is to be delivered again: nothing is dropped"));
                answer = Answer::No;
                continue;
            }
            if asked.drop {
                subscriptions.drop_parked(&asked.name, &parked.stream, &asked.reason)
            } else {
                subscriptions.replay(&asked.name, &parked.stream)
            }
            .of(&asked.log)?;
            told(asked, parked, output)?;
        }
        Ok(answer)
    })
}

fn told(asked: &Parked, parked: &ParkedStream, output: &mut Output) -> Result<(), Failure> {
    let ParkedStream { stream, position, version, .. } = parked;
    if output.is_json() {
        let what = if asked.drop { "drop" } else { "replay" };
        return output.object(&Done { stream, position: *position, version: *version, what });
    }
    let (what, from) = if asked.drop {
        (format!("version {} is skipped; ", units::count(*version)), version.saturating_add(1))
    } else {
        (String::new(), *version)
    };
    output.line(format_args!(
        "{NAME}{}{NAME:#}  {what}delivered again from version {} on when {} is run next",
        printable(stream),
        units::count(from),
        printable(&asked.name)
    ))
}
