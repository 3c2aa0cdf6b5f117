//! Making the decision durable: the tail is cut, what is kept is synced, the witness
//! is refreshed; only then is anything served.

use std::sync::Arc;

use super::analysis::Analysis;
use crate::error::{Error, Result};
use crate::io::Storage;
use crate::planted::{self, Bug};
use crate::record::field::wide;
use crate::record::layout::{PAGE, segment as layout};
use crate::segment::witness::next_slot;
use crate::segment::{Segment, scan};
use crate::tail::{End, Tail, write_control, write_slot};

/// How much is written again at a time.
const PIECE: u64 = 1 << 20;

/// Applies what was decided and returns where the log goes on. May be interrupted
/// anywhere and done again: what is cut is cut at the same place again, since
/// nothing before that place is touched.
pub(crate) fn apply(storage: &dyn Storage, analysis: &Analysis, epoch: u128) -> Result<Tail> {
    for name in &analysis.survey.temporaries {
        storage.remove(name).map_err(|error| Error::io("remove", name, error))?;
    }
    let mut tail = tail(analysis)?;
    if analysis.recovery.clean {
        // A process that died can have left spares beside a log that was closed.
        if !analysis.later.is_empty() {
            remove_later(storage, &analysis.later)?;
        }
        return Ok(tail);
    }
    if let Some(discarded) = &analysis.recovery.discarded
        && !planted::active(Bug::TailNotCut)
    {
        cut(&tail.segment, discarded.offset)?;
    }
    if !planted::active(Bug::RecoveredNotSynced) {
        rewrite_unproven(analysis, &tail.segment)?;
        let scanned =
            analysis.segments.iter().filter(|segment| segment.number >= analysis.scanned_from);
        for segment in scanned {
            sync(segment)?;
        }
    }
    remove_later(storage, &analysis.later)?;
    let witness = tail.witness(analysis.log, epoch, false);
    write_slot(&mut tail, &witness)?;
    drop(write_control(storage, &witness));
    Ok(tail)
}

/// Zeroes everything from `offset` on that is not zero. The sync that follows makes it
/// durable, before anything is appended.
fn cut(segment: &Segment, offset: u64) -> Result<()> {
    let len = segment.len()?;
    let start = offset.min(len);
    let Some(end) = scan::last_written(segment, start, len)? else { return Ok(()) };
    segment
        .zero(start, end, &mut |_| {})
        .map_err(|error| Error::io("write", &segment.name, error))?;
    Ok(())
}

/// Writes again what nothing proves to be durable: from the end of the last group that
/// is known to have been synced, with the first block if that is part of the same
/// write. If a sync failed in an earlier life, the system may hold those bytes for
/// clean, so that syncing alone does nothing.
fn rewrite_unproven(analysis: &Analysis, segment: &Segment) -> Result<()> {
    let data = wide(layout::DATA);
    let (proven, end) = (analysis.end.proven, analysis.end.place.offset());
    let within = proven.segment() == segment.number && proven.offset() > data;
    let mut at = if within { proven.offset().min(end) } else { 0 };
    // The last group in any case: its own sync is what nothing proves.
    let last = analysis.end.last_group;
    if last < end {
        let first = if planted::active(Bug::LastGroupRewritten) { last } else { at.min(last) };
        at = if last > data { first } else { 0 };
    }
    while at < end {
        // The first block is there whole, whatever the length of the file says.
        let bytes =
            if at == 0 { segment.first_block()? } else { segment.read(at, end.min(at + PIECE))? };
        segment
            .file()
            .write_all_at(&bytes, at)
            .map_err(|error| Error::io("write", &segment.name, error))?;
        at += wide(bytes.len());
    }
    // The same goes for the file's length: a new one is made durable by the next sync. It
    // ends where a close would leave it, however often this is done. A disk without a
    // page left keeps the old one.
    let longer = segment.len()?.next_multiple_of(PAGE) + PAGE;
    if let Err(error @ Error::Io { .. }) = segment.secure(0, longer) {
        return Err(error);
    }
    segment.cut(end)
}

/// Removes what comes after the end: spares, and segments that were never durable. A
/// spare of an earlier life is not used again, since nothing proves that its name is
/// durable. From the last one back, each made durable before the next, so that
/// there is never a gap; and first of all what a process that was killed here has removed.
fn remove_later(storage: &dyn Storage, later: &[Arc<Segment>]) -> Result<()> {
    let sync_dir = || {
        let log = storage.describe();
        storage.sync_dir().map_err(|error| Error::io("sync directory of", &log, error))
    };
    sync_dir()?;
    let kept = if planted::active(Bug::SpareNotZeroed) { &[][..] } else { later };
    for segment in kept.iter().rev() {
        storage.remove(&segment.name).map_err(|error| Error::io("remove", &segment.name, error))?;
        if !planted::active(Bug::RemovedBeforeSync) || segment.number == first_of(later) {
            sync_dir()?;
        }
    }
    Ok(())
}

fn first_of(later: &[Arc<Segment>]) -> u64 {
    later.first().map_or(0, |segment| segment.number)
}

fn sync(segment: &Segment) -> Result<()> {
    segment.file().sync_all().map_err(|error| Error::io("sync", &segment.name, error))
}

fn tail(analysis: &Analysis) -> Result<Tail> {
    let number = analysis.end.place.segment();
    let segment = analysis
        .segments
        .last()
        .ok_or_else(|| crate::catalog::survey::damage(number, crate::error::Damage::Missing))?;
    let end = End {
        place: analysis.end.place,
        position: analysis.end.next_position - 1,
        last_group: analysis.end.last_group,
        last_crc: analysis.end.last_crc,
        last_time: analysis.end.last_time,
    };
    Ok(Tail {
        segment: Arc::clone(segment),
        first_position: analysis.header.first_position,
        previous_crc: analysis.header.previous_crc,
        written: end,
        durable: end,
        open_ended: !analysis.recovery.clean,
        sequence: analysis.sequence,
        slot: next_slot(&analysis.slots),
        witnessed: analysis.end.place,
    })
}
