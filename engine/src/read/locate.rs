//! Places of the log by position, time and epoch: what a reader starts from.

use uuid::Uuid;

use super::Shared;
use crate::catalog::entry::Entry;
use crate::catalog::find::extent_of;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::horizon::{Bound, Reach};
use crate::place::Place;
use crate::planted::{self, Bug};
use crate::record::field::wide;
use crate::record::frame::BatchHead;
use crate::record::layout::segment as layout;
use crate::record::walk::{Step, Walk};
use crate::segment::{Extent, scan};

/// A batch, the epoch of its group, and where it lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) epoch: u128,
    pub(crate) batch: BatchHead,
    pub(crate) start: Place,
    pub(crate) end: Place,
}

impl Found {
    pub(crate) const fn last_position(&self) -> u64 {
        self.batch.first_position + self.batch.events as u64 - 1
    }
}

/// The batch that holds `position`, which must be from 1 to that of the bound.
pub(crate) fn batch_at(shared: &Shared, bound: Bound, position: u64) -> Result<Found> {
    let view = shared.catalog.view();
    let (place, first) = shared.catalog.place(&view, position)?;
    let Some(entry) = view.entry(place.segment()) else { return Err(Error::Closed) };
    let mut found = None;
    batches(entry, bound, (place.offset(), first), |batch| {
        let here = batch.batch.events > 0 && batch.last_position() >= position;
        if here {
            found = Some(batch);
        }
        !here
    })?;
    // The index said that it is here.
    found.ok_or_else(|| entry.segment.corrupt(place.offset(), crate::error::Damage::Index))
}

/// The epoch that wrote the event at `position`; 0 if that is 0.
pub(crate) fn epoch_at(shared: &Shared, bound: Bound, position: u64) -> Result<u128> {
    if position == 0 { Ok(0) } else { Ok(batch_at(shared, bound, position)?.epoch) }
}

/// The position of a checkpoint, if its event is the one that the reader saw.
pub(crate) fn resume(shared: &Shared, bound: Bound, checkpoint: Checkpoint) -> Result<u64> {
    let log = Uuid::from_u128(shared.catalog.log);
    let position = checkpoint.position;
    let same_log = checkpoint.log == log;
    let is_there = |bound: Bound| -> Result<bool> {
        let here = same_log && position <= bound.position;
        Ok(here
            && (position == 0 || epoch_at(shared, bound, position)? == checkpoint.epoch.as_u128()))
    };
    if is_there(bound)? {
        return Ok(position);
    }
    // What is written and not durable yet is there too, for those who may see it.
    if position > bound.position && is_there(shared.horizon.indexed(Reach::Written)?)? {
        return Err(Error::BeyondHead { position, head: bound.position });
    }
    let same_until = if planted::active(Bug::DivergedTooFar) {
        position
    } else if same_log {
        last_of_epoch(shared, bound, checkpoint.epoch.as_u128())?.min(position)
    } else {
        0
    };
    Err(Error::Diverged { checkpoint, log, same_until })
}

/// Position of the first event that was recorded at `time` or later; the one after the
/// last event, if there is none. Reads one batch for each halving.
pub(crate) fn first_recorded_at(shared: &Shared, bound: Bound, time: i64) -> Result<u64> {
    let (mut low, mut high) = (1, bound.position + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let found = batch_at(shared, bound, middle)?;
        if found.batch.committed_at >= time {
            high = found.batch.first_position.max(low);
        } else {
            low = found.last_position() + 1;
        }
    }
    Ok(low)
}

/// Position of the last event that an epoch wrote; 0 if there is none. Reads the heads
/// of all batches from the end back to the segment that holds it.
pub(crate) fn last_of_epoch(shared: &Shared, bound: Bound, epoch: u128) -> Result<u64> {
    let view = shared.catalog.view();
    for entry in view.entries.iter().rev() {
        let number = entry.segment.number;
        if number > bound.place.segment() {
            continue;
        }
        let first = entry.segment.header()?.first_position;
        let mut last = 0;
        batches(entry, bound, (wide(layout::DATA), first), |found| {
            if found.epoch == epoch && found.batch.events > 0 {
                last = found.last_position();
            }
            true
        })?;
        if last > 0 {
            return Ok(last);
        }
    }
    Ok(0)
}

/// Walks over the heads of the batches of one segment, from a group's offset on, as long
/// as `take` wants more.
fn batches(
    entry: &Entry,
    bound: Bound,
    (offset, position): (u64, u64),
    mut take: impl FnMut(Found) -> bool,
) -> Result<()> {
    let segment = &entry.segment;
    let extent = extent_of(entry, bound)?;
    let mut walk = Walk::new(segment.seed, offset, position, None);
    let mut epoch = 0;
    let mut wanted = scan::FIRST_WINDOW_BYTES;
    while walk.offset() < extent.limit || !walk.between_groups() {
        let start = walk.offset();
        // Groups do not lie across the end of what lasts.
        let limit = if start < extent.lasting { extent.lasting } else { extent.limit };
        let limit = limit.max(start);
        let end = start.saturating_add(wanted).min(limit);
        let chunk = segment.part(start, end, Extent { limit, ..extent })?;
        let window = chunk.window();
        wanted = scan::FIRST_WINDOW_BYTES;
        loop {
            let at = walk.offset();
            match walk.step(&window) {
                Ok(Step::Group { frame, .. }) => epoch = frame.epoch,
                Ok(Step::Batch(batch)) => {
                    walk.skip_batch(&batch);
                    let place = |offset| Place::new(segment.number, offset);
                    let (start, end) = (place(at), place(walk.offset()));
                    if !take(Found { epoch, batch, start, end }) {
                        return Ok(());
                    }
                }
                Ok(Step::GroupEnd { end }) if end >= limit => break,
                Ok(_) => {}
                Err(error) => {
                    wanted = scan::more_needed(&error, &window, limit)
                        .ok_or_else(|| segment.fault(error, Some(walk.next_position())))?;
                    break;
                }
            }
        }
    }
    Ok(())
}
