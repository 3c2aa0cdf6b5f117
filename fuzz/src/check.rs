//! Reading a log in every way that it offers, and comparing the answers with each
//! other and with the oracle.
//!
//! Which states are looked at is in `crash`.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals::io::Storage;
use annals::io::sim::SimStorage;
use annals::{
    Background, Durability, Log, Options, OwnedEvent, Reader, Reading, Start, Uuid, verify,
};

use crate::format::SLOTS_RANGE;
use crate::numbers::{narrow, wide};
use crate::oracle::{Broken, Oracle};
use crate::told::{SCHEMA, Shown, Told};

/// A file in the directory that is none of the log's.
pub const FOREIGN: &str = "notes.txt";

/// The named states that are appended here.
pub const STATES: [&str; 1] = ["sums"];

/// What stands in it.
pub const FOREIGN_BYTES: &[u8] = b"not of the log";

/// The options of all logs here: small segments, and nothing in the background, so
/// that a program makes the same calls in every run.
pub fn options(reading: Reading) -> Options {
    Options::new().background(Background::Inline).segment_bytes(16 << 10).reading(reading)
}

/// Opens the log of a disk.
///
/// # Errors
/// Those of the log.
pub fn open(disk: &SimStorage, reading: Reading) -> annals::Result<Log> {
    options(reading).open_on(Arc::new(disk.clone()))
}

/// Opens a log that must open.
///
/// # Errors
/// If it does not.
pub fn must_open(disk: &SimStorage, reading: Reading) -> Result<Log, Broken> {
    let refused = |error| Broken::new("13: what a crash leaves can be opened", error);
    open(disk, reading).map_err(refused)
}

/// Appends; a panic is a broken promise too. The log is not dropped then: it may wait
/// for ever for what was under way.
///
/// # Errors
/// If the log panics.
pub fn append(
    log: &Arc<Log>,
    batch: &annals::Batch,
    level: Durability,
) -> Result<annals::Result<annals::Committed>, Broken> {
    let append = std::panic::AssertUnwindSafe(|| log.append_with(batch, level));
    std::panic::catch_unwind(append).map_err(|_panic| {
        std::mem::forget(Arc::clone(log));
        Broken::new("10: the log takes appends", "it panics")
    })
}

fn failed(error: annals::Error) -> Broken {
    Broken::new("1: every durable record can be read", error)
}

/// Everything in a log: events in order, the newest snapshots and states. Positions
/// and versions must be dense.
///
/// # Errors
/// If they are not, or reading fails.
pub fn read_all(log: &Reader) -> Result<Shown, Broken> {
    let events = log.read_all().collect().map_err(failed)?;
    dense(&events)?;
    let events: Vec<_> = events.iter().map(|event| Told::read(&event.as_event())).collect();
    let streams: std::collections::BTreeSet<_> =
        events.iter().map(|told| Arc::clone(&told.stream)).collect();
    let mut shown = Shown { events, ..Shown::default() };
    for stream in streams {
        let snapshot = log.snapshot(&stream).map_err(failed)?;
        snapshot.iter().for_each(|snapshot| shown.fold(snapshot));
    }
    for name in STATES {
        let state = log.state(name, SCHEMA).map_err(failed)?;
        state.iter().for_each(|state| shown.fold(state));
    }
    Ok(shown)
}

/// # Errors
/// If positions or versions are not dense from 1.
fn dense(events: &[OwnedEvent]) -> Result<(), Broken> {
    let mut versions = BTreeMap::<String, u64>::new();
    for (expected, event) in (1..).zip(events) {
        let event = event.as_event();
        let version = versions.entry(event.stream().to_owned()).or_default();
        *version += 1;
        if event.position() != expected || event.version() != *version {
            let what = format!("event {expected} is {event:?}, expected version {version}");
            return Err(Broken::new("5: positions and versions are dense", what));
        }
    }
    Ok(())
}

/// Whether every other way of reading gives what `found`, the whole log, says.
///
/// # Errors
/// If one does not.
pub fn agrees(log: &Reader, shown: &Shown) -> Result<(), Broken> {
    let found = &*shown.events;
    let differs = |what: String| Err(Broken::new("5: the index equals a full scan", what));
    let head = log.head().map_err(failed)?;
    if head != wide(found.len()) {
        return differs(format!("head {head}, {} events", found.len()));
    }
    let mut cursor = log.cursor(Start::Beginning).map_err(failed)?;
    let mut delivered = 0;
    loop {
        let events = cursor.poll(7).map_err(failed)?;
        if events.is_empty() {
            break;
        }
        for event in events.iter() {
            if found.get(delivered) != Some(&Told::read(&event)) {
                return differs(format!("a cursor delivers {event:?} as number {delivered}"));
            }
            delivered += 1;
        }
    }
    if delivered != found.len() {
        return differs(format!("a cursor delivers {delivered} of {} events", found.len()));
    }
    for (position, told) in (1..).zip(found) {
        let event = log.event(Uuid::from_u128(told.id)).map_err(failed)?;
        let same = event.is_some_and(|event| {
            let event = event.as_event();
            event.position() == position && Told::read(&event) == *told
        });
        if !same {
            return differs(format!("{told:?} is not found by its id"));
        }
    }
    streams_agree(log, found)?;
    loads_agree(log, shown)
}

