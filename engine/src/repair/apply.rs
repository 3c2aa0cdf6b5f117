//! Doing what a plan says.
//!
//! Each step can be interrupted anywhere. What is zeroed lies behind the end that the log
//! keeps, and what stands before that end is never touched, so planning again comes to
//! the same end. Of a log that is cut, the file that shows longest that something is
//! missing, the control file, goes last.

use std::collections::BTreeSet;

use super::Repaired;
use super::copy::Copies;
use super::lost::control_block;
use super::plan::{RepairPlan, plan};
use super::step::RepairStep;
use crate::catalog::entry::Facts;
use crate::catalog::runs::{self, Indexer, meta_of};
use crate::catalog::survey::{Survey, damage, survey, survey_with_gaps};
use crate::error::{Corrupt, Damage, Error, Result};
use crate::io::Storage;
use crate::place::Place;
use crate::record::field::{put_bytes, wide};
use crate::record::layout::{segment as layout, witness as witness_layout};
use crate::record::walk::Walk;
use crate::recovery::analysis::{Analysis, How, analyse};
use crate::recovery::apply as recovery;
use crate::segment::header::{Found, SegmentHeader};
use crate::segment::witness::{Slot, Witness, offset_of, slots};
use crate::segment::{ReadMode, Segment, name, scan};
use crate::verify;

/// Damage hides other damage: so often is looked again for what was hidden.
const ROUNDS: usize = 4;

/// Applies a plan, under the writer's lock.
pub(super) fn apply(
    storage: &dyn Storage,
    mut now: RepairPlan,
    progress: &mut dyn FnMut(&RepairStep),
) -> Result<Repaired> {
    if let Some(damage) = now.cannot_mend() {
        return Err(Error::Corrupt(damage.clone()));
    }
    let mut copies = Copies::new(storage.now());
    let mut steps = Vec::new();
    for _ in 0..ROUNDS {
        if now.steps.is_empty() || !now.can_be_applied() {
            break;
        }
        let files: BTreeSet<_> = now.steps.iter().flat_map(RepairStep::files).collect();
        copies.make(storage, &files)?;
        for step in &now.steps {
            progress(step);
            take(storage, step)?;
        }
        steps.append(&mut now.steps);
        now = plan(storage)?;
    }
    let report = verify::look(storage, &mut |_, _| {})?;
    Ok(Repaired { steps, copies: copies.made, report })
}

fn take(storage: &dyn Storage, step: &RepairStep) -> Result<()> {
    match step {
        RepairStep::CutTail { .. } => recover(storage),
        RepairStep::Quarantine { segment, offset, .. } => {
            quarantine(storage, Place::new(*segment, *offset))
        }
        RepairStep::Clear { damage } => clear(storage, damage),
        RepairStep::RebuildIndex { segment, .. } => rebuild_index(storage, *segment),
        RepairStep::RemoveUnfinished { file } => {
            remove(storage, file)?;
            sync_dir(storage)
        }
        RepairStep::RebuildControl { .. } => rebuild_control(storage),
        RepairStep::CannotMend { damage, .. } => Err(Error::Corrupt(damage.clone())),
    }
}

fn analysis(storage: &dyn Storage, write: bool) -> Result<Analysis> {
    let how = How { mode: ReadMode::Pread, strict: false, write };
    analyse(storage, how, &|_, _| None)?.ok_or_else(|| Error::NotFound { log: storage.describe() })
}

/// What opening does before it serves anything.
fn recover(storage: &dyn Storage) -> Result<()> {
    let analysis = analysis(storage, true)?;
    recovery::apply(storage, &analysis, storage.random()).map(drop)
}

/// Ends the log at `end`, and takes away whatever says that there was more.
fn quarantine(storage: &dyn Storage, end: Place) -> Result<()> {
    let survey = survey_with_gaps(storage)?;
    let number = end.segment();
    let log = header(storage, number)?.log;
    let segment = Segment::open(storage, log, number, ReadMode::Pread, true)?;
    let len = segment.len()?;
    if let Some(last) = scan::last_written(&segment, end.offset().min(len), len)? {
        zero(&segment, end.offset(), last)?;
    }
    for (slot, found) in slots(&segment.first_block()?, number).iter().enumerate() {
        if !matches!(found, Slot::Witness(witness) if witness.durable <= end) {
            let at = offset_of(slot);
            zero(&segment, at, at + wide(witness_layout::LEN))?;
        }
    }
    sync(&segment)?;
    for run in survey.runs.range(number..).map(|(run, _)| *run) {
        remove(storage, &name::run(run))?;
    }
    // From the last one back, and first what a killed repair has removed, so that what is
    // left has no gap that was not there.
    sync_dir(storage)?;
    for later in survey.segments.range(number + 1..).rev().map(|(later, _)| *later) {
        remove(storage, &name::segment(later))?;
        sync_dir(storage)?;
    }
    if survey.control {
        remove(storage, name::CONTROL)?;
    }
    sync_dir(storage)?;
    recover(storage)
}

