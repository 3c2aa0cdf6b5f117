//! A log as text: a line for each thing that can be read, with all its fields, so that a
//! reader of the file beside a golden log sees what must come out of it.

use std::fmt::Write;

use annals::{Batch, Error, Event, Log, Reader, Recovery, Report, Snapshot};

use crate::program::KEYS;

/// Data longer than this is told by its length, its start and its CRC-32.
const SHOWN_BYTES: usize = 64;

/// Everything that a reader sees: events, by position and by stream; snapshots; states.
pub(crate) fn contents(reader: &Reader) -> String {
    let mut text = format!("log {}\nhead {}\n\n", reader.log_id(), reader.head().unwrap());
    let mut read = reader.read_all();
    loop {
        match read.next() {
            Ok(Some(event)) => {
                writeln!(text, "{}", line_of(&event)).unwrap();
                let found = reader.event(event.id()).unwrap().unwrap();
                assert_eq!(line_of(&found.as_event()), line_of(&event), "by its id");
            }
            Ok(None) => break,
            Err(error) => {
                writeln!(text, "{}", refusal(&error)).unwrap();
                break;
            }
        }
    }
    text.push('\n');
    let mut streams = reader.streams("").unwrap();
    while let Some(stream) = streams.next().unwrap() {
        text.push_str(&stream_line(reader, stream.name, stream.version));
    }
    text.push('\n');
    let mut streams = reader.streams("").unwrap();
    while let Some(stream) = streams.next().unwrap() {
        for schema in 1..=2 {
            let loaded = reader.load(stream.name, schema).unwrap();
            if let Some(snapshot) = loaded.snapshot() {
                writeln!(text, "{}", snapshot_line(snapshot)).unwrap();
            }
        }
        if let Some(newest) = reader.snapshot(stream.name).unwrap() {
            writeln!(text, "newest {}", snapshot_line(&newest)).unwrap();
        }
    }
    for name in ["order-1", "projection/стан"] {
        for schema in [1, 4] {
            if let Some(state) = reader.state(name, schema).unwrap() {
                writeln!(text, "{}", snapshot_line(&state)).unwrap();
            }
        }
    }
    text
}

/// A stream's version, and the positions of its events.
fn stream_line(reader: &Reader, name: &str, version: u64) -> String {
    assert_eq!(reader.version(name).unwrap(), version);
    let read = match reader.read(name).collect() {
        Ok(events) => {
            let positions = events.iter().map(|event| event.as_event().position().to_string());
            format!("positions {}", positions.collect::<Vec<_>>().join(" "))
        }
        Err(error) => refusal(&error),
    };
    format!("stream {name:?} version {version} {read}\n")
}

/// What each key was answered with. Appends a batch under each, which must be known.
pub(crate) fn keys(log: &Log) -> String {
    let mut text = String::new();
    for key in KEYS {
        let first = log.append(Batch::new().once(key)).unwrap();
        assert!(first.is_deduplicated(), "{key}");
        let (from, to) = (first.first_position(), first.last_position());
        writeln!(text, "key {key:?} positions {from} to {to}").unwrap();
    }
    text
}

/// What opening found. How much it read is its own affair, and no part of the format.
pub(crate) fn recovery(found: &Recovery) -> String {
    let mut text = format!("recovery clean={} head={}", found.clean, found.head);
    if let Some(tail) = &found.discarded {
        write!(
            text,
            " discarded segment={} offset={} bytes={} reason={:?}",
            tail.segment, tail.offset, tail.bytes, tail.reason
        )
        .unwrap();
    }
    text + "\n"
}

/// What verifying found, in the log and what opening would do. How much of a damaged log it
/// can count is no part of the format.
pub(crate) fn report(report: &Report) -> String {
    let mut text = String::new();
    if report.findings.is_empty() {
        let (events, streams) = (report.events, report.streams);
        writeln!(text, "verified events={events} streams={streams}").unwrap();
    }
    for finding in &report.findings {
        writeln!(text, "finding {}", refusal(&Error::Corrupt(finding.corrupt.clone()))).unwrap();
    }
    if let Some(found) = &report.recovery {
        write!(text, "would be {}", recovery(found)).unwrap();
    }
    text
}

pub(crate) fn line_of(event: &Event<'_>) -> String {
    let mut line = format!(
        "{} {:?} {} {:?} id={} recorded={}",
        event.position(),
        event.stream(),
        event.version(),
        event.event_type(),
        event.id(),
        event.recorded_at().as_nanos()
    );
    if event.schema() != 1 {
        write!(line, " schema={}", event.schema()).unwrap();
    }
    if let Some(occurred) = event.occurred_at() {
        let offset = occurred.offset_minutes.map_or("Z".to_owned(), |minutes| minutes.to_string());
        let digits = occurred.fraction_digits;
        write!(line, " occurred={}/{offset}/{digits}", occurred.at.as_nanos()).unwrap();
    }
    let tags: Vec<_> = event.tags().collect();
    if !tags.is_empty() {
        write!(line, " tags={tags:?}").unwrap();
    }
    for (name, text) in [
        ("content_type", event.content_type()),
        ("correlation", event.correlation()),
        ("cause", event.caused_by()),
    ] {
        if let Some(text) = text {
            write!(line, " {name}={text:?}").unwrap();
        }
    }
    if !event.metadata().is_empty() {
        write!(line, " metadata={}", bytes(event.metadata())).unwrap();
    }
    write!(line, " data={}", bytes(event.data())).unwrap();
    line + if event.is_last_of_batch() { " last" } else { "" }
}

fn snapshot_line(snapshot: &Snapshot) -> String {
    let what = if snapshot.is_state() { "state" } else { "snapshot" };
    let mut line = format!(
        "{what} {:?} version={} schema={} after={} recorded={}",
        snapshot.name(),
        snapshot.version(),
        snapshot.schema(),
        snapshot.position(),
        snapshot.recorded_at().as_nanos()
    );
    if let Some(text) = snapshot.content_type() {
        write!(line, " content_type={text:?}").unwrap();
    }
    write!(line, " data={}", bytes(snapshot.data())).unwrap();
    line
}

fn bytes(data: &[u8]) -> String {
    match data.get(..SHOWN_BYTES) {
        Some(start) if data.len() > SHOWN_BYTES => {
            let crc = crc32fast::hash(data);
            format!("\"{}...\" bytes={} crc={crc:08x}", start.escape_ascii(), data.len())
        }
        _ => format!("\"{}\"", data.escape_ascii()),
    }
}

fn refusal(error: &Error) -> String {
    match error {
        Error::Corrupt(corrupt) => format!(
            "CORRUPT file={} segment={} offset={} cause={:?}",
            corrupt.file, corrupt.segment, corrupt.offset, corrupt.cause
        ),
        other => format!("{other:?}"),
    }
}
