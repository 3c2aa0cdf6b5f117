//! Runs as files: found and checked against the log, made again from it, written.
//!
//! A run is derived. Whatever is wrong with its file, the log answers; failing to
//! write one costs time at the next open and nothing else.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use annals_index::{Kind, Run, RunBytes, RunError, RunMeta, Table, TableEvent};

use super::Catalog;
use super::entry::Facts;
use crate::category;
use crate::error::{Corrupt, Damage, Error, Result};
use crate::io::{Mapping, Storage, StorageFile};
use crate::planted::{self, Bug};
use crate::record::event::{Fields, LastType, TagTexts};
use crate::record::field::wide;
use crate::record::layout::{PAGE, segment as layout};
use crate::record::walk::{Step, Walk};
use crate::segment::{ReadMode, Segment, name, scan};

/// How far apart positions are marked, in bytes of the log.
pub(crate) const MARK_EVERY_BYTES: u64 = PAGE;

/// The bytes of a run.
#[derive(Debug)]
pub(crate) enum RunFile {
    Mapped(Arc<dyn Mapping>),
    Owned(Vec<u8>),
}

impl RunBytes for RunFile {
    fn len(&self) -> usize {
        match self {
            Self::Mapped(mapping) => mapping.len(),
            Self::Owned(bytes) => bytes.len(),
        }
    }

    fn slice(&self, range: Range<usize>) -> Option<&[u8]> {
        match self {
            Self::Mapped(mapping) => mapping.slice(range),
            Self::Owned(bytes) => bytes.get(range),
        }
    }
}

pub(crate) type LoadedRun = Run<RunFile>;

/// The meta data of a sealed segment's run.
pub(crate) fn meta_of(segment: &Segment, facts: &Facts) -> RunMeta {
    RunMeta {
        log: segment.log,
        segment: segment.number,
        start: wide(layout::DATA),
        end: facts.end,
        end_crc: facts.end_crc,
        first_position: facts.first_position,
        events: facts.next_position - facts.first_position,
        ..RunMeta::default()
    }
}

/// Fills a table from the steps of a walk.
#[derive(Debug)]
pub(crate) struct Indexer {
    pub(crate) table: Table,
    filling: Filling,
}

/// How far a table is filled that somebody else holds.
#[derive(Debug)]
pub(crate) struct Filling {
    next_position: u64,
    marked: Option<u64>,
    last_type: LastType,
}

impl Indexer {
    pub(crate) fn new(first_position: u64) -> Self {
        Self { table: Table::new(first_position), filling: Filling::new(first_position) }
    }

    /// Offset of the last marked group; 0 if none is.
    pub(crate) fn last_mark(&self) -> u64 {
        self.filling.marked.unwrap_or_default()
    }

    pub(crate) fn into_table(self) -> Table {
        self.table
    }

    /// Takes a step. An event that cannot be the next one of its stream is damage.
    pub(crate) fn take(&mut self, segment: &Segment, step: &Step<'_>) -> Result<()> {
        self.filling.take(&mut self.table, segment, step)
    }
}

impl Filling {
    pub(crate) fn new(first_position: u64) -> Self {
        Self { next_position: first_position, marked: None, last_type: LastType::default() }
    }

    /// As [`Indexer::take`], into this table.
    pub(crate) fn take(
        &mut self,
        table: &mut Table,
        segment: &Segment,
        step: &Step<'_>,
    ) -> Result<()> {
        let done = match step {
            Step::Group { offset, .. } => {
                if self.marked.is_some_and(|marked| offset - marked < MARK_EVERY_BYTES) {
                    return Ok(());
                }
                self.marked = Some(*offset);
                table.mark(self.next_position, *offset).map_err(|_| *offset)
            }
            Step::Event(event) => {
                self.next_position = event.head.position + 1;
                let stream = event.fields.stream(event.payload);
                let id = Fields::id(event.payload);
                let mut found = table.find(stream);
                let mut others = Vec::new();
                links(&event.fields, event.payload, &mut others);
                let made = TableEvent {
                    stream,
                    version: event.head.version,
                    id,
                    position: event.head.position,
                    offset: event.offset,
                    // A stream that the table has keeps its own.
                    category: if found.is_new() { category::of(stream) } else { "" },
                    event_type: self.last_type.of(&event.fields, event.payload),
                    others: &others,
                };
                table.insert_found(&made, &mut found).map_err(|_| event.offset)
            }
            Step::Snapshot(_) if planted::active(Bug::SnapshotLostAtReopen) => Ok(()),
            Step::Snapshot(step) => {
                let kind = if step.head.state { Kind::State } else { Kind::Snapshot };
                let name = step.fields.name(step.payload);
                table.insert_record(kind, name, step.offset).map_err(|_| step.offset)
            }
            Step::Key(step) => {
                let key = step.fields.text(step.payload);
                table.insert_record(Kind::Key, key, step.offset).map_err(|_| step.offset)
            }
            _ => Ok(()),
        };
        done.map_err(|offset| segment.corrupt(offset, Damage::Order))
    }
}

