//! The durable end of the log, and writing it down apart from the tail.
//!
//! Recovery finds it; from then on only the leader moves it.

use std::io;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::io::Storage;
use crate::place::Place;
use crate::segment::witness::{self, Witness};
use crate::segment::{Segment, name};

/// What only the leader changes: where the durable log ends.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) segment: Arc<Segment>,
    /// Position of the first event of the segment.
    pub(crate) first_position: u64,
    /// Header CRC of the last group before the segment.
    pub(crate) previous_crc: u32,
    pub(crate) durable: Place,
    pub(crate) position: u64,
    pub(crate) last_group: u64,
    pub(crate) last_crc: u32,
    pub(crate) last_time: i64,
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
    pub(crate) fn witness(&self, log: u128, epoch: u128, closed: bool) -> Witness {
        Witness {
            log,
            epoch,
            sequence: self.sequence,
            durable: self.durable,
            position: self.position,
            last_group: self.last_group,
            last_crc: self.last_crc,
            last_time: self.last_time,
            closed,
        }
    }

    /// The log goes on in another segment, whose first block has a witness in slot 0.
    pub(crate) fn opened(&mut self, segment: Arc<Segment>, first_position: u64, crc: u32) {
        self.segment = segment;
        self.first_position = first_position;
        self.previous_crc = crc;
        self.witnessed = self.durable;
        self.sequence += 1;
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
    tail.sequence += 1;
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
    let slot = witness::next_slot(&witness::slots(&block, 0));
    file.write_all_at(&witness.encode(0, slot), witness::offset_of(slot))?;
    file.sync_data()
}
