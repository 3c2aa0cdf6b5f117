//! All groups of a segment, one after the other.
//!
//! Reads in windows, so that memory stays within a window and the largest record
//! whatever the file claims.

use super::file::{Extent, Segment};
use crate::error::{Error, Result};
use crate::planted::{self, Bug};
use crate::record::field::wide;
use crate::record::layout;
use crate::record::walk::{Fault, Step, Walk, WalkError, Window};

/// How many bytes a window has, unless a record needs more.
const WINDOW_BYTES: u64 = 1 << 20;

/// How many bytes a look-up around one place asks for at first.
pub(crate) const FIRST_WINDOW_BYTES: u64 = 64 << 10;

/// How many bytes a window must have for a walk that stopped at the end of this one;
/// `None` if it stopped for another reason.
pub(crate) fn more_needed(error: &WalkError, window: &Window<'_>, limit: u64) -> Option<u64> {
    match error.fault {
        Fault::Short { needed } if needed > window.end() && needed <= limit => {
            Some(FIRST_WINDOW_BYTES.max(needed - error.offset))
        }
        _ => None,
    }
}

/// Walks from `walk`'s place to the first fault or to `limit`, and hands every step to
/// `visit`. Returns where and why it stopped: `None` at `limit`.
///
/// `visit` sees the steps of a group before the group's end was reached; only
/// [`Step::GroupEnd`] says that the group is whole.
pub(crate) fn walk_to(
    segment: &Segment,
    walk: &mut Walk,
    limit: u64,
    visit: &mut dyn FnMut(&Step<'_>) -> Result<()>,
) -> Result<Option<WalkError>> {
    walk_extent(segment, walk, Extent { limit, lasting: limit }, visit)
}

/// As `walk_to`, where not all bytes last.
pub(crate) fn walk_extent(
    segment: &Segment,
    walk: &mut Walk,
    extent: Extent,
    visit: &mut dyn FnMut(&Step<'_>) -> Result<()>,
) -> Result<Option<WalkError>> {
    let mut wanted = WINDOW_BYTES;
    let limit = extent.limit;
    while walk.offset() < limit || !walk.between_groups() {
        let start = walk.offset();
        let end = start.saturating_add(wanted).min(limit);
        // Groups do not lie across the end of what lasts.
        let upto = if start < extent.lasting { extent.lasting } else { limit };
        let chunk = match segment.part(start, end.min(upto), extent) {
            Err(Error::Io { .. }) if planted::active(Bug::ErrorIsTheEnd) => {
                return Ok(Some(WalkError { offset: start, fault: Fault::Unwritten }));
            }
            chunk => chunk?,
        };
        let window = chunk.window();
        loop {
            if walk.between_groups() && walk.offset() >= upto {
                break;
            }
            match walk.step(&window) {
                Ok(step) => visit(&step)?,
                Err(error) => match more_needed(&error, &window, upto) {
                    Some(needed) => {
                        wanted = WINDOW_BYTES.max(needed);
                        break;
                    }
                    None => return Ok(Some(error)),
                },
            }
        }
    }
    Ok(None)
}

/// What stands in `start..end`: calls `visit` with windows that overlap, so that
/// every header lies whole in one of them.
pub(crate) fn windows(
    segment: &Segment,
    start: u64,
    end: u64,
    visit: &mut dyn FnMut(Window<'_>),
) -> Result<()> {
    let overlap = wide(layout::head::MAX);
    let mut at = start;
    // The same memory each time: new memory is dearer than what is read into it.
    let mut bytes = Vec::new();
    while at < end {
        let upto = at.saturating_add(WINDOW_BYTES + overlap).min(end);
        segment.read_into(at, upto, &mut bytes)?;
        visit(Window { base: at, bytes: &bytes, limit: end });
        at = at.saturating_add(WINDOW_BYTES);
    }
    Ok(())
}

/// The end of the last byte in `start..end` that is not zero, if there is one.
pub(crate) fn last_written(segment: &Segment, start: u64, end: u64) -> Result<Option<u64>> {
    let mut last = None;
    windows(segment, start, end, &mut |window| {
        // Whole blocks first, without a look after each byte: most of a spare is zeros.
        let is_dirty = |block: &[u8]| block.iter().fold(0, |all, byte| all | byte) != 0;
        let dirty = window.bytes.rchunks(4096).position(is_dirty);
        if let Some(blocks) = dirty {
            let upto = window.bytes.len() - blocks * 4096;
            let head = window.bytes.get(..upto).unwrap_or_default();
            if let Some(at) = head.iter().rposition(|byte| *byte != 0) {
                last = Some(window.base + wide(at) + 1);
            }
        }
    })?;
    Ok(last)
}

/// Walks a segment whose end is known, from its first group: anything but whole
/// groups up to `end` is damage.
pub(crate) fn walk_sealed(
    segment: &Segment,
    walk: &mut Walk,
    end: u64,
    visit: &mut dyn FnMut(&Step<'_>) -> Result<()>,
) -> Result<()> {
    let stopped = walk_to(segment, walk, end, visit)?;
    stopped.map_or(Ok(()), |error| {
        let position = walk.next_position();
        Err::<(), Error>(segment.fault(error, Some(position)))
    })
}
