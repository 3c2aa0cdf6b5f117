//! Opening what an input made, in the way that it says, and asking all that can be asked.

use std::sync::Arc;

use annals::io::sim::SimStorage;
use annals::{
    Batch, CursorOptions, Error, Expected, Filter, Log, NewEvent, Reader, Reading, Start, Uuid,
    Visibility,
};

use super::input::Input;
use crate::check::{STATES, options};
use crate::oracle::Broken;
use crate::told::{EVENT_TYPE, SCHEMA, Told};

const CALM: &str = "13: damage is an error that says so";
const INVENTED: &str = "3: nothing invented";
const WHOLE: &str = "derived files are never believed over the log";

/// What a log must answer.
#[derive(Debug, Clone, Copy)]
pub enum Expect<'a> {
    /// Whatever it likes, calmly: checksums were made to fit.
    Calm,
    /// Nothing but these events, in this order; and, if the log opens and all of it is read,
    /// at least so many of them.
    Only(&'a [Told]),
    /// All of these events, and no error.
    All(&'a [Told]),
}

/// How a log is opened and read.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// For reading alone.
    pub reader: bool,
    /// As options say.
    pub reading: Reading,
    /// As options say.
    pub strict: bool,
    /// Which questions are asked: a bit for each.
    pub ways: u8,
}

impl How {
    /// By two bytes of an input.
    pub fn read(input: &mut Input<'_>) -> Self {
        let how = input.byte();
        let reading = if how & 1 == 0 { Reading::Mapped } else { Reading::Pread };
        Self { reader: how & 2 != 0, reading, strict: how & 4 != 0, ways: input.byte() }
    }
}

/// `None` for an error that says that something is damaged, or not known.
///
/// # Errors
/// Any other error; any error where none may be.
fn excused<T>(answer: annals::Result<T>, expect: Expect<'_>) -> Result<Option<T>, Broken> {
    let all = matches!(expect, Expect::All(_));
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if all => Err(Broken::new(WHOLE, error)),
        Err(Error::Corrupt(_) | Error::Unsupported { .. } | Error::WouldDiscard(_)) => Ok(None),
        Err(error) => Err(Broken::new(CALM, format!("{error:?}"))),
    }
}

/// Opens a log and asks it. Returns whether it opened.
///
/// # Errors
/// What it should not have answered.
pub fn look(disk: &SimStorage, how: How, expect: Expect<'_>) -> Result<bool, Broken> {
    let options = options(how.reading).strict(how.strict);
    let storage = Arc::new(disk.clone());
    if how.reader {
        let opened = match options.open_reader_on(storage) {
            // Nothing is left that could be known to be a log.
            Err(Error::NotFound { .. }) if !matches!(expect, Expect::All(_)) => return Ok(false),
            opened => excused(opened, expect)?,
        };
        let Some(reader) = opened else { return Ok(false) };
        ask(&reader, how.ways, expect)?;
        return Ok(true);
    }
    let Some(log) = excused(options.open_on(storage), expect)? else { return Ok(false) };
    ask(&log, how.ways, expect)?;
    if how.ways & 0x40 != 0 {
        append(&log, expect)?;
    }
    if how.ways & 0x80 != 0 {
        excused(log.close(), expect)?;
        let again = excused(options.open_on(Arc::new(disk.clone())), expect)?;
        let then = if how.ways & 0x40 == 0 { expect } else { Expect::Calm };
        if let Some(log) = again {
            ask(&log, 0, then)?;
            disk.kill();
        }
    } else {
        // Dropping a log closes it: its process is gone before that.
        disk.kill();
    }
    Ok(true)
}