/// Whether each stream is loaded with its newest snapshot and the events after it.
fn loads_agree(log: &Reader, shown: &Shown) -> Result<(), Broken> {
    let differs = |what: String| Err(Broken::new("6: the newest durable snapshot loads", what));
    for (stream, version) in Oracle::versions(&shown.events) {
        let newest = shown.folds.get(&(false, Arc::clone(&stream)));
        let mut loaded = log.load(&stream, SCHEMA).map_err(failed)?;
        let snapshot = loaded.snapshot().map(|found| (found.version(), found.data().into()));
        if snapshot.as_ref() != newest || loaded.version() != version {
            return differs(format!("{loaded:?}, of {newest:?} at {version}"));
        }
        let from = narrow(newest.map_or(0, |(version, _)| *version));
        let mut after = shown.events.iter().filter(|told| told.stream == stream).skip(from);
        while let Some(event) = loaded.next().map_err(failed)? {
            if after.next() != Some(&Told::read(&event)) {
                return differs(format!("{event:?} after version {from} of {stream}"));
            }
        }
        if after.next().is_some() {
            return differs(format!("{stream} is loaded without its end"));
        }
    }
    Ok(())
}

/// Whether a full scan finds every byte sound and every index equal to the log.
///
/// # Errors
/// If not.
pub fn sound(disk: &dyn Storage) -> Result<(), Broken> {
    let report = verify(disk, &mut |_, _| {}).map_err(failed)?;
    match report.findings.first() {
        None => Ok(()),
        Some(finding) => Err(Broken::new("5: the index equals a full scan", &finding.corrupt)),
    }
}

fn streams_agree(log: &Reader, found: &[Told]) -> Result<(), Broken> {
    let differs = |what: String| Err(Broken::new("5: the index equals a full scan", what));
    let versions = Oracle::versions(found);
    let mut listed = log.streams("").map_err(failed)?;
    let mut names = 0;
    while let Some(info) = listed.next().map_err(failed)? {
        names += 1;
        if versions.get(info.name) != Some(&info.version) {
            return differs(format!("stream {:?} is listed at {}", info.name, info.version));
        }
    }
    if names != versions.len() {
        return differs(format!("{names} streams are listed, of {}", versions.len()));
    }
    for (stream, version) in &versions {
        if log.version(stream).map_err(failed)? != *version {
            return differs(format!("version of {stream}"));
        }
        let expected: Vec<_> = found.iter().filter(|told| told.stream == *stream).collect();
        let told = |events: Vec<OwnedEvent>| -> Vec<Told> {
            events.iter().map(|event| Told::read(&event.as_event())).collect()
        };
        let forward = told(log.read(stream).collect().map_err(failed)?);
        let mut backward = told(log.read(stream).backward().collect().map_err(failed)?);
        backward.reverse();
        if !forward.iter().eq(expected.iter().copied()) || !backward.iter().eq(expected) {
            return differs(format!("stream {stream}: {forward:?}, backward {backward:?}"));
        }
    }
    Ok(())
}

/// The files that hold words which processes share: they change with every opening.
pub const WORDS: [&str; 2] = ["control", "readers"];

/// Every file but those of shared words, as it is written and as it is durable.
pub fn written(disk: &SimStorage) -> BTreeMap<String, [Option<Vec<u8>>; 2]> {
    let names = disk.file_names().into_iter().filter(|name| !WORDS.contains(&&**name));
    names
        .map(|name| {
            let states = [disk.read_file(&name), disk.read_durable(&name)];
            (name, states)
        })
        .collect()
}

/// The segments without their witness slots, which every opening of a log that was
/// not closed writes anew.
pub fn segments(disk: &SimStorage) -> BTreeMap<String, Vec<u8>> {
    let names = disk.file_names().into_iter().filter(|name| name.ends_with(".seg"));
    names
        .filter_map(|name| {
            let bytes = without_slots(disk.read_file(&name)?);
            Some((name, bytes))
        })
        .collect()
}

/// A segment's bytes without those of its witness slots.
pub fn without_slots(mut bytes: Vec<u8>) -> Vec<u8> {
    let slots = SLOTS_RANGE.start..SLOTS_RANGE.end.min(bytes.len());
    if let Some(slots) = bytes.get_mut(slots) {
        slots.fill(0);
    }
    bytes
}

/// Whether only files of the log and the foreign one are there, the latter as it was.
///
/// # Errors
/// If not.
pub fn no_stray(disk: &SimStorage) -> Result<(), Broken> {
    no_stray_of(&disk.file_names(), disk.read_file(FOREIGN).as_deref())
}

/// Whether only files of the log are among the names, and the foreign one as it was.
///
/// # Errors
/// If not.
pub fn no_stray_of(names: &[String], foreign: Option<&[u8]>) -> Result<(), Broken> {
    let is_ours = |name: &str| {
        let numbered = |suffix| {
            let digits = name.strip_suffix(suffix);
            digits.is_some_and(|digits| digits.len() == 20 && digits.parse::<u64>().is_ok())
        };
        numbered(".seg") || numbered(".idx") || name == "lock" || WORDS.contains(&name)
    };
    let orphan = |name: &str| {
        name.strip_suffix(".idx").is_some_and(|run| !names.contains(&format!("{run}.seg")))
    };
    let stray = names.iter().find(|name| *name != FOREIGN && (!is_ours(name) || orphan(name)));
    if let Some(name) = stray {
        return Err(Broken::new("11: no stray file", name));
    }
    if foreign == Some(FOREIGN_BYTES) {
        Ok(())
    } else {
        Err(Broken::new("11: foreign files are untouched", FOREIGN))
    }
}
