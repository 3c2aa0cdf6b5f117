//! The marks of a run: sparse, fixed width, found by binary search.

use crate::body::Body;
use crate::bytes::{RunBytes, align, narrow, u32_at, u64_at};
use crate::error::{Part, RunError, damaged, wide};
use crate::layout::{ALIGN, MARK_LEN};
use crate::span::Mark;

/// Appends the marks.
pub(crate) fn write(out: &mut Vec<u8>, marks: &[Mark]) {
    for mark in marks {
        out.extend_from_slice(&mark.position.to_le_bytes());
        let units = usize::try_from(mark.offset / wide(ALIGN)).unwrap_or(usize::MAX);
        out.extend_from_slice(&narrow(units).to_le_bytes());
    }
    align(out);
}

/// The last mark that is not after `position`.
pub(crate) fn find<B: RunBytes>(body: &Body<B>, position: u64) -> Result<Option<Mark>, RunError> {
    let (mut low, mut high) = (0, body.places.marks.len() / MARK_LEN);
    let mut found = None;
    while low < high {
        let middle = low + (high - low) / 2;
        let mark = read(body, middle)?;
        if mark.position <= position {
            found = Some(mark);
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(found)
}

fn read<B: RunBytes>(body: &Body<B>, index: usize) -> Result<Mark, RunError> {
    let at = body.places.marks.start + index * MARK_LEN;
    let bytes = body.read(at..at + MARK_LEN)?;
    match (u64_at(bytes, 0), u32_at(bytes, 8)) {
        (Some(position), Some(units)) => {
            Ok(Mark { position, offset: u64::from(units) * wide(ALIGN) })
        }
        _ => Err(damaged(Part::Marks, at)),
    }
}

/// Whether both numbers ascend.
pub(crate) fn check<B: RunBytes>(body: &Body<B>) -> Result<(), RunError> {
    let mut before: Option<Mark> = None;
    for index in 0..body.places.marks.len() / MARK_LEN {
        let mark = read(body, index)?;
        if before.is_some_and(|b| b.position >= mark.position || b.offset >= mark.offset) {
            return Err(damaged(Part::Marks, body.places.marks.start + index * MARK_LEN));
        }
        before = Some(mark);
    }
    Ok(())
}