/// Zeroes a damaged slot, or what stands where nothing was written.
fn clear(storage: &dyn Storage, damage: &Corrupt) -> Result<()> {
    let header = header(storage, damage.segment)?;
    let segment = Segment::open(storage, header.log, damage.segment, ReadMode::Pread, true)?;
    if damage.cause == Damage::Witness {
        zero(&segment, damage.offset, damage.offset + wide(witness_layout::LEN))?;
    } else if damage.offset < wide(layout::DATA) {
        let [a, b] = layout::SLOTS;
        let len = witness_layout::LEN;
        for (start, end) in [(layout::LEN, a), (a + len, b), (b + len, layout::DATA)] {
            zero(&segment, wide(start), wide(end))?;
        }
    } else {
        let end = end_of(storage, &survey(storage)?, damage.segment)?;
        let len = segment.len()?;
        if let Some(last) = scan::last_written(&segment, end.min(len), len)? {
            zero(&segment, end, last)?;
        }
    }
    sync(&segment)
}

/// Where a segment ends: as its successor says, or recovery.
fn end_of(storage: &dyn Storage, survey: &Survey, number: u64) -> Result<u64> {
    let end = analysis(storage, false)?.end.place;
    if end.segment() == number || !survey.segments.contains_key(&(number + 1)) {
        return Ok(end.offset());
    }
    Ok(header(storage, number + 1)?.previous_end)
}

fn rebuild_index(storage: &dyn Storage, number: u64) -> Result<()> {
    let header = header(storage, number)?;
    let segment = Segment::open(storage, header.log, number, ReadMode::Pread, false)?;
    let end = end_of(storage, &survey(storage)?, number)?;
    let (data, first) = (wide(layout::DATA), header.first_position);
    let mut walk = Walk::new(segment.seed, data, first, Some(header.previous_crc));
    let mut indexer = Indexer::new(first);
    scan::walk_sealed(&segment, &mut walk, end, &mut |step| indexer.take(&segment, step))?;
    let facts = Facts {
        first_position: first,
        next_position: walk.next_position(),
        end,
        end_crc: walk.previous_crc().unwrap_or(header.previous_crc),
        previous_crc: header.previous_crc,
    };
    let bytes = annals_index::build(&indexer.table, &meta_of(&segment, &facts));
    runs::write_file(storage, number, &bytes)
        .map_err(|error| Error::io("write", &name::run(number), error))?;
    sync_dir(storage)
}

/// The file as a writer leaves it, with the newest witness that the segments have.
fn rebuild_control(storage: &dyn Storage) -> Result<()> {
    let failed = |error| Error::io("write", name::CONTROL, error);
    let mut block = vec![0; control_block(storage)?.len()];
    if let Some(witness) = newest_witness(storage)? {
        let [first, _] = layout::SLOTS;
        put_bytes(&mut block, first, &witness.encode(0, 0));
    }
    let file = storage.open(name::CONTROL, true).map_err(failed)?;
    file.set_len(wide(block.len())).map_err(failed)?;
    file.write_all_at(&block, 0).map_err(failed)?;
    file.sync_all().map_err(failed)
}

fn newest_witness(storage: &dyn Storage) -> Result<Option<Witness>> {
    let mut newest: Option<Witness> = None;
    for number in survey(storage)?.segments.into_keys() {
        let segment = Segment::open(storage, 0, number, ReadMode::Pread, false)?;
        for slot in slots(&segment.first_block()?, number) {
            if let Slot::Witness(witness) = slot
                && newest.is_none_or(|newest| newest.sequence < witness.sequence)
            {
                newest = Some(witness);
            }
        }
    }
    Ok(newest)
}

fn header(storage: &dyn Storage, number: u64) -> Result<SegmentHeader> {
    let segment = Segment::open(storage, 0, number, ReadMode::Pread, false)?;
    match SegmentHeader::read(&segment.name, &segment.first_block()?)? {
        Found::Header(header) => Ok(header),
        Found::Blank | Found::Bad => Err(damage(number, Damage::Header)),
    }
}

fn zero(segment: &Segment, start: u64, end: u64) -> Result<()> {
    segment.zero(start, end, &mut |_| {}).map_err(|error| Error::io("write", &segment.name, error))
}

fn sync(segment: &Segment) -> Result<()> {
    segment.file().sync_all().map_err(|error| Error::io("sync", &segment.name, error))
}

/// Removes a name; fine if it is gone already.
fn remove(storage: &dyn Storage, name: &str) -> Result<()> {
    match storage.remove(name) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("remove", name, error))
        }
        _ => Ok(()),
    }
}

fn sync_dir(storage: &dyn Storage) -> Result<()> {
    let log = storage.describe();
    storage.sync_dir().map_err(|error| Error::io("sync directory of", &log, error))
}