/// Reads all of it, and by one way more for each bit.
fn ask(reader: &Reader, ways: u8, expect: Expect<'_>) -> Result<(), Broken> {
    let seen = read_all(reader, expect)?;
    if ways & 1 != 0 {
        follow(reader, expect)?;
    }
    if ways & 2 != 0 {
        excused(reader.read_all().backward().limit(5).collect(), expect)?;
        excused(reader.read_all().from(2).to(9).collect(), expect)?;
    }
    if ways & 4 != 0 {
        streams(reader, expect)?;
    }
    if ways & 8 != 0 {
        folds(reader, expect)?;
    }
    if ways & 16 != 0 {
        by_key(reader, expect)?;
    }
    if ways & 32 != 0 {
        for told in seen.iter().take(8) {
            let id = Uuid::from_u128(told.id);
            let found = excused(reader.event(id), expect)?.flatten();
            let found = found.map(|event| Told::read(&event.as_event()));
            let same = found.as_ref() == Some(told);
            match expect {
                Expect::Calm => {}
                Expect::Only(_) if found.is_none() || same => {}
                Expect::All(_) if same => {}
                _ => return Err(Broken::new(INVENTED, format!("{told:?} by its id is {found:?}"))),
            }
        }
        excused(reader.contains(Uuid::from_u128(7)), expect)?;
        excused(reader.stats(), expect)?;
    }
    Ok(())
}

fn read_all(reader: &Reader, expect: Expect<'_>) -> Result<Vec<Told>, Broken> {
    let (mut all, mut seen) = (reader.read_all(), Vec::new());
    loop {
        match excused(all.next(), expect)? {
            Some(Some(event)) => seen.push(Told::read(&event)),
            Some(None) => break,
            None => return only(seen, expect),
        }
    }
    let Expect::All(told) = expect else { return only(seen, expect) };
    if seen == *told {
        return Ok(seen);
    }
    Err(Broken::new(WHOLE, format!("read {seen:?}, of {told:?}")))
}

/// Events from the first one on are those that were appended, if anything is said of that.
fn only(seen: Vec<Told>, expect: Expect<'_>) -> Result<Vec<Told>, Broken> {
    match expect {
        Expect::Only(told) if !told.starts_with(&seen) => {
            Err(Broken::new(INVENTED, format!("read {seen:?}, of {told:?}")))
        }
        _ => Ok(seen),
    }
}

fn follow(reader: &Reader, expect: Expect<'_>) -> Result<(), Broken> {
    let options = CursorOptions::new().visibility(Visibility::Written);
    let Some(mut cursor) = excused(reader.cursor_with(Start::Beginning, &options), expect)? else {
        return Ok(());
    };
    let mut seen = Vec::new();
    while let Some(events) = excused(cursor.poll(3), expect)?.filter(|events| !events.is_empty()) {
        seen.extend(events.iter().map(|event| Told::read(&event)));
    }
    only(seen, expect)?;
    let Some(checkpoint) = excused(cursor.checkpoint(), expect)? else { return Ok(()) };
    match reader.cursor_with(Start::Checkpoint(checkpoint), &options) {
        // What stands there cannot be read by its place.
        Err(Error::Diverged { .. } | Error::BeyondHead { .. })
            if !matches!(expect, Expect::All(_)) => {}
        other => drop(excused(other, expect)?),
    }
    Ok(())
}

fn streams(reader: &Reader, expect: Expect<'_>) -> Result<(), Broken> {
    let Some(mut listed) = excused(reader.streams(""), expect)? else { return Ok(()) };
    let mut count = 0;
    while let Some(Some(info)) = excused(listed.next(), expect)? {
        count += 1;
        let name = info.name;
        let forward = excused(reader.read(name).collect(), expect)?;
        let backward = excused(reader.read(name).backward().collect(), expect)?;
        excused(reader.version(name), expect)?;
        if let (Some(forward), Some(backward)) = (&forward, &backward)
            && !matches!(expect, Expect::Calm)
            && forward.len() != backward.len()
        {
            let what = format!("{name}: {} and {}", forward.len(), backward.len());
            return Err(Broken::new("both ways give the same", what));
        }
        let (Expect::All(told) | Expect::Only(told)) = expect else { continue };
        let of = told.iter().filter(|told| *told.stream == *name);
        let found = forward.unwrap_or_default();
        let mut found = found.iter().map(|event| Told::read(&event.as_event()));
        if !found.by_ref().zip(of.clone()).all(|(found, told)| found == *told) {
            return Err(Broken::new(INVENTED, format!("in stream {name}")));
        }
        if matches!(expect, Expect::All(_)) && info.version != crate::numbers::wide(of.count()) {
            return Err(Broken::new(WHOLE, format!("{name} is at {}", info.version)));
        }
    }
    if let Expect::All(told) = expect {
        let names: std::collections::BTreeSet<_> = told.iter().map(|told| &told.stream).collect();
        if names.len() != count {
            return Err(Broken::new(WHOLE, format!("{count} streams, of {names:?}")));
        }
    }
    Ok(())
}

