//! Which log it is, and its newest segment.

use crate::catalog::survey::{Survey, damage};
use crate::error::{Damage, Error, Result};
use crate::io::Storage;
use crate::record::field::wide;
use crate::record::layout::segment as layout;
use crate::segment::header::{Found, SegmentHeader};
use crate::segment::witness::{Slot, Witness, slots};
use crate::segment::{ReadMode, Segment, name, scan};

/// What the first blocks say.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) log: u128,
    /// The newest segment that has a header; those above it are spares.
    pub(super) newest: u64,
    pub(super) header: SegmentHeader,
    /// The slots of the newest segment.
    pub(super) slots: [Slot; 2],
    /// Every witness that could be found, of this log.
    pub(super) witnesses: Vec<Witness>,
}

/// Finds the newest segment with a header. `None` if there is no log yet.
pub(super) fn identify(
    storage: &dyn Storage,
    survey: &Survey,
    mode: ReadMode,
) -> Result<Option<Identity>> {
    let mut witnesses = control_witnesses(storage, survey);
    for number in (1..=survey.last()).rev() {
        let segment = Segment::open(storage, 0, number, mode, false)?;
        let block = segment.first_block()?;
        let found_slots = slots(&block, number);
        witnesses.extend(found_slots.iter().filter_map(witness_of));
        if let Found::Header(header) = SegmentHeader::read(&segment.name, &block)? {
            let log = first_log(storage, number, &header, mode)?;
            header.belongs(log, number).map_err(|cause| damage(number, cause))?;
            witnesses.retain(|witness| witness.log == log);
            return Ok(Some(Identity {
                log,
                newest: number,
                header,
                slots: found_slots,
                witnesses,
            }));
        }
    }
    no_header(storage, survey, mode, &witnesses)
}

fn witness_of(slot: &Slot) -> Option<Witness> {
    match slot {
        Slot::Witness(witness) => Some(*witness),
        Slot::Blank | Slot::Bad => None,
    }
}

/// What the control file says. It is derived: if it cannot be read, it says nothing.
fn control_witnesses(storage: &dyn Storage, survey: &Survey) -> Vec<Witness> {
    if !survey.control {
        return Vec::new();
    }
    let mut block = vec![0; layout::DATA];
    let read = storage.open(name::CONTROL, false).and_then(|file| file.read_at(&mut block, 0));
    if read.is_err() {
        return Vec::new();
    }
    slots(&block, 0).iter().filter_map(witness_of).collect()
}

/// The log that the first segment is of: a foreign newest one is told by that.
fn first_log(
    storage: &dyn Storage,
    newest: u64,
    header: &SegmentHeader,
    mode: ReadMode,
) -> Result<u128> {
    if newest == 1 {
        return Ok(header.log);
    }
    let first = Segment::open(storage, header.log, 1, mode, false)?;
    match SegmentHeader::read(&first.name, &first.first_block()?)? {
        Found::Header(first) => Ok(first.log),
        Found::Blank | Found::Bad => Err(first.corrupt(0, Damage::Header)),
    }
}

/// No segment has a header: a log that was never finished being made, or one that
/// lost all of them.
fn no_header(
    storage: &dyn Storage,
    survey: &Survey,
    mode: ReadMode,
    witnesses: &[Witness],
) -> Result<Option<Identity>> {
    let newest = witnesses.iter().max_by_key(|witness| witness.durable);
    if let Some(witness) = newest {
        let number = witness.durable.segment();
        let cause =
            if survey.segments.contains_key(&number) { Damage::Header } else { Damage::Missing };
        return Err(damage(number, cause));
    }
    match survey.last() {
        0 => Ok(None),
        1 => {
            let segment = Segment::open(storage, 0, 1, mode, false)?;
            // The header is durable before the first group is written, so bytes behind the
            // first block mean that there was one.
            let len = segment.len()?;
            let written = scan::last_written(&segment, wide(layout::DATA).min(len), len)?;
            if written.is_some() { Err::<_, Error>(damage(1, Damage::Header)) } else { Ok(None) }
        }
        _ => Err(damage(1, Damage::Header)),
    }
}
