//! The end of the log, and writing it down apart from the tail.
//!
//! Recovery finds it; from then on only the leader moves it.

use std::io;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::io::Storage;
use crate::place::Place;
use crate::segment::witness::{self, Slot, Witness};
use crate::segment::{Segment, name};

/// A place where the log ends, and what stands before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    pub(crate) place: Place,
    /// Position of the last event before it.
    pub(crate) position: u64,
    /// Offset of the last group.
    pub(crate) last_group: u64,
    /// Header CRC of that group.
    pub(crate) last_crc: u32,
    /// Commit time of its last batch.
    pub(crate) last_time: i64,
}

/// What only the leader changes: where the log ends.
#[derive(Debug)]
pub(crate) struct Tail {
    /// The segment of `written`. What is not durable lies in it alone: a segment is synced
    /// before the next one is begun.
    pub(crate) segment: Arc<Segment>,
    /// Position of the first event of the segment.
    pub(crate) first_position: u64,
    /// Header CRC of the last group before the segment.
    pub(crate) previous_crc: u32,
    /// Up to here the system has it.
    pub(crate) written: End,
    /// Up to here the device has it.
    pub(crate) durable: End,
    /// Whether the log does not end with a close mark.
    pub(crate) open_ended: bool,
    /// How often a witness was written; the number of the next one.
    pub(crate) sequence: u64,
    /// The slot of the segment that is written next.
    pub(crate) slot: usize,
    /// What the newest witness says.
    pub(crate) witnessed: Place,
}

impl Tail {
    pub(crate) const fn witness(&self, log: u128, epoch: u128, closed: bool) -> Witness {
        Witness {
            log,
            epoch,
            sequence: self.sequence,
            durable: self.durable.place,
            position: self.durable.position,
            last_group: self.durable.last_group,
            last_crc: self.durable.last_crc,
            last_time: self.durable.last_time,
            closed,
        }
    }

    /// Whether a witness of the durable end can stand in the active segment: one that is
    /// begun and not synced has no durable byte yet.
    pub(crate) const fn can_be_witnessed(&self) -> bool {
        self.durable.place.segment() == self.written.place.segment()
    }

    /// The log goes on in another segment, whose first block has a witness in slot 0 of
    /// what was durable then: all before it.
    pub(crate) fn opened(&mut self, segment: Arc<Segment>, first_position: u64, crc: u32) {
        self.segment = segment;
        self.first_position = first_position;
        self.previous_crc = crc;
        self.witnessed = self.durable.place;
        // A forged slot may have said the last number; then the slots are as old as each other.
        self.sequence = self.sequence.saturating_add(1);
        self.slot = 1;
    }
}

/// Writes a witness into the segment's next slot and makes it durable.
pub(crate) fn write_slot(tail: &mut Tail, witness: &Witness) -> Result<()> {
    let segment = Arc::clone(&tail.segment);
    let bytes = witness.encode(segment.number, tail.slot);
    segment
        .file()
        .write_all_at(&bytes, witness::offset_of(tail.slot))
        .map_err(|error| Error::io("write", &segment.name, error))?;
    segment.file().sync_data().map_err(|error| Error::io("sync", &segment.name, error))?;
    tail.slot = 1 - tail.slot;
    tail.sequence = tail.sequence.saturating_add(1);
    tail.witnessed = witness.durable;
    Ok(())
}

/// Writes a witness into the control file. The file is derived: if that fails, the
/// log is as safe as without it.
pub(crate) fn write_control(storage: &dyn Storage, witness: &Witness) -> io::Result<()> {
    let file = match storage.open(name::CONTROL, true) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => storage.create(name::CONTROL)?,
        other => other?,
    };
    let mut block = vec![0; crate::record::layout::segment::DATA];
    file.read_at(&mut block, 0)?;
    let slots = witness::slots(&block, 0);
    let next = witness::next_slot(&slots);
    // Two power cuts can leave both torn: then both are mended, since a log that is closed
    // next is not written again.
    let both = slots.iter().all(|slot| matches!(slot, Slot::Bad));
    let other = both.then_some(1 - next);
    for slot in [next].into_iter().chain(other) {
        file.write_all_at(&witness.encode(0, slot), witness::offset_of(slot))?;
    }
    file.sync_data()
}
