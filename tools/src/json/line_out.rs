//! An event to a line of JSON, fields in the documented order.

use std::io::{self, Write};

use annals::{Event, Occurred};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::as_json_text;
use crate::time;

/// Appends the event's line to `out`, with its line end.
pub(crate) fn write_event(out: &mut Vec<u8>, event: &Event<'_>) -> io::Result<()> {
    let recorded = Occurred::utc(event.recorded_at());
    write!(out, "{{\"position\":{},\"stream\":", event.position())?;
    string(out, event.stream())?;
    write!(out, ",\"version\":{},\"id\":\"{}\",\"type\":", event.version(), event.id())?;
    string(out, event.event_type())?;
    if event.schema() != 1 {
        write!(out, ",\"schema\":{}", event.schema())?;
    }
    instant(out, "time", event.occurred_at().unwrap_or(recorded))?;
    instant(out, "recorded_at", recorded)?;
    let form = value(out, "data", event.data())?;
    if !event.metadata().is_empty() {
        value(out, "metadata", event.metadata())?;
    }
    tags(out, event)?;
    optional(out, "caused_by", event.caused_by())?;
    optional(out, "correlation", event.correlation())?;
    optional(out, "content_type", event.content_type().filter(|found| !form.implies(found)))?;
    out.extend_from_slice(b"}\n");
    Ok(())
}

/// How data stands in the line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Base64,
}

impl Form {
    /// Whether an import gives the data this content type without being told.
    fn implies(self, content_type: &str) -> bool {
        self == Self::Text && content_type == "application/json"
    }
}

fn value(out: &mut Vec<u8>, name: &str, bytes: &[u8]) -> io::Result<Form> {
    if let Some(text) = as_json_text(bytes) {
        write!(out, ",\"{name}\":{text}")?;
        return Ok(Form::Text);
    }
    write!(out, ",\"{name}_base64\":\"{}\"", STANDARD.encode(bytes))?;
    Ok(Form::Base64)
}

fn tags(out: &mut Vec<u8>, event: &Event<'_>) -> io::Result<()> {
    let mut before: &[u8] = b",\"tags\":[";
    let mut any = false;
    for tag in event.tags() {
        out.extend_from_slice(before);
        string(out, tag)?;
        before = b",";
        any = true;
    }
    if any {
        out.push(b']');
    }
    Ok(())
}

fn optional(out: &mut Vec<u8>, name: &str, text: Option<&str>) -> io::Result<()> {
    let Some(text) = text else { return Ok(()) };
    write!(out, ",\"{name}\":")?;
    string(out, text)
}

fn instant(out: &mut Vec<u8>, name: &str, at: Occurred) -> io::Result<()> {
    write!(out, ",\"{name}\":\"")?;
    time::write(out, at)?;
    out.push(b'"');
    Ok(())
}

fn string(out: &mut Vec<u8>, text: &str) -> io::Result<()> {
    serde_json::to_writer(out, text).map_err(io::Error::from)
}