/// What else an event is found by: its tags, correlation and cause, in place of what is in
/// `out`. Most events have none, and pay for none.
pub(crate) fn links<'a>(fields: &Fields, payload: &'a [u8], out: &mut Vec<(Kind, &'a str)>) {
    out.clear();
    if !fields.has_links() {
        return;
    }
    let optional = fields.optional(payload);
    out.extend(TagTexts::new(optional.tags).map(|tag| (Kind::Tag, tag)));
    out.extend(optional.correlation.map(|text| (Kind::Correlation, text)));
    out.extend(optional.cause.map(|text| (Kind::Cause, text)));
}

/// The run of a sealed segment: as it is on disk, if it fits the log, or made again.
pub(super) fn load_or_rebuild(
    catalog: &Catalog,
    segment: &Segment,
    facts: &Facts,
) -> Result<LoadedRun> {
    let expected = meta_of(segment, facts);
    if let Some(run) = load_from(&*catalog.storage, catalog.mode, segment.number) {
        let fits = run.meta().log == expected.log
            && run.meta().segment == expected.segment
            && run.meta().start == expected.start
            && run.meta().end == expected.end
            && run.meta().end_crc == expected.end_crc
            && run.meta().first_position == expected.first_position
            && run.meta().events == expected.events;
        if fits || planted::active(Bug::StaleIndexBelieved) {
            return Ok(run);
        }
    }
    rebuild(catalog, segment, facts, !catalog.read_only)
}

/// The run of a segment, if its file can be opened.
pub(crate) fn load_from(storage: &dyn Storage, mode: ReadMode, number: u64) -> Option<LoadedRun> {
    let file = storage.open(&name::run(number), false).ok()?;
    open(&file, mode).ok().flatten()
}

fn open(file: &Arc<dyn StorageFile>, mode: ReadMode) -> io::Result<Option<LoadedRun>> {
    let len = file.len()?;
    if len == 0 {
        return Ok(None);
    }
    let bytes = match mode {
        ReadMode::Mapped => RunFile::Mapped(file.map(len)?),
        ReadMode::Pread => {
            let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
            let count = file.read_at(&mut bytes, 0)?;
            bytes.truncate(count);
            RunFile::Owned(bytes)
        }
    };
    Ok(Run::open(bytes).ok())
}

/// Reads a sealed segment from its first group to its end, checking everything, and
/// makes its run; written to its file if asked.
pub(crate) fn rebuild(
    catalog: &Catalog,
    segment: &Segment,
    facts: &Facts,
    keep: bool,
) -> Result<LoadedRun> {
    let data = wide(layout::DATA);
    let mut walk = Walk::new(segment.seed, data, facts.first_position, Some(facts.previous_crc));
    let mut indexer = Indexer::new(facts.first_position);
    scan::walk_sealed(segment, &mut walk, facts.end, &mut |step| indexer.take(segment, step))?;
    let continues =
        walk.previous_crc() == Some(facts.end_crc) && walk.next_position() == facts.next_position;
    if !continues {
        return Err(segment.corrupt(facts.end, Damage::Link));
    }
    let bytes = annals_index::build(&indexer.table, &meta_of(segment, facts));
    write(catalog, segment.number, bytes, keep)
}

/// Makes the run of the first part of a segment again, in memory.
pub(super) fn rebuild_part(segment: &Segment, covered: RunMeta) -> Result<LoadedRun> {
    let mut walk = Walk::new(segment.seed, covered.start, covered.first_position, None);
    let mut indexer = Indexer::new(covered.first_position);
    scan::walk_sealed(segment, &mut walk, covered.end, &mut |step| indexer.take(segment, step))?;
    let bytes = annals_index::build(&indexer.table, &covered);
    Run::open(RunFile::Owned(bytes)).map_err(unbuildable(segment))
}

/// Writes a run beside the log under a temporary name, then gives it its own. If
/// `keep` is false or that fails, the run stays in memory.
pub(crate) fn write(
    catalog: &Catalog,
    number: u64,
    bytes: Vec<u8>,
    keep: bool,
) -> Result<LoadedRun> {
    if keep
        && let Ok(file) = write_file(&*catalog.storage, number, &bytes)
        && let Ok(Some(run)) = open(&file, catalog.mode)
    {
        return Ok(run);
    }
    Run::open(RunFile::Owned(bytes)).map_err(|_| index_damage(&name::run(number), number))
}

/// Writes a run under a temporary name, then gives it its own.
pub(crate) fn write_file(
    storage: &dyn Storage,
    number: u64,
    bytes: &[u8],
) -> io::Result<Arc<dyn StorageFile>> {
    let temporary = name::temporary_run(number);
    match storage.remove(&temporary) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let written = storage.create(&temporary).and_then(|file| {
        file.write_all_at(bytes, 0)?;
        // Before the name: a name without its bytes would be found damaged and made again
        // at every power cut.
        file.sync_data()?;
        storage.rename(&temporary, &name::run(number))?;
        Ok(file)
    });
    if written.is_err() {
        // A full disk is what makes this fail most: give back what was taken.
        drop(storage.remove(&temporary));
    }
    written
}

fn index_damage(file: &str, segment: u64) -> Error {
    Error::Corrupt(Corrupt {
        file: file.to_owned(),
        segment,
        offset: 0,
        position: None,
        cause: Damage::Index,
    })
}

/// What a run that was just made and does not answer comes down to.
pub(super) fn unbuildable(segment: &Segment) -> impl FnOnce(RunError) -> Error {
    let name = name::run(segment.number);
    let number = segment.number;
    move |_| index_damage(&name, number)
}