fn folds(reader: &Reader, expect: Expect<'_>) -> Result<(), Broken> {
    for name in ["a-1", "rich-1", "b-1"] {
        excused(reader.snapshot(name), expect)?;
        let mut loaded = excused(reader.load(name, SCHEMA), expect)?;
        while let Some(mut of) = loaded
            && let Some(found) = of.snapshot()
        {
            std::hint::black_box((found.data(), found.content_type(), found.recorded_at()));
            while let Some(Some(event)) = excused(of.next(), expect)? {
                std::hint::black_box(event.data());
            }
            loaded = excused(of.earlier(), expect)?;
        }
    }
    for name in STATES {
        excused(reader.state(name, SCHEMA), expect)?;
    }
    Ok(())
}

/// By filters, and what an event says of itself.
fn by_key(reader: &Reader, expect: Expect<'_>) -> Result<(), Broken> {
    let filters = [
        Filter::new().event_type(EVENT_TYPE).category("a"),
        Filter::new().tag("red"),
        Filter::new().correlation("order-9").caused_by("message-8"),
        Filter::new().stream("c").event_type("Rich"),
    ];
    for filter in filters {
        let events = excused(reader.read_all().filter(filter.clone()).collect(), expect)?;
        for event in events.iter().flatten() {
            let event = event.as_event();
            std::hint::black_box((event.metadata(), event.content_type(), event.occurred_at()));
            std::hint::black_box((event.recorded_at(), event.schema(), event.tags().count()));
            if !filter.matches(&event) {
                return Err(Broken::new("a filter gives what matches", format!("{event:?}")));
            }
        }
        let options = CursorOptions::new().filter(filter);
        let cursor = excused(reader.cursor_with(Start::After(1), &options), expect);
        let Ok(Some(mut cursor)) = cursor else { continue };
        while excused(cursor.poll(2), expect)?.is_some_and(|events| !events.is_empty()) {}
    }
    let now = annals::Timestamp::from_nanos(i64::MAX / 2);
    if let Some(mut cursor) = excused(reader.cursor(Start::At(now)), expect)? {
        excused(cursor.poll(4), expect)?;
    }
    Ok(())
}

/// What goes on after this: an event, a key, and the key again.
fn append(log: &Log, expect: Expect<'_>) -> Result<(), Broken> {
    let mut batch = Batch::new();
    batch.write("a-1", Expected::Any, [NewEvent::new(EVENT_TYPE).data(b"more")]);
    for known in ["fuzzed", "message-1", "rich-key"] {
        // Errors are answers too, where the log may be hurt.
        let _ = match log.append(Batch::new().once(known)) {
            Err(Error::Poisoned { .. } | Error::Invalid { .. } | Error::TooLarge { .. })
                if !matches!(expect, Expect::All(_)) =>
            {
                None
            }
            answer => excused(answer, expect)?,
        };
    }
    let before = log.head();
    match log.append(&batch) {
        Ok(_) => {}
        Err(error) if matches!(expect, Expect::All(_)) => return Err(Broken::new(WHOLE, error)),
        Err(_) => return Ok(()),
    }
    if log.head() < before {
        return Err(Broken::new("8: positions go on", format!("{before}, then {}", log.head())));
    }
    Ok(())
}
