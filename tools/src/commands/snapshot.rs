//! `annals snapshot`: the newest snapshot of a stream.

use annals::{Occurred, Snapshot};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::cli;
use crate::error::{Answer, Failure, OfLog};
use crate::json;
use crate::open::reader;
use crate::output::style::{HEADING, NAME};
use crate::output::{Output, note, printable, units};
use crate::time;

#[derive(Serialize)]
struct Found<'a> {
    stream: &'a str,
    version: u64,
    /// Version of the stream's last event.
    stream_version: u64,
    schema: u32,
    bytes: u64,
    recorded_at: String,
    age_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
}

pub(crate) fn run(asked: &cli::Snapshot, output: &mut Output) -> Result<Answer, Failure> {
    let log = reader(&asked.log)?;
    let Some(snapshot) = log.snapshot(&asked.stream).of(&asked.log)? else {
        note(format_args!("no snapshot of stream {}", printable(&asked.stream)));
        return Ok(Answer::No);
    };
    let stream_version = log.version(&asked.stream).of(&asked.log)?;
    let data = snapshot.data();
    let text = json::as_json_text(data);
    let raw = text.and_then(|text| serde_json::from_str::<&RawValue>(text).ok());
    let found = Found {
        stream: snapshot.name(),
        version: snapshot.version(),
        stream_version,
        schema: snapshot.schema(),
        bytes: units::wide(data.len()),
        recorded_at: time::text(Occurred::utc(snapshot.recorded_at())),
        age_seconds: age(&snapshot),
        content_type: snapshot.content_type(),
        data: raw.filter(|_| asked.show),
        data_base64: (asked.show && raw.is_none()).then(|| json::base64_text(data)),
    };
    if output.is_json() {
        output.object(&found)?;
        return Ok(Answer::Yes);
    }
    print(output, &found)?;
    if asked.show {
        match text {
            Some(text) => output.line(format_args!("{}", printable(text)))?,
            None => output.line(format_args!("base64:{}", json::base64_text(data)))?,
        }
    }
    Ok(Answer::Yes)
}

/// Seconds since it was committed; 0 if the clock was set back since.
fn age(snapshot: &Snapshot) -> f64 {
    let then = snapshot.recorded_at().to_system_time();
    then.elapsed().map_or(0.0, |span| span.as_secs_f64())
}

fn print(output: &mut Output, found: &Found<'_>) -> Result<(), Failure> {
    output.line(format_args!("{NAME}{}{NAME:#}", printable(found.stream)))?;
    let mut row = |name: &str, value: String| {
        output.line(format_args!("{HEADING}{name:<12}{HEADING:#}{value}"))
    };
    let behind = found.stream_version.saturating_sub(found.version);
    row(
        "version",
        format!("{}, {} after it", units::count(found.version), units::counted(behind, "event")),
    )?;
    row("schema", found.schema.to_string())?;
    row("size", units::bytes(found.bytes))?;
    let age = std::time::Duration::try_from_secs_f64(found.age_seconds).unwrap_or_default();
    row("recorded", format!("{}, {} ago", found.recorded_at, units::duration(age)))?;
    if let Some(content_type) = found.content_type {
        row("content", printable(content_type).into_owned())?;
    }
    Ok(())
}
