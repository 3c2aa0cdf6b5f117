//! The logs that inputs change: made once, a few kilobytes each, everything in them
//! durable and known.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use annals::io::sim::SimStorage;
use annals::{Batch, Expected, Log, NewEvent, NewSnapshot, Occurred, Reading, Timestamp, Uuid};

use crate::check::{STATES, open};
use crate::format;
use crate::oracle::Broken;
use crate::program::{Op, Program};
use crate::run::{Blind, Run};
use crate::told::{SCHEMA, Told};

/// All files of a disk.
pub type Files = BTreeMap<String, Vec<u8>>;

/// One log, as its files are after its writer died or closed it.
#[derive(Debug)]
pub struct Base {
    /// To be forked.
    pub disk: SimStorage,
    /// Every file.
    pub files: Files,
    /// Their names, segments first.
    pub names: Vec<String>,
    /// How many of them are segments.
    pub segments: usize,
    /// Where the records of each of them stand.
    pub records: Vec<Vec<Range<usize>>>,
    /// All events, in order.
    pub told: Vec<Told>,
}

/// Programs, and whether the log is closed at the end.
const PROGRAMS: [(&str, bool); 3] =
    [("S X M B L Q N Z", false), ("S B R S M R X L S N", false), ("M S R S L Z Q", true)];

/// The number of the one with every field that an event can have.
pub const RICH: usize = PROGRAMS.len();

/// How many there are.
pub const COUNT: usize = PROGRAMS.len() + 1;

/// All of them.
pub fn bases() -> &'static [Base] {
    static BASES: OnceLock<Vec<Base>> = OnceLock::new();
    BASES.get_or_init(|| {
        let made = PROGRAMS.iter().map(|(program, close)| of_program(program, *close));
        made.chain([rich()]).filter_map(Result::ok).collect()
    })
}

/// The one with this number, or another one; `None` if none could be made.
pub fn base(number: usize) -> Option<&'static Base> {
    bases().get(number % COUNT).or_else(|| bases().first())
}

fn of_program(text: &str, close: bool) -> Result<Base, Broken> {
    let program: Program = text.parse().map_err(|error| Broken::new("a program", error))?;
    let disk = SimStorage::new();
    let mut run = Run::new(disk.clone(), Arc::new(Blind));
    run.start()?;
    program.0.iter().try_for_each(|op| run.step(*op))?;
    if close {
        run.step(Op::Reopen)?;
    }
    let files = files(&disk);
    disk.kill();
    Ok(of_files(files, run.oracle().events().cloned().collect()))
}

/// A log with tags, links, times, content types and metadata.
fn rich() -> Result<Base, Broken> {
    let disk = SimStorage::new();
    let failed = |error| Broken::new("a base is made", error);
    let log = open(&disk, Reading::Mapped).map_err(failed)?;
    append_rich(&log).map_err(failed)?;
    let events = log.read_all().collect().map_err(failed)?;
    let told = events.iter().map(|event| Told::read(&event.as_event())).collect();
    let files = files(&disk);
    disk.kill();
    Ok(of_files(files, told))
}

fn append_rich(log: &Log) -> annals::Result<()> {
    let event = |number: u128| NewEvent::new("Rich").id(Uuid::from_u128(1 << 100 | number));
    let at = Timestamp::from_nanos(1_700_000_000_250_000_000);
    let occurred = Occurred { at, offset_minutes: Some(60), fraction_digits: 2 };
    log.append(
        Batch::new()
            .write("rich-1", Expected::NoStream, [event(1).json(r#"{"a":1}"#).tag("red")])
            .write("rich-2", Expected::Any, [event(2).schema(7).metadata(b"meta").tag("blue")]),
    )?;
    let linked = event(3).correlation("order-9").caused_by("message-8").tag("red").tag("blue");
    log.append(Batch::new().write("rich-1", Expected::Exact(1), [linked.data(b"abc")]))?;
    let timed = event(4).content_type("text/plain").data(b"timed").occurred_at(occurred);
    let snapshot = |schema| NewSnapshot::new(schema).data(b"folded").content_type("text/plain");
    log.append(
        Batch::new()
            .once("rich-key")
            .write("rich-1", Expected::Exists, [timed])
            .snapshot("rich-1", 2, snapshot(SCHEMA))
            .snapshot("rich-1", 3, snapshot(SCHEMA + 1))
            .state(STATES.first().copied().unwrap_or("sums"), 4, NewSnapshot::new(SCHEMA)),
    )?;
    Ok(())
}

fn files(disk: &SimStorage) -> Files {
    let names = disk.file_names().into_iter();
    names.filter_map(|name| Some((name.clone(), disk.read_file(&name)?))).collect()
}

fn of_files(files: Files, told: Vec<Told>) -> Base {
    let disk = SimStorage::new();
    files.iter().for_each(|(name, bytes)| disk.write_file(name, bytes));
    let (mut names, others): (Vec<_>, Vec<_>) =
        files.keys().cloned().partition(|name| name.ends_with(".seg"));
    let segments = names.len();
    names.extend(others);
    let places = |name: &String| {
        let bytes = files.get(name).map(Vec::as_slice).unwrap_or_default();
        let records = if name.ends_with(".seg") { format::records(bytes) } else { Vec::new() };
        records.into_iter().map(|record| record.range()).collect()
    };
    let records = names.iter().map(places).collect();
    Base { disk, files, names, segments, records, told }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases_are_small_and_have_every_kind_of_file() {
        assert_eq!(bases().len(), COUNT);
        for base in bases() {
            let bytes: usize = base.files.values().map(Vec::len).sum();
            println!("{} events, {bytes} bytes, {:?}", base.told.len(), base.names);
            assert!(bytes < 200 << 10, "{bytes}");
            assert!(base.told.len() > 3 && base.records.iter().flatten().count() > 10);
        }
        assert!(bases().iter().any(|base| base.segments > 3));
        assert!(bases().iter().any(|base| base.names.iter().any(|name| name.ends_with(".idx"))));
    }
}
